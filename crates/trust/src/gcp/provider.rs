//! OpenID Connect providers of workload identity pools.
//!
//! Owns: the rules of the object, and which part of a token does not fit. Refuses: keys and
//! signatures, and the attribute mapping.

use super::name::PoolProvider;
use crate::token::Claims;
use crate::trust::{Issuer, IssuerError};

/// The most audiences that a provider may list.
pub const MAX_AUDIENCES: usize = 10;
/// Longest audience, in characters.
pub const MAX_AUDIENCE: usize = 256;
/// Longest `google.subject`, in bytes.
pub const MAX_SUBJECT: usize = 127;
/// Longest life of a token, in seconds.
pub const MAX_LIFE: i64 = 24 * 3600;
/// The most keys of an uploaded key set.
pub const MAX_KEYS: usize = 8;

/// Why a provider is refused when it is made. Whether the issuer exists is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The URL is no issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// More than [`MAX_AUDIENCES`].
    #[error("at most {MAX_AUDIENCES} allowed audiences can be listed")]
    Audiences,
    /// Empty or longer than [`MAX_AUDIENCE`].
    #[error("allowed audience {0:?} must have 1 to {MAX_AUDIENCE} characters")]
    Audience(String),
}

/// An OpenID Connect provider of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// Its name.
    pub name: PoolProvider,
    /// `issuerUri`, compared byte for byte.
    pub issuer: Issuer,
    allowed_audiences: Vec<String>,
}

/// The part of a token that a provider refuses, in the order in which it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another issuer.
    Issuer,
    /// None of its audiences is allowed.
    Audience,
    /// Ended, not yet begun, or valid for longer than a day.
    Stale,
}

impl OidcProvider {
    /// Checks the rules and builds the object.
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub fn new(
        name: PoolProvider,
        issuer: &str,
        allowed_audiences: Vec<String>,
    ) -> Result<Self, ProviderError> {
        if allowed_audiences.len() > MAX_AUDIENCES {
            return Err(ProviderError::Audiences);
        }
        let wrong = |audience: &&String| audience.is_empty() || audience.len() > MAX_AUDIENCE;
        if let Some(audience) = allowed_audiences.iter().find(wrong) {
            return Err(ProviderError::Audience(audience.clone()));
        }
        Ok(Self {
            name,
            issuer: Issuer::parse(issuer)?,
            allowed_audiences,
        })
    }

    /// The audiences that it takes: those listed, or its own name.
    #[must_use]
    pub fn audiences(&self) -> Vec<String> {
        if self.allowed_audiences.is_empty() {
            self.name.default_audiences().into()
        } else {
            self.allowed_audiences.clone()
        }
    }

    /// Whether it takes a token with `claims` at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// The first part that does not fit.
    pub fn judge(&self, claims: &Claims, now: i64) -> Result<(), Mismatch> {
        if claims.iss != self.issuer.as_str() {
            return Err(Mismatch::Issuer);
        }
        let allowed = self.audiences();
        if !claims.aud.iter().any(|audience| allowed.contains(audience)) {
            return Err(Mismatch::Audience);
        }
        let begun = claims.iat <= now && claims.nbf.is_none_or(|nbf| nbf <= now);
        let short = claims.exp.saturating_sub(claims.iat) <= MAX_LIFE;
        if !begun || !short || claims.exp <= now {
            return Err(Mismatch::Stale);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/providers/prov-1";

    fn provider(audiences: &[&str]) -> OidcProvider {
        let audiences = audiences.iter().map(|a| (*a).to_owned()).collect();
        OidcProvider::new(PoolProvider::parse(NAME).unwrap(), "https://i", audiences).unwrap()
    }

    fn claims(iss: &str, aud: &[&str], iat: i64, exp: i64) -> Claims {
        Claims {
            iss: iss.into(),
            sub: "s".into(),
            aud: aud.iter().map(|a| (*a).to_owned()).collect(),
            azp: None,
            amr: Vec::new(),
            exp,
            iat,
            nbf: None,
            jti: None,
        }
    }

    #[test]
    fn parts_of_a_token() {
        let https = format!("https:{NAME}");
        for (listed, iss, aud, iat, exp, expected) in [
            (&[][..], "https://i", NAME, 0, 3600, Ok(())),
            (&[], "https://i", https.as_str(), 0, 3600, Ok(())),
            (&["a"], "https://i", "a", 0, 3600, Ok(())),
            (&["a"], "https://i", NAME, 0, 3600, Err(Mismatch::Audience)),
            (&[], "https://i/", NAME, 0, 3600, Err(Mismatch::Issuer)),
            (&[], "https://i", NAME, 0, 100, Err(Mismatch::Stale)),
            (&[], "https://i", NAME, 200, 3600, Err(Mismatch::Stale)),
            (&[], "https://i", NAME, 0, 86_401, Err(Mismatch::Stale)),
        ] {
            let found = provider(listed).judge(&claims(iss, &[aud, "other"], iat, exp), 100);
            assert_eq!(found, expected, "{listed:?} {iss} {aud} {iat} {exp}");
        }
    }

    #[test]
    fn rules_of_the_object() {
        let name = || PoolProvider::parse(NAME).unwrap();
        let many = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert!(OidcProvider::new(name(), "https://i", many(10)).is_ok());
        for (issuer, audiences) in [
            ("https://i", many(11)),
            ("https://i", vec![String::new()]),
            ("https://i", vec!["a".repeat(257)]),
            ("http://i", vec![]),
        ] {
            assert!(
                OidcProvider::new(name(), issuer, audiences).is_err(),
                "{issuer}"
            );
        }
    }
}
