//! Service accounts: impersonation, keys, self-signed tokens.

use super::*;

const CREDENTIALS: &str = "iamcredentials.googleapis.com";
const USER: &str = "roles/iam.workloadIdentityUser";

async fn impersonate(world: &World, token: &str, email: &str, body: Value) -> Reply {
    let path = format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    world.api(CREDENTIALS, token, "POST", &path, body).await
}

fn wish() -> Value {
    json!({"scope": [CLOUD_PLATFORM], "lifetime": "1800s"})
}

#[tokio::test]
async fn a_federated_identity_acts_as_an_account() {
    let world = World::trusted().await;
    let email = world.gcp.create_service_account(PROJECT, "reader").unwrap();
    world.gcp.set_secret("a", b"value").unwrap();
    let accessor = "roles/secretmanager.secretAccessor";
    world
        .gcp
        .bind_on_secret("a", accessor, &format!("serviceAccount:{email}"), None)
        .unwrap();
    world
        .gcp
        .unbind_on_project(PROJECT, &world.principal())
        .unwrap();
    let token = world.access().await;
    // One that is missing is told as one that is not permitted.
    for address in [&*email, "none@my-gcp-project.iam.gserviceaccount.com"] {
        let reply = impersonate(&world, &token, address, wish()).await;
        assert_eq!(reply.error(), (403, "PERMISSION_DENIED".to_owned()));
        assert_eq!(
            reply.message(),
            "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
        );
        assert_eq!(reply.reason(), "IAM_PERMISSION_DENIED");
    }
    world
        .gcp
        .bind_on_account(&email, USER, &world.principal())
        .unwrap();
    let reply = impersonate(&world, &token, &email, wish()).await.ok();
    assert!(reply.body["expireTime"].as_str().unwrap().ends_with('Z'));
    let account = reply.body["accessToken"].as_str().unwrap().to_owned();
    let path = "/secrets/a/versions/1:access";
    world.secrets(&account, "GET", path, Value::Null).await.ok();
    assert_eq!(
        world.secrets(&token, "GET", path, Value::Null).await.status,
        403
    );
    world.clock.skew(1_801_000);
    assert_eq!(
        world
            .secrets(&account, "GET", path, Value::Null)
            .await
            .status,
        401
    );
    world.clock.skew(0);
    for (body, text) in [
        (json!({"scope": []}), "Scope required."),
        (
            json!({"scope": [CLOUD_PLATFORM], "lifetime": "3601s"}),
            "The token lifetime exceeds",
        ),
        (
            json!({"scope": [CLOUD_PLATFORM], "lifetime": "1h"}),
            "Invalid value at 'lifetime'",
        ),
    ] {
        let reply = impersonate(&world, &token, &email, body).await;
        assert_eq!(
            reply.error(),
            (400, "INVALID_ARGUMENT".to_owned()),
            "{text}"
        );
        assert!(reply.message().contains(text), "{}", reply.message());
    }
    world.gcp.disable_service_account(&email, true).unwrap();
    let reply = impersonate(&world, &token, &email, wish()).await;
    assert_eq!(reply.error(), (400, "FAILED_PRECONDITION".to_owned()));
}

/// What a key signs.
fn signed(file: &Value, claims: &Value) -> String {
    let key = crate::issuer::SigningKey::from_pem(file["private_key"].as_str().unwrap()).unwrap();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": file["private_key_id"]});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = key.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn bearer(world: &World, assertion: &str) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .append_pair("assertion", assertion)
        .finish();
    let request =
        Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    world.call("oauth2.googleapis.com", request, body).await
}

#[tokio::test]
async fn keys() {
    let world = World::trusted().await;
    let email = world.gcp.create_service_account(PROJECT, "reader").unwrap();
    let file: Value = serde_json::from_str(&world.gcp.create_key(&email).unwrap()).unwrap();
    let now = world.clock.unix();
    let claims = json!({
        "iss": email, "scope": CLOUD_PLATFORM, "aud": file["token_uri"], "iat": now, "exp": now + 3600,
    });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(&file, &claims)
    };
    let reply = bearer(&world, &signed(&file, &claims)).await.ok();
    let token = reply.body["access_token"].as_str().unwrap().to_owned();
    world.gcp.set_secret("a", b"value").unwrap();
    let member = format!("serviceAccount:{email}");
    let accessor = "roles/secretmanager.secretAccessor";
    world
        .gcp
        .bind_on_project(PROJECT, accessor, &member, None)
        .unwrap();
    let path = "/secrets/a/versions/1:access";
    world.secrets(&token, "GET", path, Value::Null).await.ok();
    for (assertion, code, text) in [
        (
            with("iss", json!("none@x")),
            "invalid_grant",
            "Invalid grant: account not found",
        ),
        (
            with("aud", json!("https://other")),
            "invalid_grant",
            "Failed audience check",
        ),
        (
            with("exp", json!(now + 3601)),
            "invalid_grant",
            "short-lived token",
        ),
        (
            with("iat", json!(now - 7200)),
            "invalid_grant",
            "short-lived token",
        ),
        (
            with("scope", json!("")),
            "invalid_scope",
            "Invalid OAuth scope",
        ),
        ("no.jwt".to_owned(), "invalid_grant", "Invalid JWT."),
        (
            world.sign(&claims),
            "invalid_grant",
            "Invalid JWT Signature.",
        ),
    ] {
        let reply = bearer(&world, &assertion).await;
        assert_eq!(reply.error(), (400, code.to_owned()), "{text}");
        assert!(reply.message().contains(text), "{}", reply.message());
    }
    // Clients may sign for the service itself and skip the endpoint.
    let own = json!({"iss": email, "sub": email, "aud": format!("https://{SECRETS}/"), "iat": now, "exp": now + 3600});
    world
        .secrets(&signed(&file, &own), "GET", path, Value::Null)
        .await
        .ok();
    let mut other = own.clone();
    other["aud"] = json!("https://pubsub.googleapis.com/");
    assert_eq!(
        world
            .secrets(&signed(&file, &other), "GET", path, Value::Null)
            .await
            .status,
        401
    );
    world.gcp.delete_keys(&email).unwrap();
    let reply = bearer(&world, &signed(&file, &claims)).await;
    assert_eq!(reply.message(), "Invalid JWT Signature.");
}
