//! The in-process Kubernetes API server.

pub mod cel;
pub mod json_patch;
pub mod managed_fields;
pub mod openapi;
pub mod protobuf;
pub mod rbac;
pub mod schema;
pub mod strategic;
pub mod table;
