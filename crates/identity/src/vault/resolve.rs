//! From a store's `provider.vault` to the identity it asks for.
//!
//! Owns: which of the methods, whose token, which secrets, authorities and client certificate.
//! Refuses: logging in.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_api::{
    AwsAuth, AwsProvider, CaProvider, CaProviderKind, GcpAuth, GcpWorkloadIdentity,
    SecretKeySelector, ServiceAccountSelector, VaultAppRole, VaultAuth, VaultAwsAuth,
    VaultCertAuth, VaultGcpAuth, VaultJwtAuth, VaultKubernetesAuth, VaultProvider,
};
use keyless_secret::SecretBytes;

use super::{Login, Method, Product, Server, Subject};
use crate::{
    ClientCertificate, Cluster, Consumer, Environment, Error, Peer, Resolved, Sealed, aws, gcp,
    namespace_of,
};

/// Audience of a minted token when the store names none.
const AUDIENCE: &str = "vault";
/// Life of a minted token when the store names none: it is used once.
const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Region of AWS when the store names none.
const REGION: &str = "us-east-1";
/// Key of a Secret that holds a service account's token.
const TOKEN_KEY: &str = "token";

/// Why there is no identity.
enum Stop {
    Failed(Error),
    /// It depends on the consumer and there is none.
    Referent(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The identity that `spec` asks for on behalf of `consumer`. Reads the service account or the
/// Secrets concerned, so that a recreated account or a changed secret is a different identity.
///
/// `env` is the operator's own environment.
///
/// # Errors
/// When the spec is incomplete, reaches into a foreign namespace, or what it names is missing.
pub async fn resolve(
    cluster: &dyn Cluster,
    env: &Environment,
    product: Product,
    spec: &VaultProvider,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    let reader = Reader {
        cluster,
        env,
        consumer,
    };
    match reader.login(product, spec).await {
        Ok(login) => Ok(Resolved::To(login)),
        Err(Stop::Referent(reason)) => Ok(Resolved::Referent(reason)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Whether the identity differs between the namespaces that use a ClusterSecretStore: a
/// reference that the login follows names no namespace.
#[must_use]
pub fn depends_on_consumer(spec: &VaultProvider) -> bool {
    // Whatever is not used does no harm here but costs an identity for each namespace.
    let Ok(serde_json::Value::Object(members)) = serde_json::to_value(spec) else {
        return true;
    };
    ["auth", "caProvider", "tls"]
        .into_iter()
        .filter_map(|name| members.get(name))
        .any(has_open_reference)
}

/// A reference is an object with a name; a role or user is a text.
fn has_open_reference(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(serde_json::Value::as_str);
            let open = text("namespace").is_none_or(str::is_empty);
            text("name").is_some() && open || members.values().any(has_open_reference)
        }
        serde_json::Value::Array(items) => items.iter().any(has_open_reference),
        _ => false,
    }
}

struct Reader<'a> {
    cluster: &'a dyn Cluster,
    env: &'a Environment,
    consumer: &'a Consumer,
}

impl Reader<'_> {
    async fn login(&self, product: Product, spec: &VaultProvider) -> Result<Login, Stop> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let auth = spec
            .auth
            .as_ref()
            .ok_or_else(|| incomplete("auth is missing"))?;
        let mut peer = Peer {
            authorities: self.authorities(spec).await?,
            ..Peer::default()
        };
        if let Some(tls) = &spec.tls {
            match (&tls.cert_secret_ref, &tls.key_secret_ref) {
                (Some(chain), Some(key)) => {
                    let names = ["tls.certSecretRef", "tls.keySecretRef"];
                    peer.certificate = Some(self.certificate(chain, key, names).await?);
                }
                (None, None) => {}
                _ => return Err(incomplete("tls needs certSecretRef and keySecretRef").into()),
            }
        }
        let method = self.method(auth, &mut peer).await?;
        Ok(Login {
            server: Server::new(product, &spec.server, &spec.headers, peer)?,
            namespace: filled(&auth.namespace).or_else(|| filled(&spec.namespace)),
            method,
        })
    }

