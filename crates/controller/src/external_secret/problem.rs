//! Why an ExternalSecret is not in step.

use std::time::Duration;

use keyless_api::constants::message;
use keyless_fault::{Class, Fault, Judged, Link, ObjectRef, explain_as};
use keyless_providers::Error;

use crate::judgement::Scene;

/// A failure found by the controller itself; others come from the crates below.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A field has the wrong shape, or two fields contradict each other.
    #[error("{0}")]
    Spec(String),
    /// A field that this operator does not act on.
    #[error("{path} is not supported yet by keyless")]
    Unsupported {
        /// Path of the field.
        path: String,
    },
    /// `target.manifest` without the flag that allows it.
    #[error("generic targets are disabled: spec.target.manifest is not acted on")]
    GenericTargetsOff,
    /// No entry names a store.
    #[error("{path} names no store")]
    NoStore {
        /// Path of the entry.
        path: String,
    },
    /// The store does not exist.
    #[error("could not get {} {:?}", store.kind, store.name)]
    StoreMissing {
        /// The store.
        store: ObjectRef,
    },
    /// The store's spec cannot be read.
    #[error("cannot use {store}: {reason}")]
    StoreSpec {
        /// The store.
        store: ObjectRef,
        /// What is wrong.
        reason: String,
    },
    /// The store's conditions leave this namespace out.
    #[error(
        "using cluster store {:?} is not allowed from namespace {namespace:?}: denied by spec.condition",
        store.name
    )]
    StoreDenied {
        /// The store.
        store: ObjectRef,
        /// The namespace.
        namespace: String,
    },
    /// The flood gate: the store is not ready.
    #[error("{} {:?} is not ready{}", store.kind, store.name, reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
    StoreNotReady {
        /// The store.
        store: ObjectRef,
        /// What the store says, if it says anything, without its code.
        reason: Option<String>,
        /// That code, or empty.
        code: &'static str,
    },
    /// The store did not answer others just now.
    #[error("{} {:?} does not answer", store.kind, store.name)]
    StoreSilent {
        /// The store.
        store: ObjectRef,
        /// When it is tried again.
        wait: Duration,
    },
    /// The Secret is immutable and would have to change.
    #[error("Secret {secret} is immutable and the wanted data differs")]
    Immutable {
        /// The Secret.
        secret: String,
    },
    /// A key that no Secret may have.
    #[error("{path} leads to the key {key:?}, which Secret {secret} cannot have")]
    Key {
        /// Path of the field.
        path: String,
        /// The Secret.
        secret: String,
        /// The key.
        key: String,
    },
    /// More than fits into a Secret.
    #[error(
        "Secret {secret} would hold {bytes} bytes and may hold {most}; {largest} of them are key \
         {key:?} from {path}"
    )]
    TooLarge {
        /// Path of the field that gives the largest key.
        path: String,
        /// The Secret.
        secret: String,
        /// Bytes of all values.
        bytes: usize,
        /// The most that the API server takes.
        most: usize,
        /// The key with the largest value.
        key: String,
        /// Bytes of that value.
        largest: usize,
    },
    /// `deletionPolicy: Delete` for a Secret that is not owned.
    #[error("{0}")]
    NotOwner(String),
}

impl Fault for Problem {
    fn link(&self) -> Link {
        match self {
            Self::Spec(_)
            | Self::Unsupported { .. }
            | Self::GenericTargetsOff
            | Self::NoStore { .. }
            | Self::NotOwner(_) => Link::Manifest,
            Self::StoreMissing { .. }
            | Self::StoreSpec { .. }
            | Self::StoreDenied { .. }
            | Self::StoreNotReady { .. } => Link::Store,
            Self::StoreSilent { .. } => Link::Network,
            Self::Key { .. } | Self::TooLarge { .. } => Link::Manifest,
            Self::Immutable { .. } => Link::Kubernetes,
        }
    }

