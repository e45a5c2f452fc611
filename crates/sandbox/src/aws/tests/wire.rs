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

/// Whatever is sent to whichever API, the answer is a refusal or an answer, never a crash.
#[tokio::test]
async fn hostile_bodies() {
    let w = World::new().await;
    let long = "x".repeat(5000);
    let deep = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    let bodies = [
        String::new(), "null".into(), "[]".into(), "{}".into(), "{".into(), deep,
        json!({"Name": null, "Names": [null]}).to_string(),
        json!({"Name": long, "Names": [long], "Path": long, "Value": long, "Type": "String", "Labels": [long], "ResourceId": long, "ResourceType": "Parameter"}).to_string(),
        json!({"Name": "arn:aws:ssm:::", "Names": ["arn:aws:ssm:eu-central-1:111122223333:parameter"], "Path": "/\u{0}", "Labels": []}).to_string(),
        json!({"Name": ":", "Names": [":", "a:18446744073709551616"], "Path": "//", "MaxResults": -1, "NextToken": "////"}).to_string(),
        json!({"Name": "/é", "Names": ["/é"], "Path": "/é", "ParameterFilters": [{"Key": "tag:", "Values": [""]}], "MaxResults": 1}).to_string(),
    ];
    let actions = [
        "GetParameter",
        "GetParameters",
        "GetParametersByPath",
        "GetParameterHistory",
        "DescribeParameters",
        "PutParameter",
        "DeleteParameter",
        "DeleteParameters",
        "LabelParameterVersion",
        "AddTagsToResource",
        "RemoveTagsFromResource",
        "ListTagsForResource",
    ];
    for action in actions {
        for body in &bodies {
            let mut headers = HeaderMap::new();
            headers.insert(
                "x-amz-target",
                HeaderValue::from_str(&format!("AmazonSSM.{action}")).unwrap(),
            );
            let answer = w.signed("ssm", w.admin(), headers, body.clone()).await;
            assert!(
                matches!(answer.status, 200 | 400),
                "{action} {} {}",
                answer.status,
                answer.body
            );
        }
    }
    let names = [
        "RoleName",
        "PolicyName",
        "PolicyArn",
        "Url",
        "OpenIDConnectProviderArn",
        "PolicyDocument",
        "AssumeRolePolicyDocument",
        "RoleArn",
        "RoleSessionName",
        "VersionId",
        "ClientID",
        "WebIdentityToken",
        "MaxItems",
    ];
    let actions = [
        "CreateRole",
        "GetRole",
        "ListRoles",
        "CreatePolicy",
        "GetPolicyVersion",
        "AttachRolePolicy",
        "CreateOpenIDConnectProvider",
        "GetOpenIDConnectProvider",
        "AssumeRole",
        "AssumeRoleWithWebIdentity",
    ];
    for action in actions {
        for value in [
            "",
            "*",
            "arn:aws:iam::111122223333:role/",
            "\u{0}",
            "{}",
            long.as_str(),
            "v99999999999",
        ] {
            let mut fields = vec![("Action", action)];
            fields.extend(names.iter().map(|n| (*n, value)));
            let service = if action.starts_with("AssumeRole") {
                "sts"
            } else {
                "iam"
            };
            let answer = w.query(service, w.admin(), &fields).await;
            assert!(
                matches!(answer.status, 200 | 400 | 403 | 404 | 409),
                "{action} {} {}",
                answer.status,
                answer.body
            );
        }
    }
}

#[test]
fn secrets_are_not_printed() {
    let aws = Aws::new(AwsOptions::default());
    aws.put_parameter("/a", "canary-value").unwrap();
    let text = format!("{aws:?} {:?}", aws.admin_key());
    assert!(!text.contains("canary-value") && !text.contains(&aws.admin_key().secret));
}
