//! Targets of other kinds than Secret. Numbers are those of the API's reference behaviour.

use anyhow::{Context, Result};
use keyless_scenarios::World;
use keyless_scenarios::api::ready;
use serde_json::{Value, json};

scenarios!(alone: an_unchanged_target_is_not_written);
scenarios!(
    config_map_as_a_target,
    switched_off_by_default,
    templates_fill_a_custom_resource,
    metadata_is_rendered_and_sources_once,
    an_edit_is_repaired_and_a_status_is_none,
    merge_keeps_the_keys_of_others,
    owners_of_others_stay,
    nothing_found_deletes_only_what_is_ours,
    a_new_name_moves_the_target,
    secrets_obey_the_rules_of_secrets,
    a_target_stays_in_its_namespace,
    a_kind_that_comes_later,
    cluster_scoped_kinds_are_refused,
    a_missing_right_is_named,
    values_are_not_quoted,
);

const MANAGED: &str = "reconcile.external-secrets.io/managed";
const HASH: &str = "reconcile.external-secrets.io/data-hash";

fn config_map(name: &str) -> Value {
    json!({"name": name, "manifest": {"apiVersion": "v1", "kind": "ConfigMap"}})
}

fn thing(name: &str) -> Value {
    json!({"name": name, "manifest": {"apiVersion": "generic.keyless.test/v1", "kind": "Thing"}})
}

fn filled(mut target: Value, template: Value) -> Value {
    target["template"] = template;
    target
}

fn with(mut target: Value, field: &str, value: &str) -> Value {
    target[field] = json!(value);
    target
}

fn spec(target: Value) -> Value {
    json!({"secretStoreRef": {"name": "store"}, "target": target,
        "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

async fn store(w: &World) -> Result<()> {
    w.fake_store("store", json!([{"key": "k", "value": "v1"}]))
        .await
}

/// A kind whose `spec.mode` has a default and which has a status.
async fn things(w: &World) -> Result<()> {
    kind(w, "generic.keyless.test", "things", "Thing").await
}

async fn kind(w: &World, group: &str, plural: &str, kind: &str) -> Result<()> {
    let name = format!("{plural}.{group}");
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"mode": {"type": "string", "default": "fast"}, "count": {"type": "integer"}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": spec,
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
    }}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema,
                "subresources": {"status": {}}}]},
    });
    if let Err(refusal) = w.api.try_create(&definition).await? {
        anyhow::ensure!(refusal.code == 409, "{refusal:?}");
    }
    let established = |c: &Value| {
        let list = c.pointer("/status/conditions").and_then(Value::as_array);
        list.is_some_and(|l| {
            l.iter()
                .any(|c| c["type"] == "Established" && c["status"] == "True")
        })
    };
    w.api
        .until(
            "CustomResourceDefinition",
            "",
            &name,
            "established",
            established,
        )
        .await?;
    Ok(())
}

async fn get(w: &World, kind: &str, name: &str) -> Result<Value> {
    let object = w.api.get(kind, &w.ns, name).await?;
    object.with_context(|| format!("{kind} {name} does not exist"))
}

async fn until(w: &World, kind: &str, name: &str, check: impl Fn(&Value) -> bool) -> Result<Value> {
    w.api.until(kind, &w.ns, name, "as wanted", check).await
}

