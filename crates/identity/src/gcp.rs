//! Logging in to Google.
//!
//! Owns: the exchange of a cluster's or another cloud's token at Google's token service, GKE's
//! identity binding, impersonation, stored keys, the metadata server, with exact errors; the
//! endpoints; and the value that says everything that makes a Google identity different.
//! Refuses: running programs for a token, and taking an endpoint from what a tenant writes: all
//! of them follow from the universe and the operator's environment.

mod answer;
mod aws4_request;
mod call;
mod cloud;
mod config;
mod exchange;
mod key;
mod login;
mod logins;
mod metadata;
mod operator;
mod refusal;
mod resolve;
mod subject;

pub use cloud::Cloud;
pub use key::ServiceAccountKey;
pub use login::{Format, GkeCluster, Impersonation, Login, Pool, Source, Subject};
pub use logins::Logins;
pub(crate) use resolve::resolve_auth;
pub use resolve::{depends_on_consumer, resolve};

/// A login at Google as the source of tokens.
pub type CachedToken = crate::CachedToken<Logins>;
