//! The chain from a cluster's token to a Secret, link by link, on Google Secret Manager.

use anyhow::Result;
use keyless_sandbox::gcp::faults::{Effect, Fault};
use keyless_sandbox::gcp::{OidcProvider, VersionState};
use keyless_scenarios::World;
use keyless_scenarios::api::eventually;
use keyless_scenarios::gcp::{ACCESSOR, POOL, VIEWER};
use serde_json::{Value, json};

scenarios!(
    gcp_refusals_then_secret,
    gcp_permissions,
    gcp_states_of_a_project,
    gcp_answers_that_are_none,
    gcp_tenants,
);
// Alone: they turn clocks, read everything that was said, or use a name that other examples have.
scenarios!(alone:
    gcp_blog_manifests,
    gcp_expired_token,
    gcp_secrecy,
);

fn spec(store: &str, data: Value) -> Value {
    json!({"secretStoreRef": {"name": store}, "data": data})
}

fn one(key: &str) -> Value {
    json!([{"secretKey": "v", "remoteRef": {"key": key}}])
}

/// Each broken link is named by Google's own code and explained, and mending it is enough.
async fn gcp_refusals_then_secret(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.make_gcp_project()?;
    w.service_account("reader", json!({})).await?;
    w.store("google", w.gcp_store("reader")?).await?;
    w.external_secret("hello", spec("google", one("password")))
        .await?;

    // No provider at all.
    let message = w.until_message("hello", "invalid_target").await?;
    assert!(message.contains("[G1]"), "{message}");

    let good = OidcProvider {
        issuer: w.issuer_url(),
        ..OidcProvider::default()
    };
    let condition = "assertion.sub.startsWith('system:serviceaccount:nowhere:')";
    for (name, provider, code, row) in [
        (
            "issuer",
            OidcProvider {
                issuer: "https://issuer.example/other".to_owned(),
                ..good.clone()
            },
            "The issuer in ID Token",
            "[G5]",
        ),
        (
            "audience",
            OidcProvider {
                audiences: vec!["another".to_owned()],
                ..good.clone()
            },
            "The audience in ID Token",
            "[G3]",
        ),
        (
            "condition",
            OidcProvider {
                condition: Some(condition.to_owned()),
                ..good.clone()
            },
            "rejected by the attribute condition",
            "[G7]",
        ),
    ] {
        w.gcp_provider(&provider)?;
        w.again("SecretStore", "google", name).await?;
        let message = w.until_message("hello", code).await?;
        assert!(message.contains(row), "{message}");
    }

    // The wrong subject is a principal without any role.
    w.gcp_provider(&good)?;
    w.gcp_bind(ACCESSOR, &w.gcp_principal("someone-else")?)?;
    w.again("SecretStore", "google", "trusted").await?;
    let principal = w.gcp_principal("reader")?;
    let message = w.until_message("hello", "PERMISSION_DENIED").await?;
    assert!(
        message.contains("[G12]") && message.contains(&principal),
        "the message names the principal: {message}"
    );

    w.gcp_bind(ACCESSOR, &principal)?;
    w.again("SecretStore", "google", "allowed").await?;
    w.until_message("hello", "[G13]").await?;

    w.gcp_secret("password", "s3cr3t")?;
    let name = w.gcp_name("password");
    for state in [VersionState::Disabled, VersionState::Destroyed] {
        gcp.set_version_state(&name, "latest", state)?;
        w.again("ExternalSecret", "hello", &state.to_string())
            .await?;
        let message = w
            .until_message("hello", &format!("is in {state} state"))
            .await?;
        assert!(message.contains("[G13]"), "{message}");
    }
    assert!(
        w.secret("hello").await?.is_none(),
        "nothing was written on the way"
    );

    w.gcp_secret("password", "anew")?;
    w.again("ExternalSecret", "hello", "enabled").await?;
    w.until_ready("hello").await?;
    assert_eq!(
        w.secret_data("hello").await?,
        [("v".to_owned(), "anew".to_owned())].into()
    );

    // A disabled pool ends logins, and the last good value stays.
    gcp.disable_pool(&w.gcp_project(), POOL, true)?;
    w.store("late", w.gcp_store("reader")?).await?;
    w.external_secret("other", spec("google", one("password")))
        .await?;
    w.until_ready("other").await?;
    gcp.disable_pool(&w.gcp_project(), POOL, false)?;
    Ok(())
}

