//! Permission on parameters and on the keys of secure ones.

use super::*;

/// A world whose role may do `actions` on `resource`, and a session of it.
async fn allowed(actions: &[&str], resource: &str) -> (World, AccessKey) {
    let w = World::new().await;
    w.aws
        .put_role_policy("web", "p", &allow(actions, resource))
        .unwrap();
    let key = w.session().await;
    (w, key)
}

#[tokio::test]
async fn permission_is_judged_per_parameter() {
    let (w, key) = allowed(
        &["ssm:GetParameter", "ssm:GetParameters"],
        "arn:aws:ssm:eu-central-1:111122223333:parameter/app/*",
    )
    .await;
    w.aws.put_parameter("/app/db", "1").unwrap();
    w.aws.put_parameter("/other", "2").unwrap();
    w.ssm(&key, "GetParameter", json!({"Name": "/app/db"}))
        .await
        .ok();
    let sentence = |action: &str, resource: &str| {
        format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/web/test is not authorized to perform: {action} on resource: arn:aws:ssm:eu-central-1:{ACCOUNT}:{resource} because no identity-based policy allows the {action} action"
        )
    };
    for (action, input, resource) in [
        ("GetParameter", json!({"Name": "/other"}), "parameter/other"),
        (
            "GetParameter",
            json!({"Name": "/not/there"}),
            "parameter/not/there",
        ),
        (
            "GetParameters",
            json!({"Names": ["/app/db", "/other"]}),
            "parameter/other",
        ),
        (
            "GetParametersByPath",
            json!({"Path": "/app"}),
            "parameter/app",
        ),
        ("DescribeParameters", json!({}), "*"),
        (
            "PutParameter",
            json!({"Name": "/app/db", "Value": "x", "Overwrite": true}),
            "parameter/app/db",
        ),
        (
            "DeleteParameter",
            json!({"Name": "/app/db"}),
            "parameter/app/db",
        ),
    ] {
        let answer = w.ssm(&key, action, input).await;
        assert_eq!(
            answer.error(),
            (400, "AccessDeniedException".to_owned()),
            "{action}"
        );
        assert_eq!(
            answer.message(),
            sentence(&format!("ssm:{action}"), resource)
        );
    }
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*"}]}"#;
    w.aws.put_role_policy("web", "deny", deny).unwrap();
    let answer = w
        .ssm(&key, "GetParameter", json!({"Name": "/app/db"}))
        .await;
    assert!(
        answer
            .message()
            .ends_with("parameter/app/db with an explicit deny in an identity-based policy"),
        "{}",
        answer.body
    );
    assert_eq!(
        w.aws.calls("ssm", "GetParameter"),
        Calls {
            total: 4,
            refused: 3
        }
    );
}

