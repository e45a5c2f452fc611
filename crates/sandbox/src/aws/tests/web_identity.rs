//! Every way in which a token is refused, and what a good one gives.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};

use super::*;
use crate::issuer::Faults;

const NO_KEY: &str = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";
const NO_JWT: &str = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
const DENIED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, message: &str) {
    assert_eq!(answer.error(), (status, code.to_owned()), "{}", answer.body);
    assert_eq!(answer.message(), message);
    assert_eq!(answer.tag("Type"), "Sender");
    assert!(
        answer
            .body
            .starts_with("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">")
    );
    assert_eq!(answer.headers["x-amzn-requestid"], answer.tag("RequestId"));
}

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

#[tokio::test]
async fn documents_that_are_no_use() {
    let w = World::new().await;
    let good = w.issuer.discovery();
    let without = |name: &str| {
        let mut d = good.clone();
        d.as_object_mut().unwrap().remove(name);
        Some(d.to_string())
    };
    let with = |name: &str, value: Value| {
        let mut d = good.clone();
        d[name] = value;
        Some(d.to_string())
    };
    let base = Faults::default;
    let cases = [
        (
            "404",
            Faults {
                status: Some(404),
                ..base()
            },
        ),
        (
            "302",
            Faults {
                status: Some(302),
                ..base()
            },
        ),
        (
            "html",
            Faults {
                discovery: Some("<html>sign in</html>".into()),
                ..base()
            },
        ),
        (
            "no jwks_uri",
            Faults {
                discovery: without("jwks_uri"),
                ..base()
            },
        ),
        (
            "no response types",
            Faults {
                discovery: without("response_types_supported"),
                ..base()
            },
        ),
        (
            "no subject types",
            Faults {
                discovery: without("subject_types_supported"),
                ..base()
            },
        ),
        (
            "no algorithms",
            Faults {
                discovery: without("id_token_signing_alg_values_supported"),
                ..base()
            },
        ),
        (
            "empty algorithms",
            Faults {
                discovery: with("id_token_signing_alg_values_supported", json!([])),
                ..base()
            },
        ),
        (
            "other issuer",
            Faults {
                discovery: with("issuer", json!("https://kubernetes.default.svc")),
                ..base()
            },
        ),
        (
            "jwks over http",
            Faults {
                discovery: with("jwks_uri", json!("http://localhost:1/jwks")),
                ..base()
            },
        ),
        (
            "jwks elsewhere",
            Faults {
                discovery: with("jwks_uri", json!("https://localhost:1/jwks")),
                ..base()
            },
        ),
        (
            "jwks garbage",
            Faults {
                keys: Some("{\"keys\":".into()),
                ..base()
            },
        ),
        (
            "jwks empty",
            Faults {
                keys: Some("{\"keys\":[]}".into()),
                ..base()
            },
        ),
        (
            "jwks of another use",
            Faults {
                keys: Some(w.issuer.jwks().to_string().replace("\"sig\"", "\"enc\"")),
                ..base()
            },
        ),
        (
            "jwks too large",
            Faults {
                keys: Some(format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(200_000))),
                ..base()
            },
        ),
    ];
    for (name, faults) in cases {
        w.issuer.set_faults(faults);
        let answer = w.exchange(&w.token()).await;
        assert_eq!(
            (answer.error(), answer.message()),
            ((400, "InvalidIdentityToken".to_owned()), NO_KEY.to_owned()),
            "{name}"
        );
    }
    w.issuer.set_faults(Faults {
        status: Some(503),
        ..base()
    });
    refused(
        &w.exchange(&w.token()).await,
        400,
        "IDPCommunicationError",
        "Error communicating with the identity provider",
    );
    w.issuer.set_faults(base());
    w.exchange(&w.token()).await.ok();
}

