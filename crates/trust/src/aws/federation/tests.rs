use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::aws::PolicyKind;
use crate::aws::evaluate::Failure;
use crate::trust::ServiceAccount;

const ISSUER: &str = "https://oidc.example.com/c1";

fn role() -> Arn {
    Arn::parse_role("arn:aws:iam::111122223333:role/eks/web").unwrap()
}

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        sub: ServiceAccount::new("shop", "web").subject(),
        aud: vec!["sts.amazonaws.com".into()],
        azp: None,
        amr: vec![],
        exp: 2000,
        iat: 1000,
        nbf: None,
        jti: None,
    }
}

fn trust() -> Trust {
    Trust {
        issuer: issuer(),
        audience: "sts.amazonaws.com".into(),
        subject: claims().sub,
        target: Target::AwsRole(role()),
    }
}

fn decide(policy: &Policy, claims: &Claims) -> Decision {
    judge(policy, &role(), &issuer(), claims, &Context::new())
}

fn parsed(statement: Value) -> Policy {
    Policy::from_value(
        &json!({"Version": "2012-10-17", "Statement": statement}),
        PolicyKind::Trust,
    )
    .unwrap()
}

#[test]
fn the_rendered_policy_is_the_documented_one() {
    assert_eq!(
        trust_policy(&[trust()]).to_json(),
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/c1"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                "oidc.example.com/c1:aud": "sts.amazonaws.com",
                "oidc.example.com/c1:sub": "system:serviceaccount:shop:web"}}}]})
    );
}

#[test]
fn it_lets_exactly_its_subject_in() {
    let policy = trust_policy(&[trust()]);
    assert!(decide(&policy, &claims()).is_allowed());
    let others = [
        Claims {
            sub: "system:serviceaccount:shop:web2".into(),
            ..claims()
        },
        Claims {
            sub: "system:serviceaccount:shop:WEB".into(),
            ..claims()
        },
        Claims {
            aud: vec!["other".into()],
            ..claims()
        },
        Claims {
            azp: Some("other".into()),
            ..claims()
        },
    ];
    for other in others {
        assert!(!decide(&policy, &other).is_allowed(), "{other:?}");
    }
    // Another issuer with the same subject.
    let elsewhere = Issuer::parse("https://oidc.example.com/c2").unwrap();
    assert!(!judge(&policy, &role(), &elsewhere, &claims(), &Context::new()).is_allowed());
}

#[test]
fn the_nearest_miss_names_the_broken_condition() {
    let wrong = Claims {
        sub: "system:serviceaccount:default:web".into(),
        ..claims()
    };
    let Decision::NotAllowed {
        nearest: Some(miss),
    } = decide(&trust_policy(&[trust()]), &wrong)
    else {
        panic!()
    };
    assert_eq!(
        miss.failed,
        [Failure::Condition {
            operator: "StringEquals".into(),
            key: "oidc.example.com/c1:sub".into(),
            observed: Some(vec!["system:serviceaccount:default:web".into()]),
            required: vec!["system:serviceaccount:shop:web".into()],
        }]
    );
    assert_eq!(
        miss.failed[0].observed(),
        "oidc.example.com/c1:sub = system:serviceaccount:default:web"
    );
    // A prefix with the scheme is a key that no request has.
    let text = trust_policy(&[trust()])
        .to_json()
        .to_string()
        .replace("\"oidc.example.com/c1:", "\"https://oidc.example.com/c1:");
    let Decision::NotAllowed {
        nearest: Some(miss),
    } = decide(&Policy::parse(&text, PolicyKind::Trust).unwrap(), &claims())
    else {
        panic!()
    };
    assert_eq!(
        miss.failed[0].observed(),
        "no key https://oidc.example.com/c1:aud"
    );
}

#[test]
fn a_refusal_reads_as_one_sentence() {
    let good = trust_policy(&[trust()]).to_json().to_string();
    let said = |policy: &str, claims: &Claims| {
        let policy = Policy::parse(policy, PolicyKind::Trust).unwrap();
        keyless_fault::explain(&Refusal::of(&decide(&policy, claims), &role(), claims).unwrap())
    };
    let wrong = Claims {
        sub: "system:serviceaccount:default:web".into(),
        ..claims()
    };
    assert_eq!(
        said(&good, &wrong),
        "statement 1 of the trust policy of arn:aws:iam::111122223333:role/eks/web does not match the token of \
         system:serviceaccount:default:web; observed oidc.example.com/c1:sub = system:serviceaccount:default:web; \
         required StringEquals oidc.example.com/c1:sub = system:serviceaccount:shop:web. \
         Change the role's trust policy or use the account it names [A3]"
    );
    for (from, to, code, hint) in [
        (
            "\"oidc.example.com/c1:",
            "\"https://oidc.example.com/c1:",
            "A3",
            "Write the condition key without https://",
        ),
        (
            "c1:sub",
            "c2:sub",
            "A3",
            "Begin the condition key with the token's issuer",
        ),
        (
            "shop:web",
            "shop:*",
            "A3",
            "StringEquals takes a star literally",
        ),
        (
            "AssumeRoleWithWebIdentity",
            "AssumeRole",
            "A5",
            "Allow the action",
        ),
        (
            "oidc-provider/oidc",
            "oidc-provider/other",
            "A3",
            "Name the issuer's own provider",
        ),
        ("\"Allow\"", "\"Deny\"", "A3", "Remove the Deny statement"),
    ] {
        let text = said(&good.replace(from, to), &claims());
        assert!(
            text.contains(hint) && text.ends_with(&format!("[{code}]")),
            "{text}"
        );
    }
    let service = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": ACTION}});
    assert!(said(&service.to_string(), &claims()).ends_with("[A5]"));
    assert_eq!(
        Refusal::of(
            &decide(&trust_policy(&[trust()]), &claims()),
            &role(),
            &claims()
        ),
        None
    );
    let nobody = Policy {
        variables: true,
        id: None,
        statements: vec![],
    };
    let refusal = Refusal::of(&decide(&nobody, &claims()), &role(), &claims()).unwrap();
    assert!(keyless_fault::explain(&refusal).contains("allows nobody"));
}

