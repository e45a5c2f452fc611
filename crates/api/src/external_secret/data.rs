//! Which remote values are read, and how their keys and bytes are changed on the way.

use std::collections::BTreeMap;

use crate::reference::SourceRef;
use crate::rules;
use crate::schema::{object, string_enum};

string_enum! {
    /// Whether the value or its metadata is read.
    pub enum MetadataPolicy = None {
        /// The value.
        None = "None",
        /// The metadata: tags, labels, annotations.
        Fetch = "Fetch",
    }

    /// How characters that a Secret's key may not hold are replaced.
    pub enum ConversionStrategy = Default {
        /// By an underscore.
        Default = "Default",
        /// By their code point, as in `_U002f_`.
        Unicode = "Unicode",
    }

    /// How a value is decoded before it is stored.
    pub enum DecodingStrategy = None {
        /// By trying Base64 and Base64URL, else not at all.
        Auto = "Auto",
        /// Standard Base64.
        Base64 = "Base64",
        /// URL-safe Base64.
        Base64Url = "Base64URL",
        /// Not at all.
        None = "None",
    }

    /// What a null byte in a value means.
    pub enum NullBytePolicy = Ignore {
        /// Nothing.
        Ignore = "Ignore",
        /// An error.
        Fail = "Fail",
    }

    /// What an unknown priority key means.
    pub enum MergePriorityPolicy = Strict {
        /// Nothing.
        IgnoreNotFound = "IgnoreNotFound",
        /// An error.
        Strict = "Strict",
    }

    /// What a key that two documents hold means.
    pub enum MergeConflictPolicy = Error {
        /// The later document wins.
        Ignore = "Ignore",
        /// An error.
        Error = "Error",
    }

    /// What becomes of the merged document.
    pub enum MergeStrategy = Extract {
        /// Its members become keys.
        Extract = "Extract",
        /// It becomes one key.
        Json = "JSON",
    }
}

object! {
    /// One key of the target and the remote value it holds.
    pub struct ExternalSecretData {
        /// Key in the target Secret.
        secret_key req "secretKey": String { .data_key() },
        /// The remote value.
        remote_ref req "remoteRef": RemoteRef,
        /// A store for this entry alone, instead of the one in secretStoreRef.
        source_ref opt "sourceRef": Option<SourceRef>,
    }

    /// A remote value.
    pub struct RemoteRef {
        /// Name of the secret at the provider, such as /app/db/password.
        key req "key": String,
        /// Part of the secret: a path into its JSON document, such as user.name, or the
        /// provider's own notion of a field.
        property opt "property": Option<String>,
        /// Version of the secret, in the provider's own terms; the newest when nothing is set.
        version opt "version": Option<String>,
        /// With Fetch the secret's metadata (tags, labels) is read instead of its value.
        metadata_policy opt "metadataPolicy": Option<MetadataPolicy>,
        /// How characters that are not allowed in a Secret's key are replaced: Default by an
        /// underscore, Unicode by their code point. Has no effect on entries of data.
        conversion_strategy opt "conversionStrategy": Option<ConversionStrategy>,
        /// How the value is decoded before it is stored. Auto tries Base64, then Base64URL, and
        /// keeps the value as it is when neither fits.
        decoding_strategy opt "decodingStrategy": Option<DecodingStrategy>,
        /// Whether a value that holds a null byte is stored (Ignore, also when nothing is set) or
        /// is an error (Fail).
        null_byte_policy opt "nullBytePolicy": Option<NullBytePolicy>,
    }

    /// A source of many keys.
    pub struct DataFrom [
        .rule(
            "has(self.extract) || has(self.find) || has(self.sourceRef)",
            rules::NO_SOURCE,
        )
        .rule(
            "!(has(self.extract) && has(self.find)) && !((has(self.extract) || has(self.find)) && has(self.sourceRef) && has(self.sourceRef.generatorRef))",
            rules::MANY_SOURCES,
        )
    ] {
        /// Reads one secret that is a JSON object and stores each member under its own key.
        extract opt "extract": Option<RemoteRef>,
        /// Reads every secret that matches a search.
        find opt "find": Option<Find>,
        /// Changes of the keys, applied in order. With any rewrite the automatic replacement of
        /// forbidden characters is off.
        rewrite opt "rewrite": Vec<Rewrite>,
        /// A generator to take the values from, or a store for this entry alone.
        source_ref opt "sourceRef": Option<SourceRef>,
    }

    /// A search for secrets. What is given must match together.
    pub struct Find {
        /// Where to search: a path or prefix in the provider's own terms.
        path opt "path": Option<String>,
        /// Selects by name.
        name opt "name": Option<FindName>,
        /// Selects by tags or labels, which must be present with exactly these values.
        tags opt "tags": BTreeMap<String, String>,
        /// How characters that are not allowed in a Secret's key are replaced: Default by an
        /// underscore, Unicode by their code point.
        conversion_strategy opt "conversionStrategy": Option<ConversionStrategy>,
        /// How the values are decoded before they are stored.
        decoding_strategy opt "decodingStrategy": Option<DecodingStrategy>,
        /// Whether values that hold a null byte are stored (Ignore) or are an error (Fail).
        null_byte_policy opt "nullBytePolicy": Option<NullBytePolicy>,
    }

    /// A search by name.
    pub struct FindName {
        /// Regular expression (RE2) that matches anywhere in the name unless it is anchored.
        regexp opt "regexp": Option<String>,
    }

    /// One change of the keys.
    pub struct Rewrite [ .exactly_one_property() ] {
        /// Replaces what a regular expression matches.
        regexp opt "regexp": Option<RewriteRegexp>,
        /// Computes each key with a template.
        transform opt "transform": Option<RewriteTransform>,
        /// Merges values that are JSON objects.
        merge opt "merge": Option<RewriteMerge>,
    }

    /// A replacement in keys by regular expression.
    pub struct RewriteRegexp {
        /// Regular expression (RE2) to look for.
        source req "source": String,
        /// Replacement; $1 or ${name} stand for what a group matched.
        target req "target": String,
    }

    /// A new key computed by a template.
    pub struct RewriteTransform {
        /// Go template in which .value is the present key.
        template req "template": String,
    }

    /// A merge of several JSON objects into one.
    pub struct RewriteMerge {
        /// Key that receives the merged object when the strategy is JSON.
        into opt "into": Option<String> { .default("") },
        /// Keys whose members win over those of other keys; the last one wins over all.
        priority opt "priority": Vec<String>,
        /// Whether a key of priority that does not exist is an error (Strict) or is skipped
        /// (IgnoreNotFound).
        priority_policy opt "priorityPolicy": Option<MergePriorityPolicy> { .default("Strict") },
        /// Whether a member found in two objects is an error, or the later one is taken (Ignore).
        conflict_policy opt "conflictPolicy": Option<MergeConflictPolicy> { .default("Error") },
        /// Extract turns the members into keys; JSON stores the merged object under one key.
        strategy opt "strategy": Option<MergeStrategy> { .default("Extract") },
    }
}

impl RemoteRef {
    /// The metadata policy in effect.
    #[must_use]
    pub fn metadata_policy(&self) -> MetadataPolicy {
        self.metadata_policy.clone().unwrap_or_default()
    }
}
