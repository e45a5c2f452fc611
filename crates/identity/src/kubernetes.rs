//! Logging in to an API server, this cluster's or another one's.
//!
//! Owns: what a store's `provider.kubernetes` leads to (server, authorities, whose token or
//! certificate), tokens minted for service accounts, and what of a kubeconfig may be believed.
//! Refuses: reading Secrets.

mod kubeconfig;
mod login;
mod logins;
mod resolve;

pub use login::{ApiServer, Login, Source};
pub use logins::{Bearer, Logins};
pub use resolve::{depends_on_consumer, resolve};
