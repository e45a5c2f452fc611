use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::aws::{Context, Request, evaluate};

fn refused(kind: PolicyKind, document: Value, message: &str) {
    let error = Policy::from_value(&document, kind).unwrap_err();
    assert_eq!(error.to_string(), message, "{document}");
}

fn one(statement: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}

#[test]
fn strings_and_lists_mean_the_same() {
    let short = one(json!({"Effect": "Allow", "Action": "ssm:Get*", "Resource": "*"}));
    let long = one(json!([{"Effect": "Allow", "Action": ["ssm:Get*"], "Resource": ["*"]}]));
    let parse = |v: &Value| Policy::from_value(v, PolicyKind::Identity).unwrap();
    assert_eq!(parse(&short), parse(&long));
    assert_eq!(parse(&long).to_json()["Statement"][0], short["Statement"]);
}

#[test]
fn what_is_written_is_read_back() {
    let trust = one(json!([{"Sid": "a", "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/a.example", "AWS": ["111122223333", "arn:aws:iam::111122223333:role/x"]},
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Condition": {"StringEquals": {"a.example:sub": ["x", "y"], "a.example:aud": "z"}, "ForAnyValue:StringLikeIfExists": {"a.example:amr": "*"}}},
        {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}]));
    let policy = Policy::from_value(&trust, PolicyKind::Trust).unwrap();
    assert_eq!(
        Policy::from_value(&policy.to_json(), PolicyKind::Trust).unwrap(),
        policy
    );
    let identity = one(
        json!([{"Effect": "Allow", "NotAction": "iam:*", "NotResource": ["arn:aws:s3:::a", "arn:aws:s3:::b/*"]}]),
    );
    assert_eq!(
        Policy::from_value(&identity, PolicyKind::Identity)
            .unwrap()
            .to_json(),
        identity
    );
}

