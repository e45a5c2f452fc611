//! keyless-gjson
