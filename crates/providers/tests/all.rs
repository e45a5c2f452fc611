//! The registry and its backends against an in-memory cluster and an in-memory AWS that speaks
//! the wire formats of STS and Systems Manager; and over the network, against the sandbox's AWS
//! and, where Python is present, moto's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/bad_answers.rs"]
mod bad_answers;
#[path = "all/canary.rs"]
mod canary;
#[path = "all/cloud.rs"]
mod cloud;
#[path = "all/data_plane.rs"]
mod data_plane;
#[path = "all/endpoints.rs"]
mod endpoints;
#[path = "all/gcp_logins.rs"]
mod gcp_logins;
#[path = "all/gcp_secrets.rs"]
mod gcp_secrets;
#[path = "all/gcp_sources.rs"]
mod gcp_sources;
#[path = "all/gcp_writes.rs"]
mod gcp_writes;
#[path = "all/google.rs"]
mod google;
#[path = "all/identities.rs"]
mod identities;
#[path = "all/logins.rs"]
mod logins;
#[path = "all/parameter_store.rs"]
mod parameter_store;
#[path = "all/peer.rs"]
mod peer;
#[path = "all/place.rs"]
mod place;
#[path = "all/pushing.rs"]
mod pushing;
#[path = "all/secrets_manager.rs"]
mod secrets_manager;
#[path = "all/stores.rs"]
mod stores;
