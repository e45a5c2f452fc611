use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::aws::PolicyKind;

fn policy(kind: PolicyKind, statements: Value) -> Policy {
    Policy::from_value(
        &json!({"Version": "2012-10-17", "Statement": statements}),
        kind,
    )
    .unwrap()
}

fn identity(statements: Value, action: &str, resource: &str) -> Decision {
    let context = Context::new();
    let request = Request {
        caller: None,
        action,
        resource: Some(resource),
        context: &context,
    };
    evaluate(&[&policy(PolicyKind::Identity, statements)], &request)
}

const DB: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter/app/db";

#[test]
fn actions_and_resources() {
    let get = |action: &str, resource: &str| json!({"Effect": "Allow", "Action": action, "Resource": resource});
    let cases = [
        (get("ssm:GetParameter", DB), true),
        (get("SSM:getparameter", DB), true),
        (get("ssm:Get*", "arn:aws:ssm:*:*:parameter/app/*"), true),
        (get("*", "*"), true),
        (get("ssm:GetParameter?", "*"), false),
        (
            get(
                "ssm:GetParameter",
                "arn:aws:ssm:eu-central-1:111122223333:parameter//app/db",
            ),
            false,
        ),
        (
            get(
                "ssm:GetParameter",
                "arn:aws:ssm:eu-central-1:111122223333:parameter/App/*",
            ),
            false,
        ),
        (get("ssm:GetParameters", "*"), false),
        (
            json!({"Effect": "Allow", "NotAction": "ssm:Put*", "Resource": "*"}),
            true,
        ),
        (
            json!({"Effect": "Allow", "NotAction": "ssm:*", "Resource": "*"}),
            false,
        ),
        (
            json!({"Effect": "Allow", "Action": "ssm:*", "NotResource": "arn:aws:ssm:*:*:parameter/secret/*"}),
            true,
        ),
        (
            json!({"Effect": "Allow", "Action": "ssm:*", "NotResource": "arn:aws:ssm:*:*:parameter/app/*"}),
            false,
        ),
    ];
    for (statement, expected) in cases {
        assert_eq!(
            identity(statement.clone(), "ssm:GetParameter", DB).is_allowed(),
            expected,
            "{statement}"
        );
    }
}

#[test]
fn deny_beats_allow_wherever_it_stands() {
    let allow = json!({"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"});
    let deny = json!({"Sid": "d", "Effect": "Deny", "Action": "ssm:*", "Resource": "*"});
    for statements in [json!([allow, deny]), json!([deny, allow])] {
        let Decision::Denied { by } = identity(statements, "ssm:GetParameter", DB) else {
            panic!()
        };
        assert_eq!(by.to_string(), "statement \"d\"");
    }
    assert_eq!(
        identity(json!([deny]), "kms:Decrypt", "arn:aws:kms:::k"),
        Decision::NotAllowed { nearest: None }
    );
}

