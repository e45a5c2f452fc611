//! From a store's `provider.gcpsm` to the identity it asks for.
//!
//! Owns: the order stored key, GKE, federation, operator; which service account, pool, audiences and
//! impersonation. Refuses: logging in.

use keyless_api::{
    GcpAuth, GcpAwsCredentials, GcpSmProvider, GcpWorkloadIdentity, GcpWorkloadIdentityFederation,
    ServiceAccountSelector,
};
use keyless_trust::gcp::name::{is_location, is_project};

use super::config::{self, Author, Found, LIFE};
use super::operator;
use super::{Cloud, GkeCluster, Impersonation, Login, Pool, Source, Subject};
use crate::reference::{Reader, Stop, is_open, resolved};
use crate::{Cluster, Consumer, Environment, Error, Resolved, ServiceAccount, aws};

/// The service account at Google that a cluster's service account may go on as.
const ACCOUNT_ANNOTATION: &str = "iam.gke.io/gcp-service-account";
/// The identity that `spec` asks for on behalf of `consumer`. Reads the service account, Secret or
/// ConfigMap concerned, so that a changed annotation or key is a different identity. `env` is the
/// operator's own environment.
///
/// # Errors
/// When the spec is incomplete, reaches into a foreign namespace, or what it names is missing.
pub async fn resolve(
    cluster: &dyn Cluster,
    env: &Environment,
    spec: &GcpSmProvider,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    let auth = spec.auth.clone().unwrap_or_default();
    resolve_auth(cluster, env, &auth, spec.project_id.as_deref(), consumer).await
}

/// As [`resolve`] for `auth` alone: Vault knows identities of Google as well. A cluster of GKE whose
/// project nobody names is in `project`.
pub(crate) async fn resolve_auth(
    cluster: &dyn Cluster,
    env: &Environment,
    auth: &GcpAuth,
    project: Option<&str>,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    let resolver = Resolver {
        reader: Reader { cluster, consumer },
        env,
    };
    resolved(resolver.login(auth, project).await)
}

/// Whether the identity differs between the namespaces that use a ClusterSecretStore.
#[must_use]
pub fn depends_on_consumer(spec: &GcpSmProvider) -> bool {
    let auth = spec.auth.clone().unwrap_or_default();
    // The first method that is set is used.
    if let Some(key) = &auth.secret_ref {
        is_open(key)
    } else if let Some(gke) = &auth.workload_identity {
        is_open(gke)
    } else {
        auth.workload_identity_federation
            .as_ref()
            .is_some_and(is_open)
    }
}

struct Resolver<'a> {
    reader: Reader<'a>,
    env: &'a Environment,
}

