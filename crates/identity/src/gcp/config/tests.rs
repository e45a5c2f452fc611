use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/providers/prov-1";
const TENANT: Author<'_> = Author::Tenant {
    endpoint: Some("https://tokens.example/t"),
};

fn document(source: Value) -> Value {
    json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": JWT,
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    })
}

fn found(document: &Value, author: Author<'_>) -> Result<Found, Error> {
    let env = [("AWS_REGION", "eu-central-1")].into_iter().collect();
    read(&document.to_string(), "it", author, None, &env)
}

fn with(field: &str, value: Value) -> Value {
    let mut document = document(json!({"file": "/t"}));
    document[field] = value;
    document
}

#[test]
fn sources() {
    for (source, says) in [
        (
            json!({"file": "/var/run/google/token"}),
            "\"/var/run/google/token\"",
        ),
        (
            json!({"url": "https://tokens.example/t", "headers": {"a": "b"},
                "format": {"type": "json", "subject_token_field_name": "jwt"}}),
            "tokens.example",
        ),
        (
            json!({"environment_id": "aws1",
                "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
                "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}),
            "at AWS",
        ),
    ] {
        let found = found(&document(source), TENANT).unwrap();
        let Source::Federated { subject, .. } = found.source else {
            panic!("{found:?}");
        };
        assert!(subject.describe().contains(says), "{}", subject.describe());
    }
}

#[test]
fn impersonation() {
    let url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken";
    let mut document = with("service_account_impersonation_url", json!(url));
    document["service_account_impersonation"] = json!({"token_lifetime_seconds": 1800});
    let account = found(&document, TENANT).unwrap().impersonate.unwrap();
    assert_eq!(account.email, "a@p.iam.gserviceaccount.com");
    assert_eq!(account.life, Duration::from_secs(1800));
    for bad in [
        url.replace("googleapis.com", "evil.example"),
        url.replace("https", "http"),
        url.replace("a@p", "../a@p"),
        url.replace("a@p", "x/y:z?a@p"),
        url.replace("generateAccessToken", "signBlob"),
    ] {
        let wrong = with("service_account_impersonation_url", json!(bad));
        assert!(found(&wrong, TENANT).is_err(), "{bad}");
    }
    document["service_account_impersonation"] = json!({"token_lifetime_seconds": 60});
    assert!(found(&document, TENANT).is_err());
}

#[test]
fn a_tenant_reaches_nothing_of_the_operators() {
    let cases = [
        with("type", json!("service_account")),
        with("token_url", json!("https://sts.evil.example/v1/token")),
        with("token_url", json!("http://sts.googleapis.com/v1/token")),
        with("universe_domain", json!("evil.example")),
        with("audience", json!("https://evil.example")),
        with("credential_source", Value::Null),
        document(json!({"executable": {"command": "/bin/sh"}})),
        document(json!({"file": "/var/run/secrets/kubernetes.io/serviceaccount/token"})),
        document(json!({"file": "/run/secrets/kubernetes.io/serviceaccount/token"})),
        document(json!({"file": "/var/run/../run/secrets/kubernetes.io/serviceaccount/token"})),
        document(json!({"file": "/proc/self/environ"})),
        document(json!({"file": "token"})),
        document(json!({"url": "http://169.254.169.254/x"})),
        document(json!({"url": "https://tokens.example/other"})),
        document(json!({"file": "/t", "url": "https://tokens.example/t"})),
        document(json!({})),
        document(
            json!({"environment_id": "aws1", "url": "http://evil.example/latest/meta-data/iam/security-credentials"}),
        ),
        document(
            json!({"environment_id": "aws1", "regional_cred_verification_url": "https://sts.evil.example"}),
        ),
        document(json!({"environment_id": "gcp1"})),
    ];
    for case in cases {
        let error = found(&case, TENANT).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{case}");
    }
    // The operator's own configuration may name its own token, and another universe.
    let own = document(json!({"file": "/var/run/secrets/kubernetes.io/serviceaccount/token"}));
    assert!(found(&own, Author::Operator).is_ok());
    let mut other = with("universe_domain", json!("example.goog"));
    other["token_url"] = json!("https://sts.example.goog/v1/token");
    assert_eq!(
        found(&other, Author::Operator).unwrap().cloud.universe,
        "example.goog"
    );
}

proptest! {
    #[test]
    fn anything_may_come(text in ".{0,120}") {
        let env = Environment::default();
        let _ = read(&text, "it", TENANT, None, &env);
        let odd = with("service_account_impersonation_url", json!(text)).to_string();
        let _ = read(&odd, "it", TENANT, None, &env);
        let odd = document(json!({"file": text, "url": text})).to_string();
        let _ = read(&odd, "it", TENANT, None, &env);
        if is_email(&text) {
            prop_assert!(!text.contains(['/', '?', '#', ':', '%']));
        }
    }
}
