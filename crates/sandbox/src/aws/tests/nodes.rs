//! What a node hands out: EKS Pod Identity's agent and instance metadata.

use super::*;

struct Reply {
    status: u16,
    body: String,
}

async fn call(router: axum::Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Reply {
        status,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

fn service_trust(service: &str, actions: &[&str]) -> String {
    let statement =
        json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": actions});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

impl World {
    async fn agent(&self, host: &str, token: &str) -> Reply {
        let headers = [("host", host), ("authorization", token)];
        let router = self.aws.pod_identity_agent(self.issuer.url());
        call(router, "GET", "/v1/credentials", &headers).await
    }

    fn pod_claims(&self) -> Value {
        let mut claims = self.claims();
        claims["aud"] = json!(["pods.eks.amazonaws.com"]);
        claims
    }
}

#[tokio::test]
async fn the_agent_takes_only_what_it_should() {
    let w = World::new().await;
    let trust = service_trust(
        "pods.eks.amazonaws.com",
        &["sts:AssumeRole", "sts:TagSession"],
    );
    let role = w.aws.create_role("pod", &trust).unwrap();
    w.aws.associate("shop", "web", &role).unwrap();
    let good = w.sign(&w.pod_claims());
    for host in ["169.254.170.23", "[fd00:ec2::23]", "127.0.0.1:80"] {
        assert_eq!(w.agent(host, &good).await.status, 200, "{host}");
    }
    for host in ["agent.example", "169.254.170.2", "10.0.0.1"] {
        let refused = w.agent(host, &good).await;
        assert_eq!(refused.status, 403, "{host}");
        assert!(
            refused
                .body
                .starts_with("Access Denied. Called agent through invalid address")
        );
    }
    let with = |name: &str, value: Value| {
        let mut claims = w.pod_claims();
        claims[name] = value;
        w.sign(&claims)
    };
    let stranger = Issuer::new(
        w.issuer.url(),
        w.clock.clone(),
        vec![crate::issuer::SigningKey::generate().unwrap()],
    );
    let forged = stranger
        .sign(w.pod_claims().to_string().as_bytes())
        .unwrap();
    for (token, text) in [
        (String::new(), "Service account token cannot be empty"),
        ("x.y".into(), "Service account token cannot be parsed"),
        (
            with("aud", json!(["sts.amazonaws.com"])),
            "Service account token failed basic claim validations",
        ),
        (
            with("exp", json!(w.clock.unix() - 1)),
            "Service account token failed basic claim validations",
        ),
        (
            with("kubernetes.io", json!({})),
            "Service account token failed basic claim validations",
        ),
        (
            with("iss", json!("https://elsewhere.example")),
            "(InvalidTokenException)",
        ),
        (forged, "(InvalidTokenException)"),
    ] {
        let refused = w.agent("127.0.0.1", &token).await;
        assert_eq!(refused.status, 400, "{text}");
        assert!(refused.body.contains(text), "{}", refused.body);
    }
    let other = with(
        "kubernetes.io",
        json!({"namespace": "shop", "serviceaccount": {"name": "other", "uid": "u"}}),
    );
    let unknown = w.agent("127.0.0.1", &other).await;
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.body.contains("(ResourceNotFoundException)"),
        "{}",
        unknown.body
    );
    w.aws.disassociate("shop", "web");
    assert_eq!(w.agent("127.0.0.1", &good).await.status, 404);
}

#[tokio::test]
async fn a_pods_session_is_tagged_and_ends() {
    let w = World::new().await;
    let trust = service_trust("pods.eks.amazonaws.com", &["sts:AssumeRole"]);
    let role = w.aws.create_role("pod", &trust).unwrap();
    w.aws.associate("shop", "web", &role).unwrap();
    let token = w.sign(&w.pod_claims());
    let refused = w.agent("127.0.0.1", &token).await;
    assert!(
        refused
            .body
            .contains("(AccessDeniedException): Unauthorized Exception!"),
        "{}",
        refused.body
    );
    let trust = service_trust(
        "pods.eks.amazonaws.com",
        &["sts:AssumeRole", "sts:TagSession"],
    );
    w.aws.update_trust_policy("pod", &trust).unwrap();
    let answer: Value = serde_json::from_str(&w.agent("127.0.0.1", &token).await.body).unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    assert_eq!(text("AccountId"), ACCOUNT);
    let key = AccessKey {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        token: Some(text("Token")),
    };
    let me = w
        .query("sts", &key, &[("Action", "GetCallerIdentity")])
        .await
        .ok();
    assert!(
        me.tag("Arn").contains(":assumed-role/pod/eks-sandbox-"),
        "{}",
        me.body
    );
    w.aws.put_parameter("/shop/x", "v").unwrap();
    let policy = allow(
        &["ssm:GetParameter"],
        &format!(
            "arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/${{aws:PrincipalTag/kubernetes-namespace}}/*"
        ),
    );
    w.aws.put_role_policy("pod", "p", &policy).unwrap();
    w.ssm(&key, "GetParameter", json!({"Name": "/shop/x"}))
        .await
        .ok();
    w.clock.skew(7 * 3600 * 1000);
    let late = w
        .ssm(&key, "GetParameter", json!({"Name": "/shop/x"}))
        .await;
    assert_eq!(late.error().1, "ExpiredTokenException");
}

#[tokio::test]
async fn metadata_needs_a_session() {
    let w = World::new().await;
    let trust = service_trust("ec2.amazonaws.com", &["sts:AssumeRole"]);
    let role = w.aws.create_role("node", &trust).unwrap();
    let list = "/latest/meta-data/iam/security-credentials/";
    let get = |path: String, token: String| {
        let router = w.aws.instance_metadata();
        async move {
            call(
                router,
                "GET",
                &path,
                &[("x-aws-ec2-metadata-token", &token)],
            )
            .await
        }
    };
    let put = |headers: Vec<(&'static str, &'static str)>| {
        let router = w.aws.instance_metadata();
        async move { call(router, "PUT", "/latest/api/token", &headers).await }
    };
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds";
    assert_eq!(put(vec![]).await.status, 400);
    assert_eq!(put(vec![(ttl, "21601")]).await.status, 400);
    assert_eq!(
        put(vec![(ttl, "60"), ("x-forwarded-for", "10.0.0.1")])
            .await
            .status,
        403
    );
    let token = put(vec![(ttl, "60")]).await.body;
    assert_eq!(get(list.into(), "made-up".into()).await.status, 401);
    assert_eq!(
        get(list.into(), token.clone()).await.status,
        404,
        "no role yet"
    );
    w.aws.set_instance_role(Some(&role)).unwrap();
    assert_eq!(get(list.into(), token.clone()).await.body, "node");
    assert_eq!(get(format!("{list}other"), token.clone()).await.status, 404);
    let answer = get(format!("{list}node"), token.clone()).await.body;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["Code"], "Success");
    let key = AccessKey {
        id: answer["AccessKeyId"].as_str().unwrap().into(),
        secret: answer["SecretAccessKey"].as_str().unwrap().into(),
        token: Some(answer["Token"].as_str().unwrap().into()),
    };
    let me = w
        .query("sts", &key, &[("Action", "GetCallerIdentity")])
        .await
        .ok();
    assert!(
        me.tag("Arn")
            .ends_with(":assumed-role/node/i-0123456789abcdef0")
    );
    w.aws
        .update_trust_policy(
            "node",
            &service_trust("lambda.amazonaws.com", &["sts:AssumeRole"]),
        )
        .unwrap();
    let answer = get(format!("{list}node"), token.clone()).await.body;
    assert!(answer.contains("AssumeRoleUnauthorizedAccess"));
    w.clock.skew(61_000);
    assert_eq!(
        get(list.into(), token).await.status,
        401,
        "the session is over"
    );
}
