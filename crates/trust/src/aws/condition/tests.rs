use serde_json::json;

use super::*;

fn context() -> Context {
    let mut c = Context::new();
    c.set("oidc.example:sub", "system:serviceaccount:shop:web")
        .set("aws:PrincipalTag/team", "red")
        .set("aws:SourceIp", "10.1.2.3")
        .set("aws:CurrentTime", "2026-11-24T22:00:00Z")
        .set("aws:EpochTime", "1795557600")
        .set("aws:SecureTransport", "true")
        .set("s:n", "10")
        .set("aws:PrincipalArn", "arn:aws:iam::111122223333:role/eks/web")
        .set("s:bytes", "AQID")
        .set_all("s:many", ["a".to_owned(), "b".to_owned()])
        .set_all("s:none", []);
    c
}

fn holds(operator: &str, key: &str, values: Value) -> bool {
    let parsed = parse(&json!({operator: {key: values}})).unwrap();
    parsed.iter().all(|c| c.holds(&context(), true))
}

#[test]
fn present_keys() {
    let sub = "oidc.example:sub";
    for (operator, key, values, expected) in [
        (
            "StringEquals",
            sub,
            json!("system:serviceaccount:shop:web"),
            true,
        ),
        (
            "StringEquals",
            "OIDC.example:SUB",
            json!("system:serviceaccount:shop:web"),
            true,
        ),
        (
            "StringEquals",
            sub,
            json!("system:serviceaccount:shop:Web"),
            false,
        ),
        (
            "StringEquals",
            sub,
            json!("system:serviceaccount:shop:*"),
            false,
        ),
        (
            "StringEquals",
            sub,
            json!(["x", "system:serviceaccount:shop:web"]),
            true,
        ),
        (
            "StringEqualsIgnoreCase",
            sub,
            json!("SYSTEM:serviceaccount:SHOP:web"),
            true,
        ),
        (
            "StringLike",
            sub,
            json!("system:serviceaccount:shop:*"),
            true,
        ),
        (
            "StringLike",
            sub,
            json!("system:serviceaccount:*:we?"),
            true,
        ),
        (
            "StringLike",
            sub,
            json!("system:serviceaccount:shop"),
            false,
        ),
        (
            "StringNotEquals",
            sub,
            json!(["x", "system:serviceaccount:shop:web"]),
            false,
        ),
        ("StringNotEquals", sub, json!(["x", "y"]), true),
        ("StringNotLike", sub, json!("system:*"), false),
        (
            "StringLike",
            "aws:PrincipalTag/team",
            json!("${aws:PrincipalTag/team}"),
            true,
        ),
        (
            "StringNotEqualsIgnoreCase",
            "aws:PrincipalTag/team",
            json!("RED"),
            false,
        ),
        ("NumericEquals", "s:n", json!(10), true),
        ("NumericEquals", "s:n", json!("10.0"), true),
        ("NumericNotEquals", "s:n", json!("10"), false),
        ("NumericLessThan", "s:n", json!("11"), true),
        ("NumericLessThan", "s:n", json!("10"), false),
        ("NumericLessThanEquals", "s:n", json!("10"), true),
        ("NumericGreaterThan", "s:n", json!("9"), true),
        ("NumericGreaterThanEquals", "s:n", json!("10.5"), false),
        ("DateLessThan", "aws:CurrentTime", json!("2026-11-25"), true),
        (
            "DateGreaterThan",
            "aws:CurrentTime",
            json!("2026-11-24T21:00:00+00:00"),
            true,
        ),
        (
            "DateEquals",
            "aws:EpochTime",
            json!("2026-11-24T22:00:00Z"),
            true,
        ),
        (
            "DateNotEquals",
            "aws:EpochTime",
            json!("2026-11-24T22:00:00Z"),
            false,
        ),
        (
            "DateLessThanEquals",
            "aws:CurrentTime",
            json!("1795557600"),
            true,
        ),
        (
            "DateGreaterThanEquals",
            "aws:CurrentTime",
            json!("2027-01-01T00:00:00Z"),
            false,
        ),
        ("Bool", "aws:SecureTransport", json!(true), true),
        ("Bool", "aws:SecureTransport", json!("FALSE"), false),
        ("BinaryEquals", "s:bytes", json!("AQID"), true),
        ("BinaryEquals", "s:bytes", json!("AQIE"), false),
        ("IpAddress", "aws:SourceIp", json!("10.0.0.0/8"), true),
        (
            "IpAddress",
            "aws:SourceIp",
            json!(["192.168.0.0/16", "10.1.2.3"]),
            true,
        ),
        ("IpAddress", "aws:SourceIp", json!("::/0"), false),
        ("NotIpAddress", "aws:SourceIp", json!("0.0.0.0/0"), false),
        (
            "ArnLike",
            "aws:PrincipalArn",
            json!("arn:aws:iam::111122223333:role/*"),
            true,
        ),
        (
            "ArnEquals",
            "aws:PrincipalArn",
            json!("arn:*:iam::*:role/eks/*"),
            true,
        ),
        (
            "ArnLike",
            "aws:PrincipalArn",
            json!("arn:aws:*:role/eks/web"),
            false,
        ),
        (
            "ArnNotLike",
            "aws:PrincipalArn",
            json!("arn:aws:iam::111122223333:role/*"),
            false,
        ),
        (
            "ArnNotEquals",
            "aws:PrincipalArn",
            json!("arn:aws:iam::222222222222:role/*"),
            true,
        ),
        ("Null", sub, json!("false"), true),
        ("Null", sub, json!(true), false),
        (
            "ForAnyValue:StringEquals",
            "s:many",
            json!(["b", "z"]),
            true,
        ),
        ("ForAnyValue:StringEquals", "s:many", json!(["z"]), false),
        (
            "ForAllValues:StringEquals",
            "s:many",
            json!(["b", "z"]),
            false,
        ),
        ("ForAllValues:StringLike", "s:many", json!("?"), true),
        ("ForAllValues:StringNotEquals", "s:many", json!("a"), false),
        ("ForAnyValue:StringNotEquals", "s:many", json!("a"), true),
        ("ForAllValues:StringEquals", "s:none", json!("a"), true),
        ("ForAnyValue:StringEquals", "s:none", json!("a"), false),
        ("StringEquals", "s:many", json!("b"), true),
        ("StringNotEquals", "s:many", json!("b"), false),
    ] {
        assert_eq!(
            holds(operator, key, values.clone()),
            expected,
            "{operator} {key} {values}"
        );
    }
}

