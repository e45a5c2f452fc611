//! The whole story on one machine: a Kubernetes API, its issuer, and clouds that really verify.
//!
//! Owns: the in-process API server (`kube`), the cluster's issuer (`issuer`), the emulated
//! clouds (`aws`, `azure`, `gcp`, `vault`), their TLS (`tls`), their clock (`clock`), all of them
//! together (`sandbox`), and the clouds' own clients that judge them (`judges`).
//! Refuses: production paths; nothing here is linked by the operator's reconcile.

pub mod aws;
pub mod azure;
pub mod clock;
mod federation;
pub mod gcp;
pub mod issuer;
pub mod judges;
pub mod kube;
mod proxy;
pub mod sandbox;
pub mod tls;
pub mod vault;

pub use sandbox::{Sandbox, SandboxOptions};