    async fn method(&self, auth: &VaultAuth, peer: &mut Peer) -> Result<Method, Stop> {
        if let Some(token) = &auth.token_secret_ref {
            let token = self.secret(token, "auth.tokenSecretRef", None).await?;
            return Ok(Method::Token(Sealed::trimmed(&token)));
        }
        if let Some(role) = &auth.app_role {
            return self.app_role(role).await;
        }
        if let Some(kubernetes) = &auth.kubernetes {
            return self.kubernetes(kubernetes).await;
        }
        if let Some(ldap) = &auth.ldap {
            let field = "auth.ldap.secretRef";
            let mount = mount(&ldap.path, "ldap");
            return self
                .password("ldap", mount, &ldap.username, &ldap.secret_ref, field)
                .await;
        }
        if let Some(user) = &auth.user_pass {
            let field = "auth.userPass.secretRef";
            let mount = mount(&user.path, "userpass");
            return self
                .password("userpass", mount, &user.username, &user.secret_ref, field)
                .await;
        }
        if let Some(jwt) = &auth.jwt {
            return self.jwt(jwt).await;
        }
        if let Some(cert) = &auth.cert {
            return self.cert(cert, peer).await;
        }
        if let Some(iam) = &auth.iam {
            return self.iam(iam).await;
        }
        if let Some(gcp) = &auth.gcp {
            return self.gcp(gcp).await;
        }
        Err(incomplete("auth names no method").into())
    }

    async fn app_role(&self, role: &VaultAppRole) -> Result<Method, Stop> {
        let role_id = match (&role.role_id, &role.role_ref) {
            (Some(id), _) if !id.is_empty() => SecretBytes::from(id.as_str()),
            (_, Some(selector)) => self.secret(selector, "auth.appRole.roleRef", None).await?,
            _ => return Err(incomplete("auth.appRole needs roleId or roleRef").into()),
        };
        let secret_id = self
            .secret(&role.secret_ref, "auth.appRole.secretRef", None)
            .await?;
        Ok(Method::AppRole {
            mount: mount(&role.path, "approle"),
            role_id: Sealed::trimmed(&role_id),
            secret_id: Sealed::trimmed(&secret_id),
        })
    }

    async fn kubernetes(&self, auth: &VaultKubernetesAuth) -> Result<Method, Stop> {
        let subject = if let Some(account) = &auth.service_account_ref {
            // Without audiences the API server's own: what the review asks for by default.
            let field = "auth.kubernetes.serviceAccountRef";
            self.account(account, account.audiences.clone(), TOKEN_LIFE, field)
                .await?
        } else if let Some(selector) = &auth.secret_ref {
            let field = "auth.kubernetes.secretRef";
            let token = self.secret(selector, field, Some(TOKEN_KEY)).await?;
            Subject::Stored(Sealed::trimmed(&token))
        } else {
            Subject::Operator
        };
        Ok(Method::Kubernetes {
            mount: mount(&auth.mount_path, "kubernetes"),
            role: auth.role.clone(),
            subject,
        })
    }

    async fn jwt(&self, auth: &VaultJwtAuth) -> Result<Method, Stop> {
        let subject = if let Some(token) = &auth.kubernetes_service_account_token {
            let account = &token.service_account_ref;
            let mut audiences = match &token.audiences {
                Some(audiences) if !audiences.is_empty() => audiences.clone(),
                _ => vec![AUDIENCE.to_owned()],
            };
            for audience in &account.audiences {
                if !audiences.contains(audience) {
                    audiences.push(audience.clone());
                }
            }
            let life = token
                .expiration_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map_or(TOKEN_LIFE, Duration::from_secs);
            let field = "auth.jwt.kubernetesServiceAccountToken.serviceAccountRef";
            self.account(account, audiences, life, field).await?
        } else if let Some(selector) = &auth.secret_ref {
            let token = self.secret(selector, "auth.jwt.secretRef", None).await?;
            Subject::Stored(Sealed::trimmed(&token))
        } else {
            return Err(
                incomplete("auth.jwt needs kubernetesServiceAccountToken or secretRef").into(),
            );
        };
        Ok(Method::Jwt {
            mount: mount(&auth.path, "jwt"),
            role: auth.role.clone().unwrap_or_default(),
            subject,
        })
    }