/// 2.7.2, 2.7.5, 2.7.7, 2.6 and 2.4.13: what a ConfigMap and its ExternalSecret look like.
async fn config_map_as_a_target(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let mut object = w.object("app", spec(config_map("cm")));
    object["metadata"]["labels"] = json!({"own": "1"});
    w.api.create(&object).await?;
    let es = w.until_ready("app").await?;
    assert_eq!(ready(&es).1, "ResourceSynced");
    assert_eq!(ready(&es).2, "secret synced");
    assert!(es["status"].get("binding").is_none_or(|b| b["name"] == ""));
    let map = get(w, "ConfigMap", "cm").await?;
    assert_eq!(map["data"], json!({"a": "v1"}));
    let metadata = &map["metadata"];
    assert_eq!(metadata["labels"]["own"], "1");
    assert_eq!(metadata["labels"][MANAGED], "true");
    assert_eq!(
        metadata["labels"]["reconcile.external-secrets.io/created-by"],
        json!(keyless_secret::hash::created_by(&w.ns, "app"))
    );
    // As ESO 2.9 noted it on a ConfigMap with this data.
    assert_eq!(
        metadata["annotations"][HASH],
        "581d0d917b833b63b84bb6ae335ef26210912d5e0530af53f225bb9b"
    );
    assert_eq!(metadata["ownerReferences"][0]["kind"], "ExternalSecret");
    assert_eq!(metadata["ownerReferences"][0]["controller"], true);
    let fields = metadata["managedFields"].as_array().context("fields")?;
    let ours = fields
        .iter()
        .find(|f| f["manager"] == "externalsecrets.external-secrets.io/app");
    assert_eq!(ours.context("our manager")?["operation"], "Update");
    let events = w.until_event("app", "Created").await?;
    let created = events.iter().find(|e| e["reason"] == "Created");
    assert_eq!(
        created.context("an event")?["message"],
        "Created ConfigMap cm"
    );
    assert!(w.secret("cm").await?.is_none() && w.secret("app").await?.is_none());
    w.api.delete("ExternalSecret", &w.ns, "app").await?;
    until(w, "ConfigMap", "cm", Value::is_null).await?;
    Ok(())
}

/// 2.7.1.
async fn switched_off_by_default(world: World) -> Result<()> {
    let w = &world;
    let operator = w.operator_without_generic_targets("plain").await?;
    w.store_of_class("store", "plain", json!([{"key": "k", "value": "v1"}]))
        .await?;
    w.external_secret("app", spec(config_map("cm"))).await?;
    let es = w.until_reason("app", "SecretSyncedError").await?;
    let (_, _, message) = ready(&es);
    assert!(message.starts_with("invalid generic target"), "{message}");
    assert!(
        message.contains("--unsafe-allow-generic-targets"),
        "{message}"
    );
    w.until_event("app", "UpdateFailed").await?;
    assert!(w.api.get("ConfigMap", &w.ns, "cm").await?.is_none());
    operator.stop().await
}

/// 2.7.2, 2.7.3: paths, indexes, numbers, and the hash of the spec.
async fn templates_fill_a_custom_resource(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    things(w).await?;
    w.external_secret("plain", spec(thing("plain"))).await?;
    let template = json!({
        "templateFrom": [
            {"target": "spec.rules[1].from", "literal": "- name: '{{ .a }}'"},
            {"target": "Spec", "literal": "count: 3"},
            {"target": "spec.headers.customRequestHeaders", "literal": "X-Token: '{{ .a }}'"},
        ],
        "data": {"out": "<{{ .a }}>"},
    });
    w.external_secret("full", spec(filled(thing("full"), template)))
        .await?;
    w.until_ready("plain").await?;
    w.until_ready("full").await?;
    let plain = get(w, "Thing", "plain").await?;
    assert_eq!(plain["spec"], json!({"data": {"a": "v1"}, "mode": "fast"}));
    let full = get(w, "Thing", "full").await?;
    assert_eq!(
        full["spec"],
        json!({"rules": [null, {"from": [{"name": "v1"}]}], "count": 3, "mode": "fast",
            "headers": {"customRequestHeaders": {"X-Token": "v1"}}})
    );
    assert_eq!(full["data"], json!({"out": "<v1>"}));
    assert_eq!(
        full["metadata"]["annotations"][HASH],
        json!(keyless_secret::hash::value_hash(&json!({
            "rules": [null, {"from": [{"name": "v1"}]}], "count": 3,
            "headers": {"customRequestHeaders": {"X-Token": "v1"}}})))
    );
    Ok(())
}

