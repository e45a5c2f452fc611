//! One public signing key as a JWK (RFC 7517, RFC 7518 section 6).
//!
//! Owns: the strict reading of a key, its name as Kubernetes forms it (base64url of the SHA-256
//! of the SubjectPublicKeyInfo), its canonical writing. Refuses: symmetric keys, keys too weak to
//! sign with, and every member that says more than the public key.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
    EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::roca;

/// A signature algorithm that an API server can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names of RFC 7518, section 3.1")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
    ];

    /// The name in a header or key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    /// The algorithm of that name. Names are case-sensitive.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == name)
    }

    /// The curve, if it is one of elliptic curves.
    #[must_use]
    pub const fn curve(self) -> Option<Curve> {
        match self {
            Self::Es256 => Some(Curve::P256),
            Self::Es384 => Some(Curve::P384),
            Self::Es512 => Some(Curve::P521),
            Self::Rs256 | Self::Rs384 | Self::Rs512 => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An elliptic curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names of RFC 7518, section 6.2.1.1")]
pub enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The name in a key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521]
            .into_iter()
            .find(|c| c.as_str() == name)
    }

    /// The one algorithm of the curve.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    /// What verifies signatures of the curve.
    #[must_use]
    pub fn verifier(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }

    const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
            Self::P384 => &[0x06, 5, 0x2b, 0x81, 4, 0, 0x22],
            Self::P521 => &[0x06, 5, 0x2b, 0x81, 4, 0, 0x23],
        }
    }
}

/// The numbers of a public key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Material {
    /// Big-endian, without leading zeros.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Exponent.
        e: Vec<u8>,
    },
    /// A point.
    Ec {
        /// Its curve.
        curve: Curve,
        /// As long as the curve demands.
        x: Vec<u8>,
        /// As long as the curve demands.
        y: Vec<u8>,
    },
}

/// A public signing key with a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Jwk {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub alg: Algorithm,
    /// Its numbers.
    pub material: Material,
}

