//! What the operator remembers of an object, decoded straight from a watch event.
//!
//! Owns: keys, and compact forms of ExternalSecrets, ClusterExternalSecrets, stores, managed
//! Secrets and namespaces.
//! Refuses: managedFields, bodies of Secrets, and anything that no decision needs. Five thousand
//! objects must fit in a few MiB.

mod cluster_external_secret;
mod external_secret;
mod metadata;
mod namespace;
mod resource;
mod secret;
mod sighting;
mod store;

pub use cluster_external_secret::{ClusterExternalSecret, ClusterStatus, Template};
pub use external_secret::{ExternalSecret, Ready};
pub use metadata::{json_map, key_of};
pub use namespace::Namespace;
pub use resource::Resource;
pub use secret::Secret;
pub use sighting::Sighting;
pub use store::{Store, StoreKind};

use std::fmt;
use std::sync::Arc;

/// Namespace and name; the namespace is empty for cluster-scoped objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Namespace or empty.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key of these texts.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}
