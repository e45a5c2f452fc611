//! A token as a relying party reads it: signature by a published key, issuer, audience, times.
//!
//! Owns: the strict reader. It takes RSA PKCS#1 and ECDSA signatures by a key that has the
//! token's `kid`, and nothing else. Refuses: `none`, every HMAC (a public key is no shared
//! secret), RSA-PSS and EdDSA (no API server signs with them), headers with `crit`, keys that are
//! named twice, and keeping the token: no error and no answer holds any part of its signature.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_trust::token::{Claims, Token, TokenError};

use crate::documents::{Algorithm, Jwk, KeySet, Material, json};

/// Why a relying party refuses a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a JWT in shape, or without a claim that is needed.
    #[error("{0}")]
    Shape(#[from] TokenError),
    /// A header that no reader of two minds can take: a member twice, `crit`, a wrong type.
    #[error("the token's header has {0}")]
    Header(String),
    /// An algorithm that is not taken.
    #[error(
        "the token is signed with {0:?}, taken are RS256, RS384, RS512, ES256, ES384 and ES512"
    )]
    Algorithm(String),
    /// The header names no key.
    #[error("the token's header names no key")]
    NoKid,
    /// No published key has that name.
    #[error("no published key is named {0:?}")]
    UnknownKid(String),
    /// The key of that name is of another kind.
    #[error("the published key {0:?} is not for the token's algorithm")]
    WrongKey(String),
    /// The signature is not that key's.
    #[error("the signature is not that of the published key {0:?}")]
    Signature(String),
    /// Another issuer's token.
    #[error("the token's issuer is {observed:?}, not {required:?}")]
    Issuer {
        /// The token's.
        observed: String,
        /// The registered one.
        required: String,
    },
    /// For another audience.
    #[error("the token's audiences are {observed:?}, not {required:?}")]
    Audience {
        /// The token's.
        observed: Vec<String>,
        /// The registered one.
        required: String,
    },
    /// Past its end.
    #[error("the token expired {0} s ago")]
    Expired(i64),
    /// Before its beginning.
    #[error("the token is valid only in {0} s")]
    NotYet(i64),
}

/// Seconds by which clocks may differ, as most relying parties have it.
pub const LEEWAY: i64 = 60;

/// What a relying party knows.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The registered issuer.
    pub issuer: &'a str,
    /// The registered audience; any if absent.
    pub audience: Option<&'a str>,
    /// Now, seconds since 1970.
    pub now: i64,
}

/// Verifies signature, issuer, audience and times.
///
/// # Errors
/// The first thing that a relying party would refuse it for.
pub fn verify(text: &str, keys: &KeySet, expected: Expected<'_>) -> Result<Claims, Refusal> {
    let token = signed_by(text, keys)?;
    let claims = token.claims()?;
    judge(&claims, expected)?;
    Ok(claims)
}

/// Verifies the signature only.
///
/// # Errors
/// When the text is no token or no key of the set has signed it.
pub fn signed_by(text: &str, keys: &KeySet) -> Result<Token, Refusal> {
    let token = Token::parse(text)?;
    let header = header(text)?;
    if header.contains_key("crit") {
        // RFC 7515, section 4.1.11: whoever does not understand all of it must refuse.
        return Err(Refusal::Header("critical extensions (crit)".into()));
    }
    let name = token.header.alg.as_str();
    let alg = Algorithm::parse(name).ok_or_else(|| Refusal::Algorithm(name.to_owned()))?;
    let kid = token
        .header
        .kid
        .as_deref()
        .filter(|k| !k.is_empty())
        .ok_or(Refusal::NoKid)?;
    let key = keys
        .find(kid)
        .ok_or_else(|| Refusal::UnknownKid(kid.to_owned()))?;
    check(text, alg, key)?;
    Ok(token)
}

/// The header, in which no member may come twice.
fn header(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
    let part = text.split('.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Encoding("header"))?;
    json::object(&bytes).map_err(|error| Refusal::Header(error.to_string()))
}

fn check(text: &str, alg: Algorithm, key: &Jwk) -> Result<(), Refusal> {
    if key.alg != alg {
        return Err(Refusal::WrongKey(key.kid.clone()));
    }
    let wrong = || Refusal::Signature(key.kid.clone());
    let (message, signature) = text.rsplit_once('.').ok_or_else(wrong)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| TokenError::Encoding("signature"))?;
    if verifies(key, message.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// Whether `signature` is the key's over `message`.
fn verifies(key: &Jwk, message: &[u8], signature: &[u8]) -> bool {
    let checked = match &key.material {
        Material::Rsa { n, e } => {
            let parameters = match key.alg {
                Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
                Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
                _ => &RSA_PKCS1_2048_8192_SHA256,
            };
            RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
        }
        Material::Ec { curve, .. } => {
            let verifier: &'static dyn VerificationAlgorithm = curve.verifier();
            UnparsedPublicKey::new(verifier, key.point()).verify(message, signature)
        }
    };
    checked.is_ok()
}

/// Judges the claims.
///
/// # Errors
/// The first claim that is not as expected.
pub fn judge(claims: &Claims, expected: Expected<'_>) -> Result<(), Refusal> {
    if claims.iss != expected.issuer {
        return Err(Refusal::Issuer {
            observed: claims.iss.clone(),
            required: expected.issuer.to_owned(),
        });
    }
    if let Some(audience) = expected.audience
        && !claims.aud.iter().any(|a| a == audience)
    {
        return Err(Refusal::Audience {
            observed: claims.aud.clone(),
            required: audience.to_owned(),
        });
    }
    let late = expected.now.saturating_sub(claims.exp);
    if late > LEEWAY {
        return Err(Refusal::Expired(late));
    }
    let begin = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
    let early = begin.saturating_sub(expected.now);
    if early > LEEWAY {
        return Err(Refusal::NotYet(early));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;
