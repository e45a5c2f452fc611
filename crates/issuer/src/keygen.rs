//! Signing keys for API servers.
//!
//! Owns: making RSA and P-256 keys, their PEM forms that kube-apiserver reads
//! (`--service-account-signing-key-file` takes PKCS#8, PKCS#1 and SEC 1;
//! `--service-account-key-file` takes SubjectPublicKeyInfo), and files only their owner reads.
//! Refuses: keeping a key anywhere else, and showing one: `Debug` names it and no more.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::documents::{Jwk, KeyFault};

/// A kind of signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2,048 bits: what every cloud takes.
    Rsa2048,
    /// RSA of 3,072 bits.
    Rsa3072,
    /// RSA of 4,096 bits.
    Rsa4096,
    /// ECDSA on P-256: Entra refuses its tokens.
    Es256,
}

/// How a private key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `PRIVATE KEY`.
    Pkcs8,
    /// `RSA PRIVATE KEY` or `EC PRIVATE KEY`, as kubeadm and openssl of old write them.
    Traditional,
}

/// Why a key could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The crypto library failed.
    #[error("cannot make a signing key")]
    Make,
    /// The text is no key.
    #[error("{0} holds no RSA or EC key in PEM that an API server could use")]
    Read(String),
    /// The public key is not one that tokens are verified with.
    #[error("the key cannot be used to sign tokens")]
    Fault(#[from] KeyFault),
    /// A file is there already.
    #[error("{path} exists; a signing key is never overwritten")]
    Exists {
        /// The file.
        path: String,
    },
    /// A file could not be used.
    #[error("cannot write {path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Signing failed.
    #[error("cannot sign")]
    Sign,
}

enum Pair {
    Rsa(RsaPair),
    Ec(EcdsaKeyPair),
}

/// A private signing key.
pub struct SigningKey {
    pair: Pair,
    jwk: Jwk,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.jwk.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a key. RSA keys take up to seconds of CPU: keep it off the runtime's threads.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let size = match kind {
            KeyKind::Rsa2048 => KeySize::Rsa2048,
            KeyKind::Rsa3072 => KeySize::Rsa3072,
            KeyKind::Rsa4096 => KeySize::Rsa4096,
            KeyKind::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .map_err(|_| KeyError::Make)?;
                return Self::of(Pair::Ec(pair));
            }
        };
        RsaPair::generate(size)
            .map_err(|_| KeyError::Make)
            .and_then(|pair| Self::of(Pair::Rsa(pair)))
    }

    /// Reads a private key in any of the forms that are written here. `what` names the text in
    /// errors.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pem(what: &str, text: &str) -> Result<Self, KeyError> {
        let unreadable = || KeyError::Read(what.to_owned());
        let (label, der) = pem_block(text).ok_or_else(unreadable)?;
        let pair = match label.as_str() {
            "RSA PRIVATE KEY" => RsaPair::from_der(&der).map(Pair::Rsa).ok(),
            "EC PRIVATE KEY" => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                    .map(Pair::Ec)
                    .ok()
            }
            "PRIVATE KEY" => RsaPair::from_pkcs8(&der).map(Pair::Rsa).ok().or_else(|| {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                    .map(Pair::Ec)
                    .ok()
            }),
            _ => None,
        };
        Self::of(pair.ok_or_else(unreadable)?)
    }

    fn of(pair: Pair) -> Result<Self, KeyError> {
        let spki: PublicKeyX509Der<'_> = match &pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ec(pair) => pair.public_key().as_der(),
        }
        .map_err(|_| KeyError::Make)?;
        let jwk = Jwk::from_spki(spki.as_ref())?;
        Ok(Self { pair, jwk })
    }

    /// The public key, under the name that the API server gives it.
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The private key in PEM.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn private_pem(&self, format: Format) -> Result<String, KeyError> {
        let failed = |_| KeyError::Make;
        Ok(match (&self.pair, format) {
            (Pair::Rsa(pair), Format::Pkcs8) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                pem("PRIVATE KEY", der.as_ref())
            }
            (Pair::Rsa(pair), Format::Traditional) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                pem(
                    "RSA PRIVATE KEY",
                    inner_key(der.as_ref()).ok_or(KeyError::Make)?,
                )
            }
            (Pair::Ec(pair), Format::Pkcs8) => {
                pem("PRIVATE KEY", pair.to_pkcs8v1().map_err(failed)?.as_ref())
            }
            (Pair::Ec(pair), Format::Traditional) => {
                let der: EcPrivateKeyRfc5915Der<'_> =
                    pair.private_key().as_der().map_err(failed)?;
                pem("EC PRIVATE KEY", der.as_ref())
            }
        })
    }

    /// The public key in PEM, for `--service-account-key-file`.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.jwk.spki())
    }

    /// A token with these claims. For tests, and for a look whether a key file is sound.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = json!({"alg": self.jwk.alg.as_str(), "kid": self.jwk.kid});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    message.as_bytes(),
                    &mut signature,
                )
                .map_err(|_| KeyError::Sign)?;
                signature
            }
            Pair::Ec(pair) => pair
                .sign(&random, message.as_bytes())
                .map_err(|_| KeyError::Sign)?
                .as_ref()
                .to_vec(),
        };
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Reads a public key: `PUBLIC KEY`, or the public half of a private key.
///
/// # Errors
/// When the text holds neither.
pub fn public_key(what: &str, text: &str) -> Result<Jwk, KeyError> {
    let (label, der) = pem_block(text).ok_or_else(|| KeyError::Read(what.to_owned()))?;
    match label.as_str() {
        "PUBLIC KEY" => Ok(Jwk::from_spki(&der)?),
        _ => Ok(SigningKey::from_pem(what, text)?.jwk),
    }
}

