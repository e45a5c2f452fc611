//! What was known when a login failed, for whoever judges it more closely.
//!
//! Owns: the service account as it was read and the token by its claims, carried beside the
//! failure. Refuses: tokens, values, and annotations that name no identity.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{Error, ServiceAccount, TokenFacts};

/// The most annotations that are kept.
const ANNOTATIONS: usize = 16;
/// The longest annotation that is kept, in bytes.
const LONGEST: usize = 2048;
/// What the keys of the clouds' annotations have in common, a slip of the pen included.
const CLOUDS: [&str; 3] = ["amazon", "azure", "gke"];

/// What was known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The service account that was to log in.
    pub account: Option<AccountFacts>,
    /// The token that was shown.
    pub token: Option<TokenFacts>,
}

/// A service account by what names its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its annotations about clouds.
    pub annotations: BTreeMap<String, String>,
}

/// A failure and what was known. Cheap to share, as failures are.
#[derive(Clone, Debug)]
pub struct Known {
    pub(crate) error: Error,
    pub(crate) evidence: Arc<Evidence>,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Known {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl Error {
    /// What was known when it happened.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Known(known) => Some(&known.evidence),
            _ => None,
        }
    }

    /// This failure, after `token` was shown.
    #[must_use]
    pub(crate) fn after_showing(self, token: Option<&TokenFacts>) -> Self {
        match token {
            Some(token) => self.with(Evidence {
                token: Some(token.clone()),
                account: None,
            }),
            None => self,
        }
    }

    /// This failure, after the service account `namespace/name` was read.
    #[must_use]
    pub(crate) fn after_reading(
        self,
        namespace: &str,
        name: &str,
        account: &ServiceAccount,
    ) -> Self {
        let about_clouds = |(key, value): &(&String, &String)| {
            value.len() <= LONGEST && CLOUDS.iter().any(|cloud| key.contains(cloud))
        };
        let annotations = account.annotations.iter().filter(about_clouds);
        self.with(Evidence {
            account: Some(AccountFacts {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                annotations: annotations
                    .take(ANNOTATIONS)
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            }),
            token: None,
        })
    }

    fn with(self, evidence: Evidence) -> Self {
        match self {
            known @ Self::Known(_) => known,
            error => Self::Known(Box::new(Known {
                error,
                evidence: Arc::new(evidence),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyless_fault::{Fault, explain};

    fn config() -> Error {
        Error::Config {
            reason: "no role".into(),
            hint: Some("Annotate it".into()),
            code: "O1",
        }
    }

    /// What is carried along changes nothing of what is told.
    #[test]
    fn a_known_failure_tells_the_same() {
        let account = ServiceAccount {
            uid: "u".into(),
            annotations: BTreeMap::new(),
        };
        let known = config().after_reading("ns", "sa", &account);
        assert_eq!(explain(&known), explain(&config()));
        assert_eq!(
            (known.code(), known.link(), known.class()),
            (config().code(), config().link(), config().class())
        );
        assert!(config().after_showing(None).evidence().is_none());
    }

    #[test]
    fn only_annotations_about_clouds_are_kept() {
        let annotations = [
            ("eks.amazon.com/role-arn", "arn"),
            ("kubectl.kubernetes.io/last-applied-configuration", "canary"),
            ("azure.workload.identity/client-id", "id"),
        ];
        let account = ServiceAccount {
            uid: "u".into(),
            annotations: annotations
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        };
        let known = config().after_reading("ns", "sa", &account);
        let kept = known.evidence().unwrap().account.clone().unwrap();
        assert_eq!(kept.annotations.len(), 2);
        assert!(!format!("{known:?}").contains("canary"));
    }
}