    async fn password(
        &self,
        kind: &'static str,
        mount: String,
        username: &str,
        selector: &Option<SecretKeySelector>,
        field: &str,
    ) -> Result<Method, Stop> {
        let selector = selector
            .as_ref()
            .ok_or_else(|| incomplete(&format!("{field} is missing")))?;
        if username.is_empty() {
            return Err(incomplete(&format!("auth.{kind} names no user")).into());
        }
        let password = self.secret(selector, field, None).await?;
        Ok(Method::Password {
            kind,
            mount,
            username: username.to_owned(),
            // A password may end with white space, if hardly ever on purpose.
            password: Sealed::new(password),
        })
    }

    async fn cert(&self, auth: &VaultCertAuth, peer: &mut Peer) -> Result<Method, Stop> {
        let (Some(chain), Some(key)) = (&auth.client_cert, &auth.secret_ref) else {
            return Err(incomplete("auth.cert needs clientCert and secretRef").into());
        };
        let names = ["auth.cert.clientCert", "auth.cert.secretRef"];
        peer.certificate = Some(self.certificate(chain, key, names).await?);
        Ok(Method::Certificate {
            mount: mount(&auth.path, "cert"),
            role: auth.vault_role.clone().unwrap_or_default(),
        })
    }

    /// The identity at AWS is that of an AWS store with the same fields.
    async fn iam(&self, auth: &VaultAwsAuth) -> Result<Method, Stop> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let chosen = auth.jwt.is_some() || auth.secret_ref.is_some();
        let spec = AwsProvider {
            region: filled(&auth.region).unwrap_or_else(|| REGION.to_owned()),
            auth: chosen.then(|| AwsAuth {
                jwt: auth.jwt.clone(),
                secret_ref: auth.secret_ref.clone(),
            }),
            role: auth.role.clone(),
            external_id: auth.external_id.clone(),
            ..AwsProvider::default()
        };
        match aws::resolve(self.cluster, &spec, self.consumer).await? {
            Resolved::To(login) => Ok(Method::Iam {
                mount: mount(&auth.path, "aws"),
                role: auth.vault_role.clone(),
                server_id: filled(&auth.vault_aws_iam_server_id),
                login: Box::new(login),
            }),
            Resolved::Referent(reason) => Err(Stop::Referent(reason)),
        }
    }

    /// The identity at Google is that of a Google store with the same fields. A service account
    /// that is named alone is one of this cluster, which is taken for one of GKE.
    async fn gcp(&self, auth: &VaultGcpAuth) -> Result<Method, Stop> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let named = auth.service_account_ref.clone();
        let alone = named.map(|account| GcpWorkloadIdentity {
            service_account_ref: account,
            ..GcpWorkloadIdentity::default()
        });
        let gke = auth.workload_identity.clone().or(alone).map(|mut gke| {
            gke.cluster_location = filled(&gke.cluster_location).or_else(|| filled(&auth.location));
            gke
        });
        let spec = GcpAuth {
            secret_ref: auth.secret_ref.clone(),
            workload_identity: gke,
            workload_identity_federation: None,
        };
        let project = filled(&auth.project_id);
        let found = gcp::resolve_auth(
            self.cluster,
            self.env,
            &spec,
            project.as_deref(),
            self.consumer,
        );
        match found.await? {
            Resolved::To(login) => Ok(Method::Gcp {
                mount: mount(&auth.path, "gcp"),
                role: auth.role.clone(),
                login: Box::new(login),
            }),
            Resolved::Referent(reason) => Err(Stop::Referent(reason)),
        }
    }

    async fn certificate(
        &self,
        chain: &SecretKeySelector,
        key: &SecretKeySelector,
        [chain_field, key_field]: [&str; 2],
    ) -> Result<ClientCertificate, Stop> {
        let chain = self.secret(chain, chain_field, Some("tls.crt")).await?;
        let key = self.secret(key, key_field, Some("tls.key")).await?;
        Ok(ClientCertificate {
            chain: chain.expose().to_vec(),
            key: Sealed::new(key),
        })
    }

    async fn authorities(&self, spec: &VaultProvider) -> Result<Option<Vec<u8>>, Stop> {
        if let Some(bundle) = spec.ca_bundle.as_deref().filter(|text| !text.is_empty()) {
            let pem = STANDARD
                .decode(bundle.trim())
                .map_err(|_| incomplete("caBundle is not base64"))?;
            return Ok(Some(pem));
        }
        match &spec.ca_provider {
            Some(provider) => self.ca(provider).await.map(Some),
            None => Ok(None),
        }
    }

    async fn ca(&self, provider: &CaProvider) -> Result<Vec<u8>, Stop> {
        let namespace = self.namespace(provider.namespace.as_deref(), "caProvider")?;
        let name = &provider.name;
        let key = provider.key.as_deref().filter(|key| !key.is_empty());
        match provider.kind {
            CaProviderKind::ConfigMap => {
                let key = key.unwrap_or("ca.crt");
                let text = self.cluster.config_map_key(&namespace, name, key).await?;
                Ok(text.into_bytes())
            }
            _ => {
                let key = key.unwrap_or("ca.crt");
                let bytes = self.cluster.secret_key(&namespace, name, key).await?;
                Ok(bytes.expose().to_vec())
            }
        }
    }

    async fn account(
        &self,
        selector: &ServiceAccountSelector,
        audiences: Vec<String>,
        ttl: Duration,
        field: &str,
    ) -> Result<Subject, Stop> {
        let namespace = self.namespace(selector.namespace.as_deref(), field)?;
        let account = self
            .cluster
            .service_account(&namespace, &selector.name)
            .await?;
        Ok(Subject::Account {
            name: selector.name.clone(),
            uid: account.uid,
            namespace,
            audiences,
            ttl,
        })
    }

    async fn secret(
        &self,
        selector: &SecretKeySelector,
        field: &str,
        usual_key: Option<&str>,
    ) -> Result<SecretBytes, Stop> {
        let key = selector.key.as_deref().filter(|key| !key.is_empty());
        let (Some(name), Some(key)) = (&selector.name, key.or(usual_key)) else {
            return Err(incomplete(&format!("{field} needs name and key")).into());
        };
        let namespace = self.namespace(selector.namespace.as_deref(), field)?;
        let value = self.cluster.secret_key(&namespace, name, key).await?;
        if value.expose().trim_ascii().is_empty() {
            return Err(incomplete(&format!(
                "key {key} of Secret {namespace}/{name} ({field}) is empty"
            ))
            .into());
        }
        Ok(value)
    }

    fn namespace(&self, named: Option<&str>, field: &str) -> Result<String, Stop> {
        match namespace_of(self.consumer, named, field)? {
            Resolved::To(namespace) => Ok(namespace),
            Resolved::Referent(reason) => Err(Stop::Referent(reason)),
        }
    }
}

