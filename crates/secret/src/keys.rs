//! Secret keys: conversion of foreign names and the rule which keys are valid.
//!
//! Owns: `conversionStrategy`, its collision error, and validation. The letters and numbers
//! here are Unicode's, as in ESO, though the API server accepts only ASCII: what slips through
//! is refused there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

use crate::SecretBytes;

/// The longest valid key, in bytes.
const MAX_KEY: usize = 253;

/// How characters that a Secret's key cannot hold are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conversion {
    /// Each becomes `_`.
    #[default]
    Default,
    /// Each becomes `_U` + four or more hexadecimal digits + `_`.
    Unicode,
}

/// Why a map's keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Two names became the same key.
    #[error("secret name collision during conversion: {key}")]
    Collision {
        /// The key that both became.
        key: String,
    },
    /// A key that no Secret can hold.
    #[error(
        "invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): {key:?} {problem}"
    )]
    Invalid {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: KeyProblem,
    },
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// Longer than 253 bytes.
    TooLong(usize),
    /// Holds a character other than letters, numbers, `-`, `.` and `_`.
    Character(char),
}

impl std::fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong(length) => {
                write!(f, "has {length} bytes, more than the {MAX_KEY} allowed")
            }
            Self::Character(character) => write!(f, "has the invalid character {character:?}"),
        }
    }
}

impl Conversion {
    /// Reads the strategy as written in a manifest; empty means `Default`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "Default" => Some(Self::Default),
            "Unicode" => Some(Self::Unicode),
            _ => None,
        }
    }

    /// Converts one key.
    #[must_use]
    pub fn convert(self, key: &str) -> String {
        let mut out = String::with_capacity(key.len());
        for character in key.chars() {
            if is_key_character(character) {
                out.push(character);
            } else if self == Self::Unicode {
                // Writing to a String cannot fail.
                let _ = write!(out, "_U{:04x}_", u32::from(character));
            } else {
                out.push('_');
            }
        }
        out
    }

    /// Converts the keys of a map.
    ///
    /// # Errors
    /// Two keys become the same.
    pub fn convert_map(
        self,
        map: BTreeMap<String, SecretBytes>,
    ) -> Result<BTreeMap<String, SecretBytes>, KeyError> {
        let mut out = BTreeMap::new();
        for (key, value) in map {
            let converted = self.convert(&key);
            if out.contains_key(&converted) {
                return Err(KeyError::Collision { key: converted });
            }
            out.insert(converted, value);
        }
        Ok(out)
    }
}

/// The inverse of [`Conversion::Unicode`], for PushSecret's `conversionStrategy: ReverseUnicode`:
/// each `_Uxxxx_` becomes its character again; what is not such a group stays.
#[must_use]
pub fn reverse_unicode(key: &str) -> String {
    static GROUP: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("_U([0-9a-fA-F]{4,5})_").ok());
    let Some(group) = GROUP.as_ref() else {
        return key.to_owned();
    };
    group
        .replace_all(key, |found: &regex::Captures<'_>| {
            let whole = found.get(0).map_or("", |m| m.as_str());
            found
                .get(1)
                .and_then(|digits| u32::from_str_radix(digits.as_str(), 16).ok())
                .and_then(char::from_u32)
                .map_or_else(|| whole.to_owned(), String::from)
        })
        .into_owned()
}

/// Checks the keys of a map and drops the empty key, which a rewrite may produce to remove a value.
///
/// # Errors
/// The first key, in order, that a Secret cannot hold.
pub fn validate(
    mut map: BTreeMap<String, SecretBytes>,
) -> Result<BTreeMap<String, SecretBytes>, KeyError> {
    map.remove("");
    for key in map.keys() {
        validate_key(key)?;
    }
    Ok(map)
}

/// Checks one key, which must not be empty.
///
/// # Errors
/// It is too long or has a character outside letters, numbers, `-`, `.` and `_`.
pub fn validate_key(key: &str) -> Result<(), KeyError> {
    let problem = if key.len() > MAX_KEY {
        Some(KeyProblem::TooLong(key.len()))
    } else {
        key.chars()
            .find(|c| !is_key_character(*c))
            .map(KeyProblem::Character)
    };
    problem.map_or(Ok(()), |problem| {
        Err(KeyError::Invalid {
            key: key.chars().take(MAX_KEY).collect(),
            problem,
        })
    })
}

/// Letters are general category L, unlike Rust's wider `is_alphabetic`.
fn is_key_character(character: char) -> bool {
    static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{L}").ok());
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
    }
    if character.is_numeric() {
        return true;
    }
    let mut buffer = [0; 4];
    let text = character.encode_utf8(&mut buffer);
    LETTER.as_ref().is_some_and(|letter| letter.is_match(text))
}

#[cfg(test)]
mod tests;
