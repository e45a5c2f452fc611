//! Keys and certificates in the forms that a vault imports.
//!
//! Owns: from PEM, JWK or PKCS#12 to a request, and whether a vault has the same already.
//! Refuses: symmetric keys, which vaults do not take, and passwords.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_secret::SecretBytes;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value, json};

use super::jwk;
use crate::Error;

/// A private key as a JWK. No `Debug`: all of it is secret.
pub(super) struct Key(Map<String, Value>);

impl Key {
    /// Reads a JWK, or PEM in PKCS#8, PKCS#1 or SEC 1.
    pub(super) fn read(value: &SecretBytes, name: &str) -> Result<Self, Error> {
        let bad = || Error::Shape {
            reason: format!("the value for key {name:?} is neither a private JWK nor a key in PEM"),
            hint: Some("Push an RSA or EC private key".into()),
        };
        if let Ok(Value::Object(members)) = serde_json::from_slice(value.expose()) {
            let known = matches!(
                members.get("kty").and_then(Value::as_str),
                Some("RSA" | "EC" | "RSA-HSM" | "EC-HSM")
            );
            return if known && members.contains_key("d") {
                Ok(Self(members))
            } else {
                Err(bad())
            };
        }
        let key = PrivateKeyDer::from_pem_slice(value.expose()).map_err(|_| bad())?;
        let members = match &key {
            PrivateKeyDer::Pkcs8(der) => jwk::of_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => jwk::of_pkcs1(der.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(der) => jwk::of_sec1(der.secret_sec1_der()),
            _ => None,
        };
        members.map(Self).ok_or_else(bad)
    }

    pub(super) fn jwk(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether `public`, a JWK, is its public half.
    pub(super) fn is(&self, public: &[u8]) -> bool {
        let Ok(Value::Object(public)) = serde_json::from_slice(public) else {
            return false;
        };
        let same = |field: &str| {
            let text = |map: &Map<String, Value>| {
                let text = map.get(field)?.as_str()?;
                Some(text.trim_end_matches('=').to_owned())
            };
            text(&self.0).is_some() && text(&self.0) == text(&public)
        };
        (same("n") && same("e")) || (same("crv") && same("x") && same("y"))
    }
}

/// A certificate with its key, ready for import.
pub(super) struct Certificate {
    leaf: Vec<u8>,
    value: String,
    content: &'static str,
}

impl Certificate {
    /// Reads PEM, PKCS#12 or the base64 of it.
    pub(super) fn read(value: &SecretBytes, name: &str) -> Result<Self, Error> {
        let bad = |what: &str| Error::Shape {
            reason: format!("the value for certificate {name:?} {what}"),
            hint: Some(
                "Push a certificate with its private key, in PEM or as PKCS#12 without a password"
                    .into(),
            ),
        };
        let bytes = value.expose();
        if let Some(text) = value
            .expose_str()
            .filter(|text| text.contains("-----BEGIN"))
        {
            let leaf = CertificateDer::from_pem_slice(bytes)
                .map_err(|_| bad("holds no certificate in PEM"))?;
            PrivateKeyDer::from_pem_slice(bytes).map_err(|_| bad("holds no private key"))?;
            return Ok(Self {
                leaf: leaf.to_vec(),
                value: text.to_owned(),
                content: "application/x-pem-file",
            });
        }
        let decoded = STANDARD.decode(bytes.trim_ascii()).ok();
        let file = decoded.as_deref().unwrap_or(bytes);
        let archive = p12_keystore::Pkcs12Archive::from_pkcs12(file, "")
            .map_err(|_| bad("is neither PEM nor PKCS#12 without a password"))?;
        let key = archive
            .keys
            .first()
            .ok_or_else(|| bad("holds no private key"))?;
        let id = key.local_key_id.as_ref();
        let own = archive
            .certs
            .iter()
            .find(|bag| id.is_some_and(|id| bag.local_key_id.as_deref() == Some(id.as_ref())));
        let leaf = own
            .or(archive.certs.first())
            .ok_or_else(|| bad("holds no certificate"))?;
        Ok(Self {
            leaf: leaf.cert.as_der().to_vec(),
            value: STANDARD.encode(file),
            content: "application/x-pkcs12",
        })
    }

    /// The request that imports it.
    pub(super) fn request(&self) -> Value {
        json!({
            "value": self.value,
            "policy": {"secret_props": {"contentType": self.content}},
        })
    }

    /// Whether `der` is this certificate.
    pub(super) fn is(&self, der: &[u8]) -> bool {
        self.leaf == der
    }
}
