//! From a store's `provider.azurekv` to the identity it asks for.
//!
//! Owns: which service account, client, tenant and audiences, and that a tenant's store cannot
//! send the operator's own token to an authority of its choice. Refuses: logging in.

use keyless_api::{
    AzureAuthSecretRef, AzureAuthType, AzureKvProvider, SecretKeySelector, ServiceAccountSelector,
};
use keyless_secret::SecretBytes;

use super::{Client, ClientCertificate, Cloud, Login, Source};
use crate::{
    Cluster, Consumer, Environment, Error, Resolved, Sealed, ServiceAccount, namespace_of,
};

const CLIENT_ANNOTATION: &str = "azure.workload.identity/client-id";
const TENANT_ANNOTATION: &str = "azure.workload.identity/tenant-id";
/// Audience of federated credentials; the national clouds have longer ones.
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The identity that `spec` asks for on behalf of `consumer`. Reads the service account or the
/// Secrets concerned, so that a changed annotation or key is a different identity. `env` is the
/// operator's own environment.
///
/// # Errors
/// When the spec is incomplete, reaches into a foreign namespace, or what it names is missing.
pub async fn resolve(
    cluster: &dyn Cluster,
    env: &Environment,
    spec: &AzureKvProvider,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    let kind = spec.auth_type.clone().unwrap_or_default();
    let own = match kind {
        AzureAuthType::WorkloadIdentity => spec.service_account_ref.is_none(),
        AzureAuthType::ManagedIdentity => true,
        _ => false,
    };
    if own && spec.custom_cloud_config.is_some() && consumer.store.namespace.is_some() {
        return Err(Error::Config {
            reason: format!(
                "{} names its own cloud endpoints and no identity of its own: the operator's \
                 token is not sent there",
                consumer.store
            ),
            hint: Some(
                "Set authType WorkloadIdentity with a serviceAccountRef, or use a \
                 ClusterSecretStore"
                    .into(),
            ),
            code: "",
        });
    }
    let cloud = Cloud::of(spec, env, own)?;
    let source = match kind {
        AzureAuthType::WorkloadIdentity => match &spec.service_account_ref {
            Some(account) => service_account(cluster, env, spec, account, consumer).await?,
            None => Resolved::To(pod(env)?),
        },
        AzureAuthType::ManagedIdentity => Resolved::To(Source::Managed {
            client: spec
                .identity_id
                .as_deref()
                .filter(|id| !id.trim().is_empty())
                .map(|id| checked(id, "identityId"))
                .transpose()?,
        }),
        AzureAuthType::ServicePrincipal => service_principal(cluster, spec, consumer).await?,
        AzureAuthType::Other(other) => {
            return Err(incomplete(format!("authType {other:?} is not known")));
        }
    };
    Ok(match source {
        Resolved::To(source) => Resolved::To(Login { cloud, source }),
        Resolved::Referent(text) => Resolved::Referent(text),
    })
}

/// Whether the identity differs between the namespaces that use a ClusterSecretStore.
#[must_use]
pub fn depends_on_consumer(spec: &AzureKvProvider) -> bool {
    let open = |namespace: Option<&String>| namespace.is_none_or(String::is_empty);
    let keys = spec.auth_secret_ref.iter().flat_map(|keys| {
        [
            &keys.client_id,
            &keys.tenant_id,
            &keys.client_secret,
            &keys.client_certificate,
        ]
    });
    let account = spec
        .service_account_ref
        .as_ref()
        .is_some_and(|account| open(account.namespace.as_ref()));
    match spec.auth_type.clone().unwrap_or_default() {
        AzureAuthType::ManagedIdentity => false,
        AzureAuthType::WorkloadIdentity if spec.service_account_ref.is_none() => false,
        kind => {
            (kind == AzureAuthType::WorkloadIdentity && account)
                || keys.flatten().any(|key| open(key.namespace.as_ref()))
        }
    }
}

/// The operator's own token, as Azure's webhook injects it.
fn pod(env: &Environment) -> Result<Source, Error> {
    let (Some(client), Some(tenant), Some(file)) = (
        env.get("AZURE_CLIENT_ID"),
        env.get("AZURE_TENANT_ID"),
        env.get("AZURE_FEDERATED_TOKEN_FILE"),
    ) else {
        return Err(Error::Config {
            reason: "missing environment variables. AZURE_CLIENT_ID, AZURE_TENANT_ID and \
                     AZURE_FEDERATED_TOKEN_FILE must be set"
                .into(),
            hint: Some(
                "Label the operator's pods azure.workload.identity/use: \"true\" and annotate its \
                 service account with azure.workload.identity/client-id, or set serviceAccountRef \
                 in the store"
                    .into(),
            ),
            code: "Z13",
        });
    };
    Ok(Source::Pod {
        client: Client {
            id: checked(client, "AZURE_CLIENT_ID")?,
            tenant: checked(tenant, "AZURE_TENANT_ID")?,
        },
        file: file.to_owned(),
    })
}

