//! Logging in: what is asked of STS, what is shared, what is refused.

use std::time::Duration;

use keyless_fault::{Class, Fault, Link, explain};
use keyless_providers::StoreScope;
use serde_json::{Value, json};

use crate::cloud::{World, subject, world, world_with};
use crate::stores::{ROLE, cluster_store, jwt, key, read_one, spec, store};

const WEB: &str = "AssumeRoleWithWebIdentity";

fn irsa(world: &World, namespace: &str) {
    world
        .kube
        .account(namespace, "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
}

#[tokio::test(start_paused = true)]
async fn the_exchange_is_the_documented_one() {
    let world = world();
    let annotations = [
        ("eks.amazonaws.com/role-arn", ROLE),
        ("eks.amazonaws.com/audience", "own"),
    ];
    world.kube.account("a", "sa", &annotations);
    world.cloud.put("/x", "v");
    let spec = jwt(json!({"name": "sa", "audiences": ["more", "own"]}));
    let provider = world.registry.open(&spec, &store("a")).await.unwrap();
    read_one(&provider, key("/x")).await.unwrap();
    let tokens = world.kube.tokens.lock().unwrap().clone();
    assert_eq!(
        tokens,
        [(
            "a".into(),
            "sa".into(),
            vec!["own".into(), "more".to_owned()]
        )]
    );
    let call = world.cloud.calls(WEB).remove(0);
    assert_eq!(call.host, "sts.eu-central-1.amazonaws.com");
    assert_eq!(call.access_key, "", "unsigned");
    assert!(call.body.contains("Version=2011-06-15"));
    assert!(
        call.body
            .contains("RoleSessionName=external-secrets-provider-aws")
    );
    assert!(
        call.body
            .contains("RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fapp")
    );
    let read = world.cloud.calls("GetParameter").remove(0);
    assert_eq!(read.access_key, "ASIA0000000000000001");
    assert_eq!(read.host, "ssm.eu-central-1.amazonaws.com");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_link_code_observed_required_and_fix() {
    let world = world();
    irsa(&world, "a");
    let refusal = (
        403,
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    );
    world.cloud.edit(|state| {
        state.refused.insert(subject("a", "sa"), refusal);
    });
    let provider = world
        .registry
        .open(&jwt(json!({"name": "sa"})), &store("a"))
        .await
        .unwrap();
    let error = read_one(&provider, key("/x")).await.unwrap_err();
    assert_eq!(
        (error.link(), error.class(), error.code()),
        (Link::Identity, Class::Denied, "A3")
    );
    assert_eq!(error.provider_code(), Some("AccessDenied"));
    assert_eq!(error.request_id(), Some("r"));
    let text = explain(&error);
    for part in [
        "with the token of service account a/sa",
        "observed issuer \"https://issuer.example/c1\", subject \"system:serviceaccount:ns:sa\", audience \"sts.amazonaws.com\"",
        "Let the trust policy of role arn:aws:iam::111122223333:role/app allow",
        "issuer.example/c1:sub = system:serviceaccount:ns:sa",
        "[A3]",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_not_repeated_by_a_crowd_and_works_after_its_repair() {
    let world = world();
    irsa(&world, "a");
    let refusal = (
        400,
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://issuer.example/c1",
    );
    world.cloud.edit(|state| {
        state.refused.insert(subject("a", "sa"), refusal);
    });
    world.cloud.put("/x", "v");
    let spec = jwt(json!({"name": "sa"}));
    let provider = world.registry.open(&spec, &store("a")).await.unwrap();
    for _ in 0..50 {
        let reads = (0..20).map(|_| read_one(&provider, key("/x")));
        assert!(
            futures::future::join_all(reads)
                .await
                .iter()
                .all(Result::is_err)
        );
    }
    // Fifty rounds of readers within a few seconds: one call, or two where 5 s passed.
    let calls = world.cloud.calls(WEB).len();
    assert!(calls <= 2, "{calls}");
    assert_eq!(world.registry.logins().denied as usize, calls);
    world.cloud.edit(|state| state.refused.clear());
    read_one(&provider, key("/x")).await.unwrap_err();
    world.registry.forget(&store("a").store);
    assert_eq!(read_one(&provider, key("/x")).await.unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn a_recreated_account_is_another_identity() {
    let world = world();
    irsa(&world, "a");
    world.cloud.put("/x", "v");
    let spec = jwt(json!({"name": "sa"}));
    for expected in [1, 2] {
        let provider = world.registry.open(&spec, &store("a")).await.unwrap();
        read_one(&provider, key("/x")).await.unwrap();
        assert_eq!(world.cloud.calls(WEB).len(), expected);
        irsa(&world, "a");
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_identities_never_share_an_answer() {
    let world = world();
    irsa(&world, "a");
    irsa(&world, "b");
    world.cloud.put("/x", "v");
    let spec = jwt(json!({"name": "sa"}));
    let mut reads = Vec::new();
    for namespace in ["a", "b", "a", "b"] {
        let provider = world
            .registry
            .open(&spec, &cluster_store(Some(namespace)))
            .await
            .unwrap();
        reads.push(async move {
            let minute = Duration::from_secs(60);
            let refs = [key("/x")];
            provider.read(&refs, minute).await.remove(0).unwrap();
            provider.read(&refs, minute).await.remove(0).unwrap();
        });
    }
    futures::future::join_all(reads).await;
    let mut keys: Vec<String> = world
        .cloud
        .calls("GetParameter")
        .into_iter()
        .map(|call| call.access_key)
        .collect();
    keys.sort();
    assert_eq!(keys, ["ASIA0000000000000001", "ASIA0000000000000002"]);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_the_service_refuses_is_replaced_once() {
    let world = world();
    irsa(&world, "a");
    world.cloud.put("/x", "v");
    let provider = world
        .registry
        .open(&jwt(json!({"name": "sa"})), &store("a"))
        .await
        .unwrap();
    read_one(&provider, key("/x")).await.unwrap();
    world.cloud.edit(|state| {
        state.expired.insert("ASIA0000000000000001".into());
    });
    assert_eq!(read_one(&provider, key("/x")).await.unwrap(), "v");
    assert_eq!(world.cloud.calls(WEB).len(), 2);
    // When the new one is refused as well, STS is left in peace.
    world.cloud.edit(|state| {
        state.expired.insert("ASIA0000000000000002".into());
    });
    for _ in 0..10 {
        read_one(&provider, key("/x")).await.unwrap_err();
    }
    assert_eq!(world.cloud.calls(WEB).len(), 2);
}

fn chained(policy: &str) -> Value {
    json!({"aws": {
        "service": "ParameterStore", "region": "eu-central-1",
        "auth": {"jwt": {"serviceAccountRef": {"name": "sa"}}},
        "additionalRoles": ["arn:aws:iam::111122223333:role/one", "arn:aws:iam::111122223333:role/two"],
        "role": "arn:aws:iam::444455556666:role/last",
        "externalID": "ext",
        "sessionTags": [{"key": "team", "value": "t1"}],
        "transitiveTagKeys": ["team"],
        "customSessionTags": {"cost": "c1"},
        "sessionTagsPolicy": policy,
    }})
}

#[tokio::test(start_paused = true)]
async fn roles_are_chained_in_order_and_only_the_last_gets_tags_and_external_id() {
    for (policy, tags) in [
        ("None", vec![("team", "t1")]),
        (
            "Simple",
            vec![
                ("esoNamespace", "a"),
                ("esoStoreName", "s"),
                ("esoStoreKind", "SecretStore"),
            ],
        ),
        (
            "Custom",
            vec![
                ("esoNamespace", "a"),
                ("esoStoreName", "s"),
                ("esoStoreKind", "SecretStore"),
                ("cost", "c1"),
            ],
        ),
    ] {
        let world = world();
        irsa(&world, "a");
        world.cloud.put("/x", "v");
        let provider = world
            .registry
            .open(&spec(chained(policy)), &store("a"))
            .await
            .unwrap();
        read_one(&provider, key("/x")).await.unwrap();
        let hops = world.cloud.calls("AssumeRole");
        assert_eq!(hops.len(), 3);
        for (hop, (role, signer)) in hops.iter().zip([
            ("%3Arole%2Fone", 1),
            ("%3Arole%2Ftwo", 2),
            ("%3Arole%2Flast", 3),
        ]) {
            assert!(hop.body.contains(role), "{}", hop.body);
            assert!(hop.body.contains("RoleSessionName=aws-go-sdk-"));
            assert_eq!(hop.access_key, format!("ASIA{signer:016}"));
            assert_eq!(hop.host, "sts.eu-central-1.amazonaws.com");
        }
        for hop in &hops[..2] {
            assert!(
                !hop.body.contains("Tags") && !hop.body.contains("ExternalId"),
                "{}",
                hop.body
            );
        }
        let last = &hops[2].body;
        assert!(
            last.contains("ExternalId=ext") && last.contains("TransitiveTagKeys.member.1=team")
        );
        for (number, (name, value)) in tags.iter().enumerate() {
            let number = number + 1;
            assert!(
                last.contains(&format!(
                    "Tags.member.{number}.Key={name}&Tags.member.{number}.Value={value}"
                )),
                "{last}"
            );
        }
        assert!(
            !last.contains(&format!("Tags.member.{}.", tags.len() + 1)),
            "{last}"
        );
        assert_eq!(
            world.cloud.calls("GetParameter")[0].access_key,
            "ASIA0000000000000004"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn session_tags_make_an_identity_for_each_namespace() {
    let world = world();
    irsa(&world, "shared");
    world.cloud.put("/x", "v");
    let mut provider = chained("Simple");
    provider["aws"]["auth"]["jwt"]["serviceAccountRef"]["namespace"] = json!("shared");
    for namespace in ["a", "b", "a"] {
        let opened = world
            .registry
            .open(&spec(provider.clone()), &cluster_store(Some(namespace)))
            .await
            .unwrap();
        read_one(&opened, key("/x")).await.unwrap();
    }
    let last: Vec<_> = world
        .cloud
        .calls("AssumeRole")
        .into_iter()
        .filter(|call| call.body.contains("role%2Flast"))
        .collect();
    assert_eq!(last.len(), 2);
    assert!(last[0].body.contains("Value=a") && last[1].body.contains("Value=b"));
}

#[tokio::test(start_paused = true)]
async fn a_stored_key_is_used_as_it_is_and_a_changed_one_at_once() {
    let world = world();
    world.kube.secret("a", "aws", "id", "AKIAFIRST\n");
    world.kube.secret("a", "aws", "secret", "canarysecret");
    world.cloud.put("/x", "v");
    let spec = spec(json!({"aws": {
        "service": "ParameterStore", "region": "eu-central-1",
        "auth": {"secretRef": {
            "accessKeyIDSecretRef": {"name": "aws", "key": "id"},
            "secretAccessKeySecretRef": {"name": "aws", "key": "secret"},
        }},
    }}));
    let provider = world.registry.open(&spec, &store("a")).await.unwrap();
    read_one(&provider, key("/x")).await.unwrap();
    world.kube.secret("a", "aws", "id", "AKIASECOND");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let provider = world.registry.open(&spec, &store("a")).await.unwrap();
    read_one(&provider, key("/x")).await.unwrap();
    let keys: Vec<String> = world
        .cloud
        .calls("GetParameter")
        .into_iter()
        .map(|call| call.access_key)
        .collect();
    assert_eq!(keys, ["AKIAFIRST", "AKIASECOND"]);
}

#[tokio::test(start_paused = true)]
async fn without_auth_the_operators_own_identity_is_used() {
    let operator = spec(json!({"aws": {"service": "ParameterStore", "region": "eu-central-1"}}));
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAOPERATOR"),
        ("AWS_SECRET_ACCESS_KEY", "canarysecret"),
        ("AWS_SSM_ENDPOINT", "http://ssm.internal:4566"),
    ];
    let world = world_with(&keys);
    world.cloud.put("/x", "v");
    let provider = world.registry.open(&operator, &store("a")).await.unwrap();
    read_one(&provider, key("/x")).await.unwrap();
    let call = world.cloud.calls("GetParameter").remove(0);
    assert_eq!(
        (call.access_key.as_str(), call.host.as_str()),
        ("AKIAOPERATOR", "ssm.internal")
    );

    let world = world_with(&[("AWS_EC2_METADATA_DISABLED", "true")]);
    let provider = world.registry.open(&operator, &store("a")).await.unwrap();
    let error = provider.validate().await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Config, "A13"));
}

#[tokio::test(start_paused = true)]
async fn a_store_in_the_wrong_partition_says_so_before_any_call() {
    let world = world();
    world.kube.account(
        "a",
        "sa",
        &[(
            "eks.amazonaws.com/role-arn",
            "arn:aws-cn:iam::111122223333:role/app",
        )],
    );
    let scope: StoreScope = store("a");
    let Err(error) = world
        .registry
        .open(&jwt(json!({"name": "sa"})), &scope)
        .await
    else {
        panic!("opened");
    };
    assert_eq!(error.code(), "A4");
    assert!(world.cloud.0.lock().unwrap().calls.is_empty());
}
