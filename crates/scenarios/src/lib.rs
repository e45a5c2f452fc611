//! Scenario tests of the whole operator, each written once and run on two rings: the sandbox in
//! this process, and a real kube-apiserver.
//!
//! Owns: the rings, the thin client, the operator on its own thread, and the fixtures. The
//! scenarios are in `tests/`.
#![allow(
    clippy::indexing_slicing,
    reason = "fixtures of tests: an absent field fails the test"
)]

pub mod api;
pub mod azure;
mod doctor;
pub mod gcp;
mod injection;
mod log;
mod operator;
mod ring;
mod run;
mod vault;
mod world;

pub use injection::Injecting;
pub use operator::{Notes, Running, Seen};
pub use ring::Kind;
pub use run::{run, run_alone};
pub use world::{World, data};
