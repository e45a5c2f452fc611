//! What no sync can make sense of: a condition that names the field, nothing quoted of the data,
//! and the last good Secret untouched.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    unparsable_template,
    missing_key_in_a_template,
    endless_template,
    hundred_megabytes,
    invalid_regexps,
    two_names_for_one_key,
    more_than_a_secret_holds,
    keys_that_no_secret_has,
    a_literal_that_is_no_map,
    a_template_source_that_is_missing,
    unreadable_durations
);

const CANARY: &str = "canary-5b1e77";

fn reads() -> Value {
    json!({"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

/// A Secret that was synced once, by an ExternalSecret `app`.
async fn good(w: &World) -> Result<Value> {
    let entries = json!([{"key": "k", "value": CANARY}, {"key": "x/y", "value": CANARY}, {"key": "x.y", "value": CANARY},
        {"key": "x_y", "value": CANARY}, {"key": "schlüssel", "value": CANARY}]);
    w.fake_store("store", entries).await?;
    w.external_secret("app", reads()).await?;
    w.until_ready("app").await?;
    Ok(w.secret("app").await?.unwrap())
}

/// Changes the spec of `app` to something that cannot work; checks what is said about it.
async fn refused(w: &World, before: &Value, patch: Value, says: &[&str]) -> Result<()> {
    w.change("app", json!({"spec": patch})).await?;
    let message = w.until_message("app", says[0]).await?;
    for text in says {
        assert!(message.contains(text), "{text:?} in {message}");
    }
    assert!(!message.contains(CANARY), "{message}");
    let after = w.secret("app").await?.unwrap();
    assert_eq!(
        after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"],
        "the last good Secret is untouched"
    );
    let object = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    assert_ne!(
        object["status"]["syncedResourceVersion"]
            .as_str()
            .unwrap_or_default()
            .split('-')
            .next(),
        Some(&*object["metadata"]["generation"].to_string()),
        "what failed does not count as synced"
    );
    Ok(())
}

fn template(data: Value) -> Value {
    json!({"target": {"template": {"data": data}}})
}

async fn unparsable_template(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let broken = template(json!({"fine": "x", "broken": "{{ .a"}));
    let says = [
        "spec.target.template.data",
        "at key broken",
        "unable to parse template",
        "unclosed action",
    ];
    refused(w, &before, broken, &says).await?;
    let no_function = template(json!({"broken": "{{ .a | frobnicate }}"}));
    let says = [
        "function \"frobnicate\" not defined",
        "spec.target.template.data",
    ];
    refused(w, &before, no_function, &says).await
}

async fn missing_key_in_a_template(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let absent = template(json!({"made": "{{ .absent }}"}));
    let says = [
        "map has no entry for key \"absent\"",
        "at key made of spec.target.template.data",
    ];
    refused(w, &before, absent, &says).await
}

async fn endless_template(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let recursion = r#"{{ define "t" }}{{ template "t" . }}{{ end }}{{ template "t" . }}"#;
    let says = ["nesting limit", "spec.target.template.data"];
    refused(w, &before, template(json!({"made": recursion})), &says).await?;
    let spin = r#"{{ range untilStep 0 2000 1 }}{{ range untilStep 0 2000 1 }}{{ end }}{{ end }}"#;
    let says = ["exceeds the limit of", "spec.target.template.data"];
    refused(w, &before, template(json!({"made": spin})), &says).await
}

async fn hundred_megabytes(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let says = ["exceeds the limit of", "bytes", "spec.target.template.data"];
    let at_once = template(json!({"made": r#"{{ repeat 100000000 "x" }}"#}));
    refused(w, &before, at_once, &says).await?;
    let bit_by_bit =
        r#"{{ $k := repeat 100000 "x" }}{{ range untilStep 0 1000 1 }}{{ $k }}{{ end }}"#;
    refused(
        w,
        &before,
        template(json!({"made": null, "piecemeal": bit_by_bit})),
        &["at key piecemeal", "exceeds the limit of"],
    )
    .await
}

async fn invalid_regexps(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let rewrite = json!({"data": null, "dataFrom": [{"find": {"name": {"regexp": "^k$"}},
        "rewrite": [{"regexp": {"source": "(", "target": "x"}}]}]});
    refused(
        w,
        &before,
        rewrite,
        &["spec.dataFrom[0].rewrite[0]", "missing closing )"],
    )
    .await?;
    let find = json!({"data": null, "dataFrom": [{"find": {"name": {"regexp": "["}}}]});
    refused(
        w,
        &before,
        find,
        &["missing closing ]", "spec.dataFrom[0].find", "name.regexp"],
    )
    .await
}

async fn two_names_for_one_key(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let find = json!({"data": null, "dataFrom": [{"find": {"name": {"regexp": "^x"}}}]});
    let says = [
        "secret name collision during conversion: x_y",
        "spec.dataFrom[0].find",
        "rewrite",
    ];
    refused(w, &before, find, &says).await
}

/// The API server's limit is told before the request is made, with the key that is too much.
async fn more_than_a_secret_holds(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let big = template(json!({"small": "x", "big": r#"{{ repeat 1100000 "x" }}"#}));
    let says = [
        "may hold 1048576",
        "1100000 of them are key \"big\"",
        "spec.target.template.data[big]",
    ];
    refused(w, &before, big, &says).await
}

async fn keys_that_no_secret_has(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let bad = |target: &str| {
        json!({"data": null, "dataFrom": [{"find": {"name": {"regexp": "^k$"}},
            "rewrite": [{"regexp": {"source": ".*", "target": target}}]}]})
    };
    let says = ["invalid secret keys", "spec.dataFrom[0].find", "rewrite"];
    refused(w, &before, bad("a b"), &says).await?;
    // A letter to Go, and none to the API server.
    let letter = json!({"data": null, "dataFrom": [{"find": {"name": {"regexp": "schl"}}}]});
    let says = [
        "could not update secret",
        "spec.dataFrom leads to the key \"schlüssel\"",
    ];
    refused(w, &before, letter, &says).await?;
    let made = json!({"data": reads()["data"], "dataFrom": null, "target": {"template": {"data": {"not a key": "x"}}}});
    refused(
        w,
        &before,
        made,
        &["spec.target.template.data[not a key] leads to the key"],
    )
    .await
}

async fn a_literal_that_is_no_map(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let literal = json!({"target": {"template": {"templateFrom": [{"literal": "- {{ .a }}"}]}}});
    let says = ["spec.target.template.templateFrom[0]", "at key literal"];
    refused(w, &before, literal, &says).await
}

async fn a_template_source_that_is_missing(world: World) -> Result<()> {
    let w = &world;
    let before = good(w).await?;
    let from = |name: &str| json!({"target": {"template": {"templateFrom": [{"configMap": {"name": name, "items": [{"key": "t"}]}}]}}});
    let says = [
        "ConfigMap \"absent\" not found",
        "spec.target.template.templateFrom[0]",
    ];
    refused(w, &before, from("absent"), &says).await?;
    w.api
        .create(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "there", "namespace": w.ns}, "data": {"u": "x"}}))
        .await?;
    let says = ["missing key t", "spec.target.template.templateFrom[0]"];
    refused(w, &before, from("there"), &says).await
}

/// What ESO without its webhook stores and stumbles over is refused at once.
async fn unreadable_durations(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    for interval in ["soon", "1d", "30"] {
        let mut spec = reads();
        spec["refreshInterval"] = json!(interval);
        let refusal = w.api.try_create(&w.object("app", spec)).await?.unwrap_err();
        assert!(
            refusal.message.contains("spec.refreshInterval"),
            "{interval}: {}",
            refusal.message
        );
    }
    Ok(())
}
