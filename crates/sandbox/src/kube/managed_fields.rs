//! Field ownership: server-side apply and the tracking of ordinary writes.
//!
//! Owns: `metadata.managedFields` with its `fieldsV1` trees, the merge of an applied
//! configuration into a live object, conflicts, and the removal of fields that nobody applies
//! any more. Refuses: defaulting, validation, storage and the clock: callers pass the time.

use serde_json::{Map, Value};

use super::schema::Schema;

mod check;
mod compare;
mod entry;
mod merge;
mod path_set;
#[cfg(test)]
mod tests;
mod types;

pub use check::check;

use entry::{Entry, Operation};
use path_set::{PathSet, Step};
use types::Type;

/// One field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The owner, e.g. `one`.
    pub manager: String,
    /// The owner as messages name it, e.g. `"one"` or `"two" using v1`.
    pub owner: String,
    /// The field, e.g. `.data.a`.
    pub field: String,
}

impl Conflict {
    /// The message of the conflict's cause in a `Status`; its reason is `FieldManagerConflict`.
    #[must_use]
    pub fn cause(&self) -> String {
        format!("conflict with {}", self.owner)
    }
}

/// The message of the 409 that answers a conflicting apply.
#[must_use]
pub fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!(
            "Apply failed with 1 conflict: {}: {}",
            one.cause(),
            one.field
        );
    }
    let mut message = format!("Apply failed with {} conflicts:", conflicts.len());
    let mut owner = None;
    for conflict in conflicts {
        if owner != Some(&conflict.owner) {
            let separator = if owner.is_none() { ' ' } else { '\n' };
            message.push(separator);
            message.push_str(&format!("conflicts with {}:", conflict.owner));
            owner = Some(&conflict.owner);
        }
        message.push_str("\n- ");
        message.push_str(&conflict.field);
    }
    message
}

/// Applies a configuration to a live object, as `PATCH` with `application/apply-patch+yaml`.
///
/// `schema` is absent for built-in kinds. With `subresource` `status` only the status of
/// `applied` counts; for the object itself callers drop a status that is a subresource first.
/// The result is neither defaulted nor validated, and its server-set metadata is the live one's.
/// Nothing changed if the result equals `live`.
///
/// # Errors
///
/// The conflicts with other managers, unless `force` takes their fields over.
pub fn apply(
    live: Option<&Value>,
    applied: &Value,
    manager: &str,
    force: bool,
    schema: Option<&Schema>,
    subresource: Option<&str>,
    now_rfc3339: &str,
) -> Result<Value, Vec<Conflict>> {
    let root = Type::root(schema);
    let applied = &relevant(applied, subresource);
    let empty = Value::Object(Map::new());
    let before = live.unwrap_or(&empty);
    let mut entries = entry::read(before);
    if live.is_some() && entries.is_empty() {
        entries.extend(before_first_apply(root, before, now_rfc3339));
    }
    let api_version = applied
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let own = entries
        .iter()
        .position(|entry| entry.is_apply_of(manager, subresource));
    let last = own.map(|index| entries.remove(index));

    let set = types::set_of(root, applied);
    let mut merged = merge::merge(root, before.clone(), applied);
    if let Some(last) = &last {
        let owned = entries
            .iter()
            .fold(set.clone(), |all, entry| all.union(&entry.set()));
        let mut gone = last
            .set()
            .with_named_parents(root)
            .difference(&owned.with_named_parents(root));
        // Every configuration names its object: the metadata itself always stays.
        gone.members.remove(&Step::Field("metadata".to_owned()));
        merge::remove(root, &mut merged, &gone);
    }
    let comparison = compare::objects(root, before, &merged);
    let changed = comparison.changed();
    let conflicts = conflicts(&entries, &changed);
    if !force && !conflicts.is_empty() {
        return Err(conflicts);
    }
    for entry in &mut entries {
        entry.subtract(&changed);
        entry.subtract(&comparison.removed);
    }
    entries.retain(|entry| !entry.is_empty());
    if !set.is_empty() {
        let time = if comparison.is_empty() {
            last.and_then(|last| last.time)
        } else {
            Some(now_rfc3339.to_owned())
        };
        entries.push(Entry::new(
            manager,
            Operation::Apply,
            subresource,
            api_version,
            time,
            set,
        ));
    }
    entry::write(&mut merged, entries);
    Ok(merged)
}

/// Records who changed what in an ordinary write; `new` gets its `metadata.managedFields`.
///
/// `old` is absent on create. A client that sends `managedFields: [{}]` clears them, and an
/// object without any is not tracked again before its first apply.
pub fn update(
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    subresource: Option<&str>,
    schema: Option<&Schema>,
    now: &str,
) {
    let sent = new
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let reset = sent
        .is_some_and(|sent| matches!(sent.as_slice(), [Value::Object(entry)] if entry.is_empty()));
    let mut entries = match (sent, old) {
        _ if reset => Vec::new(),
        (Some(sent), _) if !sent.is_empty() => entry::read(new),
        (_, Some(old)) => entry::read(old),
        (_, None) => Vec::new(),
    };
    if old.is_some() && entries.is_empty() {
        entry::write(new, entries);
        return;
    }
    let empty = Value::Object(Map::new());
    let root = Type::root(schema);
    let comparison = compare::objects(root, old.unwrap_or(&empty), new);
    if comparison.is_empty() {
        entry::write(new, entries);
        return;
    }
    let mut changed = comparison.changed();
    for entry in &mut entries {
        entry.subtract(&changed);
        if old.is_some() {
            entry.subtract(&comparison.removed);
        }
    }
    if !changed.is_empty() {
        let api_version = new
            .get("apiVersion")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let own = entries
            .iter()
            .position(|entry| entry.is_update_of(manager, subresource, api_version));
        if let Some(own) = own.map(|index| entries.remove(index)) {
            changed = changed.union(&own.set());
        }
        let time = Some(now.to_owned());
        entries.push(Entry::new(
            manager,
            Operation::Update,
            subresource,
            api_version,
            time,
            changed,
        ));
    }
    entries.retain(|entry| !entry.is_empty());
    entry::limit_updates(&mut entries);
    entry::write(new, entries);
}

/// What of an applied configuration counts for a subresource.
fn relevant(applied: &Value, subresource: Option<&str>) -> Value {
    let mut map = applied.as_object().cloned().unwrap_or_default();
    if subresource == Some("status") {
        map.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "status"));
    } else if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    Value::Object(map)
}

/// The owner of everything in an object that was not tracked before.
fn before_first_apply(root: Type<'_>, live: &Value, now: &str) -> Option<Entry> {
    let all = compare::objects(root, &Value::Object(Map::new()), live).changed();
    let api_version = live
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    (!all.is_empty()).then(|| {
        let time = Some(now.to_owned());
        Entry::new(
            "before-first-apply",
            Operation::Update,
            None,
            api_version,
            time,
            all,
        )
    })
}

fn conflicts(entries: &[Entry], changed: &PathSet) -> Vec<Conflict> {
    let mut owners: Vec<(&Entry, PathSet)> = entries
        .iter()
        .map(|entry| (entry, entry.set().intersection(changed)))
        .filter(|(_, set)| !set.is_empty())
        .collect();
    owners.sort_by_key(|(entry, _)| (entry.manager.clone(), entry.owner()));
    owners
        .into_iter()
        .flat_map(|(entry, set)| {
            set.paths().into_iter().map(|field| Conflict {
                manager: entry.manager.clone(),
                owner: entry.owner(),
                field,
            })
        })
        .collect()
}
