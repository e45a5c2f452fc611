//! Trust objects, parameters of the exchange, and the life of a session.

use keyless_trust::{Issuer as IssuerUrl, ServiceAccount, Target, Trust};

use super::*;

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

#[tokio::test]
async fn what_the_model_renders_is_enforced() {
    let w = World::new().await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/modelled");
    let trust = |name: &str| Trust {
        issuer: IssuerUrl::parse(w.issuer.url()).unwrap(),
        audience: "vault".to_owned(),
        subject: ServiceAccount::new("shop", name).subject(),
        target: Target::AwsRole(keyless_trust::aws::Arn::parse_role(&role).unwrap()),
    };
    w.aws.delete_oidc_provider(&w.provider);
    assert_eq!(w.aws.establish(&trust("other")).unwrap(), role);
    let mut claims = w.claims();
    claims["aud"] = json!(["vault"]);
    let token = w.sign(&claims);
    let fields = [
        ("WebIdentityToken", token.as_str()),
        ("RoleArn", role.as_str()),
    ];
    refused(&w.exchange_with(&fields).await, 403, "AccessDenied", DENIED);
    assert_eq!(w.aws.establish(&trust("web")).unwrap(), role);
    w.exchange_with(&fields).await.ok();
}