/// 2.7.4, 2.7.5: template.metadata is rendered, and no source is rendered twice.
async fn metadata_is_rendered_and_sources_once(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "k", "value": "{{ .b }}"}, {"key": "l", "value": "blue"}]),
    )
    .await?;
    let source = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "src", "namespace": w.ns},
        "data": {"t": "{{ .a }}"}});
    w.api.create(&source).await?;
    let mut target = config_map("cm");
    target["template"] = json!({
        "metadata": {"labels": {"l": "{{ .l }}"}, "annotations": {"n": "<{{ .l }}>"}},
        "templateFrom": [{"configMap": {"name": "src", "items": [{"key": "t"}]}}],
    });
    let mut spec = spec(target);
    spec["data"] = json!([
        {"secretKey": "a", "remoteRef": {"key": "k"}},
        {"secretKey": "l", "remoteRef": {"key": "l"}},
    ]);
    w.external_secret("app", spec).await?;
    w.until_ready("app").await?;
    let map = get(w, "ConfigMap", "cm").await?;
    assert_eq!(map["metadata"]["labels"]["l"], "blue");
    assert_eq!(map["metadata"]["annotations"]["n"], "<blue>");
    assert_eq!(
        map["data"],
        json!({"t": "{{ .b }}"}),
        "a value is no template"
    );
    Ok(())
}

/// 2.7.7 and 2.2.7: edits of content are repaired, other things are left alone.
async fn an_edit_is_repaired_and_a_status_is_none(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    things(w).await?;
    w.external_secret("map", spec(config_map("cm"))).await?;
    w.external_secret("thing", spec(thing("t"))).await?;
    w.until_ready("map").await?;
    w.until_ready("thing").await?;
    let edit =
        json!({"data": {"a": "hacked", "b": "x"}, "metadata": {"labels": {"foreign": "yes"}}});
    w.api.patch("ConfigMap", &w.ns, "cm", &edit).await?;
    let map = until(w, "ConfigMap", "cm", |m| m["data"] == json!({"a": "v1"})).await?;
    assert_eq!(map["metadata"]["labels"]["foreign"], "yes");
    w.api.delete("ConfigMap", &w.ns, "cm").await?;
    until(w, "ConfigMap", "cm", |m| {
        m["metadata"]["uid"] != map["metadata"]["uid"] && m["data"] == json!({"a": "v1"})
    })
    .await?;
    let unmanaged = json!({"metadata": {"labels": {MANAGED: null}}});
    w.api.patch("ConfigMap", &w.ns, "cm", &unmanaged).await?;
    until(w, "ConfigMap", "cm", |m| {
        m["metadata"]["labels"][MANAGED] == "true"
    })
    .await?;

    let edit = json!({"spec": {"data": {"a": "hacked"}}});
    w.api.patch("Thing", &w.ns, "t", &edit).await?;
    until(w, "Thing", "t", |t| t["spec"]["data"]["a"] == "v1").await?;
    let status = json!({"status": {"seen": true}});
    let told = w.api.patch_status("Thing", &w.ns, "t", &status).await?;
    w.settle().await?;
    let later = get(w, "Thing", "t").await?;
    assert_eq!(
        later["metadata"]["resourceVersion"], told["metadata"]["resourceVersion"],
        "a status of the kind's own controller is no reason to write"
    );
    Ok(())
}

/// 2.7.6 and 2.4.3: Merge waits for its target, and keeps what is not its own.
async fn merge_keeps_the_keys_of_others(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let target = with(config_map("shared"), "creationPolicy", "Merge");
    w.external_secret("app", spec(target.clone())).await?;
    let es = w.until_reason("app", "ResourceMissing").await?;
    assert_eq!(
        ready(&es).2,
        "resource will not be created due to CreationPolicy=Merge"
    );
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared", "namespace": w.ns},
        "data": {"theirs": "x"}, "binaryData": {"b": "eA=="}});
    w.api.create(&theirs).await?;
    let mut renamed = spec(target);
    renamed["data"] = json!([{"secretKey": "old", "remoteRef": {"key": "k"}}]);
    w.api
        .patch("ExternalSecret", &w.ns, "app", &json!({"spec": renamed}))
        .await?;
    w.until_reason("app", "ResourceSynced").await?;
    let map = until(w, "ConfigMap", "shared", |m| m["data"]["old"] == "v1").await?;
    assert_eq!(map["data"], json!({"theirs": "x", "old": "v1"}));
    assert!(map["metadata"].get("ownerReferences").is_none());
    let again = json!({"spec": {"data": [{"secretKey": "new", "remoteRef": {"key": "k"}}]}});
    w.api.patch("ExternalSecret", &w.ns, "app", &again).await?;
    let map = until(w, "ConfigMap", "shared", |m| m["data"]["new"] == "v1").await?;
    assert_eq!(
        map["data"],
        json!({"theirs": "x", "new": "v1"}),
        "its own old key goes"
    );
    assert_eq!(map["binaryData"], json!({"b": "eA=="}));
    Ok(())
}

