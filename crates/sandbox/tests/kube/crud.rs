use http::Method;
use serde_json::{Value, json};

use super::{CONFIG_MAPS, Cluster, SECRETS, config_map, secret, version};

#[tokio::test]
async fn create_sets_what_the_server_owns() {
    let c = Cluster::new().await;
    let made = c.post(SECRETS, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"generateName": "x-"}, "stringData": {"k": "v"}})).await.ok();
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("x-") && name.len() == 7, "{name}");
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(made["metadata"]["namespace"], "default");
    assert!(
        made["metadata"]["creationTimestamp"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(made["type"], "Opaque");
    assert_eq!(made["data"]["k"], "dg==");
    assert!(made.get("stringData").is_none() && made["metadata"].get("generation").is_none());
    assert_eq!(c.get(&format!("{SECRETS}/{name}")).await.ok(), made);
    let again = c.post(SECRETS, &secret(name)).await;
    assert_eq!(
        again.refused(409),
        format!("secrets \"{name}\" already exists")
    );
    assert_eq!(again.body["reason"], "AlreadyExists");
    assert_eq!(
        again.body["details"],
        json!({"name": name, "kind": "secrets"})
    );
}

#[tokio::test]
async fn unknown_things_are_told_apart() {
    let c = Cluster::new().await;
    assert_eq!(
        c.get(&format!("{SECRETS}/no")).await.refused(404),
        "secrets \"no\" not found"
    );
    assert_eq!(
        c.get("/api/v1/nothings").await.refused(404),
        "the server could not find the requested resource"
    );
    assert_eq!(
        c.get("/apis/no.such/v1").await.body,
        json!("404 page not found\n")
    );
    assert_eq!(
        c.post("/api/v1/namespaces/nowhere/secrets", &secret("x"))
            .await
            .refused(404),
        "namespaces \"nowhere\" not found"
    );
    assert_eq!(
        c.put(&format!("{SECRETS}/x"), &secret("x"))
            .await
            .refused(404),
        "secrets \"x\" not found"
    );
    let wrong = c.post(SECRETS, &config_map("x")).await;
    assert_eq!(wrong.code, 400);
    let elsewhere = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "other"}});
    assert_eq!(
        c.post(SECRETS, &elsewhere).await.refused(400),
        "the namespace of the provided object does not match the namespace sent on the request"
    );
    assert_eq!(
        c.post(SECRETS, &json!({"metadata": {}})).await.refused(422),
        "Secret \"\" is invalid: metadata.name: Required value: name or generateName is required"
    );
    assert_eq!(c.put(&format!("{SECRETS}/y"), &secret("x")).await.code, 400);
}

#[tokio::test]
async fn a_stale_update_is_refused_and_an_empty_one_changes_nothing() {
    let c = Cluster::new().await;
    let path = format!("{CONFIG_MAPS}/x");
    let first = c.post(CONFIG_MAPS, &config_map("x")).await.ok();
    assert_eq!(version(&c.put(&path, &first).await.ok()), version(&first));
    assert_eq!(
        version(&c.merge(&path, &json!({"data": {"a": "b"}})).await.ok()),
        version(&first)
    );
    let mut second = first.clone();
    second["data"]["a"] = json!("c");
    let second = c.put(&path, &second).await.ok();
    assert!(version(&second) > version(&first));
    let mut stale = first.clone();
    stale["data"]["a"] = json!("d");
    let refused = c.put(&path, &stale).await;
    assert_eq!(refused.body["reason"], "Conflict");
    assert_eq!(
        refused.refused(409),
        "Operation cannot be fulfilled on configmaps \"x\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let pinned = json!({"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"a": "e"}});
    c.merge(&path, &pinned).await.refused(409);
    let mut other = second.clone();
    other["metadata"]["uid"] = json!("other");
    c.put(&path, &other).await.refused(409);
    // No version: the last writer wins.
    let blind = c.put(&path, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"z": "1"}})).await.ok();
    assert_eq!(blind["data"], json!({"z": "1"}));
    assert_eq!(blind["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(
        blind["metadata"]["creationTimestamp"],
        first["metadata"]["creationTimestamp"]
    );
}

