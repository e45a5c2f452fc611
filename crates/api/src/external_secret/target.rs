//! The Secret (or other object) that is written, and the template that shapes it.

use std::collections::BTreeMap;

use super::DecodingStrategy;
use crate::rules;
use crate::schema::{object, string_enum};

string_enum! {
    /// Who creates and owns the target.
    pub enum CreationPolicy = Owner {
        /// The operator creates it and owns it: it goes when the ExternalSecret goes.
        Owner = "Owner",
        /// The operator creates it and does not own it: it stays.
        Orphan = "Orphan",
        /// The operator adds its keys to a Secret that someone else created.
        Merge = "Merge",
        /// The operator writes nothing.
        None = "None",
        /// Merge when the Secret exists, else create it without owning it.
        CreateOrMerge = "CreateOrMerge",
    }

    /// What happens to the target when the remote values are gone.
    pub enum DeletionPolicy = Retain {
        /// The target is deleted.
        Delete = "Delete",
        /// The keys that came from the remote values are removed.
        Merge = "Merge",
        /// The target keeps its last values.
        Retain = "Retain",
    }

    /// Version of the template language.
    pub enum TemplateEngine = V2 {
        /// Go text/template with the Sprig functions.
        V2 = "v2",
    }

    /// How the template's result meets the fetched values.
    pub enum TemplateMergePolicy = Replace {
        /// Only the template's result is written.
        Replace = "Replace",
        /// The template's result is laid over the fetched values.
        Merge = "Merge",
    }

    /// What of a text source is a template.
    pub enum TemplateAs = Values {
        /// The key is fixed and its text is the template of one value.
        Values = "Values",
        /// The whole text is rendered and yields both keys and values.
        KeysAndValues = "KeysAndValues",
    }
}

/// The part of the target Secret that a template source fills.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TemplateScope {
    /// The Secret's data.
    #[default]
    Data,
    /// The Secret's annotations.
    Annotations,
    /// The Secret's labels.
    Labels,
    /// A dotted path; only for targets other than Secrets.
    Path(String),
}

object! {
    /// The object that receives the values.
    pub struct ExternalSecretTarget [
        .rule(
            "!has(self.deletionPolicy) || self.deletionPolicy != 'Delete' || !has(self.creationPolicy) || !(self.creationPolicy in ['Merge', 'None', 'CreateOrMerge'])",
            rules::DELETE_NOT_OWNED,
        )
        .rule(
            "!has(self.deletionPolicy) || self.deletionPolicy != 'Merge' || !has(self.creationPolicy) || self.creationPolicy != 'None'",
            rules::MERGE_WITH_NONE,
        )
        .rule(
            // A target of another kind takes any path.
            "(has(self.manifest) && !(self.manifest.apiVersion == 'v1' && self.manifest.kind == 'Secret')) || !has(self.template) || !has(self.template.templateFrom) || self.template.templateFrom.all(from, !has(from.target) || from.target.lowerAscii() in ['', 'data', 'annotations', 'labels'])",
            rules::TEMPLATE_SCOPE,
        )
    ] {
        /// Name of the Secret; that of the ExternalSecret when nothing is set.
        name opt "name": Option<String> { .dns_subdomain() },
        /// Who creates and owns the Secret. Owner: the operator, and the Secret goes with the
        /// ExternalSecret. Orphan: the operator, and the Secret stays. Merge: keys are added to a
        /// Secret that already exists. CreateOrMerge: as Merge, and created if absent. None:
        /// nothing is written.
        creation_policy opt "creationPolicy": Option<CreationPolicy> { .default("Owner") },
        /// What happens when the remote values no longer exist. Retain keeps the last values,
        /// Delete deletes the Secret, Merge removes the vanished keys.
        deletion_policy opt "deletionPolicy": Option<DeletionPolicy> { .default("Retain") },
        /// Marks the Secret as immutable: after its creation it is never changed again.
        immutable opt "immutable": Option<bool>,
        /// Writes an object of another kind instead of a Secret. The operator must be started
        /// with this feature enabled and must have rights on the kind.
        manifest opt "manifest": Option<Manifest>,
        /// How the fetched values become the keys, labels, annotations and type of the target.
        /// Without it every fetched value is stored as it is.
        template opt "template": Option<ExternalSecretTemplate>,
    }

    /// Kind of a target that is not a Secret.
    pub struct Manifest {
        /// API version of the target, such as v1 or argoproj.io/v1alpha1.
        api_version req "apiVersion": String { .with("minLength", 1) },
        /// Kind of the target, such as ConfigMap.
        kind req "kind": String { .with("minLength", 1) },
    }

