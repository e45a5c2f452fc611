//! What is known about one ClusterExternalSecret and its namespaces, read from the index alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::plan::{self, Existing, Intent, Place, State};
use crate::context::Context;
use crate::index::{Index, Scope};
use crate::object::{ClusterExternalSecret, ExternalSecret, Namespace, ObjectKey};

/// What is known, as owned values: the index is not held while requests are made.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Its key.
    pub key: ObjectKey,
    /// The object; `None` if it is gone.
    pub object: Option<Arc<ClusterExternalSecret>>,
    /// What is to become of its ExternalSecrets.
    pub intent: Intent,
    /// Whether the places are all that concern it.
    pub whole: bool,
    /// The namespaces to look at.
    pub places: Vec<Place>,
}

/// What is known about `key`; `None` while a list is missing: what is not in the index yet would
/// be taken for absent. What is missing wakes it.
pub fn gather(context: &Context, key: &ObjectKey) -> Option<Gathered> {
    let now = context.clock.elapsed();
    let mut state = context.state();
    let index = &mut state.index;
    if !index.knows_clusters() {
        return None;
    }
    let (object, scope) = match index.cluster_external_secret_mut(key) {
        None => (None, Scope::All),
        Some(entry) => {
            let mut scope = std::mem::take(&mut entry.scope);
            scope.merge(std::mem::take(&mut entry.looking));
            if entry.whole_at.is_some_and(|at| at <= now) {
                scope = Scope::All;
            }
            if entry.retry_at.is_some_and(|at| at <= now) {
                entry.retry_at = None;
                scope.merge(Scope::Some(entry.retry.clone()));
            }
            entry.looking = scope.clone();
            (Some(Arc::clone(&entry.object)), scope)
        }
    };
    let intent = plan::intent(object.as_deref());
    let whole = scope == Scope::All;
    let namespaces = match scope {
        Scope::Some(set) => set,
        Scope::All => all(index, key, object.as_deref(), intent),
    };
    let places = namespaces.into_iter();
    let places = places.map(|namespace| place(index, key, object.as_deref(), namespace));
    Some(Gathered {
        key: key.clone(),
        intent,
        whole,
        places: places.collect(),
        object,
    })
}

/// Every namespace that there can be anything to do in.
fn all(
    index: &Index,
    key: &ObjectKey,
    object: Option<&ClusterExternalSecret>,
    intent: Intent,
) -> BTreeSet<Arc<str>> {
    let mut all: BTreeSet<Arc<str>> = index.held_for(&key.name).cloned().collect();
    if intent != (Intent::Withdraw { delete: false }) {
        all.extend(index.made_by(&key.name).map(|k| Arc::clone(&k.namespace)));
    }
    if intent == Intent::Provide {
        let selected = |n: &&Namespace| object.is_some_and(|o| o.selects(n));
        let selected = index.namespaces().filter(selected);
        all.extend(selected.map(|n| Arc::clone(&n.name)));
    }
    all
}

fn place(
    index: &Index,
    key: &ObjectKey,
    object: Option<&ClusterExternalSecret>,
    name: Arc<str>,
) -> Place {
    let namespace = index.namespace(&name);
    let template = object.and_then(|o| o.template.as_ref().ok());
    let wanted = template.map(|t| ObjectKey {
        namespace: Arc::clone(&name),
        name: (*t.name).into(),
    });
    let existing = wanted.as_ref().and_then(|k| index.external_secret(k));
    let existing = match (existing, object, template) {
        (Some(entry), Some(object), Some(template)) => {
            let admitted = index.cluster_external_secret(key);
            let admitted = admitted.and_then(|e| e.admitted.get(&name)).copied();
            compare(&entry.object, object, template.form, admitted)
        }
        _ => Existing::Nothing,
    };
    let others = index.made_in(&key.name, &name);
    let others = others.filter(|k| Some(*k) != wanted.as_ref());
    let others = others.filter_map(|k| index.external_secret(k));
    Place {
        state: match namespace {
            None => State::Gone,
            Some(n) if n.deleting => State::Ending,
            Some(_) => State::Active,
        },
        selected: namespace.is_some_and(|n| object.is_some_and(|o| o.selects(n))),
        held: namespace.and_then(|n| n.foreign_finalizer(&key.name)),
        existing,
        others: others.map(|e| Arc::clone(&e.object)).collect(),
        namespace: name,
    }
}

fn compare(
    found: &Arc<ExternalSecret>,
    object: &ClusterExternalSecret,
    form: u64,
    admitted: Option<(u64, u64)>,
) -> Existing {
    // By name, not by uid: one that was deleted and made again takes over what it had made.
    let controller = found.controller.as_deref();
    let Some(controller) = controller.filter(|c| *c.name == *object.key.name) else {
        return Existing::Foreign;
    };
    let same = controller.form == form || admitted == Some((form, controller.form));
    Existing::Made {
        same: same && controller.uid == object.uid,
        object: Arc::clone(found),
    }
}
