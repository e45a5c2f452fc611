//! The provider block: one known provider, or the name of another one.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    AwsProvider, AzureKvProvider, CrdProvider, FakeProvider, GcpSmProvider, KubernetesProvider,
    OpenBaoProvider, VaultProvider, WebhookProvider,
};
use crate::decode::decode;
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
        let set = known.into_iter().filter(|(_, set)| *set).map(|(name, _)| name);
        set.chain(self.other.keys().map(String::as_str)).collect()
    }
}

/// Takes one provider out of the block; the error names the field below `provider`.
fn take<T: DeserializeOwned, E: serde::de::Error>(
    block: &mut BTreeMap<String, Value>,
    key: &str,
) -> Result<Option<T>, E> {
    match block.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => decode(&value).map(Some).map_err(|error| E::custom(error.below(key))),
    }
}

impl<'de> Deserialize<'de> for SecretStoreProvider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut block = match Value::deserialize(deserializer)? {
            Value::Object(map) => map.into_iter().collect::<BTreeMap<_, _>>(),
            Value::Null => BTreeMap::new(),
            _ => return Err(D::Error::custom("expected an object with one provider")),
        };
        Ok(Self {
            aws: take(&mut block, "aws")?,
            azurekv: take(&mut block, "azurekv")?,
            gcpsm: take(&mut block, "gcpsm")?,
            vault: take(&mut block, "vault")?,
            open_bao: take(&mut block, "openBao")?,
            kubernetes: take(&mut block, "kubernetes")?,
            fake: take(&mut block, "fake")?,
            webhook: take(&mut block, "webhook")?,
            crd: take(&mut block, "crd")?,
            other: block.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        })
    }
}

impl Schema for SecretStoreProvider {
    fn schema() -> Node {
        PROVIDERS
            .iter()
            .fold(Node::of("object"), |node, key| node.property(key, provider_schema(key)))
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
