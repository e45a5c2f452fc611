//! What a reference means in Google Secret Manager: versions, properties, labels, regions.

use anyhow::Result;
use keyless_sandbox::gcp::VersionState;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(gcp_values, gcp_latest_or_fetch, gcp_search, gcp_regional);

fn entry(secret_key: &str, reference: Value) -> Value {
    json!({"secretKey": secret_key, "remoteRef": reference})
}

/// Versions, aliases, properties, labels and annotations.
async fn gcp_values(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.gcp_ready("reader").await?;
    w.gcp_secret("v", "old")?;
    w.gcp_secret("v", "new")?;
    gcp.update_secret(
        &w.gcp_name("v"),
        &json!({
            "versionAliases": {"stable": "1"}, "labels": {"env": "prod"},
            "annotations": {"team": "me & you"},
        }),
    )?;
    let value = r#"{"a":{"b":"path"},"a.b":"literal","c.d":1.50,"list":[{"k":"x"}]}"#;
    w.gcp_secret("j", value)?;
    gcp.set_secret(&w.gcp_name("bytes"), &[0, 159, 146, 150])?;
    let fetch = |secret_key: &str, property: &str| {
        entry(
            secret_key,
            json!({"key": "v", "property": property, "metadataPolicy": "Fetch"}),
        )
    };
    w.external_secret(
        "es",
        json!({"secretStoreRef": {"name": "google"}, "data": [
            entry("first", json!({"key": "v", "version": "1"})),
            entry("stable", json!({"key": "v", "version": "stable"})),
            entry("latest", json!({"key": "v"})),
            entry("named", json!({"key": "v", "version": "latest"})),
            entry("path", json!({"key": "j", "property": "a.b"})),
            entry("deep", json!({"key": "j", "property": "list.0.k"})),
            entry("bytes", json!({"key": "bytes", "decodingStrategy": "None"})),
            fetch("label", "labels.env"),
            fetch("annotation", "annotations.team"),
            fetch("labels", "labels"),
            entry("all", json!({"key": "v", "metadataPolicy": "Fetch"})),
        ], "dataFrom": [{"extract": {"key": "j"}}]}),
    )
    .await?;
    w.until_ready("es").await?;
    let secret = w.secret("es").await?.expect("the Secret exists");
    assert_eq!(secret["data"]["bytes"], "AJ+Slg==");
    let data = w.secret_data("es").await?;
    for (key, value) in [
        ("first", "old"),
        ("stable", "old"),
        ("latest", "new"),
        ("named", "new"),
        ("path", "literal"),
        ("deep", "x"),
        ("label", "prod"),
        ("annotation", "me & you"),
        ("labels", r#"{"env":"prod"}"#),
        ("a.b", "literal"),
    ] {
        assert_eq!(data.get(key).map(String::as_str), Some(value), "{key}");
    }
    let all: Value = serde_json::from_str(&data["all"])?;
    assert_eq!(
        all,
        json!({"annotations": {"team": "me & you"}, "labels": {"env": "prod"}})
    );

    for (name, reference, text) in [
        (
            "version",
            json!({"key": "v", "version": "9"}),
            "has no such version",
        ),
        (
            "full-name",
            json!({"key": "projects/p/secrets/v"}),
            "is no secret of Google Secret Manager",
        ),
        (
            "no-json",
            json!({"key": "v", "property": "a"}),
            "is not JSON",
        ),
        (
            "no-label",
            json!({"key": "v", "property": "labels.none", "metadataPolicy": "Fetch"}),
            "does not exist",
        ),
    ] {
        let spec = json!({"secretStoreRef": {"name": "google"}, "data": [entry("v", reference)]});
        w.external_secret(name, spec).await?;
        w.until_message(name, text).await?;
    }
    Ok(())
}

/// The newest enabled version stands in for a disabled newest one, where the store says so.
async fn gcp_latest_or_fetch(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.gcp_ready("reader").await?;
    for value in ["one", "two", "three", "four"] {
        w.gcp_secret("v", value)?;
    }
    let name = w.gcp_name("v");
    gcp.set_version_state(&name, "3", VersionState::Disabled)?;
    gcp.set_version_state(&name, "4", VersionState::Destroyed)?;
    let mut fetch = w.gcp_store("reader")?;
    fetch["provider"]["gcpsm"]["secretVersionSelectionPolicy"] = json!("LatestOrFetch");
    w.store("fetch", fetch).await?;
    let spec = |store: &str| json!({"secretStoreRef": {"name": store}, "data": [entry("v", json!({"key": "v"}))]});
    w.external_secret("strict", spec("google")).await?;
    w.until_message("strict", "is in DESTROYED state").await?;
    w.external_secret("lenient", spec("fetch")).await?;
    w.until_ready("lenient").await?;
    assert_eq!(w.secret_data("lenient").await?["v"], "two");
    for version in ["1", "2"] {
        gcp.set_version_state(&name, version, VersionState::Disabled)?;
    }
    w.again("ExternalSecret", "lenient", "none").await?;
    w.until_message("lenient", "is in DESTROYED state").await?;
    Ok(())
}

/// Searching walks every page, by name, path and label.
async fn gcp_search(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.gcp_ready("reader").await?;
    for i in 0..300 {
        let id = format!("s{i:03}");
        w.gcp_secret(&id, &format!("v{i}"))?;
        let labels = json!({"labels": {"even": (i % 2 == 0).to_string()}});
        gcp.update_secret(&w.gcp_name(&id), &labels)?;
    }
    gcp.create_secret(&w.gcp_name("s299-empty"))?;
    w.external_secret(
        "es",
        json!({"secretStoreRef": {"name": "google"}, "dataFrom": [
            {"find": {"name": {"regexp": "^s29"}, "tags": {"even": "true"}}},
            {"find": {"path": "s00", "name": {"regexp": "[13]$"}}},
            {"find": {"name": {"regexp": "^s299"}}},
        ]}),
    )
    .await?;
    w.until_ready("es").await?;
    let data = w.secret_data("es").await?;
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "s001", "s003", "s290", "s292", "s294", "s296", "s298", "s299"
        ]
    );
    assert_eq!(data["s294"], "v294");
    Ok(())
}

/// Secrets of a region are read from the region's own endpoint.
async fn gcp_regional(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.gcp_ready("reader").await?;
    w.gcp_secret("a", "global")?;
    let name = format!("{}/europe-west3/a", w.gcp_project());
    gcp.set_secret(&name, b"regional")?;
    let mut regional = w.gcp_store("reader")?;
    regional["provider"]["gcpsm"]["location"] = json!("europe-west3");
    w.store("regional", regional).await?;
    for (store, value) in [("google", "global"), ("regional", "regional")] {
        let es = format!("es-{store}");
        let spec = json!({"secretStoreRef": {"name": store}, "data": [entry("v", json!({"key": "a"}))],
            "dataFrom": [{"find": {"name": {"regexp": "^a$"}}}]});
        w.external_secret(&es, spec).await?;
        w.until_ready(&es).await?;
        let data = w.secret_data(&es).await?;
        assert_eq!((&*data["v"], &*data["a"]), (value, value), "{store}");
    }
    Ok(())
}
