//! A stored certificate, and the client assertion that it signs.
//!
//! Owns: reading certificate and RSA key from PEM, the assertion's header and claims, its
//! signature. Refuses: other kinds of keys, which Entra does not take.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{self, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_secret::SecretBytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use crate::Error;

/// How long an assertion may be used.
const LIFE: Duration = Duration::from_secs(600);

/// A certificate with its key, equal to another by the hash of both.
#[derive(Clone)]
pub struct ClientCertificate {
    /// SHA-256 of the whole text.
    fingerprint: Vec<u8>,
    key: Arc<KeyPair>,
    sha1: String,
    sha256: String,
}

impl ClientCertificate {
    /// Reads PEM with a certificate (the first, where a chain follows) and its RSA key.
    ///
    /// # Errors
    /// When either is missing, or the key is no RSA key.
    pub fn from_pem(pem: &SecretBytes) -> Result<Self, Error> {
        let bad = |reason: &str| Error::Config {
            reason: format!("authSecretRef.clientCertificate {reason}"),
            hint: Some("Store the certificate and its RSA key in PEM, one after the other".into()),
            code: "",
        };
        let bytes = pem.expose();
        let certificate = CertificateDer::from_pem_slice(bytes)
            .map_err(|_| bad("holds no certificate in PEM"))?;
        let key =
            PrivateKeyDer::from_pem_slice(bytes).map_err(|_| bad("holds no private key in PEM"))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(bad("holds a key that is not an RSA key")),
        };
        let thumbprint =
            |algorithm| URL_SAFE_NO_PAD.encode(digest(algorithm, certificate.as_ref()).as_ref());
        Ok(Self {
            fingerprint: digest(&SHA256, bytes).as_ref().to_vec(),
            key: Arc::new(pair.map_err(|_| bad("holds a key that is not an RSA key"))?),
            sha1: thumbprint(&SHA1_FOR_LEGACY_USE_ONLY),
            sha256: thumbprint(&SHA256),
        })
    }

    /// An assertion of `client` for the token endpoint `audience`. `legacy` is the older form,
    /// RS256 with SHA-1 and SHA-256 thumbprints, for an AD FS; Entra asks for PS256.
    ///
    /// # Errors
    /// When signing fails.
    pub(super) fn sign(
        &self,
        client: &str,
        audience: &str,
        legacy: bool,
    ) -> Result<SecretBytes, Error> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let header = if legacy {
            json!({"alg": "RS256", "typ": "JWT", "x5t": self.sha1, "x5t#S256": self.sha256})
        } else {
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.sha256})
        };
        let claims = json!({
            "aud": audience,
            "iss": client,
            "sub": client,
            "jti": random_id()?,
            "nbf": now.as_secs(),
            "iat": now.as_secs(),
            "exp": (now + LIFE).as_secs(),
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let padding: &'static dyn signature::RsaEncoding = if legacy {
            &RSA_PKCS1_SHA256
        } else {
            &RSA_PSS_SHA256
        };
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                padding,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .map_err(|_| failed())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

/// A random UUID: Entra refuses an id that it has seen.
fn random_id() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| failed())?;
    let number = u128::from_be_bytes(bytes);
    // Version 4, variant 1.
    let number = number & !(0xf << 76) | (0x4 << 76);
    let number = number & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    ))
}

fn failed() -> Error {
    Error::Config {
        reason: "the client assertion could not be signed with authSecretRef.clientCertificate"
            .into(),
        hint: None,
        code: "",
    }
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for ClientCertificate {}

impl Hash for ClientCertificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{
        KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    };
    use serde_json::Value;

    fn pem() -> String {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["app".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        format!("{}{}", key.serialize_pem(), certificate.pem())
    }

    #[test]
    fn assertions_verify_under_the_certificates_key() {
        let pem = pem();
        let certificate = ClientCertificate::from_pem(&pem.as_str().into()).unwrap();
        for (legacy, alg, verifier) in [
            (false, "PS256", &RSA_PSS_2048_8192_SHA256),
            (true, "RS256", &RSA_PKCS1_2048_8192_SHA256),
        ] {
            let token = certificate
                .sign("app", "https://issuer/token", legacy)
                .unwrap();
            let token = token.expose_str().unwrap();
            let (message, signature) = token.rsplit_once('.').unwrap();
            UnparsedPublicKey::new(verifier, certificate.key.public_key().as_ref())
                .verify(
                    message.as_bytes(),
                    &URL_SAFE_NO_PAD.decode(signature).unwrap(),
                )
                .unwrap();
            let part = |at: usize| -> Value {
                let part = token.split('.').nth(at).unwrap();
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            };
            assert_eq!(part(0)["alg"], alg);
            assert_eq!(part(0).get("x5t").is_some(), legacy);
            assert_eq!(part(0)["x5t#S256"], certificate.sha256);
            assert_eq!(
                (&part(1)["iss"], &part(1)["sub"]),
                (&json!("app"), &json!("app"))
            );
            assert_eq!(part(1)["aud"], "https://issuer/token");
        }
        let ids: std::collections::BTreeSet<String> =
            (0..100).map(|_| random_id().unwrap()).collect();
        assert_eq!(ids.len(), 100);
        assert!(
            ids.iter()
                .all(|id| id.len() == 36 && id.chars().nth(14) == Some('4'))
        );
    }

    #[test]
    fn what_is_no_certificate_with_an_rsa_key_is_refused() {
        let whole = pem();
        let (key, certificate) = whole.split_at(whole.find("-----BEGIN CERT").unwrap());
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for bad in [
            "",
            "canary",
            key,
            certificate,
            &format!("{other}{certificate}"),
        ] {
            let error = ClientCertificate::from_pem(&bad.into()).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
