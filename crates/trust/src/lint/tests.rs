use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

fn look(name: &str, text: &str, expect: &Expect) -> Report {
    lint(&[File { name, text }], expect)
}

fn codes(name: &str, text: &str) -> Vec<&'static str> {
    let report = look(name, text, &Expect::default());
    report.findings.iter().map(|f| f.code).collect()
}

/// The table in the examples' README is what is found in them, no more and no less.
#[test]
fn every_planted_mistake_is_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/with-mistakes");
    let table = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let file = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let codes = cells.next()?.split(", ").map(str::to_owned);
        Some((file.to_owned(), codes.collect::<BTreeSet<_>>()))
    });
    let wanted: BTreeMap<_, _> = rows.collect();
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "README.md" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let report = look(&name, &text, &Expect::default());
        for finding in &report.findings {
            assert!(finding.line.is_some_and(|l| l > 0), "{finding:?}");
            assert!(!finding.fix.is_empty(), "{finding:?}");
            let lines = text.lines().count();
            assert!(finding.line.unwrap() <= lines, "{finding:?}");
        }
        let codes = report.findings.iter().map(|f| f.code.to_owned());
        found.insert(name, codes.collect::<BTreeSet<_>>());
    }
    assert_eq!(found, wanted);
    assert!(wanted.values().flatten().collect::<BTreeSet<_>>().len() >= 20);
}

/// The examples that are meant to be used have place-holders, and else only what they say.
#[test]
fn examples_that_are_meant_to_be_used_are_almost_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for (file, wanted) in [
        ("vault/setup.sh", None),
        ("vault/policy.hcl", Some(&[][..])),
        ("vault/secret-store-jwt.yaml", Some(&[])),
        ("azure-key-vault/federated-credential.json", Some(&["L4"])),
        (
            "aws-secrets-manager/cluster-secret-store.yaml",
            Some(&["O5"]),
        ),
    ] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        if let Some(wanted) = wanted {
            assert_eq!(codes(file, &text), wanted, "{file}");
        }
    }
}

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
  "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/c1"},
  "Condition": {"StringEquals": {
    "oidc.example.com/c1:aud": "sts.amazonaws.com",
    "oidc.example.com/c1:sub": "system:serviceaccount:shop:web"}}}]}"#;

fn expect() -> Expect {
    Expect {
        issuer: Some("https://oidc.example.com/c1".into()),
        subject: Some("system:serviceaccount:shop:web".into()),
        audience: Some("sts.amazonaws.com".into()),
    }
}

