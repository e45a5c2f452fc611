//! A namespace: name, labels, whether it is going, and who else wants to be told.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_api::constants::finalizer;
use serde::Deserialize;

use super::metadata::{Metadata, json_map, map_text};

/// A namespace as selectors see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: Arc<str>,
    /// resourceVersion as a number.
    pub version: u64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether deletionTimestamp is set: nothing can be created in it any more.
    pub deleting: bool,
    /// The ClusterExternalSecrets for which ESO left a finalizer here: the finalizer's position
    /// and the name.
    pub foreign: Vec<(usize, Box<str>)>,
}

impl Namespace {
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
        let finalizers = raw.metadata.finalizers.iter().enumerate();
        let foreign = finalizers.filter_map(|(position, text)| {
            let name = text.strip_prefix(finalizer::NAMESPACE_PREFIX)?;
            Some((position, name.into()))
        });
        Ok(Self {
            foreign: foreign.collect(),
            name: raw.metadata.name.as_ref().into(),
            version: raw.metadata.version(),
            labels: json_map(&map_text(raw.metadata.labels)),
            deleting: raw.metadata.deletion_timestamp.is_some(),
        })
    }

    /// Where ESO's finalizer for the ClusterExternalSecret `name` stands, if it is here.
    #[must_use]
    pub fn foreign_finalizer(&self, name: &str) -> Option<usize> {
        let mut all = self.foreign.iter();
        all.find(|(_, n)| **n == *name).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finalizers_of_the_other_operator_are_found_where_they_stand() {
        let text = r#"{"metadata":{"name":"n","resourceVersion":"5","finalizers":["x/y","externalsecrets.external-secrets.io/ces-a"]}}"#;
        let namespace = Namespace::decode(text).unwrap();
        assert_eq!(namespace.version, 5);
        assert_eq!(namespace.foreign_finalizer("a"), Some(1));
        assert_eq!(namespace.foreign_finalizer("b"), None);
    }
}
