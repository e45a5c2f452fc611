//! Google backends.
//!
//! Owns: Secret Manager. Refuses: logging in (that is `keyless-identity`'s).

mod fault;
mod secret_manager;

pub use secret_manager::{Backend, Place, Rates, SecretManager, Settings};
