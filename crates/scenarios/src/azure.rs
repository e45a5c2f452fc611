//! A scenario's corner of Azure: its own vault and its own managed identities.

use anyhow::Result;
use keyless_sandbox::azure::{Access, Azure, Identity};
use serde_json::{Value, json};

use crate::world::World;

/// The audience of federated credentials.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

impl World {
    /// The emulated Azure.
    #[must_use]
    pub fn azure(&self) -> &Azure {
        self.ring.azure()
    }

    /// The managed identity that the operator's own service account stands for.
    #[must_use]
    pub fn azure_operator(&self) -> &Identity {
        &self.ring.azure_operator
    }

    /// The name of this scenario's vault.
    #[must_use]
    pub fn key_vault(&self) -> String {
        format!("kv-{}", self.ns)
    }

    /// Its URL, under Azure's own domain.
    #[must_use]
    pub fn key_vault_url(&self) -> String {
        format!("https://{}.vault.azure.net", self.key_vault())
    }

    /// The sandbox's own URL of Azure, as a private cloud would name it.
    #[must_use]
    pub fn azure_url(&self) -> String {
        self.ring.sandbox.azure_url()
    }

    /// The environment of an operator that can reach Azure.
    #[must_use]
    pub fn azure_environment(&self) -> Vec<(String, String)> {
        let sandbox = &self.ring.sandbox;
        let client = &self.ring.azure_operator.client_id;
        let authority = sandbox.authority_file().map(|file| {
            let file = file.display().to_string();
            ("SSL_CERT_FILE".to_owned(), file)
        });
        let azure = sandbox.azure_environment(&self.ring.azure_token, client);
        azure
            .into_iter()
            .chain([sandbox.resolve()])
            .chain(authority)
            .collect()
    }

    /// Makes or remakes this scenario's vault, empty.
    pub fn make_key_vault(&self, access: Access) {
        self.azure().create_vault(&self.key_vault(), access);
    }

    /// Lets `identity` get and list everything in this scenario's vault.
    pub fn allow_reading(&self, identity: &Identity) -> Result<()> {
        let verbs: &[&str] = &["get", "list"];
        self.azure()
            .set_access_policy(&self.key_vault(), &identity.object_id, [verbs; 3])?;
        Ok(())
    }

    /// Lets tokens of this namespace's service account `account` become `identity`.
    pub fn trust_account(&self, identity: &Identity, account: &str) -> Result<()> {
        self.azure().add_federated_credential(
            &identity.client_id,
            account,
            &self.issuer_url(),
            &self.subject(account),
            AUDIENCE,
        )?;
        Ok(())
    }

    /// A service account whose annotations name `identity`.
    pub async fn azure_account(&self, account: &str, identity: &Identity) -> Result<()> {
        self.service_account(
            account,
            json!({
                "azure.workload.identity/client-id": identity.client_id,
                "azure.workload.identity/tenant-id": self.azure().tenant(),
            }),
        )
        .await
    }

    /// A vault, and a working store `azure` by way of service account `account`.
    pub async fn azure_ready(&self, account: &str) -> Result<Identity> {
        self.make_key_vault(Access::Policies);
        let identity = self.azure().create_managed_identity(account);
        self.trust_account(&identity, account)?;
        self.allow_reading(&identity)?;
        self.azure_account(account, &identity).await?;
        self.store("azure", self.azure_store(account)).await?;
        Ok(identity)
    }

    /// The spec of a Key Vault store that logs in as `account`.
    #[must_use]
    pub fn azure_store(&self, account: &str) -> Value {
        self.azure_spec(&json!({
            "authType": "WorkloadIdentity",
            "serviceAccountRef": {"name": account},
        }))
    }

    /// The spec of a store for this scenario's vault, with `auth`.
    #[must_use]
    pub fn azure_spec(&self, auth: &Value) -> Value {
        let mut block = json!({"vaultUrl": self.key_vault_url()});
        if let (Some(block), Some(auth)) = (block.as_object_mut(), auth.as_object()) {
            block.extend(auth.clone());
        }
        json!({"provider": {"azurekv": block}})
    }

    /// Makes the operator look at an object again, whatever its back-off.
    pub async fn again(&self, kind: &str, name: &str, why: &str) -> Result<()> {
        let sync = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": why}}});
        self.api.patch(kind, &self.ns, name, &sync).await?;
        Ok(())
    }

    /// Creates a Secret of this namespace with one key.
    pub async fn stored(&self, name: &str, key: &str, value: &str) -> Result<()> {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": self.ns},
            "stringData": {key: value},
        });
        self.api.create(&object).await?;
        Ok(())
    }

    /// How often `service:Api` was called so far.
    #[must_use]
    pub fn azure_calls(&self, service: &str, api: &str) -> u64 {
        self.azure().calls(service, api).total
    }
}
