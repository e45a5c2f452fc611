//! Issuer, audience, subject, target: the four facts every federation comes down to.
//!
//! Owns their forms. Refuses normalisation: every cloud compares the issuer byte for byte, so
//! a value is either kept as it is or refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::aws::Arn;

/// One rule of trust: tokens of `issuer` for `audience` about `subject` may act as `target`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trust {
    /// The token's `iss`, byte for byte.
    pub issuer: Issuer,
    /// The one audience the token is minted for.
    pub audience: String,
    /// The token's `sub`, byte for byte.
    pub subject: String,
    /// What the token may be exchanged for.
    pub target: Target,
}

/// What a cloud gives in exchange for a trusted token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Target {
    /// An AWS IAM role.
    AwsRole(Arn),
}

/// Why a string cannot be an issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Not an `https://` URL.
    #[error("issuer {0:?} does not begin with https://")]
    Scheme(String),
    /// Nothing between the scheme and the path.
    #[error("issuer {0:?} has no host")]
    Host(String),
    /// A query, a fragment, user information or white space.
    #[error("issuer {0:?} holds {1:?}, which no cloud accepts in an issuer")]
    Character(String, char),
    /// Longer than any cloud registers.
    #[error("issuer is {0} characters long, at most 255 are accepted")]
    Length(usize),
}

/// The URL that names a cluster's token issuer, exactly as the tokens carry it.
///
/// A trailing slash, a port or a capital letter makes another issuer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer(String);

impl Issuer {
    /// Accepts `url` unchanged or says why no cloud would.
    ///
    /// # Errors
    /// See [`IssuerError`].
    pub fn parse(url: &str) -> Result<Self, IssuerError> {
        if url.len() > 255 {
            return Err(IssuerError::Length(url.len()));
        }
        let rest = url
            .strip_prefix("https://")
            .ok_or_else(|| IssuerError::Scheme(url.to_owned()))?;
        let refused = |c: char| {
            matches!(c, '?' | '#' | '@' | '\\' | '*' | '"') || c.is_whitespace() || c.is_control()
        };
        if let Some(c) = rest.chars().find(|c| refused(*c)) {
            return Err(IssuerError::Character(url.to_owned(), c));
        }
        if rest.is_empty() || rest.starts_with('/') || rest.starts_with(':') {
            return Err(IssuerError::Host(url.to_owned()));
        }
        Ok(Self(url.to_owned()))
    }

    /// The URL as the token's `iss` has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host, port if any, and path: the URL without its scheme. AWS builds provider ARNs and
    /// condition keys from it.
    #[must_use]
    pub fn host_path(&self) -> &str {
        self.0.strip_prefix("https://").unwrap_or(&self.0)
    }

    /// Where the discovery document must be: the well-known path is appended to the issuer
    /// (OpenID Connect Discovery 1.0, section 4), never inserted before its path (RFC 8414).
    #[must_use]
    pub fn discovery_url(&self) -> String {
        format!(
            "{}/.well-known/openid-configuration",
            self.0.strip_suffix('/').unwrap_or(&self.0)
        )
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Issuer {
    type Error = IssuerError;
    fn try_from(url: String) -> Result<Self, IssuerError> {
        Self::parse(&url)
    }
}

impl From<Issuer> for String {
    fn from(issuer: Issuer) -> Self {
        issuer.0
    }
}

/// A Kubernetes service account as the subject of a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceAccount {
    /// The account `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The account that `subject` names; `None` when it is not of the form
    /// `system:serviceaccount:NAMESPACE:NAME`.
    #[must_use]
    pub fn from_subject(subject: &str) -> Option<Self> {
        let rest = subject.strip_prefix("system:serviceaccount:")?;
        let (namespace, name) = rest.split_once(':')?;
        (!namespace.is_empty() && !name.is_empty() && !name.contains(':'))
            .then(|| Self::new(namespace, name))
    }

    /// The `sub` of this account's tokens.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_kept_byte_for_byte_or_refused() {
        for url in [
            "https://oidc.example.com",
            "https://oidc.example.com/",
            "https://OIDC.example.com/Cluster1",
            "https://127.0.0.1:8443/a/b",
        ] {
            assert_eq!(Issuer::parse(url).unwrap().as_str(), url);
        }
        for url in [
            "http://oidc.example.com",
            "oidc.example.com",
            "https://",
            "https:///path",
            "https://:443",
            "https://a.example?x=1",
            "https://a.example#f",
            "https://user@a.example",
            "https://a.example/ b",
        ] {
            assert!(Issuer::parse(url).is_err(), "{url}");
        }
        assert_eq!(
            Issuer::parse(&format!("https://{}", "a".repeat(248))),
            Err(IssuerError::Length(256))
        );
    }

    #[test]
    fn the_well_known_path_is_appended() {
        let url = |s| Issuer::parse(s).unwrap().discovery_url();
        assert_eq!(
            url("https://a.example/c/1"),
            "https://a.example/c/1/.well-known/openid-configuration"
        );
        assert_eq!(
            url("https://a.example/"),
            "https://a.example/.well-known/openid-configuration"
        );
    }

    #[test]
    fn subjects_of_service_accounts() {
        let account = ServiceAccount::new("shop", "web");
        assert_eq!(account.subject(), "system:serviceaccount:shop:web");
        assert_eq!(
            ServiceAccount::from_subject(&account.subject()),
            Some(account)
        );
        for other in [
            "system:serviceaccount:shop",
            "system:node:x",
            "system:serviceaccount::web",
            "system:serviceaccount:a:b:c",
        ] {
            assert_eq!(ServiceAccount::from_subject(other), None, "{other}");
        }
    }
}
