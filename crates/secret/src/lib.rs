//! The pure road from fetched values to the wanted Secret.
//!
//! Owns: secret bytes, property paths, decoding, rewrite, key conversion, merge, template,
//! data hash, the comparison of the wanted Secret with what exists, and the same for targets of
//! other kinds.
//! Refuses: I/O, clocks, async, Kubernetes clients.

mod bytes;

pub mod decode;
pub mod diff;
pub mod extract;
mod go_float;
mod go_json;
pub mod go_regexp;
pub mod hash;
pub mod keys;
pub mod managed_fields;
pub mod manifest;
pub mod null_bytes;
pub mod pipeline;
pub mod property;
pub mod render;
pub mod rewrite;
pub mod template;
pub mod wanted;
mod yaml;

pub use bytes::SecretBytes;
