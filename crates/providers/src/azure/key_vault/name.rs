//! Keys of references: `[secret/|cert/|key/]name`.

use std::fmt;

use crate::Error;

/// What an object of a vault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Secret,
    Certificate,
    Key,
}

impl Kind {
    /// As it stands in URLs and permissions.
    pub(super) const fn collection(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Certificate => "certificates",
            Self::Key => "keys",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
            Self::Key => "key",
        })
    }
}

/// Splits and checks `key`.
///
/// # Errors
/// When the prefix is unknown, or the name is none that Key Vault has.
pub(super) fn parse(key: &str) -> Result<(Kind, &str), Error> {
    let (kind, name) = match key.split_once('/') {
        None => (Kind::Secret, key),
        Some(("secret", name)) => (Kind::Secret, name),
        Some(("cert", name)) => (Kind::Certificate, name),
        Some(("key", name)) => (Kind::Key, name),
        Some((other, _)) => {
            return Err(bad(format!(
                "unknown Azure Key Vault object type {other:?} in key {key:?}"
            )));
        }
    };
    if !is_name(name) {
        return Err(bad(format!(
            "{key:?} is no name of Azure Key Vault: 1 to 127 letters, digits and hyphens"
        )));
    }
    Ok((kind, name))
}

/// Whether `text` can be a version.
pub(super) fn is_version(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_name(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn bad(reason: String) -> Error {
    Error::Shape {
        reason,
        hint: Some(
            "Write name, secret/name, cert/name or key/name; a version goes into remoteRef.version"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (key, expected) in [
            ("path-to-key", (Kind::Secret, "path-to-key")),
            ("secret/a", (Kind::Secret, "a")),
            ("cert/a", (Kind::Certificate, "a")),
            ("key/a", (Kind::Key, "a")),
        ] {
            assert_eq!(parse(key).unwrap(), expected);
        }
        for bad in [
            "",
            "a/b",
            "secret/",
            "secret/a/b",
            "../x",
            "a?b",
            "a_b",
            "/a",
            &"a".repeat(128),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(is_version("0123456789abcdef0123456789abcdef") && !is_version("a/b"));
    }
}
