//! Tokens that are refused, and what a good one gives.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};

use super::*;
use crate::issuer::Faults;

#[tokio::test]
async fn a_good_token_gives_a_session() {
    let w = World::new().await;
    let answer = w.exchange(&w.token()).await.ok();
    assert_eq!(answer.tag("SubjectFromWebIdentityToken"), SUBJECT);
    assert_eq!(answer.tag("Audience"), AUDIENCE);
    assert_eq!(answer.tag("Provider"), w.provider);
    assert_eq!(
        answer.tag("Arn"),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/web/test")
    );
    assert!(
        answer.tag("AssumedRoleId").starts_with("AROA")
            && answer.tag("AssumedRoleId").ends_with(":test")
    );
    let key = key_in(&answer);
    assert!(key.id.starts_with("ASIA") && key.id.len() == 20 && key.secret.len() == 40);
    let expires: jiff::Timestamp = answer.tag("Expiration").parse().unwrap();
    assert!((expires.as_second() - w.clock.unix() - 3600).abs() <= 1);
    let me = w
        .query("sts", &key, &[("Action", "GetCallerIdentity")])
        .await
        .ok();
    assert_eq!(
        me.tag("Arn"),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/web/test")
    );
    assert_eq!(me.tag("Account"), ACCOUNT);
    assert_eq!(
        w.aws.calls("sts", "AssumeRoleWithWebIdentity"),
        Calls {
            total: 1,
            refused: 0
        }
    );
}

#[tokio::test]
async fn claims_that_do_not_fit() {
    let w = World::new().await;
    let now = w.clock.unix();
    let url = w.issuer.url().to_owned();
    let no_provider =
        |iss: &str| format!("No OpenIDConnect provider found in your account for {iss}");
    let slash = format!("{url}/");
    let cases: Vec<(&str, Value, u16, &str, String)> = vec![
        (
            "iss",
            json!("https://other.example"),
            400,
            "InvalidIdentityToken",
            no_provider("https://other.example"),
        ),
        (
            "iss",
            json!(slash),
            400,
            "InvalidIdentityToken",
            no_provider(&slash),
        ),
        (
            "iss",
            json!("kubernetes/serviceaccount"),
            400,
            "InvalidIdentityToken",
            no_provider("kubernetes/serviceaccount"),
        ),
        (
            "aud",
            json!(["https://kubernetes.default.svc"]),
            400,
            "InvalidIdentityToken",
            "Incorrect token audience".into(),
        ),
        (
            "azp",
            json!("someone"),
            400,
            "InvalidIdentityToken",
            "Incorrect token audience".into(),
        ),
        (
            "sub",
            json!("system:serviceaccount:shop:Web"),
            403,
            "AccessDenied",
            DENIED.into(),
        ),
        (
            "sub",
            json!("system:serviceaccount:shop2:web"),
            403,
            "AccessDenied",
            DENIED.into(),
        ),
        (
            "exp",
            json!(now - 5),
            400,
            "ExpiredTokenException",
            format!("before the expiration date/time {}", now - 5),
        ),
        (
            "nbf",
            json!(now + 300),
            400,
            "InvalidIdentityToken",
            "Token not yet valid".into(),
        ),
        (
            "iat",
            json!(now + 300),
            400,
            "InvalidIdentityToken",
            "Token not yet valid".into(),
        ),
        (
            "exp",
            json!("soon"),
            400,
            "InvalidIdentityToken",
            NO_JWT.into(),
        ),
    ];
    for (name, value, status, code, message) in cases {
        let mut claims = w.claims();
        claims[name] = value;
        let answer = w.exchange(&w.sign(&claims)).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{name}");
        assert!(answer.message().contains(&message), "{}", answer.message());
    }
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        let mut claims = w.claims();
        claims.as_object_mut().unwrap().remove(name);
        refused(
            &w.exchange(&w.sign(&claims)).await,
            400,
            "InvalidIdentityToken",
            &format!("Missing a required claim: {name}"),
        );
    }
    // One of several audiences is enough at the provider, and `typ` is ignored.
    let mut claims = w.claims();
    claims["aud"] = json!(["x", AUDIENCE]);
    w.exchange(&w.sign(&claims)).await.ok();
}

#[tokio::test]
async fn expiry_is_judged_by_the_clock() {
    let w = World::new().await;
    let token = w.token();
    w.clock.skew(3_601_000);
    let now = w.clock.unix();
    let answer = w.exchange(&token).await;
    assert_eq!(answer.error(), (400, "ExpiredTokenException".to_owned()));
    assert!(
        answer
            .message()
            .starts_with("Token expired: current date/time ")
    );
    assert!(now - w.clock.unix() <= 1);
    w.clock.skew(-60_000);
    assert_eq!(
        w.exchange(&token).await.error(),
        (400, "InvalidIdentityToken".to_owned())
    );
}