#[test]
fn what_the_clouds_print_is_held_against_the_token() {
    let role = format!(
        r#"{{"Role": {{"RoleName": "web", "Arn": "arn:aws:iam::111122223333:role/web", "AssumeRolePolicyDocument": {TRUST}}}}}"#
    );
    let fic = r#"[{"name": "one", "issuer": "https://oidc.example.com/c1", "subject": "system:serviceaccount:shop:web", "audiences": ["api://AzureADTokenExchange"]},
      {"name": "two", "issuer": "https://other.example.com/", "subject": "system:serviceaccount:a:b", "audiences": ["api://AzureADTokenExchange"]}]"#;
    let provider = r#"{"name": "projects/1/locations/global/workloadIdentityPools/p-one/providers/c-one", "state": "ACTIVE",
      "attributeMapping": {"google.subject": "assertion.sub"}, "attributeCondition": "true", "oidc": {"issuerUri": "https://oidc.example.com/c1"}}"#;
    let azure = Some("api://AzureADTokenExchange".to_owned());
    let own = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p-one/providers/c-one";
    for (text, change, wanted) in [
        (TRUST, ("", ""), ""),
        (&role, ("", ""), ""),
        (&role, ("shop:web", "shop:wep"), "A3"),
        (&role, ("role/web\"", "role/web\", \"x\": \"y\""), ""),
        (
            &role,
            ("iam::111122223333:role", "iam::444455556666:role"),
            "A1",
        ),
        (TRUST, ("c1:aud\": \"sts", "c1:aud\": \"sst"), "A3"),
        (
            r#"{"Url": "oidc.example.com/c1", "ClientIDList": ["sts.amazonaws.com"]}"#,
            ("", ""),
            "",
        ),
        (
            r#"{"Url": "oidc.example.com/c1/", "ClientIDList": ["sts.amazonaws.com"]}"#,
            ("", ""),
            "K2",
        ),
        (
            r#"{"Url": "oidc.example.com/c2", "ClientIDList": ["sts.amazonaws.com"]}"#,
            ("", ""),
            "A1",
        ),
        (
            r#"{"Url": "oidc.example.com/c1", "ClientIDList": ["other"]}"#,
            ("", ""),
            "A2",
        ),
        (
            r#"{"Url": "oidc.example.com/c1", "ClientIDList": ["sts.amazonaws.com"], "ThumbprintList": ["AA:BB"]}"#,
            ("", ""),
            "A9",
        ),
        (fic, ("", ""), ""),
        (fic, ("com/c1", "com/c1/"), "K2"),
        (fic, ("com/c1", "com/c2"), "Z1"),
        (fic, ("shop:web", "shop:Web"), "Z3"),
        (provider, ("", ""), ""),
        (provider, ("ACTIVE", "DELETED"), "G14"),
        (provider, ("\"oidc\"", "\"disabled\": true, \"oidc\""), "G1"),
        (provider, ("com/c1", "com/c1/"), "K2"),
        (provider, ("com/c1", "com/c3"), "G5"),
        (
            provider,
            ("com/c1\"", "com/c1\", \"allowedAudiences\": [\"x\"]"),
            "G3",
        ),
        (provider, ("\"attributeCondition\": \"true\",", ""), "L15"),
        (
            r#"{"data": {"role_type": "jwt", "bound_audiences": ["sts.amazonaws.com"], "bound_subject": "system:serviceaccount:shop:web"}}"#,
            ("", ""),
            "",
        ),
        (
            r#"{"data": {"role_type": "jwt", "bound_audiences": ["vault"], "bound_subject": "system:serviceaccount:shop:web"}}"#,
            ("", ""),
            "V3",
        ),
        (
            r#"{"data": {"role_type": "jwt", "bound_audiences": ["sts.amazonaws.com"], "bound_subject": "system:serviceaccount:shop:wep"}}"#,
            ("", ""),
            "V2",
        ),
        (
            r#"{"data": {"role_type": "oidc", "bound_audiences": ["sts.amazonaws.com"]}}"#,
            ("", ""),
            "V2",
        ),
        (
            r#"{"data": {"bound_service_account_names": ["web"], "bound_service_account_namespaces": ["shop"]}}"#,
            ("", ""),
            "",
        ),
        (
            r#"{"data": {"bound_service_account_names": ["*"], "bound_service_account_namespaces": ["shop"]}}"#,
            ("", ""),
            "V9",
        ),
        (
            r#"{"data": {"bound_service_account_names": ["web"], "bound_service_account_namespaces": ["other"]}}"#,
            ("", ""),
            "V2",
        ),
        (
            r#"{"data": {"oidc_discovery_url": "https://oidc.example.com/c1"}}"#,
            ("", ""),
            "",
        ),
        (
            r#"{"data": {"oidc_discovery_url": "https://oidc.example.com/c1/"}}"#,
            ("", ""),
            "K2",
        ),
        (
            r#"{"data": {"oidc_discovery_url": "", "bound_issuer": "https://x.example", "jwt_validation_pubkeys": []}}"#,
            ("", ""),
            "V4",
        ),
        (
            r#"{"bindings": [{"role": "r", "members": ["principal://iam.googleapis.com/projects/blue/locations/global/workloadIdentityPools/p/subject/x"]}]}"#,
            ("", ""),
            "G9",
        ),
    ] {
        let text = if change.0.is_empty() {
            text.to_owned()
        } else {
            text.replacen(change.0, change.1, 1)
        };
        let mut expect = expect();
        if text.starts_with('[') {
            expect.audience.clone_from(&azure);
        } else if text.contains("attributeMapping") {
            expect.audience = Some(own.to_owned());
        }
        let report = look("file.json", &text, &expect);
        let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
        let wanted: Vec<&str> = wanted.split(' ').filter(|w| !w.is_empty()).collect();
        assert_eq!(codes, wanted, "{text}\n{:#?}", report.findings);
        assert_eq!(report.read.len(), 1, "{text}");
    }
}

