//! Signatures of tokens: the keys of a JWKS and the algorithms AWS takes.
//!
//! Owns: reading a key set strictly and checking a compact JWS against one of its keys.
//! Refuses: `none`, every HMAC (a public key is no shared secret), RSA-PSS, EdDSA, keys without
//! a `kid`, RSA keys under 2,048 bits, and keys of another use.

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
    EcdsaVerificationAlgorithm, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The most keys of each kind that AWS reads.
const MAX_KEYS: usize = 100;

/// Why a token's signature is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwsError {
    #[error("algorithm {0:?} is not one of RS256, RS384, RS512, ES256, ES384, ES512")]
    Algorithm(String),
    #[error("the token's header names no key")]
    NoKid,
    #[error("the issuer has no key {0:?}")]
    UnknownKid(String),
    #[error("key {0:?} does not fit the token's algorithm")]
    WrongKey(String),
    #[error("the signature is wrong")]
    Signature,
}

/// Why a document is no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("the key set is not JSON with a list \"keys\"")]
    Shape,
    #[error("the key set has no usable key")]
    Empty,
    #[error("the key set has more than {MAX_KEYS} keys of one kind")]
    TooMany,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Curve name and uncompressed point.
    Ec {
        curve: String,
        point: Vec<u8>,
    },
}

#[derive(Clone, Debug)]
struct Key {
    kid: String,
    alg: Option<String>,
    material: Material,
}

/// An issuer's keys.
#[derive(Clone, Debug)]
pub(crate) struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a JWKS. Keys of other kinds or uses are passed over, as RFC 7517, section 5 asks.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let document: Document = serde_json::from_slice(bytes).map_err(|_| KeySetError::Shape)?;
        let keys: Vec<Key> = document.keys.into_iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        let rsa = keys
            .iter()
            .filter(|k| matches!(k.material, Material::Rsa { .. }))
            .count();
        if rsa > MAX_KEYS || keys.len() - rsa > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        Ok(Self(keys))
    }

    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|k| k.kid == kid)
    }

    /// Checks `token`, whose header says `alg` and `kid`.
    pub fn verify(&self, token: &str, alg: &str, kid: Option<&str>) -> Result<(), JwsError> {
        let algorithm = Algorithm::parse(alg)?;
        let kid = kid.filter(|k| !k.is_empty()).ok_or(JwsError::NoKid)?;
        let key = self
            .0
            .iter()
            .find(|k| k.kid == kid)
            .ok_or_else(|| JwsError::UnknownKid(kid.to_owned()))?;
        if key.alg.as_deref().is_some_and(|a| a != alg) {
            return Err(JwsError::WrongKey(kid.to_owned()));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwsError::Signature)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| JwsError::Signature)?;
        let checked = match (&algorithm, &key.material) {
            (Algorithm::Rsa(parameters), Material::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message.as_bytes(), &signature)
            }
            (Algorithm::Ec(curve, parameters), Material::Ec { curve: is, point })
                if curve == is =>
            {
                let parameters: &'static EcdsaVerificationAlgorithm = parameters;
                UnparsedPublicKey::new(parameters as &dyn signature::VerificationAlgorithm, point)
                    .verify(message.as_bytes(), &signature)
            }
            _ => return Err(JwsError::WrongKey(kid.to_owned())),
        };
        checked.map_err(|_| JwsError::Signature)
    }
}

enum Algorithm {
    Rsa(&'static RsaParameters),
    Ec(&'static str, &'static EcdsaVerificationAlgorithm),
}

impl Algorithm {
    fn parse(alg: &str) -> Result<Self, JwsError> {
        Ok(match alg {
            "RS256" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            "ES256" => Self::Ec("P-256", &ECDSA_P256_SHA256_FIXED),
            "ES384" => Self::Ec("P-384", &ECDSA_P384_SHA384_FIXED),
            "ES512" => Self::Ec("P-521", &ECDSA_P521_SHA512_FIXED),
            other => return Err(JwsError::Algorithm(other.to_owned())),
        })
    }
}

/// Whether AWS takes the algorithm at all.
pub(crate) fn is_supported(alg: &str) -> bool {
    Algorithm::parse(alg).is_ok()
}

fn key(json: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let verifies = |ops: &Vec<String>| ops.iter().any(|o| o == "verify");
    if jwk.kid.is_empty()
        || jwk.usage.as_deref().is_some_and(|u| u != "sig")
        || !jwk.key_ops.as_ref().is_none_or(verifies)
    {
        return None;
    }
    let bytes = |field: &Option<String>| URL_SAFE_NO_PAD.decode(field.as_ref()?).ok();
    let material = match jwk.kty.as_str() {
        "RSA" => Material::Rsa {
            n: bytes(&jwk.n)?,
            e: bytes(&jwk.e)?,
        },
        "EC" => {
            let curve = jwk.crv?;
            let size = match curve.as_str() {
                "P-256" => 32,
                "P-384" => 48,
                "P-521" => 66,
                _ => return None,
            };
            let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
            if x.len() != size || y.len() != size {
                return None;
            }
            Material::Ec {
                curve,
                point: [vec![4], x, y].concat(),
            }
        }
        _ => return None,
    };
    Some(Key {
        kid: jwk.kid,
        alg: jwk.alg,
        material,
    })
}

#[cfg(test)]
mod tests;
