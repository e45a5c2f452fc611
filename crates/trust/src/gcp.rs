//! Google's half of the model: names of pools, providers and secrets, members of policies, and the
//! rules of a workload identity pool's provider.
//!
//! Owns: what these texts mean, and which part of a token a provider refuses. Refuses: I/O, a clock
//! (times come in), and mapping expressions in CEL, whose outcome is taken as given.

pub mod member;
pub mod name;
pub mod provider;

pub use member::{Caller, Member, MemberError};
pub use name::{NameError, Pool, PoolProvider, SecretName};
pub use provider::{Mismatch, OidcProvider, ProviderError};
