//! The admission server.
//!
//! Owns: the rules of token injection, drop-in for the webhooks of AWS, Azure and Google (what an
//! annotated service account and a pod lead to, as a minimal JSON Patch), and the server that
//! answers API servers by them: reviews, service accounts, certificates, and pods that were
//! created while nobody was there to inject.
//! Refuses: rules that also run in the operator (`keyless-api` has those of the custom
//! resources). [`inject`], [`cloud`], [`foresee`], [`review`] and [`answer`] are pure: no I/O and no clock.

pub mod accounts;
pub mod answer;
mod associations;
pub mod certificate;
pub mod cloud;
pub mod foresee;
pub mod inject;
mod metrics;
mod missed;
mod options;
mod patch;
pub mod review;
mod server;
mod validate;
mod watched;
mod webhook;

pub use metrics::REFERENCE as METRICS;
pub use options::{CertificateSource, Options};
pub use patch::{Operation, PodError, apply};
pub use server::TlsVersion;
pub use webhook::{Measured, Webhook};
