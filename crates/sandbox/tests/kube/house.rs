use serde_json::{Value, json};

use super::{CONFIG_MAPS, Cluster, SECRETS, config_map, secret};

fn owned(mut object: Value, owner: &Value, block: bool) -> Value {
    object["metadata"]["ownerReferences"] = json!([{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": block}]);
    object
}

#[tokio::test]
async fn dependents_follow_their_owner() {
    let c = Cluster::new().await;
    let owner = c.post(CONFIG_MAPS, &config_map("owner")).await.ok();
    let child = c
        .post(SECRETS, &owned(secret("child"), &owner, true))
        .await
        .ok();
    c.post(SECRETS, &owned(secret("grandchild"), &child, true))
        .await
        .ok();
    c.delete(&format!("{CONFIG_MAPS}/owner")).await.ok();
    c.gone(&format!("{SECRETS}/child")).await;
    c.gone(&format!("{SECRETS}/grandchild")).await;
}

#[tokio::test]
async fn a_cluster_scoped_owner_counts_and_an_absent_one_does_not() {
    let c = Cluster::new().await;
    let namespace = c
        .post(
            "/api/v1/namespaces",
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "owner"}}),
        )
        .await
        .ok();
    c.post(SECRETS, &owned(secret("kept"), &namespace, false))
        .await
        .ok();
    let ghost = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ghost", "uid": "no-such-uid"}});
    c.post(SECRETS, &owned(secret("orphan"), &ghost, false))
        .await
        .ok();
    c.gone(&format!("{SECRETS}/orphan")).await;
    c.get(&format!("{SECRETS}/kept")).await.ok();
}

#[tokio::test]
async fn a_second_owner_keeps_a_dependent() {
    let c = Cluster::new().await;
    let one = c.post(CONFIG_MAPS, &config_map("one")).await.ok();
    let two = c.post(CONFIG_MAPS, &config_map("two")).await.ok();
    let mut child = owned(secret("child"), &one, false);
    let second = owned(secret("child"), &two, false)["metadata"]["ownerReferences"][0].clone();
    child["metadata"]["ownerReferences"]
        .as_array_mut()
        .unwrap()
        .push(second);
    c.post(SECRETS, &child).await.ok();
    c.delete(&format!("{CONFIG_MAPS}/one")).await.ok();
    c.until(&format!("{SECRETS}/child"), |o| {
        o["metadata"]["ownerReferences"]
            .as_array()
            .is_some_and(|l| l.len() == 1)
    })
    .await;
    c.delete(&format!("{CONFIG_MAPS}/two")).await.ok();
    c.gone(&format!("{SECRETS}/child")).await;
}

