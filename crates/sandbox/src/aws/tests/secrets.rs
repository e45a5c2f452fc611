//! Secrets Manager: versions and stages, deletion, listing, batches, and who may.

use super::*;

const DAY_30: i64 = 30 * 86_400;

impl World {
    async fn sm(&self, key: &AccessKey, action: &str, input: Value) -> Answer {
        self.json("secretsmanager", "secretsmanager", key, action, input)
            .await
    }

    async fn made(&self, name: &str, value: &str) -> Value {
        let token = format!("{name:0<32}");
        let input = json!({"Name": name, "SecretString": value, "ClientRequestToken": token});
        self.sm(self.admin(), "CreateSecret", input)
            .await
            .ok()
            .json()
    }

    async fn read(&self, key: &AccessKey, id: &str) -> Answer {
        self.sm(key, "GetSecretValue", json!({"SecretId": id}))
            .await
    }
}

fn token(n: u32) -> String {
    format!("{n:032}")
}

#[tokio::test]
async fn versions_and_their_stages() {
    let w = World::new().await;
    let admin = w.admin();
    let made = w.made("app/db", "one").await;
    let arn = made["ARN"].as_str().unwrap();
    let prefix = format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:app/db-");
    assert_eq!(arn.strip_prefix(&prefix).unwrap().len(), 6);
    let first = made["VersionId"].as_str().unwrap();
    let put = json!({"SecretId": "app/db", "SecretString": "two", "ClientRequestToken": token(2)});
    let answer = w.sm(admin, "PutSecretValue", put.clone()).await.ok().json();
    assert_eq!(answer["VersionStages"], json!(["AWSCURRENT"]));
    // The same again is no new version; another value under the same id is refused.
    w.sm(admin, "PutSecretValue", put.clone()).await.ok();
    let mut other = put;
    other["SecretString"] = json!("three");
    let refused = w.sm(admin, "PutSecretValue", other).await;
    assert_eq!(refused.error(), (400, "ResourceExistsException".into()));
    let partial = format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:app/db");
    for (input, value) in [
        (json!({"SecretId": "app/db"}), "two"),
        (
            json!({"SecretId": arn, "VersionStage": "AWSPREVIOUS"}),
            "one",
        ),
        (json!({"SecretId": partial, "VersionId": first}), "one"),
        (
            json!({"SecretId": "app/db", "VersionId": token(2), "VersionStage": "AWSCURRENT"}),
            "two",
        ),
    ] {
        let answer = w
            .sm(admin, "GetSecretValue", input.clone())
            .await
            .ok()
            .json();
        assert_eq!(answer["SecretString"], value, "{input}");
        assert_eq!(
            (&answer["Name"], &answer["ARN"]),
            (&json!("app/db"), &json!(arn))
        );
    }
    let stage = json!({"SecretId": "app/db", "VersionStage": "blue", "MoveToVersionId": first});
    w.sm(admin, "UpdateSecretVersionStage", stage).await.ok();
    let described = w
        .sm(admin, "DescribeSecret", json!({"SecretId": "app/db"}))
        .await
        .ok()
        .json();
    assert_eq!(
        described["VersionIdsToStages"][first],
        json!(["AWSPREVIOUS", "blue"])
    );
    for (input, code, text) in [
        (
            json!({"SecretId": "none"}),
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
        ),
        (
            json!({"SecretId": "app/db", "VersionStage": "green"}),
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: green",
        ),
        (
            json!({"SecretId": "app/db", "VersionId": token(9)}),
            "ResourceNotFoundException",
            &format!(
                "Secrets Manager can't find the specified secret value for VersionId: {}",
                token(9)
            ),
        ),
        (
            json!({"SecretId": "app/db", "VersionId": first, "VersionStage": "AWSCURRENT"}),
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ),
    ] {
        let answer = w.sm(admin, "GetSecretValue", input).await;
        assert_eq!(answer.error(), (400, code.to_owned()));
        assert_eq!(answer.message(), text);
    }
}

