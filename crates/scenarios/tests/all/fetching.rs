//! From several sources to one map: order, absence, conversion, several stores.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    later_sources_win,
    what_is_missing_is_skipped_and_told,
    several_stores,
    keys_and_values_on_the_way,
    rewrites_in_a_chain,
    a_store_that_is_not_ready_shuts_the_gate,
    an_unknown_verdict_keeps_the_gate_open,
    a_generator_in_data_is_named
);

type Map = std::collections::BTreeMap<String, String>;

fn map(pairs: &[(&str, &str)]) -> Map {
    pairs
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect()
}

fn from(store: &str, data_from: Value, data: Value) -> Value {
    json!({"secretStoreRef": {"name": store}, "dataFrom": data_from, "data": data})
}

/// `dataFrom` in order, then `data`.
async fn later_sources_win(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "one", "value": r#"{"a":"1","b":"1","c":"1"}"#}, {"key": "two", "value": r#"{"b":"2","c":"2"}"#}, {"key": "k", "value": "3"}]),
    )
    .await?;
    let sources = json!([{"extract": {"key": "one"}}, {"extract": {"key": "two"}}]);
    let data = json!([{"secretKey": "c", "remoteRef": {"key": "k"}}]);
    w.external_secret("app", from("store", sources, data))
        .await?;
    w.until_ready("app").await?;
    assert_eq!(
        w.secret_data("app").await?,
        map(&[("a", "1"), ("b", "2"), ("c", "3")])
    );
    Ok(())
}

/// Under Delete and Merge a remote secret may be absent: the rest is written, and an event says
/// which one is. Under Retain it is an error.
async fn what_is_missing_is_skipped_and_told(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let data = json!([{"secretKey": "a", "remoteRef": {"key": "k"}}, {"secretKey": "b", "remoteRef": {"key": "absent"}}]);
    for policy in ["Delete", "Merge", "Retain"] {
        let mut spec = from("store", json!([{"extract": {"key": "gone"}}]), data.clone());
        spec["target"] = json!({"deletionPolicy": policy});
        w.external_secret(&policy.to_lowercase(), spec).await?;
    }
    for name in ["delete", "merge"] {
        w.until_ready(name).await?;
        assert_eq!(w.secret_data(name).await?, map(&[("a", "v")]));
        for entry in ["spec.dataFrom[0]", "spec.data[1] (key=absent)"] {
            keyless_scenarios::api::eventually(
                &format!("{name}: an event about {entry}"),
                || async {
                    let events = w.until_event(name, "MissingProviderSecret").await?;
                    let told = |e: &Value| {
                        e["type"] == "Normal"
                            && e["message"].as_str().is_some_and(|m| m.contains(entry))
                    };
                    Ok(events.iter().any(told).then_some(()))
                },
            )
            .await?;
        }
    }
    let message = w.until_failed("retain").await?;
    assert!(
        message.contains("error processing spec.dataFrom[0].extract"),
        "{message}"
    );
    Ok(())
}

