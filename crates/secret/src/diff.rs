//! What separates the target as it exists from the target as it ought to be.
//!
//! Owns: the plan of changes, explained by length and keyed hash. Refuses: showing a value, or a
//! hash by which it could be guessed; labels and annotations can be rendered from secrets too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::SecretBytes;
use crate::hash::keyed_hash;
use crate::wanted::{Existing, OwnerReference, Wanted};

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

/// What fingerprints are made with.
///
/// A plain hash of a short password is as good as the password to whoever can try all of them,
/// and a plan ends in the log of a build. So every hash is keyed: with a key that nobody keeps,
/// fingerprints tell equal from different within one plan and nothing afterwards; with a key that
/// the caller keeps secret, they do so between plans.
#[derive(Clone, Debug)]
pub struct FingerprintKey(SecretBytes);

impl FingerprintKey {
    /// The fewest bytes of a key that cannot be guessed.
    pub const MIN: usize = 16;

    /// A key of these bytes, which come from a source of randomness; nothing if they are fewer
    /// than [`Self::MIN`].
    #[must_use]
    pub fn new(bytes: SecretBytes) -> Option<Self> {
        (bytes.len() >= Self::MIN).then_some(Self(bytes))
    }

    fn of(&self, value: &[u8]) -> Shown {
        Shown::Fingerprint {
            length: value.len(),
            hash: keyed_hash(&self.0, value).chars().take(8).collect(),
        }
    }
}

/// What is shown of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A word that no secret flows into.
    Word(String),
    /// Enough of a value to tell it apart.
    Fingerprint {
        /// Its length in bytes.
        length: usize,
        /// The first eight digits of a hash under the plan's key.
        hash: String,
    },
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Fingerprint { length: 1, hash } => write!(f, "1 byte, hash {hash}"),
            Self::Fingerprint { length, hash } => write!(f, "{length} bytes, hash {hash}"),
        }
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
    pub from: Option<Shown>,
    /// What will be there.
    pub to: Option<Shown>,
}

impl Change {
    /// `+` for what comes, `-` for what goes, `~` for what becomes something else.
    #[must_use]
    pub const fn sign(&self) -> char {
        match (&self.from, &self.to) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign(), self.part.as_str())?;
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
    /// How many keys of the data stay as they are.
    pub unchanged: usize,
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

/// The changes from `existing` to `wanted`, with fingerprints made by `key`.
#[must_use]
pub fn plan(existing: Option<&Existing>, wanted: &Wanted, key: &FingerprintKey) -> Plan {
    let nothing = Existing::default();
    let present = existing.unwrap_or(&nothing);
    let mut plan = Plan {
        create: existing.is_none(),
        changes: Vec::new(),
        unchanged: 0,
    };
    // Without a wish the type stays as it is.
    let kind = wanted.kind.as_deref().unwrap_or(&present.kind);
    plan.words(Part::Type, one(&present.kind), one(kind));
    let (from, to) = (exposed(&present.data), exposed(&wanted.data));
    plan.unchanged = from.iter().filter(|(k, v)| to.get(*k) == Some(v)).count();
    plan.values(Part::Data, &from, &to, key);
    plan.values(Part::Label, &present.labels, &wanted.labels, key);
    let (from, to) = (&present.annotations, &wanted.annotations);
    plan.values(Part::Annotation, from, to, key);
    let (from, to) = (&present.finalizers, &wanted.finalizers);
    plan.words(Part::Finalizer, named(from), named(to));
    let (from, to) = (&present.owner_references, &wanted.owner_references);
    plan.words(Part::Owner, owners(from), owners(to));
    let flag = |set: bool| one(if set { "true" } else { "" });
    let (from, to) = (flag(present.immutable), flag(wanted.immutable));
    plan.words(Part::Immutable, from, to);
    plan
}

type Words = BTreeMap<String, String>;

/// A part of which there is one; it is absent if it is empty.
fn one(word: &str) -> Words {
    let set = (!word.is_empty()).then(|| (String::new(), word.to_owned()));
    set.into_iter().collect()
}

fn named(names: &[String]) -> Words {
    let set = |name: &String| (name.clone(), "set".to_owned());
    names.iter().map(set).collect()
}

fn owners(references: &[OwnerReference]) -> Words {
    let describe = |owner: &OwnerReference| {
        let is = |flag: Option<bool>, word: &str| match flag {
            Some(true) => format!(", {word}"),
            _ => String::new(),
        };
        let uid = match owner.uid.as_str() {
            "" => "not known yet",
            uid => uid,
        };
        let text = format!(
            "{}, uid {uid}{}{}",
            owner.api_version,
            is(owner.controller, "controller"),
            is(owner.block_owner_deletion, "blocks its deletion"),
        );
        (format!("{} {}", owner.kind, owner.name), text)
    };
    references.iter().map(describe).collect()
}

fn exposed(data: &BTreeMap<String, SecretBytes>) -> BTreeMap<String, &[u8]> {
    data.iter()
        .map(|(key, value)| (key.clone(), value.expose()))
        .collect()
}

impl Plan {
    fn words(&mut self, part: Part, from: Words, to: Words) {
        let show = |word: &[u8]| Shown::Word(String::from_utf8_lossy(word).into_owned());
        self.compare(part, &from, &to, show);
    }

    fn values<V: AsRef<[u8]>>(
        &mut self,
        part: Part,
        from: &BTreeMap<String, V>,
        to: &BTreeMap<String, V>,
        key: &FingerprintKey,
    ) {
        self.compare(part, from, to, |value| key.of(value));
    }

    fn compare<V: AsRef<[u8]>>(
        &mut self,
        part: Part,
        from: &BTreeMap<String, V>,
        to: &BTreeMap<String, V>,
        show: impl Fn(&[u8]) -> Shown,
    ) {
        let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
        for key in keys {
            let before = from.get(key).map(AsRef::as_ref);
            let after = to.get(key).map(AsRef::as_ref);
            if before != after {
                self.changes.push(Change {
                    part,
                    key: key.clone(),
                    from: before.map(&show),
                    to: after.map(&show),
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

    fn key(text: &str) -> FingerprintKey {
        FingerprintKey::new(SecretBytes::from(text.repeat(16))).unwrap()
    }

    #[test]
    fn hashes_are_worth_nothing_without_the_key() {
        let secret = |value: &str| Wanted {
            data: data(&[("a", value), ("b", value), ("c", "other")]),
            ..Wanted::default()
        };
        let shown = |value: &str, with: &str| -> Vec<String> {
            let plan = plan(None, &secret(value), &key(with));
            plan.changes
                .iter()
                .map(|c| c.to.as_ref().unwrap().to_string())
                .collect()
        };
        let first = shown("1234", "k");
        // Equal is equal and different is different, within a plan and under one key.
        assert_eq!(first[0], first[1]);
        assert_ne!(first[0], first[2]);
        assert_eq!(first, shown("1234", "k"));
        assert_ne!(first, shown("1234", "another"));
        let plain = crate::hash::bytes_hash(b"1234");
        assert!(!first[0].contains(&plain[..8]));
        assert!(FingerprintKey::new(SecretBytes::from("too short")).is_none());
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
        let plan = plan(Some(&existing), &wanted, &key("k"));
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
        assert!(text.contains("~ data new (7 bytes, hash "), "{text}");
        assert_eq!(plan.unchanged, 1);
        assert!(text.contains(" -> 8 bytes, hash "), "{text}");
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
        assert!(plan(Some(&existing), &wanted, &key("k")).is_empty());
        assert!(!plan(None, &wanted, &key("k")).is_empty());
    }
}