/// The manifests of the example, byte for byte: Google's host names lead to the sandbox, whose
/// metadata server serves the operator's pod as GKE's does.
async fn gcp_blog_manifests(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    let project = gcp.project();
    // As the blog's binding has it.
    let member = gcp.gke_principal(project, "external-secrets", "external-secrets")?;
    gcp.bind_on_project(project, ACCESSOR, &member, None)?;
    gcp.set_secret("path-to-key", b"from the blog")?;
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/gcp-secret-manager"
    );
    for file in ["cluster-secret-store.yaml", "external-secret.yaml"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}"))?;
        w.api.create(&serde_saphyr::from_str(&text)?).await?;
    }
    let ready = |o: &Value| keyless_scenarios::api::ready(o).0 == "True";
    w.api
        .until("ExternalSecret", "default", "hello", "Ready", ready)
        .await?;
    let secret = w.api.get("Secret", "default", "hello").await?;
    let secret = secret.expect("the Secret exists");
    assert_eq!(
        keyless_scenarios::data(&secret)["SOME_ENV_VAR"],
        "from the blog"
    );
    // Outside the scenario's namespace, so not cleared by itself.
    w.api.delete("ExternalSecret", "default", "hello").await?;
    w.api
        .delete("ClusterSecretStore", "", "gcp-secret-manager")
        .await?;
    gcp.unbind_on_project(project, &member)?;
    Ok(())
}

/// A role may be on the project or on one secret, with a condition or without; a store says what
/// it can know.
async fn gcp_permissions(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.make_gcp_project()?;
    w.trust_issuer(&w.issuer_url())?;
    w.service_account("reader", json!({})).await?;
    w.store("google", w.gcp_store("reader")?).await?;
    let principal = w.gcp_principal("reader")?;
    for id in ["a", "b"] {
        w.gcp_secret(id, id)?;
    }
    gcp.bind_on_secret(&w.gcp_name("a"), ACCESSOR, &principal, None)?;
    // A role on one secret cannot be seen from the store: it is Ready all the same.
    w.external_secret("es", spec("google", one("a"))).await?;
    w.until_ready("es").await?;
    w.external_secret("other", spec("google", one("b"))).await?;
    w.until_message("other", "secretmanager.versions.access")
        .await?;
    let condition = keyless_sandbox::gcp::Condition {
        title: "only b".to_owned(),
        expression: format!(
            "resource.name.startsWith('projects/{}/secrets/b/')",
            w.gcp_number()
        ),
        ..Default::default()
    };
    gcp.bind_on_project(&w.gcp_project(), ACCESSOR, &principal, Some(condition))?;
    w.again("ExternalSecret", "other", "bound").await?;
    w.until_ready("other").await?;

    // Listing needs a role of its own.
    let find = json!({"secretStoreRef": {"name": "google"}, "dataFrom": [{"find": {"name": {"regexp": "."}}}]});
    w.external_secret("all", find).await?;
    let message = w.until_message("all", "secretmanager.secrets.list").await?;
    assert!(message.contains("roles/secretmanager.viewer"), "{message}");
    w.gcp_bind(VIEWER, &principal)?;
    w.again("ExternalSecret", "all", "bound").await?;
    w.until_ready("all").await?;
    Ok(())
}

/// What is wrong with a project is no missing secret, and the last good value outlives it.
async fn gcp_states_of_a_project(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.gcp_ready("reader").await?;
    w.gcp_secret("a", "value")?;
    w.external_secret("es", json!({
        "secretStoreRef": {"name": "google"}, "target": {"deletionPolicy": "Delete"}, "data": one("a"),
    }))
    .await?;
    w.until_ready("es").await?;

    gcp.enable_secret_manager(&w.gcp_project(), false)?;
    w.again("ExternalSecret", "es", "disabled").await?;
    let message = w
        .until_message("es", "has not been used in project")
        .await?;
    assert!(message.contains("[G10]"), "{message}");
    gcp.enable_secret_manager(&w.gcp_project(), true)?;

    gcp.add_fault(Fault::new(Effect::Perimeter).about(&w.gcp_project()));
    w.again("ExternalSecret", "es", "perimeter").await?;
    let message = w.until_message("es", "prohibited by organization").await?;
    assert!(message.contains("[G22]"), "{message}");
    gcp.clear_faults_about(&w.gcp_project());
    assert_eq!(w.secret_data("es").await?["v"], "value");

    let mut missing = w.gcp_store("reader")?;
    missing["provider"]["gcpsm"]["projectID"] = json!("no-such-project");
    w.store("missing", missing).await?;
    w.external_secret("none", spec("missing", one("a"))).await?;
    let message = w.until_message("none", "no-such-project").await?;
    assert!(message.contains("[G12]"), "{message}");

    // Deleted is deleted.
    assert!(gcp.delete_secret(&w.gcp_name("a")));
    w.again("ExternalSecret", "es", "deleted").await?;
    eventually("the Secret's end", || async {
        Ok(w.secret("es").await?.is_none().then_some(()))
    })
    .await?;
    Ok(())
}

