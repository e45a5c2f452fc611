//! The node's metadata service.

use super::*;

async fn ask(world: &World, query: &str, header: bool) -> Reply {
    let mut request = Request::get(format!("/metadata/identity/oauth2/token?{query}"));
    if header {
        request = request.header("Metadata", "true");
    }
    let request = request.body(Body::empty()).unwrap();
    let response = world
        .azure
        .metadata_router()
        .oneshot(request)
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap(),
    }
}

#[tokio::test]
async fn identities_of_the_node() {
    let world = World::new().await;
    let vault = "api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
    let told = |reply: &Reply| {
        reply.body["error_description"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(told(&ask(&world, vault, true).await), "Identity not found");
    world.azure.assign_to_node(&world.identity.client_id);
    assert_eq!(
        told(&ask(&world, vault, false).await),
        "Required metadata header not specified"
    );
    let reply = ask(&world, vault, true).await.ok();
    assert!(
        reply.body["expires_in"].is_string(),
        "numbers are text here"
    );
    let token = reply.body["access_token"].as_str().unwrap();
    world
        .azure
        .set_secret(world.azure.default_vault(), "a", "value")
        .unwrap();
    assert_eq!(
        world
            .vault(token, "GET", "/secrets/a", Value::Null)
            .await
            .ok()
            .body["value"],
        "value"
    );
    let second = world.azure.create_managed_identity("second");
    world.azure.assign_to_node(&second.client_id);
    assert_eq!(ask(&world, vault, true).await.status, 400);
    let by_id = format!("{vault}&client_id={}", second.client_id);
    assert_eq!(
        ask(&world, &by_id, true).await.ok().body["client_id"],
        second.client_id.as_str()
    );
    assert_eq!(ask(&world, "api-version=1", true).await.status, 400);
}
