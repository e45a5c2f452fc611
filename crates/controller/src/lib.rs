//! The operator.
//!
//! Owns: what is watched, the index of what exists, the scheduler, one reconciler per kind (gather
//! facts, plan, apply), writes, status, events, metrics and health.
//! Refuses: provider details (`keyless-providers`) and the making of a Secret's data
//! (`keyless-secret`).

mod backends;
mod clock;
mod cluster;
mod cluster_external_secret;
mod context;
mod dependencies;
mod dispatch;
mod effects;
mod events;
mod external_secret;
mod index;
mod judgement;
mod kinds;
pub mod metrics;
mod object;
mod operator;
mod options;
pub mod preview;
mod render;
mod schedule;
mod sinks;
mod store;
mod writers;

pub use backends::Backends;
#[doc(hidden)]
pub use clock::Clock;
pub use cluster::ClusterReader;
#[doc(hidden)]
pub use effects::{Effect, Effects};
pub use keyless_kubernetes::{Clients, Error, LeaderElection, Own, connect};
pub use object::ObjectKey;
pub use operator::Operator;
pub use options::Options;
