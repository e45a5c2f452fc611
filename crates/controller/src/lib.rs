//! The operator.
//!
//! Owns: watches, the index of what exists, the scheduler, one reconciler per kind (gather
//! facts, plan, apply), writes, status, events, metrics, health and the leader lease.
//! Refuses: provider details (`keyless-providers`) and the making of a Secret's data
//! (`keyless-secret`).

mod backends;
mod client;
mod clock;
mod cluster;
mod cluster_external_secret;
mod context;
mod dependencies;
mod dispatch;
mod effects;
mod error;
mod events;
mod external_secret;
mod index;
mod kinds;
mod lease;
pub mod metrics;
mod object;
mod operator;
mod options;
pub mod preview;
mod render;
mod request;
mod schedule;
mod server;
mod sinks;
mod store;
mod watch;
mod writers;

pub use backends::Backends;
pub use client::{Clients, Own, connect};
#[doc(hidden)]
pub use clock::Clock;
pub use cluster::ClusterReader;
#[doc(hidden)]
pub use effects::{Effect, Effects};
pub use error::Error;
pub use object::ObjectKey;
pub use operator::Operator;
pub use options::{LeaderElection, Options};