#[tokio::test]
async fn the_seeds_federation_keys_in_a_permission_policy_hold_for_a_direct_session() {
    let w = World::new().await;
    w.aws.put_parameter("/a", "1").unwrap();
    let host = w.issuer.url().strip_prefix("https://").unwrap().to_owned();
    let policy = |sub: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*",
            "Condition": {"StringEquals": {format!("{host}:sub"): sub}}}}).to_string()
    };
    let key = w.session().await;
    w.aws.put_role_policy("web", "p", &policy(SUBJECT)).unwrap();
    w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
        .await
        .ok();
    w.aws
        .put_role_policy("web", "p", &policy("system:serviceaccount:x:y"))
        .unwrap();
    assert_eq!(
        w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
            .await
            .error()
            .1,
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn tags_of_a_parameter_can_be_a_condition() {
    let w = World::new().await;
    let key = w.session().await;
    let put = json!({"Name": "/a", "Value": "1", "Type": "String", "Tags": [{"Key": "team", "Value": "red"}]});
    w.ssm(w.admin(), "PutParameter", put).await.ok();
    let policy = |team: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*",
            "Condition": {"StringEquals": {"ssm:resourceTag/team": team}}}}).to_string()
    };
    w.aws.put_role_policy("web", "p", &policy("red")).unwrap();
    w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
        .await
        .ok();
    w.aws.put_role_policy("web", "p", &policy("blue")).unwrap();
    assert_eq!(
        w.ssm(&key, "GetParameter", json!({"Name": "/a"}))
            .await
            .error()
            .1,
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn secure_strings_need_their_key() {
    let (w, key) = allowed(&["ssm:GetParameter"], "*").await;
    let cmk = w.aws.create_key(None).unwrap();
    w.aws
        .put_secure_parameter("/own", "gold", Some(&cmk))
        .unwrap();
    w.aws
        .put_secure_parameter("/managed", "silver", None)
        .unwrap();
    let get = |name: &'static str, decrypt: bool| {
        w.ssm(
            &key,
            "GetParameter",
            json!({"Name": name, "WithDecryption": decrypt}),
        )
    };
    // The key AWS manages needs no grant, and nothing is shown without decryption.
    assert_eq!(
        get("/managed", true).await.ok().json()["Parameter"]["Value"],
        "silver"
    );
    let raw = get("/own", false).await.ok().json()["Parameter"]["Value"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(raw.starts_with("AQICA") && !raw.contains("gold"));
    let answer = get("/own", true).await;
    assert_eq!(answer.error(), (400, "AccessDeniedException".to_owned()));
    assert!(
        answer.message().contains(&format!(
            "kms:Decrypt on resource: {cmk} because no identity-based policy allows"
        )),
        "{}",
        answer.body
    );
    let grant = |via: &str, context: &str| {
        json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": cmk, "Condition": {
            "StringEquals": {"kms:ViaService": via, "kms:EncryptionContext:PARAMETER_ARN": context}}}}).to_string()
    };
    let arn = format!("arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/own");
    for (via, context, works) in [
        ("ssm.eu-central-1.amazonaws.com", arn.as_str(), true),
        (
            "secretsmanager.eu-central-1.amazonaws.com",
            arn.as_str(),
            false,
        ),
        (
            "ssm.eu-central-1.amazonaws.com",
            "arn:aws:ssm:eu-central-1:111122223333:parameter/else",
            false,
        ),
    ] {
        w.aws
            .put_role_policy("web", "kms", &grant(via, context))
            .unwrap();
        assert_eq!(
            get("/own", true).await.status == 200,
            works,
            "{via} {context}"
        );
    }
    w.aws
        .put_role_policy("web", "kms", &allow(&["kms:Decrypt"], "*"))
        .unwrap();
    let closed = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "kms:*", "Resource": "*"}});
    let foreign = w.aws.create_key(Some(&closed.to_string())).unwrap();
    w.aws
        .put_secure_parameter("/own", "gold", Some(&foreign))
        .unwrap();
    assert!(
        get("/own", true)
            .await
            .message()
            .ends_with("because no resource-based policy allows the kms:Decrypt action")
    );
}

#[tokio::test]
async fn kms_knows_keys_and_aliases() {
    let w = World::new().await;
    let kms = |action: &'static str, input: Value| {
        w.json("kms", "TrentService", w.admin(), action, input)
    };
    let made = kms("CreateKey", json!({"Description": "d"}))
        .await
        .ok()
        .json();
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    kms(
        "CreateAlias",
        json!({"AliasName": "alias/app", "TargetKeyId": id}),
    )
    .await
    .ok();
    for name in [
        id.as_str(),
        "alias/app",
        made["KeyMetadata"]["Arn"].as_str().unwrap(),
    ] {
        assert_eq!(
            kms("DescribeKey", json!({"KeyId": name})).await.ok().json()["KeyMetadata"]["KeyId"],
            id
        );
    }
    assert_eq!(
        kms("DescribeKey", json!({"KeyId": "alias/none"}))
            .await
            .error()
            .1,
        "NotFoundException"
    );
    w.aws
        .put_secure_parameter("/s", "v", Some("alias/app"))
        .unwrap();
    let d = w
        .ssm(w.admin(), "DescribeParameters", json!({}))
        .await
        .ok()
        .json();
    assert_eq!(d["Parameters"][0]["KeyId"], "alias/app");
}