/// 2.7.6 and 2.4.9: other owners stay, and the target of another ExternalSecret is left alone.
async fn owners_of_others_stay(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": w.ns}});
    let owner = w.api.create(&owner).await?;
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]});
    let existing = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "cm", "namespace": w.ns, "ownerReferences": [reference]}, "data": {"old": "x"}});
    w.api.create(&existing).await?;
    w.external_secret("first", spec(config_map("cm"))).await?;
    w.until_ready("first").await?;
    let map = get(w, "ConfigMap", "cm").await?;
    let owners = map["metadata"]["ownerReferences"]
        .as_array()
        .context("owners")?;
    assert!(owners.iter().any(|o| o["name"] == "owner"), "{owners:?}");
    assert!(owners.iter().any(|o| o["name"] == "first"), "{owners:?}");
    assert_eq!(map["data"], json!({"a": "v1"}));
    w.external_secret("second", spec(config_map("cm"))).await?;
    w.until_message("second", "target is owned by another ExternalSecret")
        .await?;
    let es = get(w, "ExternalSecret", "second").await?;
    assert_eq!(ready(&es).1, "ResourceSyncedError");
    Ok(())
}

/// 2.5 and 2.1.2: what is not owned is never deleted.
async fn nothing_found_deletes_only_what_is_ours(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let deleting = |name: &str| with(config_map(name), "deletionPolicy", "Delete");
    w.external_secret("ours", spec(deleting("ours"))).await?;
    w.until_ready("ours").await?;
    let empty =
        json!({"spec": {"provider": {"fake": {"data": [{"key": "unrelated", "value": "x"}]}}}});
    w.api.patch("SecretStore", &w.ns, "store", &empty).await?;
    w.until_reason("ours", "ResourceDeleted").await?;
    assert!(w.api.get("ConfigMap", &w.ns, "ours").await?.is_none());
    let events = w.until_event("ours", "Deleted").await?;
    assert!(
        events
            .iter()
            .any(|e| e["message"] == "Deleted ConfigMap ours")
    );
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "foreign", "namespace": w.ns, "labels": {MANAGED: "true"}}, "data": {"x": "y"}});
    w.api.create(&foreign).await?;
    w.external_secret("theirs", spec(deleting("foreign")))
        .await?;
    let refused = spec(with(deleting("foreign"), "creationPolicy", "Orphan"));
    w.external_secret("orphan", refused).await?;
    w.until_message("orphan", "could not delete resource")
        .await?;
    w.api.delete("ExternalSecret", &w.ns, "theirs").await?;
    w.settle().await?;
    assert_eq!(
        get(w, "ConfigMap", "foreign").await?["data"],
        json!({"x": "y"})
    );
    Ok(())
}

/// A new target name deletes the old object.
async fn a_new_name_moves_the_target(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", spec(config_map("before"))).await?;
    w.until_ready("app").await?;
    // A copy that someone made, labels included, is not ours.
    let mut copy = get(w, "ConfigMap", "before").await?;
    copy["metadata"] =
        json!({"name": "copy", "namespace": w.ns, "labels": copy["metadata"]["labels"]});
    w.api.create(&copy).await?;
    let rename = json!({"spec": {"target": {"name": "after"}}});
    w.api.patch("ExternalSecret", &w.ns, "app", &rename).await?;
    until(w, "ConfigMap", "after", |m| m["data"]["a"] == "v1").await?;
    until(w, "ConfigMap", "before", Value::is_null).await?;
    assert_eq!(get(w, "ConfigMap", "copy").await?["data"]["a"], "v1");
    Ok(())
}

