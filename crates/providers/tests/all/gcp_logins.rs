//! Every way to log in to Google, and who may use whose identity.

use std::sync::Arc;

use keyless_api::SecretStoreSpec;
use keyless_fault::{Class, Fault, Link, explain};
use keyless_providers::{Provider, StoreScope, Validation};
use serde_json::{Value, json};

use crate::cloud::form;
use crate::google::{AUDIENCE, EMAIL, World, answer, error, world};
use crate::stores::{cluster_store, key, read_one, spec, store};

pub fn gcp(auth: Value) -> SecretStoreSpec {
    spec(json!({"gcpsm": {"projectID": "p-1", "auth": auth}}))
}

fn federated(account: Value) -> SecretStoreSpec {
    gcp(json!({"workloadIdentityFederation": {"audience": AUDIENCE, "serviceAccountRef": account}}))
}

/// A world with the secret `x` and service account `a/sa`.
pub fn filled(annotations: &[(&str, &str)]) -> World {
    let world = world(&[]);
    world.google.put("secrets/x", "v");
    world.kube.account("a", "sa", annotations);
    world
}

pub async fn open(world: &World, spec: &SecretStoreSpec, scope: &StoreScope) -> Arc<dyn Provider> {
    match world.registry.open(spec, scope).await {
        Ok(provider) => provider,
        Err(error) => panic!("{}", explain(&error)),
    }
}

pub async fn reads(world: &World, spec: &SecretStoreSpec) -> Result<String, String> {
    let provider = open(world, spec, &store("a")).await;
    let read = read_one(&provider, key("x")).await;
    read.map_err(|error| explain(&error))
}

/// The token that the secret was read with.
pub fn shown(world: &World) -> String {
    world.google.calls(":access").last().unwrap().token.clone()
}

#[tokio::test(start_paused = true)]
async fn direct_federation_exchanges_once_for_many_readers() {
    let world = filled(&[]);
    let spec = federated(json!({"name": "sa"}));
    let all = (0..50).map(|_| reads(&world, &spec));
    for read in futures::future::join_all(all).await {
        assert_eq!(read.unwrap(), "v");
    }
    let exchanges = world.google.calls("sts.googleapis.com");
    assert_eq!(exchanges.len(), 1);
    let sent = form(&exchanges[0].body);
    assert_eq!(sent["audience"], AUDIENCE);
    assert_eq!(
        sent["subject_token_type"],
        "urn:ietf:params:oauth:token-type:jwt"
    );
    assert_eq!(
        sent["scope"],
        "https://www.googleapis.com/auth/cloud-platform"
    );
    assert!(sent["subject_token"].ends_with("canarytoken-a-sa"));
    assert!(exchanges[0].token.is_empty());
    assert!(world.google.calls("iamcredentials").is_empty());
    // Without audiences of its own the token is minted for the provider's name.
    let tokens = world.kube.tokens.lock().unwrap().clone();
    assert_eq!(
        tokens,
        [("a".into(), "sa".into(), vec![AUDIENCE.to_owned()])]
    );
    assert_eq!(world.registry.logins().logins, 1);
}

#[tokio::test(start_paused = true)]
async fn audiences_of_the_reference_are_the_tokens() {
    let world = filled(&[]);
    let spec = federated(json!({"name": "sa", "audiences": ["sts.googleapis.com"]}));
    assert_eq!(reads(&world, &spec).await.unwrap(), "v");
    assert_eq!(
        world.kube.tokens.lock().unwrap()[0].2,
        ["sts.googleapis.com"]
    );
}

