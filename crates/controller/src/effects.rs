//! Every change that the operator makes to the cluster passes here first.
//!
//! Owns: the names of effects and the hook with which a test stops the operator between any two
//! of them, to show that nothing is lost and nothing is left doubled. Refuses: doing anything.

use futures::future::BoxFuture;

use crate::object::ObjectKey;

/// A change about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A Secret is created.
    CreateSecret(ObjectKey),
    /// A Secret is changed.
    UpdateSecret(ObjectKey),
    /// A Secret is deleted.
    DeleteSecret(ObjectKey),
    /// A target that is no Secret is created.
    CreateResource(ObjectKey),
    /// A target that is no Secret is changed.
    UpdateResource(ObjectKey),
    /// A target that is no Secret is deleted.
    DeleteResource(ObjectKey),
    /// An ExternalSecret's status is written.
    WriteStatus(ObjectKey),
    /// A store's status is written.
    WriteStoreStatus(ObjectKey),
    /// Our finalizers are taken off an ExternalSecret.
    RemoveFinalizer(ObjectKey),
    /// An ExternalSecret is created for a ClusterExternalSecret.
    CreateExternalSecret(ObjectKey),
    /// An ExternalSecret is made as its ClusterExternalSecret says.
    UpdateExternalSecret(ObjectKey),
    /// An ExternalSecret that a ClusterExternalSecret made is deleted.
    DeleteExternalSecret(ObjectKey),
    /// A ClusterExternalSecret's status is written.
    WriteClusterStatus(ObjectKey),
    /// ESO's finalizer for a ClusterExternalSecret is taken off a namespace.
    ReleaseNamespace(ObjectKey),
    /// ESO's finalizer is taken off a ClusterExternalSecret.
    ReleaseCluster(ObjectKey),
    /// An event is created about this object.
    CreateEvent(ObjectKey),
}

/// Is asked before each change; one that never answers stops the operator there.
pub trait Effects: Send + Sync {
    /// `effect` happens when the answer is there.
    fn before<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, ()>;
}

/// Lets everything pass.
#[derive(Debug, Default)]
pub struct Pass;

impl Effects for Pass {
    fn before<'a>(&'a self, _: &'a Effect) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
