//! The condition and the doctor say the same of a broken chain, code and link, on either API server;
//! and saying it again is no write.

use anyhow::{Result, ensure};
use keyless_sandbox::gcp::OidcProvider;
use keyless_scenarios::api::{eventually, ready};
use keyless_scenarios::gcp::{ACCESSOR, PROVIDER};
use keyless_scenarios::{World, azure};
use serde_json::{Value, json};

scenarios!(
    verdicts_of_the_cluster,
    verdicts_on_aws,
    verdicts_on_azure,
    verdicts_on_google,
    verdicts_on_vault
);

const ROLE: &str = "eks.amazonaws.com/role-arn";

/// A store, its service account's annotations, and an ExternalSecret, all of one name.
async fn chain(w: &World, name: &str, annotations: Value, store: Value) -> Result<()> {
    w.service_account(name, annotations).await?;
    w.store(name, store).await?;
    external(w, name, "no-such").await
}

async fn external(w: &World, name: &str, key: &str) -> Result<()> {
    let spec = json!({"secretStoreRef": {"name": name},
        "data": [{"secretKey": "v", "remoteRef": {"key": key}}]});
    w.external_secret(name, spec).await?;
    Ok(())
}

/// The link that a message names; the controller's own findings are of the store.
fn link_in(message: &str) -> &str {
    let Some((_, rest)) = message.split_once("; broken link ") else {
        return "store";
    };
    let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '-'));
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

/// Condition and doctor name `code` and `link` for each.
async fn agree(w: &World, breaks: &[(&str, &str, &str)]) -> Result<()> {
    for (name, code, link) in breaks {
        let message = w.until_message(name, &format!("[{code}]")).await?;
        ensure!(link_in(&message) == *link, "{name}: {message}");
        ensure!(message.len() < 1024, "{name}: {} bytes", message.len());
        let what = format!("the doctor on {name}: {code} at {link}");
        eventually(&what, || async {
            let broken = w.diagnose(name).await?.broken;
            let same = broken.is_some_and(|b| b.code == *code && b.link.as_str() == *link);
            Ok(same.then_some(()))
        })
        .await?;
    }
    again(w, breaks).await
}

/// Another look at each store says the same, and neither store nor object is written.
async fn again(w: &World, breaks: &[(&str, &str, &str)]) -> Result<()> {
    w.settle().await?;
    let mut before = Vec::new();
    for (name, ..) in breaks {
        if w.api.get("SecretStore", &w.ns, name).await?.is_some() {
            w.look_again(name).await?;
        }
        w.sync_now(name).await?;
        before.push((name, seen(w, name).await?));
    }
    w.settle().await?;
    for (name, before) in before {
        let now = seen(w, name).await?;
        ensure!(
            now == before,
            "{name} was written: {before:?}, then {now:?}"
        );
    }
    Ok(())
}

/// Versions and messages of object and store.
async fn seen(w: &World, name: &str) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for kind in ["ExternalSecret", "SecretStore"] {
        if let Some(object) = w.api.get(kind, &w.ns, name).await? {
            let version = object["metadata"]["resourceVersion"].to_string();
            all.push((version, ready(&object).2));
        }
    }
    Ok(all)
}

async fn verdicts_of_the_cluster(world: World) -> Result<()> {
    let w = &world;
    external(w, "storeless", "k").await?;
    w.store("nobody", w.aws_store("absent")).await?;
    external(w, "nobody", "k").await?;
    agree(
        w,
        &[("storeless", "O6", "store"), ("nobody", "K19", "token")],
    )
    .await?;
    for label in [
        "controller=\"externalsecret\",code=\"O6\"",
        "controller=\"secretstore\",code=\"K19\"",
    ] {
        let failing = w.metric("keyless_failing_objects", label).await?;
        ensure!(failing.is_some_and(|n| n >= 1.0), "{label}: {failing:?}");
    }
    Ok(())
}

async fn verdicts_on_aws(world: World) -> Result<()> {
    let w = &world;
    let role = |name: &str| json!({ROLE: w.role_arn(name)});
    w.aws_role("reader", &w.subject("reader"), &w.path("*"))
        .await?;
    w.aws_role("subject", &w.subject("other"), &w.path("*"))
        .await?;
    w.aws_role("narrow", &w.subject("narrow"), "/elsewhere/*")
        .await?;
    w.aws_role("absent", &w.subject("absent"), "*").await?;
    let elsewhere = json!({ROLE: "arn:aws:iam::999900001111:role/x"});
    let mut audience = role("reader");
    audience["eks.amazonaws.com/audience"] = json!("somebody-else");
    let china = w.role_arn("reader").replace("arn:aws:", "arn:aws-cn:");
    for (name, annotations) in [
        ("elsewhere", elsewhere),
        ("audience", audience),
        ("subject", role("subject")),
        ("roleless", role("no-such-role")),
        ("bare", json!({})),
        (
            "mistyped",
            json!({"eks.amazon.com/role-arn": w.role_arn("reader")}),
        ),
        ("partition", json!({ROLE: china})),
        ("narrow", role("narrow")),
        ("absent", role("absent")),
    ] {
        chain(w, name, annotations, w.aws_store(name)).await?;
    }
    agree(
        w,
        &[
            ("elsewhere", "A1", "trust-object"),
            ("audience", "A2", "trust-object"),
            ("subject", "A3", "identity"),
            ("roleless", "A3", "identity"),
            ("bare", "O1", "manifest"),
            ("mistyped", "L14", "manifest"),
            ("partition", "A4", "identity"),
            ("narrow", "A18", "permission"),
            ("absent", "A21", "secret"),
        ],
    )
    .await
}

