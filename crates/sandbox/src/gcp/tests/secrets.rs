//! Reading: permission before existence, states, versions, pages, faults.

use super::*;

const ACCESS: &str = "/secrets/a/versions/latest:access";

#[tokio::test]
async fn only_a_good_token_opens_it() {
    let world = World::trusted().await;
    world.gcp.set_secret("a", b"value").unwrap();
    let path = format!("/v1/projects/{PROJECT}{ACCESS}");
    let bare = world
        .call(SECRETS, Request::get(&path), String::new())
        .await;
    assert_eq!(bare.error(), (401, "UNAUTHENTICATED".to_owned()));
    assert_eq!(bare.reason(), "CREDENTIALS_MISSING");
    assert!(bare.headers.contains_key("www-authenticate"));
    // A cluster's own token is no access token.
    let cluster = world.sign(&world.claims());
    for token in ["ya29.none", &cluster] {
        let reply = world.secrets(token, "GET", ACCESS, Value::Null).await;
        assert_eq!(reply.error(), (401, "UNAUTHENTICATED".to_owned()));
        assert!(
            reply
                .message()
                .starts_with("Request had invalid authentication credentials.")
        );
    }
    let narrow = world
        .exchange(&[
            ("subject_token", &cluster),
            (
                "scope",
                "https://www.googleapis.com/auth/devstorage.read_only",
            ),
        ])
        .await
        .ok();
    let narrow = narrow.body["access_token"].as_str().unwrap();
    let reply = world.secrets(narrow, "GET", ACCESS, Value::Null).await;
    assert_eq!(reply.error(), (403, "PERMISSION_DENIED".to_owned()));
    assert_eq!(reply.reason(), "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    let token = world.access().await;
    world.secrets(&token, "GET", ACCESS, Value::Null).await.ok();
    world.clock.skew(3_601_000);
    let reply = world.secrets(&token, "GET", ACCESS, Value::Null).await;
    assert_eq!(reply.reason(), "ACCESS_TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_payload_with_its_checksum() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.gcp.set_secret("a", b"123456789").unwrap();
    let reply = world.secrets(&token, "GET", ACCESS, Value::Null).await.ok();
    assert_eq!(
        reply.body,
        json!({
            // The project by its number, the version by its own.
            "name": format!("projects/{NUMBER}/secrets/a/versions/1"),
            "payload": {"data": STANDARD.encode("123456789"), "dataCrc32c": "3808858755"},
        })
    );
    // The number of the project does as well as its id.
    let path = format!("/v1/projects/{NUMBER}{ACCESS}");
    world
        .api(SECRETS, &token, "GET", &path, Value::Null)
        .await
        .ok();
}

#[tokio::test]
async fn states_aliases_and_what_is_missing() {
    let world = World::trusted().await;
    let token = world.access().await;
    for value in ["one", "two", "three"] {
        world.gcp.set_secret("a", value.as_bytes()).unwrap();
    }
    world
        .gcp
        .update_secret("a", &json!({"versionAliases": {"stable": "2"}}))
        .unwrap();
    world.gcp.create_secret("empty").unwrap();
    let access = |path: &str| {
        let path = format!("/secrets/{path}:access");
        let (world, token) = (&world, &token);
        async move { world.secrets(token, "GET", &path, Value::Null).await }
    };
    for (path, value) in [
        ("a/versions/1", "one"),
        ("a/versions/stable", "two"),
        ("a/versions/latest", "three"),
    ] {
        let reply = access(path).await.ok();
        assert_eq!(
            reply.body["payload"]["data"],
            STANDARD.encode(value),
            "{path}"
        );
    }
    for (path, text) in [
        (
            "none/versions/latest",
            "Secret [projects/123456789012/secrets/none] not found or has no versions.",
        ),
        (
            "empty/versions/latest",
            "Secret [projects/123456789012/secrets/empty] not found or has no versions.",
        ),
        (
            "a/versions/9",
            "Secret Version [projects/123456789012/secrets/a/versions/9] not found.",
        ),
        (
            "a/versions/none",
            "Secret Version [projects/123456789012/secrets/a/versions/none] not found.",
        ),
    ] {
        let reply = access(path).await;
        assert_eq!(reply.error(), (404, "NOT_FOUND".to_owned()), "{path}");
        assert_eq!(reply.message(), text);
    }
    let set = |version: &str, state| world.gcp.set_version_state("a", version, state).unwrap();
    set("3", VersionState::Disabled);
    let reply = access("a/versions/latest").await;
    assert_eq!(reply.error(), (400, "FAILED_PRECONDITION".to_owned()));
    assert_eq!(
        reply.message(),
        "Secret Version [projects/123456789012/secrets/a/versions/3] is in DISABLED state."
    );
    set("3", VersionState::Enabled);
    access("a/versions/latest").await.ok();
    set("3", VersionState::Destroyed);
    assert!(
        access("a/versions/3")
            .await
            .message()
            .ends_with("is in DESTROYED state.")
    );
    let again = world.gcp.set_version_state("a", "3", VersionState::Enabled);
    assert_eq!(again.unwrap_err().status, "FAILED_PRECONDITION");
    let shown = world
        .secrets(&token, "GET", "/secrets/a/versions/3", Value::Null)
        .await
        .ok();
    assert!(shown.body["destroyTime"].is_string());
}

#[tokio::test]
async fn permission_comes_before_existence() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.gcp.set_secret("a", b"value").unwrap();
    world
        .gcp
        .unbind_on_project(PROJECT, &world.principal())
        .unwrap();
    for path in [ACCESS, "/secrets/none/versions/latest:access"] {
        let reply = world.secrets(&token, "GET", path, Value::Null).await;
        assert_eq!(reply.error(), (403, "PERMISSION_DENIED".to_owned()));
        assert_eq!(reply.reason(), "IAM_PERMISSION_DENIED");
        let resource = format!(
            "projects/{PROJECT}{}",
            path.strip_suffix(":access").unwrap()
        );
        assert_eq!(
            reply.message(),
            format!(
                "Permission 'secretmanager.versions.access' denied for resource '{resource}' (or it may not exist)."
            )
        );
    }
    let foreign = "/v1/projects/none/secrets/a/versions/1:access";
    let reply = world
        .api(SECRETS, &token, "GET", foreign, Value::Null)
        .await;
    assert_eq!(reply.error(), (403, "PERMISSION_DENIED".to_owned()));
}

#[tokio::test]
async fn an_accessor_reads_and_lists_nothing() {
    let world = World::trusted().await;
    let token = world.access().await;
    let principal = world.principal();
    world.gcp.unbind_on_project(PROJECT, &principal).unwrap();
    let role = "roles/secretmanager.secretAccessor";
    world.gcp.set_secret("a", b"value").unwrap();
    world.gcp.set_secret("b", b"value").unwrap();
    world
        .gcp
        .bind_on_secret("a", role, &principal, None)
        .unwrap();
    let get = |path: &'static str| world.secrets(&token, "GET", path, Value::Null);
    get(ACCESS).await.ok();
    for path in [
        "/secrets/b/versions/1:access",
        "/secrets/a",
        "/secrets/a/versions/1",
        "/secrets",
    ] {
        assert_eq!(get(path).await.status, 403, "{path}");
    }
    // For the whole project, but only for a team's secrets and only for a time.
    let condition = Condition {
        title: "team".to_owned(),
        expression: "resource.name.startsWith('projects/123456789012/secrets/b') && \
                     request.time < timestamp('2200-01-01T00:00:00Z')"
            .to_owned(),
        ..Condition::default()
    };
    world.gcp.unbind_on_secret("a", &principal).unwrap();
    world
        .gcp
        .bind_on_project(PROJECT, role, &principal, Some(condition))
        .unwrap();
    get("/secrets/b/versions/latest:access").await.ok();
    assert_eq!(get(ACCESS).await.status, 403);
}

#[tokio::test]
async fn pages_and_filters() {
    let world = World::trusted().await;
    let token = world.access().await;
    for i in 0..7 {
        let name = format!("s{i}");
        world.gcp.set_secret(&name, b"v").unwrap();
        let labels = json!({"labels": {"parity": if i % 2 == 0 { "even" } else { "odd" }}});
        world.gcp.update_secret(&name, &labels).unwrap();
    }
    let list = |query: String| {
        let (world, token) = (&world, &token);
        async move {
            let reply = world
                .secrets(token, "GET", &format!("/secrets{query}"), Value::Null)
                .await;
            reply.ok().body
        }
    };
    let names = |page: &Value| -> Vec<String> {
        let secrets = page["secrets"].as_array().cloned().unwrap_or_default();
        let name = |s: &Value| {
            s["name"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        };
        secrets.iter().map(name).collect()
    };
    let first = list("?pageSize=4".to_owned()).await;
    assert_eq!((names(&first).len(), &first["totalSize"]), (4, &json!(7)));
    let next = first["nextPageToken"].as_str().unwrap();
    let second = list(format!("?pageSize=4&pageToken={next}")).await;
    assert_eq!(names(&second).len(), 3);
    assert!(second.get("nextPageToken").is_none());
    let mut both = [names(&first), names(&second)].concat();
    both.sort();
    both.dedup();
    assert_eq!(both.len(), 7, "no secret twice");
    let even = list("?filter=labels.parity%3Deven".to_owned()).await;
    assert_eq!(names(&even).len(), 4);
    let bad = world
        .secrets(&token, "GET", "/secrets?filter=(a", Value::Null)
        .await;
    assert_eq!(bad.error(), (400, "INVALID_ARGUMENT".to_owned()));
    let bad = world
        .secrets(&token, "GET", "/secrets?pageToken=x", Value::Null)
        .await;
    assert_eq!(bad.error(), (400, "INVALID_ARGUMENT".to_owned()));
}

#[tokio::test]
async fn regional_secrets_are_apart() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.gcp.set_secret("a", b"global").unwrap();
    world
        .gcp
        .set_secret("my-gcp-project/europe-west3/a", b"regional")
        .unwrap();
    let host = "secretmanager.europe-west3.rep.googleapis.com";
    let path = format!("/v1/projects/{PROJECT}/locations/europe-west3{ACCESS}");
    let reply = world
        .api(host, &token, "GET", &path, Value::Null)
        .await
        .ok();
    assert_eq!(reply.body["payload"]["data"], STANDARD.encode("regional"));
    assert_eq!(
        reply.body["name"],
        format!("projects/{NUMBER}/locations/europe-west3/secrets/a/versions/1")
    );
    let global = format!("/v1/projects/{PROJECT}{ACCESS}");
    for (host, path) in [(host, &global), (SECRETS, &path)] {
        let reply = world.api(host, &token, "GET", path, Value::Null).await;
        assert_eq!(
            reply.error(),
            (400, "INVALID_ARGUMENT".to_owned()),
            "{host}{path}"
        );
    }
}

#[tokio::test]
async fn faults_hit_what_they_are_meant_for() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.gcp.set_secret("a", b"value").unwrap();
    let get = || world.secrets(&token, "GET", ACCESS, Value::Null);
    let fault = |effect| {
        world.gcp.add_fault(
            Fault::new(effect)
                .on("secretmanager", "AccessSecretVersion")
                .about("secrets/a/")
                .times(1),
        );
    };
    fault(Effect::Throttle { retry_after: 0 });
    let reply = get().await;
    assert_eq!(reply.error(), (429, "RESOURCE_EXHAUSTED".to_owned()));
    assert_eq!(reply.reason(), "RATE_LIMIT_EXCEEDED");
    fault(Effect::Corrupt);
    assert_eq!(get().await.ok().body["payload"]["dataCrc32c"], "1");
    fault(Effect::Perimeter);
    assert_eq!(get().await.reason(), "SECURITY_POLICY_VIOLATED");
    fault(Effect::ServerError { status: 503 });
    assert_eq!(get().await.error(), (503, "UNAVAILABLE".to_owned()));
    get().await.ok();
    assert_eq!(
        world
            .gcp
            .calls("secretmanager", "AccessSecretVersion")
            .refused,
        3
    );
    world.gcp.enable_secret_manager(PROJECT, false).unwrap();
    let reply = get().await;
    assert_eq!((reply.error().0, reply.reason()), (403, "SERVICE_DISABLED"));
    assert!(
        reply
            .message()
            .starts_with("Secret Manager API has not been used in project 123456789012 before")
    );
}
