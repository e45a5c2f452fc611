//! ClusterExternalSecrets: where an ExternalSecret is made, kept, changed and removed.

use anyhow::Result;
use keyless_scenarios::World;
use keyless_scenarios::api::eventually;
use serde_json::{Value, json};

#[path = "cluster_external_secrets/given.rs"]
mod given;
#[path = "cluster_external_secrets/trouble.rs"]
mod trouble;

use given::*;

const FORCE_SYNC: &str = "external-secrets.io/force-sync";

scenarios!(
    ces_any_selector_counts,
    ces_decides_alone_about_what_it_made,
    ces_hands_down_force_sync,
    ces_leaves_a_namespace_that_no_longer_matches,
    ces_renames_what_it_made,
    ces_without_namespaces_is_ready,
    ces_may_have_a_long_name,
    ces_follows_namespaces_and_deletions,
    ces_takes_everything_along,
    ces_in_v1beta1,
    ces_has_metrics_while_it_exists
);

/// §1: the selected namespaces are those of any selector, of the single one, and of the names.
async fn ces_any_selector_counts(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let team = |name: &str| json!({"team": name, "of": w.ns});
    let a = w.namespace("a", team("a")).await?;
    let b = w.namespace("b", team("b")).await?;
    let c = w.namespace("c", team("c")).await?;
    let d = w.namespace("d", team("d")).await?;
    let e = w.namespace("e", json!({"of": w.ns})).await?;
    let f = w.namespace("f", json!({"of": w.ns, "team": "f"})).await?;
    let of = json!({"key": "of", "operator": "In", "values": [w.ns]});
    let fields = json!({
        "namespaceSelectors": [
            {"matchLabels": {"team": "a", "of": w.ns}},
            {"matchExpressions": [of, {"key": "team", "operator": "DoesNotExist"}]},
            {"matchExpressions": [of, {"key": "team", "operator": "Exists"}, {"key": "team", "operator": "NotIn", "values": ["a", "b", "c", "d"]}]},
        ],
        "namespaceSelector": {"matchLabels": {"team": "b", "of": w.ns}},
        "namespaces": [c, "ces-no-such-namespace"],
    });
    let made = w.cluster_external_secret(&manifest(w, &fields)).await?;
    let object = until_status(w, &[&a, &b, &c, &e, &f], &[]).await?;
    assert_eq!(object["status"]["externalSecretName"], "e");
    assert!(!exists(w, "ExternalSecret", &d, "e").await?);
    // No finaliser is needed, on it or on a namespace: none can keep anything from ending.
    assert_eq!(
        object["metadata"]["finalizers"],
        made["metadata"]["finalizers"]
    );
    let namespace = w.api.get("Namespace", "", &a).await?.unwrap();
    assert!(namespace["metadata"].get("finalizers").is_none());
    Ok(())
}

/// §2: labels, annotations, spec and controller are its own; whatever is edited is undone.
async fn ces_decides_alone_about_what_it_made(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let n = on(w, "n").await?;
    let mut fields = labelled(w);
    fields["externalSecretMetadata"] = json!({"labels": {"l": "1"}, "annotations": {"x": "y"}});
    let made = w.cluster_external_secret(&manifest(w, &fields)).await?;
    until_synced(w, &n, "e").await?;
    let es = w.api.get("ExternalSecret", &n, "e").await?.unwrap();
    assert_eq!(es["metadata"]["labels"], json!({"l": "1"}));
    assert_eq!(es["metadata"]["annotations"], json!({"x": "y"}));
    assert_eq!(es["spec"], made["spec"]["externalSecretSpec"]);
    assert_eq!(
        es["metadata"]["ownerReferences"],
        json!([{"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "name": w.ns, "uid": made["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}])
    );

    let edit = json!({
        "metadata": {"labels": {"l": "9", "foreign": "1"}, "annotations": {"x": null, "foreign": "1"}, "finalizers": ["example.com/mine"]},
        "spec": {"refreshInterval": "1h", "data": [{"secretKey": "c", "remoteRef": {"key": "k2"}}]},
    });
    w.api.patch("ExternalSecret", &n, "e", &edit).await?;
    let restored = |o: &Value| {
        o["metadata"]["labels"] == json!({"l": "1"})
            && o["metadata"]["annotations"] == json!({"x": "y"})
            && o["spec"] == made["spec"]["externalSecretSpec"]
    };
    let es = w
        .api
        .until("ExternalSecret", &n, "e", "restored", restored)
        .await?;
    assert_eq!(es["metadata"]["finalizers"], json!(["example.com/mine"]));
    w.api
        .patch(
            "ExternalSecret",
            &n,
            "e",
            &json!({"metadata": {"finalizers": null}}),
        )
        .await?;

    change(w, json!({"spec": {"externalSecretMetadata": {"labels": {"l": null, "m": "2"}, "annotations": null}, "externalSecretSpec": {"data": [{"secretKey": "b", "remoteRef": {"key": "k2"}}]}}})).await?;
    let holds = |s: &Value| {
        keyless_scenarios::data(s) == [("b".to_owned(), "v2".to_owned())].into()
            && s["metadata"]["labels"]["m"] == "2"
            && s["metadata"]["labels"].get("l").is_none()
    };
    w.api.until("Secret", &n, "t", "changed", holds).await?;
    let es = w.api.get("ExternalSecret", &n, "e").await?.unwrap();
    assert_eq!(es["metadata"]["labels"], json!({"m": "2"}));
    assert!(
        es["metadata"]
            .get("annotations")
            .is_none_or(|a| *a == json!({}))
    );
    Ok(())
}