/// A Secret that a manifest names is a Secret like any other (1.8, and 2.7.2 on purpose).
async fn secrets_obey_the_rules_of_secrets(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let secret = json!({"name": "made", "manifest": {"apiVersion": "v1", "kind": "Secret"}});
    w.external_secret("app", spec(secret.clone())).await?;
    w.until_reason("app", "SecretSynced").await?;
    assert_eq!(w.secret_data("made").await?["a"], "v1");
    let token = "kubernetes.io/service-account-token";
    for template in [
        json!({"type": "bootstrap.kubernetes.io/token"}),
        json!({"type": token, "metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}}}),
        json!({"type": token, "templateFrom": [{"target": "Annotations", "literal": "x: y"}]}),
        json!({"templateFrom": [{"target": "metadata.annotations", "literal": "x: y"}]}),
    ] {
        let object = w.object("refused", spec(filled(secret.clone(), template.clone())));
        let answer = w.api.try_create(&object).await?;
        assert!(answer.is_err(), "{template}");
    }
    Ok(())
}

/// No template leads to another object or namespace.
async fn a_target_stays_in_its_namespace(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    for (name, path, literal) in [
        ("namespace", "metadata", "namespace: default\nname: escaped"),
        ("name", "metadata.name", "escaped"),
        ("kind", "kind", "Secret"),
    ] {
        let mut target = config_map("cm");
        target["template"] = json!({"templateFrom": [{"target": path, "literal": literal}]});
        w.external_secret(name, spec(target)).await?;
        let message = w.until_failed(name).await?;
        assert!(
            message.starts_with("could not apply template to manifest")
                && message.contains("leads to the object's identity"),
            "{message}"
        );
    }
    assert!(
        w.api
            .get("ConfigMap", "default", "escaped")
            .await?
            .is_none()
    );
    assert!(w.api.get("ConfigMap", &w.ns, "cm").await?.is_none());
    Ok(())
}

/// A kind that is not served is named, and found when it is.
async fn a_kind_that_comes_later(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let target = json!({"manifest": {"apiVersion": "late.keyless.test/v1", "kind": "Widget"}});
    w.external_secret("app", spec(target)).await?;
    let es = w.until_reason("app", "ResourceSyncedError").await?;
    let (_, _, message) = ready(&es);
    assert!(
        message.starts_with("could not get target resource"),
        "{message}"
    );
    assert!(
        message.contains("serves no late.keyless.test/v1 Widget"),
        "{message}"
    );
    kind(w, "late.keyless.test", "widgets", "Widget").await?;
    w.until_reason("app", "ResourceSynced").await?;
    assert_eq!(get(w, "Widget", "app").await?["spec"]["data"]["a"], "v1");
    Ok(())
}

/// What lies in no namespace is no target.
async fn cluster_scoped_kinds_are_refused(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let target = json!({"name": "x", "manifest": {"apiVersion": "v1", "kind": "Namespace"}});
    w.external_secret("app", spec(target)).await?;
    w.until_message("app", "v1 Namespace is cluster-scoped")
        .await?;
    assert!(w.api.get("Namespace", "", "x").await?.is_none());
    for (name, api_version, kind) in [
        ("a", "../v1", "Thing"),
        ("b", "a/b/c", "Thing"),
        ("c", "v1", "x/y"),
    ] {
        let target = json!({"manifest": {"apiVersion": api_version, "kind": kind}});
        w.external_secret(name, spec(target)).await?;
        w.until_message(name, "invalid generic target").await?;
    }
    Ok(())
}

/// An operator without a right on the kind says which rule is missing, and goes on when it is
/// granted.
async fn a_missing_right_is_named(world: World) -> Result<()> {
    let w = &world;
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let mut rules = vec![
        rule(&["external-secrets.io"], &["*"], &["*"]),
        rule(&[""], &["secrets", "events", "namespaces"], &["*"]),
    ];
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": w.ns}, "rules": rules});
    w.api.create(&role).await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": w.ns},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": w.ns},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": w.ns}]});
    w.api.create(&binding).await?;
    w.service_account("operator", json!({})).await?;
    let operator = w.operator_as("limited", "operator").await?;
    w.store_of_class("store", "limited", json!([{"key": "k", "value": "v1"}]))
        .await?;
    w.external_secret("app", spec(config_map("cm"))).await?;
    let message = w.until_failed("app").await?;
    assert!(
        message.starts_with("could not get target resource"),
        "{message}"
    );
    let all = ["get", "list", "watch", "create", "update", "delete"];
    let named = format!(
        "apiGroups: [\"\"], resources: [\"configmaps\"], verbs: [{}]",
        all.join(", ")
    );
    assert!(message.contains(&named), "{message}");
    rules.push(rule(&[""], &["configmaps"], &["get", "list", "watch"]));
    let patch = |rules: &Vec<Value>| json!({ "rules": rules });
    w.api
        .patch("ClusterRole", "", &w.ns, &patch(&rules))
        .await?;
    let message = w.until_message("app", "could not update secret").await?;
    assert!(message.contains("may not create configmaps"), "{message}");
    assert!(message.contains(&named), "{message}");
    rules.push(rule(&[""], &["configmaps"], &all));
    w.api
        .patch("ClusterRole", "", &w.ns, &patch(&rules))
        .await?;
    w.until_reason("app", "ResourceSynced").await?;
    operator.stop().await?;
    w.api.delete("ClusterRoleBinding", "", &w.ns).await?;
    w.api.delete("ClusterRole", "", &w.ns).await
}

/// An API server quotes what it refuses; what it quotes is not told.
async fn values_are_not_quoted(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "k", "value": "hunter2 is no label!"}]),
    )
    .await?;
    let mut target = config_map("cm");
    target["template"] = json!({"metadata": {"labels": {"l": "{{ .a }}"}}, "data": {"x": "y"}});
    w.external_secret("app", spec(target)).await?;
    let message = w.until_failed("app").await?;
    assert!(message.starts_with("could not update secret"), "{message}");
    let events = w.until_event("app", "UpdateFailed").await?;
    for text in [message, format!("{events:?}")] {
        assert!(
            text.contains("metadata.labels") && !text.contains("hunter2"),
            "{text}"
        );
    }
    Ok(())
}

