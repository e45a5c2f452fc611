//! What a provider's store means: who logs in there.

use keyless_api::{
    AwsProvider, AzureAuthType, AzureEnvironment, AzureKvProvider, GcpSmProvider,
    SecretStoreProvider, ServiceAccountSelector, VaultProvider,
};

use keyless_api::SecretStoreSpec;
use keyless_fault::ObjectRef;

use super::options::{Options, Platform};
use super::{Cloud, GoogleLogin, VaultMethod};
use crate::aws::Arn;
use crate::gcp::PoolProvider;
use crate::trust::ServiceAccount;

/// How a store logs in.
pub(super) enum Login {
    /// By a service account's tokens.
    Keyless {
        account: ServiceAccount,
        audience: String,
        cloud: Cloud,
    },
    /// In a way that no trust is needed for, in words.
    Other(String),
}

/// What must be known to understand a store.
pub(super) struct Context<'a> {
    /// An annotation of a service account that is set and not empty.
    pub(super) annotation: &'a dyn Fn(&ServiceAccount, &str) -> Option<String>,
    pub(super) options: &'a Options,
    /// The store.
    pub(super) store: &'a ObjectRef,
    /// Its spec.
    pub(super) spec: &'a SecretStoreSpec,
    /// Namespace of the ExternalSecret.
    pub(super) namespace: &'a str,
}