impl Resolver<'_> {
    /// The first method that is set, or the operator's own identity.
    async fn login(&self, auth: &GcpAuth, project: Option<&str>) -> Result<Login, Stop> {
        if let Some(stored) = &auth.secret_ref {
            let Some(selector) = &stored.secret_access_key else {
                return Err(incomplete("auth.secretRef names no secretAccessKeySecretRef").into());
            };
            let what = "auth.secretRef.secretAccessKeySecretRef";
            let json = self.reader.secret(selector, what).await?;
            return Ok(operator::key(self.env, &json, what)?);
        }
        if let Some(gke) = &auth.workload_identity {
            return self.gke(gke, project).await;
        }
        if let Some(federation) = &auth.workload_identity_federation {
            return self.federation(federation).await;
        }
        Ok(operator::own(self.env).await?)
    }

    async fn gke(&self, gke: &GcpWorkloadIdentity, project: Option<&str>) -> Result<Login, Stop> {
        let what = "auth.workloadIdentity.serviceAccountRef";
        let selector = &gke.service_account_ref;
        let (subject, account) = self
            .account(selector, what, selector.audiences.clone())
            .await?;
        let part = |text: Option<&str>, field: &str, is: fn(&str) -> bool| match text {
            None | Some("") => Ok(None),
            Some(text) if is(text) => Ok(Some(text.to_owned())),
            Some(_) => Err(incomplete(format!(
                "auth.workloadIdentity.{field} is not the name of one"
            ))),
        };
        Ok(Login {
            cloud: Cloud::of(self.env)?,
            source: Source::Federated {
                pool: Pool::Gke(GkeCluster {
                    project: part(
                        gke.cluster_project_id.as_deref(),
                        "clusterProjectID",
                        is_project,
                    )?,
                    location: part(
                        gke.cluster_location.as_deref(),
                        "clusterLocation",
                        is_location,
                    )?,
                    name: part(gke.cluster_name.as_deref(), "clusterName", is_location)?,
                    fallback: part(project, "clusterProjectID", is_project)?,
                }),
                subject,
            },
            impersonate: self.annotated(&account, selector)?,
            quota_project: None,
        })
    }

    async fn federation(&self, spec: &GcpWorkloadIdentityFederation) -> Result<Login, Stop> {
        let named = [
            spec.cred_config.is_some(),
            spec.service_account_ref.is_some(),
            spec.aws_security_credentials.is_some(),
        ];
        if named.into_iter().filter(|set| *set).count() != 1 {
            return Err(incomplete(
                "auth.workloadIdentityFederation needs exactly one of credConfig, \
                 awsSecurityCredentials and serviceAccountRef",
            )
            .into());
        }
        let named = spec
            .gcp_service_account_email
            .as_deref()
            .filter(|email| !email.is_empty())
            .map(|email| account(email, "gcpServiceAccountEmail"))
            .transpose()?;
        let audience = spec.audience.as_deref().filter(|text| !text.is_empty());
        if let Some(selector) = &spec.cred_config {
            let mut found = self.configuration(spec, selector, audience).await?;
            found.impersonate = named.or(found.impersonate);
            return Ok(found.into());
        }
        let audience = audience.ok_or_else(|| {
            incomplete(
                "auth.workloadIdentityFederation needs audience beside serviceAccountRef or \
                 awsSecurityCredentials",
            )
        })?;
        let provider = config::provider(audience, "auth.workloadIdentityFederation.audience")?;
        let (subject, annotated) = if let Some(selector) = &spec.service_account_ref {
            let what = "auth.workloadIdentityFederation.serviceAccountRef";
            let audiences = if selector.audiences.is_empty() {
                // What a provider takes that lists no audiences.
                vec![provider.to_string()]
            } else {
                selector.audiences.clone()
            };
            let (subject, account) = self.account(selector, what, audiences).await?;
            (subject, self.annotated(&account, selector)?)
        } else if let Some(keys) = &spec.aws_security_credentials {
            (self.aws(keys).await?, None)
        } else {
            return Err(incomplete("auth.workloadIdentityFederation names no token").into());
        };
        Ok(Login {
            cloud: Cloud::of(self.env)?,
            source: Source::Federated {
                pool: Pool::Provider(provider),
                subject,
            },
            impersonate: named.or(annotated),
            quota_project: None,
        })
    }

    async fn configuration(
        &self,
        spec: &GcpWorkloadIdentityFederation,
        selector: &keyless_api::ConfigMapKeySelector,
        audience: Option<&str>,
    ) -> Result<Found, Stop> {
        let field = "auth.workloadIdentityFederation.credConfig";
        let namespace = self
            .reader
            .namespace(selector.namespace.as_deref(), field)?;
        let (name, key) = (&selector.name, &selector.key);
        if name.is_empty() || key.is_empty() {
            return Err(incomplete(format!("{field} needs name and key")).into());
        }
        let json = self
            .reader
            .cluster
            .config_map_key(&namespace, name, key)
            .await?;
        let author = Author::Tenant {
            endpoint: spec
                .external_token_endpoint
                .as_deref()
                .filter(|url| !url.is_empty()),
        };
        let what = format!("key {key} of ConfigMap {namespace}/{name}");
        Ok(config::read(&json, &what, author, audience, self.env)?)
    }

    async fn account(
        &self,
        selector: &ServiceAccountSelector,
        what: &str,
        audiences: Vec<String>,
    ) -> Result<(Subject, ServiceAccount), Stop> {
        let namespace = self.reader.namespace(selector.namespace.as_deref(), what)?;
        let name = &selector.name;
        let account = self
            .reader
            .cluster
            .service_account(&namespace, name)
            .await?;
        let subject = Subject::ServiceAccount {
            namespace,
            name: name.clone(),
            uid: account.uid.clone(),
            audiences,
        };
        Ok((subject, account))
    }

    /// Whom the annotation of a service account names.
    fn annotated(
        &self,
        found: &ServiceAccount,
        selector: &ServiceAccountSelector,
    ) -> Result<Option<Impersonation>, Error> {
        let email = found.annotations.get(ACCOUNT_ANNOTATION);
        let email = email
            .map(|email| email.trim())
            .filter(|email| !email.is_empty());
        email
            .map(|email| {
                let what = format!(
                    "annotation {ACCOUNT_ANNOTATION} of service account {}",
                    selector.name
                );
                account(email, &what)
            })
            .transpose()
    }

    /// Keys of AWS out of a Secret, under the names that Google's documents give them.
    async fn aws(&self, keys: &GcpAwsCredentials) -> Result<Subject, Stop> {
        let field =
            "auth.workloadIdentityFederation.awsSecurityCredentials.awsCredentialsSecretRef";
        let reference = &keys.aws_credentials_secret_ref;
        let namespace = self
            .reader
            .namespace(reference.namespace.as_deref(), field)?;
        let name = reference.name.as_str();
        let secret = self.reader.cluster.secret(&namespace, name).await?;
        let key = |key: &str| secret.data.get(key).filter(|value| !value.is_empty());
        let (Some(id), Some(secret)) = (key("aws_access_key_id"), key("aws_secret_access_key"))
        else {
            return Err(incomplete(format!(
                "{field}: Secret {namespace}/{name} needs aws_access_key_id and \
                 aws_secret_access_key"
            ))
            .into());
        };
        let session = key("aws_session_token");
        let keys = aws::Login {
            region: aws::Region::parse(&keys.region)?,
            source: aws::Source::Keys(aws::StaticKeys::new(id, secret, session)),
            hops: Vec::new(),
        };
        Ok(Subject::Aws {
            login: Box::new(keys),
        })
    }
}

