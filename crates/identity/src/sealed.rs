//! Secrets as part of a key.
//!
//! Owns: equality and hash of a secret by its SHA-256, so that a map keyed by it neither shows
//! nor compares it byte by byte. Refuses: showing anything.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use keyless_secret::SecretBytes;

/// A secret that is equal to another one by a hash of it.
#[derive(Clone)]
pub struct Sealed {
    fingerprint: [u8; 32],
    value: Arc<SecretBytes>,
}

impl Sealed {
    /// Seals `value` as it is.
    #[must_use]
    pub fn new(value: SecretBytes) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, value.expose());
        let mut fingerprint = [0; 32];
        for (to, from) in fingerprint.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self {
            fingerprint,
            value: Arc::new(value),
        }
    }

    /// Seals `value` without the white space around it: a file's last line break is no part of
    /// a token or password.
    #[must_use]
    pub fn trimmed(value: &SecretBytes) -> Self {
        Self::new(SecretBytes::new(value.expose().trim_ascii().to_vec()))
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &SecretBytes {
        &self.value
    }
}

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Sealed {}

impl Hash for Sealed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_by_content_and_never_shown() {
        let of = |text: &str| Sealed::trimmed(&text.into());
        assert_eq!(of("canary\n"), of("canary"));
        assert_ne!(of("canary"), of("other"));
        assert_eq!(of("canary\n").secret().expose(), b"canary");
        assert!(!format!("{:?}", of("canary")).contains("canary"));
    }
}