#[tokio::test]
async fn patches_in_their_languages() {
    let c = Cluster::new().await;
    let path = format!("{SECRETS}/x");
    c.post(SECRETS, &secret("x")).await.ok();
    let merged = c
        .merge(
            &path,
            &json!({"metadata": {"labels": {"a": "1"}}, "data": {"a": null, "b": "Yg=="}}),
        )
        .await
        .ok();
    assert_eq!(merged["data"], json!({"b": "Yg=="}));
    let json = c.patch(&path, "json-patch+json", &json!([{"op": "test", "path": "/data/b", "value": "Yg=="}, {"op": "remove", "path": "/metadata/labels/a"}])).await.ok();
    assert!(
        json["metadata"]
            .get("labels")
            .is_none_or(|l| l == &json!({}))
    );
    let failed = c
        .patch(
            &path,
            "json-patch+json",
            &json!([{"op": "test", "path": "/data/b", "value": "no"}]),
        )
        .await;
    assert_eq!(failed.code, 422);
    let strategic = c
        .patch(
            &path,
            "strategic-merge-patch+json",
            &json!({"stringData": {"s": "v"}, "metadata": {"finalizers": ["example.com/a"]}}),
        )
        .await
        .ok();
    assert_eq!(strategic["data"]["s"], "dg==");
    let more = c
        .patch(
            &path,
            "strategic-merge-patch+json",
            &json!({"metadata": {"finalizers": ["example.com/b"]}}),
        )
        .await
        .ok();
    assert_eq!(
        more["metadata"]["finalizers"].as_array().unwrap().len(),
        2,
        "finalizers merge as a set"
    );
    assert_eq!(c.patch(&path, "nonsense", &json!({})).await.code, 415);
    assert_eq!(c.merge(&path, &json!([1])).await.code, 400);
    assert_eq!(
        c.merge(&path, &json!({"metadata": {"name": "y"}}))
            .await
            .code,
        400
    );
    assert_eq!(
        c.merge(&format!("{SECRETS}/no"), &json!({})).await.code,
        404
    );
}

#[tokio::test]
async fn secrets_and_config_maps_are_validated() {
    let c = Cluster::new().await;
    let with = |name: &str, rest: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        object
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        object
    };
    let bad_key = c
        .post(SECRETS, &with("x", json!({"data": {"a b": ""}})))
        .await;
    assert_eq!(bad_key.body["reason"], "Invalid");
    assert_eq!(bad_key.body["details"]["causes"][0]["field"], "data[a b]");
    assert_eq!(
        c.post(SECRETS, &with("x", json!({"data": {"a": "!"}})))
            .await
            .refused(400),
        "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 0"
    );
    assert_eq!(
        c.post(SECRETS, &with("x", json!({"data": {"a": 1}})))
            .await
            .code,
        400
    );
    assert_eq!(
        c.post(SECRETS, &with("x", json!({"type": "kubernetes.io/tls"})))
            .await
            .refused(422),
        "Secret \"x\" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]"
    );
    assert_eq!(c.post(SECRETS, &with("x", json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}))).await.code, 201);
    assert_eq!(c.post(SECRETS, &with("UPPER", json!({}))).await.code, 422);
    let big = "QUFB".repeat(1_048_577 / 3 + 1);
    assert!(
        c.post(SECRETS, &with("big", json!({"data": {"a": big}})))
            .await
            .refused(422)
            .contains("Too long: may not be more than 1048576 bytes")
    );
    let huge = "x".repeat(1_600_000);
    let annotated = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "annotations": {"a": "x".repeat(300_000)}}});
    assert!(
        c.post(CONFIG_MAPS, &annotated)
            .await
            .refused(422)
            .contains("metadata.annotations: Too long")
    );
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"}, "involvedObject": {}, "message": huge});
    assert_eq!(
        c.post("/api/v1/namespaces/default/events", &event)
            .await
            .refused(500),
        "etcdserver: request is too large"
    );
    let over = c
        .send(
            Method::POST,
            CONFIG_MAPS,
            &[("content-type", "application/json")],
            " ".repeat(3 * 1024 * 1024 + 1),
        )
        .await;
    assert_eq!(
        over.refused(413),
        "Request entity too large: limit is 3145728"
    );
    let labelled = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {"a": "b c"}}});
    assert!(
        c.post(CONFIG_MAPS, &labelled)
            .await
            .refused(422)
            .starts_with(
                "ConfigMap \"x\" is invalid: metadata.labels: Invalid value: \"b c\": a valid label"
            )
    );
}

