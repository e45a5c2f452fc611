//! keyless-sandbox
