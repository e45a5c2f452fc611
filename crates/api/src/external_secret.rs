//! ExternalSecret: which remote values become which Kubernetes Secret, and when.
//!
//! Owns: the spec and status types and the defaults that take effect when a field is left out.
//! Refuses: metadata of the object, and every decision about a particular cluster.

mod data;
mod target;
mod window;

pub use data::{
    ConversionStrategy, DataFrom, DecodingStrategy, ExternalSecretData, Find, FindName,
    MergeConflictPolicy, MergePriorityPolicy, MergeStrategy, MetadataPolicy, NullBytePolicy,
    RemoteRef, Rewrite, RewriteMerge, RewriteRegexp, RewriteTransform,
};
pub use target::{
    CreationPolicy, DeletionPolicy, ExternalSecretTarget, ExternalSecretTemplate, Manifest,
    TemplateAs, TemplateEngine, TemplateFrom, TemplateItem, TemplateMergePolicy, TemplateMetadata,
    TemplateScope, TemplateSource,
};
pub use window::{RefreshGate, SyncWindow, SyncWindowKind, SyncWindows};

use crate::duration::{self, GoDuration};
use crate::reference::StoreRef;
use crate::rules;
use crate::schema::{object, string_enum};
use crate::status::{Condition, LocalReference};

string_enum! {
    /// What makes a value be read again.
    pub enum RefreshPolicy = Periodic {
        /// Once; later changes of the object or of the remote value are ignored.
        CreatedOnce = "CreatedOnce",
        /// Whenever the refresh interval has passed, and on every change of the object.
        Periodic = "Periodic",
        /// Only when the object's spec, labels or annotations change.
        OnChange = "OnChange",
    }
}

object! {
    /// Which remote values to read, how to shape them, and the Secret to keep them in.
    pub struct ExternalSecretSpec [
        .rule(
            "(has(self.data) && size(self.data) > 0) || (has(self.dataFrom) && size(self.dataFrom) > 0)",
            rules::NO_DATA,
        )
    ] {
        /// The store used by every entry that does not name a source of its own.
        secret_store_ref opt "secretStoreRef": Option<StoreRef>,
        /// The Secret to write, and what happens to it when this object or the remote values go.
        target opt "target": Option<ExternalSecretTarget> {
            .default(::serde_json::json!({"creationPolicy": "Owner", "deletionPolicy": "Retain"}))
        },
        /// When to read again: Periodic (also used when nothing is set) reads after every refresh
        /// interval and on every change of this object, OnChange only on a change of this object,
        /// CreatedOnce never again.
        refresh_policy opt "refreshPolicy": Option<RefreshPolicy>,
        /// How long to wait between two reads, as a Go duration such as 15m or 1h30m. Zero or
        /// less reads once and then never again.
        refresh_interval opt "refreshInterval": Option<String> {
            .default("1h0m0s")
            .duration()
        },
        /// Times of day or week in which periodic reads may, or may not, happen. The first read
        /// and reads caused by a change of this object are not held back.
        sync_windows opt "syncWindows": Option<SyncWindows>,
        /// Single values, each stored under a key of its own. Entries here win over the same key
        /// coming from dataFrom.
        data opt "data": Vec<ExternalSecretData>,
        /// Sources that yield many keys at once. Later entries win over earlier ones.
        data_from opt "dataFrom": Vec<DataFrom> { .max_items(rules::MANY) },
    }

    /// What the operator last saw and did.
    pub struct ExternalSecretStatus {
        /// When the values were last read successfully.
        refresh_time opt "refreshTime": Option<String> {
            // The other operator writes an explicit null before the first success.
            .with("format", "date-time").with("nullable", true)
        },
        /// Fingerprint of the spec, labels and annotations of the last successful read.
        synced_resource_version opt "syncedResourceVersion": Option<String>,
        /// Whether the Secret is in step with the remote values, and why not.
        conditions opt "conditions": Vec<Condition> {
            .items(|item| item.property("type", crate::schema::Node::of("string")
                .described(&["What the condition is about: Ready or Deleted."])
                .with("enum", ["Ready", "Deleted"].as_slice())))
        },
        /// The Secret that holds the values, for consumers of the Service Binding specification.
        binding opt "binding": Option<LocalReference>,
    }
}

impl ExternalSecretSpec {
    /// The interval between two reads in effect: one hour when none is set.
    ///
    /// # Errors
    /// In Go's words when the text is no Go duration.
    pub fn refresh_interval(&self) -> Result<GoDuration, duration::Error> {
        match self.refresh_interval.as_deref() {
            None => Ok(GoDuration::HOUR),
            Some(text) => GoDuration::parse(text),
        }
    }

    /// The refresh policy in effect.
    #[must_use]
    pub fn refresh_policy(&self) -> RefreshPolicy {
        self.refresh_policy.clone().unwrap_or_default()
    }

    /// The creation policy in effect.
    #[must_use]
    pub fn creation_policy(&self) -> CreationPolicy {
        let policy = self
            .target
            .as_ref()
            .and_then(|target| target.creation_policy.clone());
        policy.unwrap_or_default()
    }

    /// The deletion policy in effect.
    #[must_use]
    pub fn deletion_policy(&self) -> DeletionPolicy {
        let policy = self
            .target
            .as_ref()
            .and_then(|target| target.deletion_policy.clone());
        policy.unwrap_or_default()
    }

    /// Name of the Secret to write: the target's, else that of the ExternalSecret itself.
    #[must_use]
    pub fn target_name<'a>(&'a self, own_name: &'a str) -> &'a str {
        self.target
            .as_ref()
            .and_then(|target| target.name.as_deref())
            .filter(|name| !name.is_empty())
            .unwrap_or(own_name)
    }

    /// The template, if one is given.
    #[must_use]
    pub fn template(&self) -> Option<&ExternalSecretTemplate> {
        self.target
            .as_ref()
            .and_then(|target| target.template.as_ref())
    }

    /// Every store that the spec names, once each, in the order of their first mention.
    #[must_use]
    pub fn stores(&self) -> Vec<&StoreRef> {
        let data = self
            .data
            .iter()
            .filter_map(|entry| entry.source_ref.as_ref());
        let from = self
            .data_from
            .iter()
            .filter_map(|entry| entry.source_ref.as_ref());
        let sources = data
            .chain(from)
            .filter_map(|source| source.store_ref.as_ref());
        let mut stores: Vec<&StoreRef> = Vec::new();
        for store in self.secret_store_ref.iter().chain(sources) {
            let known =
                |seen: &&StoreRef| seen.kind() == store.kind() && seen.name() == store.name();
            if !store.name().is_empty() && !stores.iter().any(known) {
                stores.push(store);
            }
        }
        stores
    }
}
