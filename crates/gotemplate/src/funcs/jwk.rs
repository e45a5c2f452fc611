//! JSON Web Keys as PEM.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ParsedPublicKey,
};
use num_bigint::BigUint;

use super::args::{Answer, text};
use super::json::read;
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::Text as Str;
use crate::functions::{Declared, fixed};
use crate::pki::der::{self, oid};
use crate::pki::key::{Curve, PrivateKey, ec_public_info, padded, public_info};
use crate::pki::pem::Block;
use crate::pki::rsa::{self, Rsa};
use crate::value::{Map, Value};

pub(crate) static ESO: &[Declared] = &[
    fixed("jwkPublicKeyPem", &[Str], public_pem),
    fixed("jwkPrivateKeyPem", &[Str], private_pem),
];

/// The members of a key.
struct Jwk(Map);

impl Jwk {
    fn parse(json: &[u8]) -> Result<Self, CallError> {
        match read::read(json) {
            Ok(Value::Map(map)) => Ok(Self(map)),
            Ok(_) => Err("failed to unmarshal JSON into key hint: not an object".into()),
            Err(problem) => {
                Err(format!("failed to unmarshal JSON into key hint: {problem}").into())
            }
        }
    }

    fn member(&self, name: &str) -> Option<Vec<u8>> {
        self.0.get(name.as_bytes())?.as_text().map(<[u8]>::to_vec)
    }

    /// Whether the private part is there.
    fn is_private(&self) -> bool {
        self.0.contains(b"d")
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, CallError> {
        let text = self
            .member(name)
            .ok_or_else(|| CallError::new(format!("required field {name} is missing")))?;
        let end = text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
        URL_SAFE_NO_PAD
            .decode(text.get(..end).unwrap_or_default())
            .map_err(|_| format!("field {name} is not base64url").into())
    }

    fn number(&self, name: &'static str) -> Result<BigUint, CallError> {
        Ok(BigUint::from_bytes_be(&self.bytes(name)?))
    }

    fn curve(&self) -> Result<Curve, CallError> {
        match self.member("crv").as_deref() {
            Some(b"P-256") => Ok(Curve::P256),
            Some(b"P-384") => Ok(Curve::P384),
            Some(b"P-521") => Ok(Curve::P521),
            _ => Err("unsupported curve of an EC key".into()),
        }
    }

    /// The `SubjectPublicKeyInfo`.
    fn public(&self) -> Result<Vec<u8>, CallError> {
        if self.is_private() {
            return Err("x509: unsupported public key type: the key is private".into());
        }
        match self.member("kty").as_deref() {
            Some(b"RSA") => {
                let bits = rsa::public(&self.number("n")?, &self.number("e")?);
                Ok(public_info(&der::algorithm(oid::RSA, der::NULL), &bits))
            }
            Some(b"EC") => {
                let curve = self.curve()?;
                let coordinate = |name| -> Result<Vec<u8>, CallError> {
                    padded(&self.bytes(name)?, curve.size())
                        .ok_or_else(|| "a coordinate is too long".into())
                };
                let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
                let algorithm = match curve {
                    Curve::P256 => &ECDSA_P256_SHA256_ASN1,
                    Curve::P384 => &ECDSA_P384_SHA384_ASN1,
                    Curve::P521 => &ECDSA_P521_SHA512_ASN1,
                };
                ParsedPublicKey::new(algorithm, &point)
                    .map_err(|_| "x509: invalid elliptic curve public key")?;
                Ok(ec_public_info(curve, &point))
            }
            Some(b"OKP") => {
                let bits = self.ed25519("x")?;
                Ok(public_info(&der::algorithm(oid::ED25519, &[]), &bits))
            }
            _ => Err("invalid key type from JSON".into()),
        }
    }

    fn ed25519(&self, name: &'static str) -> Result<[u8; 32], CallError> {
        if self.member("crv").as_deref() != Some(b"Ed25519") {
            return Err("unsupported curve of an OKP key".into());
        }
        let bytes = self.bytes(name)?;
        bytes
            .try_into()
            .map_err(|_| "an Ed25519 key has 32 bytes".into())
    }

    fn private(&self) -> Result<PrivateKey, CallError> {
        let kind = self.member("kty");
        if !matches!(kind.as_deref(), Some(b"RSA" | b"EC" | b"OKP")) {
            return Err("invalid key type from JSON".into());
        }
        if !self.is_private() {
            return Err("x509: unknown key type while marshaling PKCS#8: the key is public".into());
        }
        let key = match kind.as_deref() {
            Some(b"RSA") => Rsa::new(
                self.number("n")?,
                self.number("e")?,
                self.number("d")?,
                [self.number("p")?, self.number("q")?],
            )
            .map(PrivateKey::Rsa),
            Some(b"EC") => PrivateKey::ec(self.curve()?, &self.bytes("d")?),
            _ => Some(PrivateKey::Ed25519(self.ed25519("d")?)),
        };
        key.ok_or_else(|| "the key's numbers do not fit together".into())
    }
}

fn public_pem(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let der = Jwk::parse(text(args, 0))?.public()?;
    Ok(call.text(Block::new("PUBLIC KEY", der).encode())?)
}

fn private_pem(call: &mut Call<'_>, args: &[Value]) -> Answer {
    call.slow(1)?;
    let key = Jwk::parse(text(args, 0))?.private()?;
    Ok(call.text(Block::new("PRIVATE KEY", key.to_pkcs8()).encode())?)
}