/// An absent key locks out under a positive operator; what lets in is listed here, because it is
/// what a typo in the prefix makes of a policy.
#[test]
fn absent_keys() {
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringLike", false),
        ("Bool", false),
        ("IpAddress", false),
        ("ArnLike", false),
        ("NumericLessThan", false),
        ("ForAnyValue:StringLike", false),
        ("StringNotEquals", true),
        ("StringNotLike", true),
        ("ArnNotLike", true),
        ("NotIpAddress", true),
        ("NumericNotEquals", true),
        ("StringEqualsIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("Null", true),
    ] {
        let value = match operator {
            "Bool" | "Null" => json!("true"),
            "IpAddress" | "NotIpAddress" => json!("10.0.0.0/8"),
            o if o.starts_with("Numeric") => json!("1"),
            _ => json!("x"),
        };
        assert_eq!(
            holds(operator, "https://oidc.example:sub", value),
            expected,
            "{operator}"
        );
    }
}

#[test]
fn an_old_policy_takes_variables_literally() {
    let c = parse(&json!({"StringEquals": {"aws:PrincipalTag/team": "${aws:PrincipalTag/team}"}}))
        .unwrap();
    assert!(c[0].holds(&context(), true));
    assert!(!c[0].holds(&context(), false));
}

#[test]
fn every_operator_has_its_name() {
    for (name, operator) in NAMES {
        assert_eq!(operator.as_str(), name);
        for written in [
            name.to_owned(),
            format!("ForAllValues:{name}"),
            format!("ForAnyValue:{name}IfExists"),
        ] {
            if let Ok((quantifier, operator, if_exists)) = parse_operator(&written) {
                let c = Condition {
                    quantifier,
                    operator,
                    if_exists,
                    key: "a:b".into(),
                    values: vec![],
                };
                assert_eq!(c.operator_name(), written);
            } else {
                assert_eq!(operator, O::Null);
            }
        }
    }
}
