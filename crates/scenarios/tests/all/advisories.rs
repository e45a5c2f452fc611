//! The security advisories that ESO had to publish, and their kin: each class is closed here.
//!
//! Five of six were the operator's rights lent to a tenant, two a template language with too many
//! functions inside the privileged process.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    templates_reach_nothing,
    no_tenant_reads_from_another_namespace,
    no_store_refers_to_another_namespace,
    no_token_is_forged_by_a_template,
    no_token_is_forged_by_an_object_older_than_the_rules,
    errors_quote_no_data
);

fn reads(store: &str) -> Value {
    json!({"secretStoreRef": {"name": store}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

/// CVE-2026-22822 (a function that read any Secret), CVE-2026-34984 (a function that asked a name
/// server), and the environment: no such function exists, in whatever place a template may stand.
async fn templates_reach_nothing(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let functions = [
        r#"getSecretKey "store" "kube-system" "k""#,
        r#"getHostByName "example.com""#,
        r#"env "PATH""#,
        r#"expandenv "$PATH""#,
        r#"lookup "v1" "Secret" "kube-system" "x""#,
        r#"readFile "/etc/passwd""#,
        r#"include "x" ."#,
        r#"tpl "x" ."#,
    ];
    for (position, call) in functions.into_iter().enumerate() {
        let text = format!("{{{{ {call} }}}}");
        let places = [
            json!({"data": {"x": text}}),
            json!({"templateFrom": [{"literal": format!("x: '{text}'")}]}),
            json!({"metadata": {"labels": {"x": text}}}),
        ];
        for (place, template) in places.into_iter().enumerate() {
            let name = format!("app-{position}-{place}");
            let mut spec = reads("store");
            spec["target"] = json!({"template": template});
            w.external_secret(&name, spec).await?;
            let message = w.until_failed(&name).await?;
            let function = call.split(' ').next().unwrap_or_default();
            assert!(
                message.contains(&format!("function \"{function}\" not defined")),
                "{call}: {message}"
            );
            assert!(w.secret(&name).await?.is_none(), "{call}");
        }
        let name = format!("app-{position}-rewrite");
        let spec = json!({"secretStoreRef": {"name": "store"}, "dataFrom": [{"find": {"name": {"regexp": "."}},
            "rewrite": [{"transform": {"template": text}}]}]});
        w.external_secret(&name, spec).await?;
        let message = w.until_failed(&name).await?;
        assert!(message.contains("not defined"), "{call}: {message}");
    }
    Ok(())
}

/// CVE-2025-55196 (a list without a namespace): what another namespace holds under the very names
/// that a tenant asks for stays there: its store, its templates.
async fn no_tenant_reads_from_another_namespace(world: World) -> Result<()> {
    let w = &world;
    let other = format!("{}-victim", w.ns);
    w.api.namespace(&other, json!({})).await?;
    let theirs = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "theirs", "namespace": other}});
    let mut secret = theirs("Secret");
    secret["stringData"] = json!({"t": "canary-of-the-victim"});
    w.api.create(&secret).await?;
    let mut config = theirs("ConfigMap");
    config["data"] = json!({"t": "canary-of-the-victim"});
    w.api.create(&config).await?;
    let mut store = theirs("SecretStore");
    store["apiVersion"] = json!("external-secrets.io/v1");
    store["spec"] =
        json!({"provider": {"fake": {"data": [{"key": "k", "value": "canary-of-the-victim"}]}}});
    w.api.create(&store).await?;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let from = |kind: &str| {
        let mut spec = reads("store");
        spec["target"] = json!({"template": {"templateFrom": [{kind: {"name": "theirs", "items": [{"key": "t"}]}}]}});
        spec
    };
    let mut by_source = json!({"dataFrom": [{"find": {"name": {"regexp": "."}}, "sourceRef": {"storeRef": {"name": "theirs"}}}]});
    by_source["secretStoreRef"] = json!({"name": "store"});
    for (name, spec, says) in [
        (
            "by-store",
            reads("theirs"),
            "could not get SecretStore \"theirs\"",
        ),
        (
            "by-source",
            by_source,
            "could not get SecretStore \"theirs\"",
        ),
        ("by-secret", from("secret"), "Secret \"theirs\" not found"),
        (
            "by-config-map",
            from("configMap"),
            "ConfigMap \"theirs\" not found",
        ),
    ] {
        w.external_secret(name, spec).await?;
        w.until_message(name, says).await?;
        assert!(w.secret(name).await?.is_none(), "{name}");
    }
    w.api.delete("SecretStore", &other, "theirs").await
}

