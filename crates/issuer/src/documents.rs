//! The two documents: read strictly, written canonically.
//!
//! Owns: JSON as relying parties read it ([`json`]), the discovery document, keys and key sets.
//! Refuses: judging (that is [`crate::rules`]'): what is wrong with a document that can be read is
//! kept as a fact.

pub mod discovery;
pub mod json;
pub mod jwk;
pub mod jwks;
mod roca;

pub use discovery::Discovery;
pub use json::Unreadable;
pub use jwk::{Algorithm, Jwk, KeyFault, Material};
pub use jwks::{Entry, KeySet};

/// Where the discovery document lies below the issuer.
pub const DISCOVERY_PATH: &str = ".well-known/openid-configuration";
/// Where the key set lies below the issuer: the API server's own path.
pub const JWKS_PATH: &str = "openid/v1/jwks";
/// The `Content-Type` of both documents.
pub const CONTENT_TYPE: &str = "application/json";
/// How long both may be kept by caches.
pub const CACHE_CONTROL: &str = "public, max-age=300";
/// Larger documents are not published.
pub const MAX_DOCUMENT: usize = 16 << 10;
