//! Subject tokens and their exchange for credentials.
//!
//! Owns: what a login needs from the cluster, the one way out over HTTP, the exchanges with
//! each cloud's token service, and the one credential cache: single-flight, refreshed early,
//! keyed by everything that makes an identity different.
//! Refuses: knowledge of secrets, Kubernetes clients, retries of denied logins.

pub mod aws;
pub mod azure;
mod bearer;
mod cache;
mod claims;
mod cluster;
mod environment;
mod error;
mod evidence;
pub mod gcp;
mod http;
pub mod kubernetes;
mod reference;
pub mod sdk;
mod sealed;
mod selector;
pub mod vault;
pub mod webhook;

pub use bearer::{AccessToken, CachedToken, Tokens};
pub use cache::{Cache, CacheStats, Leased};
pub use claims::{TokenFacts, scrub};
pub use cluster::{Cluster, ServiceAccount, StoredSecret, SubjectToken};
pub use environment::Environment;
pub use error::Error;
pub use evidence::{AccountFacts, Evidence, Known};
pub use http::{
    ClientCertificate, Exchange, ExchangeOptions, HttpError, HttpExchange, Limits, Overrides, Peer,
    is_metadata,
};
pub use sealed::Sealed;
pub use selector::{Consumer, Resolved, namespace_of};