#[tokio::test]
async fn what_cannot_be_made() {
    let w = World::new().await;
    w.made("x", "v").await;
    for (input, code) in [
        (
            json!({"Name": "x", "SecretString": "w", "ClientRequestToken": token(1)}),
            "ResourceExistsException",
        ),
        (
            json!({"Name": "a b", "SecretString": "w", "ClientRequestToken": token(1)}),
            "ValidationException",
        ),
        (
            json!({"Name": "", "SecretString": "w"}),
            "ValidationException",
        ),
        (
            json!({"Name": "y", "SecretString": "w"}),
            "InvalidParameterException",
        ),
        (
            json!({"Name": "y", "SecretString": "w", "SecretBinary": "dw==", "ClientRequestToken": token(1)}),
            "InvalidParameterException",
        ),
        (
            json!({"Name": "y", "SecretString": "w".repeat(65_537), "ClientRequestToken": token(1)}),
            "ValidationException",
        ),
        (
            json!({"Name": "y", "SecretBinary": "?", "ClientRequestToken": token(1)}),
            "SerializationException",
        ),
        (
            json!({"Name": "y", "SecretString": "w", "ClientRequestToken": token(1), "KmsKeyId": "alias/none"}),
            "EncryptionFailure",
        ),
    ] {
        let answer = w.sm(w.admin(), "CreateSecret", input.clone()).await;
        assert_eq!(answer.error(), (400, code.to_owned()), "{input}");
        assert!(!answer.body.contains("wwww"), "no value in a refusal");
    }
    let again =
        json!({"Name": "x", "SecretString": "v", "ClientRequestToken": format!("{:0<32}", "x")});
    w.sm(w.admin(), "CreateSecret", again).await.ok();
}

#[tokio::test]
async fn deletion_takes_its_time_and_can_be_undone() {
    let w = World::new().await;
    let admin = w.admin();
    w.made("x", "v").await;
    let id = || json!({"SecretId": "x"});
    for (input, code) in [
        (
            json!({"SecretId": "x", "RecoveryWindowInDays": 6}),
            "InvalidParameterException",
        ),
        (
            json!({"SecretId": "x", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true}),
            "InvalidParameterException",
        ),
        (json!({"SecretId": "none"}), "ResourceNotFoundException"),
    ] {
        let answer = w.sm(admin, "DeleteSecret", input).await;
        assert_eq!(answer.error(), (400, code.to_owned()));
    }
    let gone = w.sm(admin, "DeleteSecret", id()).await.ok().json();
    let left = gone["DeletionDate"].as_f64().unwrap() - w.clock.unix() as f64;
    assert!((left - DAY_30 as f64).abs() < 60.0);
    let marked = w.read(admin, "x").await;
    assert_eq!(marked.error(), (400, "InvalidRequestException".into()));
    assert_eq!(
        marked.message(),
        "You can't perform this operation on the secret because it was marked for deletion."
    );
    let described = w.sm(admin, "DescribeSecret", id()).await.ok().json();
    assert!(described["DeletedDate"].is_f64());
    let twice = json!({"Name": "x", "SecretString": "w", "ClientRequestToken": token(7)});
    let refused = w.sm(admin, "CreateSecret", twice).await;
    assert_eq!(refused.error(), (400, "InvalidRequestException".into()));
    assert!(refused.message().contains("already scheduled for deletion"));
    assert_eq!(
        w.sm(admin, "ListSecrets", json!({})).await.ok().json()["SecretList"],
        json!([])
    );
    let all = json!({"IncludePlannedDeletion": true});
    let listed = w.sm(admin, "ListSecrets", all).await.ok().json();
    assert_eq!(listed["SecretList"].as_array().unwrap().len(), 1);
    w.sm(admin, "RestoreSecret", id()).await.ok();
    assert_eq!(w.read(admin, "x").await.ok().json()["SecretString"], "v");
    w.sm(admin, "DeleteSecret", id()).await.ok();
    w.clock.skew((DAY_30 + 60) * 1000);
    assert_eq!(
        w.read(admin, "x").await.error().1,
        "ResourceNotFoundException"
    );
    // At once, and what is not there is as good as deleted.
    w.made("y", "v").await;
    for _ in 0..2 {
        let force = json!({"SecretId": "y", "ForceDeleteWithoutRecovery": true});
        w.sm(admin, "DeleteSecret", force).await.ok();
    }
    w.made("y", "w").await;
}

