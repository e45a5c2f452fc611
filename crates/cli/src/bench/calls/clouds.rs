//! The providers that are measured: their values, identities and stores in the sandbox.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_sandbox::Sandbox;
use keyless_sandbox::azure::Access;
use keyless_sandbox::gcp::OidcProvider;
use serde_json::{Value, json};

use super::Shape;
use super::counts::{Counts, Seen};
use crate::bench::load::Load;
use crate::bench::server::Server;
use crate::sandbox::stage::issuer_host;

/// A provider.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Cloud {
    /// AWS Parameter Store
    ParameterStore,
    /// AWS Secrets Manager
    SecretsManager,
    /// Azure Key Vault
    Azure,
    /// Google Secret Manager
    Gcp,
    /// HashiCorp Vault
    Vault,
}

const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";
const KEY_VAULT: &str = "bench";
const POOL: &str = "bench-pool";
const PROVIDER: &str = "cluster";

impl Cloud {
    /// In the order in which they are measured.
    pub const ALL: [Self; 5] = [
        Self::ParameterStore,
        Self::SecretsManager,
        Self::Azure,
        Self::Gcp,
        Self::Vault,
    ];

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ParameterStore => "AWS Parameter Store",
            Self::SecretsManager => "AWS Secrets Manager",
            Self::Azure => "Azure Key Vault",
            Self::Gcp => "Google Secret Manager",
            Self::Vault => "Vault",
        }
    }

    /// The label `provider` of the operator's metrics.
    pub const fn metric(self) -> &'static str {
        match self {
            Self::ParameterStore => "AWS/ParameterStore",
            Self::SecretsManager => "AWS/SecretsManager",
            Self::Azure => "Azure/KeyVault",
            Self::Gcp => "GCP/SecretManager",
            Self::Vault => "HashiCorp/Vault",
        }
    }

    /// Whether one call may read many keys.
    pub const fn batches(self) -> bool {
        matches!(self, Self::ParameterStore | Self::SecretsManager)
    }

    /// The remote name of a value.
    pub fn key(self, name: &str) -> String {
        match self {
            Self::ParameterStore => format!("/bench/{name}"),
            Self::SecretsManager => format!("bench/{name}"),
            Self::Azure | Self::Gcp | Self::Vault => name.to_owned(),
        }
    }

    /// The property that holds the value.
    pub const fn property(self) -> Option<&'static str> {
        match self {
            Self::Vault => Some("value"),
            _ => None,
        }
    }

    /// The operator's environment.
    pub fn environment(self, server: &Server) -> Vec<(String, String)> {
        let sandbox = &server.sandbox;
        let authority = sandbox.authority_file().map(|file| {
            let file = file.display().to_string();
            ("SSL_CERT_FILE".to_owned(), file)
        });
        server
            .operator_environment()
            .into_iter()
            .chain(sandbox.gcp_environment())
            .chain([
                sandbox.resolve(),
                (
                    "AZURE_AUTHORITY_HOST".to_owned(),
                    "https://login.microsoftonline.com/".to_owned(),
                ),
            ])
            .chain(authority)
            .collect()
    }

    /// What the cloud counted so far.
    pub fn counts(self, sandbox: &Sandbox) -> Seen {
        let named = |all: Counts, login: &str, service: &str| {
            let logins = all.get(login).copied().unwrap_or_default();
            let of = |(api, n): (String, u64)| api.starts_with(service).then_some((api, n));
            Seen {
                logins,
                calls: all.into_iter().filter_map(of).collect(),
            }
        };
        let aws = || -> Counts {
            let all = sandbox.aws.all_calls().into_iter();
            all.map(|(api, calls)| (api, calls.total)).collect()
        };
        match self {
            Self::ParameterStore => named(aws(), "sts:AssumeRoleWithWebIdentity", "ssm:"),
            Self::SecretsManager => {
                named(aws(), "sts:AssumeRoleWithWebIdentity", "secretsmanager:")
            }
            Self::Azure => {
                let all = sandbox.azure.all_calls().into_iter();
                let all = all.map(|(api, calls)| (api, calls.total)).collect();
                named(all, "entra:Token", "keyvault:")
            }
            Self::Gcp => {
                let all = sandbox.gcp.all_calls().into_iter();
                let all = all.map(|(api, calls)| (api, calls.total)).collect();
                named(all, "sts:ExchangeToken", "secretmanager:")
            }
            Self::Vault => Seen {
                logins: sandbox.vault.calls("write auth/bench/login"),
                calls: Counts::from([(
                    "read bench/data/…".to_owned(),
                    sandbox.vault.calls("read bench/data/"),
                )]),
            },
        }
    }

    /// Values, identities with their service accounts, and stores.
    pub async fn furnish(
        self,
        server: &Server,
        load: &Load,
        shape: Shape,
        namespace: &str,
    ) -> Result<()> {
        let sandbox = &server.sandbox;
        self.prepare(sandbox).await?;
        let own = (0..shape.objects).map(|i| format!("own-{i}"));
        let shared = (0..shape.identities).map(|i| format!("shared-{i}"));
        for name in own.chain(shared) {
            self.put(sandbox, &name).await?;
        }
        for identity in 0..shape.identities {
            let name = format!("reader-{identity}");
            let subject = format!("system:serviceaccount:{namespace}:{name}");
            let annotations = self.trust(sandbox, &name, &subject).await?;
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "annotations": annotations}});
            load.create(
                &format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
                &account,
            )
            .await?;
        }
        for store in 0..shape.stores {
            let reader = format!("reader-{}", shape.identity(store));
            let object = json!({
                "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                "metadata": {"name": format!("store-{store:03}"), "namespace": namespace},
                "spec": {"provider": self.store(sandbox, &reader)?},
            });
            let path = format!("/apis/external-secrets.io/v1/namespaces/{namespace}/secretstores");
            load.create(&path, &object).await?;
        }
        Ok(())
    }

    /// What all identities share.
    async fn prepare(self, sandbox: &Sandbox) -> Result<()> {
        match self {
            Self::ParameterStore | Self::SecretsManager => {
                let issuer = sandbox.issuer.url();
                match sandbox
                    .aws
                    .create_oidc_provider(issuer, &["sts.amazonaws.com"])
                {
                    Err(error) if error.code != "EntityAlreadyExists" => return Err(error.into()),
                    _ => {}
                }
            }
            Self::Azure => sandbox.azure.create_vault(KEY_VAULT, Access::Policies),
            Self::Gcp => {
                let (gcp, provider) = (
                    &sandbox.gcp,
                    OidcProvider {
                        issuer: sandbox.issuer.url().to_owned(),
                        ..OidcProvider::default()
                    },
                );
                gcp.create_pool(gcp.project(), POOL)?;
                gcp.create_oidc_provider(gcp.project(), POOL, PROVIDER, &provider)?;
            }
            Self::Vault => {
                let vault = &sandbox.vault;
                vault.enable_kv("bench", 2).await?;
                vault.enable_auth("bench", "jwt").await?;
                let config = json!({"oidc_discovery_url": sandbox.issuer.url()});
                vault.write("auth/bench/config", config).await?;
                vault.allow("bench", &["bench/data/*"], &["read"]).await?;
            }
        }
        Ok(())
    }

    async fn put(self, sandbox: &Sandbox, name: &str) -> Result<()> {
        let key = self.key(name);
        match self {
            Self::ParameterStore => {
                sandbox.aws.put_parameter(&key, name)?;
            }
            Self::SecretsManager => {
                sandbox.aws.put_secret(&key, name)?;
            }
            Self::Azure => {
                sandbox.azure.set_secret(KEY_VAULT, &key, name)?;
            }
            Self::Gcp => {
                sandbox.gcp.set_secret(&key, name.as_bytes())?;
            }
            Self::Vault => {
                let data = json!({ "value": name });
                sandbox.vault.put("bench", &key, data).await?;
            }
        }
        Ok(())
    }

    /// Lets a service account read everything; returns its annotations.
    async fn trust(self, sandbox: &Sandbox, name: &str, subject: &str) -> Result<Value> {
        match self {
            Self::ParameterStore | Self::SecretsManager => {
                let (aws, host) = (&sandbox.aws, issuer_host(sandbox));
                let account = aws.account();
                let trust = json!({"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                    "Principal": {"Federated": format!("arn:aws:iam::{account}:oidc-provider/{host}")},
                    "Condition": {"StringEquals": {format!("{host}:sub"): subject}},
                }]});
                let policy = json!({"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Resource": "*",
                    "Action": ["ssm:GetParameter*", "secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets"],
                }]});
                match aws.create_role(name, &trust.to_string()) {
                    Err(error) if error.code != "EntityAlreadyExists" => return Err(error.into()),
                    _ => aws.put_role_policy(name, "read", &policy.to_string())?,
                }
                let arn = format!("arn:aws:iam::{account}:role/{name}");
                Ok(json!({"eks.amazonaws.com/role-arn": arn}))
            }
            Self::Azure => {
                let azure = &sandbox.azure;
                let identity = azure.create_managed_identity(name);
                let client = &identity.client_id;
                let issuer = sandbox.issuer.url();
                azure.add_federated_credential(client, name, issuer, subject, AZURE_AUDIENCE)?;
                azure.set_access_policy(
                    KEY_VAULT,
                    &identity.object_id,
                    [&["get", "list"], &[], &[]],
                )?;
                Ok(json!({
                    "azure.workload.identity/client-id": client,
                    "azure.workload.identity/tenant-id": azure.tenant(),
                }))
            }
            Self::Gcp => {
                let gcp = &sandbox.gcp;
                let member = gcp.pool_principal(gcp.project(), POOL, subject)?;
                let role = "roles/secretmanager.secretAccessor";
                gcp.bind_on_project(gcp.project(), role, &member, None)?;
                Ok(json!({}))
            }
            Self::Vault => {
                let role = json!({
                    "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
                    "bound_subject": subject, "token_policies": ["bench"], "token_ttl": "1h",
                });
                let path = format!("auth/bench/role/{name}");
                sandbox.vault.write(&path, role).await?;
                Ok(json!({}))
            }
        }
    }

    /// The spec of a store that logs in as service account `reader`.
    fn store(self, sandbox: &Sandbox, reader: &str) -> Result<Value> {
        let account = json!({ "name": reader });
        let aws = |service: &str| {
            json!({"aws": {
                "service": service, "region": sandbox.aws.region(),
                "auth": {"jwt": {"serviceAccountRef": account}},
            }})
        };
        Ok(match self {
            Self::ParameterStore => aws("ParameterStore"),
            Self::SecretsManager => aws("SecretsManager"),
            Self::Azure => json!({"azurekv": {
                "authType": "WorkloadIdentity", "serviceAccountRef": account,
                "vaultUrl": format!("https://{KEY_VAULT}.vault.azure.net"),
            }}),
            Self::Gcp => {
                let project = sandbox.gcp.project();
                let audience = sandbox.gcp.provider_audience(project, POOL, PROVIDER)?;
                json!({"gcpsm": {"projectID": project, "auth": {"workloadIdentityFederation": {
                    "serviceAccountRef": account, "audience": audience,
                }}}})
            }
            Self::Vault => json!({"vault": {
                "server": sandbox.vault_url(), "path": "bench",
                "caBundle": STANDARD.encode(sandbox.tls.ca_pem()),
                "auth": {"jwt": {"path": "bench", "role": reader, "kubernetesServiceAccountToken": {"serviceAccountRef": account}}},
            }}),
        })
    }
}
