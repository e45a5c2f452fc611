//! What separates the target as it exists from the target as it ought to be.
//!
//! Owns: the plan of changes, explained by length and hash. Refuses: showing a value; labels and
//! annotations can be rendered from secrets too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::SecretBytes;
use crate::hash::bytes_hash;
use crate::wanted::{Existing, Wanted};

/// The part of a Secret that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The type.
    Type,
    /// A key of the data.
    Data,
    /// A label.
    Label,
    /// An annotation.
    Annotation,
    /// A finalizer.
    Finalizer,
    /// An owner reference.
    Owner,
    /// Whether the Secret is immutable.
    Immutable,
}

impl Part {
    /// The name used in texts and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Data => "data",
            Self::Label => "label",
            Self::Annotation => "annotation",
            Self::Finalizer => "finalizer",
            Self::Owner => "owner",
            Self::Immutable => "immutable",
        }
    }
}

/// Enough of a value to tell it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its length in bytes.
    pub length: usize,
    /// The first eight digits of its SHA3-224.
    pub hash: String,
}

impl Fingerprint {
    fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len(),
            hash: bytes_hash(bytes).chars().take(8).collect(),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, sha3 {}", self.length, self.hash)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changes.
    pub part: Part,
    /// Which of them; empty for parts of which there is one.
    pub key: String,
    /// What is there now.
    pub from: Option<Fingerprint>,
    /// What will be there.
    pub to: Option<Fingerprint>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (&self.from, &self.to) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        write!(f, "{sign} {}", self.part.as_str())?;
        if !self.key.is_empty() {
            write!(f, " {}", self.key)?;
        }
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, " ({from} -> {to})"),
            (Some(one), None) | (None, Some(one)) => write!(f, " ({one})"),
            (None, None) => Ok(()),
        }
    }
}

/// The changes that turn one Secret into another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whether the Secret has to be created.
    pub create: bool,
    /// The changes, by part and key.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Whether nothing has to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.create && self.changes.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        Ok(())
    }
}

/// The changes from `existing` to `wanted`.
#[must_use]
pub fn plan(existing: Option<&Existing>, wanted: &Wanted) -> Plan {
    let nothing = Existing::default();
    let present = existing.unwrap_or(&nothing);
    let mut plan = Plan {
        create: existing.is_none(),
        changes: Vec::new(),
    };
    let kind = |text: &str| -> BTreeMap<String, Vec<u8>> {
        let set = !text.is_empty();
        set.then(|| (String::new(), text.as_bytes().to_vec()))
            .into_iter()
            .collect()
    };
    // Without a wish the type stays as it is.
    let wanted_kind = wanted.kind.as_deref().unwrap_or(&present.kind);
    plan.compare(Part::Type, &kind(&present.kind), &kind(wanted_kind));
    plan.compare(Part::Data, &exposed(&present.data), &exposed(&wanted.data));
    plan.compare(Part::Label, &present.labels, &wanted.labels);
    plan.compare(Part::Annotation, &present.annotations, &wanted.annotations);
    let named = |names: &[String]| -> BTreeMap<String, String> {
        names
            .iter()
            .map(|name| (name.clone(), name.clone()))
            .collect()
    };
    plan.compare(
        Part::Finalizer,
        &named(&present.finalizers),
        &named(&wanted.finalizers),
    );
    let owners = |list: &[crate::wanted::OwnerReference]| -> BTreeMap<String, String> {
        list.iter()
            .map(|owner| {
                (
                    format!("{} {}", owner.kind, owner.name),
                    format!("{owner:?}"),
                )
            })
            .collect()
    };
    plan.compare(
        Part::Owner,
        &owners(&present.owner_references),
        &owners(&wanted.owner_references),
    );
    let flag = |set: bool| kind(if set { "true" } else { "" });
    plan.compare(
        Part::Immutable,
        &flag(present.immutable),
        &flag(wanted.immutable),
    );
    plan
}

fn exposed(data: &BTreeMap<String, SecretBytes>) -> BTreeMap<String, &[u8]> {
    data.iter()
        .map(|(key, value)| (key.clone(), value.expose()))
        .collect()
}

impl Plan {
    fn compare<V: AsRef<[u8]>>(
        &mut self,
        part: Part,
        from: &BTreeMap<String, V>,
        to: &BTreeMap<String, V>,
    ) {
        let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
        for key in keys {
            let before = from.get(key).map(AsRef::as_ref);
            let after = to.get(key).map(AsRef::as_ref);
            if before != after {
                self.changes.push(Change {
                    part,
                    key: key.clone(),
                    from: before.map(Fingerprint::of),
                    to: after.map(Fingerprint::of),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, SecretBytes> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)))
            .collect()
    }

    #[test]
    fn changes_are_explained_without_values() {
        let existing = Existing {
            data: data(&[("gone", "hunter1"), ("same", "hunter2"), ("new", "hunter3")]),
            kind: "Opaque".to_owned(),
            ..Existing::default()
        };
        let wanted = Wanted {
            data: data(&[
                ("added", "hunter4"),
                ("same", "hunter2"),
                ("new", "hunter55"),
            ]),
            labels: BTreeMap::from([("l".to_owned(), "hunter6".to_owned())]),
            immutable: true,
            ..Wanted::default()
        };
        let plan = plan(Some(&existing), &wanted);
        assert!(!plan.is_empty());
        let text = plan.to_string();
        assert!(!text.contains("hunter"), "{text}");
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.split(" (").next().unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                "+ data added",
                "- data gone",
                "~ data new",
                "+ label l",
                "+ immutable"
            ]
        );
        assert!(text.contains("~ data new (7 bytes, sha3 "), "{text}");
        assert!(text.contains(" -> 8 bytes, sha3 "), "{text}");
    }

    #[test]
    fn equal_secrets_need_no_write() {
        let existing = Existing {
            data: data(&[("a", "1")]),
            kind: "Opaque".to_owned(),
            ..Existing::default()
        };
        let wanted = Wanted {
            data: data(&[("a", "1")]),
            ..Wanted::default()
        };
        assert!(plan(Some(&existing), &wanted).is_empty());
        assert!(!plan(None, &wanted).is_empty());
    }
}