/// §3: force-sync is handed down, reads the values again, and is taken away again.
async fn ces_hands_down_force_sync(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    let n = on(w, "n").await?;
    let refreshed = until_synced(w, &n, "e").await?["status"]["syncedResourceVersion"].clone();
    change(
        w,
        json!({"metadata": {"annotations": {FORCE_SYNC: "now", "other": "stays here"}}}),
    )
    .await?;
    let forced = |o: &Value| {
        o["metadata"]["annotations"] == json!({FORCE_SYNC: "now"})
            && o["status"]["syncedResourceVersion"] != refreshed
    };
    w.api
        .until("ExternalSecret", &n, "e", "read again", forced)
        .await?;
    change(w, json!({"metadata": {"annotations": {FORCE_SYNC: null}}})).await?;
    let plain = |o: &Value| o["metadata"]["annotations"].get(FORCE_SYNC).is_none();
    w.api
        .until("ExternalSecret", &n, "e", "without force-sync", plain)
        .await?;
    Ok(())
}

/// §5: a namespace that no longer matches loses its ExternalSecret and can end.
async fn ces_leaves_a_namespace_that_no_longer_matches(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    let (stays, leaves) = (on(w, "stays").await?, on(w, "leaves").await?);
    until_status(w, &[&stays, &leaves], &[]).await?;
    until_synced(w, &leaves, "e").await?;
    relabel(w, &leaves, "0").await?;
    until_gone(w, "ExternalSecret", &leaves, "e").await?;
    until_gone(w, "Secret", &leaves, "t").await?;
    until_status(w, &[&stays], &[]).await?;
    w.api.delete("Namespace", "", &leaves).await?;
    until_gone(w, "Namespace", "", &leaves).await
}

/// §6: another name moves every ExternalSecret.
async fn ces_renames_what_it_made(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    let (a, b) = (on(w, "a").await?, on(w, "b").await?);
    until_status(w, &[&a, &b], &[]).await?;
    change(w, json!({"spec": {"externalSecretName": "f"}})).await?;
    for n in [&a, &b] {
        until_gone(w, "ExternalSecret", n, "e").await?;
        until_synced(w, n, "f").await?;
    }
    let object = until_status(w, &[&a, &b], &[]).await?;
    assert_eq!(object["status"]["externalSecretName"], "f");
    change(w, json!({"spec": {"externalSecretName": null}})).await?;
    for n in [&a, &b] {
        until_gone(w, "ExternalSecret", n, "f").await?;
        until_synced(w, n, &w.ns).await?;
    }
    Ok(())
}

/// §8: no namespace is no failure.
async fn ces_without_namespaces_is_ready(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    let object = until_status(w, &[], &[]).await?;
    assert_eq!(object["status"]["externalSecretName"], "e");
    assert_eq!(
        object["status"]["conditions"],
        json!([{"type": "Ready", "status": "True"}])
    );
    Ok(())
}

