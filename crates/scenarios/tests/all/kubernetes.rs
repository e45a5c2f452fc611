//! Stores that read Secrets of a cluster: whose token, what may be read, what is refused.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    kubernetes_reads_with_a_service_account,
    kubernetes_names_the_broken_link,
    kubernetes_follows_a_missing_secret,
    kubernetes_stays_in_its_namespace
);

/// A store of the namespace `remote`, as `auth` logs in.
fn provider(w: &World, remote: &str, auth: Value) -> Value {
    let (url, bundle) = w.api_server();
    json!({"provider": {"kubernetes": {
        "server": {"url": url, "caBundle": bundle}, "remoteNamespace": remote, "auth": auth,
    }}})
}

async fn remote(w: &World) -> Result<String> {
    let remote = format!("{}-r", w.ns);
    w.api.namespace(&remote, json!({})).await?;
    w.api
        .create(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "src", "namespace": remote, "labels": {"team": "a"}},
            "stringData": {"user": "u", "json": r#"{"a":{"b":1,"c.d":"x"}}"#, "empty": ""},
        }))
        .await?;
    Ok(remote)
}

async fn until_verdict(w: &World, store: &str, status: &str, part: &str) -> Result<Value> {
    let verdict = |s: &Value| {
        let (is, _, message) = keyless_scenarios::api::ready(s);
        is == status && message.contains(part)
    };
    w.api
        .until(
            "SecretStore",
            &w.ns,
            store,
            &format!("{status} {part}"),
            verdict,
        )
        .await
}

async fn kubernetes_reads_with_a_service_account(world: World) -> Result<()> {
    let w = &world;
    let remote = remote(w).await?;
    w.service_account("reader", json!({})).await?;
    w.allow_secrets("reader", &remote, json!(["get", "list"]))
        .await?;
    let auth = json!({"serviceAccount": {"name": "reader"}});
    w.store("k", provider(w, &remote, auth)).await?;
    let store = until_verdict(w, "k", "True", "store validated").await?;
    assert_eq!(store["status"]["capabilities"], "ReadWrite");
    let entry = |key: &str, reference: Value| json!({"secretKey": key, "remoteRef": reference});
    w.external_secret(
        "app",
        json!({
            "secretStoreRef": {"name": "k"},
            "data": [
                entry("user", json!({"key": "src", "property": "user"})),
                entry("whole", json!({"key": "src"})),
                entry("nested", json!({"key": "src", "property": "json.a.b"})),
                entry("object", json!({"key": "src", "property": "json.a"})),
                entry("empty", json!({"key": "src", "property": "empty"})),
                entry("team", json!({"key": "src", "property": "labels.team", "metadataPolicy": "Fetch"})),
            ],
        }),
    )
    .await?;
    w.until_ready("app").await?;
    let data = w.secret_data("app").await?;
    for (key, value) in [
        ("user", "u"),
        (
            "whole",
            r#"{"empty":"","json":"{\"a\":{\"b\":1,\"c.d\":\"x\"}}","user":"u"}"#,
        ),
        ("nested", "1"),
        ("object", r#"{"b":1,"c.d":"x"}"#),
        ("empty", ""),
        ("team", "a"),
    ] {
        assert_eq!(data[key], value, "{key}");
    }
    for (name, from, keys) in [
        (
            "all",
            json!({"extract": {"key": "src"}}),
            vec!["empty", "json", "user"],
        ),
        (
            "inner",
            json!({"extract": {"key": "src", "property": "json"}}),
            vec!["a"],
        ),
        (
            "named",
            json!({"find": {"name": {"regexp": "^s.c$"}}}),
            vec!["src"],
        ),
        (
            "tagged",
            json!({"find": {"tags": {"team": "a"}}}),
            vec!["src"],
        ),
    ] {
        w.external_secret(
            name,
            json!({"secretStoreRef": {"name": "k"}, "dataFrom": [from]}),
        )
        .await?;
        w.until_ready(name).await?;
        let found: Vec<String> = w.secret_data(name).await?.into_keys().collect();
        assert_eq!(found, keys, "{name}");
    }
    Ok(())
}

async fn kubernetes_names_the_broken_link(world: World) -> Result<()> {
    let w = &world;
    let remote = remote(w).await?;
    w.service_account("powerless", json!({})).await?;
    let account = |name: &str| json!({"serviceAccount": {"name": name}});
    w.store("powerless", provider(w, &remote, account("powerless")))
        .await?;
    let said = "client is not allowed to get secrets";
    until_verdict(w, "powerless", "False", said).await?;
    w.store("nobody", provider(w, &remote, account("nobody")))
        .await?;
    until_verdict(w, "nobody", "False", "nobody").await?;
    w.api
        .create(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wrong", "namespace": w.ns},
            "stringData": {"token": "canary-of-a-token"},
        }))
        .await?;
    let token = json!({"token": {"bearerToken": {"name": "wrong", "key": "token"}}});
    w.store("stale", provider(w, &remote, token)).await?;
    let stale = until_verdict(w, "stale", "False", "does not know").await?;
    assert!(!stale.to_string().contains("canary-of-a-token"));
    // Rights arrive, and the store is asked again on request.
    w.allow_secrets("powerless", &remote, json!(["get"]))
        .await?;
    w.api
        .patch(
            "SecretStore",
            &w.ns,
            "powerless",
            &json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}}),
        )
        .await?;
    until_verdict(w, "powerless", "True", "store validated").await?;
    Ok(())
}

async fn kubernetes_follows_a_missing_secret(world: World) -> Result<()> {
    let w = &world;
    let remote = remote(w).await?;
    w.service_account("reader", json!({})).await?;
    w.allow_secrets("reader", &remote, json!(["get"])).await?;
    let auth = json!({"serviceAccount": {"name": "reader"}});
    w.store("k", provider(w, &remote, auth)).await?;
    let reads = |policy: &str, key: &str, property: Value| {
        json!({
            "secretStoreRef": {"name": "k"},
            "refreshInterval": "1s",
            "target": {"deletionPolicy": policy},
            "data": [{"secretKey": "a", "remoteRef": {"key": key, "property": property}}],
        })
    };
    w.external_secret("gone", reads("Retain", "nope", json!("user")))
        .await?;
    w.until_message("gone", "secret \"nope\" does not exist")
        .await?;
    w.external_secret("odd", reads("Retain", "src", json!("nope")))
        .await?;
    w.until_message("odd", "property nope does not exist in Secret src")
        .await?;
    w.external_secret("app", reads("Delete", "src", json!("user")))
        .await?;
    w.until_ready("app").await?;
    w.api.delete("Secret", &remote, "src").await?;
    w.until_reason("app", "SecretDeleted").await?;
    assert!(w.secret("app").await?.is_none());
    Ok(())
}

async fn kubernetes_stays_in_its_namespace(world: World) -> Result<()> {
    let w = &world;
    let remote = remote(w).await?;
    for (name, auth) in [
        (
            "account",
            json!({"serviceAccount": {"name": "default", "namespace": remote}}),
        ),
        (
            "token",
            json!({"token": {"bearerToken": {"name": "src", "key": "user", "namespace": remote}}}),
        ),
    ] {
        w.store(name, provider(w, &remote, auth)).await?;
        until_verdict(
            w,
            name,
            "False",
            "namespace should either be empty or match",
        )
        .await?;
    }
    let mut own = provider(w, &remote, json!(null));
    own["provider"]["kubernetes"]
        .as_object_mut()
        .unwrap()
        .remove("auth");
    w.store("own", own).await?;
    until_verdict(w, "own", "False", "only a ClusterSecretStore").await?;
    Ok(())
}