async fn verdicts_on_azure(world: World) -> Result<()> {
    let w = &world;
    w.make_key_vault(keyless_sandbox::azure::Access::Policies);
    let issuer = w.issuer_url();
    for (name, issuer, subject, audience) in [
        (
            "issuer",
            "https://other.example",
            w.subject("issuer"),
            azure::AUDIENCE,
        ),
        ("subject", &*issuer, w.subject("other"), azure::AUDIENCE),
        ("audience", &*issuer, w.subject("audience"), "api://other"),
        ("none", "", String::new(), ""),
        ("denied", &*issuer, w.subject("denied"), azure::AUDIENCE),
        ("absent", &*issuer, w.subject("absent"), azure::AUDIENCE),
    ] {
        let identity = w.azure().create_managed_identity(name);
        if !issuer.is_empty() {
            let client = &identity.client_id;
            w.azure()
                .add_federated_credential(client, name, issuer, &subject, audience)?;
        }
        if name == "absent" {
            w.allow_reading(&identity)?;
        }
        w.azure_account(name, &identity).await?;
        w.store(name, w.azure_store(name)).await?;
        external(w, name, "no-such").await?;
    }
    chain(w, "bare", json!({}), w.azure_store("bare")).await?;
    agree(
        w,
        &[
            ("issuer", "Z1", "trust-object"),
            ("subject", "Z3", "trust-object"),
            ("audience", "Z2", "trust-object"),
            ("none", "Z5", "trust-object"),
            ("denied", "Z19", "permission"),
            ("absent", "Z22", "secret"),
            ("bare", "O2", "manifest"),
        ],
    )
    .await
}

async fn verdicts_on_google(world: World) -> Result<()> {
    let w = &world;
    w.make_gcp_project()?;
    w.trust_issuer(&w.issuer_url())?;
    w.gcp_bind(ACCESSOR, &w.gcp_principal("absent")?)?;
    let sound = w.gcp_audience()?;
    let provider = |id: &str, change: OidcProvider| -> Result<String> {
        w.gcp().create_oidc_provider(
            &w.gcp_project(),
            keyless_scenarios::gcp::POOL,
            id,
            &change,
        )?;
        Ok(sound.replace(&format!("providers/{PROVIDER}"), &format!("providers/{id}")))
    };
    let of = |issuer: &str| OidcProvider {
        issuer: issuer.to_owned(),
        ..OidcProvider::default()
    };
    let here = w.issuer_url();
    let issuer = provider("issuer", of("https://other.example"))?;
    let audience = provider(
        "audience",
        OidcProvider {
            audiences: vec!["other".into()],
            ..of(&here)
        },
    )?;
    let condition = provider(
        "condition",
        OidcProvider {
            condition: Some("assertion.sub == 'nobody'".into()),
            ..of(&here)
        },
    )?;
    for (name, audience) in [
        ("id", sound.replace(&w.gcp_number(), &w.gcp_project())),
        ("gone", sound.replace(PROVIDER, "gone-away")),
        ("issuer", issuer),
        ("audience", audience),
        ("condition", condition),
        ("denied", sound.clone()),
        ("absent", sound.clone()),
    ] {
        let auth = json!({"workloadIdentityFederation": {
            "serviceAccountRef": {"name": name}, "audience": audience}});
        chain(w, name, json!({}), w.gcp_spec(auth)).await?;
    }
    agree(
        w,
        &[
            ("id", "G1", "trust-object"),
            ("gone", "G1", "trust-object"),
            ("issuer", "G5", "trust-object"),
            ("audience", "G3", "trust-object"),
            ("condition", "G7", "trust-object"),
            ("denied", "G12", "permission"),
            ("absent", "G13", "secret"),
        ],
    )
    .await
}

async fn verdicts_on_vault(world: World) -> Result<()> {
    let w = &world;
    w.jwt_method().await?;
    w.vault_policy().await?;
    let mount = w.vault_name("jwt");
    for (name, changes) in [
        ("subject", json!({"bound_subject": w.subject("other")})),
        ("audience", json!({"bound_audiences": ["other"]})),
        ("denied", json!({"token_policies": ["none"]})),
    ] {
        let mut role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
            "bound_subject": w.subject(name), "token_policies": [w.vault_name("read")]});
        for (field, value) in changes.as_object().into_iter().flatten() {
            role[field] = value.clone();
        }
        let path = format!("auth/{mount}/role/{name}");
        w.vault().write(&path, role).await?;
        let mut auth = w.jwt_auth(name);
        auth["jwt"]["role"] = json!(name);
        chain(w, name, json!({}), w.vault_store(auth)).await?;
    }
    agree(
        w,
        &[
            ("subject", "V2", "trust-object"),
            ("audience", "V3", "trust-object"),
            ("denied", "V8", "permission"),
        ],
    )
    .await
}
