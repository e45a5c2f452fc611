//! In which namespace a store's reference to a Secret or service account points.
//!
//! Owns: the one rule that keeps tenants apart. Refuses: reading anything.

use keyless_fault::ObjectRef;

use crate::Error;

/// Whose store is used, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Consumer {
    /// `SecretStore ns/name` or `ClusterSecretStore name`.
    pub store: ObjectRef,
    /// Namespace of the object that reads; `None` when a ClusterSecretStore is checked on its
    /// own.
    pub namespace: Option<String>,
}

/// What a reference points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved<T> {
    /// This.
    To(T),
    /// It depends on the consumer and there is none: the text says which reference.
    Referent(String),
}

/// The namespace that `selector` (the reference's own `namespace`) points at. A SecretStore
/// reaches only its own; a ClusterSecretStore the one named, or else the consumer's.
///
/// # Errors
/// When a SecretStore names or is used from another namespace.
pub fn namespace_of(
    consumer: &Consumer,
    selector: Option<&str>,
    what: &str,
) -> Result<Resolved<String>, Error> {
    let selector = selector.filter(|namespace| !namespace.is_empty());
    let Some(own) = consumer.store.namespace.as_deref() else {
        return Ok(match selector.or(consumer.namespace.as_deref()) {
            Some(namespace) => Resolved::To(namespace.to_owned()),
            None => Resolved::Referent(format!(
                "{what} names no namespace: it is looked up in the namespace of each object \
                 that uses {}",
                consumer.store
            )),
        });
    };
    if let Some(other) = selector.filter(|namespace| *namespace != own) {
        return Err(Error::Config {
            reason: format!(
                "namespace should either be empty or match the namespace of the SecretStore for \
                 a namespaced SecretStore: {what} of {} names namespace {other:?}",
                consumer.store
            ),
            hint: Some("Remove the namespace, or use a ClusterSecretStore".into()),
            code: "",
        });
    }
    match consumer.namespace.as_deref() {
        Some(other) if other != own => Err(Error::Config {
            reason: format!("{} cannot be used from namespace {other:?}", consumer.store),
            hint: Some("Use a ClusterSecretStore".into()),
            code: "",
        }),
        _ => Ok(Resolved::To(own.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(store_namespace: &str, namespace: Option<&str>) -> Consumer {
        let kind = if store_namespace.is_empty() {
            "ClusterSecretStore"
        } else {
            "SecretStore"
        };
        Consumer {
            store: ObjectRef::new(kind, store_namespace, "s"),
            namespace: namespace.map(Into::into),
        }
    }

    #[test]
    fn a_namespaced_store_never_leaves_its_namespace() {
        for used_from in [None, Some("a")] {
            for selector in [None, Some(""), Some("a")] {
                let found = namespace_of(&consumer("a", used_from), selector, "x").unwrap();
                assert_eq!(found, Resolved::To("a".into()));
            }
            assert!(namespace_of(&consumer("a", used_from), Some("b"), "x").is_err());
        }
        assert!(namespace_of(&consumer("a", Some("b")), None, "x").is_err());
        assert!(namespace_of(&consumer("a", Some("b")), Some("b"), "x").is_err());
    }

    #[test]
    fn a_cluster_store_uses_the_named_namespace_or_the_consumers() {
        let of = |namespace, selector| namespace_of(&consumer("", namespace), selector, "x");
        assert_eq!(of(Some("a"), None).unwrap(), Resolved::To("a".into()));
        assert_eq!(of(Some("a"), Some("b")).unwrap(), Resolved::To("b".into()));
        assert_eq!(of(None, Some("b")).unwrap(), Resolved::To("b".into()));
        assert!(matches!(of(None, None).unwrap(), Resolved::Referent(_)));
    }
}