#[tokio::test]
async fn signatures_that_do_not_hold() {
    let w = World::new().await;
    let good = w.token();
    let keys = w.issuer.keys();
    let key = &keys[0];
    let kid = key.kid().to_owned();
    let rs = |header: Value, claims: &Value| jws(&header, claims, |m| key.sign(m).unwrap());
    let claims = w.claims();

    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[10] ^= 1;
    let tampered = format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
    refused(
        &w.exchange(&tampered).await,
        400,
        "InvalidIdentityToken",
        "The token's signature is invalid",
    );

    // Another subject under the old signature.
    let mut forged = claims.clone();
    forged["sub"] = json!("system:serviceaccount:kube-system:admin");
    let (header, _) = good.split_once('.').unwrap();
    let forged = format!(
        "{header}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(forged.to_string())
    );
    refused(
        &w.exchange(&forged).await,
        400,
        "InvalidIdentityToken",
        "The token's signature is invalid",
    );

    let none = jws(&json!({"alg": "none", "kid": kid}), &claims, |_| Vec::new());
    refused(
        &w.exchange(&none).await,
        400,
        "InvalidIdentityToken",
        NO_JWT,
    );

    // The classic: the public key's bytes as an HMAC secret.
    let modulus = URL_SAFE_NO_PAD
        .decode(key.jwk()["n"].as_str().unwrap())
        .unwrap();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &modulus);
    let confused = jws(&json!({"alg": "HS256", "kid": kid}), &claims, |m| {
        hmac::sign(&secret, m).as_ref().to_vec()
    });
    refused(
        &w.exchange(&confused).await,
        400,
        "InvalidIdentityToken",
        NO_JWT,
    );
    let pss = rs(json!({"alg": "PS256", "kid": kid}), &claims);
    refused(&w.exchange(&pss).await, 400, "InvalidIdentityToken", NO_JWT);

    // Another algorithm of the right family than the key is for.
    let other = rs(json!({"alg": "RS512", "kid": kid}), &claims);
    refused(
        &w.exchange(&other).await,
        400,
        "InvalidIdentityToken",
        "The token's signature is invalid",
    );

    refused(
        &w.exchange(&rs(json!({"alg": "RS256"}), &claims)).await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
    refused(
        &w.exchange(&rs(json!({"alg": "RS256", "kid": "other"}), &claims))
            .await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
    // AWS ignores the type.
    w.exchange(&rs(
        json!({"alg": "RS256", "kid": kid, "typ": "at+jwt"}),
        &claims,
    ))
    .await
    .ok();

    for text in ["abcd", "a.b.c", "ya29.a0AfH6SMBx", &format!("{good}.x")] {
        refused(&w.exchange(text).await, 400, "InvalidIdentityToken", NO_JWT);
    }
    let large = format!("{good}{}", "A".repeat(20_001 - good.len()));
    let answer = w.exchange(&large).await;
    assert_eq!(answer.error(), (400, "ValidationError".to_owned()));
    assert!(
        answer.message().contains("less than or equal to 20000")
            && !answer.message().contains("AAAA")
    );
    assert_eq!(
        w.exchange("abc").await.error(),
        (400, "ValidationError".to_owned())
    );
}

#[tokio::test]
async fn elliptic_curves_are_taken() {
    let w = World::new().await;
    let cases: [(&str, &str, &'static EcdsaSigningAlgorithm, usize); 3] = [
        ("ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING, 32),
        ("ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING, 48),
        ("ES512", "P-521", &ECDSA_P521_SHA512_FIXED_SIGNING, 66),
    ];
    let pairs: Vec<EcdsaKeyPair> = cases
        .iter()
        .map(|c| EcdsaKeyPair::generate(c.2).unwrap())
        .collect();
    let jwks: Vec<Value> = cases
        .iter()
        .zip(&pairs)
        .map(|((alg, curve, _, size), pair)| {
            let point = pair.public_key().as_ref();
            let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + size]);
            json!({"kty": "EC", "use": "sig", "alg": alg, "kid": alg, "crv": curve, "x": part(1), "y": part(1 + size)})
        })
        .collect();
    w.issuer.set_faults(Faults {
        keys: Some(json!({"keys": jwks}).to_string()),
        ..Faults::default()
    });
    for ((alg, ..), pair) in cases.iter().zip(&pairs) {
        let sign = |m: &[u8]| {
            pair.sign(&SystemRandom::new(), m)
                .unwrap()
                .as_ref()
                .to_vec()
        };
        w.exchange(&jws(&json!({"alg": alg, "kid": alg}), &w.claims(), sign))
            .await
            .ok();
    }
    let wrong = jws(
        &json!({"alg": "ES256", "kid": "ES384"}),
        &w.claims(),
        |_| vec![0; 64],
    );
    refused(
        &w.exchange(&wrong).await,
        400,
        "InvalidIdentityToken",
        "The token's signature is invalid",
    );
}
