//! What every service provider demands of an issuer: one file a family of rules.
//!
//! Each function takes facts and returns findings: a code of the catalogue, what was seen, what
//! would be right, and the fix. A rule that cannot tell says nothing.
//!
//! Sources: OpenID Connect Discovery 1.0 (sections 3 and 4), RFC 7515, RFC 7517, RFC 7518, and what
//! AWS, Microsoft, Google and HashiCorp document for their federations; `docs/self-managed.md` has
//! the links.

pub mod discovery;
pub mod issuer;
pub mod keys;
pub mod old;
pub mod outside;
pub mod servers;
pub mod token;
pub mod transport;
