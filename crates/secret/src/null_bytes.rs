//! `nullBytePolicy`: refusing values that hold a zero byte.

use std::collections::BTreeMap;

use crate::SecretBytes;

/// What to do with a value that holds a zero byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NullBytes {
    /// Let it through.
    #[default]
    Ignore,
    /// Fail.
    Fail,
}

/// A value with a zero byte under the policy `Fail`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "fetched secret value for key {key:?} contains null bytes; fix the source value or set nullBytePolicy: Ignore"
)]
pub struct NullBytesError {
    /// The key whose value it is.
    pub key: String,
}

impl NullBytes {
    /// Reads the policy as written in a manifest; empty means `Ignore`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "Ignore" => Some(Self::Ignore),
            "Fail" => Some(Self::Fail),
            _ => None,
        }
    }

    /// Checks one value.
    ///
    /// # Errors
    /// The policy is `Fail` and the value holds a zero byte.
    pub fn check(self, key: &str, value: &SecretBytes) -> Result<(), NullBytesError> {
        if self == Self::Fail && value.expose().contains(&0) {
            return Err(NullBytesError {
                key: key.to_owned(),
            });
        }
        Ok(())
    }

    /// Checks a map; the error names the first key in alphabetical order.
    ///
    /// # Errors
    /// See [`Self::check`].
    pub fn check_map(self, map: &BTreeMap<String, SecretBytes>) -> Result<(), NullBytesError> {
        map.iter()
            .try_for_each(|(key, value)| self.check(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fail_names_the_first_key_and_ignore_lets_through() {
        let map: BTreeMap<String, SecretBytes> = [("b", "x\0"), ("a", "fine"), ("c", "\0")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), SecretBytes::from(value)))
            .collect();
        assert_eq!(NullBytes::Fail.check_map(&map).unwrap_err().key, "b");
        assert!(NullBytes::Ignore.check_map(&map).is_ok());
    }
}
