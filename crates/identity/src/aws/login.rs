//! Everything that makes one AWS identity different from another.
//!
//! Owns: the key of the credential cache. Refuses: anything that does not change the identity,
//! and secrets in the clear.

use super::{Region, RoleArn, StaticKeys};

/// An identity at AWS: two equal logins may share a credential, two different ones never do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    /// Where STS is asked: v2 tokens are valid everywhere, but an opt-in region must be on.
    pub region: Region,
    /// What the login starts from.
    pub source: Source,
    /// The roles assumed on top, in order.
    pub hops: Vec<Hop>,
}

/// What a login starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operator's own identity.
    Operator,
    /// The token of a service account.
    WebIdentity {
        /// Its namespace.
        namespace: String,
        /// Its name.
        service_account: String,
        /// Its uid: a recreated account is another identity.
        uid: String,
        /// The role of its annotation.
        role: RoleArn,
        /// The token's audiences.
        audiences: Vec<String>,
    },
    /// A stored access key.
    Keys(StaticKeys),
}

/// One role of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    /// The role.
    pub role: RoleArn,
    /// `ExternalId`.
    pub external_id: Option<String>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Keys of tags that are passed on.
    pub transitive: Vec<String>,
}

impl Login {
    /// The identity for messages: the last role, or what it starts from.
    #[must_use]
    pub fn describe(&self) -> String {
        match (self.hops.last(), &self.source) {
            (Some(hop), _) => hop.role.to_string(),
            (None, Source::WebIdentity { role, .. }) => role.to_string(),
            (None, Source::Keys(_)) => "the stored access key".into(),
            (None, Source::Operator) => "the operator's own AWS identity".into(),
        }
    }

    /// The 12 digits of the account that calls are counted for, where a role's ARN tells.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match (self.hops.last(), &self.source) {
            (Some(hop), _) => Some(hop.role.account()),
            (None, Source::WebIdentity { role, .. }) => Some(role.account()),
            (None, Source::Keys(_) | Source::Operator) => None,
        }
    }
}
