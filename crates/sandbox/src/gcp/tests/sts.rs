//! What STS accepts and what it refuses, part by part.

use super::*;

#[tokio::test]
async fn a_clusters_token_becomes_an_access_token() {
    let world = World::trusted().await;
    let reply = world.present(&world.claims()).await.ok();
    assert_eq!(reply.body["token_type"], "Bearer");
    assert_eq!(reply.body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(reply.body["expires_in"], 3600);
    // As JSON in camel case, too, and with the other form of the provider's name as audience.
    let mut claims = world.claims();
    claims["aud"] = json!(format!("https:{}", world.audience()));
    let body = json!({
        "grantType": EXCHANGE, "audience": world.audience(), "scope": CLOUD_PLATFORM,
        "requestedTokenType": ACCESS_TOKEN, "subjectTokenType": JWT,
        "subjectToken": world.sign(&claims),
    });
    let request = Request::post("/v1/token").header("content-type", "application/json");
    world.call(STS, request, body.to_string()).await.ok();
    assert_eq!(world.gcp.calls("sts", "ExchangeToken").total, 2);
}

#[tokio::test]
async fn a_part_that_differs_is_named() {
    let world = World::trusted().await;
    let with = |name: &str, value: Value| {
        let mut claims = world.claims();
        claims[name] = value;
        claims
    };
    let now = world.clock.unix();
    for (claims, text) in [
        (
            with("iss", json!(format!("{}/", world.issuer.url()))),
            "The issuer in ID Token ",
        ),
        (
            with("aud", json!(["sts.googleapis.com"])),
            "The audience in ID Token [sts.googleapis.com] does not match the expected audience ",
        ),
        (with("exp", json!(now)), " is stale to sign-in."),
        (with("nbf", json!(now + 300)), " is stale to sign-in."),
        (with("iat", json!(now + 300)), " is stale to sign-in."),
        (
            with("exp", json!(now + 24 * 3600 + 1)),
            " is stale to sign-in.",
        ),
    ] {
        let reply = world.present(&claims).await;
        assert_eq!(reply.error(), (400, "invalid_grant".to_owned()), "{claims}");
        assert!(reply.message().contains(text), "{}", reply.message());
    }
    // One of several audiences is enough.
    world
        .present(&with("aud", json!(["other", world.audience()])))
        .await
        .ok();
    for missing in ["iss", "sub", "aud", "exp", "iat"] {
        let mut claims = world.claims();
        claims.as_object_mut().unwrap().remove(missing);
        let reply = world.present(&claims).await;
        assert_eq!(
            reply.error(),
            (400, "invalid_grant".to_owned()),
            "{missing}"
        );
    }
    world.gcp.skew_sts(7200);
    let reply = world.present(&world.claims()).await;
    assert!(reply.message().ends_with("is stale to sign-in."));
}

#[tokio::test]
async fn the_signature_and_the_documents_are_checked() {
    let world = World::trusted().await;
    const CONNECTING: &str = "Error connecting to the given credential's issuer.";
    let good = world.sign(&world.claims());
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
    for (token, text) in [
        (broken, CONNECTING),
        (
            header(json!({"alg": "RS256", "kid": "unknown"})),
            CONNECTING,
        ),
        (header(json!({"alg": "none", "kid": kid})), "algorithm none"),
        (
            header(json!({"alg": "RS512", "kid": kid})),
            "algorithm RS512",
        ),
        ("no.jwt".to_owned(), "malformed"),
    ] {
        let reply = world.exchange(&[("subject_token", &token)]).await;
        assert_eq!(reply.error(), (400, "invalid_grant".to_owned()), "{token}");
        assert!(reply.message().contains(text), "{}", reply.message());
        assert!(
            !reply.message().contains(signature),
            "no text repeats the token"
        );
    }
    world.issuer.stop().await;
    world.gcp.forget_issuer_keys();
    let reply = world.present(&world.claims()).await;
    assert_eq!(reply.message(), CONNECTING);
    // Uploaded keys need no documents.
    world.provider(OidcProvider {
        jwks: Some(json!({"keys": [world.issuer.keys()[0].jwk()]}).to_string()),
        ..world.provider_of_issuer()
    });
    world.present(&world.claims()).await.ok();
}

#[tokio::test]
async fn the_request_itself() {
    let world = World::trusted().await;
    let token = world.sign(&world.claims());
    let number = format!("projects/{NUMBER}/");
    let by_id = world
        .audience()
        .replace(&number, "projects/my-gcp-project/");
    let https = format!("https:{}", world.audience());
    let other = world.audience().replace("my-pool", "none");
    for (field, value, code) in [
        ("audience", by_id.as_str(), "invalid_target"),
        ("audience", &other, "invalid_target"),
        ("audience", &https, "invalid_request"),
        ("audience", "", "invalid_request"),
        ("scope", "", "invalid_request"),
        ("requested_token_type", JWT, "invalid_request"),
        ("subject_token_type", "urn:none", "invalid_request"),
        ("subject_token", "", "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
    ] {
        let mut fields = vec![("subject_token", token.as_str())];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let reply = world.exchange(&fields).await;
        assert_eq!(reply.error(), (400, code.to_owned()), "{field}={value}");
    }
    for stop in [World::disable as fn(&World), |world| {
        world.gcp.delete_pool(PROJECT, "my-pool").unwrap()
    }] {
        let world = World::trusted().await;
        stop(&world);
        let reply = world.present(&world.claims()).await;
        assert_eq!(reply.error(), (400, "invalid_target".to_owned()));
    }
}

impl World {
    fn disable(&self) {
        self.gcp.disable_pool(PROJECT, "my-pool", true).unwrap();
    }
}

#[tokio::test]
async fn mapping_and_condition() {
    let world = World::trusted().await;
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let mapped = OidcProvider {
        audiences: vec!["shop".to_owned()],
        mapping: vec![
            pair(
                "google.subject",
                "assertion['kubernetes.io'].namespace + '/' + assertion['kubernetes.io'].serviceaccount.name",
            ),
            pair("google.groups", "[assertion.sub.split(':')[2]]"),
            pair(
                "attribute.namespace",
                "assertion['kubernetes.io'].namespace",
            ),
        ],
        condition: Some(
            "attribute.namespace == 'shop' && google.subject.endsWith('web')".to_owned(),
        ),
        ..world.provider_of_issuer()
    };
    world.provider(mapped.clone());
    let mut claims = world.claims();
    claims["aud"] = json!("shop");
    let token = world.present(&claims).await.ok().body["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    world.gcp.set_secret("a", b"value").unwrap();
    let pool = format!(
        "iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools/my-pool"
    );
    for (member, allowed) in [
        (format!("principal://{pool}/subject/shop/other"), false),
        (format!("principal://{pool}/subject/shop/web"), true),
        (format!("principalSet://{pool}/group/shop"), true),
        (
            format!("principalSet://{pool}/attribute.namespace/shop"),
            true,
        ),
        (
            format!("principalSet://{pool}/attribute.namespace/other"),
            false,
        ),
        (format!("principalSet://{pool}/*"), true),
    ] {
        let role = "roles/secretmanager.secretAccessor";
        world.gcp.bind_on_secret("a", role, &member, None).unwrap();
        let reply = world
            .secrets(&token, "GET", "/secrets/a/versions/1:access", Value::Null)
            .await;
        assert_eq!(reply.status == 200, allowed, "{member}: {}", reply.body);
        world.gcp.unbind_on_secret("a", &member).unwrap();
    }
    claims["kubernetes.io"]["namespace"] = json!("other");
    let reply = world.present(&claims).await;
    assert_eq!(reply.error(), (401, "unauthorized_client".to_owned()));
    claims["kubernetes.io"]["namespace"] = json!("shop".repeat(40));
    let reply = world.present(&claims).await;
    assert!(
        reply.message().contains("exceeds the 127 bytes limit"),
        "{}",
        reply.body
    );
    claims.as_object_mut().unwrap().remove("kubernetes.io");
    let reply = world.present(&claims).await;
    assert_eq!(reply.error(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn names_that_are_taken() {
    let world = World::trusted().await;
    world.gcp.delete_pool(PROJECT, "my-pool").unwrap();
    let taken = world.gcp.create_pool(PROJECT, "my-pool").unwrap_err();
    assert_eq!(taken.status, "ALREADY_EXISTS");
    assert_eq!(taken.message, "Requested entity already exists");
    assert!(world.gcp.create_pool(PROJECT, "gcp-pool").is_err());
}

#[tokio::test]
async fn a_throttled_exchange() {
    let world = World::trusted().await;
    world.gcp.add_fault(
        Fault::new(Effect::Throttle { retry_after: 0 })
            .on("sts", "ExchangeToken")
            .times(1),
    );
    let reply = world.present(&world.claims()).await;
    assert_eq!(reply.error(), (429, "quota_exceeded".to_owned()));
    world.present(&world.claims()).await.ok();
}
