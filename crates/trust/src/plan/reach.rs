//! Where in the cluster the operator must have rights, for what is there to work.
//!
//! Owns: the namespaces whose Secrets are written and whose credentials are read, and those whose
//! service accounts get tokens, each with the objects that need it. Refuses: the rights
//! themselves, and how they are bound; that is a matter of the installation.

use std::collections::{BTreeMap, BTreeSet};

use keyless_api::{Reference, ReferenceKind};

use super::derive::externals;
use super::inventory::{External, Inventory, Store};
use super::{Note, reads};

/// Namespaces, each with those who need it.
pub type Namespaces = BTreeMap<String, BTreeSet<String>>;

/// What the objects of a cluster reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Where Secrets are written, and Secrets, ConfigMaps and service accounts are read.
    pub secrets: Namespaces,
    /// Where tokens are created for service accounts.
    pub tokens: Namespaces,
    /// Whether there is a ClusterSecretStore.
    pub cluster_stores: bool,
    /// Whether there is a ClusterExternalSecret.
    pub cluster_external_secrets: bool,
    /// Kinds beside Secret that are written, as `kind.apiVersion`, with those who write them.
    pub targets: BTreeMap<String, BTreeSet<String>>,
    /// What is not known.
    pub notes: Vec<Note>,
}

/// The reach of everything in the inventory.
#[must_use]
pub fn reach(inventory: &Inventory) -> Reach {
    let mut notes = BTreeSet::new();
    let externals = externals(inventory, &mut notes);
    let mut reach = Reach {
        cluster_stores: inventory.stores.iter().any(Store::is_cluster),
        cluster_external_secrets: !inventory.clusters.is_empty(),
        ..Reach::default()
    };
    for external in &externals {
        let object = external.object.to_string();
        let target = external.spec.target.as_ref();
        let manifest = target.and_then(|t| t.manifest.as_ref());
        if let Some(manifest) = manifest.filter(|m| !m.is_secret()) {
            let kind = format!("{}.{}", manifest.kind, manifest.api_version);
            reach
                .targets
                .entry(kind)
                .or_default()
                .insert(object.clone());
        }
        note_down(&mut reach.secrets, &external.namespace, &object);
    }
    for store in &inventory.stores {
        let readers = readers(store, &externals);
        for reference in store.spec.references() {
            for namespace in places(store, &reference, &readers) {
                let object = store.object.to_string();
                note_down(&mut reach.secrets, namespace, &object);
                if reference.kind == ReferenceKind::ServiceAccount {
                    note_down(&mut reach.tokens, namespace, &object);
                }
            }
        }
    }
    reach.notes = notes.into_iter().collect();
    reach
}

fn note_down(namespaces: &mut Namespaces, namespace: &str, object: &str) {
    let objects = namespaces.entry(namespace.to_owned()).or_default();
    objects.insert(object.to_owned());
}

/// The namespaces of those who read from a ClusterSecretStore.
fn readers<'a>(store: &Store, externals: &'a [External]) -> BTreeSet<&'a str> {
    if !store.is_cluster() {
        return BTreeSet::new();
    }
    let reads_from = |external: &&External| {
        let all = reads::of(&external.spec).into_iter();
        let mut stores = all.filter_map(|read| read.store.map(reads::kind_and_name));
        stores.any(|named| named == ("ClusterSecretStore", store.object.name.as_str()))
    };
    let of = externals.iter().filter(reads_from);
    of.map(|external| external.namespace.as_str()).collect()
}

/// Where an object lies that a store names: a SecretStore's beside it; a ClusterSecretStore's
/// where it says, or in the namespace of each reader.
fn places<'a>(
    store: &'a Store,
    reference: &'a Reference,
    readers: &BTreeSet<&'a str>,
) -> BTreeSet<&'a str> {
    let own = store.object.namespace.as_ref();
    match own.or(reference.namespace.as_ref()) {
        Some(namespace) => BTreeSet::from([namespace.as_str()]),
        None => readers.clone(),
    }
}

#[cfg(test)]
mod tests;
