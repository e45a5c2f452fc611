//! What is written into an existing Secret, what stays, and what is refused.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    create_or_merge_keeps_foreign_keys,
    orphan_replaces_all_data,
    an_owner_becomes_an_orphan,
    stale_metadata_goes_for_names_of_any_length,
    templates_decide_about_metadata,
    precedence_of_values,
    a_type_is_given_once,
    immutable_targets,
    a_secret_of_another_kind_is_left_alone,
    the_binding_names_what_exists,
    events_of_one_life
);

fn reads(target: Value) -> Value {
    json!({"secretStoreRef": {"name": "store"}, "target": target,
        "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

async fn store(w: &World) -> Result<()> {
    w.fake_store(
        "store",
        json!([{"key": "k", "value": "v"}, {"key": "other", "value": "w"}]),
    )
    .await
}

async fn foreign_secret(w: &World, name: &str, more: Value) -> Result<Value> {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": w.ns,
        "labels": {"theirs": "label"}, "annotations": {"theirs": "annotation"}}, "data": {"theirs": "eA=="}});
    for (key, value) in more.as_object().into_iter().flatten() {
        secret[key] = value.clone();
    }
    w.api.create(&secret).await
}

/// Made if absent, merged if not; never owned, and left behind.
async fn create_or_merge_keeps_foreign_keys(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    foreign_secret(w, "shared", json!({})).await?;
    for (name, target) in [("app", "shared"), ("new", "made")] {
        w.external_secret(
            name,
            reads(json!({"name": target, "creationPolicy": "CreateOrMerge"})),
        )
        .await?;
        w.until_ready(name).await?;
        let secret = w.secret(target).await?.unwrap();
        assert!(secret["metadata"].get("ownerReferences").is_none());
        assert!(
            secret["metadata"]["labels"]
                .get("reconcile.external-secrets.io/created-by")
                .is_none()
        );
        assert_eq!(keyless_scenarios::data(&secret)["a"], "v");
    }
    let secret = w.secret("shared").await?.unwrap();
    assert_eq!(secret["data"]["theirs"], "eA==");
    assert_eq!(secret["metadata"]["labels"]["theirs"], "label");
    w.api
        .patch(
            "Secret",
            &w.ns,
            "shared",
            &json!({"data": {"later": "eA=="}}),
        )
        .await?;
    w.change(
        "app",
        json!({"spec": {"data": [{"secretKey": "b", "remoteRef": {"key": "other"}}]}}),
    )
    .await?;
    w.api
        .until("Secret", &w.ns, "shared", "with the other key", |s| {
            s["data"].get("b").is_some()
        })
        .await?;
    let keys: Vec<String> = w.secret_data("shared").await?.into_keys().collect();
    assert_eq!(keys, ["b", "later", "theirs"]);
    w.api.delete("ExternalSecret", &w.ns, "app").await?;
    w.settle().await?;
    assert!(w.secret("shared").await?.is_some());
    Ok(())
}

async fn orphan_replaces_all_data(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    foreign_secret(w, "app", json!({})).await?;
    w.external_secret("app", reads(json!({"creationPolicy": "Orphan"})))
        .await?;
    w.until_ready("app").await?;
    let secret = w.secret("app").await?.unwrap();
    let keys: Vec<String> = keyless_scenarios::data(&secret).into_keys().collect();
    assert_eq!(keys, ["a"], "the data is replaced");
    assert_eq!(
        secret["metadata"]["labels"]["theirs"], "label",
        "the rest is not"
    );
    Ok(())
}

/// From Owner to Orphan: label and reference go, so that the Secret survives.
async fn an_owner_becomes_an_orphan(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", reads(json!({}))).await?;
    w.until_ready("app").await?;
    w.change(
        "app",
        json!({"spec": {"target": {"creationPolicy": "Orphan"}}}),
    )
    .await?;
    let free = |s: &Value| s["metadata"].get("ownerReferences").is_none();
    let secret = w.api.until("Secret", &w.ns, "app", "free", free).await?;
    assert!(
        secret["metadata"]["labels"]
            .get("reconcile.external-secrets.io/created-by")
            .is_none()
    );
    w.api.delete("ExternalSecret", &w.ns, "app").await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "v");
    Ok(())
}

