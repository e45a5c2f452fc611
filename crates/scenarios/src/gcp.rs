//! A scenario's corner of Google Cloud: its own project with a pool that trusts the cluster.

use anyhow::Result;
use keyless_sandbox::gcp::{Gcp, OidcProvider};
use serde_json::{Value, json};

use crate::world::World;

/// The pool of every scenario's project and its provider for the cluster.
pub const POOL: &str = "my-pool";
/// The provider.
pub const PROVIDER: &str = "cluster";
/// May read payloads.
pub const ACCESSOR: &str = "roles/secretmanager.secretAccessor";
/// May see secrets and list them.
pub const VIEWER: &str = "roles/secretmanager.viewer";
/// May act as a service account.
pub const USER: &str = "roles/iam.workloadIdentityUser";

impl World {
    /// The emulated Google Cloud.
    #[must_use]
    pub fn gcp(&self) -> &'static Gcp {
        &self.ring.sandbox.gcp
    }

    /// The id of this scenario's project.
    #[must_use]
    pub fn gcp_project(&self) -> String {
        format!("gp-{}", self.ns)
    }

    /// The project's number: twelve digits out of its id.
    #[must_use]
    pub fn gcp_number(&self) -> String {
        let id = self.gcp_project();
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{}", 100_000_000_000 + hash % 900_000_000_000)
    }

    /// Makes this scenario's project, with a pool and no provider.
    pub fn make_gcp_project(&self) -> Result<()> {
        let project = self.gcp_project();
        self.gcp().create_project(&project, &self.gcp_number());
        self.gcp().create_pool(&project, POOL)?;
        Ok(())
    }

    /// Adds or replaces the provider that trusts `issuer`.
    pub fn trust_issuer(&self, issuer: &str) -> Result<()> {
        self.gcp_provider(&OidcProvider {
            issuer: issuer.to_owned(),
            ..OidcProvider::default()
        })
    }

    /// Adds or replaces the provider.
    pub fn gcp_provider(&self, provider: &OidcProvider) -> Result<()> {
        let project = self.gcp_project();
        let updated = self
            .gcp()
            .update_oidc_provider(&project, POOL, PROVIDER, provider);
        if updated.is_err() {
            self.gcp()
                .create_oidc_provider(&project, POOL, PROVIDER, provider)?;
        }
        Ok(())
    }

    /// The principal of this namespace's service account `account` in the pool.
    pub fn gcp_principal(&self, account: &str) -> Result<String> {
        let subject = self.subject(account);
        Ok(self
            .gcp()
            .pool_principal(&self.gcp_project(), POOL, &subject)?)
    }

    /// The provider's full name, what exchanges ask for.
    pub fn gcp_audience(&self) -> Result<String> {
        Ok(self
            .gcp()
            .provider_audience(&self.gcp_project(), POOL, PROVIDER)?)
    }

    /// Gives `member` a role in this scenario's project.
    pub fn gcp_bind(&self, role: &str, member: &str) -> Result<()> {
        self.gcp()
            .bind_on_project(&self.gcp_project(), role, member, None)?;
        Ok(())
    }

    /// The handle's name of a secret of this scenario's project.
    #[must_use]
    pub fn gcp_name(&self, id: &str) -> String {
        format!("{}/{id}", self.gcp_project())
    }

    /// Adds a version to a secret of this scenario's project; makes it where it is missing.
    pub fn gcp_secret(&self, id: &str, value: &str) -> Result<u64> {
        Ok(self
            .gcp()
            .set_secret(&self.gcp_name(id), value.as_bytes())?)
    }

    /// A project that trusts the cluster, and a working store `google` by way of service account
    /// `account`, whose principal may read and list everything.
    pub async fn gcp_ready(&self, account: &str) -> Result<()> {
        self.make_gcp_project()?;
        self.trust_issuer(&self.issuer_url())?;
        for role in [ACCESSOR, VIEWER] {
            self.gcp_bind(role, &self.gcp_principal(account)?)?;
        }
        self.service_account(account, json!({})).await?;
        self.store("google", self.gcp_store(account)?).await
    }

    /// The spec of a store that exchanges tokens of `account`.
    pub fn gcp_store(&self, account: &str) -> Result<Value> {
        Ok(self.gcp_spec(json!({"workloadIdentityFederation": {
            "serviceAccountRef": {"name": account}, "audience": self.gcp_audience()?,
        }})))
    }

    /// The spec of a store for this scenario's project, with `auth`; null is none.
    #[must_use]
    pub fn gcp_spec(&self, auth: Value) -> Value {
        let mut block = json!({"projectID": self.gcp_project()});
        if !auth.is_null() {
            block["auth"] = auth;
        }
        json!({"provider": {"gcpsm": block}})
    }

    /// Turns STS' clock ahead.
    pub fn gcp_skew(&self, seconds: i64) {
        self.gcp().skew_sts(seconds);
    }

    /// Makes the node one of GKE with the operator's pod on it, which goes on as `account`.
    pub fn run_on_gke(&self, account: Option<&str>) {
        self.ring
            .sandbox
            .run_on_gke("external-secrets", "external-secrets", account);
    }

    /// How often `service:Api` was called so far.
    #[must_use]
    pub fn gcp_calls(&self, service: &str, api: &str) -> u64 {
        self.gcp().calls(service, api).total
    }

    /// The environment of an operator that can reach Google.
    #[must_use]
    pub fn gcp_environment(&self) -> Vec<(String, String)> {
        let sandbox = &self.ring.sandbox;
        let authority = sandbox.authority_file().map(|file| {
            let file = file.display().to_string();
            ("SSL_CERT_FILE".to_owned(), file)
        });
        sandbox
            .gcp_environment()
            .into_iter()
            .chain([sandbox.resolve()])
            .chain(authority)
            .collect()
    }
}
