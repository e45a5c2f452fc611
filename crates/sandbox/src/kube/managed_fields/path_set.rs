//! Sets of field paths, and their `fieldsV1` form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::types::Type;

/// The deepest tree that is read; objects themselves nest at most 128 levels.
const MAX_DEPTH: usize = 130;

/// One step of a path. The order is that of the real server: fields, keys, values, indexes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field of an object (`f:`).
    Field(String),
    /// An item of a list of type map, by its keys as canonical JSON (`k:`).
    Key(String),
    /// An item of a list of type set, as JSON (`v:`).
    Item(String),
    /// An item by position (`i:`).
    Index(u64),
}

impl Step {
    pub(super) fn key<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        let sorted: BTreeMap<&str, &Value> = pairs.into_iter().collect();
        let mut text = String::from("{");
        for (index, (name, value)) in sorted.into_iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let _ = write!(text, "{}:{value}", Value::from(name));
        }
        text.push('}');
        Self::Key(text)
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::key(
                    keys.iter().map(|(name, value)| (name.as_str(), value)),
                ))
            }
            "v" => Some(Self::Item(
                serde_json::from_str::<Value>(rest).ok()?.to_string(),
            )),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Item(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn show(&self, out: &mut String) {
        let _ = match self {
            Self::Field(name) => write!(out, ".{name}"),
            Self::Key(keys) => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let pairs: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                write!(out, "[{}]", pairs.join(","))
            }
            Self::Item(value) => write!(out, "[={value}]"),
            Self::Index(index) => write!(out, "[{index}]"),
        };
    }
}

/// A set of paths, as a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PathSet {
    pub(super) members: BTreeSet<Step>,
    pub(super) children: BTreeMap<Step, PathSet>,
}

impl PathSet {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// Adds what is below one step, unless that is nothing.
    pub(super) fn attach(&mut self, step: &Step, below: Self) {
        if !below.is_empty() {
            self.children.insert(step.clone(), below);
        }
    }

    pub(super) fn union(mut self, other: &Self) -> Self {
        self.members.extend(other.members.iter().cloned());
        for (step, below) in &other.children {
            let own = self.children.remove(step).unwrap_or_default();
            self.children.insert(step.clone(), own.union(below));
        }
        self
    }

    pub(super) fn difference(mut self, other: &Self) -> Self {
        self.members.retain(|step| !other.members.contains(step));
        self.children = std::mem::take(&mut self.children)
            .into_iter()
            .filter_map(|(step, below)| {
                let left = match other.children.get(&step) {
                    Some(minus) => below.difference(minus),
                    None => below,
                };
                (!left.is_empty()).then_some((step, left))
            })
            .collect();
        self
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut out = Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: BTreeMap::new(),
        };
        for (step, below) in &self.children {
            if let Some(others) = other.children.get(step) {
                out.attach(step, below.intersection(others));
            }
        }
        out
    }

    /// Declared fields on the way to a member become members: a field is gone only when nobody
    /// owns anything in it.
    pub(super) fn with_named_parents(&self, ty: Type<'_>) -> Self {
        let mut out = Self {
            members: self.members.clone(),
            children: BTreeMap::new(),
        };
        for (step, below) in &self.children {
            let inner = match step {
                Step::Field(name) => {
                    let (inner, declared) = ty.field(name);
                    if declared {
                        out.members.insert(step.clone());
                    }
                    inner
                }
                _ => ty.item(),
            };
            out.attach(step, below.with_named_parents(inner));
        }
        out
    }

    /// Every member as text, members of a level before what is below them.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.collect_paths(&mut String::new(), &mut out);
        out
    }

    fn collect_paths(&self, prefix: &mut String, out: &mut Vec<String>) {
        let length = prefix.len();
        for step in &self.members {
            step.show(prefix);
            out.push(prefix.clone());
            prefix.truncate(length);
        }
        for (step, below) in &self.children {
            step.show(prefix);
            below.collect_paths(prefix, out);
            prefix.truncate(length);
        }
    }

    /// Reads a `fieldsV1` object; what cannot be read is skipped.
    pub(super) fn decode(fields: &Value) -> Self {
        Self::decode_level(fields, 0)
    }

    fn decode_level(fields: &Value, depth: usize) -> Self {
        let mut out = Self::default();
        if depth > MAX_DEPTH {
            return out;
        }
        for (name, below) in fields.as_object().into_iter().flatten() {
            let Some(step) = Step::parse(name) else {
                continue;
            };
            let map = below.as_object();
            if map.is_none_or(|map| map.is_empty() || map.contains_key(".")) {
                out.members.insert(step.clone());
            }
            out.attach(&step, Self::decode_level(below, depth + 1));
        }
        out
    }

    /// The `fieldsV1` object.
    pub(super) fn encode(&self) -> Value {
        let mut out = Map::new();
        for step in &self.members {
            if !self.children.contains_key(step) {
                out.insert(step.encode(), Value::Object(Map::new()));
            }
        }
        for (step, below) in &self.children {
            let mut value = below.encode();
            if self.members.contains(step)
                && let Value::Object(map) = &mut value
            {
                map.insert(".".to_owned(), Value::Object(Map::new()));
            }
            out.insert(step.encode(), value);
        }
        Value::Object(out)
    }
}