/// CVE-2026-42875 (a certificate authority of another namespace) and its kin: a SecretStore that
/// refers to any object of another namespace is refused by the operator, whatever the provider
/// and whatever the CRD lets pass.
async fn no_store_refers_to_another_namespace(world: World) -> Result<()> {
    let w = &world;
    let secret = || json!({"name": "n", "key": "k", "namespace": "kube-system"});
    let own = || json!({"name": "n", "key": "k"});
    let authority =
        json!({"type": "ConfigMap", "name": "ca", "key": "k", "namespace": "kube-system"});
    let providers = [
        (
            "ca",
            json!({"vault": {"server": "https://localhost:1", "caProvider": authority, "auth": {"tokenSecretRef": own()}}}),
        ),
        (
            "token",
            json!({"vault": {"server": "https://localhost:1", "auth": {"tokenSecretRef": secret()}}}),
        ),
        (
            "keys",
            json!({"aws": {"service": "ParameterStore", "region": "eu-central-1",
            "auth": {"secretRef": {"accessKeyIDSecretRef": secret(), "secretAccessKeySecretRef": own()}}}}),
        ),
        (
            "account",
            json!({"aws": {"service": "ParameterStore", "region": "eu-central-1",
            "auth": {"jwt": {"serviceAccountRef": {"name": "sa", "namespace": "kube-system"}}}}}),
        ),
        (
            "peer",
            json!({"kubernetes": {"server": {"caProvider": authority}, "auth": {"serviceAccount": {"name": "sa"}}}}),
        ),
        (
            "hook",
            json!({"webhook": {"url": "https://localhost:1", "secrets": [{"name": "s", "secretRef": secret()}]}}),
        ),
    ];
    for (name, provider) in providers {
        let object = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": name, "namespace": w.ns}, "spec": {"provider": provider}});
        if w.api.try_create(&object).await?.is_err() {
            continue;
        }
        let refused = |s: &Value| {
            let (status, _, message) = keyless_scenarios::api::ready(s);
            status == "False" && message.contains("namespace should either be empty or match")
        };
        w.api
            .until("SecretStore", &w.ns, name, "refused", refused)
            .await?;
        w.external_secret(name, reads(name)).await?;
        w.until_failed(name).await?;
        assert!(w.secret(name).await?.is_none(), "{name}");
    }
    Ok(())
}

fn forgeries() -> [Value; 4] {
    let kind = "kubernetes.io/service-account-token";
    let account = "kubernetes.io/service-account.name";
    [
        json!({"type": kind, "metadata": {"annotations": {account: "admin"}}}),
        json!({"type": kind, "templateFrom": [{"target": "Annotations", "literal": format!("{account}: admin")}]}),
        json!({"type": kind, "templateFrom": [{"target": "annotations", "literal": "harmless: x"}]}),
        json!({"type": "bootstrap.kubernetes.io/token", "data": {"token-id": "abcdef"}}),
    ]
}

/// CVE-2026-42876: no template makes Kubernetes mint a token for a service account, or a token
/// that joins a node.
async fn no_token_is_forged_by_a_template(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    for (position, template) in forgeries().into_iter().enumerate() {
        let mut spec = reads("store");
        spec["target"] = json!({"template": template});
        let object = w.object(&format!("app-{position}"), spec);
        let refusal = w.api.try_create(&object).await?.unwrap_err();
        assert!(
            refusal.message.contains("is not allowed"),
            "{}",
            refusal.message
        );
    }
    Ok(())
}

/// The same where no rule of the API server stands before the operator: objects that are older
/// than the rules.
async fn no_token_is_forged_by_an_object_older_than_the_rules(world: World) -> Result<()> {
    let w = &world;
    let (namespace, names) = w.forged();
    assert_eq!(names.len(), 3);
    for name in names {
        let message = w.until_relic_is_told(name).await?;
        assert!(message.contains("is not allowed"), "{name}: {message}");
        assert!(
            message.contains("spec.target.template"),
            "{name}: {message}"
        );
        assert!(w.api.get("Secret", namespace, name).await?.is_none());
    }
    Ok(())
}

/// Errors about a value never quote it: JSON that does not parse, text that is no base64, YAML
/// that is no map, a rewrite of values that are no objects.
async fn errors_quote_no_data(world: World) -> Result<()> {
    let w = &world;
    let canary = "canary-c0ffee";
    let entries = json!([{"key": "k", "value": format!("{{\"a\": \"{canary}\" oops")},
        {"key": "bytes", "value": format!("%{canary}%")}]);
    w.fake_store("store", entries).await?;
    let store = json!({"name": "store"});
    let specs = [
        json!({"dataFrom": [{"extract": {"key": "k"}}]}),
        json!({"data": [{"secretKey": "a", "remoteRef": {"key": "k", "property": "b"}}]}),
        json!({"data": [{"secretKey": "a", "remoteRef": {"key": "bytes", "decodingStrategy": "Base64"}}]}),
        json!({"dataFrom": [{"find": {"name": {"regexp": "."}}, "rewrite": [{"merge": {}}]}]}),
        json!({"data": [{"secretKey": "a", "remoteRef": {"key": "k"}}], "target": {"template": {"data": {"x": "{{ .a | fromJson }}"}}}}),
        json!({"data": [{"secretKey": "a", "remoteRef": {"key": "k"}}], "target": {"template": {"data": {"x": "{{ .a | b64dec | b64dec }}{{ atoi .a }}{{ index .a 99999 }}"}}}}),
        json!({"data": [{"secretKey": "a", "remoteRef": {"key": "k"}}], "target": {"template": {"templateFrom": [{"literal": "{{ .a }}"}]}}}),
        json!({"data": [{"secretKey": "a", "remoteRef": {"key": "k"}}], "target": {"template": {"templateFrom": [
            {"literal": "x: '{{ .a | b64enc }}!'", "valuesDecodingStrategy": "Base64"}]}}}),
    ];
    for (position, mut spec) in specs.into_iter().enumerate() {
        spec["secretStoreRef"] = store.clone();
        let name = format!("app-{position}");
        w.external_secret(&name, spec).await?;
        w.api
            .until("ExternalSecret", &w.ns, &name, "judged", |o| {
                !keyless_scenarios::api::ready(o).0.is_empty()
            })
            .await?;
    }
    w.settle().await?;
    for (place, text) in w.everything_said().await? {
        let line = text.lines().find(|line| line.contains(canary));
        let said = line.map(|line| line.chars().take(160).collect::<String>());
        assert_eq!(said, None, "the value is in {place}");
    }
    Ok(())
}
