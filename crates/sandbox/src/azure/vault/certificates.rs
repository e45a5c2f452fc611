//! Certificates: imported with their key, which only the secret of the same name shows.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::Vault;
use super::objects::{self, Kind, Version};

const PEM: &str = "application/x-pem-file";
const PKCS12: &str = "application/x-pkcs12";

pub(in super::super) fn import(
    vault: &mut Vault,
    name: &str,
    request: &Value,
    now: i64,
) -> Result<Answer, Answer> {
    let bad = |text: &str| Answer::vault(400, "BadParameter", "", text);
    let value = request
        .get("value")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("Property value is missing."))?;
    let password = request
        .get("pwd")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let wanted = request
        .pointer("/policy/secret_props/contentType")
        .and_then(Value::as_str)
        .unwrap_or(PKCS12);
    let (der, kind) = if value.contains("-----BEGIN") {
        if wanted != PEM {
            return Err(bad(
                "The specified PEM X.509 certificate content is in an unexpected format. Please check if certificate is in valid PEM format.",
            ));
        }
        let der = CertificateDer::from_pem_slice(value.as_bytes())
            .map_err(|_| bad("The PEM holds no certificate."))?;
        PrivateKeyDer::from_pem_slice(value.as_bytes())
            .map_err(|_| bad("Private key is not specified in the specified X.509 certificate."))?;
        (der.to_vec(), PEM)
    } else {
        let bytes = STANDARD
            .decode(value)
            .map_err(|_| bad("The certificate is not base64."))?;
        let leaf = leaf(&bytes, password).ok_or_else(|| {
            bad("The specified PKCS#12 X.509 certificate content can not be read. Please check if certificate is in valid PKCS#12 format.")
        })?;
        (leaf, PKCS12)
    };
    let mut version = Version {
        enabled: true,
        ..Version::default()
    };
    objects::attributes(request, &mut version)?;
    let mut secret = version.clone();
    secret.body.insert("value".into(), json!(value));
    secret.body.insert("contentType".into(), json!(kind));
    secret.body.insert("managed".into(), json!(true));
    objects::add(vault, Kind::Secret, name, secret, now)?;
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref());
    let body = &mut version.body;
    body.insert("cer".into(), json!(STANDARD.encode(&der)));
    body.insert("x5t".into(), json!(thumbprint));
    body.insert("contentType".into(), json!(kind));
    body.insert("sid".into(), json!(vault.id(Kind::Secret, name)));
    body.insert("kid".into(), json!(vault.id(Kind::Key, name)));
    objects::add(vault, Kind::Certificate, name, version, now)
}

/// The certificate that belongs to the key in a PKCS#12 file.
fn leaf(bytes: &[u8], password: &str) -> Option<Vec<u8>> {
    let archive = p12_keystore::Pkcs12Archive::from_pkcs12(bytes, password).ok()?;
    archive.keys.first()?;
    Some(archive.certs.first()?.cert.as_der().to_vec())
}