#[tokio::test]
async fn lists_are_paged_and_filtered_by_beginnings() {
    let w = World::new().await;
    let admin = w.admin();
    for (name, key, value) in [
        ("app/a", "k1", "x"),
        ("app/b", "k2", "xy"),
        ("lib/a", "k1", "y"),
    ] {
        w.made(name, "v").await;
        let tags = json!({"SecretId": name, "Tags": [{"Key": key, "Value": value}]});
        w.sm(admin, "TagResource", tags).await.ok();
    }
    let names = |answer: Value, list: &str| {
        let list = answer[list].as_array().unwrap().clone();
        let mut names: Vec<String> = list
            .iter()
            .map(|s| s["Name"].as_str().unwrap().into())
            .collect();
        names.sort();
        names
    };
    for (filters, expected) in [
        (json!([]), vec!["app/a", "app/b", "lib/a"]),
        (
            json!([{"Key": "name", "Values": ["app/"]}]),
            vec!["app/a", "app/b"],
        ),
        (json!([{"Key": "name", "Values": ["App/"]}]), vec![]),
        (json!([{"Key": "name", "Values": ["!app/"]}]), vec!["lib/a"]),
        (
            json!([{"Key": "tag-key", "Values": ["k1"]}]),
            vec!["app/a", "lib/a"],
        ),
        (
            json!([{"Key": "tag-value", "Values": ["x"]}]),
            vec!["app/a", "app/b"],
        ),
        (
            json!([{"Key": "tag-key", "Values": ["k1"]}, {"Key": "tag-value", "Values": ["x"]}]),
            vec!["app/a"],
        ),
        (json!([{"Key": "all", "Values": ["LIB"]}]), vec!["lib/a"]),
    ] {
        let input = json!({"Filters": filters});
        let listed = w.sm(admin, "ListSecrets", input).await.ok().json();
        assert_eq!(names(listed, "SecretList"), expected, "{filters}");
        if filters != json!([]) {
            let input = json!({"Filters": filters});
            let read = w.sm(admin, "BatchGetSecretValue", input).await.ok().json();
            assert_eq!(names(read, "SecretValues"), expected, "{filters}");
        }
    }
    let (mut seen, mut next) = (Vec::new(), Value::Null);
    loop {
        let mut input = json!({"MaxResults": 2});
        if next.is_string() {
            input["NextToken"] = next;
        }
        let page = w.sm(admin, "ListSecrets", input).await.ok().json();
        next = page["NextToken"].clone();
        seen.push(page["SecretList"].as_array().unwrap().len());
        if !next.is_string() {
            break;
        }
    }
    assert_eq!(seen, [2, 1]);
    for (input, code) in [
        (json!({"NextToken": "??"}), "InvalidNextTokenException"),
        (json!({"MaxResults": 101}), "ValidationException"),
        (
            json!({"Filters": [{"Key": "colour", "Values": ["x"]}]}),
            "ValidationException",
        ),
    ] {
        let answer = w.sm(admin, "ListSecrets", input).await;
        assert_eq!(answer.error(), (400, code.to_owned()));
    }
    let untag = json!({"SecretId": "app/a", "TagKeys": ["k1"]});
    w.sm(admin, "UntagResource", untag).await.ok();
    let described = w
        .sm(admin, "DescribeSecret", json!({"SecretId": "app/a"}))
        .await
        .ok()
        .json();
    assert_eq!(described["Tags"], json!([]));
}