#[tokio::test]
async fn immutable_means_immutable() {
    let c = Cluster::new().await;
    let mut sealed = secret("x");
    sealed["immutable"] = json!(true);
    c.post(SECRETS, &sealed).await.ok();
    let path = format!("{SECRETS}/x");
    let refused = c.merge(&path, &json!({"data": {"a": "Yw=="}})).await;
    assert_eq!(
        refused.refused(422),
        "Secret \"x\" is invalid: data: Forbidden: field is immutable when `immutable` is set"
    );
    c.merge(&path, &json!({"immutable": false}))
        .await
        .refused(422);
    c.merge(&path, &json!({"type": "other"})).await.refused(422);
    c.merge(&path, &json!({"metadata": {"labels": {"a": "b"}}}))
        .await
        .ok();
}

#[tokio::test]
async fn dry_run_writes_nothing() {
    let c = Cluster::new().await;
    let before = version(&c.get(SECRETS).await.ok());
    let made = c.post(&format!("{SECRETS}?dryRun=All"), &secret("x")).await;
    assert_eq!(made.code, 201);
    assert!(made.body["metadata"]["uid"].is_string());
    assert_eq!(c.get(&format!("{SECRETS}/x")).await.code, 404);
    c.post(SECRETS, &secret("x")).await.ok();
    c.post(&format!("{SECRETS}?dryRun=All"), &secret("x"))
        .await
        .refused(409);
    let patched = c
        .merge(
            &format!("{SECRETS}/x?dryRun=All"),
            &json!({"data": {"a": "Yw=="}}),
        )
        .await
        .ok();
    assert_eq!(patched["data"]["a"], "Yw==");
    c.delete(&format!("{SECRETS}/x?dryRun=All")).await.ok();
    assert_eq!(
        c.get(&format!("{SECRETS}/x")).await.ok()["data"]["a"],
        "Yg=="
    );
    assert_eq!(version(&c.get(SECRETS).await.ok()), before + 1);
    assert_eq!(
        c.post(&format!("{SECRETS}?dryRun=Some"), &secret("y"))
            .await
            .code,
        422
    );
}

#[tokio::test]
async fn deleting_honours_preconditions_and_finalizers() {
    let c = Cluster::new().await;
    let path = format!("{SECRETS}/x");
    let made = c.post(SECRETS, &secret("x")).await.ok();
    c.delete_with(&path, &json!({"preconditions": {"uid": "other"}}))
        .await
        .refused(409);
    c.delete_with(&path, &json!({"preconditions": {"resourceVersion": "1"}}))
        .await
        .refused(409);
    let done = c
        .delete_with(
            &path,
            &json!({"preconditions": {"uid": made["metadata"]["uid"]}}),
        )
        .await
        .ok();
    assert_eq!(done["status"], "Success");
    assert_eq!(
        done["details"],
        json!({"name": "x", "kind": "secrets", "uid": made["metadata"]["uid"]})
    );
    c.delete(&path).await.refused(404);

    let mut held = secret("x");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    c.post(SECRETS, &held).await.ok();
    let marked = c.delete(&path).await.ok();
    assert_eq!(marked["kind"], "Secret");
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(
        version(&c.delete(&path).await.ok()),
        version(&marked),
        "a second delete changes nothing"
    );
    let more = c
        .merge(
            &path,
            &json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}),
        )
        .await;
    assert!(
        more.refused(422)
            .contains("no new finalizers can be added if the object is being deleted")
    );
    c.merge(&path, &json!({"metadata": {"finalizers": null}}))
        .await
        .ok();
    assert_eq!(c.get(&path).await.code, 404);
}

