//! Vault: reviews that fail, methods without configuration, and what nobody refuses.

use anyhow::{Result, ensure};
use keyless_scenarios::World;
use serde_json::json;

use super::store_says;

scenarios!(
    vault_reviews,
    vault_unconfigured,
    vault_tokens_of_the_deleted
);

/// The server may not review tokens, and tells nobody.
async fn vault_reviews(world: World) -> Result<()> {
    let w = &world;
    w.service_account("app", json!({})).await?;
    w.vault().enable_kv(&w.vault_name("kv"), 2).await?;
    w.vault_policy().await?;
    w.kubernetes_method("app").await?;
    let auth = json!({"kubernetes": {"mountPath": w.vault_name("kubernetes"), "role": "app", "serviceAccountRef": {"name": "app"}}});
    w.api
        .delete("ClusterRoleBinding", "", &w.vault_name("reviewer"))
        .await?;
    w.store("vault", w.vault_store(auth)).await?;
    let message = store_says(w, "vault", "V1").await?;
    ensure!(
        message.contains("permission denied") && message.contains("system:auth-delegator"),
        "{message}"
    );
    Ok(())
}

/// A method without configuration, or with an issuer that cannot be read.
async fn vault_unconfigured(world: World) -> Result<()> {
    let w = &world;
    w.service_account("app", json!({})).await?;
    let mount = w.vault_name("jwt");
    w.vault().enable_auth(&mount, "jwt").await?;
    w.store("vault", w.vault_store(w.jwt_auth("app"))).await?;
    store_says(w, "vault", "V5").await?;
    Ok(())
}

/// The method jwt does not ask the cluster, so that a token outlives its service account. The
/// method kubernetes does ask.
async fn vault_tokens_of_the_deleted(world: World) -> Result<()> {
    // V7: nothing fails, so that nobody can name it.
    let w = &world;
    w.vault_ready("app").await?;
    w.until_store_ready("vault").await?;
    w.kubernetes_method("app").await?;
    let token = w.api.token_for(&w.ns, "app", "vault", 3600).await?;
    w.stored("kept", "token", &token).await?;
    w.api.delete("ServiceAccount", &w.ns, "app").await?;
    let kept = json!({"name": "kept", "key": "token"});
    let jwt = json!({"jwt": {"path": w.vault_name("jwt"), "role": "app", "secretRef": kept}});
    w.store("jwt", w.vault_store(jwt)).await?;
    w.until_store_ready("jwt").await?;
    let reviewed = json!({"kubernetes": {"mountPath": w.vault_name("kubernetes"), "role": "app", "secretRef": kept}});
    w.store("reviewed", w.vault_store(reviewed)).await?;
    w.until_store_says("reviewed", "permission denied").await?;
    Ok(())
}
