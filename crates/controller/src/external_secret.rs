//! ExternalSecrets: gather facts, plan, apply.
//!
//! Owns: one reconcile from a scheduled key to the next due time. The planning is pure; only
//! `facts` reads and only `apply` writes, Secret first, then status, then event, so that being
//! killed between any two of them loses nothing and doubles nothing: the next look finds the
//! Secret as wanted and writes only what is missing.
//!
//! A refresh that changes nothing writes nothing, not even `status.refreshTime`, unless the
//! stored one is older than the refresh interval and than [`crate::Options::status_interval`]:
//! an interval of ten seconds costs one status write in five minutes.

mod apply;
mod facts;
pub mod fetch;
pub mod plan;
pub mod problem;
mod reconcile;
mod resource;
pub mod shape;
mod status;
pub mod stores;
pub mod target;

pub use plan::Pace;
pub use reconcile::reconcile;
pub use stores::store_ref;
