use http::Method;
use serde_json::{Value, json};

use super::{Answer, Cluster, SECRETS, secret};

const ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";

async fn with_token(c: &Cluster, token: &str, method: Method, path: &str) -> Answer {
    c.send(
        method,
        path,
        &[("authorization", &format!("Bearer {token}"))],
        "",
    )
    .await
}

async fn token(c: &Cluster, spec: Value) -> Answer {
    c.post(
        &format!("{ACCOUNT}/token"),
        &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}),
    )
    .await
}

#[tokio::test]
async fn service_account_tokens_are_verified_and_judged() {
    let c = Cluster::new().await;
    let answer = token(&c, json!({"expirationSeconds": 700})).await;
    assert_eq!(answer.code, 201);
    let minted = answer.ok();
    let bearer = minted["status"]["token"].as_str().unwrap().to_owned();
    assert!(minted["status"]["expirationTimestamp"].is_string());
    let refused = with_token(&c, &bearer, Method::GET, SECRETS).await;
    assert_eq!(
        refused.refused(403),
        "secrets is forbidden: User \"system:serviceaccount:default:default\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\""
    );
    c.post(ROLES, &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]})).await.ok();
    c.post(BINDINGS, &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}, "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]})).await.ok();
    with_token(&c, &bearer, Method::GET, SECRETS).await.ok();
    with_token(&c, &bearer, Method::GET, "/api/v1/secrets")
        .await
        .refused(403);
    with_token(&c, &bearer, Method::DELETE, SECRETS)
        .await
        .refused(403);
    with_token(&c, &bearer, Method::GET, "/openid/v1/jwks")
        .await
        .ok();
    c.clock.skew(720_000);
    with_token(&c, &bearer, Method::GET, SECRETS)
        .await
        .refused(401);
    c.clock.skew(0);
    c.delete(ACCOUNT).await.ok();
    with_token(&c, &bearer, Method::GET, SECRETS)
        .await
        .refused(401);
}

#[tokio::test]
async fn tokens_for_others_are_no_use_here() {
    let c = Cluster::new().await;
    let minted = token(&c, json!({"audiences": ["sts.amazonaws.com"]}))
        .await
        .ok();
    let bearer = minted["status"]["token"].as_str().unwrap();
    assert_eq!(
        with_token(&c, bearer, Method::GET, SECRETS)
            .await
            .refused(401),
        "Unauthorized"
    );
    let claims = c
        .issuer
        .verify(bearer, &["sts.amazonaws.com".to_owned()])
        .unwrap();
    assert_eq!(claims.exp - claims.iat, 3600);
    let review = |audiences: Value| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": bearer, "audiences": audiences}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let good = c
        .post(reviews, &review(json!(["sts.amazonaws.com", "x"])))
        .await
        .ok();
    assert_eq!(
        (
            &good["status"]["authenticated"],
            &good["status"]["audiences"]
        ),
        (&json!(true), &json!(["sts.amazonaws.com"]))
    );
    assert_eq!(
        good["status"]["user"]["username"],
        "system:serviceaccount:default:default"
    );
    let bad = c.post(reviews, &review(json!(["x"]))).await.ok();
    assert_ne!(bad["status"]["authenticated"], json!(true));
    with_token(&c, "nonsense", Method::GET, SECRETS)
        .await
        .refused(401);
}

#[tokio::test]
async fn token_requests_are_checked() {
    let c = Cluster::new().await;
    assert!(
        token(&c, json!({"expirationSeconds": 599}))
            .await
            .refused(422)
            .contains("may not specify a duration less than 10 minutes")
    );
    assert_eq!(
        c.post(
            "/api/v1/namespaces/default/serviceaccounts/no/token",
            &json!({})
        )
        .await
        .code,
        404
    );
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}], "serviceAccountName": "other"}});
    let pod = c.post("/api/v1/namespaces/default/pods", &pod).await.ok();
    let reference =
        json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"]});
    assert!(
        token(&c, json!({"boundObjectRef": reference}))
            .await
            .refused(400)
            .contains("to pod running with different serviceaccount name")
    );
    assert_eq!(
        token(
            &c,
            json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "no"}})
        )
        .await
        .code,
        404
    );
    let bound = c.post(SECRETS, &secret("s")).await.ok();
    let wrong = json!({"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "x"});
    token(&c, json!({"boundObjectRef": wrong}))
        .await
        .refused(409);
    let right =
        json!({"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": bound["metadata"]["uid"]});
    let bearer = token(&c, json!({"boundObjectRef": right})).await.ok()["status"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        with_token(&c, &bearer, Method::GET, SECRETS).await.code,
        403
    );
    c.delete(&format!("{SECRETS}/s")).await.ok();
    assert_eq!(
        with_token(&c, &bearer, Method::GET, SECRETS).await.code,
        401,
        "the bound object is gone"
    );
}

#[tokio::test]
async fn reviews_and_impersonation() {
    let c = Cluster::new().await;
    let ask = |user: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": user,
        "resourceAttributes": {"verb": "get", "resource": "secrets", "namespace": "default"}}})
    };
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    assert_eq!(
        c.post(path, &ask("bob")).await.ok()["status"]["allowed"],
        false
    );
    let own = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(
        c.post(
            own,
            &json!({"spec": {"resourceAttributes": {"verb": "*", "resource": "*"}}})
        )
        .await
        .ok()["status"]["allowed"],
        true
    );
    let as_bob = c
        .send(Method::GET, SECRETS, &[("impersonate-user", "bob")], "")
        .await;
    assert!(
        as_bob
            .refused(403)
            .starts_with("secrets is forbidden: User \"bob\" cannot list")
    );
    c.server.add_user("bob", &["dev"], "bob-token");
    let denied = c
        .send(
            Method::GET,
            SECRETS,
            &[
                ("authorization", "Bearer bob-token"),
                ("impersonate-user", "kubernetes-admin"),
            ],
            "",
        )
        .await;
    assert!(
        denied.refused(403).contains("impersonate"),
        "{}",
        denied.body
    );
    let rules = c
        .send(
            Method::POST,
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            &[
                ("authorization", "Bearer bob-token"),
                ("content-type", "application/json"),
            ],
            r#"{"spec":{"namespace":"default"}}"#,
        )
        .await
        .ok();
    assert!(rules["status"]["resourceRules"].is_array());
}

#[tokio::test]
async fn a_binding_keeps_its_role() {
    let c = Cluster::new().await;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "Group", "name": "g"}]});
    let made = c.post(BINDINGS, &binding).await.ok();
    assert_eq!(made["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    assert!(
        c.merge(
            &format!("{BINDINGS}/b"),
            &json!({"roleRef": {"name": "other"}})
        )
        .await
        .refused(422)
        .contains("field is immutable")
    );
}