/// The public half of a public or private key, in PEM.
///
/// # Errors
/// When the text holds neither.
pub fn public_pem(what: &str, text: &str) -> Result<String, KeyError> {
    Ok(pem("PUBLIC KEY", &public_key(what, text)?.spki()))
}

/// Writes a file that only its owner reads, and never over another.
///
/// # Errors
/// When it exists or cannot be written.
pub fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), KeyError> {
    let name = path.display().to_string();
    let open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    let mut file = open.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => KeyError::Exists { path: name.clone() },
        _ => KeyError::File {
            path: name.clone(),
            source,
        },
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|source| KeyError::File { path: name, source })
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Label and content of the first block that is a key.
fn pem_block(text: &str) -> Option<(String, Vec<u8>)> {
    let mut rest = text;
    loop {
        let (_, begun) = rest.split_once("-----BEGIN ")?;
        let (label, body) = begun.split_once("-----")?;
        let (body, after) = body.split_once(&format!("-----END {label}-----"))?;
        if label.ends_with("KEY") {
            let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
            return Some((label.to_owned(), STANDARD.decode(body).ok()?));
        }
        // `openssl ecparam` writes a block of parameters before the key.
        rest = after;
    }
}

/// The content of PKCS#8's third element: the key in its own format (RFC 5958, section 2).
fn inner_key(pkcs8: &[u8]) -> Option<&[u8]> {
    let (_, body, _) = element(pkcs8)?;
    let (_, _, rest) = element(body)?;
    let (_, _, rest) = element(rest)?;
    let (tag, key, _) = element(rest)?;
    (tag == 4).then_some(key)
}

/// Tag, content and rest of the first DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        length = 0;
        for _ in 0..first & 0x7f {
            let (&byte, more) = rest.split_first()?;
            length = length.checked_mul(256)?.checked_add(usize::from(byte))?;
            rest = more;
        }
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    const KINDS: [(KeyKind, &str, usize); 3] = [
        (KeyKind::Rsa2048, "RS256", 2048),
        (KeyKind::Rsa3072, "RS256", 3072),
        (KeyKind::Es256, "ES256", 256),
    ];

    #[test]
    fn keys_survive_their_files() {
        for (kind, alg, bits) in KINDS {
            let key = SigningKey::generate(kind).unwrap();
            assert_eq!((key.jwk().alg.as_str(), key.jwk().bits()), (alg, bits));
            for format in [Format::Pkcs8, Format::Traditional] {
                let text = key.private_pem(format).unwrap();
                let again = SigningKey::from_pem("x", &text).unwrap();
                assert_eq!(again.jwk(), key.jwk());
                assert_eq!(public_key("x", &text).unwrap(), *key.jwk());
            }
            assert_eq!(public_key("x", &key.public_pem()).unwrap(), *key.jwk());
            assert!(!format!("{key:?}").contains("PRIVATE"));
        }
    }

    /// openssl, where there is one, reads every form and agrees on the public key.
    #[test]
    fn openssl_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, _, _) in KINDS {
            let key = SigningKey::generate(kind).unwrap();
            for format in [Format::Pkcs8, Format::Traditional] {
                let file = folder.path().join(format!("{}-{format:?}", key.jwk().kid));
                write_new(&file, 0o600, &key.private_pem(format).unwrap()).unwrap();
                let Ok(output) = Command::new("openssl")
                    .args(["pkey", "-pubout", "-in"])
                    .arg(&file)
                    .output()
                else {
                    eprintln!("!!! NOT RUN: openssl as a judge of key files: there is none");
                    return;
                };
                assert_eq!(
                    String::from_utf8_lossy(&output.stdout),
                    key.public_pem(),
                    "{kind:?} {format:?}"
                );
            }
        }
    }

    #[test]
    fn files_are_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sa.key");
        write_new(&file, 0o600, "a").unwrap();
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(matches!(
            write_new(&file, 0o600, "b"),
            Err(KeyError::Exists { .. })
        ));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        for text in [
            "",
            "hello",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = public_key("sa.key", text).unwrap_err().to_string();
            assert!(!error.contains("AAAA"), "{error}");
        }
    }
}
