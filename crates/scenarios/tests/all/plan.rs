//! The plan of a sync foretells what the operator then does, or why it does not.

use anyhow::Result;
use keyless_controller::preview::{Action, Planned};
use keyless_scenarios::World;
use keyless_secret::diff::Part;
use serde_json::{Value, json};

scenarios!(
    a_plan_foretells_the_sync,
    plans_respect_what_others_own,
    a_plan_says_why_a_sync_would_fail,
    a_plan_shows_what_a_sync_deletes
);

/// The changes of the data, such as `+ a`.
fn data(plan: &Planned) -> Vec<String> {
    let changes = plan.changes.changes.iter();
    let data = changes.filter(|change| change.part == Part::Data);
    data.map(|change| format!("{} {}", change.sign(), change.key))
        .collect()
}

fn spec(target: Value, entries: &[(&str, &str)]) -> Value {
    let data: Vec<Value> = entries
        .iter()
        .map(|(key, remote)| json!({"secretKey": key, "remoteRef": {"key": remote}}))
        .collect();
    json!({"secretStoreRef": {"name": "store"}, "target": target, "data": data})
}

fn failure(plan: &Planned) -> &str {
    assert_eq!(plan.action, Action::Fail, "{plan:?}");
    &plan.finding.as_ref().unwrap().message
}

/// Create, nothing, change, remove: over AWS, with a login of its own.
async fn a_plan_foretells_the_sync(world: World) -> Result<()> {
    let w = &world;
    let canary = format!("canary-{}-55ac", w.ns);
    w.parameter("a", &canary).await?;
    w.parameter("b", "2").await?;
    w.aws_ready("reader").await?;
    w.api
        .until("SecretStore", &w.ns, "aws", "Ready", |s| {
            s["status"]["conditions"][0]["status"] == "True"
        })
        .await?;
    let (a, b) = (w.path("a"), w.path("b"));
    let with = |entries: &[(&str, &str)]| {
        let mut spec = spec(
            json!({"template": {"metadata": {"labels": {"l": "{{ .b }}"}}}}),
            entries,
        );
        spec["secretStoreRef"] = json!({"name": "aws"});
        spec
    };
    let both = with(&[("a", &a), ("b", &b)]);
    let mut said = Vec::new();
    let plan = w.plan("app", both.clone()).await?;
    assert_eq!(
        (plan.action, data(&plan)),
        (Action::Create, vec!["+ a".into(), "+ b".into()]),
        "{plan:?}"
    );
    said.push(plan);
    w.external_secret("app", both.clone()).await?;
    w.until_ready("app").await?;
    let keys: Vec<String> = w.secret_data("app").await?.into_keys().collect();
    assert_eq!(keys, ["a", "b"]);
    let plan = w.plan("app", both.clone()).await?;
    assert!(!plan.is_different(), "{plan:?}");
    assert_eq!(plan.changes.unchanged, 2);
    w.parameter("a", &format!("{canary}!")).await?;
    let plan = w.plan("app", both.clone()).await?;
    assert_eq!(
        (plan.action, data(&plan)),
        (Action::Change, vec!["~ a".into()]),
        "{plan:?}"
    );
    said.push(plan);
    let plan = w.plan("app", with(&[("b", &b)])).await?;
    assert_eq!(data(&plan), ["- a"], "{plan:?}");
    said.push(plan);
    for plan in said {
        let text = format!("{plan:?} {}", plan.changes);
        assert!(!text.contains(&canary), "{text}");
        for token in w.tokens_minted() {
            assert!(!text.contains(&token), "{text}");
        }
    }
    Ok(())
}

