//! The metadata server of a GKE node.

use super::*;

async fn ask(world: &World, path: &str, header: bool) -> Reply {
    let mut request = Request::get(path);
    if header {
        request = request.header("Metadata-Flavor", "Google");
    }
    let request = request.body(Body::empty()).unwrap();
    let found = reply(world.gcp.metadata_router().oneshot(request).await.unwrap()).await;
    assert_eq!(found.headers["metadata-flavor"], "Google");
    found
}

async fn get(world: &World, path: &str) -> Reply {
    ask(world, &format!("/computeMetadata/v1/{path}"), true).await
}

/// A pod of `shop/web` on the cluster `main`.
pub(super) fn on_gke(world: &World, account: Option<&str>) {
    world
        .gcp
        .create_cluster(PROJECT, "europe-west3", "main", world.issuer.url());
    let mut claims = world.claims();
    claims["aud"] = json!(["my-gcp-project.svc.id.goog"]);
    let (issuer, claims) = (world.issuer.clone(), claims.to_string());
    let token = TokenSource::new(move || issuer.sign(claims.as_bytes()).ok());
    let pod = Pod {
        token,
        account: account.map(str::to_owned),
    };
    world.gcp.run_on_gke(PROJECT, "europe-west3", "main", pod);
}

#[tokio::test]
async fn what_a_pod_is_told() {
    let world = World::new().await;
    on_gke(&world, None);
    for (path, text) in [
        ("project/project-id", PROJECT),
        ("project/numeric-project-id", "123456789012"),
        ("instance/attributes/cluster-name", "main"),
        ("instance/attributes/cluster-location", "europe-west3"),
        (
            "instance/service-accounts/default/email",
            "my-gcp-project.svc.id.goog",
        ),
    ] {
        let reply = get(&world, path).await;
        let shown = match &reply.body {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        assert_eq!((reply.status, shown.as_str()), (200, text), "{path}");
    }
    assert_eq!(get(&world, "instance/none").await.status, 404);
    assert_eq!(
        get(&world, "instance/service-accounts/other/token")
            .await
            .status,
        404
    );
    let bare = ask(&world, "/computeMetadata/v1/project/project-id", false).await;
    assert_eq!(bare.status, 403);
    assert_eq!(ask(&world, "/", false).await.status, 200);
}

#[tokio::test]
async fn the_pods_token_is_one_of_its_service_account() {
    let world = World::new().await;
    on_gke(&world, None);
    world.gcp.set_secret("a", b"value").unwrap();
    let token = "instance/service-accounts/default/token";
    let reply = get(&world, token).await.ok();
    let access = reply.body["access_token"].as_str().unwrap();
    let path = "/secrets/a/versions/latest:access";
    assert_eq!(
        world.secrets(access, "GET", path, Value::Null).await.status,
        403
    );
    // As the example of the documentation binds it.
    world
        .gcp
        .bind_on_project(
            PROJECT,
            "roles/secretmanager.secretAccessor",
            "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-gcp-project.svc.id.goog/subject/ns/shop/sa/web",
            None,
        )
        .unwrap();
    world.secrets(access, "GET", path, Value::Null).await.ok();
    assert_eq!(
        world
            .gcp
            .gke_principal(PROJECT, "shop", "web")
            .unwrap()
            .rsplit("/subject/")
            .next(),
        Some("ns/shop/sa/web")
    );
}

#[tokio::test]
async fn the_account_of_the_annotation() {
    let world = World::new().await;
    let email = world.gcp.create_service_account(PROJECT, "reader").unwrap();
    on_gke(&world, Some(&email));
    assert_eq!(
        get(&world, "instance/service-accounts/default/email")
            .await
            .body,
        json!(email)
    );
    let token = "instance/service-accounts/default/token";
    let denied = get(&world, token).await;
    assert_eq!(denied.status, 403);
    assert!(
        denied
            .body
            .as_str()
            .unwrap()
            .contains("iam.serviceAccounts.getAccessToken")
    );
    // The older name of a workload.
    world
        .gcp
        .bind_on_account(
            &email,
            "roles/iam.workloadIdentityUser",
            "serviceAccount:my-gcp-project.svc.id.goog[shop/web]",
        )
        .unwrap();
    get(&world, token).await.ok();
}

#[tokio::test]
async fn what_stands_between_a_pod_and_its_token() {
    let world = World::new().await;
    let token = "instance/service-accounts/default/token";
    assert_eq!(
        get(&world, token).await.status,
        404,
        "a node without an account"
    );
    let pod = Pod {
        token: TokenSource::new(|| None),
        account: None,
    };
    world.gcp.run_on_gke(PROJECT, "europe-west3", "main", pod);
    assert_eq!(
        get(&world, token).await.status,
        500,
        "no token of the API server"
    );
    on_gke(&world, None);
    get(&world, token).await.ok();
    world.issuer.stop().await;
    world.gcp.forget_issuer_keys();
    let reply = get(&world, token).await;
    assert!(
        reply.body.as_str().unwrap().contains("credential's issuer"),
        "{}",
        reply.body
    );
    let email = world.gcp.create_service_account(PROJECT, "node").unwrap();
    world.gcp.run_on_machine(PROJECT, Some(&email));
    get(&world, token).await.ok();
    assert_eq!(
        get(&world, "instance/attributes/cluster-name").await.status,
        404
    );
}

#[tokio::test]
async fn an_exchange_of_a_clusters_token() {
    let world = World::new().await;
    on_gke(&world, None);
    let cluster = "https://container.googleapis.com/v1/projects/my-gcp-project/locations/europe-west3/clusters/main";
    let audience = format!("identitynamespace:my-gcp-project.svc.id.goog:{cluster}");
    let mut claims = world.claims();
    let body = |token: String, audience: &str| {
        json!({
            "grantType": EXCHANGE, "audience": audience, "scope": CLOUD_PLATFORM,
            "requestedTokenType": ACCESS_TOKEN, "subjectTokenType": JWT, "subjectToken": token,
        })
        .to_string()
    };
    let post = |body: String| {
        let request =
            Request::post("/v1/identitybindingtoken").header("content-type", "application/json");
        world.call("securetoken.googleapis.com", request, body)
    };
    let reply = post(body(world.sign(&claims), &audience)).await;
    assert!(
        reply
            .message()
            .contains("does not match the expected audience my-gcp-project.svc.id.goog")
    );
    claims["aud"] = json!(["my-gcp-project.svc.id.goog"]);
    post(body(world.sign(&claims), &audience)).await.ok();
    let other = audience.replace("my-gcp-project.svc", "other.svc");
    let reply = post(body(world.sign(&claims), &other)).await;
    assert!(
        reply
            .message()
            .starts_with("Identity Pool does not exist (other.svc.id.goog)")
    );
    let other = audience.replace("clusters/main", "clusters/none");
    let reply = post(body(world.sign(&claims), &other)).await;
    assert_eq!(reply.error(), (400, "invalid_target".to_owned()));
    assert_eq!(
        world.gcp.calls("securetoken", "IdentityBindingToken").total,
        4
    );
}