impl From<Found> for Login {
    fn from(found: Found) -> Self {
        Self {
            cloud: found.cloud,
            source: found.source,
            impersonate: found.impersonate,
            quota_project: found.quota_project,
        }
    }
}

fn account(email: &str, what: &str) -> Result<Impersonation, Error> {
    if config::is_email(email) {
        return Ok(Impersonation {
            email: email.to_owned(),
            life: LIFE,
        });
    }
    Err(Error::Config {
        reason: format!("{what} is not the e-mail address of a service account"),
        hint: Some("Write NAME@PROJECT.iam.gserviceaccount.com".into()),
        code: "G20",
    })
}

fn incomplete(reason: impl Into<String>) -> Error {
    Error::Config {
        reason: reason.into(),
        hint: Some(
            "Use workloadIdentityFederation with serviceAccountRef and audience and store no key \
             at all, or correct spec.provider.gcpsm"
                .into(),
        ),
        code: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_open_reference_of_the_method_in_use_makes_the_identity_the_consumers() {
        let key = |namespace: &str| json!({"secretAccessKeySecretRef": {"name": "a", "key": "b", "namespace": namespace}});
        for (auth, depends) in [
            (json!({}), false),
            (json!({"secretRef": key("")}), true),
            (json!({"secretRef": key("n")}), false),
            (
                json!({"workloadIdentity": {"serviceAccountRef": {"name": "s"}}}),
                true,
            ),
            (
                json!({"workloadIdentity": {"clusterName": "c", "serviceAccountRef": {"name": "s", "namespace": "n"}}}),
                false,
            ),
            (
                json!({"secretRef": key("n"), "workloadIdentity": {"serviceAccountRef": {"name": "s"}}}),
                false,
            ),
            (
                json!({"workloadIdentityFederation": {"credConfig": {"name": "c", "key": "k"}}}),
                true,
            ),
            (
                json!({"workloadIdentityFederation": {"credConfig": {"name": "c", "key": "k", "namespace": "n"}}}),
                false,
            ),
            (
                json!({"workloadIdentityFederation": {"audience": "a", "awsSecurityCredentials": {"region": "r", "awsCredentialsSecretRef": {"name": "s", "namespace": "n"}}}}),
                false,
            ),
        ] {
            let spec: GcpSmProvider = serde_json::from_value(json!({"auth": auth})).unwrap();
            assert_eq!(depends_on_consumer(&spec), depends, "{auth}");
        }
    }
}