/// Why a JWK is not a key that tokens can be verified with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a JSON object.
    #[error("it is no JSON object")]
    NoObject,
    /// A member is missing.
    #[error("it has no {0:?}")]
    Missing(&'static str),
    /// A member is no text.
    #[error("its {0:?} is no text")]
    Type(&'static str),
    /// A kind of key that nobody verifies tokens of a cluster with.
    #[error("its kty is {0:?}: only RSA and EC keys are read by clouds")]
    Kty(String),
    /// For another use.
    #[error("its use is {0:?}, not \"sig\"")]
    Use(String),
    /// Not for verifying.
    #[error("its key_ops do not hold \"verify\"")]
    Operations,
    /// Not an algorithm of its kind.
    #[error("its alg {0:?} does not belong to its kind of key")]
    Algorithm(String),
    /// With padding.
    #[error("its {0:?} is padded: base64url in JWKs has no \"=\" (RFC 7515, section 2)")]
    Padded(&'static str),
    /// With `+` or `/`.
    #[error("its {0:?} uses the standard base64 alphabet, not base64url")]
    Alphabet(&'static str),
    /// Not base64 at all.
    #[error("its {0:?} is not base64url")]
    Encoding(&'static str),
    /// The text of a PEM file in a member.
    #[error("its {0:?} holds PEM")]
    Pem(&'static str),
    /// A number with zero bytes in front.
    #[error("its {0:?} begins with a zero byte (RFC 7518, section 6.3.1.1)")]
    LeadingZero(&'static str),
    /// Too short to be safe, and for clouds to take it.
    #[error("its modulus has {0} bits, at least 2048 are required")]
    TooSmall(usize),
    /// Too long.
    #[error("its modulus has {0} bits, at most 8192 are read")]
    TooLarge(usize),
    /// An exponent that makes signatures worthless.
    #[error("its exponent is even or smaller than 3")]
    Exponent,
    /// An even modulus.
    #[error("its modulus is even")]
    Even,
    /// Made by a broken generator.
    #[error("it was made by a library whose keys can be factored (ROCA, CVE-2017-15361)")]
    Roca,
    /// A curve that nobody reads.
    #[error("its curve is {0:?}")]
    Curve(String),
    /// Coordinates of another length.
    #[error("its {0:?} has {1} bytes, the curve demands {2}")]
    Length(&'static str, usize, usize),
    /// No point of the curve.
    #[error("its point does not lie on the curve")]
    OffCurve,
}

/// Members of a JWK that make it a private key (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
pub const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl Jwk {
    /// Reads a key. A name is not demanded here; the caller keeps it apart.
    ///
    /// # Errors
    /// The first thing that makes it useless.
    pub fn read(object: &Map<String, Value>) -> Result<Self, KeyFault> {
        let kty = required(object, "kty")?;
        if !matches!(kty, "RSA" | "EC") {
            return Err(KeyFault::Kty(kty.to_owned()));
        }
        if let Some(usage) = optional(object, "use")?
            && usage != "sig"
        {
            return Err(KeyFault::Use(usage.to_owned()));
        }
        if let Some(operations) = object.get("key_ops") {
            let list = operations.as_array().ok_or(KeyFault::Type("key_ops"))?;
            if !list.iter().any(|o| o == "verify") {
                return Err(KeyFault::Operations);
            }
        }
        let material = match kty {
            "RSA" => rsa(object)?,
            _ => ec(object)?,
        };
        let usual = match &material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::Ec { curve, .. } => curve.algorithm(),
        };
        let alg = match optional(object, "alg")? {
            None => usual,
            Some(name) => Algorithm::parse(name)
                .filter(|a| match &material {
                    Material::Rsa { .. } => a.curve().is_none(),
                    Material::Ec { curve, .. } => a.curve() == Some(*curve),
                })
                .ok_or_else(|| KeyFault::Algorithm(name.to_owned()))?,
        };
        let kid = optional(object, "kid")?.unwrap_or_default().to_owned();
        Ok(Self { kid, alg, material })
    }

    /// The key of a SubjectPublicKeyInfo, under the name that Kubernetes gives it.
    ///
    /// # Errors
    /// When it is no RSA or EC key, or a weak one.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyFault> {
        use x509_parser::prelude::FromDer as _;
        use x509_parser::public_key::PublicKey;
        let (_, info) = x509_parser::x509::SubjectPublicKeyInfo::from_der(der)
            .map_err(|_| KeyFault::Encoding("SubjectPublicKeyInfo"))?;
        let material = match info.parsed() {
            Ok(PublicKey::RSA(key)) => {
                let trim = |b: &[u8]| {
                    b.iter()
                        .copied()
                        .skip_while(|b| *b == 0)
                        .collect::<Vec<_>>()
                };
                checked_rsa(trim(key.modulus), trim(key.exponent))?
            }
            Ok(PublicKey::EC(point)) => {
                let data = point.data();
                let curve = [Curve::P256, Curve::P384, Curve::P521]
                    .into_iter()
                    .find(|c| data.len() == 1 + 2 * c.size())
                    .ok_or_else(|| KeyFault::Curve(format!("one of {} bytes", data.len())))?;
                let (x, y) = data
                    .get(1..)
                    .and_then(|rest| rest.split_at_checked(curve.size()))
                    .ok_or(KeyFault::OffCurve)?;
                checked_ec(curve, x.to_vec(), y.to_vec())?
            }
            _ => return Err(KeyFault::Kty("another algorithm".into())),
        };
        let alg = match &material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::Ec { curve, .. } => curve.algorithm(),
        };
        let mut key = Self {
            kid: String::new(),
            alg,
            material,
        };
        key.kid = key.kubernetes_name();
        Ok(key)
    }

    /// The key's SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        match &self.material {
            Material::Rsa { n, e } => {
                let numbers = tlv(0x30, &[integer(n), integer(e)].concat());
                // rsaEncryption with NULL parameters (RFC 3279, section 2.3.1).
                let kind = [
                    0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0,
                ];
                let bits = tlv(3, &[vec![0], numbers].concat());
                tlv(0x30, &[kind.to_vec(), bits].concat())
            }
            Material::Ec { curve, .. } => {
                // id-ecPublicKey with a named curve (RFC 5480, section 2.1.1).
                let kind = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
                let kind = tlv(0x30, &[&kind[..], curve.oid()].concat());
                let bits = tlv(3, &[vec![0], self.point()].concat());
                tlv(0x30, &[kind, bits].concat())
            }
        }
    }

    /// The uncompressed point; empty for RSA.
    #[must_use]
    pub fn point(&self) -> Vec<u8> {
        match &self.material {
            Material::Ec { x, y, .. } => [&[4], x.as_slice(), y.as_slice()].concat(),
            Material::Rsa { .. } => Vec::new(),
        }
    }

    /// The name that Kubernetes' own signer gives the key.
    #[must_use]
    pub fn kubernetes_name(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.spki()))
    }

    /// Bits of the modulus, or of the curve's field.
    #[must_use]
    pub fn bits(&self) -> usize {
        match &self.material {
            Material::Rsa { n, .. } => bits(n),
            Material::Ec {
                curve: Curve::P521, ..
            } => 521,
            Material::Ec { curve, .. } => curve.size() * 8,
        }
    }

    /// The canonical members, in their order, and nothing else.
    #[must_use]
    pub fn members(&self) -> Vec<(&'static str, String)> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let kty = match &self.material {
            Material::Rsa { .. } => "RSA",
            Material::Ec { .. } => "EC",
        };
        let mut members = vec![
            ("kty", kty.to_owned()),
            ("use", "sig".to_owned()),
            ("alg", self.alg.as_str().to_owned()),
            ("kid", self.kid.clone()),
        ];
        match &self.material {
            Material::Rsa { n, e } => members.extend([("n", text(n)), ("e", text(e))]),
            Material::Ec { curve, x, y } => members.extend([
                ("crv", curve.as_str().to_owned()),
                ("x", text(x)),
                ("y", text(y)),
            ]),
        }
        members
    }
}

