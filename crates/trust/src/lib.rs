//! keyless-trust
