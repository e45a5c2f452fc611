//! keyless-api
