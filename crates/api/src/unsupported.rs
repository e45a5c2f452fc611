//! Which parts of the API the operator acts on.
//!
//! Owns: a table of features with the question whether an object uses one, so that the operator
//! can say plainly what it does not act on instead of ignoring it. Refuses: knowing what any
//! operator supports; the caller says so.

use std::collections::BTreeSet;

use crate::store::{AwsService, PROVIDERS, SecretStoreSpec};
use crate::{
    CreationPolicy, DataFrom, DecodingStrategy, DeletionPolicy, ExternalSecretSpec,
    ExternalSecretTemplate, MetadataPolicy, NullBytePolicy, RefreshPolicy, RemoteRef, TemplateFrom,
};

/// The features that an operator acts on, by their names in the tables of this module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Support {
    features: BTreeSet<String>,
}

/// One feature: its name, which is a field's path or a path and a value, and whether an object
/// uses it in a way that would be missed.
struct Feature<T> {
    name: &'static str,
    used: fn(&T) -> bool,
}

impl Support {
    /// Support of the named features. Names that no table knows have no effect.
    pub fn of<'a>(features: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            features: features.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Support of every feature; take away with [`Self::without`].
    #[must_use]
    pub fn everything() -> Self {
        Self::of(features())
    }

    /// The same without the named features.
    #[must_use]
    pub fn without<'a>(mut self, features: impl IntoIterator<Item = &'a str>) -> Self {
        for feature in features {
            self.features.remove(feature);
        }
        self
    }

    /// Features that an ExternalSecret uses and that are not supported, in the table's order.
    #[must_use]
    pub fn missing(&self, spec: &ExternalSecretSpec) -> Vec<String> {
        self.missing_in(EXTERNAL_SECRET, spec)
    }

    /// Features that a store uses and that are not supported; an unsupported provider by its key,
    /// as in `spec.provider.gitlab`.
    #[must_use]
    pub fn missing_in_store(&self, spec: &SecretStoreSpec) -> Vec<String> {
        let providers = spec.provider.names().into_iter().map(provider_feature);
        let providers = providers.filter(|name| !self.features.contains(name));
        providers.chain(self.missing_in(STORE, spec)).collect()
    }

    fn missing_in<T>(&self, table: &[Feature<T>], spec: &T) -> Vec<String> {
        table
            .iter()
            .filter(|feature| !self.features.contains(feature.name) && (feature.used)(spec))
            .map(|feature| feature.name.to_owned())
            .collect()
    }
}

/// The names of every feature.
fn features() -> impl Iterator<Item = &'static str> {
    static PROVIDER_FEATURES: std::sync::LazyLock<Vec<String>> =
        std::sync::LazyLock::new(|| PROVIDERS.iter().map(|key| provider_feature(key)).collect());
    let objects = EXTERNAL_SECRET.iter().map(|feature| feature.name);
    let stores = STORE.iter().map(|feature| feature.name);
    objects
        .chain(stores)
        .chain(PROVIDER_FEATURES.iter().map(String::as_str))
}

fn provider_feature(key: &str) -> String {
    format!("spec.provider.{key}")
}