/// `sourceRef` names another store for one entry; without `secretStoreRef` each must.
async fn several_stores(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("one", json!([{"key": "k", "value": "1"}]))
        .await?;
    w.fake_store("two", json!([{"key": "k", "value": r#"{"x":"2"}"#}]))
        .await?;
    let cluster = format!("{}-three", w.ns);
    w.cluster_store(
        &cluster,
        json!({"provider": {"fake": {"data": [{"key": "k", "value": "3"}]}}}),
    )
    .await?;
    let source = |name: &str, kind: &str| json!({"storeRef": {"name": name, "kind": kind}});
    let spec = json!({
        "dataFrom": [{"extract": {"key": "k"}, "sourceRef": source("two", "SecretStore")}],
        "data": [
            {"secretKey": "a", "remoteRef": {"key": "k"}, "sourceRef": source("one", "SecretStore")},
            {"secretKey": "c", "remoteRef": {"key": "k"}, "sourceRef": source(&cluster, "ClusterSecretStore")},
        ],
    });
    w.external_secret("app", spec.clone()).await?;
    w.until_ready("app").await?;
    assert_eq!(
        w.secret_data("app").await?,
        map(&[("a", "1"), ("c", "3"), ("x", "2")])
    );
    let mut nameless = spec;
    nameless["data"][0]["sourceRef"] = Value::Null;
    w.external_secret("nameless", nameless).await?;
    w.until_message("nameless", "spec.data[0] names no store")
        .await?;
    Ok(())
}

/// Conversion, decoding and null bytes, each where it applies and nowhere else.
async fn keys_and_values_on_the_way(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "a/b", "value": "aGVsbG8="}, {"key": "j", "value": r#"{"x/y":"aGk=","":"dropped"}"#}, {"key": "nul", "value": "a\u{0}b"}]),
    )
    .await?;
    let spec = from(
        "store",
        json!([
            {"extract": {"key": "j", "conversionStrategy": "Unicode", "decodingStrategy": "Auto"}},
            {"find": {"name": {"regexp": "^a/"}, "decodingStrategy": "Base64"}},
        ]),
        json!([
            {"secretKey": "raw", "remoteRef": {"key": "a/b"}},
            {"secretKey": "decoded", "remoteRef": {"key": "a/b", "decodingStrategy": "Auto"}},
            {"secretKey": "nul", "remoteRef": {"key": "nul", "nullBytePolicy": "Ignore"}},
        ]),
    );
    w.external_secret("app", spec).await?;
    w.until_ready("app").await?;
    let want = map(&[
        ("x_U002f_y", "hi"),
        ("a_b", "hello"),
        ("raw", "aGVsbG8="),
        ("decoded", "hello"),
        ("nul", "a\u{0}b"),
    ]);
    assert_eq!(w.secret_data("app").await?, want);
    let strict =
        json!([{"secretKey": "nul", "remoteRef": {"key": "nul", "nullBytePolicy": "Fail"}}]);
    w.external_secret("strict", from("store", json!([]), strict))
        .await?;
    w.until_message("strict", "contains null bytes").await?;
    Ok(())
}

/// regexp, transform and merge, one after the other; an empty key is dropped.
async fn rewrites_in_a_chain(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "app-one", "value": r#"{"p":"1"}"#}, {"key": "app-two", "value": r#"{"p":"2","q":"3"}"#}]),
    )
    .await?;
    let find =
        |rewrite: Value| json!([{"find": {"name": {"regexp": "^app-"}}, "rewrite": rewrite}]);
    let chain = find(json!([
        {"regexp": {"source": "^app-(.*)$", "target": "$1"}},
        {"transform": {"template": "{{ .value | upper }}"}},
    ]));
    w.external_secret("chain", from("store", chain, json!([])))
        .await?;
    w.until_ready("chain").await?;
    let keys: Vec<String> = w.secret_data("chain").await?.into_keys().collect();
    assert_eq!(keys, ["ONE", "TWO"]);
    let merged = find(json!([{"merge": {"conflictPolicy": "Ignore", "priority": ["app-one"]}}]));
    w.external_secret("merged", from("store", merged, json!([])))
        .await?;
    w.until_ready("merged").await?;
    assert_eq!(
        w.secret_data("merged").await?,
        map(&[("p", "1"), ("q", "3")])
    );
    let strict = find(json!([{"merge": {}}]));
    w.external_secret("strict", from("store", strict, json!([])))
        .await?;
    w.until_message("strict", "spec.dataFrom[0].rewrite[0]")
        .await?;
    let dropped = find(json!([{"regexp": {"source": "^app-one$", "target": ""}}]));
    w.external_secret("dropped", from("store", dropped, json!([])))
        .await?;
    w.until_ready("dropped").await?;
    let keys: Vec<String> = w.secret_data("dropped").await?.into_keys().collect();
    assert_eq!(keys, ["app-two"]);
    Ok(())
}

/// The flood gate: nothing is asked of a store that is not Ready, and its verdict is passed on.
async fn a_store_that_is_not_ready_shuts_the_gate(world: World) -> Result<()> {
    let w = &world;
    let data = json!([{"key": "k", "value": "v"}]);
    w.store(
        "store",
        json!({"provider": {"fake": {"data": data, "validationResult": 2}}}),
    )
    .await?;
    let one = json!([{"secretKey": "a", "remoteRef": {"key": "k"}}]);
    w.external_secret("app", from("store", json!([]), one))
        .await?;
    // With the store's own words, as soon as it has said them.
    let message = w.until_message("app", "validationResult").await?;
    assert!(
        message.contains("SecretStore \"store\" is not ready"),
        "{message}"
    );
    assert!(w.secret("app").await?.is_none());
    w.api
        .patch(
            "SecretStore",
            &w.ns,
            "store",
            &json!({"spec": {"provider": {"fake": {"validationResult": 0}}}}),
        )
        .await?;
    w.until_ready("app").await?;
    Ok(())
}

/// A provider that cannot tell whether it would answer: the store is usable, and says so.
async fn an_unknown_verdict_keeps_the_gate_open(world: World) -> Result<()> {
    let w = &world;
    let data = json!([{"key": "k", "value": "v"}]);
    w.store(
        "store",
        json!({"provider": {"fake": {"data": data, "validationResult": 1}}}),
    )
    .await?;
    let told = |s: &Value| {
        let (status, reason, message) = keyless_scenarios::api::ready(s);
        (&*status, &*reason) == ("True", "ValidationUnknown")
            && message.starts_with("could not determine validation status")
    };
    let store = w
        .api
        .until("SecretStore", &w.ns, "store", "unknown", told)
        .await?;
    assert!(store["status"].get("capabilities").is_none(), "{store}");
    let one = json!([{"secretKey": "a", "remoteRef": {"key": "k"}}]);
    w.external_secret("app", from("store", json!([]), one))
        .await?;
    w.until_ready("app").await?;
    Ok(())
}

/// `data[].sourceRef.generatorRef` is in the schema and means nothing, to ESO neither.
async fn a_generator_in_data_is_named(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let data = json!([{"secretKey": "a", "remoteRef": {"key": "k"}, "sourceRef": {"generatorRef": {"kind": "Fake", "name": "g"}}}]);
    w.external_secret("app", from("store", json!([]), data))
        .await?;
    let message = w
        .until_message("app", "could not get secret data from provider")
        .await?;
    assert!(message.contains("generatorRef"), "{message}");
    assert!(w.secret("app").await?.is_none());
    Ok(())
}
