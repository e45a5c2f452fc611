//! The `external-secrets.io` API: what its objects hold, what is wrong with one, and the custom
//! resource definitions that teach an API server the same.
//!
//! Owns: specs and statuses of ExternalSecret, ClusterExternalSecret, SecretStore and
//! ClusterSecretStore, their defaults and rules, constants that other programs rely on, Go
//! durations and cron schedules. Refuses: metadata of objects, I/O, clocks, Kubernetes clients.
//!
//! Decoding is lenient: an object stored under an older or newer schema never makes the operator
//! choke. Unknown fields are ignored, unknown enumeration values are kept for a clear report.

mod cluster_external_secret;
pub mod constants;
mod crd;
pub mod cron;
mod decode;
pub mod duration;
mod external_secret;
mod reference;
mod references;
pub mod regexp;
mod rules;
mod schema;
mod selector;
mod status;
mod store;
pub mod unsupported;
mod validate;

pub use cluster_external_secret::{
    ClusterCondition, ClusterExternalSecretSpec, ClusterExternalSecretStatus,
    ExternalSecretMetadata, NamespaceFailure,
};
pub use crd::{crds, crds_yaml, to_yaml};
pub use decode::{DecodeError, decode};
pub use duration::GoDuration;
pub use external_secret::*;
pub use reference::{
    CaProvider, CaProviderKind, ConfigMapKeySelector, GeneratorKind, GeneratorRef, LabelSelector,
    LabelSelectorRequirement, SecretKeySelector, SecretReference, SelectorOperator,
    ServiceAccountSelector, SourceRef, StoreKind, StoreRef,
};
pub use references::{Reference, ReferenceKind};
pub use selector::NamespaceSelection;
pub use status::{Condition, LocalReference};
pub use store::*;
pub use unsupported::Support;
pub use validate::{
    Violation, foreign_references, validate, validate_cluster_external_secret, validate_store,
    validate_template,
};