async fn service_account(
    cluster: &dyn Cluster,
    env: &Environment,
    spec: &AzureKvProvider,
    selector: &ServiceAccountSelector,
    consumer: &Consumer,
) -> Result<Resolved<Source>, Error> {
    let found = namespace_of(consumer, selector.namespace.as_deref(), "serviceAccountRef")?;
    let namespace = match found {
        Resolved::To(namespace) => namespace,
        Resolved::Referent(text) => return Ok(Resolved::Referent(text)),
    };
    let name = &selector.name;
    let keys = spec.auth_secret_ref.as_ref();
    let mut stored = Vec::new();
    for (key, field) in [
        (keys.and_then(|keys| keys.client_id.as_ref()), "clientId"),
        (keys.and_then(|keys| keys.tenant_id.as_ref()), "tenantId"),
    ] {
        stored.push(match key {
            None => None,
            Some(key) => match key_of(cluster, key, consumer, field).await? {
                Resolved::To(value) => Some(text(&value, field)?),
                Resolved::Referent(text) => return Ok(Resolved::Referent(text)),
            },
        });
    }
    let account = cluster.service_account(&namespace, name).await?;
    let place = format!("service account {namespace}/{name}");
    let client = client(env, spec, &account, stored, &place)
        .map_err(|error| error.after_reading(&namespace, name, &account))?;
    Ok(Resolved::To(Source::ServiceAccount {
        client,
        service_account: name.clone(),
        uid: account.uid,
        namespace,
        audiences: audiences(&selector.audiences),
    }))
}

/// Client and tenant, from the store and the annotations of the service account `place`. `stored`
/// are client and tenant as Secrets give them.
fn client(
    env: &Environment,
    spec: &AzureKvProvider,
    account: &ServiceAccount,
    stored: Vec<Option<String>>,
    place: &str,
) -> Result<Client, Error> {
    let annotation = |key| annotated(account, key);
    let mut stored = stored.into_iter();
    let id = one_of(
        "client",
        (stored.next().flatten(), "authSecretRef.clientId"),
        (annotation(CLIENT_ANNOTATION), CLIENT_ANNOTATION),
        place,
    )?
    .ok_or_else(|| Error::Config {
        reason: format!("no client id: {place} has no annotation {CLIENT_ANNOTATION}"),
        hint: Some(format!(
            "Annotate {place} with {CLIENT_ANNOTATION}, or set authSecretRef.clientId"
        )),
        code: "O2",
    })?;
    let of_store = match stored.next().flatten() {
        Some(tenant) => Some((tenant, "authSecretRef.tenantId")),
        None => spec
            .tenant_id
            .clone()
            .filter(|tenant| !tenant.is_empty())
            .map(|tenant| (tenant, "tenantId")),
    };
    let (of_store, field) = of_store.map_or((None, "tenantId"), |(t, field)| (Some(t), field));
    let tenant = one_of(
        "tenant",
        (of_store, field),
        (annotation(TENANT_ANNOTATION), TENANT_ANNOTATION),
        place,
    )?
    .or_else(|| env.get("AZURE_TENANT_ID").map(str::to_owned))
    .ok_or_else(|| Error::Config {
        reason: format!("no tenant id: {place} has no annotation {TENANT_ANNOTATION}"),
        hint: Some(format!(
            "Set tenantId in the store, or annotate {place} with {TENANT_ANNOTATION}"
        )),
        code: "Z16",
    })?;
    Ok(Client {
        id: checked(&id, "the client id")?,
        tenant: checked(&tenant, "the tenant id")?,
    })
}

/// The default audience and the store's own. A federated credential takes tokens for its one
/// audience only, so that of a national cloud replaces the default.
fn audiences(own: &[String]) -> Vec<String> {
    let replaced = own.iter().any(|audience| audience.starts_with(AUDIENCE));
    let mut audiences = if replaced {
        Vec::new()
    } else {
        vec![AUDIENCE.to_owned()]
    };
    for audience in own {
        if !audiences.contains(audience) {
            audiences.push(audience.clone());
        }
    }
    audiences
}