fn mount(path: &Option<String>, usual: &str) -> String {
    let path = path.as_deref().map(|path| path.trim_matches('/'));
    path.filter(|path| !path.is_empty())
        .unwrap_or(usual)
        .to_owned()
}

fn incomplete(reason: &str) -> Error {
    Error::Config {
        reason: format!("the store's login at Vault is incomplete: {reason}"),
        hint: Some(
            "Set auth.jwt with kubernetesServiceAccountToken, or auth.kubernetes with \
             serviceAccountRef: both store no key at all"
                .into(),
        ),
        code: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(auth: serde_json::Value) -> VaultProvider {
        serde_json::from_value(json!({"server": "https://v", "auth": auth})).unwrap()
    }

    #[test]
    fn an_open_reference_makes_the_identity_the_consumers() {
        for (auth, depends) in [
            (json!({"tokenSecretRef": {"name": "a", "key": "b"}}), true),
            (
                json!({"tokenSecretRef": {"name": "a", "key": "b", "namespace": "n"}}),
                false,
            ),
            (json!({"kubernetes": {"role": "r"}}), false),
            (
                json!({"kubernetes": {"role": "r", "serviceAccountRef": {"name": "s"}}}),
                true,
            ),
            (
                json!({"jwt": {"kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "s", "namespace": "n"}}}}),
                false,
            ),
        ] {
            assert_eq!(depends_on_consumer(&spec(auth.clone())), depends, "{auth}");
        }
        let mut with_ca = spec(json!({"kubernetes": {"role": "r"}}));
        with_ca.ca_provider =
            serde_json::from_value(json!({"type": "ConfigMap", "name": "ca"})).ok();
        assert!(depends_on_consumer(&with_ca));
    }
}
