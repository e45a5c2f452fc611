//! A refused exchange in words: which role, which statement came closest, what in it failed.
//!
//! Owns: the link, the catalogue's code and the advice. Refuses: guessing at what the policies
//! do not show, such as an organisation's guard-rails.

use keyless_fault::{Class, Fault, Link};

use super::super::Arn;
use super::super::evaluate::{Decision, Failure, Miss, StatementRef};
use crate::token::Claims;

/// Why a role's trust policy does not let a token in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A Deny statement matches.
    #[error("{by} of the trust policy of {role} denies {subject}")]
    Denied {
        /// The role.
        role: Arn,
        /// The token's subject.
        subject: String,
        /// The statement.
        by: StatementRef,
    },
    /// No Allow statement matches; this one came closest.
    #[error("{} of the trust policy of {role} does not match the token of {subject}", miss.statement)]
    NoMatch {
        /// The role.
        role: Arn,
        /// The token's subject.
        subject: String,
        /// The statement and what in it failed.
        miss: Miss,
    },
    /// There is no Allow statement at all.
    #[error("the trust policy of {role} allows nobody, {subject} among them")]
    Nobody {
        /// The role.
        role: Arn,
        /// The token's subject.
        subject: String,
    },
}

impl Refusal {
    /// The refusal in `decision` on a token with `claims` for `role`; `None` when it was let in.
    #[must_use]
    pub fn of(decision: &Decision, role: &Arn, claims: &Claims) -> Option<Self> {
        let (role, subject) = (role.clone(), claims.sub.clone());
        match decision {
            Decision::Allowed { .. } => None,
            Decision::Denied { by } => Some(Self::Denied {
                role,
                subject,
                by: by.clone(),
            }),
            Decision::NotAllowed {
                nearest: Some(miss),
            } => Some(Self::NoMatch {
                role,
                subject,
                miss: miss.clone(),
            }),
            Decision::NotAllowed { nearest: None } => Some(Self::Nobody { role, subject }),
        }
    }

    /// The first thing that failed, the weightiest first: principal, action, then conditions.
    fn first(&self) -> Option<&Failure> {
        match self {
            Self::NoMatch { miss, .. } => miss.failed.first(),
            Self::Denied { .. } | Self::Nobody { .. } => None,
        }
    }
}

impl Fault for Refusal {
    fn link(&self) -> Link {
        Link::Identity
    }

    fn class(&self) -> Class {
        Class::Denied
    }

    fn code(&self) -> &'static str {
        match self.first() {
            Some(Failure::Action { .. }) => "A5",
            Some(Failure::Principal { required, .. })
                if !required.iter().any(|p| p.contains(":oidc-provider/")) =>
            {
                "A5"
            }
            _ => "A3",
        }
    }

    fn observed(&self) -> Option<String> {
        self.first().map(Failure::observed)
    }

    fn required(&self) -> Option<String> {
        self.first().map(Failure::required)
    }

    fn hint(&self) -> Option<String> {
        let text = match (self, self.first()) {
            (Self::Denied { .. }, _) => "Remove the Deny statement or narrow it",
            (_, None) => {
                "Add a statement that allows sts:AssumeRoleWithWebIdentity to the issuer's provider"
            }
            (_, Some(Failure::Action { .. })) => "Allow the action sts:AssumeRoleWithWebIdentity",
            (_, Some(Failure::Principal { .. })) => {
                "Name the issuer's own provider as the Federated principal"
            }
            (_, Some(Failure::Condition { key, .. })) if key.starts_with("https://") => {
                "Write the condition key without https://"
            }
            (_, Some(Failure::Condition { observed: None, .. })) => {
                "Begin the condition key with the token's issuer, host and path without https://"
            }
            (
                _,
                Some(Failure::Condition {
                    operator, required, ..
                }),
            ) if operator.starts_with("StringEquals")
                && required.iter().any(|v| v.contains('*')) =>
            {
                "Write the value in full; StringEquals takes a star literally"
            }
            (_, Some(Failure::Condition { .. })) => {
                "Change the role's trust policy or use the account it names"
            }
            (_, Some(Failure::Resource { .. })) => "Remove the resource; a trust policy has none",
        };
        Some(text.to_owned())
    }
}