    /// A blueprint of the target. Values are Go templates that see the fetched values by key.
    pub struct ExternalSecretTemplate [
        .rule(
            "!has(self.type) || self.type != 'bootstrap.kubernetes.io/token'",
            rules::BOOTSTRAP_TOKEN,
        )
        .rule(
            "!has(self.type) || self.type != 'kubernetes.io/service-account-token' || !has(self.metadata) || !has(self.metadata.annotations) || !('kubernetes.io/service-account.name' in self.metadata.annotations)",
            rules::TOKEN_ANNOTATION,
        )
        .rule(
            "!has(self.type) || self.type != 'kubernetes.io/service-account-token' || !has(self.templateFrom) || !self.templateFrom.exists(from, has(from.target) && from.target.lowerAscii() == 'annotations')",
            rules::TOKEN_TARGET,
        )
    ] {
        /// Type of the Secret, such as kubernetes.io/tls; Opaque when nothing is set.
        kind opt "type": Option<String>,
        /// Version of the template language; v2 is Go text/template with the Sprig functions.
        engine_version opt "engineVersion": Option<TemplateEngine> { .default("v2") },
        /// Replace writes only what the template yields; Merge also keeps the fetched values that
        /// the template does not override.
        merge_policy opt "mergePolicy": Option<TemplateMergePolicy> { .default("Replace") },
        /// Labels, annotations and finalizers of the target.
        metadata opt "metadata": Option<TemplateMetadata>,
        /// Keys of the target, each with a Go template for its value; .password there stands for
        /// the fetched value of the key password.
        data opt "data": BTreeMap<String, String>,
        /// Templates kept elsewhere, or written as one text that yields several keys.
        template_from opt "templateFrom": Vec<TemplateFrom> { .max_items(rules::MANY) },
    }

    /// Metadata of the target.
    pub struct TemplateMetadata {
        /// Annotations; their values are templates.
        annotations opt "annotations": BTreeMap<String, String>,
        /// Labels; their values are templates.
        labels opt "labels": BTreeMap<String, String>,
        /// Finalizers to set on the target.
        finalizers opt "finalizers": Vec<String>,
    }

    /// One source of templates.
    pub struct TemplateFrom {
        /// A ConfigMap in this namespace that holds templates.
        config_map opt "configMap": Option<TemplateSource>,
        /// A Secret in this namespace that holds templates.
        secret opt "secret": Option<TemplateSource>,
        /// A template written here. Its rendered text is read as YAML and yields keys and values.
        literal opt "literal": Option<String>,
        /// Which part of the target is filled: Data, Annotations or Labels. For targets other
        /// than Secrets also a dotted path such as spec.rules[0].from.
        target opt "target": Option<String> {
            .default("Data").max_length(rules::LONG_PATH)
        },
        /// How rendered values are decoded before they are stored.
        values_decoding_strategy opt "valuesDecodingStrategy": Option<DecodingStrategy>,
    }

    /// An object that holds templates.
    pub struct TemplateSource {
        /// Name of the object.
        name req "name": String { .dns_subdomain() },
        /// The keys to use.
        items req "items": Vec<TemplateItem>,
    }

    /// One key of an object that holds templates.
    pub struct TemplateItem {
        /// Key inside the object.
        key req "key": String { .data_key() },
        /// With Values the text is the template of the value under the same key; with
        /// KeysAndValues the whole text is rendered and yields keys and values.
        template_as opt "templateAs": Option<TemplateAs> { .default("Values") },
    }
}

impl ExternalSecretTemplate {
    /// The merge policy in effect.
    #[must_use]
    pub fn merge_policy(&self) -> TemplateMergePolicy {
        self.merge_policy.clone().unwrap_or_default()
    }
}

impl TemplateFrom {
    /// The part of the target that is filled; names of parts are read in any case.
    #[must_use]
    pub fn scope(&self) -> TemplateScope {
        let text = self.target.as_deref().unwrap_or_default();
        match text.to_lowercase().as_str() {
            "" | "data" => TemplateScope::Data,
            "annotations" => TemplateScope::Annotations,
            "labels" => TemplateScope::Labels,
            _ => TemplateScope::Path(text.to_owned()),
        }
    }
}

impl TemplateItem {
    /// What of the text is a template.
    #[must_use]
    pub fn template_as(&self) -> TemplateAs {
        self.template_as.clone().unwrap_or_default()
    }
}

impl Manifest {
    /// Whether the target is an ordinary Secret after all.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.api_version == "v1" && self.kind == "Secret"
    }
}
