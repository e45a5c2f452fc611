//! ClusterExternalSecrets: gather facts, plan, apply.
//!
//! Owns: one ExternalSecret in each selected namespace, its deletion where it is no longer
//! wanted, the status, and the removal of finalizers that ESO left behind. Refuses: finalizers of
//! its own (an owner reference is enough for whoever deletes a ClusterExternalSecret, and a
//! namespace must end whether an operator runs or not), and syncing (that is the ExternalSecret's).
//!
//! A look asks the API server nothing: the index knows every ExternalSecret and every namespace.
//! ExternalSecrets are written before the status, so that being killed in between is repaired by
//! looking again.

mod apply;
mod facts;
mod plan;
mod reconcile;
mod status;

pub use reconcile::reconcile;
