//! What is remembered of an object that others depend on: never a value.

use serde::Deserialize;

use keyless_api::ReferenceKind;

use super::ObjectKey;
use super::metadata::{Metadata, json_map, map_text};
use crate::schedule::phase::seed;

/// One look at an object that others depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// resourceVersion as a number; 0 for an object that was looked for and not found.
    pub version: u64,
    /// Differs when what others depend on may differ: of a service account its uid and
    /// annotations, of the rest the resourceVersion. 0 for an object that does not exist.
    pub state: u64,
    /// Differs when the object belongs to someone else or is another one of the same name; 0 for
    /// one that does not exist, `None` where only the body was read.
    pub identity: Option<u64>,
}

impl Sighting {
    /// An object that does not exist.
    pub const ABSENT: Self = Self {
        version: 0,
        state: 0,
        identity: Some(0),
    };

    /// An object whose body was read at `version`.
    #[must_use]
    pub const fn read(version: u64) -> Self {
        Self {
            version,
            state: version,
            identity: None,
        }
    }

    /// Decodes the metadata of an object of `kind`.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn decode(kind: ReferenceKind, object: &str) -> Result<(ObjectKey, Self), String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            metadata: Metadata<'a>,
        }
        let raw: Raw<'_> = serde_json::from_str(object).map_err(|e| e.to_string())?;
        let meta = raw.metadata;
        let version = meta.version();
        let state = match kind {
            ReferenceKind::ServiceAccount => {
                let annotations = json_map(&map_text(meta.annotations));
                // Rewritten by some deployers with each rollout; no login depends on it.
                let annotations = annotations
                    .iter()
                    .filter(|(key, _)| !key.starts_with("kubectl.kubernetes.io/"));
                let annotations: Vec<_> = annotations.collect();
                seed(&format!("{}{annotations:?}", meta.uid))
            }
            ReferenceKind::Secret | ReferenceKind::ConfigMap => version,
        };
        let owners: Vec<_> = meta
            .owner_references
            .iter()
            .map(|o| (&*o.uid, o.controller))
            .collect();
        let identity = seed(&format!("{}{owners:?}", meta.uid));
        let sighting = Self {
            version,
            state,
            identity: Some(identity),
        };
        Ok((meta.key(), sighting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(kind: ReferenceKind, meta: &str) -> Sighting {
        let text = format!(r#"{{"metadata":{{"name":"a","namespace":"n",{meta}}}}}"#);
        Sighting::decode(kind, &text).unwrap().1
    }

    #[test]
    fn of_a_service_account_only_uid_and_annotations_count() {
        let account = |meta: &str| sighting(ReferenceKind::ServiceAccount, meta).state;
        let base = account(r#""uid":"u","resourceVersion":"1","annotations":{"role":"a"}"#);
        for (meta, same) in [
            (
                r#""uid":"u","resourceVersion":"2","annotations":{"role":"a"},"labels":{"x":"y"}"#,
                true,
            ),
            (
                r#""uid":"u","annotations":{"role":"a","kubectl.kubernetes.io/last-applied-configuration":"{}"}"#,
                true,
            ),
            (r#""uid":"u","annotations":{"role":"b"}"#, false),
            (r#""uid":"v","annotations":{"role":"a"}"#, false),
            (r#""uid":"u""#, false),
        ] {
            assert_eq!(account(meta) == base, same, "{meta}");
        }
    }

    #[test]
    fn of_the_others_each_write_counts() {
        for kind in [ReferenceKind::Secret, ReferenceKind::ConfigMap] {
            let one = sighting(kind, r#""uid":"u","resourceVersion":"1""#);
            let two = sighting(kind, r#""uid":"u","resourceVersion":"2""#);
            assert_ne!(one.state, two.state);
            assert_eq!(one.identity, two.identity);
        }
    }

    #[test]
    fn an_owner_makes_another_identity() {
        let free = sighting(ReferenceKind::Secret, r#""uid":"u""#);
        let owned = r#""uid":"u","ownerReferences":[{"uid":"o","controller":true}]"#;
        assert_ne!(
            free.identity,
            sighting(ReferenceKind::Secret, owned).identity
        );
        assert_ne!(free.identity, Sighting::ABSENT.identity);
    }
}
