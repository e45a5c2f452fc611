//! IAM's API: what is stored, and how it refuses.

use super::*;

#[tokio::test]
async fn providers() {
    let w = World::new().await;
    let url = "https://oidc.example.com/c1";
    let arn = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.com/c1");
    let iam = |fields: Vec<(&'static str, String)>| {
        let w = &w;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            w.query("iam", w.admin(), &fields).await
        }
    };
    let on = |action: &str| {
        vec![
            ("Action", action.to_owned()),
            ("OpenIDConnectProviderArn", arn.clone()),
        ]
    };
    let create = vec![
        ("Action", "CreateOpenIDConnectProvider".to_owned()),
        ("Url", url.to_owned()),
        ("ClientIDList.member.1", AUDIENCE.to_owned()),
    ];
    assert_eq!(
        iam(create.clone())
            .await
            .ok()
            .tag("OpenIDConnectProviderArn"),
        arn
    );
    let again = iam(create).await;
    assert_eq!(again.error(), (409, "EntityAlreadyExists".to_owned()));
    assert_eq!(
        again.message(),
        format!("Provider with url {url} already exists.")
    );
    let mut add = on("AddClientIDToOpenIDConnectProvider");
    add.push(("ClientID", "other".to_owned()));
    iam(add).await.ok();
    let got = iam(on("GetOpenIDConnectProvider")).await.ok();
    assert_eq!(got.tag("Url"), "oidc.example.com/c1");
    assert!(got.body.contains(
        "<ClientIDList><member>sts.amazonaws.com</member><member>other</member></ClientIDList>"
    ));
    let mut thumb = on("UpdateOpenIDConnectProviderThumbprint");
    thumb.push(("ThumbprintList.member.1", "abc".to_owned()));
    assert_eq!(iam(thumb).await.error().1, "InvalidInput");
    assert!(
        iam(vec![("Action", "ListOpenIDConnectProviders".to_owned())])
            .await
            .ok()
            .body
            .contains(&arn)
    );
    iam(on("DeleteOpenIDConnectProvider")).await.ok();
    let gone = iam(on("GetOpenIDConnectProvider")).await;
    assert_eq!(
        (gone.error(), gone.message()),
        (
            (404, "NoSuchEntity".to_owned()),
            format!("OpenIDConnect Provider not found for arn {arn}")
        )
    );
    let http = vec![
        ("Action", "CreateOpenIDConnectProvider".to_owned()),
        ("Url", "http://x".to_owned()),
    ];
    assert_eq!(iam(http).await.error(), (400, "ValidationError".to_owned()));
}

#[tokio::test]
async fn roles_and_their_policies() {
    let w = World::new().await;
    let trust = trust(w.issuer.url(), &w.provider, SUBJECT);
    let iam = |fields: &'static [(&'static str, &'static str)]| w.query("iam", w.admin(), fields);
    let mut create = vec![
        ("Action", "CreateRole"),
        ("RoleName", "r"),
        ("Path", "/eks/"),
        ("AssumeRolePolicyDocument", trust.as_str()),
        ("MaxSessionDuration", "7200"),
    ];
    let made = w.query("iam", w.admin(), &create).await.ok();
    assert_eq!(
        made.tag("Arn"),
        format!("arn:aws:iam::{ACCOUNT}:role/eks/r")
    );
    assert_eq!(made.tag("MaxSessionDuration"), "7200");
    assert!(
        made.tag("AssumeRolePolicyDocument")
            .starts_with("%7B%22Statement")
    );
    assert_eq!(
        w.query("iam", w.admin(), &create).await.message(),
        "Role with name r already exists."
    );
    create.retain(|(n, _)| *n != "AssumeRolePolicyDocument" && *n != "RoleName");
    for (document, message) in [
        ("{", "This policy contains invalid Json"),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#,
            "Federated principals must be valid domain names or SAML metadata ARNs",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/none"},"Action":"sts:AssumeRole"}]}"#,
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:role/none\"",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}]}"#,
            "Has prohibited field Resource",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}]}"#,
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
    ] {
        let mut fields = create.clone();
        fields.extend([("RoleName", "bad"), ("AssumeRolePolicyDocument", document)]);
        let answer = w.query("iam", w.admin(), &fields).await;
        assert_eq!(
            (answer.error(), answer.message().as_str()),
            ((400, "MalformedPolicyDocument".to_owned()), message)
        );
    }
    let policy = allow(&["ssm:GetParameter"], "*");
    w.query(
        "iam",
        w.admin(),
        &[
            ("Action", "PutRolePolicy"),
            ("RoleName", "r"),
            ("PolicyName", "p"),
            ("PolicyDocument", &policy),
        ],
    )
    .await
    .ok();
    assert!(
        iam(&[("Action", "ListRolePolicies"), ("RoleName", "r")])
            .await
            .ok()
            .body
            .contains("<member>p</member>")
    );
    assert_eq!(
        iam(&[("Action", "DeleteRole"), ("RoleName", "r")])
            .await
            .error(),
        (409, "DeleteConflict".to_owned())
    );
    iam(&[
        ("Action", "DeleteRolePolicy"),
        ("RoleName", "r"),
        ("PolicyName", "p"),
    ])
    .await
    .ok();
    let gone = iam(&[
        ("Action", "GetRolePolicy"),
        ("RoleName", "r"),
        ("PolicyName", "p"),
    ])
    .await;
    assert_eq!(
        (gone.error().0, gone.message().as_str()),
        (404, "The role policy with name p cannot be found.")
    );
    iam(&[
        ("Action", "UpdateRole"),
        ("RoleName", "r"),
        ("MaxSessionDuration", "3600"),
    ])
    .await
    .ok();
    iam(&[
        ("Action", "TagRole"),
        ("RoleName", "r"),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "b"),
    ])
    .await
    .ok();
    let got = iam(&[("Action", "GetRole"), ("RoleName", "r")]).await.ok();
    assert_eq!(
        (got.tag("MaxSessionDuration"), got.tag("Key")),
        ("3600", "a")
    );
    let page = iam(&[("Action", "ListRoles"), ("MaxItems", "1")])
        .await
        .ok();
    assert_eq!(
        (
            page.tag("IsTruncated"),
            page.tag("Marker"),
            page.tag("RoleName")
        ),
        ("true", "r", "r")
    );
    iam(&[("Action", "DeleteRole"), ("RoleName", "r")])
        .await
        .ok();
    let gone = iam(&[("Action", "GetRole"), ("RoleName", "r")]).await;
    assert_eq!(
        (gone.error(), gone.message().as_str()),
        (
            (404, "NoSuchEntity".to_owned()),
            "The role with name r cannot be found."
        )
    );
}

