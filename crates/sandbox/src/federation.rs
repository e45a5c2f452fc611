//! What every cloud does with a token of a foreign issuer before any rule of its own: the way to
//! the issuer's keys, and the signature.
//!
//! Owns: fetching the issuer's documents from outside, and checking a compact JWS against them.
//! Refuses: claims and trust, which each cloud judges in its own words.

pub(crate) mod issuers;
pub(crate) mod jws;
