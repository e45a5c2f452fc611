//! The one model of trust: who (issuer, audience, subject) may become what (target).
//!
//! Owns: the model ([`Trust`]), the claims of a token ([`token`]), the provider object
//! ([`provider`]) and, by cloud, its own trust objects and their
//! evaluation: policies of AWS ([`aws`]), federated credentials of Entra ([`azure`]), pools and members
//! of Google ([`gcp`]). Around it: the catalogue of failures ([`catalogue`]), HCL ([`hcl`]) and the
//! linter ([`lint`]). The renderer writes it, the linter reads it back, the doctor evaluates it,
//! the sandbox enforces it.
//! Refuses: I/O, a clock, signatures, and any secret. Other clouds join as modules beside
//! [`aws`] and as variants of [`Target`].

pub mod aws;
pub mod azure;
pub mod catalogue;
pub mod doctor;
pub mod gcp;
pub mod hcl;
pub mod lint;
pub mod plan;
pub mod provider;
pub mod render;
pub mod token;
mod trust;

pub use trust::{Issuer, IssuerError, ServiceAccount, Target, Trust};