#[tokio::test]
async fn managed_policies() {
    let w = World::new().await;
    let policy = allow(&["ssm:GetParameter"], "*");
    let wider = allow(&["ssm:*"], "*");
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/p");
    let call = |fields: Vec<(&'static str, String)>| {
        let w = &w;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            w.query("iam", w.admin(), &fields).await
        }
    };
    let on = |action: &str| {
        vec![
            ("Action", action.to_owned()),
            ("PolicyArn", arn.clone()),
            ("RoleName", "web".to_owned()),
        ]
    };
    let create = vec![
        ("Action", "CreatePolicy".to_owned()),
        ("PolicyName", "p".to_owned()),
        ("PolicyDocument", policy),
    ];
    assert_eq!(call(create.clone()).await.ok().tag("Arn"), arn);
    assert_eq!(
        call(create).await.error(),
        (409, "EntityAlreadyExists".to_owned())
    );
    call(on("AttachRolePolicy")).await.ok();
    assert_eq!(call(on("GetPolicy")).await.ok().tag("AttachmentCount"), "1");
    assert!(
        call(on("ListAttachedRolePolicies"))
            .await
            .ok()
            .body
            .contains(&arn)
    );
    assert_eq!(call(on("DeletePolicy")).await.error().1, "DeleteConflict");
    w.aws.put_parameter("/a", "1").unwrap();
    let key = w.session().await;
    w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
        .await
        .ok();
    assert_eq!(
        w.ssm(&key, "DescribeParameters", json!({})).await.error().1,
        "AccessDeniedException"
    );
    let mut version = on("CreatePolicyVersion");
    version.extend([
        ("PolicyDocument", wider),
        ("SetAsDefault", "true".to_owned()),
    ]);
    assert_eq!(call(version).await.ok().tag("VersionId"), "v2");
    w.ssm(&key, "DescribeParameters", json!({})).await.ok();
    call(on("DetachRolePolicy")).await.ok();
    assert_eq!(call(on("DetachRolePolicy")).await.error().1, "NoSuchEntity");
    assert_eq!(
        w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
            .await
            .error()
            .1,
        "AccessDeniedException"
    );
    let admin = vec![
        ("Action", "AttachRolePolicy".to_owned()),
        ("RoleName", "web".to_owned()),
        (
            "PolicyArn",
            "arn:aws:iam::aws:policy/AdministratorAccess".to_owned(),
        ),
    ];
    call(admin).await.ok();
    w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
        .await
        .ok();
}

#[tokio::test]
async fn iam_itself_needs_permission() {
    let w = World::new().await;
    let key = w.session().await;
    let answer = w
        .query("iam", &key, &[("Action", "GetRole"), ("RoleName", "web")])
        .await;
    assert_eq!(answer.error(), (403, "AccessDenied".to_owned()));
    assert!(
        answer
            .message()
            .contains(&format!("iam:GetRole on resource: {}", w.role))
    );
    assert_eq!(
        w.query("iam", w.admin(), &[("Action", "Nothing")])
            .await
            .error()
            .1,
        "InvalidAction"
    );
}
