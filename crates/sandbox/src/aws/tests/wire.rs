//! Authentication on the wire: signatures that do not hold, and requests to nobody.

use super::*;

/// A signed `GetCallerIdentity` whose headers can be spoilt before it is sent.
async fn spoilt(
    w: &World,
    key: &AccessKey,
    service: &str,
    offset: i64,
    spoil: impl FnOnce(&mut HeaderMap),
) -> Answer {
    let body = form(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost"));
    let signing = SigningKey {
        key,
        region: "eu-central-1",
        service,
        time: w.clock.unix() + offset,
    };
    sign(&signing, "POST", "", &mut headers, body.as_bytes());
    spoil(&mut headers);
    send(&w.aws, headers, body).await
}

#[tokio::test]
async fn signatures_that_do_not_hold() {
    let w = World::new().await;
    let admin = w.admin().clone();
    let none = |_: &mut HeaderMap| ();
    spoilt(&w, &admin, "sts", 0, none).await.ok();
    spoilt(&w, &admin, "sts", 290, none).await.ok();
    let late = spoilt(&w, &admin, "sts", -310, none).await;
    assert_eq!(late.error(), (403, "SignatureDoesNotMatch".to_owned()));
    assert!(
        late.message().starts_with("Signature expired: ") && late.message().ends_with(" - 5 min.)"),
        "{}",
        late.message()
    );
    let early = spoilt(&w, &admin, "sts", 310, none).await;
    assert!(
        early.message().starts_with("Signature not yet current: "),
        "{}",
        early.message()
    );
    let wrong = AccessKey {
        secret: "x".repeat(40),
        ..admin.clone()
    };
    let answer = spoilt(&w, &wrong, "sts", 0, none).await;
    assert_eq!(answer.error(), (403, "SignatureDoesNotMatch".to_owned()));
    assert!(
        answer
            .message()
            .starts_with("The request signature we calculated does not match")
    );
    let unknown = AccessKey {
        id: "AKIAAAAAAAAAAAAAAAAA".into(),
        ..admin.clone()
    };
    let answer = spoilt(&w, &unknown, "sts", 0, none).await;
    assert_eq!(
        (answer.error(), answer.message()),
        (
            (403, "InvalidClientTokenId".to_owned()),
            "The security token included in the request is invalid".to_owned()
        )
    );
    let scope = spoilt(&w, &admin, "ssm", 0, none).await;
    assert!(scope.message().contains("scoped to correct service: 'sts'"));
    let other = spoilt(&w, &admin, "sts", 0, |h| {
        h.insert("host", HeaderValue::from_static("elsewhere"));
    })
    .await;
    assert_eq!(other.error().1, "SignatureDoesNotMatch");
    let missing = spoilt(&w, &admin, "sts", 0, |h| {
        h.remove("authorization");
    })
    .await;
    assert_eq!(
        missing.error(),
        (403, "MissingAuthenticationToken".to_owned())
    );
    let cut = spoilt(&w, &admin, "sts", 0, |h| {
        h.insert(
            "authorization",
            HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=a/b"),
        );
    })
    .await;
    assert_eq!(cut.error().1, "IncompleteSignature");
}

#[tokio::test]
async fn a_session_token_is_part_of_the_key() {
    let w = World::new().await;
    let key = w.session().await;
    spoilt(&w, &key, "sts", 0, |_| ()).await.ok();
    let without = AccessKey {
        token: None,
        ..key.clone()
    };
    assert_eq!(
        spoilt(&w, &without, "sts", 0, |_| ()).await.error().1,
        "InvalidClientTokenId"
    );
    let other = AccessKey {
        token: w.session().await.token,
        ..key
    };
    assert_eq!(
        spoilt(&w, &other, "sts", 0, |_| ()).await.error().1,
        "InvalidClientTokenId"
    );
}

#[tokio::test]
async fn json_services_use_their_own_codes() {
    let w = World::new().await;
    let unknown = AccessKey {
        id: "AKIAAAAAAAAAAAAAAAAA".into(),
        ..w.admin().clone()
    };
    let answer = w.ssm(&unknown, "GetParameter", json!({"Name": "x"})).await;
    assert_eq!(
        (answer.error(), answer.message()),
        (
            (400, "UnrecognizedClientException".to_owned()),
            "The security token included in the request is invalid.".to_owned()
        )
    );
    let wrong = AccessKey {
        secret: "x".into(),
        ..w.admin().clone()
    };
    assert_eq!(
        w.ssm(&wrong, "GetParameter", json!({"Name": "x"}))
            .await
            .error()
            .1,
        "InvalidSignatureException"
    );
    assert_eq!(
        w.ssm(w.admin(), "Nothing", json!({})).await.error().1,
        "UnknownOperationException"
    );
    assert_eq!(
        w.json("ssm", "Nobody", w.admin(), "Nothing", json!({}))
            .await
            .error()
            .1,
        "UnknownOperationException"
    );
    let nothing = send(&w.aws, HeaderMap::new(), String::new()).await;
    assert_eq!(nothing.error().1, "MissingAction");
}

/// Over HTTP/2 the host arrives as `:authority`, which the server hands on in the URI.
#[tokio::test]
async fn the_host_may_be_in_the_uri() {
    let w = World::new().await;
    let body = form(&[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost:8443"));
    let signing = SigningKey {
        key: w.admin(),
        region: "eu-central-1",
        service: "sts",
        time: w.clock.unix(),
    };
    sign(&signing, "POST", "", &mut headers, body.as_bytes());
    headers.remove("host");
    for (uri, status) in [
        ("https://localhost:8443/", 200),
        ("https://localhost:8444/", 403),
    ] {
        let mut request = Request::post(uri).body(Body::from(body.clone())).unwrap();
        *request.headers_mut() = headers.clone();
        assert_eq!(
            w.aws.router().oneshot(request).await.unwrap().status(),
            status
        );
    }
}

#[test]
fn secrets_are_not_printed() {
    let aws = Aws::new(AwsOptions::default());
    aws.put_parameter("/a", "canary-value").unwrap();
    let text = format!("{aws:?} {:?}", aws.admin_key());
    assert!(!text.contains("canary-value") && !text.contains(&aws.admin_key().secret));
}
