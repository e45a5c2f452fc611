//! Who owns the target.

use keyless_api::constants::{API_VERSION, GROUP};
use keyless_fault::{Class, Fault, Link, ObjectRef};
use serde::{Deserialize, Serialize};

use super::Writer;

const KIND: &str = "ExternalSecret";

/// An entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// API version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// uid of the owner.
    pub uid: String,
    /// Whether the owner manages the object; at most one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether the owner cannot be deleted in the foreground before the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

impl OwnerReference {
    /// Whether it names an ExternalSecret of that name, of whatever version and uid.
    fn is_writer(&self, name: &str) -> bool {
        self.is_external_secret() && self.name == name
    }

    fn is_external_secret(&self) -> bool {
        let group = self.api_version.split('/').next().unwrap_or_default();
        self.kind == KIND && group == GROUP
    }
}

/// The owner that manages the object.
#[must_use]
pub fn controller(references: &[OwnerReference]) -> Option<&OwnerReference> {
    references
        .iter()
        .find(|reference| reference.controller == Some(true))
}

/// A target that belongs to someone else. Retrying does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnershipError {
    /// Another ExternalSecret writes it.
    #[error("target is owned by another ExternalSecret: {name}")]
    OtherExternalSecret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Another kind of object owns it, and the creation policy is Owner.
    #[error("failed to take ownership of target secret: it is owned by {kind} {name}")]
    OtherKind {
        /// The owner's namespace.
        namespace: String,
        /// The owner's kind.
        kind: String,
        /// The owner's name.
        name: String,
    },
}

impl Fault for OwnershipError {
    fn link(&self) -> Link {
        Link::Kubernetes
    }

    fn class(&self) -> Class {
        Class::Config
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::OtherExternalSecret { .. } => {
                    "Give the two ExternalSecrets different target names"
                }
                Self::OtherKind { .. } => {
                    "Choose another target.name or a creationPolicy other than Owner"
                }
            }
            .to_owned(),
        )
    }

    fn blame(&self) -> Option<ObjectRef> {
        Some(match self {
            Self::OtherExternalSecret { namespace, name } => {
                ObjectRef::new(KIND, namespace.as_str(), name.as_str())
            }
            Self::OtherKind {
                namespace,
                kind,
                name,
            } => ObjectRef::new(kind.as_str(), namespace.as_str(), name.as_str()),
        })
    }
}

/// The owner references that ought to be there: with the writer as controller if it is to own
/// the target, else without it.
pub(crate) fn references(
    writer: &Writer,
    present: &[OwnerReference],
    owned: bool,
) -> Result<Vec<OwnerReference>, OwnershipError> {
    if let Some(other) = controller(present).filter(|owner| !owner.is_writer(&writer.name)) {
        let namespace = writer.namespace.clone();
        let name = other.name.clone();
        if other.is_external_secret() {
            return Err(OwnershipError::OtherExternalSecret { namespace, name });
        }
        if owned {
            let kind = other.kind.clone();
            return Err(OwnershipError::OtherKind {
                namespace,
                kind,
                name,
            });
        }
    }
    let mut out = present.to_vec();
    if !owned {
        out.retain(|reference| {
            !(reference.controller == Some(true) && reference.is_writer(&writer.name))
        });
        return Ok(out);
    }
    let own = OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        name: writer.name.clone(),
        uid: writer.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    match out
        .iter_mut()
        .find(|reference| reference.is_writer(&writer.name))
    {
        Some(reference) => *reference = own,
        None => out.push(own),
    }
    Ok(out)
}
