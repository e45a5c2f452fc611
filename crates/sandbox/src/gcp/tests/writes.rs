//! Writing: limits, checksums, etags, masks.

use super::*;

fn payload(value: &str) -> Value {
    json!({"payload": {"data": STANDARD.encode(value)}})
}

#[tokio::test]
async fn a_secret_from_its_making_to_its_end() {
    let world = World::trusted().await;
    let token = world.access().await;
    let call = |method: &'static str, path: &'static str, body: Value| {
        let (world, token) = (&world, &token);
        async move { world.secrets(token, method, path, body).await }
    };
    let request = json!({"replication": {"automatic": {}}, "labels": {"team": "shop"}});
    for (path, body) in [
        ("/secrets?id=a", request.clone()),
        (
            "/secrets?secretId=a",
            json!({"replication": {"automatic": {}}, "label": {}}),
        ),
    ] {
        let unknown = call("POST", path, body).await;
        assert_eq!(
            unknown.error(),
            (400, "INVALID_ARGUMENT".to_owned()),
            "{path}"
        );
    }
    let made = call("POST", "/secrets?secretId=a", request.clone())
        .await
        .ok();
    assert_eq!(made.body["name"], format!("projects/{NUMBER}/secrets/a"));
    let taken = call("POST", "/secrets?secretId=a", request).await;
    assert_eq!(taken.error(), (409, "ALREADY_EXISTS".to_owned()));
    let mut with_sum = payload("123456789");
    with_sum["payload"]["dataCrc32c"] = json!("3808858755");
    let first = call("POST", "/secrets/a:addVersion", with_sum.clone())
        .await
        .ok();
    assert_eq!(first.body["clientSpecifiedPayloadChecksum"], true);
    assert_eq!(first.body["state"], "ENABLED");
    with_sum["payload"]["dataCrc32c"] = json!("1");
    let wrong = call("POST", "/secrets/a:addVersion", with_sum).await;
    assert_eq!(wrong.error(), (400, "INVALID_ARGUMENT".to_owned()));
    let second = call("POST", "/secrets/a:addVersion", payload("two"))
        .await
        .ok();
    assert_eq!(
        second.body["name"],
        format!("projects/{NUMBER}/secrets/a/versions/2")
    );
    assert!(second.body.get("clientSpecifiedPayloadChecksum").is_none());
    let versions = call(
        "GET",
        "/secrets/a/versions?filter=state:ENABLED",
        Value::Null,
    )
    .await
    .ok();
    assert_eq!(
        versions.body["versions"][0]["name"], second.body["name"],
        "the newest first"
    );
    let patched = call(
        "PATCH",
        "/secrets/a?updateMask=annotations,versionAliases",
        json!({"annotations": {"owner": "Ann"}, "versionAliases": {"stable": "1"}}),
    )
    .await
    .ok();
    assert_eq!(
        patched.body["labels"]["team"], "shop",
        "what the mask does not name stays"
    );
    assert_eq!(patched.body["annotations"]["owner"], "Ann");
    call("POST", "/secrets/a/versions/1:destroy", json!({}))
        .await
        .ok();
    call("DELETE", "/secrets/a", Value::Null).await.ok();
    assert_eq!(
        call("GET", "/secrets/a", Value::Null).await.error(),
        (404, "NOT_FOUND".to_owned())
    );
}

#[tokio::test]
async fn an_old_etag_changes_nothing() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.gcp.set_secret("a", b"value").unwrap();
    let old = world.gcp.show_secret("a").unwrap()["etag"].clone();
    let patch = |etag: Value| {
        let body = json!({"etag": etag, "labels": {"a": "b"}});
        world.secrets(&token, "PATCH", "/secrets/a?updateMask=labels", body)
    };
    patch(old.clone()).await.ok();
    let reply = patch(old).await;
    assert_eq!(reply.error(), (400, "FAILED_PRECONDITION".to_owned()));
    let stale = "/secrets/a?etag=%22none%22";
    let reply = world.secrets(&token, "DELETE", stale, Value::Null).await;
    assert_eq!(reply.error(), (400, "FAILED_PRECONDITION".to_owned()));
    let body = json!({"etag": "\"none\""});
    let reply = world
        .secrets(&token, "POST", "/secrets/a/versions/1:disable", body)
        .await;
    assert_eq!(reply.error(), (400, "FAILED_PRECONDITION".to_owned()));
}

#[tokio::test]
async fn what_breaks_a_rule() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.gcp.set_secret("a", b"value").unwrap();
    let automatic = json!({"automatic": {}});
    for (method, path, body) in [
        ("POST", "/secrets?secretId=b", json!({})),
        (
            "POST",
            "/secrets?secretId=a.b",
            json!({"replication": automatic}),
        ),
        ("POST", "/secrets", json!({"replication": automatic})),
        (
            "POST",
            "/secrets?secretId=b",
            json!({"replication": automatic, "labels": {"Upper": "a"}}),
        ),
        (
            "POST",
            "/secrets?secretId=b",
            json!({"replication": automatic, "annotations": {"-a": "b"}}),
        ),
        ("POST", "/secrets/a:addVersion", json!({})),
        (
            "POST",
            "/secrets/a:addVersion",
            json!({"payload": {"data": "*"}}),
        ),
        (
            "POST",
            "/secrets/a:addVersion",
            payload(&"x".repeat(64 * 1024 + 1)),
        ),
        ("PATCH", "/secrets/a", json!({"labels": {}})),
        ("PATCH", "/secrets/a?updateMask=replication", json!({})),
        (
            "PATCH",
            "/secrets/a?updateMask=versionAliases",
            json!({"versionAliases": {"latest": "1"}}),
        ),
        (
            "PATCH",
            "/secrets/a?updateMask=versionAliases",
            json!({"versionAliases": {"x": "9"}}),
        ),
        ("POST", "/secrets/a:addVersion", json!([])),
    ] {
        let reply = world.secrets(&token, method, path, body.clone()).await;
        assert_eq!(
            reply.error(),
            (400, "INVALID_ARGUMENT".to_owned()),
            "{method} {path} {body}"
        );
    }
    let odd = world
        .secrets(&token, "PUT", "/secrets/a", Value::Null)
        .await;
    assert_ne!(odd.status, 200);
}