/// 2.7.7 on purpose: refreshes that find nothing new write nothing and tell nothing, also where
/// the API server adds defaults.
async fn an_unchanged_target_is_not_written(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "v1").await?;
    w.aws_ready("reader").await?;
    things(w).await?;
    let spec = |target: Value| {
        json!({"refreshInterval": "1s", "secretStoreRef": {"name": "aws"}, "target": target,
            "data": [{"secretKey": "a", "remoteRef": {"key": w.path("k")}}]})
    };
    w.external_secret("map", spec(config_map("cm"))).await?;
    w.external_secret("thing", spec(thing("t"))).await?;
    w.until_ready("map").await?;
    w.until_ready("thing").await?;
    let versions = || async {
        let mut versions = Vec::new();
        for (kind, name) in [
            ("ConfigMap", "cm"),
            ("Thing", "t"),
            ("ExternalSecret", "map"),
            ("ExternalSecret", "thing"),
        ] {
            let object = get(w, kind, name).await?;
            versions.push(object["metadata"]["resourceVersion"].clone());
        }
        anyhow::Ok(versions)
    };
    let before = versions().await?;
    let calls = w.aws_calls();
    w.until_calls(&calls, "ssm:GetParameter", 3).await?;
    assert_eq!(before, versions().await?);
    for name in ["map", "thing"] {
        let events = w.until_event(name, "Created").await?;
        assert!(
            events.iter().all(|e| e["reason"] == "Created"),
            "{events:?}"
        );
    }
    Ok(())
}
