//! Google Cloud: names and annotations, the issuer as STS sees it, pools that are gone.

use anyhow::{Context as _, Result};
use keyless_sandbox::gcp::OidcProvider;
use keyless_sandbox::issuer::Faults;
use keyless_scenarios::World;
use keyless_scenarios::gcp::{ACCESSOR, POOL};
use keyless_trust::catalogue::recognise;
use serde_json::json;

use super::{doctor_says, one, says, store_says};

scenarios!(google_names, google_deleted_pools, google_organisation);
// Alone: they change what others log in with.
scenarios!(alone: google_issuers_documents);

/// Names that are too long, or of another form.
async fn google_names(world: World) -> Result<()> {
    let w = &world;
    w.gcp_ready("reader").await?;
    w.gcp_secret("x", "v")?;
    let long = "a".repeat(95);
    w.service_account(&long, json!({})).await?;
    w.store("long", w.gcp_store(&long)?).await?;
    w.service_account("named", json!({"iam.gke.io/gcp-service-account": "reader"}))
        .await?;
    w.store("named", w.gcp_store("named")?).await?;
    let audience = w.gcp_audience()?;
    let with = |audience: String| {
        w.gcp_spec(json!({"workloadIdentityFederation": {
            "serviceAccountRef": {"name": "reader"}, "audience": audience}}))
    };
    w.store("scheme", with(format!("https:{audience}"))).await?;
    let by_id = audience.replace(&w.gcp_number(), &w.gcp_project());
    w.store("id", with(by_id)).await?;
    for (name, code) in [
        ("long", "G8"),
        ("named", "G20"),
        ("scheme", "G2"),
        ("id", "G1"),
    ] {
        store_says(w, name, code).await?;
        w.external_secret(name, one(name, "x")).await?;
        w.until_failed(name).await?;
        doctor_says(w, name, code).await?;
    }
    Ok(())
}

/// A pool's id stays taken for thirty days.
async fn google_deleted_pools(world: World) -> Result<()> {
    let w = &world;
    w.make_gcp_project()?;
    w.trust_issuer(&w.issuer_url())?;
    w.service_account("late", json!({})).await?;
    let (gcp, project) = (w.gcp(), w.gcp_project());
    let store = w.gcp_store("late")?;
    gcp.delete_pool(&project, POOL)?;
    w.store("late", store).await?;
    store_says(w, "late", "G1").await?;
    let refused = gcp
        .create_pool(&project, POOL)
        .err()
        .context("it was made")?;
    let rows = recognise(&refused.to_string());
    assert_eq!(rows.first().map(|row| row.code), Some("G14"), "{refused}");
    Ok(())
}

/// A service perimeter that admits somebody else, and a constraint on issuers.
async fn google_organisation(world: World) -> Result<()> {
    let w = &world;
    w.gcp_ready("reader").await?;
    w.gcp_secret("x", "v")?;
    w.external_secret("es", one("google", "x")).await?;
    w.until_ready("es").await?;
    let (gcp, project) = (w.gcp(), w.gcp_project());
    let other = w.gcp_principal("somebody-else")?;
    gcp.set_perimeter(&project, Some(&[&other]))?;
    w.again("ExternalSecret", "es", "outside").await?;
    let message = says(w, "es", "G22").await?;
    assert!(
        message.contains("prohibited by organization's policy"),
        "{message}"
    );
    assert_eq!(
        w.secret_data("es").await?["v"],
        "v",
        "the last good value stays"
    );
    let own = w.gcp_principal("reader")?;
    gcp.set_perimeter(&project, Some(&[&other, &own]))?;
    w.again("ExternalSecret", "es", "inside").await?;
    w.until_ready("es").await?;

    gcp.allow_issuers(&project, Some(&["https://oidc.example.com/c1"]))?;
    let provider = OidcProvider {
        issuer: w.issuer_url(),
        ..OidcProvider::default()
    };
    let refused = gcp.create_oidc_provider(&project, POOL, "second", &provider);
    let refused = refused.err().context("it was made")?;
    let rows = recognise(&refused.to_string());
    assert_eq!(rows.first().map(|row| row.code), Some("G15"), "{refused}");
    gcp.allow_issuers(&project, None)?;
    gcp.create_oidc_provider(&project, POOL, "second", &provider)?;
    Ok(())
}

/// The issuer's documents as Google finds them.
async fn google_issuers_documents(world: World) -> Result<()> {
    let w = &world;
    w.make_gcp_project()?;
    w.trust_issuer(&w.issuer_url())?;
    let mut seen = Vec::new();
    for (faults, code) in [
        (
            Faults {
                status: Some(404),
                ..Faults::default()
            },
            "G4",
        ),
        (
            Faults {
                keys: Some(w.another_key_set()?),
                ..Faults::default()
            },
            "G4",
        ),
    ] {
        w.publish_as(faults);
        let name = format!("look-{}", seen.len());
        w.service_account(&name, json!({})).await?;
        w.gcp_bind(ACCESSOR, &w.gcp_principal(&name)?)?;
        w.store(&name, w.gcp_store(&name)?).await?;
        seen.push(store_says(w, &name, code).await);
    }
    w.publish_as(Faults::default());
    for result in seen {
        result?;
    }
    w.look_again("look-0").await?;
    w.until_store_ready("look-0").await
}
