//! What the AWS webhook is set up with.
//!
//! Owns: the flags of the webhook of old, and the two documents that say what service accounts
//! get without annotations. Refuses: reading files and ConfigMaps.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// The flags of the EKS pod identity webhook that change what a pod gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `--annotation-prefix`.
    pub annotation_prefix: String,
    /// `--token-audience`.
    pub token_audience: String,
    /// `--token-mount-path`.
    pub token_mount_path: String,
    /// `--token-expiration`, in seconds.
    pub token_expiration: i64,
    /// `--aws-default-region`.
    pub region: Option<String>,
    /// `--sts-regional-endpoint`.
    pub sts_regional_endpoint: bool,
    /// `--compose-role-arn`: partition and account that make an ARN of a role's name.
    pub account: Option<(String, String)>,
    /// The map in ConfigMap `pod-identity-webhook`.
    pub associations: Associations,
    /// `--container-credentials-…`.
    pub pod_identity: PodIdentity,
    /// Who gets a pod identity.
    pub pod_identities: PodIdentities,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            annotation_prefix: "eks.amazonaws.com".into(),
            token_audience: "sts.amazonaws.com".into(),
            token_mount_path: "/var/run/secrets/eks.amazonaws.com/serviceaccount".into(),
            token_expiration: 86_400,
            region: None,
            sts_regional_endpoint: false,
            account: None,
            associations: Associations::default(),
            pod_identity: PodIdentity::default(),
            pod_identities: PodIdentities::default(),
        }
    }
}

impl Settings {
    /// Whether a service account may be concerned that has no annotation.
    #[must_use]
    pub fn has_lists(&self) -> bool {
        self.associations != Associations::default()
            || self.pod_identities != PodIdentities::default()
    }

    /// The ARN that `role` means.
    pub(super) fn role(&self, role: &str) -> String {
        match &self.account {
            Some((partition, account)) if !role.contains("arn:") => {
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
            _ => role.to_owned(),
        }
    }
}

/// What a pod with a pod identity gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIdentity {
    /// `--container-credentials-audience`.
    pub audience: String,
    /// `--container-credentials-token-mount-path`.
    pub mount_path: String,
    /// `--container-credentials-token-volume-name`.
    pub volume_name: String,
    /// `--container-credentials-token-path`.
    pub token_path: String,
    /// `--container-credentials-full-uri`.
    pub full_uri: String,
}

impl Default for PodIdentity {
    fn default() -> Self {
        Self {
            audience: "pods.eks.amazonaws.com".into(),
            mount_path: "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount".into(),
            volume_name: "eks-pod-identity-token".into(),
            token_path: "eks-pod-identity-token".into(),
            full_uri: "http://169.254.170.23/v1/credentials".into(),
        }
    }
}

/// A document that says what service accounts get cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is not JSON of the right shape.
    #[error("cannot read {document}: {reason}")]
    Shape {
        /// Which.
        document: &'static str,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A key names no service account.
    #[error("cannot read {document}: key {key:?} is not of the form NAMESPACE/NAME or */NAME")]
    Key {
        /// Which.
        document: &'static str,
        /// The key.
        key: String,
    },
}

const MAP: &str = "key config of ConfigMap pod-identity-webhook";
const LIST: &str = "the list of pod identities";

/// What a service account gets by the ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// `RoleARN`.
    pub role_arn: String,
    /// `Audience`.
    pub audience: String,
    /// `UseRegionalSTS`.
    pub use_regional_sts: bool,
    /// `TokenExpiration` in seconds; zero is the default.
    pub token_expiration: i64,
}

/// What service accounts get by the ConfigMap, by namespace (or `*`) and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Associations(BTreeMap<(String, String), Mapped>);

impl Associations {
    /// The entry of exactly this namespace, which may be `*`, and name.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Mapped> {
        self.0.get(&(namespace.to_owned(), name.to_owned()))
    }
}

/// Reads the map of a ConfigMap.
///
/// # Errors
/// When it is not JSON of the right shape, or a key names no service account.
pub fn associations(config: &str) -> Result<Associations, SettingsError> {
    let shape = |error: serde_json::Error| SettingsError::Shape {
        document: MAP,
        reason: error.to_string(),
    };
    let map: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(config).map_err(shape)?;
    let mut entries = BTreeMap::new();
    for (key, fields) in map {
        let Some((namespace, name)) = key
            .split_once('/')
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
        else {
            return Err(SettingsError::Key { document: MAP, key });
        };
        let mut mapped = Mapped::default();
        for (field, value) in fields {
            let wrong = || SettingsError::Shape {
                document: MAP,
                reason: format!("field {field} of {key} has the wrong type"),
            };
            let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
            // Go reads names in any case.
            match field.to_ascii_lowercase().as_str() {
                "rolearn" => mapped.role_arn = text()?,
                "audience" => mapped.audience = text()?,
                "useregionalsts" => mapped.use_regional_sts = value.as_bool().ok_or_else(wrong)?,
                "tokenexpiration" => mapped.token_expiration = value.as_i64().ok_or_else(wrong)?,
                _ => {}
            }
        }
        entries.insert((namespace.to_owned(), name.to_owned()), mapped);
    }
    Ok(Associations(entries))
}

/// The service accounts that get a pod identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodIdentities(BTreeSet<(String, String)>);

impl PodIdentities {
    /// Whether this one does.
    #[must_use]
    pub fn contains(&self, namespace: &str, name: &str) -> bool {
        self.0.contains(&(namespace.to_owned(), name.to_owned()))
    }
}

/// Reads the file that names who gets a pod identity; an empty one names nobody.
///
/// # Errors
/// When it is not JSON of the right shape.
pub fn pod_identities(document: &str) -> Result<PodIdentities, SettingsError> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        identities: Vec<Identity>,
    }
    #[derive(Deserialize)]
    struct Identity {
        namespace: String,
        #[serde(rename = "serviceAccount")]
        service_account: String,
    }
    if document.trim().is_empty() {
        return Ok(PodIdentities::default());
    }
    let document: Document =
        serde_json::from_str(document).map_err(|error| SettingsError::Shape {
            document: LIST,
            reason: error.to_string(),
        })?;
    let identities = document.identities.into_iter();
    Ok(PodIdentities(
        identities
            .map(|identity| (identity.namespace, identity.service_account))
            .collect(),
    ))
}
