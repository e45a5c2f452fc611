//! ClusterExternalSecrets in trouble: blocked, refused, misspelled, taken over, and at rest, where
//! the least change would show.

use anyhow::Result;
use keyless_scenarios::World;
use keyless_scenarios::api::ready;
use serde_json::{Value, json};

use super::given::*;

const BLOCKED: &str = "external secret already exists in namespace";
/// What ESO puts on a ClusterExternalSecret, and, with its name behind, on each of its namespaces.
const ESO: &str = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup";
const ESO_NAMESPACE: &str = "externalsecrets.external-secrets.io/ces-";

scenarios!(alone: ces_writes_nothing_at_rest);
scenarios!(
    ces_names_where_it_is_blocked,
    ces_stays_out_of_a_namespace_that_ends,
    ces_takes_over_from_eso,
    ces_touches_nothing_when_its_selector_means_nothing,
    ces_says_what_the_server_refused
);

/// §4 and §10: a foreign ExternalSecret blocks its namespace only, is left alone, and when it
/// goes its place is taken at once, long before `refreshTime`.
async fn ces_names_where_it_is_blocked(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let (free, taken) = (on(w, "free").await?, on(w, "taken").await?);
    let foreign = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "e", "namespace": taken},
        "spec": {"secretStoreRef": {"name": w.ns, "kind": "ClusterSecretStore"}, "data": [{"secretKey": "theirs", "remoteRef": {"key": "k"}}]},
    });
    let before = w.api.create(&foreign).await?["spec"].clone();
    w.cluster_external_secret(&manifest(w, &labelled(w)))
        .await?;
    let object = until_status(w, &[&free], &[&taken]).await?;
    assert_eq!(object["status"]["failedNamespaces"][0]["reason"], BLOCKED);
    let condition = object["status"]["conditions"][0].as_object().unwrap();
    let mut fields: Vec<&String> = condition.keys().collect();
    fields.sort();
    assert_eq!(fields, ["message", "status", "type"]);
    let theirs = w.api.get("ExternalSecret", &taken, "e").await?.unwrap();
    assert_eq!(theirs["spec"], before);
    w.api.delete("ExternalSecret", &taken, "e").await?;
    until_status(w, &[&free, &taken], &[]).await?;
    until_synced(w, &taken, "e").await?;
    Ok(())
}

/// §7: a namespace that is being deleted gets nothing, is no failure, and ends.
async fn ces_stays_out_of_a_namespace_that_ends(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    let (a, b) = (on(w, "a").await?, on(w, "b").await?);
    until_status(w, &[&a, &b], &[]).await?;
    let hold = json!({"metadata": {"finalizers": ["example.com/slow"]}});
    w.api.patch("Namespace", "", &b, &hold).await?;
    w.api.delete("Namespace", "", &b).await?;
    until_status(w, &[&a], &[]).await?;
    until_gone(w, "ExternalSecret", &b, "e").await?;
    // A look at every namespace must not fail there either.
    change(
        w,
        json!({"spec": {"externalSecretMetadata": {"labels": {"new": "1"}}}}),
    )
    .await?;
    let labelled = |o: &Value| o["metadata"]["labels"]["new"] == "1";
    w.api
        .until("ExternalSecret", &a, "e", "labelled", labelled)
        .await?;
    until_status(w, &[&a], &[]).await?;
    w.api
        .patch(
            "Namespace",
            "",
            &b,
            &json!({"metadata": {"finalizers": null}}),
        )
        .await?;
    until_gone(w, "Namespace", "", &b).await
}

/// ESO's finalisers, found after a take-over, stay while they mean something and hold up nothing.
async fn ces_takes_over_from_eso(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let held = format!("{ESO_NAMESPACE}{}", w.ns);
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    let mut names = Vec::new();
    for suffix in ["keeps", "leaves", "ends"] {
        let n = on(w, suffix).await?;
        let list = json!(["example.com/mine", held]);
        w.api.patch("Namespace", "", &n, &finalizers(list)).await?;
        names.push(n);
    }
    let orphan = off(w, "orphan").await?;
    let mut object = manifest(w, &labelled(w));
    object["metadata"]["finalizers"] = json!([ESO]);
    w.cluster_external_secret(&object).await?;
    let [keeps, leaves, ends] = [&*names[0], &*names[1], &*names[2]];
    until_status(w, &[keeps, leaves, ends], &[]).await?;
    let of = |o: &Value| o["metadata"]["finalizers"].clone();
    let before = w.api.get("Namespace", "", keeps).await?.unwrap();

    // One of a ClusterExternalSecret that does not exist is left over.
    let lost = json!([format!("{ESO_NAMESPACE}no-such-ces"), "example.com/mine"]);
    w.api
        .patch("Namespace", "", &orphan, &finalizers(lost))
        .await?;
    let mine = |o: &Value| of(o) == json!(["example.com/mine"]);
    w.api
        .until("Namespace", "", &orphan, "released", mine)
        .await?;
    relabel(w, leaves, "0").await?;
    w.api
        .until("Namespace", "", leaves, "released", mine)
        .await?;
    until_gone(w, "ExternalSecret", leaves, "e").await?;
    w.api.delete("Namespace", "", ends).await?;
    w.api.until("Namespace", "", ends, "released", mine).await?;
    w.api
        .patch("Namespace", "", ends, &finalizers(json!(null)))
        .await?;
    until_gone(w, "Namespace", "", ends).await?;
    until_status(w, &[keeps], &[]).await?;
    let after = w.api.get("Namespace", "", keeps).await?.unwrap();
    assert_eq!(of(&after), of(&before), "it still matches");

    w.api.delete("ClusterExternalSecret", "", &w.ns).await?;
    until_gone(w, "ClusterExternalSecret", "", &w.ns).await?;
    w.api
        .until("Namespace", "", keeps, "released", mine)
        .await?;
    until_gone(w, "ExternalSecret", keeps, "e").await
}