/// Merge keeps the keys of others; an immutable target and one of another object stay as they are.
async fn plans_respect_what_others_own(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let merge = |name: &str| {
        spec(
            json!({"name": name, "creationPolicy": "Merge"}),
            &[("a", "k")],
        )
    };
    let plan = w.plan("merge", merge("shared")).await?;
    assert_eq!(plan.action, Action::Nothing, "{plan:?}");
    assert!(
        plan.notes.iter().any(|note| note.contains("Merge")),
        "{plan:?}"
    );
    let secret = |name: &str, immutable: bool| {
        json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": w.ns}, "immutable": immutable, "data": {"theirs": "eA=="}})
    };
    w.api.create(&secret("shared", false)).await?;
    let plan = w.plan("merge", merge("shared")).await?;
    assert_eq!(
        (plan.action, data(&plan)),
        (Action::Change, vec!["+ a".into()]),
        "{plan:?}"
    );
    assert_eq!(plan.changes.unchanged, 1);
    w.external_secret("merge", merge("shared")).await?;
    w.until_reason("merge", "SecretSynced").await?;
    let plan = w.plan("merge", merge("shared")).await?;
    assert!(!plan.is_different(), "{plan:?}");

    w.api.create(&secret("stone", true)).await?;
    let plan = w.plan("stone", spec(json!({}), &[("a", "k")])).await?;
    let finding = plan.finding.as_ref().unwrap();
    assert!(finding.message.contains("immutable"), "{finding}");
    assert!(data(&plan).is_empty(), "{plan:?}");

    w.external_secret("first", spec(json!({"name": "one"}), &[("a", "k")]))
        .await?;
    w.until_ready("first").await?;
    let plan = w
        .plan("second", spec(json!({"name": "one"}), &[("a", "k")]))
        .await?;
    assert!(
        failure(&plan).contains("owned by another ExternalSecret: first"),
        "{plan:?}"
    );
    Ok(())
}

/// Template, secret, store: the plan fails as the sync would, and says where.
async fn a_plan_says_why_a_sync_would_fail(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let template = json!({"template": {"data": {"x": "one\n{{ .nope }}"}}});
    let plan = w.plan("app", spec(template, &[("a", "k")])).await?;
    let finding = plan.finding.as_ref().unwrap();
    assert!(
        finding
            .to_string()
            .starts_with("spec.target.template.data.x, line 2, column 4: "),
        "{finding}"
    );

    let from = json!({"template": {"templateFrom": [{"configMap": {"name": "absent", "items": [{"key": "k"}]}}]}});
    let plan = w.plan("app", spec(from, &[("a", "k")])).await?;
    assert!(
        failure(&plan).contains("ConfigMap \"absent\" not found"),
        "{plan:?}"
    );

    let plan = w.plan("app", spec(json!({}), &[("a", "missing")])).await?;
    assert!(failure(&plan).contains("spec.data[0]"), "{plan:?}");

    let mut elsewhere = spec(json!({}), &[("a", "k")]);
    elsewhere["secretStoreRef"]["name"] = json!("no-such-store");
    let plan = w.plan("app", elsewhere.clone()).await?;
    assert!(
        failure(&plan).contains("could not get SecretStore \"no-such-store\""),
        "{plan:?}"
    );

    let broken = json!({"provider": {"aws": {"service": "ParameterStore", "region": "eu-central-1",
        "auth": {"jwt": {"serviceAccountRef": {"name": "nobody"}}}}}});
    w.store("broken", broken).await?;
    w.api
        .until("SecretStore", &w.ns, "broken", "not Ready", |s| {
            s["status"]["conditions"][0]["status"] == "False"
        })
        .await?;
    elsewhere["secretStoreRef"]["name"] = json!("broken");
    let plan = w.plan("app", elsewhere).await?;
    assert!(failure(&plan).contains("is not ready"), "{plan:?}");
    assert!(!plan.finding.unwrap().is_blind());
    Ok(())
}

/// Nothing found under deletionPolicy Delete, and a renamed target.
async fn a_plan_shows_what_a_sync_deletes(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let delete = |name: &str, key: &str| {
        spec(
            json!({"name": name, "deletionPolicy": "Delete"}),
            &[("a", key)],
        )
    };
    w.external_secret("app", delete("old", "k")).await?;
    w.until_ready("app").await?;
    let plan = w.plan("app", delete("old", "gone")).await?;
    assert_eq!(
        (plan.action, data(&plan)),
        (Action::Delete, vec!["- a".into()]),
        "{plan:?}"
    );
    let plan = w.plan("app", delete("new", "k")).await?;
    assert_eq!(plan.action, Action::Create, "{plan:?}");
    let orphans: Vec<&str> = plan.orphans.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(orphans, ["old"]);
    Ok(())
}