/// Labels and annotations taken off the ExternalSecret go from its Secret; with a name of 28 to 63
/// characters ESO leaves them.
async fn stale_metadata_goes_for_names_of_any_length(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let names = [
        "short",
        "a-name-with-thirty-nine-characters-here",
        &"n".repeat(80),
    ];
    for name in names {
        let mut object = w.object(name, reads(json!({})));
        object["metadata"]["labels"] = json!({"stale": "1", "kept": "1"});
        object["metadata"]["annotations"] = json!({"stale": "1"});
        w.api.create(&object).await?;
        w.until_ready(name).await?;
        let theirs = json!({"metadata": {"labels": {"foreign": "1"}}});
        w.api.patch("Secret", &w.ns, name, &theirs).await?;
        w.change(
            name,
            json!({"metadata": {"labels": {"stale": null}, "annotations": {"stale": null}}}),
        )
        .await?;
        let clean = |s: &Value| {
            let meta = &s["metadata"];
            meta["labels"].get("stale").is_none() && meta["annotations"].get("stale").is_none()
        };
        let secret = w.api.until("Secret", &w.ns, name, "clean", clean).await?;
        let labels = &secret["metadata"]["labels"];
        assert_eq!(
            (&labels["kept"], &labels["foreign"]),
            (&json!("1"), &json!("1"))
        );
    }
    Ok(())
}

/// With a template only its own metadata is used, and its values are templates; finalizers are
/// added and never taken away.
async fn templates_decide_about_metadata(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let template = json!({"metadata": {"labels": {"made": "{{ .a }}"}, "annotations": {"note": "{{ .a | upper }}"},
        "finalizers": ["example.com/hold"]}, "data": {"x": "{{ .a }}"}});
    let mut object = w.object("app", reads(json!({"template": template})));
    object["metadata"]["labels"] = json!({"own": "1"});
    w.api.create(&object).await?;
    w.until_ready("app").await?;
    let secret = w.secret("app").await?.unwrap();
    let meta = &secret["metadata"];
    assert_eq!(
        (&meta["labels"]["made"], &meta["annotations"]["note"]),
        (&json!("v"), &json!("V"))
    );
    assert!(meta["labels"].get("own").is_none(), "only the template's");
    w.change("app", json!({"spec": {"target": {"template": {"metadata": {"finalizers": null, "labels": null}}}}})).await?;
    let unlabelled = |s: &Value| s["metadata"]["labels"].get("made").is_none();
    let secret = w
        .api
        .until("Secret", &w.ns, "app", "unlabelled", unlabelled)
        .await?;
    assert_eq!(
        secret["metadata"]["finalizers"],
        json!(["example.com/hold"])
    );
    w.api
        .patch(
            "Secret",
            &w.ns,
            "app",
            &json!({"metadata": {"finalizers": null}}),
        )
        .await?;
    Ok(())
}

/// `template.data` over `templateFrom` over what was fetched over what was there.
async fn precedence_of_values(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let template = |policy: &str| json!({"mergePolicy": policy, "data": {"x": "data"}, "templateFrom": [{"literal": "x: literal\nz: literal\na: literal"}]});
    for (policy, want) in [
        (
            "Replace",
            vec![("a", "literal"), ("x", "data"), ("z", "literal")],
        ),
        (
            "Merge",
            vec![
                ("a", "literal"),
                ("b", "w"),
                ("x", "data"),
                ("z", "literal"),
            ],
        ),
    ] {
        let name = policy.to_lowercase();
        let mut spec = reads(json!({"template": template(policy)}));
        spec["data"] = json!([{"secretKey": "a", "remoteRef": {"key": "k"}}, {"secretKey": "b", "remoteRef": {"key": "other"}}]);
        w.external_secret(&name, spec).await?;
        w.until_ready(&name).await?;
        let want = want
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        assert_eq!(w.secret_data(&name).await?, want, "{policy}");
    }
    // Metadata alone: the values pass.
    w.external_secret(
        "bare",
        reads(json!({"template": {"metadata": {"labels": {"l": "1"}}}})),
    )
    .await?;
    w.until_ready("bare").await?;
    assert_eq!(w.secret_data("bare").await?["a"], "v");
    Ok(())
}