    fn class(&self) -> Class {
        match self {
            // Both end by an event that wakes the object; the retry is only a net.
            Self::StoreMissing { .. } | Self::StoreNotReady { .. } => Class::NotFound,
            Self::StoreDenied { .. } => Class::Denied,
            Self::StoreSilent { .. } => Class::Unavailable,
            _ => Class::Config,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::StoreMissing { .. } => "O6",
            Self::StoreDenied { .. } => "O7",
            Self::StoreNotReady { code, .. } => code,
            _ => "",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unsupported { path } => Some(format!("Remove {path}")),
            Self::GenericTargetsOff => Some(
                "Start the operator with --unsafe-allow-generic-targets and grant it rights on \
                 the kind, or remove spec.target.manifest"
                    .into(),
            ),
            Self::NoStore { .. } => Some("Set spec.secretStoreRef, or a sourceRef.storeRef".into()),
            Self::StoreMissing { store } => {
                Some(format!("Create {store}, or correct the reference"))
            }
            Self::StoreDenied { namespace, .. } => Some(format!(
                "Add namespace {namespace} to the store's spec.conditions"
            )),
            Self::StoreNotReady { store, .. } => Some(format!("See the conditions of {store}")),
            Self::Immutable { secret } => Some(format!("Delete Secret {secret}")),
            Self::Key { path, .. } if path == "spec.dataFrom" => Some(
                "Rename it with spec.dataFrom[].rewrite, to ASCII letters, digits, '-', '_' and '.'"
                    .into(),
            ),
            Self::Key { path, .. } => Some(format!(
                "Use ASCII letters, digits, '-', '_' and '.' in {path}"
            )),
            Self::TooLarge { .. } => {
                Some("Read less into one Secret: split the ExternalSecret".into())
            }
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::StoreSilent { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    fn blame(&self) -> Option<ObjectRef> {
        match self {
            Self::StoreMissing { store }
            | Self::StoreSpec { store, .. }
            | Self::StoreDenied { store, .. }
            | Self::StoreNotReady { store, .. }
            | Self::StoreSilent { store, .. } => Some(store.clone()),
            _ => None,
        }
    }
}

/// A failed sync: what the condition says and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The condition's message: ESO's constant sentence, then cause and fix.
    pub message: String,
    /// The event's text: cause and fix.
    pub detail: String,
    /// The broken link.
    pub link: Link,
    /// The catalogue's code, or empty.
    pub code: &'static str,
    /// Class of failure.
    pub class: Class,
    /// The peer's wish.
    pub retry_after: Option<Duration>,
    /// Whether a retry is of use; otherwise the next refresh or change looks again.
    pub retry: bool,
}

impl Failed {
    /// A failure under the constant sentence `sentence`, retried by class.
    pub fn new(sentence: &'static str, fault: &dyn Fault) -> Self {
        Self::with_prefix(sentence, "", fault)
    }

    /// The same, with words before the cause, e.g. where in the spec it happened.
    pub fn with_prefix(sentence: &'static str, prefix: &str, fault: &dyn Fault) -> Self {
        Self::judged(sentence, prefix, fault, &Judged::of(fault))
    }

    /// A failed login or read at `scene`, as the doctor's rules see it.
    pub fn read(prefix: &str, error: &Error, scene: &Scene<'_>) -> Self {
        Self::judged(
            message::COULD_NOT_GET_DATA,
            prefix,
            error,
            &scene.judge(error),
        )
    }

    fn judged(sentence: &'static str, prefix: &str, fault: &dyn Fault, judged: &Judged) -> Self {
        let detail = explain_as(prefix, fault, judged);
        Self {
            message: if detail.starts_with(sentence) {
                detail.clone()
            } else {
                format!("{sentence}: {detail}")
            },
            detail,
            link: judged.link.unwrap_or_else(|| fault.link()),
            code: judged.code,
            class: fault.class(),
            retry_after: fault.retry_after(),
            retry: true,
        }
    }

    /// A failure to get data.
    pub fn data(fault: &dyn Fault) -> Self {
        Self::new(message::COULD_NOT_GET_DATA, fault)
    }

    /// The same without retry.
    #[must_use]
    pub fn without_retry(self) -> Self {
        Self {
            retry: false,
            ..self
        }
    }
}
