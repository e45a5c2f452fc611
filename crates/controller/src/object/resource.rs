//! The metadata of a target that is no Secret.

use keyless_api::constants::{annotation, label};
use serde::Deserialize;

use super::ObjectKey;
use super::metadata::{Metadata, json_map, map_text};
use crate::schedule::phase::seed;

/// A managed object as the metadata watch shows it: never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Namespace and name.
    pub key: ObjectKey,
    /// uid.
    pub uid: Box<str>,
    /// resourceVersion as a number.
    pub version: u64,
    /// metadata.generation; kinds that count it count every change of their content.
    pub generation: i64,
    /// The data-hash annotation.
    pub data_hash: Option<Box<str>>,
    /// The created-by label.
    pub created_by: Option<Box<str>>,
    /// Kind and name of the controller owner.
    pub owner: Option<(Box<str>, Box<str>)>,
    /// A hash of everything in the metadata that a sync may want to change, data-hash excluded.
    pub shape: u64,
}

impl Resource {
    /// Decodes a watch event's object, or an object read in full.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn decode(object: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            metadata: Metadata<'a>,
        }
        let raw: Raw<'_> = serde_json::from_str(object).map_err(|e| e.to_string())?;
        let meta = &raw.metadata;
        let mut annotations = json_map(&map_text(meta.annotations));
        let mut labels = json_map(&map_text(meta.labels));
        let data_hash = annotations.remove(annotation::DATA_HASH);
        let owners: Vec<_> = meta
            .owner_references
            .iter()
            .map(|o| (&*o.kind, &*o.name, &*o.uid, o.controller))
            .collect();
        let shape = seed(&format!(
            "{annotations:?}{labels:?}{owners:?}{:?}",
            meta.finalizers
        ));
        let owner = meta.owner_references.iter().find(|o| o.controller);
        Ok(Self {
            key: meta.key(),
            uid: meta.uid.as_ref().into(),
            version: meta.version(),
            generation: meta.generation,
            data_hash: data_hash.map(Into::into),
            created_by: labels.remove(label::CREATED_BY).map(Into::into),
            owner: owner.map(|o| (o.kind.as_ref().into(), o.name.as_ref().into())),
            shape,
        })
    }

    /// Whether its controller is the ExternalSecret `name`.
    #[must_use]
    pub fn is_owned_by(&self, name: &str) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|(kind, owner)| &**kind == "ExternalSecret" && **owner == *name)
    }
}
