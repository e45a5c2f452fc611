//! What a store's references lead to.
//!
//! Owns: reading keys, certificate authorities and service accounts in the namespace that the
//! rule of [`namespace_of`] allows, with errors that name the field. Refuses: knowing what a
//! provider needs them for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_api::{CaProvider, CaProviderKind, SecretKeySelector};
use keyless_secret::SecretBytes;

use crate::{Cluster, Consumer, Error, Resolved, namespace_of};

/// Why there is nothing.
pub(crate) enum Stop {
    /// It cannot be had.
    Failed(Error),
    /// It depends on the consumer and there is none.
    Referent(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Turns what a resolver found into what callers see.
pub(crate) fn resolved<T>(found: Result<T, Stop>) -> Result<Resolved<T>, Error> {
    match found {
        Ok(found) => Ok(Resolved::To(found)),
        Err(Stop::Referent(reason)) => Ok(Resolved::Referent(reason)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Reads on behalf of one consumer.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub cluster: &'a dyn Cluster,
    pub consumer: &'a Consumer,
}

impl Reader<'_> {
    /// The namespace that a reference points at; `what` is its field.
    pub fn namespace(&self, selector: Option<&str>, what: &str) -> Result<String, Stop> {
        match namespace_of(self.consumer, selector, what)? {
            Resolved::To(namespace) => Ok(namespace),
            Resolved::Referent(reason) => Err(Stop::Referent(reason)),
        }
    }

    /// The value of a key of a Secret.
    pub async fn secret(
        &self,
        selector: &SecretKeySelector,
        what: &str,
    ) -> Result<SecretBytes, Stop> {
        let (Some(name), Some(key)) = (&selector.name, &selector.key) else {
            return Err(incomplete(format!("{what} needs name and key")).into());
        };
        let namespace = self.namespace(selector.namespace.as_deref(), what)?;
        Ok(self.cluster.secret_key(&namespace, name, key).await?)
    }

    /// The PEM bundle of `caBundle` or `caProvider`; `None` if neither is set.
    pub async fn authorities(
        &self,
        bundle: Option<&str>,
        provider: Option<&CaProvider>,
        field: &str,
    ) -> Result<Option<Vec<u8>>, Stop> {
        if let Some(bundle) = bundle.filter(|bundle| !bundle.is_empty()) {
            let bundle: String = bundle.split_ascii_whitespace().collect();
            return match STANDARD.decode(bundle) {
                Ok(pem) => Ok(Some(pem)),
                Err(_) => Err(incomplete(format!("{field}caBundle is not base64")).into()),
            };
        }
        let Some(provider) = provider else {
            return Ok(None);
        };
        let what = format!("{field}caProvider");
        let namespace = self.namespace(provider.namespace.as_deref(), &what)?;
        let key = provider.key.as_deref().unwrap_or("ca.crt");
        let name = &provider.name;
        match provider.kind {
            CaProviderKind::Secret => {
                let pem = self.cluster.secret_key(&namespace, name, key).await?;
                Ok(Some(pem.expose().to_vec()))
            }
            CaProviderKind::ConfigMap => {
                let pem = self.cluster.config_map_key(&namespace, name, key).await?;
                Ok(Some(pem.into_bytes()))
            }
            CaProviderKind::Other(ref kind) => {
                Err(incomplete(format!("{what}.type is {kind:?}, not Secret or ConfigMap")).into())
            }
        }
    }
}

/// Whether a reference in `spec` names no namespace: what it leads to then differs between the
/// namespaces that use a ClusterSecretStore. A reference is an object with a name.
pub(crate) fn is_open<T: serde::Serialize>(spec: &T) -> bool {
    fn open(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(members) => {
                let text = |key: &str| members.get(key).and_then(serde_json::Value::as_str);
                let nowhere = text("namespace").is_none_or(str::is_empty);
                text("name").is_some() && nowhere || members.values().any(open)
            }
            serde_json::Value::Array(items) => items.iter().any(open),
            _ => false,
        }
    }
    serde_json::to_value(spec).map_or(true, |value| open(&value))
}

/// A store that does not say enough.
pub(crate) fn incomplete(reason: impl Into<String>) -> Error {
    Error::Config {
        reason: reason.into(),
        hint: Some("Complete the store's spec; kubectl explain shows its fields".into()),
        code: "",
    }
}