/// The rows of trust-policy mistakes that Ceph RGW, an independent implementation, was seen to
/// answer the same way: closed in the first table, open in the second.
#[test]
fn mistakes_and_what_they_do() {
    let good = json!({"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/c1"}, "Action": ACTION});
    let with = |name: &str, value: Value| {
        let mut s = good.clone();
        s[name] = value;
        parsed(s)
    };
    for (name, policy, open) in [
        ("no condition", parsed(good.clone()), true),
        (
            "only aud",
            with(
                "Condition",
                json!({"StringEquals": {"oidc.example.com/c1:aud": "sts.amazonaws.com"}}),
            ),
            true,
        ),
        (
            "if exists",
            with(
                "Condition",
                json!({"StringEqualsIfExists": {"typo:sub": "x"}}),
            ),
            true,
        ),
        (
            "negated with a typo",
            with("Condition", json!({"StringNotEquals": {"typo:sub": "x"}})),
            true,
        ),
        (
            "for all values with a typo",
            with(
                "Condition",
                json!({"ForAllValues:StringEquals": {"typo:sub": "x"}}),
            ),
            true,
        ),
        (
            "like",
            with(
                "Condition",
                json!({"StringLike": {"oidc.example.com/c1:sub": "system:serviceaccount:shop:*"}}),
            ),
            true,
        ),
        (
            "equals with a star",
            with(
                "Condition",
                json!({"StringEquals": {"oidc.example.com/c1:sub": "system:serviceaccount:shop:*"}}),
            ),
            false,
        ),
        (
            "scheme",
            with(
                "Condition",
                json!({"StringEquals": {"https://oidc.example.com/c1:sub": "system:serviceaccount:shop:web"}}),
            ),
            false,
        ),
        (
            "other action",
            with("Action", json!("sts:AssumeRole")),
            false,
        ),
        (
            "other provider",
            with(
                "Principal",
                json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com"}),
            ),
            false,
        ),
        (
            "other account",
            with(
                "Principal",
                json!({"Federated": "arn:aws:iam::999999999999:oidc-provider/oidc.example.com/c1"}),
            ),
            false,
        ),
        (
            "service",
            with("Principal", json!({"Service": "pods.eks.amazonaws.com"})),
            false,
        ),
        (
            "amr",
            with(
                "Condition",
                json!({"ForAnyValue:StringLike": {"oidc.example.com/c1:amr": "*"}}),
            ),
            false,
        ),
    ] {
        assert_eq!(decide(&policy, &claims()).is_allowed(), open, "{name}");
    }
}

#[test]
fn azp_stands_for_the_audience() {
    let both = Claims {
        azp: Some("client".into()),
        aud: vec!["original".into()],
        ..claims()
    };
    let c = context(&issuer(), &both);
    assert_eq!(c.single("oidc.example.com/c1:aud"), Some("client"));
    assert_eq!(c.single("oidc.example.com/c1:oaud"), Some("original"));
    assert_eq!(
        context(&issuer(), &claims()).get("oidc.example.com/c1:oaud"),
        None
    );
}

#[test]
fn wider_statements_are_not_exact_trusts() {
    let exact = trust_policy(&[trust()]).to_json();
    let text = exact.to_string();
    assert_eq!(trusts_in(&trust_policy(&[trust()]), &role()), [trust()]);
    for wider in [
        text.replace("StringEquals", "StringLike"),
        text.replace("StringEquals", "StringEqualsIfExists"),
        text.replace("\"Allow\"", "\"Deny\""),
        text.replace("c1:sub", "c2:sub"),
        text.replace("sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"),
    ] {
        assert_eq!(
            trusts_in(&Policy::parse(&wider, PolicyKind::Trust).unwrap(), &role()),
            [],
            "{wider}"
        );
    }
}

proptest! {
    /// Written, read back, evaluated: the same trusts come out and exactly their tokens go in.
    #[test]
    fn round_trip(subjects in prop::collection::btree_set("[a-z]{1,5}:[a-z*]{1,5}", 1..4), stranger in "[a-z]{1,5}:[a-z]{1,5}") {
        let trusts: Vec<Trust> = subjects.iter().map(|s| Trust { subject: format!("system:serviceaccount:{s}"), ..trust() }).collect();
        let json = trust_policy(&trusts).to_json();
        let policy = Policy::from_value(&json, PolicyKind::Trust).unwrap();
        prop_assert_eq!(&trusts_in(&policy, &role()), &trusts);
        for t in &trusts {
            let allowed = decide(&policy, &Claims { sub: t.subject.clone(), ..claims() }).is_allowed();
            prop_assert!(allowed);
        }
        let allowed = decide(&policy, &Claims { sub: format!("system:serviceaccount:{stranger}"), ..claims() }).is_allowed();
        prop_assert_eq!(allowed, subjects.contains(&stranger));
    }
}