#[test]
fn the_nearest_miss_names_what_failed() {
    let statements = json!([
        {"Sid": "far", "Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Sid": "near", "Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "arn:aws:ssm:*:*:parameter/other/*"},
        {"Sid": "middle", "Effect": "Allow", "Action": "ssm:PutParameter", "Resource": DB},
    ]);
    let Decision::NotAllowed {
        nearest: Some(miss),
    } = identity(statements, "ssm:GetParameter", DB)
    else {
        panic!()
    };
    assert_eq!(miss.statement.sid.as_deref(), Some("near"));
    let [failure] = miss.failed.as_slice() else {
        panic!("{miss:?}")
    };
    assert_eq!(failure.observed(), format!("resource {DB}"));
    assert_eq!(
        failure.required(),
        "resource arn:aws:ssm:*:*:parameter/other/*"
    );
}

#[test]
fn principals() {
    let role: Arn = Arn::parse("arn:aws:iam::111122223333:role/eks/web").unwrap();
    let session = Caller::Session {
        session: Arn::parse("arn:aws:sts::111122223333:assumed-role/web/s").unwrap(),
        role: role.clone(),
    };
    let user = Caller::Aws(Arn::parse("arn:aws:iam::111122223333:user/bob").unwrap());
    let service = Caller::Service("pods.eks.amazonaws.com".into());
    let context = Context::new();
    let judged = |principal: &Value, caller: &Caller| {
        let trust = policy(
            PolicyKind::Trust,
            json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}),
        );
        let request = Request {
            caller: Some(caller),
            action: "sts:AssumeRole",
            resource: None,
            context: &context,
        };
        match evaluate(&[&trust], &request) {
            Decision::Allowed {
                delegated: true, ..
            } => "account",
            Decision::Allowed {
                delegated: false, ..
            } => "direct",
            _ => "no",
        }
    };
    for (principal, [by_session, by_user, by_service]) in [
        (json!("*"), ["direct", "direct", "direct"]),
        (json!({"AWS": "*"}), ["direct", "direct", "direct"]),
        (json!({"AWS": "111122223333"}), ["account", "account", "no"]),
        (
            json!({"AWS": "arn:aws:iam::111122223333:root"}),
            ["account", "account", "no"],
        ),
        (
            json!({"AWS": "arn:aws:iam::999999999999:root"}),
            ["no", "no", "no"],
        ),
        (json!({"AWS": role.to_string()}), ["direct", "no", "no"]),
        (
            json!({"AWS": "arn:aws:iam::111122223333:role/web"}),
            ["no", "no", "no"],
        ),
        (
            json!({"AWS": "arn:aws:sts::111122223333:assumed-role/web/s"}),
            ["direct", "no", "no"],
        ),
        (
            json!({"AWS": ["111122223333", role.to_string()]}),
            ["direct", "account", "no"],
        ),
        (
            json!({"Service": "pods.eks.amazonaws.com"}),
            ["no", "no", "direct"],
        ),
    ] {
        assert_eq!(
            [
                judged(&principal, &session),
                judged(&principal, &user),
                judged(&principal, &service)
            ],
            [by_session, by_user, by_service],
            "{principal}"
        );
    }
}

fn statement() -> impl Strategy<Value = Value> {
    let action = prop_oneof![
        Just("*"),
        Just("ssm:*"),
        Just("ssm:GetParameter"),
        Just("kms:Decrypt"),
        Just("ssm:?et*")
    ];
    let resource = prop_oneof![
        Just("*"),
        Just(DB),
        Just("arn:aws:ssm:*:*:parameter/${a:tag}/*"),
        Just("arn:aws:kms:*:*:key/*")
    ];
    let condition = prop_oneof![
        Just(json!({})),
        Just(json!({"StringLike": {"a:tag": "a*"}})),
        Just(json!({"ForAllValues:StringNotLike": {"a:none": "${a:tag}"}})),
        Just(json!({"Null": {"a:tag": "true"}})),
    ];
    (any::<bool>(), action, resource, condition).prop_map(|(allow, action, resource, condition)| {
        json!({"Effect": if allow { "Allow" } else { "Deny" }, "Action": action, "Resource": resource, "Condition": condition})
    })
}

proptest! {
    #[test]
    fn an_explicit_deny_always_wins(statements in prop::collection::vec(statement(), 1..8), tag in "[a-b*?]{0,3}") {
        let mut context = Context::new();
        context.set("a:tag", tag);
        let request = Request { caller: None, action: "ssm:GetParameter", resource: Some(DB), context: &context };
        let judge = |s: &Value| evaluate(&[&policy(PolicyKind::Identity, s.clone())], &request);
        let alone: Vec<(bool, bool)> = statements
            .iter()
            .map(|s| {
                let decision = judge(&json!([s]));
                (matches!(decision, Decision::Denied { .. }), decision.is_allowed())
            })
            .collect();
        let together = judge(&json!(statements));
        if alone.iter().any(|(denied, _)| *denied) {
            prop_assert!(matches!(together, Decision::Denied { .. }), "expected a denial");
        } else {
            prop_assert_eq!(together.is_allowed(), alone.iter().any(|(_, allowed)| *allowed));
        }
        if let Decision::NotAllowed { nearest: Some(miss) } = together {
            prop_assert!(!miss.failed.is_empty());
        }
    }
}