impl Context<'_> {
    pub(super) fn login(&self) -> Login {
        let provider = &self.spec.provider;
        match provider {
            SecretStoreProvider { aws: Some(aws), .. } => self.aws(aws),
            SecretStoreProvider {
                azurekv: Some(azure),
                ..
            } => self.azure(azure),
            SecretStoreProvider {
                gcpsm: Some(google),
                ..
            } => self.google(google),
            SecretStoreProvider {
                vault: Some(vault), ..
            } => self.vault(vault),
            other => Login::Other(format!(
                "provider {} needs no trust of a cloud",
                other.names().first().copied().unwrap_or("none")
            )),
        }
    }

    /// The account that a selector names: a SecretStore's is in its own namespace, that of a
    /// ClusterSecretStore where it says, else in the namespace that asks.
    fn account(&self, selector: &ServiceAccountSelector) -> ServiceAccount {
        let own = self.store.namespace.as_deref();
        let named = selector.namespace.as_deref().filter(|n| !n.is_empty());
        let namespace = own.or(named).unwrap_or(self.namespace);
        ServiceAccount::new(namespace, selector.name.clone())
    }

    fn annotation(&self, account: &ServiceAccount, key: &str) -> Option<String> {
        (self.annotation)(account, key)
    }

    fn aws(&self, spec: &AwsProvider) -> Login {
        let auth = spec.auth.as_ref();
        let jwt = auth.and_then(|a| a.jwt.as_ref());
        let account = match jwt.and_then(|j| j.service_account_ref.as_ref()) {
            Some(selector) => self.account(selector),
            None if auth.is_some_and(|a| a.secret_ref.is_some()) => {
                return Login::Other("it uses a stored access key".into());
            }
            None => self.options.operator.clone(),
        };
        let role = self.annotation(&account, "eks.amazonaws.com/role-arn");
        let mut chain: Vec<Arn> = spec
            .additional_roles
            .iter()
            .chain(spec.role.iter().filter(|role| !role.is_empty()))
            .filter_map(|role| Arn::parse_role(role).ok())
            .collect();
        chain.dedup();
        let audience = self.annotation(&account, "eks.amazonaws.com/audience");
        Login::Keyless {
            audience: audience.unwrap_or_else(|| "sts.amazonaws.com".into()),
            cloud: Cloud::Aws {
                role: role.and_then(|role| Arn::parse_role(&role).ok()),
                chain,
            },
            account,
        }
    }

    fn azure(&self, spec: &AzureKvProvider) -> Login {
        match spec.auth_type.clone().unwrap_or_default() {
            AzureAuthType::WorkloadIdentity => {}
            AzureAuthType::ManagedIdentity => {
                return Login::Other("it uses the node's managed identity".into());
            }
            _ => return Login::Other("it uses a stored secret or certificate".into()),
        }
        let account = match &spec.service_account_ref {
            Some(selector) => self.account(selector),
            None => self.options.operator.clone(),
        };
        let annotation = |key| self.annotation(&account, key);
        let tenant = spec.tenant_id.clone().filter(|t| !t.is_empty());
        let tenant = tenant
            .or_else(|| annotation("azure.workload.identity/tenant-id"))
            .or_else(|| self.options.azure.tenant.clone());
        let suffix = match spec.environment_type.clone().unwrap_or_default() {
            AzureEnvironment::UsGovernmentCloud => "USGov",
            AzureEnvironment::ChinaCloud => "China",
            _ => "",
        };
        Login::Keyless {
            audience: format!("api://AzureADTokenExchange{suffix}"),
            cloud: Cloud::Azure {
                client: annotation("azure.workload.identity/client-id"),
                tenant,
            },
            account,
        }
    }

    fn google(&self, spec: &GcpSmProvider) -> Login {
        let auth = spec.auth.as_ref();
        let gke = auth.and_then(|a| a.workload_identity.as_ref());
        let pool = auth.and_then(|a| a.workload_identity_federation.as_ref());
        let project = |own: Option<&String>| {
            own.or(spec.project_id.as_ref())
                .cloned()
                .or_else(|| self.options.google.project.clone())
        };
        if let Some(gke) = gke {
            let account = self.account(&gke.service_account_ref);
            return self.gke(account, project(gke.cluster_project_id.as_ref()));
        }
        if let Some(pool) = pool {
            let Some(selector) = &pool.service_account_ref else {
                return Login::Other("its tokens do not come from this cluster".into());
            };
            let account = self.account(selector);
            let provider = pool
                .audience
                .as_deref()
                .and_then(|a| PoolProvider::parse(a).ok());
            let audience = selector.audiences.first().cloned();
            let own = provider.as_ref().map(|p| {
                let [bare, _] = p.default_audiences();
                bare
            });
            let email = pool.gcp_service_account_email.clone();
            return Login::Keyless {
                audience: audience.or(own).unwrap_or_default(),
                cloud: Cloud::Google {
                    by: GoogleLogin::Pool(provider),
                    impersonates: email
                        .or_else(|| self.annotation(&account, "iam.gke.io/gcp-service-account")),
                },
                account,
            };
        }
        if auth.is_some_and(|a| a.secret_ref.is_some()) {
            return Login::Other("it uses a stored service account key".into());
        }
        let gke = self.options.issuer.as_ref().map(Platform::of);
        match gke {
            Some(Platform::Gke { project: clusters }) => {
                self.gke(self.options.operator.clone(), Some(clusters))
            }
            None => self.gke(self.options.operator.clone(), project(None)),
            Some(_) => Login::Keyless {
                account: self.options.operator.clone(),
                audience: String::new(),
                cloud: Cloud::Google {
                    by: GoogleLogin::Pool(None),
                    impersonates: None,
                },
            },
        }
    }

    fn gke(&self, account: ServiceAccount, project: Option<String>) -> Login {
        Login::Keyless {
            audience: project
                .as_ref()
                .map_or(String::new(), |project| format!("{project}.svc.id.goog")),
            cloud: Cloud::Google {
                by: GoogleLogin::Gke { project },
                impersonates: self.annotation(&account, "iam.gke.io/gcp-service-account"),
            },
            account,
        }
    }

    fn vault(&self, spec: &VaultProvider) -> Login {
        let Some(auth) = &spec.auth else {
            return Login::Other("it names no login".into());
        };
        let namespace = auth.namespace.clone().or_else(|| spec.namespace.clone());
        if auth.token_secret_ref.is_some() || auth.app_role.is_some() {
            return Login::Other("it uses a stored token or secret id".into());
        }
        if let Some(kubernetes) = &auth.kubernetes {
            if kubernetes.secret_ref.is_some() && kubernetes.service_account_ref.is_none() {
                return Login::Other("it uses a stored token".into());
            }
            let selector = kubernetes.service_account_ref.as_ref();
            let audience = selector.and_then(|s| s.audiences.first()).cloned();
            return Login::Keyless {
                account: selector.map_or(self.options.operator.clone(), |s| self.account(s)),
                audience: audience.unwrap_or_default(),
                cloud: Cloud::Vault {
                    server: spec.server.clone(),
                    namespace,
                    method: VaultMethod::Kubernetes,
                    mount: kubernetes.mount_path.clone().unwrap_or("kubernetes".into()),
                    role: kubernetes.role.clone(),
                },
            };
        }
        let jwt = auth.jwt.as_ref();
        let minted = jwt.and_then(|j| j.kubernetes_service_account_token.as_ref());
        let (Some(jwt), Some(minted)) = (jwt, minted) else {
            return Login::Other("it uses stored credentials, or those of another cloud".into());
        };
        let first = |list: &Option<Vec<String>>| list.as_ref().and_then(|l| l.first()).cloned();
        let audience = first(&minted.audiences).unwrap_or_else(|| "vault".into());
        Login::Keyless {
            account: self.account(&minted.service_account_ref),
            audience,
            cloud: Cloud::Vault {
                server: spec.server.clone(),
                namespace,
                method: VaultMethod::Jwt,
                mount: jwt.path.clone().unwrap_or("jwt".into()),
                role: jwt.role.clone().unwrap_or_default(),
            },
        }
    }
}
