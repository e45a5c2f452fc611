//! The shape of a service account token: minted, and judged again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Error, Issuer};

/// An object that a token is bound to, by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
}

/// What to put into a token.
#[derive(Clone, Debug)]
pub struct Mint<'a> {
    /// The service account's namespace.
    pub namespace: &'a str,
    /// The service account's name.
    pub service_account: &'a str,
    /// The service account's uid.
    pub uid: &'a str,
    /// The audiences; always written as a list.
    pub audiences: &'a [String],
    /// How long the token lives.
    pub ttl: Duration,
    /// The pod that the token is bound to, if any.
    pub pod: Option<Bound>,
    /// The Secret that the token is bound to, if any.
    pub secret: Option<Bound>,
}

/// A service account token's claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Audiences.
    pub aud: Vec<String>,
    /// End of validity, seconds since the epoch.
    pub exp: i64,
    /// Time of issue.
    pub iat: i64,
    /// The issuer.
    pub iss: String,
    /// The token's own id.
    pub jti: String,
    /// What Kubernetes says of the account.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Kubernetes,
    /// Start of validity.
    pub nbf: i64,
    /// `system:serviceaccount:<namespace>:<name>`.
    pub sub: String,
}

/// The `kubernetes.io` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubernetes {
    /// The account's namespace.
    pub namespace: String,
    /// The pod, when bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Bound>,
    /// The Secret, when bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Bound>,
    /// The account.
    pub serviceaccount: Bound,
}

/// Why a token is refused. Never holds any part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not three base64url parts of JSON, or not a service account token's claims.
    #[error("the token is not a service account token")]
    Malformed,
    /// Another issuer's token.
    #[error("the token's issuer is not this cluster's")]
    Issuer,
    /// Signed by a key that is not published, or by another algorithm.
    #[error("no published key verifies the token")]
    Key,
    /// The signature does not match.
    #[error("the token's signature is wrong")]
    Signature,
    /// Past its end.
    #[error("service account token has expired")]
    Expired,
    /// Before its start.
    #[error("service account token is not valid yet")]
    NotYet,
    /// For other audiences.
    #[error("the token's audiences {have:?} are invalid for the target audiences {want:?}")]
    Audience {
        /// The token's audiences.
        have: Vec<String>,
        /// Those accepted.
        want: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

impl Issuer {
    /// Signs a token. Header: `alg` and `kid` only, as the API server's own signer writes it.
    ///
    /// # Errors
    /// When signing fails.
    pub fn mint(&self, what: Mint<'_>) -> Result<(String, Claims), Error> {
        let now = self.clock().unix();
        let claims = Claims {
            aud: what.audiences.to_vec(),
            exp: now.saturating_add(i64::try_from(what.ttl.as_secs()).unwrap_or(i64::MAX)),
            iat: now,
            iss: self.url().to_owned(),
            jti: crate::kube::uid(),
            kubernetes: Kubernetes {
                namespace: what.namespace.to_owned(),
                pod: what.pod,
                secret: what.secret,
                serviceaccount: Bound {
                    name: what.service_account.to_owned(),
                    uid: what.uid.to_owned(),
                },
            },
            nbf: now,
            sub: format!(
                "system:serviceaccount:{}:{}",
                what.namespace, what.service_account
            ),
        };
        let body = serde_json::to_vec(&claims).map_err(|_| Error::Sign)?;
        Ok((self.sign(&body)?, claims))
    }

    /// Signs `claims`, any JSON document, with the active key: for tests of hostile tokens.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &[u8]) -> Result<String, Error> {
        let key = self
            .keys()
            .into_iter()
            .next()
            .ok_or(Error::Key("no key is active"))?;
        let header = serde_json::to_vec(&Header {
            alg: "RS256".to_owned(),
            kid: key.kid().to_owned(),
        })
        .map_err(|_| Error::Sign)?;
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = key.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Judges a token as the API server does: issuer, key, signature, time, audience.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn verify(&self, token: &str, audiences: &[String]) -> Result<Claims, Invalid> {
        let mut parts = token.split('.');
        let (Some(head), Some(body), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Invalid::Malformed);
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Invalid::Malformed);
        let header: Header =
            serde_json::from_slice(&decode(head)?).map_err(|_| Invalid::Malformed)?;
        let claims: Claims =
            serde_json::from_slice(&decode(body)?).map_err(|_| Invalid::Malformed)?;
        if claims.iss != self.url() {
            return Err(Invalid::Issuer);
        }
        let key = self
            .keys()
            .into_iter()
            .find(|k| k.kid() == header.kid)
            .filter(|_| header.alg == "RS256")
            .ok_or(Invalid::Key)?;
        let signed = token.get(..head.len() + 1 + body.len()).unwrap_or_default();
        if !key.verify(signed.as_bytes(), &decode(signature)?) {
            return Err(Invalid::Signature);
        }
        let now = self.clock().unix();
        // The API server allows no leeway at the end and a minute at the start.
        if now > claims.exp {
            return Err(Invalid::Expired);
        }
        if now.saturating_add(60) < claims.nbf {
            return Err(Invalid::NotYet);
        }
        if !claims.aud.iter().any(|a| audiences.contains(a)) {
            return Err(Invalid::Audience {
                have: claims.aud,
                want: audiences.to_vec(),
            });
        }
        Ok(claims)
    }
}