/// What lies in between is no missing secret, and nothing of it reaches the Secret.
async fn gcp_answers_that_are_none(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.gcp_ready("reader").await?;
    w.gcp_secret("a", "value")?;
    w.external_secret("es", json!({
        "secretStoreRef": {"name": "google"}, "target": {"deletionPolicy": "Delete"}, "data": one("a"),
    }))
    .await?;
    w.until_ready("es").await?;
    let about = w.gcp_project();
    for (name, effect, text) in [
        ("page", Effect::Html { status: 404 }, "something in between"),
        ("empty", Effect::Html { status: 200 }, "UnreadableAnswer"),
        ("sum", Effect::Corrupt, "ChecksumMismatch"),
        (
            "redirect",
            Effect::Redirect {
                location: "https://evil.example/".into(),
            },
            "an answer without a redirect",
        ),
    ] {
        gcp.add_fault(
            Fault::new(effect)
                .on("secretmanager", "AccessSecretVersion")
                .about(&about),
        );
        w.again("ExternalSecret", "es", name).await?;
        let message = w.until_message("es", text).await?;
        assert!(name != "sum" || message.contains("[G21]"), "{message}");
        assert_eq!(w.secret_data("es").await?["v"], "value", "{name}");
        gcp.clear_faults_about(&about);
    }
    // One broken payload is read again.
    w.gcp_secret("a", "new")?;
    gcp.add_fault(
        Fault::new(Effect::Corrupt)
            .on("secretmanager", "AccessSecretVersion")
            .about(&about)
            .times(1),
    );
    w.again("ExternalSecret", "es", "once").await?;
    eventually("the new value", || async {
        Ok((w.secret_data("es").await?["v"] == "new").then_some(()))
    })
    .await
}

/// A tenant's store uses its own service accounts and Secrets only.
async fn gcp_tenants(world: World) -> Result<()> {
    let w = &world;
    w.gcp_ready("reader").await?;
    let audience = w.gcp_audience()?;
    let foreign = json!({"name": "external-secrets", "namespace": "external-secrets"});
    let key = json!({"name": "k", "key": "k", "namespace": "external-secrets"});
    for (name, auth) in [
        (
            "federation",
            json!({"workloadIdentityFederation": {"serviceAccountRef": foreign, "audience": audience}}),
        ),
        (
            "gke",
            json!({"workloadIdentity": {"serviceAccountRef": foreign, "clusterName": "main",
                "clusterLocation": "europe-west3", "clusterProjectID": w.gcp_project()}}),
        ),
        (
            "key",
            json!({"secretRef": {"secretAccessKeySecretRef": key}}),
        ),
        (
            "config",
            json!({"workloadIdentityFederation": {"credConfig": key}}),
        ),
    ] {
        w.store(name, w.gcp_spec(auth)).await?;
        w.until_store_says(name, "namespace should either be empty or match")
            .await?;
    }
    Ok(())
}

/// A token that has ended by STS' clock is named as such.
async fn gcp_expired_token(world: World) -> Result<()> {
    let w = &world;
    w.gcp_ready("reader").await?;
    w.gcp_secret("a", "value")?;
    w.gcp_skew(2 * 3600);
    w.service_account("late", json!({})).await?;
    w.gcp_bind(ACCESSOR, &w.gcp_principal("late")?)?;
    w.store("expired", w.gcp_store("late")?).await?;
    let message = w.until_store_says("expired", "stale to sign-in").await?;
    w.gcp_skew(0);
    assert!(message.contains("[G6]"), "{message}");
    w.again("SecretStore", "expired", "in time").await?;
    w.external_secret("es", spec("expired", one("a"))).await?;
    w.until_ready("es").await?;
    Ok(())
}

/// No value, subject token or access token appears anywhere.
async fn gcp_secrecy(world: World) -> Result<()> {
    let w = &world;
    w.gcp_ready("reader").await?;
    let canary = "canary-of-google-0123456789";
    w.gcp_secret("a", canary)?;
    w.gcp_secret("b", &format!("{{\"k\":\"{canary}\"}}"))?;
    w.external_secret("es", spec("google", one("a"))).await?;
    w.until_ready("es").await?;
    let bad = json!([{"secretKey": "v", "remoteRef": {"key": "b", "property": "none"}}]);
    w.external_secret("bad", spec("google", bad)).await?;
    w.until_failed("bad").await?;
    w.gcp()
        .unbind_on_project(&w.gcp_project(), &w.gcp_principal("reader")?)?;
    w.again("ExternalSecret", "es", "denied").await?;
    w.until_message("es", "PERMISSION_DENIED").await?;
    let mut secrets = w.tokens_minted();
    secrets.push(canary.to_owned());
    for (place, text) in w.everything_said().await? {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} holds a secret");
        }
        // Subject tokens are JWTs; access tokens begin as Google's do.
        for start in ["eyJ", "ya29."] {
            assert!(!text.contains(start), "{place} holds a token");
        }
    }
    Ok(())
}