/// §9: the name may be as long as Kubernetes lets it be, from the beginning to the end.
async fn ces_may_have_a_long_name(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let n = on(w, "n").await?;
    let long = format!("{}.{}", w.ns, "long-name-".repeat(24).trim_end_matches('-'));
    let long = long
        .get(..250.min(long.len()))
        .unwrap()
        .trim_end_matches('-');
    assert!(long.len() > 200);
    let mut object = manifest(w, &labelled(w));
    object["metadata"]["name"] = json!(long);
    object["spec"]["externalSecretName"].take();
    w.cluster_external_secret(&object).await?;
    until_synced(w, &n, long).await?;
    let provisioned = |o: &Value| o["status"]["provisionedNamespaces"] == json!([n]);
    w.api
        .until(
            "ClusterExternalSecret",
            "",
            long,
            "provisioned",
            provisioned,
        )
        .await?;
    relabel(w, &n, "0").await?;
    until_gone(w, "ExternalSecret", &n, long).await?;
    w.api.delete("ClusterExternalSecret", "", long).await?;
    until_gone(w, "ClusterExternalSecret", "", long).await
}

/// §10: new and relabelled namespaces and deleted ExternalSecrets are acted upon at once.
async fn ces_follows_namespaces_and_deletions(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    until_status(w, &[], &[]).await?;
    let new = on(w, "new").await?;
    let first = until_synced(w, &new, "e").await?["metadata"]["uid"].clone();
    let late = off(w, "late").await?;
    relabel(w, &late, "1").await?;
    until_synced(w, &late, "e").await?;
    w.api.delete("ExternalSecret", &new, "e").await?;
    let again = |o: &Value| !o.is_null() && o["metadata"]["uid"] != first;
    w.api
        .until("ExternalSecret", &new, "e", "made again", again)
        .await?;
    until_status(w, &[&new, &late], &[]).await?;
    w.api.delete("Namespace", "", &new).await?;
    until_gone(w, "Namespace", "", &new).await?;
    until_status(w, &[&late], &[]).await?;
    Ok(())
}

/// §11: deleting it deletes what it made, and holds up nothing.
async fn ces_takes_everything_along(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    let (a, b) = (on(w, "a").await?, on(w, "b").await?);
    for n in [&a, &b] {
        until_synced(w, n, "e").await?;
    }
    w.api.delete("ClusterExternalSecret", "", &w.ns).await?;
    until_gone(w, "ClusterExternalSecret", "", &w.ns).await?;
    for n in [&a, &b] {
        until_gone(w, "ExternalSecret", n, "e").await?;
        until_gone(w, "Secret", n, "t").await?;
        w.api.delete("Namespace", "", n).await?;
        until_gone(w, "Namespace", "", n).await?;
    }
    Ok(())
}

/// A manifest of the older version, written for ESO 0.15, works.
async fn ces_in_v1beta1(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let n = on(w, "n").await?;
    let mut object = manifest(
        w,
        &json!({"namespaceSelector": {"matchLabels": {"of": w.ns, "on": "1"}}, "refreshTime": "1m"}),
    );
    object["apiVersion"] = json!("external-secrets.io/v1beta1");
    w.cluster_external_secret(&object).await?;
    until_synced(w, &n, "e").await?;
    let secret = w.api.get("Secret", &n, "t").await?.unwrap();
    assert_eq!(keyless_scenarios::data(&secret)["a"], "v");
    until_status(w, &[&n], &[]).await?;
    Ok(())
}

async fn ces_has_metrics_while_it_exists(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    until_status(w, &[], &[]).await?;
    let series = |status: &str, value: u8| {
        format!(
            r#"clusterexternalsecret_status_condition{{name="{}",namespace="",condition="Ready",status="{status}"}} {value}"#,
            w.ns
        )
    };
    let duration = format!(
        r#"clusterexternalsecret_reconcile_duration{{name="{}",namespace=""}}"#,
        w.ns
    );
    eventually("series of the ClusterExternalSecret", || async {
        let text = w.metrics().await?;
        let all = [series("True", 1), series("False", 0), duration.clone()];
        Ok(all.iter().all(|s| text.contains(s)).then_some(()))
    })
    .await?;
    w.api.delete("ClusterExternalSecret", "", &w.ns).await?;
    let name = format!(r#"name="{}",namespace="""#, w.ns);
    eventually("the end of its series", || async {
        let text = w.metrics().await?;
        let mut lines = text
            .lines()
            .filter(|l| l.starts_with("clusterexternalsecret_"));
        Ok((!lines.any(|l| l.contains(&name))).then_some(()))
    })
    .await
}
