//! Access keys stored in Secrets or in the operator's environment.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use keyless_secret::SecretBytes;

use super::Credentials;

/// An access key that is equal to another by a hash of all its parts, so that it can be part
/// of a cache key.
#[derive(Clone)]
pub struct StaticKeys {
    fingerprint: [u8; 32],
    credentials: Arc<Credentials>,
}

impl StaticKeys {
    /// Wraps the parts; white space around them is never part of a key.
    #[must_use]
    pub fn new(id: &SecretBytes, secret: &SecretBytes, session: Option<&SecretBytes>) -> Self {
        let session = session.map(trimmed).filter(|token| !token.is_empty());
        let (id, secret) = (trimmed(id), trimmed(secret));
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in [
            id.as_slice(),
            secret.as_slice(),
            session.as_deref().unwrap_or_default(),
        ] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut fingerprint = [0; 32];
        for (to, from) in fingerprint.iter_mut().zip(hash.finish().as_ref()) {
            *to = *from;
        }
        Self {
            fingerprint,
            credentials: Arc::new(Credentials {
                access_key_id: String::from_utf8_lossy(&id).into_owned(),
                secret_access_key: SecretBytes::new(secret),
                session_token: session.map(SecretBytes::new),
                expires: None,
            }),
        }
    }

    /// The key itself.
    #[must_use]
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials)
    }
}

impl PartialEq for StaticKeys {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for StaticKeys {}

impl Hash for StaticKeys {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKeys(…)")
    }
}

fn trimmed(bytes: &SecretBytes) -> Vec<u8> {
    bytes.expose().trim_ascii().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(id: &str, secret: &str, session: Option<&str>) -> StaticKeys {
        let session: Option<SecretBytes> = session.map(Into::into);
        StaticKeys::new(&id.into(), &secret.into(), session.as_ref())
    }

    #[test]
    fn equal_only_when_every_part_is() {
        let base = keys("AKIA", "secret", Some("session"));
        assert_eq!(base, keys(" AKIA\n", "secret\n", Some("session")));
        for other in [
            keys("AKIB", "secret", Some("session")),
            keys("AKIA", "secre", Some("tsession")),
            keys("AKIA", "secret", None),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(keys("a", "b", Some("")), keys("a", "b", None));
    }
}
