//! A stored key of a service account, and what it signs.
//!
//! Owns: reading the JSON that Google hands out, and RS256 signatures with it. Refuses: showing
//! any part of the key.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_secret::SecretBytes;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::is_email;
use crate::Error;

/// How long an assertion may be used: the longest that Google takes.
const LIFE: Duration = Duration::from_secs(3600);

/// A service account's key, equal to another by the hash of its JSON.
#[derive(Clone)]
pub struct ServiceAccountKey {
    fingerprint: Vec<u8>,
    pair: Arc<KeyPair>,
    email: String,
    id: String,
    universe: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: Option<String>,
    universe_domain: Option<String>,
}

impl ServiceAccountKey {
    /// Reads the JSON of a key; `what` is where it comes from.
    ///
    /// # Errors
    /// When it is no key of a service account.
    pub fn from_json(json: &SecretBytes, what: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::Config {
            reason: format!("{what} {reason}"),
            hint: Some(
                "Store the JSON that Google made for the service account key, or use \
                 workloadIdentityFederation and store none"
                    .into(),
            ),
            code: "",
        };
        let bytes = json.expose().trim_ascii();
        // The parser's own words may quote the document, which holds the key.
        let wire: Wire = serde_json::from_slice(bytes)
            .map_err(|_| bad("is not a service account key in JSON"))?;
        if wire.kind != "service_account" {
            return Err(bad("is not of type service_account"));
        }
        if !is_email(&wire.client_email) {
            return Err(bad("has no client_email"));
        }
        let key = PrivateKeyDer::from_pem_slice(wire.private_key.as_bytes())
            .map_err(|_| bad("has no private_key in PEM"))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(bad("has a private_key that is not an RSA key")),
        };
        Ok(Self {
            fingerprint: digest(&SHA256, bytes).as_ref().to_vec(),
            pair: Arc::new(pair.map_err(|_| bad("has a private_key that is not an RSA key"))?),
            email: wire.client_email,
            id: wire.private_key_id,
            universe: wire.universe_domain,
            token_uri: wire.token_uri,
        })
    }

    /// The service account.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The universe that it belongs to, if it says so.
    pub(super) fn universe(&self) -> Option<&str> {
        self.universe.as_deref()
    }

    /// Where it says that it is used.
    pub(super) fn token_uri(&self) -> Option<&str> {
        self.token_uri.as_deref()
    }

    /// An assertion for the token endpoint `audience` (RFC 7523, section 2.1).
    pub(super) fn assertion(&self, audience: &str, scope: &str) -> Result<SecretBytes, Error> {
        let (now, end) = self.times(LIFE);
        self.sign(&json!({
            "iss": self.email,
            "sub": self.email,
            "scope": scope,
            "aud": audience,
            "iat": now,
            "exp": end,
        }))
    }

    /// A token that services take as it is (AIP-4111): the only way in universes without a token
    /// endpoint for keys. Returned with its life.
    pub(super) fn self_signed(&self, scope: &str) -> Result<(SecretBytes, Duration), Error> {
        let (now, end) = self.times(LIFE);
        let token = self.sign(&json!({
            "iss": self.email,
            "sub": self.email,
            "scope": scope,
            "iat": now,
            "exp": end,
        }))?;
        Ok((token, LIFE))
    }

    /// A token about this account for `audience`.
    pub(super) fn token(&self, audience: &str, life: Duration) -> Result<SecretBytes, Error> {
        let (now, end) = self.times(life);
        self.sign(&json!({"sub": self.email, "aud": audience, "iat": now, "exp": end}))
    }

    fn times(&self, life: Duration) -> (u64, u64) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        (now.as_secs(), (now + life).as_secs())
    }

    fn sign(&self, claims: &Value) -> Result<SecretBytes, Error> {
        let failed = |_| Error::Config {
            reason: format!("nothing can be signed with the key of {}", self.email),
            hint: None,
            code: "",
        };
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.id});
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .map_err(failed)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

impl PartialEq for ServiceAccountKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for ServiceAccountKey {}

impl Hash for ServiceAccountKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccountKey({})", self.email)
    }
}

#[cfg(test)]
pub(super) fn example() -> String {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": pair.serialize_pem(),
        "client_email": "app@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    #[test]
    fn assertions_verify_and_say_who_for_whom_and_until_when() {
        let json = example();
        let key = ServiceAccountKey::from_json(&json.as_str().into(), "it").unwrap();
        let token = key.assertion("https://aud", "scope").unwrap();
        let text = token.expose_str().unwrap();
        let (message, signature) = text.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key().as_ref())
            .verify(
                message.as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
            .unwrap();
        let part = |n: usize| -> Value {
            let part = text.split('.').nth(n).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(
            part(0),
            json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"})
        );
        let claims = part(1);
        assert_eq!(claims["iss"], "app@p.iam.gserviceaccount.com");
        assert_eq!(claims["aud"], "https://aud");
        assert_eq!(
            claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
            3600
        );
        let (own, life) = key.self_signed("scope").unwrap();
        let claims = own.expose_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(
            (&claims["scope"], &claims["aud"]),
            (&json!("scope"), &Value::Null)
        );
        assert_eq!(life, LIFE);
        let same = ServiceAccountKey::from_json(&format!("{json}\n").into(), "it").unwrap();
        assert_eq!(key, same);
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_quoted() {
        let good: Value = serde_json::from_str(&example()).unwrap();
        let with = |field: &str, value: Value| {
            let mut wrong = good.clone();
            wrong[field] = value;
            wrong.to_string()
        };
        for bad in [
            String::new(),
            "canary".into(),
            "{\"canary\":".into(),
            with("type", json!("authorized_user")),
            with("client_email", json!("canary/../x@p")),
            with("private_key", json!("canary")),
        ] {
            let error = ServiceAccountKey::from_json(&bad.into(), "it").unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