#[tokio::test(start_paused = true)]
async fn impersonation_by_annotation_or_by_the_store() {
    let other = "other@p.iam.gserviceaccount.com";
    for (annotation, named, expected) in [
        (Some(EMAIL), None, EMAIL),
        (None, Some(EMAIL), EMAIL),
        (Some(other), Some(EMAIL), EMAIL),
    ] {
        let annotation = annotation.map(|email| ("iam.gke.io/gcp-service-account", email));
        let world = filled(annotation.as_slice());
        let spec = gcp(json!({"workloadIdentityFederation": {"audience": AUDIENCE,
            "serviceAccountRef": {"name": "sa"}, "gcpServiceAccountEmail": named}}));
        assert_eq!(reads(&world, &spec).await.unwrap(), "v");
        assert_eq!(shown(&world), format!("canarytoken-as-{expected}"));
        let calls = world.google.calls("generateAccessToken");
        assert_eq!(calls.len(), 1);
        assert!(calls[0].token.starts_with("canarytoken-prov-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn gke_by_name_or_by_what_the_metadata_server_says() {
    for (cluster, expected) in [
        (
            json!({"clusterName": "c", "clusterLocation": "us-east1", "clusterProjectID": "gke-p"}),
            "identitynamespace:gke-p.svc.id.goog:https://container.googleapis.com/v1/projects/gke-p/locations/us-east1/clusters/c",
        ),
        (
            json!({}),
            "identitynamespace:operator-project.svc.id.goog:https://container.googleapis.com/v1/projects/operator-project/locations/europe-west3/clusters/cluster-1",
        ),
    ] {
        let world = filled(&[("iam.gke.io/gcp-service-account", EMAIL)]);
        world.google.edit(|state| state.metadata = true);
        let mut auth = cluster.clone();
        auth["serviceAccountRef"] = json!({"name": "sa", "audiences": ["extra"]});
        let spec = gcp(json!({"workloadIdentity": auth}));
        assert_eq!(reads(&world, &spec).await.unwrap(), "v");
        let calls = world.google.calls("securetoken.googleapis.com");
        let sent: Value = serde_json::from_str(&calls[0].body).unwrap();
        assert_eq!(sent["audience"], expected);
        let pool = expected.split(':').nth(1).unwrap();
        assert_eq!(world.kube.tokens.lock().unwrap()[0].2, [pool, "extra"]);
        assert_eq!(shown(&world), format!("canarytoken-as-{EMAIL}"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_operators_own_identity_comes_from_the_metadata_server() {
    let world = filled(&[]);
    let own = spec(json!({"gcpsm": {"projectID": "p-1"}}));
    let error = reads(&world, &own).await.unwrap_err();
    assert!(
        error.contains("[G16]") && error.contains("GOOGLE_APPLICATION_CREDENTIALS"),
        "{error}"
    );
    world.google.edit(|state| state.metadata = true);
    world.registry.forget(&store("a").store);
    assert_eq!(reads(&world, &own).await.unwrap(), "v");
    assert!(shown(&world).starts_with("canarytoken-machine"));
    // Something else at that address is not believed.
    let world = filled(&[]);
    world.google.next(
        "metadata.google.internal",
        answer(200, r#"{"access_token":"x","expires_in":9}"#),
    );
    assert!(
        reads(&world, &own)
            .await
            .unwrap_err()
            .contains("not that of a metadata server")
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_without_project_uses_the_operators() {
    let world = world(&[]);
    world.google.edit(|state| state.metadata = true);
    let provider = open(&world, &spec(json!({"gcpsm": {}})), &store("a")).await;
    assert!(
        read_one(&provider, key("x"))
            .await
            .unwrap_err()
            .is_no_secret()
    );
    assert!(
        world.google.calls(":access")[0]
            .line
            .contains("/projects/operator-project/")
    );
    let keyed = spec(
        json!({"gcpsm": {"auth": {"workloadIdentityFederation": {"audience": AUDIENCE,
        "serviceAccountRef": {"name": "sa"}}}}}),
    );
    world.kube.account("a", "sa", &[]);
    let Err(error) = world.registry.open(&keyed, &store("a")).await else {
        panic!("opened");
    };
    assert!(error.to_string().contains("names no project"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_broken_link_and_is_not_repeated_before_its_time() {
    let world = filled(&[]);
    let spec = federated(json!({"name": "sa"}));
    let refusal = json!({"error": "unauthorized_client",
        "error_description": "The given credential is rejected by the attribute condition."});
    for _ in 0..5 {
        world
            .google
            .next("sts.googleapis.com", answer(400, refusal.to_string()));
    }
    let provider = open(&world, &spec, &store("a")).await;
    for _ in 0..20 {
        let error = read_one(&provider, key("x")).await.unwrap_err();
        assert_eq!(
            (error.link(), error.class(), error.code()),
            (Link::TrustObject, Class::Denied, "G7")
        );
        assert_eq!(error.provider_code(), Some("unauthorized_client"));
        let text = explain(&error);
        assert!(
            text.contains("issuer.example") && !text.contains("canarytoken"),
            "{text}"
        );
    }
    assert_eq!(world.google.calls("sts.googleapis.com").len(), 1);
    // A change ends the back-off.
    world.google.edit(|state| state.answers.clear());
    world.registry.forget(&store("a").store);
    assert_eq!(reads(&world, &spec).await.unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_on_the_service_account_is_its_own_link() {
    let world = filled(&[("iam.gke.io/gcp-service-account", EMAIL)]);
    let text =
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
    let denied = error(403, "PERMISSION_DENIED", text, "IAM_PERMISSION_DENIED");
    world.google.next("iamcredentials.googleapis.com", denied);
    let found = reads(&world, &federated(json!({"name": "sa"})))
        .await
        .unwrap_err();
    assert!(
        found.contains("[G9]") && found.contains("roles/iam.workloadIdentityUser"),
        "{found}"
    );
    assert!(
        found.contains("pool-1/subject/system:serviceaccount:a:sa"),
        "{found}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_ended_token_is_replaced_once() {
    let world = filled(&[]);
    let spec = federated(json!({"name": "sa"}));
    assert_eq!(reads(&world, &spec).await.unwrap(), "v");
    let first = shown(&world);
    world.google.edit(|state| state.ended.push(first));
    assert_eq!(reads(&world, &spec).await.unwrap(), "v");
    assert_eq!(world.registry.logins().logins, 2);
}

#[tokio::test(start_paused = true)]
async fn two_identities_never_share_an_answer() {
    let world = filled(&[]);
    world.kube.account("a", "other", &[]);
    for name in ["sa", "other"] {
        assert_eq!(
            reads(&world, &federated(json!({"name": name})))
                .await
                .unwrap(),
            "v"
        );
    }
    assert_eq!(world.google.calls(":access").len(), 2);
    assert_eq!(world.registry.open_backends(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_namespaced_store_stays_at_home_and_a_cluster_store_goes_to_its_reader() {
    let world = filled(&[]);
    for auth in [
        json!({"workloadIdentityFederation": {"audience": AUDIENCE, "serviceAccountRef": {"name": "sa", "namespace": "b"}}}),
        json!({"workloadIdentity": {"serviceAccountRef": {"name": "sa", "namespace": "b"}}}),
        json!({"workloadIdentityFederation": {"credConfig": {"name": "c", "key": "k", "namespace": "b"}}}),
        json!({"workloadIdentityFederation": {"audience": AUDIENCE, "awsSecurityCredentials": {"region": "r", "awsCredentialsSecretRef": {"name": "s", "namespace": "b"}}}}),
    ] {
        let Err(error) = world.registry.open(&gcp(auth.clone()), &store("a")).await else {
            panic!("opened {auth}");
        };
        assert!(
            error
                .to_string()
                .contains("namespace should either be empty or match"),
            "{error}"
        );
    }
    world.kube.account("b", "sa", &[]);
    let spec = federated(json!({"name": "sa"}));
    for namespace in ["a", "b"] {
        let provider = open(&world, &spec, &cluster_store(Some(namespace))).await;
        assert_eq!(read_one(&provider, key("x")).await.unwrap(), "v");
    }
    let tokens = world.kube.tokens.lock().unwrap().clone();
    assert_eq!((tokens[0].0.as_str(), tokens[1].0.as_str()), ("a", "b"));
    let nobody = open(&world, &spec, &cluster_store(None)).await;
    assert!(matches!(
        nobody.validate().await.unwrap(),
        Validation::Unknown(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_audience_is_found_before_anybody_is_asked() {
    let world = filled(&[]);
    for (audience, code) in [
        (AUDIENCE.replace("projects/1/", "projects/p-1/"), "G1"),
        (format!("https:{AUDIENCE}"), "G2"),
        ("sts.googleapis.com".into(), "G2"),
    ] {
        let spec = gcp(
            json!({"workloadIdentityFederation": {"audience": audience, "serviceAccountRef": {"name": "sa"}}}),
        );
        let Err(error) = world.registry.open(&spec, &store("a")).await else {
            panic!("opened");
        };
        assert_eq!(error.code(), code, "{error}");
    }
    assert!(world.google.calls("sts").is_empty());
}