#[tokio::test]
async fn lists_select_and_page() {
    let c = Cluster::new().await;
    for n in 0..10 {
        let mut object = config_map(&format!("m{n}"));
        object["metadata"]["labels"] = json!({"parity": if n % 2 == 0 { "even" } else { "odd" }});
        c.post(CONFIG_MAPS, &object).await.ok();
    }
    let names = |list: &Value| {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let even = c
        .get(&format!("{CONFIG_MAPS}?labelSelector=parity%20in%20(even)"))
        .await
        .ok();
    assert_eq!(names(&even), ["m0", "m2", "m4", "m6", "m8"]);
    assert_eq!(even["kind"], "ConfigMapList");
    let one = c
        .get("/api/v1/configmaps?fieldSelector=metadata.name%3Dm3,metadata.namespace!%3Dother")
        .await
        .ok();
    assert_eq!(names(&one), ["m3"]);
    assert_eq!(
        c.get(&format!("{CONFIG_MAPS}?fieldSelector=data.a%3Db"))
            .await
            .refused(400),
        "field label not supported: data.a"
    );
    assert_eq!(
        c.get(&format!("{CONFIG_MAPS}?labelSelector=a%20in%20b"))
            .await
            .refused(400),
        "unable to parse requirement: found 'b' expected: '('"
    );
    let first = c
        .get(&format!("{CONFIG_MAPS}?limit=4&labelSelector=parity"))
        .await
        .ok();
    assert_eq!(names(&first), ["m0", "m1", "m2", "m3"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 6);
    c.delete(&format!("{CONFIG_MAPS}/m9")).await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = c
        .get(&format!(
            "{CONFIG_MAPS}?limit=4&labelSelector=parity&continue={token}"
        ))
        .await
        .ok();
    assert_eq!(names(&second), ["m4", "m5", "m6", "m7"]);
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let token = second["metadata"]["continue"].as_str().unwrap();
    let last = c
        .get(&format!(
            "{CONFIG_MAPS}?limit=4&labelSelector=parity&continue={token}"
        ))
        .await
        .ok();
    assert_eq!(names(&last), ["m8", "m9"], "pages show one moment");
    assert!(last["metadata"].get("continue").is_none());
    c.get(&format!("{CONFIG_MAPS}?continue=bogus!"))
        .await
        .refused(400);
    c.get(&format!("{CONFIG_MAPS}?resourceVersion=99999999"))
        .await
        .refused(504);
    c.get(&format!(
        "{CONFIG_MAPS}?resourceVersion=1&resourceVersionMatch=Exact"
    ))
    .await
    .refused(410);
    let deleted = c
        .delete(&format!("{CONFIG_MAPS}?labelSelector=parity%3Deven"))
        .await
        .ok();
    assert_eq!(names(&deleted).len(), 5);
    assert_eq!(
        names(
            &c.get(&format!("{CONFIG_MAPS}?labelSelector=parity"))
                .await
                .ok()
        ),
        ["m1", "m3", "m5", "m7"]
    );
}

#[tokio::test]
async fn metadata_alone_and_tables() {
    let c = Cluster::new().await;
    c.post(SECRETS, &secret("x")).await.ok();
    let partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
    let one = c.get_as(&format!("{SECRETS}/x"), partial).await.ok();
    assert_eq!(
        (&one["kind"], &one["apiVersion"]),
        (&json!("PartialObjectMetadata"), &json!("meta.k8s.io/v1"))
    );
    assert!(one.get("data").is_none());
    let list = c
        .get_as(
            SECRETS,
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        )
        .await
        .ok();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    let written = c
        .send(
            Method::PATCH,
            &format!("{SECRETS}/x"),
            &[
                ("accept", partial),
                ("content-type", "application/merge-patch+json"),
            ],
            r#"{"data":{"b":"Yg=="}}"#,
        )
        .await
        .ok();
    assert_eq!(written["kind"], "PartialObjectMetadata");
    let table = c
        .get_as(
            SECRETS,
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        )
        .await
        .ok();
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"][0], "x");
    assert_eq!(
        c.get_as(SECRETS, "application/vnd.kubernetes.protobuf")
            .await
            .code,
        406
    );
    assert_eq!(
        c.get_as(
            SECRETS,
            "application/vnd.kubernetes.protobuf,application/json"
        )
        .await
        .code,
        200
    );
}

#[tokio::test]
async fn managed_fields_follow_the_writers() {
    let c = Cluster::new().await;
    let made = c.post(SECRETS, &secret("x")).await.ok();
    let entry = &made["metadata"]["managedFields"][0];
    assert_eq!(
        (&entry["manager"], &entry["operation"]),
        (&json!("tester"), &json!("Update"))
    );
    assert!(entry["fieldsV1"]["f:data"]["f:a"].is_object());
    let path = format!("{SECRETS}/x");
    let one = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"b": "Yg=="}});
    let applied = c.apply(&path, "one", &one).await.ok();
    assert_eq!(applied["data"], json!({"a": "Yg==", "b": "Yg=="}));
    assert_eq!(
        version(&c.apply(&path, "one", &one).await.ok()),
        version(&applied),
        "an unchanged apply writes nothing"
    );
    let two = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"b": "Yw=="}});
    let conflict = c.apply(&path, "two", &two).await;
    assert_eq!(
        conflict.refused(409),
        "Apply failed with 1 conflict: conflict with \"one\": .data.b"
    );
    assert_eq!(
        conflict.body["details"]["causes"][0],
        json!({"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.b"})
    );
    let forced = c
        .patch(
            &format!("{path}?fieldManager=two&force=true"),
            "apply-patch+yaml",
            &two,
        )
        .await
        .ok();
    assert_eq!(forced["data"]["b"], "Yw==");
    let released = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}});
    assert!(
        c.apply(&path, "two", &released).await.ok()["data"]
            .get("b")
            .is_none(),
        "a field no longer applied is removed"
    );
    let created = c.apply(&format!("{SECRETS}/new"), "one", &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "new"}, "stringData": {"k": "v"}})).await;
    assert_eq!(created.code, 201);
    c.patch(&path, "apply-patch+yaml", &one).await.refused(422);
}

