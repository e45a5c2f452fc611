//! The issuer's effects: real HTTPS servers, real directories, processes that are killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/catalogue.rs"]
mod catalogue;
#[path = "all/clouds.rs"]
mod clouds;
#[path = "all/killed.rs"]
mod killed;
#[path = "all/killed_rotation.rs"]
mod killed_rotation;
#[path = "all/migration.rs"]
mod migration;
#[path = "all/publishing.rs"]
mod publishing;
#[path = "all/real.rs"]
mod real;
#[path = "all/serving.rs"]
mod serving;
#[path = "all/site.rs"]
mod site;
#[path = "all/strangers.rs"]
mod strangers;
#[path = "all/targets.rs"]
mod targets;
