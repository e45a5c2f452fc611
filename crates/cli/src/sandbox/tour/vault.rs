//! Vault, by the token of a service account of the store's own namespace.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_sandbox::Sandbox;
use serde_json::{Value, json};

use super::super::stage::Stage;
use super::{Guide, Place};

const ACCOUNT: &str = include_str!("../../../../../examples/vault/service-account.yaml");
const STORE: &str = include_str!("../../../../../examples/vault/secret-store-jwt.yaml");
const EXTERNAL_SECRET: &str = include_str!("../../../../../examples/vault/external-secret.yaml");
const POLICY: &str = include_str!("../../../../../examples/vault/policy.hcl");

const PLACE: Place = Place {
    cloud: "Vault",
    store: "/apis/external-secrets.io/v1/namespaces/default/secretstores/vault",
    external_secret: "/apis/external-secrets.io/v1/namespaces/default/externalsecrets/app-db",
    secret: "/api/v1/namespaces/default/secrets/app-db",
    key: "DB_PASSWORD",
};
const ACCOUNT_PATH: &str = "/api/v1/namespaces/default/serviceaccounts/app";
const SUBJECT: &str = "system:serviceaccount:default:app";
const SECRET: &str = "app/db";

/// Walks through Vault's part.
pub(super) async fn walk(guide: &mut Guide<'_>) -> Result<()> {
    no_method(guide).await?;
    wrong_subject(guide).await?;
    no_policy(guide).await?;
    synced(guide).await?;
    changed(guide).await
}

/// The example's objects, with this sandbox's address and authority.
async fn apply(stage: &Stage) -> Result<()> {
    let account: Value = serde_saphyr::from_str(ACCOUNT)?;
    stage.objects.apply(ACCOUNT_PATH, &account).await?;
    let mut store: Value = serde_saphyr::from_str(STORE)?;
    if let Some(Value::Object(vault)) = store.pointer_mut("/spec/provider/vault") {
        let authority = STANDARD.encode(stage.sandbox.tls.ca_pem());
        vault.insert("server".to_owned(), stage.sandbox.vault_url().into());
        vault.insert("caBundle".to_owned(), authority.into());
    }
    stage.objects.apply(PLACE.store, &store).await?;
    let external_secret: Value = serde_saphyr::from_str(EXTERNAL_SECRET)?;
    stage
        .objects
        .apply(PLACE.external_secret, &external_secret)
        .await?;
    Ok(())
}

async fn method(sandbox: &Sandbox, subject: &str) -> Result<()> {
    let vault = &sandbox.vault;
    vault.enable_auth("jwt", "jwt").await?;
    let config = json!({"oidc_discovery_url": sandbox.issuer.url()});
    vault.write("auth/jwt/config", config).await?;
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "bound_subject": subject, "token_policies": ["app"], "token_ttl": "1h",
    });
    vault.write("auth/jwt/role/app", role).await?;
    Ok(())
}

async fn put(sandbox: &Sandbox, value: &str) -> Result<()> {
    let data = json!({ "password": value });
    sandbox.vault.put("secret", SECRET, data).await?;
    Ok(())
}

async fn policy(sandbox: &Sandbox) -> Result<()> {
    let policy = json!({ "policy": POLICY });
    sandbox.vault.write("sys/policies/acl/app", policy).await?;
    Ok(())
}

/// The whole trust and the example's secret in place, without a tour.
pub async fn trust_everything(sandbox: &Sandbox) -> Result<()> {
    put(sandbox, "from Vault").await?;
    method(sandbox, SUBJECT).await?;
    policy(sandbox).await
}

async fn no_method(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("No trust: Vault has no auth method for this cluster");
    put(&guide.stage.sandbox, "from Vault").await?;
    apply(guide.stage).await?;
    let did = format!(
        "wrote secret/{SECRET}; applied SecretStore default/vault, ExternalSecret default/app-db and their service account"
    );
    guide.refused(&PLACE, did, "403").await
}

async fn wrong_subject(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust for the wrong subject");
    let other = "system:serviceaccount:default:somebody-else";
    method(&guide.stage.sandbox, other).await?;
    let did = format!(
        "enabled auth/jwt for issuer {}; bound its role app to {other}",
        guide.stage.sandbox.issuer.url()
    );
    guide.refused(&PLACE, did, "V2").await
}

async fn no_policy(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust without permission");
    method(&guide.stage.sandbox, SUBJECT).await?;
    let did = format!("bound role app to {SUBJECT}; its policy app does not exist");
    guide.refused(&PLACE, did, "V8").await
}

async fn synced(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust and permission: the Secret appears");
    policy(&guide.stage.sandbox).await?;
    let did = "wrote policy app: read on secret/data/app/*".to_owned();
    guide.holds(&PLACE, did, "from Vault").await
}

async fn changed(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("The value changes at Vault, the Secret follows");
    put(&guide.stage.sandbox, "changed at Vault").await?;
    let did = format!(
        "wrote a new version of secret/{SECRET}; annotated the ExternalSecret with external-secrets.io/force-sync (its interval is 1h)"
    );
    guide.holds(&PLACE, did, "changed at Vault").await
}
