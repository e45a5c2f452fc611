//! The operator.
//!
//! Owns: watches, the index of what exists, the scheduler, one reconciler per kind (gather
//! facts, plan, apply), writes, status, events, metrics, health and the leader lease.
//! Refuses: provider details (`keyless-providers`) and the making of a Secret's data
//! (`keyless-secret`).

mod client;
mod error;
mod request;
#[allow(dead_code)]
mod schedule;
mod watch;

pub use client::{Clients, connect};
pub use error::Error;
