//! Why a kind cannot be a target.

use std::time::Duration;

use keyless_fault::{Class, Fault, Link};
use keyless_secret::manifest::TargetKind;

use super::discovery::{Served, VERBS};
use crate::Error;

/// A kind that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KindProblem {
    /// The API server knows no such kind.
    #[error("the API server serves no {kind}")]
    NotServed {
        /// Group, version and kind.
        kind: String,
    },
    /// Its objects are in no namespace.
    #[error("{kind} is cluster-scoped, and a target stays in its ExternalSecret's namespace")]
    ClusterScoped {
        /// Group, version and kind.
        kind: String,
    },
    /// Its objects cannot be kept in step.
    #[error("the API server serves {kind} without the verbs {missing}")]
    Verbs {
        /// Group, version and kind.
        kind: String,
        /// The verbs.
        missing: String,
    },
    /// The operator has no right to do something with it.
    #[error("the operator may not {verb} {resource}: {message}")]
    Denied {
        /// What was tried.
        verb: String,
        /// Plural name and group, as in `things.example.com`.
        resource: String,
        /// The rule that is missing, as it stands in a Role.
        rule: String,
        /// What the API server said.
        message: String,
    },
    /// The question itself failed.
    #[error(transparent)]
    Asking(Error),
}

impl KindProblem {
    /// What an interrupted watch says about the kind, if it says anything.
    pub(super) fn of_watch(kind: &TargetKind, served: &Served, error: &Error) -> Option<Self> {
        match error {
            Error::Api { status: 404, .. } => Some(Self::NotServed {
                kind: kind.to_string(),
            }),
            Error::Api { status: 403, .. } => Some(
                Self::denied(kind, served, "watch", error)
                    .unwrap_or_else(|| Self::Asking(error.clone())),
            ),
            _ => None,
        }
    }

    /// The missing right, if that is why the API server refused to `verb` an object of `kind`;
    /// admission refuses with the same status, but not in these words.
    #[must_use]
    pub fn denied(kind: &TargetKind, served: &Served, verb: &str, error: &Error) -> Option<Self> {
        let Error::Api {
            status: 403,
            message,
            ..
        } = error
        else {
            return None;
        };
        if !message.contains(" cannot ") || !message.contains(" resource ") {
            return None;
        }
        let resource = match kind.group() {
            "" => served.plural.clone(),
            group => format!("{}.{group}", served.plural),
        };
        Some(Self::Denied {
            verb: verb.to_owned(),
            resource,
            rule: format!(
                "apiGroups: [{:?}], resources: [{:?}], verbs: [{}]",
                kind.group(),
                served.plural,
                VERBS.join(", ")
            ),
            message: message.clone(),
        })
    }
}

impl PartialEq for KindProblem {
    /// Whether they say the same.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Fault for KindProblem {
    fn link(&self) -> Link {
        match self {
            Self::NotServed { .. } | Self::ClusterScoped { .. } | Self::Verbs { .. } => {
                Link::Manifest
            }
            Self::Denied { .. } | Self::Asking(_) => Link::Kubernetes,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::NotServed { .. } => Class::NotFound,
            Self::ClusterScoped { .. } | Self::Verbs { .. } => Class::Config,
            Self::Denied { .. } => Class::Denied,
            Self::Asking(error) => error.class(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotServed { kind } => Some(format!(
                "Install the resource definition of {kind}, or correct spec.target.manifest"
            )),
            Self::ClusterScoped { .. } | Self::Verbs { .. } => {
                Some("Choose another kind in spec.target.manifest".to_owned())
            }
            Self::Denied { rule, .. } => Some(format!(
                "Add this rule to a ClusterRole of the operator's service account: {rule}"
            )),
            Self::Asking(error) => error.hint(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Asking(error) => error.retry_after(),
            _ => None,
        }
    }
}
