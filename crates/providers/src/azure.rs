//! Azure backends.
//!
//! Owns: Key Vault. Refuses: logging in (that is `keyless-identity`'s).

mod fault;
mod key_vault;

pub use key_vault::{Backend, KeyVault, Settings, rate};