/// A selector with a typo selects nothing that anyone meant; nothing is removed on its account.
async fn ces_touches_nothing_when_its_selector_means_nothing(world: World) -> Result<()> {
    let w = &world;
    started(w).await?;
    let n = on(w, "n").await?;
    until_status(w, &[&n], &[]).await?;
    let typo = json!([{"matchExpressions": [{"key": "of", "operator": "Is", "values": [w.ns]}]}]);
    change(w, json!({"spec": {"namespaceSelectors": typo}})).await?;
    let told = |o: &Value| {
        let (status, _, message) = ready(o);
        status == "False"
            && message.contains("spec.namespaceSelectors[0].matchExpressions[0].operator")
    };
    let object = w
        .api
        .until("ClusterExternalSecret", "", &w.ns, "told", told)
        .await?;
    assert_eq!(object["status"]["provisionedNamespaces"], json!([n]));
    w.settle().await?;
    assert!(exists(w, "ExternalSecret", &n, "e").await?);
    change(w, json!({"spec": labelled(w)})).await?;
    until_status(w, &[&n], &[]).await?;
    Ok(())
}

/// What the API server refuses in one namespace is named there, with its reason, and tried again
/// when the spec changes.
async fn ces_says_what_the_server_refused(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    let n = on(w, "n").await?;
    let mut fields = labelled(w);
    fields["externalSecretMetadata"] = json!({"labels": {"l": "this is no label's value"}});
    w.cluster_external_secret(&manifest(w, &fields)).await?;
    let object = until_status(w, &[], &[&n]).await?;
    let reason = object["status"]["failedNamespaces"][0]["reason"]
        .as_str()
        .unwrap();
    assert!(
        reason.contains(&format!("create ExternalSecret {n}/e")),
        "{reason}"
    );
    assert!(reason.contains("422"), "{reason}");
    change(
        w,
        json!({"spec": {"externalSecretMetadata": {"labels": {"l": "fine"}}}}),
    )
    .await?;
    until_status(w, &[&n], &[]).await?;
    Ok(())
}

/// One request for each ExternalSecret, and none at all when nothing changes, however often
/// everything is looked at.
async fn ces_writes_nothing_at_rest(world: World) -> Result<()> {
    let w = &world;
    w.without_operator().await?;
    let (operator, notes) = w.noted_operator().await?;
    store(w).await?;
    let mut names = Vec::new();
    for n in 0..5 {
        names.push(on(w, &n.to_string()).await?);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut fields = labelled(w);
    fields["refreshTime"] = json!("500ms");
    w.cluster_external_secret(&manifest(w, &fields)).await?;
    until_status(w, &names, &[]).await?;
    for n in &names {
        until_synced(w, n, "e").await?;
    }
    w.settle().await?;
    let count = |kind: &str| {
        let notes = notes.lock().unwrap();
        notes
            .iter()
            .filter(|e| format!("{e:?}").starts_with(kind))
            .count()
    };
    assert_eq!(
        (count("CreateExternalSecret"), count("UpdateExternalSecret")),
        (5, 0)
    );
    let before = count("");
    // Several looks at everything, beside events that do not concern it.
    off(w, "other").await?;
    for n in &names {
        let patch = json!({"metadata": {"annotations": {"touched": "1"}}});
        w.api.patch("Namespace", "", n, &patch).await?;
    }
    w.settle().await?;
    assert_eq!(count(""), before, "{:?}", notes.lock().unwrap());
    // Each change is one request for each object that it concerns, and no status.
    change(
        w,
        json!({"spec": {"externalSecretMetadata": {"labels": {"l": "1"}}}}),
    )
    .await?;
    for n in &names {
        let labelled = |o: &Value| o["metadata"]["labels"]["l"] == "1";
        w.api
            .until("ExternalSecret", n, "e", "labelled", labelled)
            .await?;
    }
    w.settle().await?;
    assert_eq!((count("UpdateExternalSecret"), count("")), (5, before + 5));
    // Nor does another operator that finds everything in order write anything.
    operator.stop().await?;
    let (second, notes) = w.noted_operator().await?;
    w.settle().await?;
    assert!(
        notes.lock().unwrap().is_empty(),
        "{:?}",
        notes.lock().unwrap()
    );
    second.stop().await
}
