//! One module per backend behind one batch-first trait, and the call planner between them
//! and the network.
//!
//! Owns: the provider trait, opening a backend from a store's spec, batching, coalescing and
//! rate limits. Refuses: Kubernetes writes, and sharing anything between two identities.

mod error;
mod provider;

pub use error::Error;
pub use provider::{Capabilities, Find, Provider, Ref, StoreScope, Validation};