#[tokio::test]
async fn an_issuer_that_is_slow_or_gone() {
    let w = World::new().await;
    w.issuer.set_faults(Faults {
        latency: Duration::from_secs(7),
        ..Faults::default()
    });
    let started = std::time::Instant::now();
    refused(
        &w.exchange(&w.token()).await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
    assert!((4.5..6.8).contains(&started.elapsed().as_secs_f64()));
    w.issuer.set_faults(Faults::default());
    w.issuer.stop().await;
    refused(
        &w.exchange(&w.token()).await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
    // The same issuer under roots that do not know its certificate's authority.
    let other = World::new().await;
    let aws = Aws::new(AwsOptions {
        roots: Tls::new().unwrap().ca_pem().to_owned(),
        ..AwsOptions::default()
    });
    let provider = aws
        .create_oidc_provider(other.issuer.url(), &[AUDIENCE])
        .unwrap();
    aws.create_role("web", &trust(other.issuer.url(), &provider, SUBJECT))
        .unwrap();
    let stranger = World { aws, ..other };
    refused(
        &stranger.exchange(&stranger.token()).await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
}

#[tokio::test]
async fn keys_are_cached_until_an_unknown_one_comes() {
    let w = World::new().await;
    let old = w.token();
    w.exchange(&old).await.ok();
    w.exchange(&old).await.ok();
    assert_eq!(w.issuer.requests().keys, 1);
    let first = w.issuer.keys()[0].kid().to_owned();
    w.issuer.rotate().unwrap();
    w.exchange(&w.token()).await.ok();
    assert_eq!(w.issuer.requests().keys, 2);
    // A withdrawn key stays good while the set is cached, then no longer.
    assert!(w.issuer.retire(&first));
    w.exchange(&old).await.ok();
    assert_eq!(w.issuer.requests().keys, 2);
    w.aws.forget_issuer_keys();
    refused(&w.exchange(&old).await, 400, "InvalidIdentityToken", NO_KEY);
}

#[tokio::test]
async fn trust_objects_that_do_not_fit() {
    let w = World::new().await;
    let token = w.token();
    for arn in [
        "arn:aws:iam::111122223333:role/gone",
        "arn:aws:iam::111122223333:role/eks/web",
    ] {
        let answer = w
            .exchange_with(&[("WebIdentityToken", &token), ("RoleArn", arn)])
            .await;
        refused(&answer, 403, "AccessDenied", DENIED);
    }
    // The provider is looked up in the role's account and partition.
    for arn in [
        "arn:aws:iam::999999999999:role/web",
        "arn:aws-cn:iam::111122223333:role/web",
    ] {
        let answer = w
            .exchange_with(&[("WebIdentityToken", &token), ("RoleArn", arn)])
            .await;
        refused(
            &answer,
            400,
            "InvalidIdentityToken",
            &format!(
                "No OpenIDConnect provider found in your account for {}",
                w.issuer.url()
            ),
        );
    }
    let url = w.issuer.url();
    let good = trust(url, &w.provider, SUBJECT);
    let host = url.strip_prefix("https://").unwrap();
    for (name, policy) in [
        (
            "scheme in the key",
            good.replace(&format!("\"{host}:"), &format!("\"{url}:")),
        ),
        (
            "other action",
            good.replace("AssumeRoleWithWebIdentity", "AssumeRole"),
        ),
        (
            "other provider",
            good.replace("oidc-provider/", "oidc-provider/x."),
        ),
        (
            "other audience",
            good.replace(AUDIENCE, "sts.amazonaws.com.cn"),
        ),
        (
            "wildcard under StringEquals",
            good.replace("shop:web", "shop:*"),
        ),
        ("explicit deny", good.replace("\"Allow\"", "\"Deny\"")),
    ] {
        w.aws.update_trust_policy("web", &policy).unwrap();
        let answer = w.exchange(&token).await;
        assert_eq!(
            (answer.error(), answer.message()),
            ((403, "AccessDenied".to_owned()), DENIED.to_owned()),
            "{name}"
        );
    }
    w.aws
        .update_trust_policy(
            "web",
            &good
                .replace("shop:web", "shop:*")
                .replace("StringEquals", "StringLike"),
        )
        .unwrap();
    w.exchange(&token).await.ok();
    w.aws.delete_oidc_provider(&w.provider);
    assert_eq!(w.exchange(&token).await.error().1, "InvalidIdentityToken");
}

#[tokio::test]
async fn parameters_are_checked() {
    let w = World::new().await;
    let token = w.token();
    for (name, value, code) in [
        ("RoleArn", "arn:aws:iam::1:role/x", "ValidationError"),
        ("RoleArn", "short", "ValidationError"),
        ("RoleSessionName", "a b", "ValidationError"),
        ("RoleSessionName", "x", "ValidationError"),
        ("DurationSeconds", "899", "ValidationError"),
        ("DurationSeconds", "43201", "ValidationError"),
        ("DurationSeconds", "soon", "MalformedInput"),
        ("Policy", "{", "MalformedPolicyDocument"),
        (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/None",
            "ValidationError",
        ),
        ("Version", "2001-01-01", "InvalidAction"),
        (
            "Action",
            "AssumeRoleWithMagic",
            "MissingAuthenticationToken",
        ),
    ] {
        let answer = w
            .exchange_with(&[("WebIdentityToken", &token), (name, value)])
            .await;
        assert_eq!(answer.error().1, code, "{name}={value}");
    }
    let long = allow(
        &["ssm:GetParameter"],
        &format!("arn:aws:ssm:*:*:parameter/{}", "x".repeat(2100)),
    );
    let answer = w
        .exchange_with(&[("WebIdentityToken", &token), ("Policy", &long)])
        .await;
    assert_eq!(answer.error().1, "PackedPolicyTooLarge");
    // A role made over the API has one hour unless it asks for more.
    let trust = trust(w.issuer.url(), &w.provider, SUBJECT);
    w.query(
        "iam",
        w.admin(),
        &[
            ("Action", "CreateRole"),
            ("RoleName", "brief"),
            ("AssumeRolePolicyDocument", &trust),
        ],
    )
    .await
    .ok();
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/brief");
    let answer = w
        .exchange_with(&[
            ("WebIdentityToken", &token),
            ("RoleArn", &arn),
            ("DurationSeconds", "3601"),
        ])
        .await;
    refused(
        &answer,
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    );
}

#[tokio::test]
async fn a_session_ends() {
    let w = World::new().await;
    w.aws
        .put_role_policy("web", "all", &allow(&["ssm:*"], "*"))
        .unwrap();
    let key = w.session().await;
    w.clock.skew(3_599_000);
    w.query("sts", &key, &[("Action", "GetCallerIdentity")])
        .await
        .ok();
    w.clock.skew(3_602_000);
    let answer = w
        .query("sts", &key, &[("Action", "GetCallerIdentity")])
        .await;
    assert_eq!(answer.error(), (403, "ExpiredToken".to_owned()));
    let answer = w.ssm(&key, "GetParameter", json!({"Name": "/x"})).await;
    assert_eq!(answer.error(), (400, "ExpiredTokenException".to_owned()));
    assert_eq!(
        answer.message(),
        "The security token included in the request is expired"
    );
}

#[tokio::test]
async fn a_session_policy_narrows() {
    let w = World::new().await;
    w.aws
        .put_role_policy("web", "all", &allow(&["ssm:*"], "*"))
        .unwrap();
    w.aws.put_parameter("/a", "1").unwrap();
    w.aws.put_parameter("/b", "2").unwrap();
    let policy = allow(&["ssm:GetParameter"], "arn:aws:ssm:*:*:parameter/a");
    let answer = w
        .exchange_with(&[("WebIdentityToken", &w.token()), ("Policy", &policy)])
        .await
        .ok();
    assert!(answer.tag("PackedPolicySize").parse::<u8>().unwrap() > 0);
    let key = key_in(&answer);
    w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
        .await
        .ok();
    let answer = w.ssm(&key, "GetParameter", json!({"Name": "/b"})).await;
    assert!(
        answer
            .message()
            .ends_with("because no session policy allows the ssm:GetParameter action"),
        "{}",
        answer.body
    );
}
