//! Azure: who logs in, the issuer as Entra sees it, what a tenant and a network refuse.

use anyhow::Result;
use keyless_sandbox::issuer::Faults;
use keyless_scenarios::World;
use serde_json::json;

use super::{doctor_says, one, says, store_says};

scenarios!(azure_accounts, azure_closed_vault);
// Alone: they change what others log in with.
scenarios!(alone: azure_issuers_documents, azure_tenants_policy, azure_environments);

/// Service accounts that stand for nobody, or for nobody in this tenant.
async fn azure_accounts(world: World) -> Result<()> {
    let w = &world;
    w.azure_ready("reader").await?;
    let gone = w.azure().create_managed_identity("gone");
    w.trust_account(&gone, "gone")?;
    w.azure().delete_identity(&gone.client_id);
    let client = "azure.workload.identity/client-id";
    let tenant = "azure.workload.identity/tenant-id";
    let elsewhere = "00000000-0000-0000-0000-000000000000";
    let rows = [
        (
            "gone",
            json!({client: gone.client_id, tenant: w.azure().tenant()}),
            "Z6",
        ),
        (
            "elsewhere",
            json!({client: gone.client_id, tenant: elsewhere}),
            "Z6",
        ),
    ];
    for (name, annotations, _) in &rows {
        w.service_account(name, annotations.clone()).await?;
        w.store(name, w.azure_store(name)).await?;
        w.external_secret(name, one(name, "x")).await?;
    }
    for (name, _, code) in &rows {
        store_says(w, name, code).await?;
        w.until_failed(name).await?;
        doctor_says(w, name, code).await?;
    }
    w.service_account("bare", json!({})).await?;
    w.store("bare", w.azure_store("bare")).await?;
    w.external_secret("bare", one("bare", "x")).await?;
    store_says(w, "bare", "O2").await?;
    doctor_says(w, "bare", "O2").await
}

/// A vault that is closed to the public refuses whom its policies let in.
async fn azure_closed_vault(world: World) -> Result<()> {
    let w = &world;
    w.azure_ready("reader").await?;
    let vault = w.key_vault();
    w.azure().set_secret(&vault, "x", "v")?;
    w.external_secret("es", one("azure", "x")).await?;
    w.until_ready("es").await?;
    w.azure().set_public_access(&vault, false)?;
    w.again("ExternalSecret", "es", "closed").await?;
    let message = says(w, "es", "Z21").await?;
    assert!(message.contains("ForbiddenByConnection"), "{message}");
    assert_eq!(
        w.secret_data("es").await?["v"],
        "v",
        "the last good value stays"
    );
    w.azure().set_public_access(&vault, true)?;
    w.again("ExternalSecret", "es", "open").await?;
    w.until_ready("es").await?;
    Ok(())
}

/// The issuer's documents as Entra finds them.
async fn azure_issuers_documents(world: World) -> Result<()> {
    let w = &world;
    w.azure_ready("reader").await?;
    let mut seen = Vec::new();
    for (faults, code) in [
        (
            Faults {
                status: Some(404),
                ..Faults::default()
            },
            "Z9",
        ),
        (
            Faults {
                discovery: Some("<html>sign in</html>".to_owned()),
                ..Faults::default()
            },
            "Z9",
        ),
        (
            Faults {
                keys: Some("-----BEGIN PUBLIC KEY-----".to_owned()),
                ..Faults::default()
            },
            "Z10",
        ),
        (
            Faults {
                keys: Some(w.another_key_set()?),
                ..Faults::default()
            },
            "Z8",
        ),
    ] {
        w.publish_as(faults);
        let name = format!("look-{}", seen.len());
        // Each with a login of its own: a refused one is not repeated at once.
        let identity = w.azure().create_managed_identity(&name);
        w.trust_account(&identity, &name)?;
        w.azure_account(&name, &identity).await?;
        w.store(&name, w.azure_store(&name)).await?;
        seen.push(store_says(w, &name, code).await);
    }
    w.publish_as(Faults::default());
    for result in seen {
        result?;
    }
    w.again("SecretStore", "azure", "published").await?;
    w.until_store_ready("azure").await
}