#[tokio::test]
async fn a_batch_tells_what_it_could_not_read() {
    let w = World::new().await;
    w.made("app/a", "1").await;
    w.made("app/b", "2").await;
    w.made("other", "3").await;
    w.aws.delete_secret("app/b", false);
    let session = w.session().await;
    let secret =
        |name: &str| format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:{name}");
    let ids = json!({"SecretIdList": ["app/a", "app/b", "other", "app/none"]});
    w.aws
        .put_role_policy(
            "web",
            "p",
            &allow(&["secretsmanager:GetSecretValue"], &secret("app/*")),
        )
        .unwrap();
    let refused = w.sm(&session, "BatchGetSecretValue", ids.clone()).await;
    assert_eq!(refused.error(), (400, "AccessDeniedException".into()));
    assert!(refused.message().contains(
        "is not authorized to perform: secretsmanager:BatchGetSecretValue on resource: * because"
    ));
    w.aws
        .put_role_policy(
            "web",
            "q",
            &allow(&["secretsmanager:BatchGetSecretValue"], "*"),
        )
        .unwrap();
    let answer = w.sm(&session, "BatchGetSecretValue", ids).await.ok().json();
    let read = answer["SecretValues"].as_array().unwrap();
    assert_eq!((read.len(), &read[0]["SecretString"]), (1, &json!("1")));
    let errors: Vec<_> = answer["Errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                e["SecretId"].as_str().unwrap(),
                e["ErrorCode"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        errors,
        [
            ("app/b", "InvalidRequestException"),
            ("other", "AccessDeniedException"),
            ("app/none", "ResourceNotFoundException")
        ]
    );
    // A search needs the permission to list.
    let search = json!({"Filters": [{"Key": "name", "Values": ["app"]}]});
    let refused = w.sm(&session, "BatchGetSecretValue", search).await;
    assert!(refused.message().contains("secretsmanager:ListSecrets"));
    let many: Vec<String> = (0..21).map(|n| format!("s{n}")).collect();
    for input in [
        json!({"SecretIdList": many}),
        json!({"SecretIdList": []}),
        json!({}),
        json!({"SecretIdList": ["x"], "Filters": []}),
    ] {
        let answer = w.sm(w.admin(), "BatchGetSecretValue", input).await;
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn permission_is_judged_on_the_arn_with_its_six_characters() {
    let w = World::new().await;
    let arn = w.made("app/a", "1").await["ARN"]
        .as_str()
        .unwrap()
        .to_owned();
    w.made("app/ab", "2").await;
    let session = w.session().await;
    let bare = format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:app/a");
    let grant = |resource: &str| {
        let policy = allow(&["secretsmanager:GetSecretValue"], resource);
        w.aws.put_role_policy("web", "p", &policy).unwrap();
    };
    grant(&bare);
    let refused = w.read(&session, "app/a").await;
    assert_eq!(refused.error(), (400, "AccessDeniedException".into()));
    assert_eq!(
        refused.message(),
        format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/web/test is not authorized to perform: secretsmanager:GetSecretValue on resource: {arn} because no identity-based policy allows the secretsmanager:GetSecretValue action"
        )
    );
    grant(&format!("{bare}-??????"));
    w.read(&session, "app/a").await.ok();
    assert_eq!(w.read(&session, "app/ab").await.status, 400);
    // Who may not read it is not told whether it exists.
    let hidden = w.read(&session, "nowhere").await;
    assert!(
        hidden
            .message()
            .contains("secretsmanager:GetSecretValue on resource: nowhere because")
    );
    // Made anew it has another ARN.
    grant(&arn);
    w.read(&session, "app/a").await.ok();
    w.aws.delete_secret("app/a", true);
    w.made("app/a", "1").await;
    assert_eq!(
        w.read(&session, "app/a").await.error().1,
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn a_secrets_own_policy_counts() {
    let w = World::new().await;
    let admin = w.admin();
    let arn = w.made("x", "v").await["ARN"].as_str().unwrap().to_owned();
    let session = w.session().await;
    let put = |policy: Value, block: bool| {
        let input = json!({"SecretId": "x", "ResourcePolicy": policy.to_string(), "BlockPublicPolicy": block});
        w.sm(admin, "PutResourcePolicy", input)
    };
    let statement = |effect: &str, principal: Value| json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]});
    put(statement("Allow", json!({"AWS": w.role})), true)
        .await
        .ok();
    w.read(&session, "x").await.ok();
    put(statement("Deny", json!({"AWS": w.role})), true)
        .await
        .ok();
    let refused = w.read(&session, "x").await;
    assert!(
        refused
            .message()
            .ends_with("with an explicit deny in a resource-based policy"),
        "{}",
        refused.body
    );
    let public = put(statement("Allow", json!("*")), true).await;
    assert_eq!(public.error(), (400, "PublicPolicyException".into()));
    let malformed = put(json!({"Statement": "x"}), false).await;
    assert_eq!(
        malformed.error(),
        (400, "MalformedPolicyDocumentException".into())
    );
    // Another account needs both sides, and a key that is not AWS's own.
    let stranger = w.aws.admin_of("444455556666");
    put(
        statement("Allow", json!({"AWS": "arn:aws:iam::444455556666:root"})),
        false,
    )
    .await
    .ok();
    let refused = w.read(&stranger, &arn).await;
    assert_eq!(refused.error(), (400, "InvalidRequestException".into()));
    assert!(refused.message().contains("default KMS service key"));
    assert_eq!(
        w.read(&stranger, "x").await.error().1,
        "ResourceNotFoundException"
    );
    let got = w
        .sm(admin, "GetResourcePolicy", json!({"SecretId": "x"}))
        .await
        .ok()
        .json();
    assert!(
        got["ResourcePolicy"]
            .as_str()
            .unwrap()
            .contains("444455556666")
    );
    w.sm(admin, "DeleteResourcePolicy", json!({"SecretId": "x"}))
        .await
        .ok();
    let refused = w.read(&stranger, &arn).await;
    assert!(
        refused
            .message()
            .contains("no resource-based policy allows"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn a_key_of_its_own_needs_permission_too() {
    let w = World::new().await;
    let key = w.aws.create_key(None).unwrap();
    w.aws.put_locked_secret("x", "v", &key).unwrap();
    let arn = w.aws.secret("x").unwrap().arn;
    let session = w.session().await;
    w.aws
        .put_role_policy("web", "p", &allow(&["secretsmanager:*"], "*"))
        .unwrap();
    let refused = w.read(&session, "x").await;
    assert_eq!(refused.error(), (400, "AccessDeniedException".into()));
    assert_eq!(refused.message(), "Access to KMS is not allowed");
    let only = |via: &str, secret: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key,
            "Condition": {"StringEquals": {"kms:ViaService": via, "kms:EncryptionContext:SecretARN": secret}}}]})
        .to_string()
    };
    for (policy, status) in [
        (only("ssm.eu-central-1.amazonaws.com", &arn), 400),
        (
            only("secretsmanager.eu-central-1.amazonaws.com", "arn:other"),
            400,
        ),
        (only("secretsmanager.eu-central-1.amazonaws.com", &arn), 200),
    ] {
        w.aws.put_role_policy("web", "k", &policy).unwrap();
        assert_eq!(w.read(&session, "x").await.status, status, "{policy}");
    }
    let put = json!({"SecretId": "x", "SecretString": "w", "ClientRequestToken": token(1)});
    w.sm(&session, "PutSecretValue", put).await.ok();
}

