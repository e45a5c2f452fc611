//! Canaries: planted values and tokens turn up in no log, event, condition or metric.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::json;

scenarios!(canaries_stay_silent);

async fn canaries_stay_silent(world: World) -> Result<()> {
    let w = &world;
    let canary = format!("canary-{}-0f8e2c", w.ns);
    let value = json!({"password": canary, "list": [canary]}).to_string();
    w.parameter("c", &value).await?;
    w.aws_ready("reader").await?;
    let key = w.path("c");
    let objects = [
        (
            "fine",
            json!({"secretStoreRef": {"name": "aws"}, "dataFrom": [{"extract": {"key": key}}]}),
        ),
        (
            "no-property",
            json!({"secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": key, "property": "nope"}}]}),
        ),
        (
            "bad-base64",
            json!({"secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": key, "property": "password", "decodingStrategy": "Base64"}}]}),
        ),
        (
            "not-a-map",
            json!({"secretStoreRef": {"name": "aws"}, "dataFrom": [{"extract": {"key": key, "property": "password"}}]}),
        ),
    ];
    for (name, spec) in objects {
        w.external_secret(name, spec).await?;
    }
    w.until_ready("fine").await?;
    for name in ["no-property", "bad-base64", "not-a-map"] {
        w.until_failed(name).await?;
    }
    w.settle().await?;
    assert!(
        w.secret_data("fine")
            .await?
            .values()
            .any(|v| v.contains(&canary)),
        "the canary did travel"
    );
    for (place, text) in w.everything_said().await? {
        assert!(
            !text.contains(&canary),
            "the value is in {place}: {}",
            beginning(&text, &canary)
        );
        for token in w.tokens_minted() {
            assert!(
                !text.contains(&token),
                "a token is in {place}: {}",
                beginning(&text, &token)
            );
        }
    }
    Ok(())
}

/// The beginning of the line that holds `needle`: who said it.
fn beginning<'a>(text: &'a str, needle: &str) -> &'a str {
    let line = text
        .lines()
        .find(|l| l.contains(needle))
        .unwrap_or_default();
    line.char_indices()
        .nth(160)
        .map_or(line, |(end, _)| &line[..end])
}