fn required<'a>(object: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, KeyFault> {
    optional(object, name)?.ok_or(KeyFault::Missing(name))
}

fn optional<'a>(
    object: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, KeyFault> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFault::Type(name)),
    }
}

fn bytes(object: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let text = required(object, name)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| {
        if text.contains("-----BEGIN") {
            KeyFault::Pem(name)
        } else if text.ends_with('=') {
            KeyFault::Padded(name)
        } else if text.contains(['+', '/']) {
            KeyFault::Alphabet(name)
        } else {
            KeyFault::Encoding(name)
        }
    })
}

fn number(object: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let bytes = bytes(object, name)?;
    match bytes.first() {
        Some(0) => Err(KeyFault::LeadingZero(name)),
        None => Err(KeyFault::Missing(name)),
        Some(_) => Ok(bytes),
    }
}

fn rsa(object: &Map<String, Value>) -> Result<Material, KeyFault> {
    checked_rsa(number(object, "n")?, number(object, "e")?)
}

fn checked_rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Material, KeyFault> {
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|b| b & 1 == 1);
    match bits(&n) {
        size if size < 2048 => return Err(KeyFault::TooSmall(size)),
        size if size > 8192 => return Err(KeyFault::TooLarge(size)),
        _ => {}
    }
    if !odd(&n) {
        return Err(KeyFault::Even);
    }
    if !odd(&e) || bits(&e) < 2 {
        return Err(KeyFault::Exponent);
    }
    if roca::has_fingerprint(&n) {
        return Err(KeyFault::Roca);
    }
    Ok(Material::Rsa { n, e })
}

fn ec(object: &Map<String, Value>) -> Result<Material, KeyFault> {
    let name = required(object, "crv")?;
    let curve = Curve::parse(name).ok_or_else(|| KeyFault::Curve(name.to_owned()))?;
    checked_ec(curve, bytes(object, "x")?, bytes(object, "y")?)
}

fn checked_ec(curve: Curve, x: Vec<u8>, y: Vec<u8>) -> Result<Material, KeyFault> {
    for (name, value) in [("x", &x), ("y", &y)] {
        if value.len() != curve.size() {
            return Err(KeyFault::Length(name, value.len(), curve.size()));
        }
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let verifier: &'static dyn signature::VerificationAlgorithm = curve.verifier();
    ParsedPublicKey::new(verifier, point).map_err(|_| KeyFault::OffCurve)?;
    Ok(Material::Ec { curve, x, y })
}

/// Bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    match number.get(zeros) {
        None => 0,
        Some(first) => (number.len() - zeros) * 8 - first.leading_zeros() as usize,
    }
}

/// A DER element.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes: Vec<u8> = length
                .to_be_bytes()
                .into_iter()
                .skip_while(|b| *b == 0)
                .collect();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A DER integer of a big-endian number without sign.
fn integer(number: &[u8]) -> Vec<u8> {
    let negative = number.first().is_some_and(|b| b & 0x80 != 0);
    let mut content = if negative || number.is_empty() {
        vec![0]
    } else {
        Vec::new()
    };
    content.extend_from_slice(number);
    tlv(2, &content)
}
