//! Policies of secrets over the API.

use super::*;

#[tokio::test]
async fn a_policy_is_read_changed_and_tested() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.gcp.set_secret("a", b"value").unwrap();
    world.gcp.create_service_account(PROJECT, "a").unwrap();
    let call = |method: &'static str, verb: &'static str, body: Value| {
        let path = format!("/secrets/a:{verb}");
        let (world, token) = (&world, &token);
        async move { world.secrets(token, method, &path, body).await }
    };
    let mut policy = call("GET", "getIamPolicy", Value::Null).await.ok().body;
    policy["bindings"] = json!([{
        "role": "roles/secretmanager.secretAccessor",
        "members": ["serviceAccount:a@my-gcp-project.iam.gserviceaccount.com"],
    }]);
    let set = call("POST", "setIamPolicy", json!({"policy": policy.clone()}))
        .await
        .ok();
    assert_eq!(set.body["bindings"], policy["bindings"]);
    let stale = call("POST", "setIamPolicy", json!({"policy": policy})).await;
    assert_eq!(stale.error(), (409, "ABORTED".to_owned()));
    let asked =
        json!({"permissions": ["secretmanager.versions.access", "secretmanager.secrets.get"]});
    let held = call("POST", "testIamPermissions", asked.clone()).await.ok();
    assert_eq!(held.body, asked);
    world
        .gcp
        .unbind_on_project(PROJECT, &world.principal())
        .unwrap();
    let held = call("POST", "testIamPermissions", asked).await.ok();
    assert_eq!(held.body, json!({}), "nothing held is no error");
    assert_eq!(call("GET", "getIamPolicy", Value::Null).await.status, 403);
}
