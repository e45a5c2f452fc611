//! References from an API object to stores, Secrets, ConfigMaps, service accounts, generators.

use std::collections::BTreeMap;

use crate::schema::{object, string_enum};

string_enum! {
    /// Kind of a secret store.
    pub enum StoreKind = SecretStore {
        /// A store of one namespace.
        SecretStore = "SecretStore",
        /// A store of the whole cluster.
        ClusterSecretStore = "ClusterSecretStore",
    }

    /// Kind of object that holds a certificate authority bundle.
    pub enum CaProviderKind = Secret {
        /// A Secret.
        Secret = "Secret",
        /// A ConfigMap.
        ConfigMap = "ConfigMap",
    }

    /// Kind of a generator.
    pub enum GeneratorKind = Fake {
        /// Azure Container Registry token.
        AcrAccessToken = "ACRAccessToken",
        /// BeyondTrust dynamic credential.
        BeyondtrustWorkloadCredentialsDynamicSecret = "BeyondtrustWorkloadCredentialsDynamicSecret",
        /// A cluster-wide generator.
        ClusterGenerator = "ClusterGenerator",
        /// Cloudsmith token.
        CloudsmithAccessToken = "CloudsmithAccessToken",
        /// Amazon ECR token.
        EcrAuthorizationToken = "ECRAuthorizationToken",
        /// Fixed values for tests.
        Fake = "Fake",
        /// Google registry token.
        GcrAccessToken = "GCRAccessToken",
        /// GitHub App installation token.
        GithubAccessToken = "GithubAccessToken",
        /// GitLab deploy token.
        GitlabDeployToken = "GitlabDeployToken",
        /// Quay robot token.
        QuayAccessToken = "QuayAccessToken",
        /// Random password.
        Password = "Password",
        /// SSH key pair.
        SshKey = "SSHKey",
        /// AWS session credentials.
        StsSessionToken = "STSSessionToken",
        /// Random UUID.
        Uuid = "UUID",
        /// Vault dynamic secret.
        VaultDynamicSecret = "VaultDynamicSecret",
        /// Answer of an HTTP endpoint.
        Webhook = "Webhook",
        /// Grafana service account token.
        Grafana = "Grafana",
        /// One-time password.
        Mfa = "MFA",
    }

    /// Operator of a label selector's requirement.
    pub enum SelectorOperator = In {
        /// The label's value is one of the listed ones.
        In = "In",
        /// The label's value is none of the listed ones, or the label is absent.
        NotIn = "NotIn",
        /// The label is present.
        Exists = "Exists",
        /// The label is absent.
        DoesNotExist = "DoesNotExist",
    }
}

object! {
    /// The store that values are read from.
    pub struct StoreRef {
        /// Name of the store.
        name opt "name": Option<String> { .dns_subdomain() },
        /// Whether the store belongs to this namespace (SecretStore, used when nothing is set)
        /// or to the cluster (ClusterSecretStore).
        kind opt "kind": Option<StoreKind>,
    }

    /// A generator object that makes values instead of reading them.
    pub struct GeneratorRef {
        /// API version of the generator.
        api_version opt "apiVersion": Option<String> {
            .default("generators.external-secrets.io/v1alpha1")
        },
        /// Kind of the generator.
        kind req "kind": GeneratorKind,
        /// Name of the generator; it lives in the ExternalSecret's namespace, unless its kind is
        /// ClusterGenerator.
        name req "name": String { .dns_subdomain() },
    }

    /// Another source for one entry: a different store or a generator.
    pub struct SourceRef [ .exactly_one_property() ] {
        /// A store to use for this entry instead of the one in secretStoreRef.
        store_ref opt "storeRef": Option<StoreRef>,
        /// A generator whose output is used for this entry.
        generator_ref opt "generatorRef": Option<GeneratorRef>,
    }

    /// One key of a Secret.
    pub struct SecretKeySelector : named {
        /// Name of the Secret.
        name opt "name": Option<String> { .dns_subdomain() },
        /// Key inside the Secret.
        key opt "key": Option<String> { .data_key() },
        /// Namespace of the Secret. Only a cluster-wide store may name one; without it a
        /// cluster-wide store looks in the namespace of the ExternalSecret.
        namespace opt "namespace": Option<String> { .dns_label() },
    }

    /// One key of a ConfigMap.
    pub struct ConfigMapKeySelector : named {
        /// Name of the ConfigMap.
        name req "name": String { .dns_subdomain() },
        /// Key inside the ConfigMap.
        key req "key": String { .data_key() },
        /// Namespace of the ConfigMap. Only a cluster-wide store may name one.
        namespace opt "namespace": Option<String> { .dns_label() },
    }

    /// A whole Secret.
    pub struct SecretReference : named {
        /// Name of the Secret.
        name req "name": String { .dns_subdomain() },
        /// Namespace of the Secret. Only a cluster-wide store may name one.
        namespace opt "namespace": Option<String> { .dns_label() },
    }

    /// A Kubernetes service account whose short-lived token is the login.
    pub struct ServiceAccountSelector : named {
        /// Name of the service account.
        name req "name": String { .dns_subdomain() },
        /// Namespace of the service account. Only a cluster-wide store may name one; without it
        /// a cluster-wide store uses the service account in the namespace of the ExternalSecret.
        namespace opt "namespace": Option<String> { .dns_label() },
        /// Audiences asked for in the token, in addition to those that the provider needs.
        audiences opt "audiences": Vec<String>,
    }

    /// Where to find the certificate authorities that a server's certificate is checked against.
    pub struct CaProvider : named {
        /// Kind of the object that holds the PEM bundle.
        kind req "type": CaProviderKind,
        /// Name of that object.
        name req "name": String { .dns_subdomain() },
        /// Key inside that object.
        key opt "key": Option<String> { .data_key() },
        /// Namespace of that object. Only a cluster-wide store may name one.
        namespace opt "namespace": Option<String> { .dns_label() },
    }

    /// One requirement of a label selector.
    pub struct LabelSelectorRequirement {
        /// Label that the requirement is about.
        key req "key": String,
        /// How the label's value relates to the listed values: In, NotIn, Exists or DoesNotExist.
        operator req "operator": String,
        /// Values for In and NotIn; must be empty for the other two.
        values opt "values": Vec<String> { .with("x-kubernetes-list-type", "atomic") },
    }

    /// A query over labels; every part of it must match. An empty selector matches everything.
    pub struct LabelSelector [ .with("x-kubernetes-map-type", "atomic") ] {
        /// Labels that must be present with exactly these values.
        match_labels opt "matchLabels": BTreeMap<String, String>,
        /// Further requirements.
        match_expressions opt "matchExpressions": Vec<LabelSelectorRequirement> {
            .with("x-kubernetes-list-type", "atomic")
        },
    }
}

impl StoreRef {
    /// The kind in effect: a store reference without a kind names a SecretStore.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        self.kind.clone().unwrap_or_default()
    }

    /// The name, empty when none is set.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}