#[test]
fn trust_policies_that_iam_refuses() {
    let with = |name: &str, value: Value| {
        let mut s = json!({"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"});
        if value.is_null() {
            s.as_object_mut().unwrap().remove(name);
        } else {
            s[name] = value;
        }
        one(s)
    };
    let federated = "Federated principals must be valid domain names or SAML metadata ARNs";
    for (document, message) in [
        (
            with("Principal", Value::Null),
            "Missing required field Principal",
        ),
        (with("Action", Value::Null), "Missing required field Action"),
        (with("Effect", Value::Null), "Missing required field Effect"),
        (with("Effect", json!("allow")), "Invalid effect: allow"),
        (
            with("Resource", json!("*")),
            "Has prohibited field Resource",
        ),
        (
            with("Action", json!("ssm:GetParameter")),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (with("Principal", json!({"Federated": ""})), federated),
        (
            with(
                "Principal",
                json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/"}),
            ),
            federated,
        ),
        (
            with(
                "Principal",
                json!({"Federated": "https://oidc.example.com"}),
            ),
            federated,
        ),
        (
            with(
                "Principal",
                json!({"AWS": "arn:aws:iam::111122223333:role/*"}),
            ),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:role/*\"",
        ),
        (
            with("Principal", json!({"Robot": "x"})),
            "Invalid principal in policy: \"Robot\":\"x\"",
        ),
        (
            with("Principal", json!("someone")),
            "Invalid principal in policy: \"someone\"",
        ),
        (
            with("Condition", json!({"StringEqual": {"a:b": "c"}})),
            "Invalid Condition type : StringEqual",
        ),
        (
            with("Condition", json!({"NullIfExists": {"a:b": "true"}})),
            "Invalid Condition type : NullIfExists",
        ),
        (
            with("Condition", json!({"StringEquals": {"sub": "c"}})),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (with("Condition", json!([])), "Syntax errors in policy."),
        (with("Extra", json!(1)), "Syntax errors in policy."),
        (
            json!({"Version": "2012-10-17", "Statement": []}),
            "Could not parse the policy: Statement is empty!",
        ),
        (
            json!({"Version": "2020-01-01", "Statement": []}),
            "The policy must contain a valid version string",
        ),
        (
            json!({"Version": "2012-10-17"}),
            "Missing required field Statement",
        ),
        (json!([]), "Syntax errors in policy."),
    ] {
        refused(PolicyKind::Trust, document, message);
    }
    let error = Policy::parse("{", PolicyKind::Trust).unwrap_err();
    assert_eq!(error.to_string(), "This policy contains invalid Json");
}

#[test]
fn identity_policies_that_iam_refuses() {
    let with = |name: &str, value: Value| {
        let mut s = json!({"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"});
        if value.is_null() {
            s.as_object_mut().unwrap().remove(name);
        } else {
            s[name] = value;
        }
        one(s)
    };
    for (document, message) in [
        (
            with("Principal", json!("*")),
            "Policy document should not specify a principal.",
        ),
        (
            with("Action", Value::Null),
            "Policy statement must contain actions.",
        ),
        (
            with("Action", json!([])),
            "Policy statement must contain actions.",
        ),
        (
            with("Action", json!("GetParameter")),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            with("Action", json!("ssm:Get:Parameter")),
            "Actions/Condition can contain only one colon.",
        ),
        (with("Action", json!("s m:Get")), "Vendor s m is not valid"),
        (
            with("NotAction", json!("ssm:X")),
            "Syntax errors in policy.",
        ),
        (
            with("Resource", Value::Null),
            "Policy statement must contain resources.",
        ),
        (
            with("Resource", json!("parameter/x")),
            "Resource parameter/x must be in ARN format or \"*\".",
        ),
        (
            with("Resource", json!("arn:moon:ssm:::x")),
            "Partition \"moon\" is not valid for resource \"arn:moon:ssm:::x\".",
        ),
        (
            with("Sid", json!("a b")),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        (
            with(
                "Condition",
                json!({"Bool": {"aws:SecureTransport": "maybe"}}),
            ),
            "Syntax errors in policy.",
        ),
        (
            with(
                "Condition",
                json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}),
            ),
            "Syntax errors in policy.",
        ),
        (
            json!({"Version": "2008-1-1", "Statement": []}),
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (
            one(
                json!([{"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "a", "Effect": "Deny", "Action": "*", "Resource": "*"}]),
            ),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
    ] {
        refused(PolicyKind::Identity, document, message);
    }
    let error = Policy::parse("{", PolicyKind::Identity).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The policy is not in the valid JSON format."
    );
}

/// JSON that resembles a policy often enough to reach every corner of the parser.
fn nearly_policy() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("*".to_owned()),
        Just("Allow".to_owned()),
        Just("Deny".to_owned()),
        Just("2012-10-17".to_owned()),
        Just("sts:AssumeRole".to_owned()),
        Just("arn:aws:iam::111122223333:role/x".to_owned()),
        "[a-z:*/${}]{0,12}",
        "[0-9:./-]{0,12}",
    ];
    let leaf = prop_oneof![
        text.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null)
    ];
    let key = prop_oneof![
        Just("Version".to_owned()),
        Just("Statement".to_owned()),
        Just("Effect".to_owned()),
        Just("Principal".to_owned()),
        Just("Action".to_owned()),
        Just("Resource".to_owned()),
        Just("Condition".to_owned()),
        Just("StringLike".to_owned()),
        Just("IpAddress".to_owned()),
        Just("DateEquals".to_owned()),
        Just("ForAnyValue:ArnLikeIfExists".to_owned()),
        Just("AWS".to_owned()),
        Just("Federated".to_owned()),
        "[a-z]{1,3}:[a-z]{1,3}",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(json in nearly_policy(), text in ".{0,100}", value in ".{0,12}") {
        let mut context = Context::new();
        context.set("a:b", value.clone()).set_all("c:d", [value.clone(), String::new()]);
        for kind in [PolicyKind::Trust, PolicyKind::Identity, PolicyKind::Resource] {
            let _ = Policy::parse(&text, kind);
            if let Ok(policy) = Policy::from_value(&json, kind) {
                let request = Request { caller: None, action: &value, resource: Some(&value), context: &context };
                let _ = evaluate(&[&policy], &request);
                prop_assert_eq!(Policy::from_value(&policy.to_json(), kind), Ok(policy));
            }
        }
    }

    /// As above with a well-formed statement around every operator, so that each is evaluated.
    #[test]
    fn conditions_never_panic(
        operator in prop::sample::select(vec!["StringLike", "ArnLike", "IpAddress", "NotIpAddress", "NumericLessThan", "DateGreaterThan", "BinaryEquals", "Bool", "Null"]),
        wanted in "[0-9a-zA-Z:./*?${}+=-]{0,20}",
        observed in "[0-9a-zA-Z:./*+=-]{0,20}",
    ) {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"a:b": wanted}}});
        let mut context = Context::new();
        context.set("a:b", observed);
        if let Ok(policy) = Policy::from_value(&one(statement), PolicyKind::Identity) {
            let request = Request { caller: None, action: "x:y", resource: Some("arn:aws:x:::y"), context: &context };
            let _ = evaluate(&[&policy], &request);
        }
    }
}
