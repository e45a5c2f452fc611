//! The operator's own identity and stored keys, from end to end at the sandbox's AWS.

use std::sync::Arc;

use keyless_fault::{Class, Fault, Link};
use keyless_providers::{Error, Provider};
use serde_json::{Value, json};
use std::time::Duration;

use crate::place::{Sand, everything};
use crate::stores::{key, read_one};

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn service_trust(service: &str, actions: &[&str]) -> String {
    let statement =
        json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": actions});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

async fn open(sand: &Sand, aws: Value) -> Arc<dyn Provider> {
    sand.place.open(aws).await
}

fn by_operator() -> Value {
    json!({"service": "SecretsManager"})
}

/// Reads past the back-off of a refused login.
async fn read_anew(sand: &Sand) -> Result<String, Error> {
    sand.place
        .registry
        .forget(&crate::stores::store("ns").store);
    let provider = open(sand, by_operator()).await;
    read_one(&provider, key("x")).await
}

#[tokio::test]
async fn the_operator_as_a_pod_identity() {
    let folder = std::env::temp_dir().join(format!("keyless-pod-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("token");
    let sand = Sand::with(|sandbox| {
        vec![
            pair(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                sandbox.pod_identity_url(),
            ),
            pair(
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                file.display().to_string(),
            ),
        ]
    })
    .await;
    let aws = &sand.sandbox.aws;
    aws.put_secret("x", "v").unwrap();
    let project = |audience: &str| {
        let sandbox = &sand.sandbox;
        sandbox
            .project_token("external-secrets", "operator", &[audience], &file)
            .unwrap();
    };
    project("sts.amazonaws.com");
    let wrong_audience = read_anew(&sand).await.unwrap_err();
    assert_eq!(
        (wrong_audience.link(), wrong_audience.code()),
        (Link::Token, "K16")
    );
    std::fs::write(&file, "no token").unwrap();
    let no_token = read_anew(&sand).await.unwrap_err();
    assert_eq!((no_token.link(), no_token.code()), (Link::Token, "K16"));
    project("pods.eks.amazonaws.com");
    let unassociated = read_anew(&sand).await.unwrap_err();
    assert_eq!(
        (unassociated.link(), unassociated.code()),
        (Link::TrustObject, "A17")
    );
    assert_eq!(
        unassociated.provider_code(),
        Some("ResourceNotFoundException")
    );
    // EKS tags every session, so the trust must allow that, too.
    let half = service_trust("pods.eks.amazonaws.com", &["sts:AssumeRole"]);
    let role = aws.create_role("pod", &half).unwrap();
    aws.associate("external-secrets", "operator", &role)
        .unwrap();
    let untrusted = read_anew(&sand).await.unwrap_err();
    assert_eq!(
        (untrusted.class(), untrusted.code()),
        (Class::Denied, "A17")
    );
    assert_eq!(untrusted.provider_code(), Some("AccessDeniedException"));
    let whole = service_trust(
        "pods.eks.amazonaws.com",
        &["sts:AssumeRole", "sts:TagSession"],
    );
    aws.update_trust_policy("pod", &whole).unwrap();
    // The session's tags decide.
    let tagged = |namespace: &str| {
        json!([{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": namespace}}}])
    };
    sand.allow("pod", tagged("elsewhere"));
    assert_eq!(read_anew(&sand).await.unwrap_err().code(), "A18");
    sand.allow("pod", tagged("external-secrets"));
    assert_eq!(read_anew(&sand).await.unwrap(), "v");
    let calls = aws.calls("eks-auth", "AssumeRoleForPodIdentity");
    assert_eq!((calls.total, calls.refused), (5, 4));
    assert_eq!(aws.calls("sts", "AssumeRoleWithWebIdentity").total, 0);
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test]
async fn the_node_comes_last_and_a_denial_says_so() {
    let node = |sandbox: &keyless_sandbox::Sandbox| {
        vec![
            pair("AWS_EC2_METADATA_DISABLED", "false"),
            pair(
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                sandbox.instance_metadata_url(),
            ),
        ]
    };
    let sand = Sand::with(node).await;
    let aws = &sand.sandbox.aws;
    aws.put_secret("x", "v").unwrap();
    let nothing = read_anew(&sand).await.unwrap_err();
    assert_eq!((nothing.link(), nothing.code()), (Link::Identity, "A13"));
    let trust = service_trust("ec2.amazonaws.com", &["sts:AssumeRole"]);
    let role = aws.create_role("node", &trust).unwrap();
    aws.set_instance_role(Some(&role)).unwrap();
    let denied = read_anew(&sand).await.unwrap_err();
    assert_eq!(
        (denied.link(), denied.code()),
        (Link::Identity, "A13"),
        "{denied}"
    );
    sand.allow("node", everything());
    assert_eq!(read_anew(&sand).await.unwrap(), "v");
    // A key in the environment comes first.
    let sand = Sand::with(|sandbox| {
        let key = sandbox.aws.admin_key();
        let mut env = node(sandbox);
        env.push(pair("AWS_ACCESS_KEY_ID", key.id.clone()));
        env.push(pair("AWS_SECRET_ACCESS_KEY", key.secret.clone()));
        env
    })
    .await;
    sand.sandbox.aws.put_secret("x", "by key").unwrap();
    assert_eq!(read_anew(&sand).await.unwrap(), "by key");
}

#[tokio::test]
async fn stored_keys_with_a_session_token() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    aws.put_secret("x", "v").unwrap();
    let session = aws.admin_session();
    let kube = &sand.place.kube;
    kube.secret(("ns", "keys", "id"), &session.id);
    kube.secret(("ns", "keys", "secret"), &session.secret);
    kube.secret(("ns", "keys", "token"), session.token.as_deref().unwrap());
    let select = |key: &str| json!({"name": "keys", "key": key});
    let store = |token: bool| {
        let mut keys = json!({"accessKeyIDSecretRef": select("id"), "secretAccessKeySecretRef": select("secret")});
        if token {
            keys["sessionTokenSecretRef"] = select("token");
        }
        json!({"service": "SecretsManager", "auth": {"secretRef": keys}})
    };
    let provider = open(&sand, store(true)).await;
    assert_eq!(read_one(&provider, key("x")).await.unwrap(), "v");
    // Half a credential is none.
    let provider = open(&sand, store(false)).await;
    let refused = read_one(&provider, key("x")).await.unwrap_err();
    assert_eq!((refused.link(), refused.code()), (Link::Identity, "A11"));
}

#[tokio::test]
async fn a_chain_passes_its_tags_on() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    aws.put_secret("x", "v").unwrap();
    let assume = json!([{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}]);
    let first = sand.role("app", assume.clone());
    let trusts = |by: &str, condition: Value| {
        let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": by}, "Action": ["sts:AssumeRole", "sts:TagSession"]});
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    let middle = aws
        .create_role("middle", &trusts(&first, Value::Null))
        .unwrap();
    sand.allow("middle", assume);
    let wanted = json!({"StringEquals": {"sts:ExternalId": "tenant", "aws:RequestTag/team": "a"}});
    let last = aws.create_role("last", &trusts(&middle, wanted)).unwrap();
    sand.allow("last", json!([{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "${secretsmanager:ResourceTag/team}"}}}]));
    let store = |team: &str, external_id: &str| {
        let mut store = crate::place::jwt("SecretsManager", "app");
        store["additionalRoles"] = json!([middle]);
        store["role"] = json!(last);
        store["externalID"] = json!(external_id);
        store["sessionTags"] = json!([{"key": "team", "value": team}]);
        store["transitiveTagKeys"] = json!(["team"]);
        store
    };
    let provider = open(&sand, store("a", "tenant")).await;
    assert_eq!(
        read_one(&provider, key("x")).await.unwrap_err().code(),
        "A18"
    );
    aws.tag_secret("x", "team", "a");
    assert_eq!(read_one(&provider, key("x")).await.unwrap(), "v");
    for (team, external_id) in [("b", "tenant"), ("a", "stranger")] {
        let provider = open(&sand, store(team, external_id)).await;
        let refused = provider
            .read(&[key("x")], Duration::ZERO)
            .await
            .remove(0)
            .unwrap_err();
        assert_eq!(refused.class(), Class::Denied);
        assert!(
            refused.to_string().contains("sts:AssumeRole")
                || refused.provider_code() == Some("AccessDenied"),
            "{refused}"
        );
    }
}
