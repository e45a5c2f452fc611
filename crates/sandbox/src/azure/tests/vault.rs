//! Key Vault: challenge, access, versions, pages, soft delete, faults.

use super::*;

#[tokio::test]
async fn only_a_token_for_the_vault_opens_it() {
    let world = World::trusted().await;
    let request = Request::get("/secrets/a?api-version=7.4");
    let reply = world.call(VAULT, request, String::new()).await;
    assert_eq!(reply.error(), (401, "Unauthorized".to_owned()));
    assert!(reply.message().starts_with("AKV10000"));
    let challenge = reply.headers["www-authenticate"].to_str().unwrap();
    assert_eq!(
        challenge,
        format!(
            "Bearer authorization=\"https://login.microsoftonline.com/{}\", resource=\"https://vault.azure.net\"",
            world.azure.tenant()
        )
    );
    let token = world.access().await;
    world.azure.set_secret("my-keyvault", "a", "value").unwrap();
    let get = |token: &str| {
        let token = token.to_owned();
        let world = &world;
        async move { world.vault(&token, "GET", "/secrets/a", Value::Null).await }
    };
    assert_eq!(get(&token).await.ok().body["value"], "value");
    let management = world
        .token(&[
            ("client_assertion", &world.assertion()),
            ("scope", "https://management.azure.com/.default"),
        ])
        .await
        .ok();
    let other = get(management.body["access_token"].as_str().unwrap()).await;
    assert!(
        other
            .message()
            .starts_with("AKV10022: Invalid audience. Expected https://vault.azure.net")
    );
    // The cluster's own token is no access token, nor is one with another's signature.
    assert_eq!(get(&world.assertion()).await.status, 401);
    world.clock.skew(2 * 3600 * 1000 * 24);
    assert!(get(&token).await.message().starts_with("[TokenExpired]"));
}