/// The type is set at the creation; the API server refuses another one, and the old Secret stays.
async fn a_type_is_given_once(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let typed = |kind: &str| json!({"template": {"type": kind, "data": {"username": "u", "password": "{{ .a }}"}}});
    w.external_secret("app", reads(typed("kubernetes.io/basic-auth")))
        .await?;
    w.until_ready("app").await?;
    let before = w.secret("app").await?.unwrap();
    assert_eq!(before["type"], "kubernetes.io/basic-auth");
    w.change("app", json!({"spec": {"target": typed("Opaque")}}))
        .await?;
    let message = w.until_message("app", "could not update secret").await?;
    assert!(message.contains("type"), "{message}");
    assert_eq!(
        w.secret("app").await?.unwrap()["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    Ok(())
}

/// Written once and never rendered again; deleted, it is made anew; freed in the ExternalSecret
/// alone, it cannot change.
async fn immutable_targets(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", reads(json!({"immutable": true})))
        .await?;
    w.until_ready("app").await?;
    let first = w.secret("app").await?.unwrap();
    assert_eq!(first["immutable"], true);
    w.change(
        "app",
        json!({"spec": {"data": [{"secretKey": "a", "remoteRef": {"key": "other"}}]}}),
    )
    .await?;
    w.api
        .until("ExternalSecret", &w.ns, "app", "synced again", |o| {
            let synced = o["status"]["syncedResourceVersion"]
                .as_str()
                .unwrap_or_default();
            synced.starts_with("2-") && keyless_scenarios::api::ready(o).0 == "True"
        })
        .await?;
    assert_eq!(w.secret_data("app").await?["a"], "v", "not rendered again");
    w.change("app", json!({"spec": {"target": {"immutable": false}}}))
        .await?;
    let message = w
        .until_message("app", "could not update secret, target is immutable")
        .await?;
    assert!(message.contains("Delete Secret"), "{message}");
    w.api.delete("Secret", &w.ns, "app").await?;
    w.until_ready("app").await?;
    assert_eq!(w.secret_data("app").await?["a"], "w");
    Ok(())
}

/// A Secret whose controller is no ExternalSecret: refused under Owner, untouched down to its
/// labels; merging with it is allowed.
async fn a_secret_of_another_kind_is_left_alone(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let boss = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "boss", "namespace": w.ns}});
    let boss = w.api.create(&boss).await?;
    let metadata = json!({"name": "taken", "namespace": w.ns, "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "boss", "uid": boss["metadata"]["uid"], "controller": true}]});
    let before = foreign_secret(w, "taken", json!({"metadata": metadata})).await?;
    w.external_secret("app", reads(json!({"name": "taken"})))
        .await?;
    w.until_message("app", "failed to take ownership of target secret")
        .await?;
    let after = w.secret("taken").await?.unwrap();
    assert_eq!(
        after["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    w.external_secret(
        "merge",
        reads(json!({"name": "taken", "creationPolicy": "Merge"})),
    )
    .await?;
    w.until_ready("merge").await?;
    let after = w.secret("taken").await?.unwrap();
    assert_eq!(after["metadata"]["ownerReferences"][0]["name"], "boss");
    assert_eq!(keyless_scenarios::data(&after).len(), 2);
    Ok(())
}

/// `status.binding`: after a creation and at every attempt to change what exists, failed ones
/// included; not after a creation that failed.
async fn the_binding_names_what_exists(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let bad_key = json!({"template": {"data": {"not a key": "x"}}});
    w.external_secret("never", reads(bad_key.clone())).await?;
    w.until_failed("never").await?;
    w.external_secret("app", reads(json!({}))).await?;
    w.until_ready("app").await?;
    w.change("app", json!({"spec": {"target": bad_key}}))
        .await?;
    w.until_failed("app").await?;
    for (name, bound) in [("never", false), ("app", true)] {
        let object = w.api.get("ExternalSecret", &w.ns, name).await?.unwrap();
        let binding = object["status"]["binding"]["name"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(binding == name, bound, "{name}: {}", object["status"]);
    }
    Ok(())
}

/// Created, Updated, Deleted and UpdateFailed, each once.
async fn events_of_one_life(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", reads(json!({"name": "one"})))
        .await?;
    w.until_ready("app").await?;
    w.until_event("app", "Created").await?;
    w.change(
        "app",
        json!({"spec": {"data": [{"secretKey": "a", "remoteRef": {"key": "other"}}]}}),
    )
    .await?;
    w.until_event("app", "Updated").await?;
    w.change("app", json!({"spec": {"target": {"name": "two"}}}))
        .await?;
    w.until_event("app", "Deleted").await?;
    w.change(
        "app",
        json!({"spec": {"data": [{"secretKey": "a", "remoteRef": {"key": "absent"}}]}}),
    )
    .await?;
    w.until_event("app", "UpdateFailed").await?;
    w.settle().await?;
    let events = w.until_event("app", "UpdateFailed").await?;
    let count = |reason: &str, kind: &str| {
        let one = |e: &&Value| e["reason"] == reason && e["type"] == kind;
        events.iter().filter(one).count()
    };
    assert_eq!(count("Created", "Normal"), 2, "{events:?}");
    for (reason, kind) in [
        ("Updated", "Normal"),
        ("Deleted", "Normal"),
        ("UpdateFailed", "Warning"),
    ] {
        assert_eq!(count(reason, kind), 1, "{reason}: {events:?}");
    }
    assert!(
        events
            .iter()
            .all(|e| e["source"]["component"] == "external-secrets"),
        "{events:?}"
    );
    Ok(())
}
