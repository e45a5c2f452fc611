//! The entries of `metadata.managedFields`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::path_set::PathSet;

/// The most entries of ordinary writers; older ones are united.
const MAX_UPDATE_ENTRIES: usize = 10;
/// The manager that stands for united ones.
const ANCIENT: &str = "ancient-changes";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One manager's fields; the tree is only decoded when it is needed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) manager: String,
    operation: Operation,
    api_version: String,
    subresource: String,
    pub(super) time: Option<String>,
    fields: Fields,
}

#[derive(Clone, Debug)]
enum Fields {
    Raw(Value),
    Decoded(PathSet),
}

impl Entry {
    pub(super) fn new(
        manager: &str,
        operation: Operation,
        subresource: Option<&str>,
        api_version: &str,
        time: Option<String>,
        set: PathSet,
    ) -> Self {
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.unwrap_or_default().to_owned(),
            time,
            fields: Fields::Decoded(set),
        }
    }

    fn parse(raw: &Value) -> Option<Self> {
        let text = |name: &str| {
            raw.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let operation = match raw.get("operation").and_then(Value::as_str)? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: raw.get("time").and_then(Value::as_str).map(str::to_owned),
            fields: Fields::Raw(raw.get("fieldsV1").cloned().unwrap_or(Value::Null)),
        })
    }

    pub(super) fn is_apply_of(&self, manager: &str, subresource: Option<&str>) -> bool {
        self.operation == Operation::Apply
            && self.manager == manager
            && self.subresource == subresource.unwrap_or_default()
    }

    pub(super) fn is_update_of(
        &self,
        manager: &str,
        subresource: Option<&str>,
        api_version: &str,
    ) -> bool {
        self.operation == Operation::Update
            && self.manager == manager
            && self.subresource == subresource.unwrap_or_default()
            && self.api_version == api_version
    }

    pub(super) fn set(&self) -> Cow<'_, PathSet> {
        match &self.fields {
            Fields::Raw(raw) => Cow::Owned(PathSet::decode(raw)),
            Fields::Decoded(set) => Cow::Borrowed(set),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.fields {
            Fields::Raw(raw) => raw.as_object().is_none_or(Map::is_empty),
            Fields::Decoded(set) => set.is_empty(),
        }
    }

    pub(super) fn subtract(&mut self, other: &PathSet) {
        if other.is_empty() {
            return;
        }
        let set = self.set().into_owned();
        let left = set.clone().difference(other);
        if left != set {
            self.fields = Fields::Decoded(left);
        }
    }

    /// The owner as conflict messages name it.
    pub(super) fn owner(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn into_value(self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: String| {
            if !value.is_empty() {
                map.insert(name.to_owned(), Value::from(value));
            }
        };
        put("manager", self.manager);
        put("operation", self.operation.as_str().to_owned());
        put("apiVersion", self.api_version);
        put("time", self.time.unwrap_or_default());
        put("fieldsType", "FieldsV1".to_owned());
        put("subresource", self.subresource);
        let fields = match self.fields {
            Fields::Raw(raw) => raw,
            Fields::Decoded(set) => set.encode(),
        };
        map.insert("fieldsV1".to_owned(), fields);
        Value::Object(map)
    }
}

/// The entries of an object; what cannot be read is dropped.
pub(super) fn read(object: &Value) -> Vec<Entry> {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .map(|entries| entries.iter().filter_map(Entry::parse).collect())
        .unwrap_or_default()
}

/// Sorts the entries as the real server does and puts them into an object.
pub(super) fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.sort_by(|left, right| {
        let key = |entry: &Entry| {
            (
                entry.operation,
                entry.time.clone(),
                entry.manager.clone(),
                entry.api_version.clone(),
                entry.subresource.clone(),
            )
        };
        key(left).cmp(&key(right))
    });
    let Value::Object(map) = object else {
        return;
    };
    if entries.is_empty() {
        if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        return;
    }
    let metadata = map
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata {
        let entries = entries.into_iter().map(Entry::into_value).collect();
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
}

/// Unites the oldest ordinary writers when there are too many.
pub(super) fn limit_updates(entries: &mut Vec<Entry>) {
    let mut updates: Vec<usize> = (0..entries.len())
        .filter(|index| {
            entries
                .get(*index)
                .is_some_and(|entry| entry.operation == Operation::Update)
        })
        .collect();
    let Some(surplus) = updates
        .len()
        .checked_sub(MAX_UPDATE_ENTRIES)
        .filter(|surplus| *surplus > 0)
    else {
        return;
    };
    updates.sort_by_key(|index| entries.get(*index).map(|entry| entry.time.clone()));
    // One entry comes back for the united ones.
    updates.truncate(surplus + 1);
    updates.sort_unstable();
    let mut united: Option<Entry> = None;
    for index in updates.into_iter().rev() {
        let entry = entries.remove(index);
        united = Some(match united {
            None => Entry {
                manager: ANCIENT.to_owned(),
                subresource: String::new(),
                ..entry
            },
            Some(mut all) => {
                all.fields = Fields::Decoded(all.set().into_owned().union(&entry.set()));
                all
            }
        });
    }
    entries.extend(united);
}
