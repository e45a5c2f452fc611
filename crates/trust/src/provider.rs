//! The object by which a cloud knows an issuer: its URL and the audiences it takes.
//!
//! Owns: the rules AWS sets for an IAM OpenID Connect provider. Refuses: fetching anything,
//! and thumbprints as a means of trust (public certificate authorities made them idle).

use crate::aws::{Arn, Partition};
use crate::trust::{Issuer, IssuerError};

/// The most client ids (audiences) one provider may list.
pub const MAX_CLIENT_IDS: usize = 100;
/// The most thumbprints one provider may list.
pub const MAX_THUMBPRINTS: usize = 5;

/// Why a provider object is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The URL is no issuer.
    #[error("invalid Open ID Connect provider URL")]
    Url(#[from] IssuerError),
    /// More than [`MAX_CLIENT_IDS`].
    #[error("cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MAX_CLIENT_IDS}")]
    ClientIds,
    /// Empty or longer than 255 characters.
    #[error("client id {0:?} must have 1 to 255 characters")]
    ClientId(String),
    /// More than [`MAX_THUMBPRINTS`].
    #[error("thumbprint list must contain fewer than {MAX_THUMBPRINTS} entries")]
    Thumbprints,
    /// Not 40 hexadecimal digits.
    #[error("thumbprint {0:?} must be 40 hexadecimal digits without colons")]
    Thumbprint(String),
}

/// An IAM OpenID Connect provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The issuer, byte for byte.
    pub issuer: Issuer,
    /// The audiences it takes.
    pub client_ids: Vec<String>,
    /// SHA-1 of a certificate, 40 hexadecimal digits each; may be empty.
    pub thumbprints: Vec<String>,
}

impl Provider {
    /// Checks the rules and builds the object.
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub fn new(
        url: &str,
        client_ids: Vec<String>,
        thumbprints: Vec<String>,
    ) -> Result<Self, ProviderError> {
        let mut provider = Self {
            issuer: Issuer::parse(url)?,
            client_ids: Vec::new(),
            thumbprints: Vec::new(),
        };
        for id in client_ids {
            provider.add_client_id(id)?;
        }
        provider.set_thumbprints(thumbprints)?;
        Ok(provider)
    }

    /// Adds an audience; adding one twice changes nothing.
    ///
    /// # Errors
    /// When the id is empty or too long, or the list is full.
    pub fn add_client_id(&mut self, id: String) -> Result<(), ProviderError> {
        if id.is_empty() || id.len() > 255 {
            return Err(ProviderError::ClientId(id));
        }
        if !self.client_ids.contains(&id) {
            if self.client_ids.len() >= MAX_CLIENT_IDS {
                return Err(ProviderError::ClientIds);
            }
            self.client_ids.push(id);
        }
        Ok(())
    }

    /// Replaces the thumbprints.
    ///
    /// # Errors
    /// When there are too many or one is not 40 hexadecimal digits.
    pub fn set_thumbprints(&mut self, thumbprints: Vec<String>) -> Result<(), ProviderError> {
        if thumbprints.len() > MAX_THUMBPRINTS {
            return Err(ProviderError::Thumbprints);
        }
        for t in &thumbprints {
            if t.len() != 40 || !t.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(ProviderError::Thumbprint(t.clone()));
            }
        }
        self.thumbprints = thumbprints;
        Ok(())
    }

    /// The ARN this provider has in `account`.
    #[must_use]
    pub fn arn(&self, partition: Partition, account: &str) -> Arn {
        arn(&self.issuer, partition, account)
    }

    /// Whether a token for any of `audiences` is taken.
    #[must_use]
    pub fn accepts<'a>(&self, audiences: impl IntoIterator<Item = &'a str>) -> bool {
        audiences
            .into_iter()
            .any(|a| self.client_ids.iter().any(|id| id == a))
    }
}

/// The ARN of the provider of `issuer` in `account`: host and path, unchanged.
#[must_use]
pub fn arn(issuer: &Issuer, partition: Partition, account: &str) -> Arn {
    Arn::iam(
        partition,
        account,
        &format!("oidc-provider/{}", issuer.host_path()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_keeps_host_and_path() {
        let p = Provider::new(
            "https://oidc.example.com/c/1",
            vec!["sts.amazonaws.com".into()],
            vec![],
        )
        .unwrap();
        assert_eq!(
            p.arn(Partition::China, "111122223333").to_string(),
            "arn:aws-cn:iam::111122223333:oidc-provider/oidc.example.com/c/1"
        );
        assert!(p.accepts(["x", "sts.amazonaws.com"]));
        assert!(!p.accepts(["STS.amazonaws.com"]));
        assert!(!p.accepts([]));
    }

    #[test]
    fn limits() {
        let ids = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        let new = |c, t| Provider::new("https://a.example", c, t);
        assert!(new(ids(100), vec![]).is_ok());
        assert_eq!(new(ids(101), vec![]), Err(ProviderError::ClientIds));
        assert_eq!(
            new(vec![String::new()], vec![]),
            Err(ProviderError::ClientId(String::new()))
        );
        assert!(new(vec![], vec!["a".repeat(40); 5]).is_ok());
        assert_eq!(
            new(vec![], vec!["a".repeat(40); 6]),
            Err(ProviderError::Thumbprints)
        );
        assert_eq!(
            new(vec![], vec!["g".repeat(40)]),
            Err(ProviderError::Thumbprint("g".repeat(40)))
        );
        assert!(matches!(
            Provider::new("http://a", vec![], vec![]),
            Err(ProviderError::Url(_))
        ));
    }
}