const EXTERNAL_SECRET: &[Feature<ExternalSecretSpec>] = &[
    Feature {
        name: "spec.refreshPolicy: CreatedOnce",
        used: |spec| spec.refresh_policy() == RefreshPolicy::CreatedOnce,
    },
    Feature {
        name: "spec.refreshPolicy: OnChange",
        used: |spec| spec.refresh_policy() == RefreshPolicy::OnChange,
    },
    Feature {
        name: "spec.syncWindows",
        used: |spec| spec.sync_windows.is_some(),
    },
    Feature {
        name: "spec.target.creationPolicy: Orphan",
        used: |spec| spec.creation_policy() == CreationPolicy::Orphan,
    },
    Feature {
        name: "spec.target.creationPolicy: Merge",
        used: |spec| spec.creation_policy() == CreationPolicy::Merge,
    },
    Feature {
        name: "spec.target.creationPolicy: None",
        used: |spec| spec.creation_policy() == CreationPolicy::None,
    },
    Feature {
        name: "spec.target.creationPolicy: CreateOrMerge",
        used: |spec| spec.creation_policy() == CreationPolicy::CreateOrMerge,
    },
    Feature {
        name: "spec.target.deletionPolicy: Delete",
        used: |spec| spec.deletion_policy() == DeletionPolicy::Delete,
    },
    Feature {
        name: "spec.target.deletionPolicy: Merge",
        used: |spec| spec.deletion_policy() == DeletionPolicy::Merge,
    },
    Feature {
        name: "spec.target.immutable",
        used: |spec| {
            spec.target
                .as_ref()
                .is_some_and(|target| target.immutable == Some(true))
        },
    },
    Feature {
        name: "spec.target.manifest",
        used: |spec| {
            spec.target
                .as_ref()
                .is_some_and(|target| target.manifest.is_some())
        },
    },
    Feature {
        name: "spec.target.template.type",
        used: |spec| template(spec, |it| it.kind.is_some()),
    },
    Feature {
        name: "spec.target.template.metadata",
        used: |spec| template(spec, |it| it.metadata.is_some()),
    },
    Feature {
        name: "spec.target.template.data",
        used: |spec| template(spec, |it| !it.data.is_empty()),
    },
    Feature {
        name: "spec.target.template.templateFrom.literal",
        used: |spec| template_from(spec, |it| it.literal.is_some()),
    },
    Feature {
        name: "spec.target.template.templateFrom.configMap",
        used: |spec| template_from(spec, |it| it.config_map.is_some()),
    },
    Feature {
        name: "spec.target.template.templateFrom.secret",
        used: |spec| template_from(spec, |it| it.secret.is_some()),
    },
    Feature {
        name: "spec.data.sourceRef.storeRef",
        used: |spec| {
            let sources = spec
                .data
                .iter()
                .filter_map(|entry| entry.source_ref.as_ref());
            sources.into_iter().any(|source| source.store_ref.is_some())
        },
    },
    Feature {
        name: "spec.data.sourceRef.generatorRef",
        used: |spec| {
            let sources = spec
                .data
                .iter()
                .filter_map(|entry| entry.source_ref.as_ref());
            sources
                .into_iter()
                .any(|source| source.generator_ref.is_some())
        },
    },
    Feature {
        name: "spec.dataFrom.sourceRef.storeRef",
        used: |spec| {
            let sources = spec
                .data_from
                .iter()
                .filter_map(|entry| entry.source_ref.as_ref());
            sources.into_iter().any(|source| source.store_ref.is_some())
        },
    },
    Feature {
        name: "spec.dataFrom.sourceRef.generatorRef",
        used: |spec| {
            let sources = spec
                .data_from
                .iter()
                .filter_map(|entry| entry.source_ref.as_ref());
            sources
                .into_iter()
                .any(|source| source.generator_ref.is_some())
        },
    },
    Feature {
        name: "spec.dataFrom.extract",
        used: |spec| from(spec, |it| it.extract.is_some()),
    },
    Feature {
        name: "spec.dataFrom.find",
        used: |spec| from(spec, |it| it.find.is_some()),
    },
    Feature {
        name: "spec.dataFrom.rewrite.regexp",
        used: |spec| from(spec, |it| it.rewrite.iter().any(|op| op.regexp.is_some())),
    },
    Feature {
        name: "spec.dataFrom.rewrite.transform",
        used: |spec| {
            from(spec, |it| {
                it.rewrite.iter().any(|op| op.transform.is_some())
            })
        },
    },
    Feature {
        name: "spec.dataFrom.rewrite.merge",
        used: |spec| from(spec, |it| it.rewrite.iter().any(|op| op.merge.is_some())),
    },
    Feature {
        name: "metadataPolicy: Fetch",
        used: |spec| refs(spec).any(|it| it.metadata_policy() == MetadataPolicy::Fetch),
    },
    Feature {
        name: "decodingStrategy",
        used: |spec| {
            let in_find = |it: &DataFrom| {
                it.find
                    .as_ref()
                    .is_some_and(|find| decodes(find.decoding_strategy.as_ref()))
            };
            refs(spec).any(|it| decodes(it.decoding_strategy.as_ref())) || from(spec, in_find)
        },
    },
    Feature {
        name: "nullBytePolicy: Fail",
        used: |spec| {
            let fail = Some(NullBytePolicy::Fail);
            let in_find = |it: &DataFrom| {
                it.find
                    .as_ref()
                    .is_some_and(|find| find.null_byte_policy == Some(NullBytePolicy::Fail))
            };
            refs(spec).any(|it| it.null_byte_policy == fail) || from(spec, in_find)
        },
    },
];

