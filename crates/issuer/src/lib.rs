//! The two documents by which the world knows a cluster's issuer: read, merged, checked,
//! published, served, and kept right while the signing key changes.
//!
//! Two halves. The pure one holds the documents ([`documents`]), the rules that every service
//! provider sets for them ([`rules`], [`verdict`]), the reader of tokens ([`token`]), what a
//! publication writes ([`plan`]) and the rotation of keys as a state machine ([`rotation`]): no
//! I/O, and the time is an argument. The other half reads API servers ([`cluster`]), fetches as a
//! cloud would ([`fetch`]), writes to targets ([`target`]) and puts both together ([`publish`],
//! [`verify`]); it is behind the feature `effects`, so that the pure half can be fuzzed alone.
//!
//! Refuses: trust objects (`keyless-trust`), secrets, and ever publishing a private key. The one
//! private thing it touches is the key that [`keygen`] makes, which goes into a file and nowhere
//! else.

#[cfg(feature = "effects")]
pub mod cluster;
pub mod documents;
#[cfg(feature = "effects")]
pub mod effects;
pub mod facts;
#[cfg(feature = "effects")]
pub mod fetch;
pub mod finding;
pub mod flags;
#[cfg(feature = "effects")]
pub mod keep;
pub mod keygen;
pub mod marker;
pub mod merge;
pub mod plan;
pub mod publication;
#[cfg(feature = "effects")]
pub mod publish;
#[cfg(feature = "effects")]
pub mod rotate;
pub mod rotation;
pub mod rules;
pub mod safety;
#[cfg(feature = "effects")]
pub mod serve;
#[cfg(feature = "effects")]
pub mod state;
#[cfg(feature = "effects")]
pub mod target;
pub mod token;
pub mod verdict;
#[cfg(feature = "effects")]
pub mod verify;

pub use finding::{Code, Finding, Parties, Party, Severity};
