//! A scenario's corner of the emulated Vault: its own mounts, policies and stores.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_sandbox::issuer::{Faults, SigningKey};
use keyless_sandbox::vault::Vault;
use serde_json::{Value, json};

use crate::api::eventually;
use crate::world::World;

impl World {
    /// The emulated Vault.
    #[must_use]
    pub fn vault(&self) -> &'static Vault {
        &self.ring.sandbox.vault
    }

    /// This scenario's own name for a mount or policy.
    #[must_use]
    pub fn vault_name(&self, name: &str) -> String {
        format!("{}-{}-{name}", self.tag(), self.ns)
    }

    /// The authority of Vault's certificate, as stores have it.
    #[must_use]
    pub fn ca_bundle(&self) -> String {
        STANDARD.encode(self.ring.sandbox.tls.ca_pem())
    }

    /// Vault's address.
    #[must_use]
    pub fn vault_url(&self) -> String {
        self.ring.sandbox.vault_url()
    }

    /// The cluster's issuer.
    #[must_use]
    pub fn issuer_url(&self) -> String {
        self.ring.sandbox.issuer.url().to_owned()
    }

    /// Has the cluster's issuer deliver its documents with these faults, to readers who have
    /// forgotten what they read before. The scenario must have the ring alone.
    pub fn publish_as(&self, faults: Faults) {
        let sandbox = &self.ring.sandbox;
        sandbox.issuer.set_faults(faults);
        sandbox.aws.forget_issuer_keys();
        sandbox.azure.forget_issuer_keys();
        sandbox.gcp.forget_issuer_keys();
        sandbox.vault.forget_issuers();
    }

    /// A key set without the key that signs the cluster's tokens.
    pub fn another_key_set(&self) -> Result<String> {
        let key = SigningKey::generate()?;
        Ok(json!({"keys": [key.jwk()]}).to_string())
    }

    /// Signs a token as the cluster's issuer does, whatever it claims.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        Ok(self
            .ring
            .sandbox
            .issuer
            .sign(claims.to_string().as_bytes())?)
    }

    /// The time by the sandbox's clock.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.ring.sandbox.clock.unix()
    }

    /// The spec of a store over this scenario's engine `kv`.
    #[must_use]
    pub fn vault_store(&self, auth: Value) -> Value {
        json!({"provider": {"vault": {"server": self.vault_url(), "path": self.vault_name("kv"), "caBundle": self.ca_bundle(), "auth": auth}}})
    }

    /// Login by a token of service account `account` at the method `jwt`.
    #[must_use]
    pub fn jwt_auth(&self, account: &str) -> Value {
        json!({"jwt": {"path": self.vault_name("jwt"), "role": "app", "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": account}}}})
    }

    /// Mounts the engine `kv` and the method `jwt`, which trusts the cluster's issuer.
    pub async fn jwt_method(&self) -> Result<()> {
        let mount = self.vault_name("jwt");
        self.vault().enable_kv(&self.vault_name("kv"), 2).await?;
        self.vault().enable_auth(&mount, "jwt").await?;
        let config = json!({"oidc_discovery_url": self.issuer_url()});
        self.vault()
            .write(&format!("auth/{mount}/config"), config)
            .await?;
        Ok(())
    }

    /// Writes role `app` of the method `jwt` for service account `account`, with `changes`.
    pub async fn jwt_role(&self, account: &str, changes: Value) -> Result<()> {
        let mut role = json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
            "bound_subject": self.subject(account), "token_policies": [self.vault_name("read")],
            "token_ttl": "1h",
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            role[name] = value.clone();
        }
        let path = format!("auth/{}/role/app", self.vault_name("jwt"));
        self.vault().write(&path, role).await?;
        Ok(())
    }

    /// Lets the policy of this scenario's roles read everything in `kv`.
    pub async fn vault_policy(&self) -> Result<()> {
        let kv = self.vault_name("kv");
        let paths = [format!("{kv}/data/*"), format!("{kv}/metadata/*")];
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        self.vault()
            .allow(&self.vault_name("read"), &paths, &["read", "list"])
            .await?;
        Ok(())
    }

    /// A working store `vault` by way of service account `account`.
    pub async fn vault_ready(&self, account: &str) -> Result<()> {
        self.jwt_method().await?;
        self.jwt_role(account, json!({})).await?;
        self.vault_policy().await?;
        self.service_account(account, json!({})).await?;
        self.store("vault", self.vault_store(self.jwt_auth(account)))
            .await
    }

    /// Writes a secret into `kv`.
    pub async fn vault_put(&self, path: &str, data: Value) -> Result<()> {
        self.vault().put(&self.vault_name("kv"), path, data).await?;
        Ok(())
    }

    /// The method `kubernetes`, which asks this ring's Kubernetes API with a reviewer of its own,
    /// and its role `app` for service account `account`.
    pub async fn kubernetes_method(&self, account: &str) -> Result<()> {
        let (host, authority) = self.ring.kubernetes();
        self.service_account("reviewer", json!({})).await?;
        let name = self.vault_name("reviewer");
        self.api.create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
            "subjects": [{"kind": "ServiceAccount", "name": "reviewer", "namespace": self.ns}],
        })).await?;
        let reviewer = self.api.token(&self.ns, "reviewer").await?;
        let mount = self.vault_name("kubernetes");
        let vault = self.vault();
        vault.enable_auth(&mount, "kubernetes").await?;
        let config = json!({"kubernetes_host": host, "kubernetes_ca_cert": authority, "token_reviewer_jwt": reviewer});
        vault.write(&format!("auth/{mount}/config"), config).await?;
        let role = json!({
            "bound_service_account_names": [account], "bound_service_account_namespaces": [self.ns],
            "token_policies": [self.vault_name("read")],
        });
        vault.write(&format!("auth/{mount}/role/app"), role).await?;
        Ok(())
    }

    /// Address of the emulated AWS.
    #[must_use]
    pub fn aws_url(&self) -> String {
        self.ring.sandbox.aws_url()
    }

    /// Asks the operator to look at the store `name` now.
    pub async fn look_again(&self, name: &str) -> Result<()> {
        let stamp = format!("{:?}", std::time::Instant::now());
        let patch = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": stamp}}});
        self.api
            .patch("SecretStore", &self.ns, name, &patch)
            .await?;
        Ok(())
    }

    /// Asks the operator to sync the ExternalSecret `name` now.
    pub async fn sync_now(&self, name: &str) -> Result<()> {
        let stamp = format!("{:?}", std::time::Instant::now());
        let patch = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": stamp}}});
        self.api
            .patch("ExternalSecret", &self.ns, name, &patch)
            .await?;
        Ok(())
    }

    /// Waits until the store is not Ready for a reason that contains `text`; returns the message.
    pub async fn until_store_says(&self, name: &str, text: &str) -> Result<String> {
        let what = format!("not Ready with {text:?}");
        let told = |object: &Value| {
            let (status, _, message) = crate::api::ready(object);
            status == "False" && message.contains(text)
        };
        let object = self
            .api
            .until("SecretStore", &self.ns, name, &what, told)
            .await?;
        Ok(crate::api::ready(&object).2)
    }

    /// Waits until the store is Ready.
    pub async fn until_store_ready(&self, name: &str) -> Result<()> {
        let told = |object: &Value| crate::api::ready(object).0 == "True";
        self.api
            .until("SecretStore", &self.ns, name, "Ready", told)
            .await?;
        Ok(())
    }

    /// Waits until no token of the method at `mount` lives.
    pub async fn until_no_token(&self, mount: &str) -> Result<()> {
        let mount = self.vault_name(mount);
        eventually("the revocation of every token", || async {
            Ok((self.vault().live_tokens("", &mount) == 0).then_some(()))
        })
        .await
    }
}
