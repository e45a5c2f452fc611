//! The program as it is installed: by its chart, with real Helm, on a real kube-apiserver.
//! `cargo xtask test` gives these tests their programs; without them they say so, loudly, and pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/chart.rs"]
mod chart;
#[path = "all/doctor.rs"]
mod doctor;
#[path = "all/documents.rs"]
mod documents;
#[path = "all/install.rs"]
mod install;
#[path = "all/issuer.rs"]
mod issuer;
#[path = "all/rotate.rs"]
mod rotate;
#[path = "all/support.rs"]
mod support;
#[path = "all/takeover.rs"]
mod takeover;