/// The tenant takes no workload identities.
async fn azure_tenants_policy(world: World) -> Result<()> {
    let w = &world;
    let identity = w.azure_ready("reader").await?;
    w.until_store_ready("azure").await?;
    w.azure().allow_federation(false);
    w.service_account("late", json!({})).await?;
    w.trust_account(&identity, "late")?;
    w.stored("ids", "client", &identity.client_id).await?;
    let auth = json!({
        "authType": "WorkloadIdentity", "tenantId": w.azure().tenant(),
        "serviceAccountRef": {"name": "late"},
        "authSecretRef": {"clientId": {"name": "ids", "key": "client"}},
    });
    w.store("late", w.azure_spec(&auth)).await?;
    let refused = store_says(w, "late", "Z12").await;
    w.azure().allow_federation(true);
    refused?;
    w.again("SecretStore", "late", "allowed").await?;
    w.until_store_ready("late").await
}

/// Operators whose pods Azure's webhook left alone, or gave a token that Entra does not take.
async fn azure_environments(world: World) -> Result<()> {
    let w = &world;
    w.azure_ready("reader").await?;
    let client = w.azure_operator().client_id.clone();
    let class = |what: &str| format!("{what}-{}", w.ns);
    let store = |class: &str, auth: serde_json::Value| {
        let mut spec = w.azure_spec(&auth);
        spec["controller"] = json!(class);
        spec
    };
    // No tenant anywhere.
    let operator = w
        .operator_with(&class("untold"), vec![("AZURE_TENANT_ID", None)])
        .await?;
    w.service_account("half", json!({"azure.workload.identity/client-id": client}))
        .await?;
    let half = json!({"authType": "WorkloadIdentity", "serviceAccountRef": {"name": "half"}});
    w.store("half", store(&class("untold"), half)).await?;
    let half = store_says(w, "half", "Z16").await;
    operator.stop().await?;
    half?;
    // Nothing was injected.
    let own = || json!({"authType": "WorkloadIdentity"});
    let nothing = vec![
        ("AZURE_CLIENT_ID", None),
        ("AZURE_TENANT_ID", None),
        ("AZURE_FEDERATED_TOKEN_FILE", None),
    ];
    let operator = w.operator_with(&class("plain"), nothing).await?;
    w.store("plain", store(&class("plain"), own())).await?;
    let plain = store_says(w, "plain", "Z13").await;
    operator.stop().await?;
    plain?;
    // Tokens that something else than a kubelet wrote.
    w.azure().add_federated_credential(
        &client,
        &w.ns,
        &w.issuer_url(),
        &w.subject("signed"),
        keyless_scenarios::azure::AUDIENCE,
    )?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    let now = w.now();
    let claims = json!({"iss": w.issuer_url(), "sub": w.subject("signed"), "aud": [keyless_scenarios::azure::AUDIENCE],
        "iat": now, "nbf": now, "exp": now + 3600});
    let good = w.sign(&claims)?;
    let header = |header: serde_json::Value| super::cluster::with_header(&good, &header);
    let environment = vec![(
        "AZURE_FEDERATED_TOKEN_FILE",
        Some(file.display().to_string()),
    )];
    std::fs::write(&file, &good)?;
    let operator = w.operator_with(&class("given"), environment).await?;
    let mut seen = Vec::new();
    for (name, token, code) in [
        (
            "elliptic",
            header(json!({"alg": "ES256", "typ": "JWT", "kid": "k"})),
            "Z11",
        ),
        (
            "nameless",
            header(json!({"alg": "RS256", "typ": "JWT"})),
            "Z11",
        ),
        (
            "typed",
            header(json!({"alg": "RS256", "typ": "at+jwt", "kid": "k"})),
            "Z11",
        ),
        ("nonsense", "no token".to_owned(), "K16"),
    ] {
        std::fs::write(&file, token)?;
        w.store(name, store(&class("given"), own())).await?;
        w.again("SecretStore", name, "anew").await?;
        seen.push(store_says(w, name, code).await);
    }
    operator.stop().await?;
    for result in seen {
        result?;
    }
    Ok(())
}