#[tokio::test]
async fn both_event_apis_show_the_same_events() {
    let c = Cluster::new().await;
    let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "note": "hello", "reason": "Synced", "type": "Normal",
        "regarding": {"kind": "Widget", "name": "w", "namespace": "default"}, "reportingController": "keyless", "reportingInstance": "i", "action": "Sync", "eventTime": "2026-01-01T00:00:00.000000Z"});
    let made = c
        .post("/apis/events.k8s.io/v1/namespaces/default/events", &new)
        .await
        .ok();
    assert_eq!(
        (&made["note"], &made["apiVersion"]),
        (&json!("hello"), &json!("events.k8s.io/v1"))
    );
    let core = c.get("/api/v1/namespaces/default/events/e").await.ok();
    assert_eq!(
        (
            &core["message"],
            &core["involvedObject"]["name"],
            &core["apiVersion"]
        ),
        (&json!("hello"), &json!("w"), &json!("v1"))
    );
    let found = c
        .get("/api/v1/events?fieldSelector=involvedObject.name%3Dw,type!%3DWarning")
        .await
        .ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let patched = c
        .merge(
            "/apis/events.k8s.io/v1/namespaces/default/events/e",
            &json!({"note": "again"}),
        )
        .await
        .ok();
    assert_eq!(patched["note"], "again");
    assert!(patched.get("message").is_none());
}