const STORE: &[Feature<SecretStoreSpec>] = &[
    Feature {
        name: "spec.provider.aws.service: CertificateManager",
        used: |spec| {
            let aws = spec.provider.aws.as_ref();
            aws.is_some_and(|aws| aws.service == AwsService::CertificateManager)
        },
    },
    Feature {
        name: "spec.provider.aws.auth.secretRef",
        used: |spec| {
            let auth = spec.provider.aws.as_ref().and_then(|aws| aws.auth.as_ref());
            auth.is_some_and(|auth| auth.secret_ref.is_some())
        },
    },
    Feature {
        name: "spec.provider.aws.role",
        used: |spec| {
            let aws = spec.provider.aws.as_ref();
            aws.is_some_and(|aws| aws.role.is_some() || !aws.additional_roles.is_empty())
        },
    },
    Feature {
        name: "spec.retrySettings",
        used: |spec| spec.retry_settings.is_some(),
    },
    Feature {
        name: "spec.conditions",
        used: |spec| !spec.conditions.is_empty(),
    },
];

fn template(spec: &ExternalSecretSpec, uses: fn(&ExternalSecretTemplate) -> bool) -> bool {
    spec.template().is_some_and(uses)
}

fn template_from(spec: &ExternalSecretSpec, uses: fn(&TemplateFrom) -> bool) -> bool {
    spec.template()
        .is_some_and(|template| template.template_from.iter().any(uses))
}

fn from(spec: &ExternalSecretSpec, uses: fn(&DataFrom) -> bool) -> bool {
    spec.data_from.iter().any(uses)
}

fn refs(spec: &ExternalSecretSpec) -> impl Iterator<Item = &RemoteRef> {
    let extracts = spec
        .data_from
        .iter()
        .filter_map(|entry| entry.extract.as_ref());
    spec.data
        .iter()
        .map(|entry| &entry.remote_ref)
        .chain(extracts)
}

fn decodes(strategy: Option<&DecodingStrategy>) -> bool {
    !matches!(strategy, None | Some(DecodingStrategy::None))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Support;
    use crate::decode;

    #[test]
    fn names_what_is_used_and_not_supported() {
        let spec = decode(&json!({
            "target": {"creationPolicy": "Merge", "deletionPolicy": "Retain", "template": {"data": {"a": "b"}}},
            "dataFrom": [
                {"find": {"name": {"regexp": "a"}, "decodingStrategy": "Base64"}, "rewrite": [{"merge": {}}]},
                {"sourceRef": {"generatorRef": {"kind": "Uuid", "name": "u"}}},
            ],
            "data": [{"secretKey": "a", "remoteRef": {"key": "k", "metadataPolicy": "Fetch"}}],
        }))
        .unwrap();
        assert_eq!(
            Support::of(["spec.dataFrom.find"]).missing(&spec),
            [
                "spec.target.creationPolicy: Merge",
                "spec.target.template.data",
                "spec.dataFrom.sourceRef.generatorRef",
                "spec.dataFrom.rewrite.merge",
                "metadataPolicy: Fetch",
                "decodingStrategy",
            ]
        );
        assert!(Support::everything().missing(&spec).is_empty());
        assert_eq!(
            Support::everything()
                .without(["decodingStrategy"])
                .missing(&spec),
            ["decodingStrategy"]
        );
    }

    #[test]
    fn what_only_repeats_a_default_is_not_used() {
        let spec = decode(&json!({
            "refreshPolicy": "Periodic",
            "refreshInterval": "1h0m0s",
            "target": {"creationPolicy": "Owner", "deletionPolicy": "Retain", "immutable": false},
            "data": [{"secretKey": "a", "remoteRef": {
                "key": "k", "metadataPolicy": "None", "decodingStrategy": "None", "nullBytePolicy": "Ignore",
            }}],
        }))
        .unwrap();
        assert!(Support::default().missing(&spec).is_empty());
    }

    #[test]
    fn names_the_provider() {
        let spec =
            decode(&json!({"provider": {"gitlab": {"url": "x"}}, "retrySettings": {}})).unwrap();
        let aws = Support::of(["spec.provider.aws"]);
        assert_eq!(
            aws.missing_in_store(&spec),
            ["spec.provider.gitlab", "spec.retrySettings"]
        );
        let spec = decode(&json!({"provider": {"aws": {
            "region": "r", "service": "CertificateManager", "role": "arn"}}}))
        .unwrap();
        assert_eq!(
            aws.missing_in_store(&spec),
            [
                "spec.provider.aws.service: CertificateManager",
                "spec.provider.aws.role"
            ]
        );
    }
}
