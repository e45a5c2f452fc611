//! One RSA signing key with its key id and its public JWK.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Error;

/// An RSA 2048 key that signs RS256.
pub struct SigningKey {
    pair: KeyPair,
    kid: String,
    spki: Vec<u8>,
    jwk: Value,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key. Takes 50 to 500 ms of CPU: keep it off the runtime's threads.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn generate() -> Result<Self, Error> {
        KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| Error::Key("RSA key generation failed"))
            .and_then(Self::from_pair)
    }

    /// The key kept in `file` as PKCS#8 PEM, made there when absent.
    ///
    /// # Errors
    /// When the file cannot be used or holds something else.
    pub fn kept_in(file: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Folder {
            path: file.display().to_string(),
            source,
        };
        if file.exists() {
            return Self::from_pem(&std::fs::read_to_string(file).map_err(failed)?);
        }
        let key = Self::generate()?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        crate::tls::private_file(file, key.to_pem()?.as_bytes()).map_err(failed)?;
        Ok(key)
    }

    /// A key from PKCS#8 PEM.
    ///
    /// # Errors
    /// When it is not an RSA key in that form.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let body: String = pem
            .lines()
            .filter(|l| !l.starts_with("-----"))
            .map(str::trim)
            .collect();
        let der = STANDARD
            .decode(body)
            .map_err(|_| Error::Key("the PEM is damaged"))?;
        KeyPair::from_pkcs8(&der)
            .map_err(|_| Error::Key("not an RSA key in PKCS#8"))
            .and_then(Self::from_pair)
    }

    /// The key as PKCS#8 PEM.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn to_pem(&self) -> Result<String, Error> {
        let der: Pkcs8V1Der<'_> = self
            .pair
            .as_der()
            .map_err(|_| Error::Key("the key cannot be encoded"))?;
        let body = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = (0..body.len())
            .step_by(64)
            .filter_map(|at| body.get(at..body.len().min(at + 64)))
            .collect();
        Ok(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        ))
    }

    fn from_pair(pair: KeyPair) -> Result<Self, Error> {
        let der: PublicKeyX509Der<'_> = pair
            .public_key()
            .as_der()
            .map_err(|_| Error::Key("the public key cannot be encoded"))?;
        let spki = der.as_ref().to_vec();
        let kid =
            URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki));
        let (n, e) = numbers(&spki)?;
        let jwk = json!({"use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": n, "e": e});
        Ok(Self {
            pair,
            kid,
            spki,
            jwk,
        })
    }

    /// Base64url of the SHA-256 of the public key's SubjectPublicKeyInfo, as the API server names keys.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK.
    #[must_use]
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// RS256 over `message`.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| Error::Sign)?;
        Ok(signature)
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.spki)
            .verify(message, signature)
            .is_ok()
    }
}

/// Modulus and exponent as JWK numbers: big-endian, no leading zero.
fn numbers(spki: &[u8]) -> Result<(String, String), Error> {
    let unreadable = Error::Key("the public key cannot be read back");
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(spki) else {
        return Err(unreadable);
    };
    let Ok(PublicKey::RSA(rsa)) = info.parsed() else {
        return Err(unreadable);
    };
    let encode = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|&&b| b == 0).count();
        URL_SAFE_NO_PAD.encode(bytes.get(zeros..).unwrap_or_default())
    };
    Ok((encode(rsa.modulus), encode(rsa.exponent)))
}
