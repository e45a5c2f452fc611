//! From a store's `provider.aws` to the identity it asks for.
//!
//! Owns: the order jwt, stored key, operator; which service account, role, audiences and
//! session tags. Refuses: logging in.

use keyless_api::{
    AwsProvider, AwsSecretRef, SecretKeySelector, ServiceAccountSelector, SessionTagsPolicy,
};
use keyless_secret::SecretBytes;

use super::{Hop, Login, Region, RoleArn, Source, StaticKeys};
use crate::{Cluster, Consumer, Error, Resolved, namespace_of};

const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
const AUDIENCE_ANNOTATION: &str = "eks.amazonaws.com/audience";
const AUDIENCE: &str = "sts.amazonaws.com";

/// The identity that `spec` asks for on behalf of `consumer`. Reads the service account or
/// the Secrets concerned, so that a changed annotation or key is a different identity.
///
/// # Errors
/// When the spec is incomplete, reaches into a foreign namespace, or what it names is missing.
pub async fn resolve(
    cluster: &dyn Cluster,
    spec: &AwsProvider,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    let region = Region::parse(&spec.region)?;
    let auth = spec.auth.as_ref();
    let source = if let Some(jwt) = auth.and_then(|auth| auth.jwt.as_ref()) {
        let selector = jwt
            .service_account_ref
            .as_ref()
            .ok_or_else(|| Error::Config {
                reason: "auth.jwt names no service account".into(),
                hint: Some("Set auth.jwt.serviceAccountRef.name".into()),
                code: "",
            })?;
        web_identity(cluster, selector, consumer).await?
    } else if let Some(keys) = auth.and_then(|auth| auth.secret_ref.as_ref()) {
        stored_keys(cluster, keys, consumer).await?
    } else {
        Resolved::To(Source::Operator)
    };
    let source = match source {
        Resolved::To(source) => source,
        Resolved::Referent(text) => return Ok(Resolved::Referent(text)),
    };
    let hops = hops(spec, consumer)?;
    check_partitions(&region, &source, &hops)?;
    Ok(Resolved::To(Login {
        region,
        source,
        hops,
    }))
}

/// Whether the identity differs between the namespaces that use a ClusterSecretStore.
#[must_use]
pub fn depends_on_consumer(spec: &AwsProvider) -> bool {
    let tagged = matches!(
        spec.session_tags_policy,
        Some(SessionTagsPolicy::Simple | SessionTagsPolicy::Custom)
    );
    let open = |namespace: Option<&String>| namespace.is_none_or(String::is_empty);
    let auth = spec.auth.as_ref();
    let account = auth
        .and_then(|auth| auth.jwt.as_ref())
        .and_then(|jwt| jwt.service_account_ref.as_ref())
        .is_some_and(|account| open(account.namespace.as_ref()));
    let keys = auth
        .and_then(|auth| auth.secret_ref.as_ref())
        .is_some_and(|keys| {
            [
                &keys.access_key_id,
                &keys.secret_access_key,
                &keys.session_token,
            ]
            .into_iter()
            .flatten()
            .any(|key| open(key.namespace.as_ref()))
        });
    tagged || account || keys
}

async fn web_identity(
    cluster: &dyn Cluster,
    selector: &ServiceAccountSelector,
    consumer: &Consumer,
) -> Result<Resolved<Source>, Error> {
    let found = namespace_of(
        consumer,
        selector.namespace.as_deref(),
        "auth.jwt.serviceAccountRef",
    )?;
    let namespace = match found {
        Resolved::To(namespace) => namespace,
        Resolved::Referent(text) => return Ok(Resolved::Referent(text)),
    };
    let name = &selector.name;
    let account = cluster.service_account(&namespace, name).await?;
    let annotation = |key| {
        account
            .annotations
            .get(key)
            .filter(|value| !value.is_empty())
    };
    let known = |error: Error| error.after_reading(&namespace, name, &account);
    let role = annotation(ROLE_ANNOTATION).ok_or_else(|| {
        known(Error::Config {
            reason: format!(
                "an IAM role must be associated with service account {name} (namespace: {namespace})"
            ),
            hint: Some(format!(
                "Annotate service account {namespace}/{name} with {ROLE_ANNOTATION}"
            )),
            code: "O1",
        })
    })?;
    let place = format!("annotation {ROLE_ANNOTATION} of service account {namespace}/{name}");
    let mut audiences = vec![
        annotation(AUDIENCE_ANNOTATION)
            .cloned()
            .unwrap_or_else(|| AUDIENCE.to_owned()),
    ];
    for audience in &selector.audiences {
        if !audiences.contains(audience) {
            audiences.push(audience.clone());
        }
    }
    let role = RoleArn::parse(role, &place).map_err(known)?;
    Ok(Resolved::To(Source::WebIdentity {
        role,
        service_account: name.clone(),
        uid: account.uid,
        namespace,
        audiences,
    }))
}

