//! What Entra accepts and what it refuses, part by part.

use super::*;

#[tokio::test]
async fn a_clusters_token_becomes_an_access_token() {
    let world = World::trusted().await;
    let reply = world
        .token(&[("client_assertion", &world.assertion())])
        .await
        .ok();
    assert_eq!(reply.body["token_type"], "Bearer");
    let token = reply.body["access_token"].as_str().unwrap();
    let claims: Value = {
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(claims["aud"], "https://vault.azure.net");
    assert_eq!(claims["appid"], world.identity.client_id.as_str());
    assert_eq!(claims["oid"], world.identity.object_id.as_str());
    assert_eq!(claims["tid"], world.azure.tenant());
    // The issuer's documents were fetched once and kept.
    world.access().await;
    assert_eq!(world.azure.calls("entra", "Token").total, 2);
}

#[tokio::test]
async fn a_part_that_differs_has_its_number() {
    let world = World::trusted().await;
    let with = |name: &str, value: Value| {
        let mut claims = world.claims();
        claims[name] = value;
        claims
    };
    let now = world.clock.unix();
    for (claims, number) in [
        (
            with("iss", json!(format!("{}/", world.issuer.url()))),
            "700211",
        ),
        (
            with("sub", json!("system:serviceaccount:shop:other")),
            "700213",
        ),
        (
            with("sub", json!("system:serviceaccount:Shop:web")),
            "7002138",
        ),
        (with("aud", json!(["sts.amazonaws.com"])), "700212"),
        (with("aud", json!([AUDIENCE, "another"])), "700212"),
        (with("exp", json!(now - 301)), "700024"),
        (with("nbf", json!(now + 400)), "700024"),
    ] {
        assert_eq!(
            world.present(&claims).await.error(),
            (401, number.to_owned()),
            "{claims}"
        );
    }
    // Clocks may differ by five minutes.
    world.present(&with("exp", json!(now - 200))).await.ok();
    for missing in ["exp", "aud", "sub", "iss"] {
        let mut claims = world.claims();
        claims.as_object_mut().unwrap().remove(missing);
        assert_eq!(
            world.present(&claims).await.error(),
            (401, "50027".to_owned()),
            "{missing}"
        );
    }
    let bare = World::new().await;
    assert_eq!(
        bare.present(&bare.claims()).await.error(),
        (401, "70025".to_owned())
    );
}

#[tokio::test]
async fn the_signature_and_its_header_are_checked() {
    let world = World::trusted().await;
    let good = world.assertion();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let claims = message.split_once('.').unwrap().1;
    let header = |header: Value| {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        format!("{header}.{claims}.{signature}")
    };
    let kid = world.issuer.keys()[0].kid().to_owned();
    let mut broken = URL_SAFE_NO_PAD.decode(signature).unwrap();
    broken[0] ^= 1;
    let broken = format!("{message}.{}", URL_SAFE_NO_PAD.encode(broken));
    for (assertion, number) in [
        (broken, "7000274"),
        (header(json!({"alg": "RS256", "kid": "unknown"})), "7000272"),
        (header(json!({"alg": "RS256"})), "5002723"),
        (header(json!({"alg": "ES256", "kid": kid})), "5002738"),
        (header(json!({"alg": "none", "kid": kid})), "5002738"),
        (
            header(json!({"alg": "RS256", "kid": kid, "typ": "at+jwt"})),
            "5002727",
        ),
        ("no.jwt".to_owned(), "50027"),
    ] {
        let reply = world.token(&[("client_assertion", &assertion)]).await;
        assert_eq!(reply.error(), (401, number.to_owned()), "{assertion}");
        assert!(
            !reply.message().contains(signature),
            "no text repeats the assertion"
        );
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_read_is_named() {
    let world = World::trusted().await;
    world.issuer.stop().await;
    let reply = world
        .token(&[("client_assertion", &world.assertion())])
        .await;
    assert_eq!(reply.error(), (400, "90061".to_owned()));
    assert!(
        reply
            .message()
            .contains("Request to External OIDC endpoint failed")
    );
}

#[tokio::test]
async fn tenant_client_scope_and_grant() {
    let world = World::trusted().await;
    let assertion = world.assertion();
    let proof = ("client_assertion", assertion.as_str());
    for (field, value, status, number) in [
        (
            "client_id",
            "00000000-0000-0000-0000-000000000000",
            400,
            "700016",
        ),
        ("client_id", "", 400, "900144"),
        ("grant_type", "password", 400, "70003"),
        ("scope", "https://vault.azure.net", 400, "1002012"),
        ("scope", "https://vault.azure.cn/.default", 400, "500011"),
        ("client_assertion_type", "other", 400, "90023"),
    ] {
        let reply = world.token(&[proof, (field, value)]).await;
        assert_eq!(
            reply.error(),
            (status, number.to_owned()),
            "{field}={value}"
        );
    }
    let request = Request::post("/other/oauth2/v2.0/token");
    let reply = world.call(LOGIN, request, "client_id=x".into()).await;
    assert_eq!(reply.error(), (400, "90002".to_owned()));
    assert_eq!(world.token(&[]).await.error(), (401, "7000218".to_owned()));
}

#[tokio::test]
async fn secrets_of_applications() {
    let world = World::new().await;
    let app = world.azure.create_application("app");
    let now = world.clock.unix();
    for (value, expires) in [("good", None), ("old", Some(now - 1))] {
        world
            .azure
            .add_client_secret(&app.client_id, value, expires)
            .unwrap();
    }
    let id = ("client_id", app.client_id.as_str());
    world.token(&[id, ("client_secret", "good")]).await.ok();
    for (secret, number) in [("old", "7000222"), ("bad", "7000215")] {
        let reply = world.token(&[id, ("client_secret", secret)]).await;
        assert_eq!(reply.error(), (401, number.to_owned()), "{secret}");
    }
}

#[tokio::test]
async fn documents_that_clients_ask_for() {
    let world = World::new().await;
    let tenant = world.azure.tenant().to_owned();
    let get = |path: String| world.call(LOGIN, Request::get(path), String::new());
    let discovery = get(format!("/{tenant}/v2.0/.well-known/openid-configuration"))
        .await
        .ok();
    assert_eq!(
        discovery.body["token_endpoint"],
        format!("https://{LOGIN}/{tenant}/oauth2/v2.0/token")
    );
    let instance = get("/common/discovery/instance?api-version=1.1".into())
        .await
        .ok();
    assert_eq!(instance.body["metadata"][0]["aliases"][0], LOGIN);
    let keys = get(format!("/{tenant}/discovery/v2.0/keys")).await.ok();
    assert_eq!(keys.body["keys"][0]["kty"], "RSA");
    let unknown = get("/other/v2.0/.well-known/openid-configuration".into()).await;
    assert_eq!(unknown.error(), (400, "90002".to_owned()));
}
