//! Maps with string keys: the only values that can change (`set`, `unset`, `merge`).
//!
//! A map never comes to contain itself: whoever adds an entry to a map that others can see asks
//! [`Map::reaches`] first. So reference counting frees everything and every walk ends.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Elem, Text, Value};
use crate::limits::{Fuel, Limit};

/// A shared map, sorted by the bytes of its keys.
#[derive(Clone)]
pub struct Map(Arc<Inner>);

struct Inner {
    elem: Elem,
    entries: Mutex<BTreeMap<Text, Value>>,
}

impl Map {
    /// A map whose values have Go's type `elem`.
    pub fn new(elem: Elem, entries: impl IntoIterator<Item = (Text, Value)>) -> Self {
        Self(Arc::new(Inner {
            elem,
            entries: Mutex::new(entries.into_iter().collect()),
        }))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Text, Value>> {
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The type of the values.
    #[must_use]
    pub fn elem(&self) -> Elem {
        self.0.elem
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries().get(key).cloned()
    }

    /// Whether `key` is there.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.entries().contains_key(key)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries at this moment, sorted by key.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(Text, Value)> {
        self.entries()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// The keys at this moment, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<Text> {
        self.entries().keys().cloned().collect()
    }

    /// Sets an entry. The caller has made sure that `value` does not reach this map.
    pub(crate) fn insert(&self, key: Text, value: Value) {
        let old = self.entries().insert(key, value);
        drop(old);
    }

    /// Removes an entry.
    pub(crate) fn remove(&self, key: &[u8]) {
        let old = self.entries().remove(key);
        drop(old);
    }

    /// Whether both are the same map.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether this map is `value` or lies somewhere within it.
    pub(crate) fn reaches(&self, value: &Value, fuel: &mut Fuel) -> Result<bool, Limit> {
        let mut seen = HashSet::new();
        let mut open = vec![value.clone()];
        while let Some(value) = open.pop() {
            fuel.step(1)?;
            match value {
                Value::Map(map) => {
                    if map.is(self) {
                        return Ok(true);
                    }
                    if map.elem() == Elem::Any && seen.insert(Arc::as_ptr(&map.0)) {
                        open.extend(map.entries().values().filter(|v| is_container(v)).cloned());
                    }
                }
                Value::List(list) => {
                    fuel.step(list.len())?;
                    open.extend(list.items().iter().filter(|v| is_container(v)).cloned());
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn into_children(self, out: &mut Vec<Value>) {
        if let Some(inner) = Arc::into_inner(self.0) {
            let entries =
                std::mem::take(&mut *inner.entries.lock().unwrap_or_else(PoisonError::into_inner));
            out.extend(entries.into_values());
        }
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

impl Drop for Inner {
    fn drop(&mut self) {
        let entries = self
            .entries
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let children: Vec<Value> = std::mem::take(entries)
            .into_values()
            .filter(is_container)
            .collect();
        release(children);
    }
}

/// Frees values without recursion: a chain of a million nested lists must not overflow the stack.
pub(super) fn release(mut open: Vec<Value>) {
    while let Some(value) = open.pop() {
        match value {
            Value::Map(map) => map.into_children(&mut open),
            Value::List(list) => list.into_children(&mut open),
            _ => {}
        }
    }
}