async fn service_principal(
    cluster: &dyn Cluster,
    spec: &AzureKvProvider,
    consumer: &Consumer,
) -> Result<Resolved<Source>, Error> {
    let keys = spec
        .auth_secret_ref
        .as_ref()
        .ok_or_else(|| incomplete("authType ServicePrincipal needs authSecretRef".into()))?;
    let tenant = spec
        .tenant_id
        .as_deref()
        .filter(|tenant| !tenant.is_empty())
        .ok_or_else(|| incomplete("authType ServicePrincipal needs tenantId".into()))?;
    let (Some(id), (Some(_), None) | (None, Some(_))) = (
        &keys.client_id,
        (&keys.client_secret, &keys.client_certificate),
    ) else {
        return Err(incomplete(
            "authSecretRef needs clientId and either clientSecret or clientCertificate".into(),
        ));
    };
    let id = match key_of(cluster, id, consumer, "clientId").await? {
        Resolved::To(value) => text(&value, "clientId")?,
        Resolved::Referent(text) => return Ok(Resolved::Referent(text)),
    };
    let client = Client {
        id: checked(&id, "authSecretRef.clientId")?,
        tenant: checked(tenant, "tenantId")?,
    };
    proof(cluster, keys, client, consumer).await
}

async fn proof(
    cluster: &dyn Cluster,
    keys: &AzureAuthSecretRef,
    client: Client,
    consumer: &Consumer,
) -> Result<Resolved<Source>, Error> {
    let (key, field) = match (&keys.client_secret, &keys.client_certificate) {
        (Some(key), _) => (key, "clientSecret"),
        (None, Some(key)) => (key, "clientCertificate"),
        (None, None) => return Err(incomplete("authSecretRef holds no proof".into())),
    };
    let value = match key_of(cluster, key, consumer, field).await? {
        Resolved::To(value) => value,
        Resolved::Referent(text) => return Ok(Resolved::Referent(text)),
    };
    if value.is_empty() {
        return Err(incomplete(format!("authSecretRef.{field} is empty")));
    }
    Ok(Resolved::To(if field == "clientSecret" {
        Source::Secret {
            client,
            secret: Sealed::trimmed(&value),
        }
    } else {
        Source::Certificate {
            client,
            certificate: ClientCertificate::from_pem(&value)?,
        }
    }))
}

async fn key_of(
    cluster: &dyn Cluster,
    selector: &SecretKeySelector,
    consumer: &Consumer,
    field: &str,
) -> Result<Resolved<SecretBytes>, Error> {
    let what = format!("authSecretRef.{field}");
    let (Some(name), Some(key)) = (&selector.name, &selector.key) else {
        return Err(incomplete(format!("{what} needs name and key")));
    };
    match namespace_of(consumer, selector.namespace.as_deref(), &what)? {
        Resolved::To(namespace) => cluster
            .secret_key(&namespace, name, key)
            .await
            .map(Resolved::To),
        Resolved::Referent(text) => Ok(Resolved::Referent(text)),
    }
}

/// The one value that two places may give; both only where they agree.
fn one_of(
    what: &str,
    (store, field): (Option<String>, &str),
    (annotation, key): (Option<String>, &str),
    place: &str,
) -> Result<Option<String>, Error> {
    match (store, annotation) {
        (Some(store), Some(annotation)) if store != annotation => Err(Error::Config {
            reason: format!(
                "two {what} ids: {field} of the store and annotation {key} of {place} differ"
            ),
            hint: Some(format!("Remove one of {field} and {key}")),
            code: "Z16",
        }),
        (store, annotation) => Ok(store.or(annotation)),
    }
}

fn annotated(account: &ServiceAccount, key: &str) -> Option<String> {
    let value = account.annotations.get(key)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn text(value: &SecretBytes, field: &str) -> Result<String, Error> {
    value
        .expose_str()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .ok_or_else(|| incomplete(format!("authSecretRef.{field} is not text")))
}

/// An id becomes part of a URL: a GUID or a domain name.
fn checked(id: &str, what: &str) -> Result<String, Error> {
    let id = id.trim();
    let plain = id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if id.is_empty() || id.len() > 128 || !plain || id.starts_with('.') {
        return Err(incomplete(format!("{what} is neither a GUID nor a domain")));
    }
    Ok(id.to_owned())
}

fn incomplete(reason: String) -> Error {
    Error::Config {
        reason,
        hint: Some(
            "Use authType WorkloadIdentity and store no key at all, or correct \
             spec.provider.azurekv"
                .into(),
        ),
        code: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place_in_a_url() {
        for good in [
            "00000000-0000-0000-0000-000000000000",
            "contoso.onmicrosoft.com",
            " adfs\n",
        ] {
            assert!(checked(good, "x").is_ok(), "{good}");
        }
        for bad in ["", "a/b", "..", "a?b", "a#b", "a@b", "a b", "%2e"] {
            assert!(checked(bad, "x").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_national_audience_replaces_the_default() {
        let of = |own: &[&str]| audiences(&own.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[]), [AUDIENCE]);
        assert_eq!(of(&["other"]), [AUDIENCE, "other"]);
        assert_eq!(
            of(&["api://AzureADTokenExchangeUSGov"]),
            ["api://AzureADTokenExchangeUSGov"]
        );
    }
}
