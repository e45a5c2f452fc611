//! The provider block: one known provider, or the name of another one.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    AwsProvider, AzureKvProvider, CrdProvider, FakeProvider, GcpSmProvider, KubernetesProvider,
    OpenBaoProvider, VaultProvider, WebhookProvider,
};
use crate::schema::{Node, Schema};

/// Every provider key of the API, in alphabetical order.
pub const PROVIDERS: &[&str] = &[
    "akeyless",
    "aws",
    "azurekv",
    "barbican",
    "beyondtrust",
    "beyondtrustworkloadcredentials",
    "bitwardensecretsmanager",
    "chef",
    "cloudrusm",
    "conjur",
    "crd",
    "delinea",
    "doppler",
    "dvls",
    "fake",
    "fortanix",
    "gcpsm",
    "github",
    "gitlab",
    "ibm",
    "infisical",
    "keepersecurity",
    "kubernetes",
    "nebiusmysterybox",
    "ngrok",
    "onboardbase",
    "onepassword",
    "onepasswordSDK",
    "openBao",
    "oracle",
    "ovh",
    "passbolt",
    "passworddepot",
    "previder",
    "pulumi",
    "scaleway",
    "secretserver",
    "senhasegura",
    "vault",
    "volcengine",
    "webhook",
    "yandexcertificatemanager",
    "yandexlockbox",
];

/// The provider of a store. A valid store sets exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SecretStoreProvider {
    /// AWS Secrets Manager, Parameter Store or Certificate Manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsProvider>,
    /// Azure Key Vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azurekv: Option<AzureKvProvider>,
    /// Google Secret Manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcpsm: Option<GcpSmProvider>,
    /// HashiCorp Vault, or OpenBao by the same HTTP API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultProvider>,
    /// OpenBao.
    #[serde(rename = "openBao", skip_serializing_if = "Option::is_none")]
    pub open_bao: Option<OpenBaoProvider>,
    /// Secrets of this cluster or another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesProvider>,
    /// Fixed values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fake: Option<FakeProvider>,
    /// Any HTTP endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookProvider>,
    /// Fields of arbitrary Kubernetes objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crd: Option<CrdProvider>,
    /// Every other provider by its key, undecoded.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl SecretStoreProvider {
    /// The keys of the providers that are set; exactly one in a valid store.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let known = [
            ("aws", self.aws.is_some()),
            ("azurekv", self.azurekv.is_some()),
            ("gcpsm", self.gcpsm.is_some()),
            ("vault", self.vault.is_some()),
            ("openBao", self.open_bao.is_some()),
            ("kubernetes", self.kubernetes.is_some()),
            ("fake", self.fake.is_some()),
            ("webhook", self.webhook.is_some()),
            ("crd", self.crd.is_some()),
        ];
        let set = known
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| name);
        set.chain(self.other.keys().map(String::as_str)).collect()
    }
}

impl<'de> Deserialize<'de> for SecretStoreProvider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Block)
    }
}

/// Reads the block member by member, so that an error has the path of the field; the derived
/// decoding of a flattened map would lose it.
struct Block;

impl<'de> Visitor<'de> for Block {
    type Value = SecretStoreProvider;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one provider")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut block = SecretStoreProvider::default();
        while let Some(key) = members.next_key::<String>()? {
            match key.as_str() {
                "aws" => block.aws = members.next_value()?,
                "azurekv" => block.azurekv = members.next_value()?,
                "gcpsm" => block.gcpsm = members.next_value()?,
                "vault" => block.vault = members.next_value()?,
                "openBao" => block.open_bao = members.next_value()?,
                "kubernetes" => block.kubernetes = members.next_value()?,
                "fake" => block.fake = members.next_value()?,
                "webhook" => block.webhook = members.next_value()?,
                "crd" => block.crd = members.next_value()?,
                _ => {
                    if let Some(other) = members.next_value::<Option<Value>>()? {
                        block.other.insert(key, other);
                    }
                }
            }
        }
        Ok(block)
    }
}

impl Schema for SecretStoreProvider {
    fn schema() -> Node {
        PROVIDERS
            .iter()
            .fold(Node::of("object"), |node, key| {
                node.property(key, provider_schema(key))
            })
            .exactly_one_property()
    }
}

fn provider_schema(key: &str) -> Node {
    match key {
        "aws" => AwsProvider::schema(),
        "azurekv" => AzureKvProvider::schema(),
        "gcpsm" => GcpSmProvider::schema(),
        "vault" => VaultProvider::schema(),
        "openBao" => OpenBaoProvider::schema(),
        "kubernetes" => KubernetesProvider::schema(),
        "fake" => FakeProvider::schema(),
        "webhook" => WebhookProvider::schema(),
        "crd" => CrdProvider::schema(),
        // Kept so that a manifest survives a change of operators; reported as unsupported.
        other => Node::free_form().described(&[&format!(
            "Provider {other}: kept as written, and not acted on by this operator."
        )]),
    }
}
