//! A managed Secret's metadata.

use serde::Deserialize;

use keyless_api::constants::{annotation, label};

use super::ObjectKey;
use super::metadata::{Metadata, json_map, map_text};
use crate::schedule::phase::seed;

/// A managed Secret as the metadata watch shows it: never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Namespace and name.
    pub key: ObjectKey,
    /// uid.
    pub uid: Box<str>,
    /// resourceVersion as a number.
    pub version: u64,
    /// The data-hash annotation.
    pub data_hash: Option<Box<str>>,
    /// The created-by label.
    pub created_by: Option<Box<str>>,
    /// Kind and name of the controller owner.
    pub owner: Option<(Box<str>, Box<str>)>,
    /// A hash of everything in the metadata that a sync may want to change, data-hash excluded.
    pub shape: u64,
    /// Whether deletionTimestamp is set.
    pub deleting: bool,
}

impl Secret {
    /// Decodes a watch event's object.
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
        Ok(Self::of(&raw.metadata))
    }

    fn of(meta: &Metadata<'_>) -> Self {
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
        Self {
            key: meta.key(),
            uid: meta.uid.as_ref().into(),
            version: meta.version(),
            data_hash: data_hash.map(Into::into),
            created_by: labels.remove(label::CREATED_BY).map(Into::into),
            owner: owner.map(|o| (o.kind.as_ref().into(), o.name.as_ref().into())),
            shape,
            deleting: meta.deletion_timestamp.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(meta: &str) -> Secret {
        Secret::decode(&format!(
            r#"{{"metadata":{{"name":"a","namespace":"n",{meta}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn the_shape_changes_with_the_metadata_but_not_with_the_data() {
        let base = decode(
            r#""resourceVersion":"1","annotations":{"reconcile.external-secrets.io/data-hash":"x"}"#,
        );
        let data = decode(
            r#""resourceVersion":"2","annotations":{"reconcile.external-secrets.io/data-hash":"y"}"#,
        );
        let label = decode(r#""labels":{"a":"b"}"#);
        let owner = decode(
            r#""ownerReferences":[{"kind":"ExternalSecret","name":"e","uid":"u","controller":true}]"#,
        );
        assert_eq!(base.shape, data.shape);
        assert_eq!(base.data_hash.as_deref(), Some("x"));
        assert_ne!(base.shape, label.shape);
        assert_ne!(base.shape, owner.shape);
        assert_eq!(owner.owner, Some(("ExternalSecret".into(), "e".into())));
    }
}