#[tokio::test]
async fn versions_attributes_and_pages() {
    let world = World::trusted().await;
    let token = world.access().await;
    let vault = |method: &'static str, path: String, body: Value| {
        let (world, token) = (&world, &token);
        async move { world.vault(token, method, &path, body).await }
    };
    let first = vault(
        "PUT",
        "/secrets/a".into(),
        json!({"value": "one", "tags": {"t": "x"}}),
    )
    .await
    .ok();
    let id = first.body["id"].as_str().unwrap().to_owned();
    assert!(
        id.starts_with("https://my-keyvault.vault.azure.net/secrets/a/"),
        "{id}"
    );
    let version = id.rsplit('/').next().unwrap().to_owned();
    vault("PUT", "/secrets/a".into(), json!({"value": "two"}))
        .await
        .ok();
    // Clients write a final slash where they name no version.
    assert_eq!(
        vault("GET", "/secrets/a/".into(), Value::Null)
            .await
            .ok()
            .body["value"],
        "two"
    );
    let old = vault("GET", format!("/secrets/a/{version}"), Value::Null)
        .await
        .ok();
    assert_eq!(
        (&old.body["value"], &old.body["tags"]["t"]),
        (&json!("one"), &json!("x"))
    );
    let none = vault(
        "GET",
        "/secrets/a/00000000000000000000000000000000".into(),
        Value::Null,
    )
    .await;
    assert_eq!(none.error(), (404, "SecretNotFound".to_owned()));
    let both = vault("GET", "/secrets/a/versions".into(), Value::Null)
        .await
        .ok();
    assert_eq!(both.body["value"].as_array().unwrap().len(), 2);
    vault(
        "PATCH",
        "/secrets/a".into(),
        json!({"attributes": {"enabled": false}}),
    )
    .await
    .ok();
    assert_eq!(
        vault("GET", "/secrets/a".into(), Value::Null).await.error(),
        (403, "SecretDisabled".to_owned())
    );
    // An end that has passed is information only.
    vault(
        "PUT",
        "/secrets/old".into(),
        json!({"value": "v", "attributes": {"exp": 1000}}),
    )
    .await
    .ok();
    assert_eq!(
        vault("GET", "/secrets/old".into(), Value::Null)
            .await
            .ok()
            .body["attributes"]["exp"],
        1000
    );
    for i in 0..30 {
        vault("PUT", format!("/secrets/s{i:02}"), json!({"value": "v"}))
            .await
            .ok();
    }
    let page = vault("GET", "/secrets?maxresults=25".into(), Value::Null)
        .await
        .ok();
    assert_eq!(page.body["value"].as_array().unwrap().len(), 25);
    assert!(
        page.body["value"][0].get("value").is_none(),
        "no value in a listing"
    );
    let next = page.body["nextLink"].as_str().unwrap();
    let next = next
        .strip_prefix(&format!("https://{VAULT}"))
        .expect("on the same host");
    let rest = vault("GET", next.to_owned(), Value::Null).await.ok();
    assert_eq!(rest.body["value"].as_array().unwrap().len(), 7);
    assert!(rest.body["nextLink"].is_null());
    for (path, body) in [
        ("/secrets/a_b", json!({"value": "v"})),
        ("/secrets/a", json!({})),
        ("/secrets/a", json!({"value": "x".repeat(25 * 1024 + 1)})),
    ] {
        assert_eq!(
            vault("PUT", path.into(), body).await.error(),
            (400, "BadParameter".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_deleted_name_is_taken_until_it_is_recovered_or_purged() {
    let world = World::trusted().await;
    let token = world.access().await;
    let call = |method: &'static str, path: &'static str, body: Value| {
        let (world, token) = (&world, &token);
        async move { world.vault(token, method, path, body).await }
    };
    let value = || json!({"value": "v"});
    call("PUT", "/secrets/a", value()).await.ok();
    call("DELETE", "/secrets/a", Value::Null).await.ok();
    assert_eq!(
        call("GET", "/secrets/a", Value::Null).await.error(),
        (404, "SecretNotFound".to_owned())
    );
    let taken = call("PUT", "/secrets/a", value()).await;
    assert_eq!(
        taken.error(),
        (409, "ObjectIsDeletedButRecoverable".to_owned())
    );
    call("GET", "/deletedsecrets/a", Value::Null).await.ok();
    call("POST", "/deletedsecrets/a/recover", Value::Null)
        .await
        .ok();
    assert_eq!(
        call("GET", "/secrets/a", Value::Null).await.ok().body["value"],
        "v"
    );
    call("DELETE", "/secrets/a", Value::Null).await.ok();
    assert_eq!(
        call("DELETE", "/deletedsecrets/a", Value::Null)
            .await
            .status,
        204
    );
    call("PUT", "/secrets/a", value()).await.ok();
}

#[tokio::test]
async fn the_two_access_models_ignore_each_other() {
    let world = World::trusted().await;
    let token = world.access().await;
    let (azure, oid) = (&world.azure, world.identity.object_id.as_str());
    azure
        .set_access_policy("my-keyvault", oid, [&["Get"], &[], &[]])
        .unwrap();
    azure
        .assign_role("my-keyvault", oid, "Key Vault Administrator", None)
        .unwrap();
    azure.set_secret("my-keyvault", "a", "v").unwrap();
    let get = |path: &'static str| world.vault(&token, "GET", path, Value::Null);
    get("/secrets/a").await.ok();
    for path in ["/secrets", "/keys/a", "/certificates/a"] {
        let reply = get(path).await;
        assert_eq!(
            reply.error(),
            (403, "ForbiddenByPolicy".to_owned()),
            "{path}"
        );
    }
    assert!(
        get("/secrets")
            .await
            .message()
            .contains("does not have secrets list permission on key vault 'my-keyvault;")
    );
    azure.create_vault("my-keyvault", Access::Roles);
    azure.set_secret("my-keyvault", "a", "v").unwrap();
    azure
        .set_access_policy("my-keyvault", oid, [&["all"], &[], &[]])
        .unwrap();
    let reply = get("/secrets/a").await;
    assert_eq!(reply.error(), (403, "ForbiddenByRbac".to_owned()));
    assert!(
        reply
            .message()
            .contains("Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'")
    );
    azure
        .assign_role("my-keyvault", oid, "Key Vault Secrets User", Some("a"))
        .unwrap();
    get("/secrets/a").await.ok();
    assert_eq!(
        get("/secrets/b").await.error(),
        (403, "ForbiddenByRbac".to_owned())
    );
    assert!(
        azure
            .assign_role("my-keyvault", oid, "Key Vault Guesser", None)
            .is_err()
    );
}

#[tokio::test]
async fn faults_hit_what_they_are_meant_for() {
    let world = World::trusted().await;
    let token = world.access().await;
    world.azure.set_secret("my-keyvault", "a", "v").unwrap();
    world.azure.add_fault(
        Fault::new(Effect::Throttle { retry_after: 7 })
            .on("keyvault", "GetSecret")
            .of_vault("my-keyvault")
            .times(1),
    );
    let get = || world.vault(&token, "GET", "/secrets/a", Value::Null);
    let reply = get().await;
    assert_eq!(
        (reply.status, reply.headers["retry-after"].to_str().unwrap()),
        (429, "7")
    );
    get().await.ok();
    assert_eq!(world.azure.calls("keyvault", "GetSecret").refused, 1);
    let request = Request::get("/secrets/a?api-version=7.4")
        .header("authorization", format!("Bearer {token}"));
    let reply = world
        .call("no-such.vault.azure.net", request, String::new())
        .await;
    assert_eq!(reply.error(), (404, "VaultNotFound".to_owned()));
}
