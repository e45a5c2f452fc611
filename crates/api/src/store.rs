//! SecretStore and ClusterSecretStore: where values live and how to log in there.
//!
//! Owns: the spec and status that both kinds share, one type per supported provider, and the
//! name of every other provider. Refuses: logging in, and any judgement about a login.

mod aws;
mod azure;
mod crd;
mod fake;
mod gcp;
mod kubernetes;
mod openbao;
mod provider;
mod vault;
mod webhook;

pub use aws::{
    AwsAuth, AwsJwtAuth, AwsProvider, AwsSecretRef, AwsSecretsManager, AwsService, AwsSessionTag,
    SessionTagsPolicy,
};
pub use azure::{
    AzureAuthSecretRef, AzureAuthType, AzureCustomCloud, AzureEnvironment, AzureKvProvider,
};
pub use crd::{CrdProvider, CrdResource, CrdWhitelist, CrdWhitelistRule};
pub use fake::{FakeData, FakeProvider};
pub use gcp::{
    GcpAuth, GcpAwsCredentials, GcpSecretRef, GcpSmProvider, GcpWorkloadIdentity,
    GcpWorkloadIdentityFederation, SecretVersionSelectionPolicy,
};
pub use kubernetes::{
    KubernetesAuth, KubernetesCertAuth, KubernetesProvider, KubernetesServer, KubernetesTokenAuth,
};
pub use openbao::{OpenBaoAppRole, OpenBaoAuth, OpenBaoProvider, OpenBaoUserPass};
pub use provider::{PROVIDERS, SecretStoreProvider};
pub use vault::{
    KvVersion, VaultAppRole, VaultAuth, VaultAwsAuth, VaultCertAuth, VaultCheckAndSet,
    VaultGcpAuth, VaultJwtAuth, VaultKubernetesAuth, VaultLdapAuth, VaultProvider,
    VaultServiceAccountToken, VaultTls, VaultUserPassAuth,
};
pub use webhook::{NtlmAuth, WebhookAuth, WebhookProvider, WebhookResult, WebhookSecret};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::duration::{self, GoDuration};
use crate::reference::LabelSelector;
use crate::regexp;
use crate::schema::{Node, Schema, object};
use crate::status::Condition;

/// A length of time: whole seconds, or a Go duration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// Seconds.
    Int(i64),
    /// A Go duration such as `5m`.
    String(String),
}

impl Schema for IntOrString {
    fn schema() -> Node {
        Node::int_or_string()
    }
}

object! {
    /// One provider, how to log in there, and who may use it.
    pub struct SecretStoreSpec {
        /// Leaves this store to the operator that was started with the same controller class;
        /// every other operator ignores it.
        controller opt "controller": Option<String>,
        /// The provider; exactly one.
        provider req "provider": SecretStoreProvider,
        /// How failed calls to the provider are repeated.
        retry_settings opt "retrySettings": Option<RetrySettings>,
        /// How often the store itself is checked: seconds as a number, or a Go duration as text.
        /// Zero, or nothing, leaves it to the operator's default.
        refresh_interval opt "refreshInterval": Option<IntOrString> { .store_interval() },
        /// Namespaces that may use a cluster-wide store; all of them when nothing is listed. One
        /// matching condition is enough.
        conditions opt "conditions": Vec<StoreCondition>,
    }

    /// How failed calls to the provider are repeated.
    pub struct RetrySettings {
        /// How many times a call is repeated.
        max_retries opt "maxRetries": Option<i32>,
        /// How long to wait in between, as a Go duration.
        retry_interval opt "retryInterval": Option<String>,
    }

    /// A set of namespaces; one matching criterion is enough.
    pub struct StoreCondition {
        /// Namespaces with these labels.
        namespace_selector opt "namespaceSelector": Option<LabelSelector>,
        /// Namespaces of these names.
        namespaces opt "namespaces": Vec<String> { .items(Node::dns_label) },
        /// Namespaces whose name matches one of these regular expressions (RE2) anywhere.
        namespace_regexes opt "namespaceRegexes": Vec<String>,
    }

    /// What the operator last saw of the store.
    pub struct SecretStoreStatus {
        /// Whether the store can be used, and why not.
        conditions opt "conditions": Vec<Condition>,
        /// Whether the provider can be read, written, or both: ReadOnly, WriteOnly, ReadWrite.
        capabilities opt "capabilities": Option<String>,
    }
}

impl SecretStoreSpec {
    /// How often the store is to be checked; nothing when the operator's default applies.
    ///
    /// # Errors
    /// In the API's words when the value is no duration or negative.
    pub fn refresh_interval(&self) -> Result<Option<GoDuration>, RefreshIntervalError> {
        let interval = match &self.refresh_interval {
            None => return Ok(None),
            Some(IntOrString::Int(seconds)) if *seconds < 0 => {
                return Err(RefreshIntervalError::Negative(seconds.to_string()));
            }
            Some(IntOrString::Int(seconds)) => GoDuration::from_secs(*seconds),
            Some(IntOrString::String(text)) => {
                let interval =
                    GoDuration::parse(text).map_err(|source| RefreshIntervalError::Invalid {
                        text: text.clone(),
                        source,
                    })?;
                if interval.nanos() < 0 {
                    return Err(RefreshIntervalError::Negative(format!("{text:?}")));
                }
                interval
            }
        };
        Ok(Some(interval).filter(|interval| interval.nanos() > 0))
    }
}

impl SecretStoreSpec {
    /// Whether objects of a namespace with these labels may use the store: any condition allows
    /// it, or there is none.
    ///
    /// # Errors
    /// When a regular expression that has to be asked does not compile.
    pub fn allows(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<bool, regexp::Error> {
        for condition in &self.conditions {
            if condition.allows(namespace, labels)? {
                return Ok(true);
            }
        }
        Ok(self.conditions.is_empty())
    }
}

impl StoreCondition {
    fn allows(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<bool, regexp::Error> {
        let selected = self
            .namespace_selector
            .as_ref()
            .is_some_and(|it| it.matches(labels));
        if selected || self.namespaces.iter().any(|name| name == namespace) {
            return Ok(true);
        }
        for pattern in &self.namespace_regexes {
            if regexp::compile(pattern)?.is_match(namespace) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A store's refresh interval that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshIntervalError {
    /// Not a Go duration.
    #[error("invalid refreshInterval {text:?}: {source}")]
    Invalid {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: duration::Error,
    },
    /// Less than zero.
    #[error("invalid refreshInterval {0}: must not be negative")]
    Negative(String),
}
