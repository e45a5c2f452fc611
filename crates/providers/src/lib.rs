//! One module per backend behind one batch-first trait, and the call planner between them
//! and the network.
//!
//! Owns: the provider trait, opening a backend from a store's spec, batching, coalescing and
//! rate limits. Refuses: Kubernetes writes, and sharing anything between two identities.

mod aws;
mod azure;
mod error;
mod fake;
mod gcp;
mod kubernetes;
mod merge;
pub mod planner;
mod property;
mod provider;
mod referent;
mod registry;
mod rest;
mod vault;
mod weak_map;
mod webhook;

pub use error::Error;
pub use provider::{
    Capabilities, Find, Provider, Push, Pushed, Ref, Remote, StoreScope, Validation,
};
pub use registry::{Registry, RegistryOptions, acts_on};
