//! Minimal changes of an untyped pod, as a JSON Patch (RFC 6902).
//!
//! Owns: the working copy, so that later rules see what earlier ones changed, and operations
//! that touch nothing else: a field that this program has never heard of is never written.
//! Refuses: knowing what is injected.

mod pod;

pub use pod::Place;
pub(crate) use pod::entry_named;

use serde::Serialize;
use serde_json::{Map, Value};

/// One operation of a JSON Patch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Adds a member, or an element before an index.
    Add {
        /// Where, as a JSON Pointer (RFC 6901).
        path: String,
        /// What.
        value: Value,
    },
    /// Replaces what is there.
    Replace {
        /// Where, as a JSON Pointer.
        path: String,
        /// By what.
        value: Value,
    },
}

/// The object of a review is no pod that anything could be injected into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the pod: {path} is not {expected}")]
pub struct PodError {
    /// The field.
    pub path: String,
    /// What it must be.
    pub expected: &'static str,
}

/// A pod under change.
#[derive(Clone, Debug)]
pub struct PodEdit {
    pod: Value,
    operations: Vec<Operation>,
}

impl PodEdit {
    /// A working copy of `pod`.
    ///
    /// # Errors
    /// When a field that injection reads has another type than a pod's.
    pub fn new(pod: &Value) -> Result<Self, PodError> {
        pod::check(pod)?;
        Ok(Self {
            pod: pod.clone(),
            operations: Vec::new(),
        })
    }

    /// The pod with all changes made so far.
    #[must_use]
    pub const fn pod(&self) -> &Value {
        &self.pod
    }

    /// The changes.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// The member `key` of the map at `map` becomes `text`.
    pub(crate) fn set_text(&mut self, map: &str, key: &str, text: &str) {
        let present = self.pod.pointer(map).and_then(Value::as_object);
        let value = Value::String(text.to_owned());
        let path = format!("{map}/{}", escape(key));
        match present.map(|present| present.get(key)) {
            None => {
                let mut new = Map::new();
                new.insert(key.to_owned(), value);
                self.apply_add(map.to_owned(), Value::Object(new));
            }
            Some(None) => self.apply_add(path, value),
            Some(Some(old)) if *old == value => {}
            Some(Some(_)) => self.apply_replace(path, value),
        }
    }

    /// Appends to the list at `list`, which is made if it is not there.
    pub(crate) fn append(&mut self, list: &str, value: Value) {
        let length = self.length(list);
        self.insert(list, length, value);
    }

    /// Inserts into the list at `list` before `index`.
    pub(crate) fn insert(&mut self, list: &str, index: usize, value: Value) {
        match self.pod.pointer(list) {
            Some(Value::Array(present)) => {
                let path = if index >= present.len() {
                    format!("{list}/-")
                } else {
                    format!("{list}/{index}")
                };
                self.apply_add(path, value);
            }
            _ => self.apply_add(list.to_owned(), Value::Array(vec![value])),
        }
    }

    /// The value at `path`, which exists, becomes `value`; nothing if it is that already.
    pub(crate) fn replace(&mut self, path: String, value: Value) {
        if self.pod.pointer(&path) != Some(&value) {
            self.apply_replace(path, value);
        }
    }

    fn length(&self, list: &str) -> usize {
        let list = self.pod.pointer(list).and_then(Value::as_array);
        list.map_or(0, Vec::len)
    }

    fn apply_add(&mut self, path: String, value: Value) {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", &path));
        match self.pod.pointer_mut(parent) {
            Some(Value::Object(map)) => {
                map.insert(unescape(last), value.clone());
            }
            Some(Value::Array(list)) => {
                let index = last.parse().unwrap_or(list.len()).min(list.len());
                list.insert(index, value.clone());
            }
            // The pod was checked: there is always a parent.
            _ => return,
        }
        self.operations.push(Operation::Add { path, value });
    }

    fn apply_replace(&mut self, path: String, value: Value) {
        if let Some(place) = self.pod.pointer_mut(&path) {
            *place = value.clone();
            self.operations.push(Operation::Replace { path, value });
        }
    }
}

/// `pod` with `patch`, which was made for it.
#[must_use]
pub fn apply(pod: &Value, patch: &[Operation]) -> Value {
    let mut edit = PodEdit {
        pod: pod.clone(),
        operations: Vec::new(),
    };
    for operation in patch.iter().cloned() {
        match operation {
            Operation::Add { path, value } => edit.apply_add(path, value),
            Operation::Replace { path, value } => edit.apply_replace(path, value),
        }
    }
    edit.pod
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}
