//! The Secret as it ought to be, given what exists.
//!
//! Owns: which data, labels, annotations, type, finalizers and owner references result from each
//! creation policy, and who may own the target. Refuses: writing, and deciding what happens when
//! there is no data.

mod owner;

use std::collections::BTreeMap;

use keyless_api::constants::{annotation, label};
use keyless_api::{CreationPolicy, ExternalSecretSpec};

use crate::SecretBytes;
use crate::hash::{created_by, data_hash};
use crate::managed_fields::ManagedKeys;
use crate::template::Content;

pub(crate) use owner::references as owner_references;
pub use owner::{OwnerReference, OwnershipError, controller};

type Map = BTreeMap<String, SecretBytes>;
type Texts = BTreeMap<String, String>;

/// The ExternalSecret that writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// The target as it exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Existing {
    /// Its data.
    pub data: Map,
    /// Its labels.
    pub labels: Texts,
    /// Its annotations.
    pub annotations: Texts,
    /// Its type.
    pub kind: String,
    /// Whether it is immutable.
    pub immutable: bool,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Its owners.
    pub owner_references: Vec<OwnerReference>,
    /// What the writer's field manager wrote before.
    pub managed: ManagedKeys,
}

/// The target as it ought to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The data.
    pub data: Map,
    /// The labels, managed and created-by labels included.
    pub labels: Texts,
    /// The annotations, the data hash included.
    pub annotations: Texts,
    /// The type; nothing leaves it to the API server.
    pub kind: Option<String>,
    /// Whether it is to be immutable.
    pub immutable: bool,
    /// The finalizers.
    pub finalizers: Vec<String>,
    /// The owners.
    pub owner_references: Vec<OwnerReference>,
    /// The existing Secret is immutable and other data was wanted: its data stays, the rest is
    /// written, and the sync has failed.
    pub refused: bool,
}

/// Whether the content of the target has to be computed: not for an immutable target that exists.
#[must_use]
pub fn needs_content(spec: &ExternalSecretSpec, exists: bool) -> bool {
    !(exists && immutable(spec))
}

fn immutable(spec: &ExternalSecretSpec) -> bool {
    let target = spec.target.as_ref();
    target.and_then(|target| target.immutable).unwrap_or(false)
}

/// The target of `writer`, with `content` where [`needs_content`] asks for one.
///
/// For the policy Merge and no existing target there is nothing to write; the caller does not
/// ask. Under the policy None it does not ask either.
///
/// # Errors
/// The target belongs to someone else.
pub fn wanted(
    writer: &Writer,
    spec: &ExternalSecretSpec,
    content: Option<Content>,
    existing: Option<&Existing>,
) -> Result<Wanted, OwnershipError> {
    let policy = spec.creation_policy();
    let owned = policy == CreationPolicy::Owner;
    let references = existing.map_or(&[][..], |it| it.owner_references.as_slice());
    let mut out = match existing {
        Some(existing) => keep(existing),
        None => Wanted::default(),
    };
    out.owner_references = owner::references(writer, references, owned)?;
    out.immutable |= immutable(spec);
    if let Some(content) = content {
        let shared = matches!(
            policy,
            CreationPolicy::Merge | CreationPolicy::CreateOrMerge
        );
        fill(&mut out, content, existing, shared);
    }
    if owned {
        let creator = created_by(&writer.namespace, &writer.name);
        out.labels.insert(label::CREATED_BY.to_owned(), creator);
    } else {
        out.labels.remove(label::CREATED_BY);
    }
    out.labels
        .insert(label::MANAGED.to_owned(), label::MANAGED_VALUE.to_owned());
    if let Some(existing) = existing.filter(|existing| existing.immutable)
        && out.data != existing.data
    {
        out.data = existing.data.clone();
        out.refused = true;
    }
    let hash = data_hash(&out.data);
    out.annotations
        .insert(annotation::DATA_HASH.to_owned(), hash);
    Ok(out)
}

/// What exists, unchanged.
fn keep(existing: &Existing) -> Wanted {
    Wanted {
        data: existing.data.clone(),
        labels: existing.labels.clone(),
        annotations: existing.annotations.clone(),
        kind: Some(existing.kind.clone()).filter(|kind| !kind.is_empty()),
        immutable: existing.immutable,
        finalizers: existing.finalizers.clone(),
        owner_references: Vec::new(),
        refused: false,
    }
}

/// Takes away what the writer wrote before and lays the content over the rest. `shared` data
/// keeps the keys of others.
fn fill(out: &mut Wanted, content: Content, existing: Option<&Existing>, shared: bool) {
    if let Some(managed) = existing.map(|existing| &existing.managed) {
        out.data.retain(|key, _| !managed.data.contains(key));
        out.labels.retain(|key, _| !managed.labels.contains(key));
        out.annotations
            .retain(|key, _| !managed.annotations.contains(key));
    }
    if !shared {
        out.data.clear();
    }
    out.data.extend(content.data);
    out.labels.extend(content.labels);
    out.annotations.extend(content.annotations);
    if content.kind.is_some() {
        out.kind = content.kind;
    }
    for finalizer in content.finalizers {
        if !out.finalizers.contains(&finalizer) {
            out.finalizers.push(finalizer);
        }
    }
}

#[cfg(test)]
mod tests;