#[tokio::test]
async fn foreground_waits_for_dependents_and_orphan_releases_them() {
    let c = Cluster::new().await;
    let owner = c.post(CONFIG_MAPS, &config_map("owner")).await.ok();
    let mut child = owned(secret("child"), &owner, true);
    child["metadata"]["finalizers"] = json!(["example.com/hold"]);
    c.post(SECRETS, &child).await.ok();
    let marked = c
        .delete(&format!("{CONFIG_MAPS}/owner?propagationPolicy=Foreground"))
        .await
        .ok();
    assert_eq!(
        marked["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
    c.until(&format!("{SECRETS}/child"), |o| {
        o["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
    assert_eq!(
        c.get(&format!("{CONFIG_MAPS}/owner")).await.code,
        200,
        "the owner waits"
    );
    c.until(&format!("{SECRETS}/child"), |o| {
        !o["metadata"]["finalizers"]
            .as_array()
            .unwrap()
            .contains(&json!("foregroundDeletion"))
    })
    .await;
    c.merge(
        &format!("{SECRETS}/child"),
        &json!({"metadata": {"finalizers": null}}),
    )
    .await
    .ok();
    c.gone(&format!("{CONFIG_MAPS}/owner")).await;

    let owner = c.post(CONFIG_MAPS, &config_map("owner")).await.ok();
    c.post(SECRETS, &owned(secret("child"), &owner, true))
        .await
        .ok();
    c.delete_with(
        &format!("{CONFIG_MAPS}/owner"),
        &json!({"propagationPolicy": "Orphan"}),
    )
    .await
    .ok();
    c.gone(&format!("{CONFIG_MAPS}/owner")).await;
    assert!(
        c.get(&format!("{SECRETS}/child")).await.ok()["metadata"]
            .get("ownerReferences")
            .is_none()
    );
}

#[tokio::test]
async fn namespaces_are_furnished_emptied_and_closed() {
    let c = Cluster::new().await;
    let made = c
        .post(
            "/api/v1/namespaces",
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}),
        )
        .await
        .ok();
    assert_eq!(
        (
            &made["status"]["phase"],
            &made["metadata"]["labels"]["kubernetes.io/metadata.name"]
        ),
        (&json!("Active"), &json!("team"))
    );
    let secrets = "/api/v1/namespaces/team/secrets";
    c.get("/api/v1/namespaces/team/serviceaccounts/default")
        .await
        .ok();
    assert!(
        c.get("/api/v1/namespaces/team/configmaps/kube-root-ca.crt")
            .await
            .ok()["data"]["ca.crt"]
            .as_str()
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    c.delete("/api/v1/namespaces/team/serviceaccounts/default")
        .await
        .ok();
    c.get("/api/v1/namespaces/team/serviceaccounts/default")
        .await
        .ok();
    let mut held = secret("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    c.post(secrets, &held).await.ok();
    c.post(secrets, &secret("plain")).await.ok();
    let marked = c.delete("/api/v1/namespaces/team").await.ok();
    assert_eq!(marked["status"]["phase"], "Terminating");
    c.gone(&format!("{secrets}/plain")).await;
    let late = c.post(secrets, &secret("late")).await;
    assert_eq!(
        late.refused(403),
        "secrets \"late\" is forbidden: unable to create new content in namespace team because it is being terminated"
    );
    assert_eq!(
        late.body["details"]["causes"][0]["reason"],
        "NamespaceTerminating"
    );
    let told = c
        .until("/api/v1/namespaces/team", |n| {
            n["status"]["conditions"].is_array()
        })
        .await;
    let condition = told["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|x| x["type"] == "NamespaceFinalizersRemaining")
        .unwrap()
        .clone();
    assert_eq!(
        condition["message"],
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    );
    c.merge(
        &format!("{secrets}/held"),
        &json!({"metadata": {"finalizers": null}}),
    )
    .await
    .ok();
    c.gone("/api/v1/namespaces/team").await;
    assert_eq!(
        c.delete("/api/v1/namespaces/default").await.refused(403),
        "namespaces \"default\" is forbidden: this namespace may not be deleted"
    );
}

#[tokio::test]
async fn a_kept_cluster_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (made, token) = {
        let c = Cluster::with(|o| o.data = Some(folder.path().to_owned())).await;
        let made = c.post(SECRETS, &secret("x")).await.ok();
        c.post(super::CRDS, &super::definition()).await.ok();
        c.post(super::WIDGETS, &super::widget("w", json!({"size": 1})))
            .await
            .ok();
        let token = c.server.admin_token().to_owned();
        c.server.stop().await;
        (made, token)
    };
    let c = Cluster::with(|o| o.data = Some(folder.path().to_owned())).await;
    assert_eq!(c.get(&format!("{SECRETS}/x")).await.ok(), made);
    assert_eq!(
        c.get(&format!("{}/w", super::WIDGETS)).await.ok()["spec"]["size"],
        1
    );
    assert_eq!(c.server.admin_token(), token);
    let next = c.post(SECRETS, &secret("y")).await.ok();
    assert!(super::version(&next) > super::version(&made));
}
