//! keyless-controller
