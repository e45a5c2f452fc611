//! What a webhook store shows to its endpoint.
//!
//! Owns: the Secrets that its templates may use, and the authorities of the endpoint. Refuses:
//! Secrets that are not marked for webhooks: a template may send them anywhere.

use std::collections::BTreeMap;

use keyless_api::WebhookProvider;

use crate::reference::{Reader, Stop, incomplete, is_open, resolved};
use crate::{Cluster, Consumer, Error, Peer, Resolved, Sealed};

/// The label that a Secret must carry, and its value.
const MARK: (&str, &str) = ("external-secrets.io/type", "webhook");

/// What makes one webhook identity different from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Login {
    /// Authorities of the endpoint.
    pub peer: Peer,
    /// The Secrets, by the names under which templates see them.
    pub secrets: BTreeMap<String, BTreeMap<String, Sealed>>,
}

/// What `spec` shows on behalf of `consumer`.
///
/// # Errors
/// When a Secret is missing, is not marked for webhooks, or is out of reach.
pub async fn resolve(
    cluster: &dyn Cluster,
    spec: &WebhookProvider,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    resolved(login(Reader { cluster, consumer }, spec).await)
}

/// Whether the identity differs between the namespaces that use a ClusterSecretStore.
#[must_use]
pub fn depends_on_consumer(spec: &WebhookProvider) -> bool {
    let secrets = spec
        .secrets
        .iter()
        .any(|secret| is_open(&secret.secret_ref));
    secrets || spec.ca_provider.as_ref().is_some_and(is_open)
}

async fn login(reader: Reader<'_>, spec: &WebhookProvider) -> Result<Login, Stop> {
    if spec.auth.as_ref().is_some_and(|auth| auth.ntlm.is_some()) {
        return Err(Error::Config {
            reason: "auth.ntlm is not supported".into(),
            hint: Some("Use a header with a token from one of the store's secrets".into()),
            code: "",
        }
        .into());
    }
    let bundle = spec.ca_bundle.as_deref();
    let mut login = Login {
        peer: Peer {
            authorities: reader
                .authorities(bundle, spec.ca_provider.as_ref(), "")
                .await?,
            certificate: None,
            guarded: true,
        },
        secrets: BTreeMap::new(),
    };
    for entry in &spec.secrets {
        let what = format!("secrets[{}].secretRef", entry.name);
        let Some(name) = &entry.secret_ref.name else {
            return Err(incomplete(format!("{what} needs a name")).into());
        };
        let namespace = reader.namespace(entry.secret_ref.namespace.as_deref(), &what)?;
        let secret = reader.cluster.secret(&namespace, name).await?;
        let (label, value) = MARK;
        if secret.labels.get(label).map(String::as_str) != Some(value) {
            return Err(Error::Config {
                reason: format!(
                    "Secret {namespace}/{name} does not carry label {label}={value}: {what} cannot use it"
                ),
                hint: Some(format!(
                    "Label it {label}={value} if its values may be sent to the endpoint"
                )),
                code: "",
            }
            .into());
        }
        let sealed = secret.data.into_iter();
        let sealed = sealed
            .map(|(key, value)| (key, Sealed::new(value)))
            .collect();
        login.secrets.insert(entry.name.clone(), sealed);
    }
    Ok(login)
}
