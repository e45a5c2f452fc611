//! The registry and its backends against an in-memory cluster and an in-memory AWS that speaks
//! the wire formats of STS and Systems Manager.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/canary.rs"]
mod canary;
#[path = "all/cloud.rs"]
mod cloud;
#[path = "all/identities.rs"]
mod identities;
#[path = "all/parameter_store.rs"]
mod parameter_store;
#[path = "all/stores.rs"]
mod stores;