#[tokio::test]
async fn replicas_are_read_where_they_are_and_written_nowhere() {
    let w = World::new().await;
    let admin = w.admin();
    w.made("x", "v").await;
    let replicate = json!({"SecretId": "x", "AddReplicaRegions": [{"Region": "eu-west-1"}]});
    w.sm(admin, "ReplicateSecretToRegions", replicate.clone())
        .await
        .ok();
    let twice = w.sm(admin, "ReplicateSecretToRegions", replicate).await;
    assert_eq!(twice.error(), (400, "InvalidParameterException".into()));
    let there = |action: &'static str, input: Value| {
        let w = &w;
        async move {
            let mut headers = HeaderMap::new();
            let target = format!("secretsmanager.{action}");
            headers.insert("x-amz-target", HeaderValue::from_str(&target).unwrap());
            headers.insert("host", HeaderValue::from_static("localhost"));
            let signing = SigningKey {
                key: w.admin(),
                region: "eu-west-1",
                service: "secretsmanager",
                time: w.clock.unix(),
            };
            let body = input.to_string();
            sign(&signing, "POST", "", &mut headers, body.as_bytes());
            send(&w.aws, headers, body).await
        }
    };
    let read = there("GetSecretValue", json!({"SecretId": "x"}))
        .await
        .ok()
        .json();
    assert_eq!(read["SecretString"], "v");
    assert!(
        read["ARN"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws:secretsmanager:eu-west-1:")
    );
    let put = json!({"SecretId": "x", "SecretString": "w", "ClientRequestToken": token(1)});
    let refused = there("PutSecretValue", put).await;
    assert_eq!(refused.error(), (400, "InvalidRequestException".into()));
    let refused = w.sm(admin, "DeleteSecret", json!({"SecretId": "x"})).await;
    assert_eq!(refused.error(), (400, "InvalidRequestException".into()));
    let remove = json!({"SecretId": "x", "RemoveReplicaRegions": ["eu-west-1"]});
    w.sm(admin, "RemoveRegionsFromReplication", remove)
        .await
        .ok();
    let gone = there("GetSecretValue", json!({"SecretId": "x"})).await;
    assert_eq!(gone.error().1, "ResourceNotFoundException");
}