#[test]
fn findings_point_at_their_line() {
    let text = TRUST.replace("\n  \"Principal\"", "\n\n\n  \"Principal\"");
    let text =
        format!("{{\"Role\":\n{{\"RoleName\": \"web\",\n\"AssumeRolePolicyDocument\":\n{text}}}}}");
    let text = text.replace("c1:sub", "c2:sub");
    let report = look("x", &text, &Expect::default());
    let [finding] = report.findings.as_slice() else {
        panic!("{:?}", report.findings)
    };
    assert_eq!((finding.code, finding.line), ("L5", Some(4)));
    assert_eq!(finding.part, "role web, statement 1");
}

#[test]
fn bad_input_is_a_finding_and_no_failure() {
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(crate::hcl::MAX_LENGTH));
    for (name, text, line) in [
        ("a.tf", "resource \"a\" {\n", 1),
        ("a.json", "{\"a\":\n ]", 2),
        ("a.yaml", "a: b\n---\nc: [", 3),
        ("a.json", long.as_str(), 1),
    ] {
        let report = look(name, text, &Expect::default());
        let [finding] = report.findings.as_slice() else {
            panic!("{name}: {:?}", report.findings)
        };
        assert_eq!(finding.code, "L12", "{name}");
        assert!(finding.line.is_some_and(|l| l >= line), "{finding:?}");
    }
    // A policy with an element that AWS does not know.
    let policy = TRUST.replace(
        "\"Effect\": \"Allow\",",
        "\"Effect\": \"Allow\", \"Moon\": 1,",
    );
    assert_eq!(codes("a.json", &policy), ["L13"]);
    for (name, text) in [
        ("a.txt", "# nothing\n"),
        ("a.json", "{}"),
        ("a.yaml", "hello: world"),
    ] {
        let report = look(name, text, &Expect::default());
        assert!(report.findings.is_empty(), "{name}");
        assert_eq!(report.skipped.len(), 1, "{name}");
    }
}

#[test]
fn near_misses_of_annotations() {
    let account = |key: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  annotations:\n    {key}: {value}\n"
        )
    };
    let role = "arn:aws:iam::111122223333:role/a";
    for (key, value, wanted) in [
        ("eks.amazonaws.com/role-arn", role, &[][..]),
        ("eks.amazonaws.com/role-arns", role, &["L14"]),
        ("eks.amazonaws.com/rolearn", role, &["L14"]),
        ("azure.workload.identity/clientid", "x", &["L14"]),
        ("eks.amazonaws.com/role-arn", "role/a", &["A4"]),
        (
            "eks.amazonaws.com/role-arn",
            "arn:aws:iam::ACCOUNT_ID:role/a",
            &["L4"],
        ),
        ("example.com/role-arn", "x", &[]),
    ] {
        let text = account(key, value);
        assert_eq!(codes("a.yaml", &text), wanted, "{key}");
        if !wanted.is_empty() {
            assert_eq!(
                look("a.yaml", &text, &Expect::default()).findings[0].line,
                Some(6)
            );
        }
    }
}

/// Saying that a permission is for a search must not hide what no search needs.
#[test]
fn a_search_is_believed_for_what_a_search_needs_only() {
    let policy = |sid: &str, actions: &str| {
        let statement = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "{sid}", "Effect": "Allow", "Action": {actions}, "Resource": "*"}}]}}"#
        );
        codes("policy.json", &statement).contains(&"L6")
    };
    assert!(!policy(
        "SearchSecrets",
        r#""secretsmanager:GetSecretValue""#
    ));
    assert!(policy("Secrets", r#""secretsmanager:GetSecretValue""#));
    for actions in [
        r#""*""#,
        r#""secretsmanager:*""#,
        r#"["secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret"]"#,
    ] {
        assert!(policy("SearchSecrets", actions), "{actions}");
    }

    let member = |name: &str, role: &str| {
        let text = format!(
            "resource \"google_project_iam_member\" \"{name}\" {{\n  project = \"p\"\n  role = \"{role}\"\n  member = \"serviceAccount:a@p.iam.gserviceaccount.com\"\n}}\n"
        );
        codes("a.tf", &text).contains(&"L6")
    };
    assert!(!member("search_p", "roles/secretmanager.secretAccessor"));
    assert!(member("read_p", "roles/secretmanager.secretAccessor"));
    assert!(member("search_p", "roles/secretmanager.admin"));
}

proptest::proptest! {
    #[test]
    fn never_panics(name in "a\\.(tf|json|yaml|hcl)", text in "([a-zA-Z]+|[\\[\\]{}\":,=\n -]|Statement|apiVersion|kind|bindings|oidc){0,30}") {
        let _ = look(&name, &text, &expect());
    }
}
