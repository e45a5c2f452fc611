use serde_json::json;

use super::{CRDS, Cluster, WIDGETS, definition, version, widget};

async fn cluster() -> Cluster {
    let c = Cluster::new().await;
    c.post(CRDS, &definition()).await.ok();
    c
}

#[tokio::test]
async fn a_definition_is_established_and_served_at_once() {
    let c = Cluster::new().await;
    assert_eq!(c.get(WIDGETS).await.code, 404);
    let made = c.post(CRDS, &definition()).await.ok();
    let condition = |kind: &str| {
        made["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|x| x["type"] == kind && x["status"] == "True")
    };
    assert!(condition("Established") && condition("NamesAccepted"));
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(made["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(c.get(WIDGETS).await.ok()["kind"], "WidgetList");
    let listed = c.get("/apis/example.com/v1").await.ok();
    assert!(
        listed["resources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["name"] == "widgets/status")
    );
    assert_eq!(
        c.get("/apis/example.com").await.ok()["preferredVersion"]["version"],
        "v1"
    );
    let mut wrong = definition();
    wrong["metadata"]["name"] = json!("gadgets.example.com");
    c.post(CRDS, &wrong).await.refused(422);
}

#[tokio::test]
async fn objects_are_defaulted_pruned_and_validated() {
    let c = cluster().await;
    let made = c
        .post(WIDGETS, &widget("a", json!({"size": 3, "shape": "round"})))
        .await;
    assert_eq!(
        made.warnings,
        ["299 - \"unknown field \\\"spec.shape\\\"\""]
    );
    let made = made.ok();
    assert_eq!(made["spec"], json!({"size": 3, "colour": "red"}));
    assert_eq!(made["metadata"]["generation"], 1);
    let strict = c
        .post(
            &format!("{WIDGETS}?fieldValidation=Strict"),
            &widget("b", json!({"size": 3, "shape": "round"})),
        )
        .await;
    assert_eq!(
        strict.refused(400),
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.shape\""
    );
    let silent = c
        .post(
            &format!("{WIDGETS}?fieldValidation=Ignore"),
            &widget("b", json!({"size": 3, "shape": "round"})),
        )
        .await;
    assert!(silent.warnings.is_empty() && silent.code == 201);
    let missing = c.post(WIDGETS, &widget("c", json!({}))).await;
    assert!(
        missing
            .refused(422)
            .starts_with("Widget.example.com \"c\" is invalid: [spec.size: Required value, "),
        "{}",
        missing.body
    );
    assert_eq!(missing.body["details"]["group"], "example.com");
    c.post(WIDGETS, &widget("c", json!({"size": "x"})))
        .await
        .refused(422);
    c.post(WIDGETS, &widget("c", json!({"size": 0})))
        .await
        .refused(422);
    assert!(
        c.post(WIDGETS, &widget("c", json!({"size": 100})))
            .await
            .refused(422)
            .contains("only blue may be large")
    );
    c.post(
        WIDGETS,
        &widget("c", json!({"size": 100, "colour": "blue"})),
    )
    .await
    .ok();
    c.patch(
        &format!("{WIDGETS}/c"),
        "strategic-merge-patch+json",
        &json!({}),
    )
    .await
    .refused(415);
}

#[tokio::test]
async fn status_is_apart_and_the_generation_counts_the_spec() {
    let c = cluster().await;
    let mut object = widget("a", json!({"size": 1}));
    object["status"] = json!({"ready": true});
    let made = c.post(WIDGETS, &object).await.ok();
    assert!(made.get("status").is_none(), "a create sets no status");
    let path = format!("{WIDGETS}/a");
    let status = c.merge(&format!("{path}/status"), &json!({"status": {"ready": true}, "spec": {"size": 9}, "metadata": {"labels": {"x": "y"}}})).await.ok();
    assert_eq!(
        (&status["status"], &status["spec"]["size"]),
        (&json!({"ready": true}), &json!(1))
    );
    assert_eq!(
        (
            status["metadata"].get("labels"),
            &status["metadata"]["generation"]
        ),
        (None, &json!(1))
    );
    let same = c
        .merge(
            &format!("{path}/status"),
            &json!({"status": {"ready": true}}),
        )
        .await
        .ok();
    assert_eq!(
        version(&same),
        version(&status),
        "an unchanged status writes nothing"
    );
    let spec = c
        .merge(
            &path,
            &json!({"spec": {"size": 2}, "status": {"ready": false}}),
        )
        .await
        .ok();
    assert_eq!(
        (&spec["status"]["ready"], &spec["metadata"]["generation"]),
        (&json!(true), &json!(2))
    );
    let meta = c
        .merge(&path, &json!({"metadata": {"labels": {"x": "y"}}}))
        .await
        .ok();
    assert_eq!(meta["metadata"]["generation"], 2);
    let mut put = meta.clone();
    put["status"] = json!({"ready": false, "extra": 1});
    let put = c.put(&format!("{path}/status"), &put).await.ok();
    assert_eq!(put["status"], json!({"ready": false, "extra": 1}));
    assert_eq!(
        put["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["subresource"] == "status")
            .count(),
        1
    );
    let applied = c.apply(&format!("{path}/status"), "op", &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "status": {"mine": 1}})).await.ok();
    assert_eq!(applied["status"]["mine"], 1);
    assert_eq!(applied["spec"]["size"], 2);
    assert_eq!(c.get(&format!("{path}/status")).await.ok(), applied);
}

#[tokio::test]
async fn both_versions_show_one_object() {
    let c = cluster().await;
    c.post(WIDGETS, &widget("a", json!({"size": 1}))).await.ok();
    let beta = WIDGETS.replace("/v1/", "/v1beta1/");
    let old = c.get(&format!("{beta}/a")).await.ok();
    assert_eq!(
        (&old["apiVersion"], &old["spec"]["size"]),
        (&json!("example.com/v1beta1"), &json!(1))
    );
    let list = c.get(&beta).await.ok();
    assert_eq!(
        (&list["apiVersion"], &list["items"][0]["apiVersion"]),
        (&json!("example.com/v1beta1"), &json!("example.com/v1beta1"))
    );
    let mut new = widget("b", json!({"size": 2}));
    new["apiVersion"] = json!("example.com/v1beta1");
    assert_eq!(
        c.post(&beta, &new).await.ok()["apiVersion"],
        "example.com/v1beta1"
    );
    assert_eq!(
        c.get(&format!("{WIDGETS}/b")).await.ok()["apiVersion"],
        "example.com/v1"
    );
    assert_eq!(c.post(WIDGETS, &new).await.code, 400);
    let patched = c
        .merge(&format!("{beta}/b"), &json!({"spec": {"size": 3}}))
        .await
        .ok();
    assert_eq!(
        (&patched["apiVersion"], &patched["spec"]["size"]),
        (&json!("example.com/v1beta1"), &json!(3))
    );
}

#[tokio::test]
async fn selectable_fields_select() {
    let c = cluster().await;
    c.post(WIDGETS, &widget("a", json!({"size": 1}))).await.ok();
    c.post(WIDGETS, &widget("b", json!({"size": 1, "colour": "blue"})))
        .await
        .ok();
    let blue = c
        .get(&format!("{WIDGETS}?fieldSelector=spec.colour%3Dblue"))
        .await
        .ok();
    assert_eq!(blue["items"].as_array().unwrap().len(), 1);
    c.get(&format!("{WIDGETS}?fieldSelector=spec.size%3D1"))
        .await
        .refused(400);
}

#[tokio::test]
async fn strict_apply_refuses_what_the_schema_does_not_know() {
    let c = cluster().await;
    let object = widget("a", json!({"size": 1, "foo": 1}));
    assert_eq!(
        c.apply(&format!("{WIDGETS}/a"), "one", &object)
            .await
            .refused(500),
        "failed to create typed patch object (/a; example.com/v1, Kind=Widget): .spec.foo: field not declared in schema"
    );
    let made = c
        .apply(
            &format!("{WIDGETS}/a"),
            "one",
            &widget("a", json!({"size": 1})),
        )
        .await;
    assert_eq!(made.code, 201);
    let conflict = c
        .apply(
            &format!("{WIDGETS}/a"),
            "two",
            &widget("a", json!({"size": 2})),
        )
        .await;
    assert!(conflict.refused(409).contains(".spec.size"));
}

#[tokio::test]
async fn deleting_a_definition_deletes_its_objects() {
    let c = cluster().await;
    c.post(WIDGETS, &widget("a", json!({"size": 1}))).await.ok();
    let marked = c.delete(&format!("{CRDS}/widgets.example.com")).await.ok();
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    c.gone(&format!("{CRDS}/widgets.example.com")).await;
    assert_eq!(c.get(WIDGETS).await.code, 404);
    c.post(CRDS, &definition()).await.ok();
    assert_eq!(c.get(WIDGETS).await.ok()["items"], json!([]));
}