async fn stored_keys(
    cluster: &dyn Cluster,
    keys: &AwsSecretRef,
    consumer: &Consumer,
) -> Result<Resolved<Source>, Error> {
    let mut parts: Vec<Option<SecretBytes>> = Vec::new();
    for (selector, field, required) in [
        (&keys.access_key_id, "accessKeyIDSecretRef", true),
        (&keys.secret_access_key, "secretAccessKeySecretRef", true),
        (&keys.session_token, "sessionTokenSecretRef", false),
    ] {
        let Some(selector) = selector else {
            if required {
                return Err(incomplete(&format!("auth.secretRef.{field} is missing")));
            }
            parts.push(None);
            continue;
        };
        match key_of(cluster, selector, consumer, field).await? {
            Resolved::To(value) => parts.push(Some(value)),
            Resolved::Referent(text) => return Ok(Resolved::Referent(text)),
        }
    }
    if parts
        .iter()
        .flatten()
        .any(|part| part.expose_str().is_none())
    {
        return Err(incomplete("the stored access key is not text"));
    }
    match parts.as_slice() {
        [Some(id), Some(secret), session] if !id.is_empty() && !secret.is_empty() => Ok(
            Resolved::To(Source::Keys(StaticKeys::new(id, secret, session.as_ref()))),
        ),
        _ => Err(incomplete("the stored access key is empty")),
    }
}

async fn key_of(
    cluster: &dyn Cluster,
    selector: &SecretKeySelector,
    consumer: &Consumer,
    field: &str,
) -> Result<Resolved<SecretBytes>, Error> {
    let what = format!("auth.secretRef.{field}");
    let (Some(name), Some(key)) = (&selector.name, &selector.key) else {
        return Err(incomplete(&format!("{what} needs name and key")));
    };
    match namespace_of(consumer, selector.namespace.as_deref(), &what)? {
        Resolved::To(namespace) => cluster
            .secret_key(&namespace, name, key)
            .await
            .map(Resolved::To),
        Resolved::Referent(text) => Ok(Resolved::Referent(text)),
    }
}

fn incomplete(reason: &str) -> Error {
    Error::Config {
        reason: reason.to_owned(),
        hint: Some(
            "Set name and key of accessKeyIDSecretRef and secretAccessKeySecretRef, or use \
             auth.jwt and store no key at all"
                .into(),
        ),
        code: "",
    }
}

/// `additionalRoles` without tags or external id, then `role` with both.
fn hops(spec: &AwsProvider, consumer: &Consumer) -> Result<Vec<Hop>, Error> {
    let mut hops = Vec::new();
    for role in &spec.additional_roles {
        hops.push(Hop {
            role: RoleArn::parse(role, "an entry of additionalRoles")?,
            external_id: None,
            tags: Vec::new(),
            transitive: Vec::new(),
        });
    }
    if let Some(role) = spec.role.as_deref().filter(|role| !role.is_empty()) {
        hops.push(Hop {
            role: RoleArn::parse(role, "role")?,
            external_id: spec.external_id.clone().filter(|id| !id.is_empty()),
            tags: tags(spec, consumer),
            transitive: spec.transitive_tag_keys.clone(),
        });
    }
    Ok(hops)
}

fn tags(spec: &AwsProvider, consumer: &Consumer) -> Vec<(String, String)> {
    let own = || {
        let store = &consumer.store;
        let namespace = consumer.namespace.as_ref().or(store.namespace.as_ref());
        vec![
            (
                "esoNamespace".to_owned(),
                namespace.cloned().unwrap_or_default(),
            ),
            ("esoStoreName".to_owned(), store.name.clone()),
            ("esoStoreKind".to_owned(), store.kind.clone()),
        ]
    };
    match spec.session_tags_policy {
        Some(SessionTagsPolicy::Simple) => own(),
        Some(SessionTagsPolicy::Custom) => {
            let mut tags = own();
            // The schema refuses reserved keys; a store that slipped past it must not use them.
            for (key, value) in &spec.custom_session_tags {
                if tags.iter().all(|(reserved, _)| reserved != key) {
                    tags.push((key.clone(), value.clone()));
                }
            }
            tags
        }
        _ => spec
            .session_tags
            .iter()
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect(),
    }
}

fn check_partitions(region: &Region, source: &Source, hops: &[Hop]) -> Result<(), Error> {
    let first = match source {
        Source::WebIdentity { role, .. } => Some(role),
        Source::Operator | Source::Keys(_) => None,
    };
    let partition = region.partition().id;
    match first
        .into_iter()
        .chain(hops.iter().map(|hop| &hop.role))
        .find(|role| role.partition() != partition)
    {
        None => Ok(()),
        Some(role) => Err(Error::Config {
            reason: format!("role {role} is not in partition {partition} of region {region}"),
            hint: Some(format!(
                "Write arn:{partition}:iam::…, or correct the region"
            )),
            code: "A4",
        }),
    }
}
