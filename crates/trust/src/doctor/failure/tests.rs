use serde_json::{Value, json};

use super::*;

const IN_CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
const PUBLIC: &str = "https://oidc.example.com/c1";
const ROLE: &str = "arn:aws:iam::111122223333:role/web";

/// One failure: what the store says, what was read of the account, what token was shown.
struct Case {
    provider: Value,
    annotations: Option<Value>,
    token: Option<Value>,
    link: Link,
    code: &'static str,
}

impl Case {
    fn verdict(&self) -> Option<Verdict> {
        let spec = json!({"provider": self.provider});
        let spec: SecretStoreSpec = keyless_api::decode(&spec).unwrap();
        let store = ObjectRef::new("SecretStore", "shop", "s");
        let annotations: Option<BTreeMap<String, String>> = self
            .annotations
            .clone()
            .map(|a| serde_json::from_value(a).unwrap());
        let account = annotations.as_ref().map(|annotations| Account {
            namespace: "shop",
            name: "web",
            annotations,
        });
        let claims = self.token.clone().unwrap_or_default();
        let text = |name: &str| claims[name].as_str().unwrap_or_default();
        let audiences: Vec<String> = text("aud")
            .split(',')
            .filter(|a| !a.is_empty())
            .map(str::to_owned)
            .collect();
        let token = self.token.as_ref().map(|_| Presented {
            issuer: text("iss"),
            subject: text("sub"),
            audiences: &audiences,
            algorithm: text("alg"),
            key: claims["kid"].as_str(),
            life: claims["life"].as_i64(),
        });
        sharpen(&Failure {
            store: &store,
            spec: &spec,
            namespace: "shop",
            account,
            token,
            link: self.link,
            code: self.code,
        })
    }

    /// Code and link of what is added.
    fn found(&self) -> Option<(&'static str, Link)> {
        self.verdict().map(|v| (v.code, v.link))
    }
}

fn aws() -> Value {
    json!({"aws": {"service": "ParameterStore", "region": "eu-central-1",
        "auth": {"jwt": {"serviceAccountRef": {"name": "web"}}}}})
}

fn azure(environment: &str) -> Value {
    json!({"azurekv": {"vaultUrl": "https://v.vault.azure.net", "authType": "WorkloadIdentity",
        "environmentType": environment, "serviceAccountRef": {"name": "web"}}})
}

fn google() -> Value {
    json!({"gcpsm": {"projectID": "blue", "auth": {"workloadIdentityFederation": {
        "audience": "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/blue/providers/c",
        "serviceAccountRef": {"name": "web"}}}}})
}

fn vault() -> Value {
    json!({"vault": {"server": "https://vault.internal", "path": "secret", "auth": {"jwt": {"path": "jwt", "role": "web",
        "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "web"}}}}}})
}

fn token(changes: Value) -> Option<Value> {
    let mut token = json!({"iss": PUBLIC, "sub": "system:serviceaccount:shop:web", "aud": "sts.amazonaws.com",
        "alg": "RS256", "kid": "k", "life": 3600});
    let (Value::Object(all), Value::Object(changes)) = (&mut token, changes) else {
        panic!("no object");
    };
    all.extend(changes);
    Some(token)
}

fn shown(
    provider: Value,
    changes: Value,
    link: Link,
    code: &'static str,
) -> Option<(&'static str, Link)> {
    let case = Case {
        provider,
        annotations: None,
        token: token(changes),
        link,
        code,
    };
    case.found()
}

#[test]
fn an_issuer_that_no_cloud_reaches_is_named_where_the_issuer_was_refused() {
    let inside = json!({"iss": IN_CLUSTER});
    let found = |provider, link, code| shown(provider, inside.clone(), link, code);
    let k1 = Some(("K1", Link::IssuerDocument));
    let at = Link::TrustObject;
    assert_eq!(found(aws(), at, "A1"), k1);
    assert_eq!(found(aws(), Link::Keys, "A8"), k1);
    assert_eq!(found(azure("PublicCloud"), at, "Z1"), k1);
    assert_eq!(found(google(), at, "G5"), k1);
    assert_eq!(found(google(), Link::IssuerDocument, "G4"), k1);
    // Whoever complains of something else knows the issuer; Vault may reach what no cloud does.
    assert_eq!(found(aws(), at, "A2"), None);
    assert_eq!(found(azure("PublicCloud"), at, "Z3"), None);
    assert_eq!(found(aws(), Link::Identity, "A3"), None);
    assert_eq!(found(vault(), at, "V4"), None);
    assert_eq!(shown(aws(), json!({}), at, "A1"), None);
    // A name of a private network may be known to a cloud of one's own.
    for issuer in ["https://localhost:4711", "https://oidc.corp.internal"] {
        assert_eq!(shown(aws(), json!({ "iss": issuer }), at, "A1"), None);
    }
    let plain = json!({"iss": "http://oidc.example.com"});
    assert_eq!(shown(aws(), plain, at, "A1"), k1);
}

#[test]
fn a_token_that_cannot_do_is_named_before_the_refusal() {
    let refused = Link::Identity;
    let legacy = json!({"iss": "kubernetes/serviceaccount", "aud": "", "life": null});
    assert_eq!(
        shown(aws(), legacy.clone(), Link::TrustObject, "A1"),
        Some(("K16", Link::Token))
    );
    let another = json!({"sub": "system:serviceaccount:shop:other"});
    assert_eq!(
        shown(aws(), another, refused, "A3"),
        Some(("K18", Link::Token))
    );
    let curve = json!({"alg": "ES256"});
    assert_eq!(
        shown(azure("PublicCloud"), curve.clone(), Link::TrustObject, "Z1"),
        Some(("Z11", Link::Token))
    );
    // AWS and Google take this one.
    assert_eq!(shown(aws(), curve.clone(), Link::Keys, "A8"), None);
    assert_eq!(shown(google(), curve, Link::Keys, "K7"), None);
    let strange = json!({"alg": "ES256K"});
    assert_eq!(
        shown(google(), strange.clone(), Link::Keys, "K7"),
        Some(("K6", Link::Keys))
    );
    assert_eq!(
        shown(aws(), strange, Link::Token, "K16"),
        Some(("K6", Link::Keys))
    );
}

#[test]
fn a_short_life_is_named_only_where_the_time_was_refused() {
    let short = json!({"life": 60});
    let found = |link, code| shown(aws(), short.clone(), link, code);
    assert_eq!(found(Link::Token, "K11"), Some(("K15", Link::Token)));
    assert_eq!(found(Link::Identity, "A3"), None);
    assert_eq!(shown(aws(), json!({}), Link::Token, "K11"), None);
}

#[test]
fn the_audience_of_another_cloud_is_named() {
    let case = |environment, aud: &str| Case {
        provider: azure(environment),
        annotations: None,
        token: token(json!({"aud": aud})),
        link: Link::TrustObject,
        code: "Z2",
    };
    let verdict = case("USGovernmentCloud", "api://AzureADTokenExchange").verdict();
    let verdict = verdict.unwrap();
    assert_eq!(verdict.code, "Z2");
    assert_eq!(
        verdict.required.as_deref(),
        Some("audience api://AzureADTokenExchangeUSGov")
    );
    assert!(verdict.fix.contains("serviceAccountRef.audiences"));
    for (environment, aud) in [
        ("USGovernmentCloud", "api://AzureADTokenExchangeUSGov"),
        ("PublicCloud", "api://AzureADTokenExchange"),
        ("PublicCloud", "api://my-own"),
    ] {
        assert_eq!(
            case(environment, aud).verdict(),
            None,
            "{environment} {aud}"
        );
    }
}

#[test]
fn annotations_are_judged_as_the_login_read_them() {
    let found = |provider: Value, annotations: Value, code| {
        Case {
            provider,
            annotations: Some(annotations),
            token: None,
            link: Link::Store,
            code,
        }
        .found()
    };
    assert_eq!(found(aws(), json!({}), "A4"), Some(("O1", Link::Manifest)));
    assert_eq!(
        found(aws(), json!({"eks.amazon.com/role-arn": ROLE}), "A4"),
        Some(("L14", Link::Manifest))
    );
    assert_eq!(
        found(azure("PublicCloud"), json!({}), "Z16"),
        Some(("O2", Link::Manifest))
    );
    assert_eq!(
        found(aws(), json!({"eks.amazonaws.com/role-arn": "web"}), "A4"),
        Some(("A4", Link::Manifest))
    );
    // A role in another partition than the region: nothing is added to the fault's own words.
    let elsewhere = json!({"eks.amazonaws.com/role-arn": "arn:aws-cn:iam::111122223333:role/web"});
    assert_eq!(found(aws(), elsewhere, "A4"), None);
}

#[test]
fn nothing_is_added_to_what_came_after_the_login() {
    for link in [
        Link::Network,
        Link::Permission,
        Link::Decryption,
        Link::Secret,
        Link::Template,
        Link::Kubernetes,
    ] {
        let case = Case {
            provider: aws(),
            annotations: Some(json!({})),
            token: token(json!({"iss": IN_CLUSTER, "sub": "system:serviceaccount:a:b"})),
            link,
            code: "",
        };
        assert_eq!(case.found(), None, "{link}");
    }
}

/// The operator's own token is another account's than the plan's, and that is no mistake.
#[test]
fn the_operators_own_token_is_not_another_accounts() {
    let provider = json!({"aws": {"service": "ParameterStore", "region": "eu-central-1"}});
    let own = json!({"sub": "system:serviceaccount:my-operator:eso"});
    assert_eq!(shown(provider.clone(), own, Link::Identity, "A3"), None);
    let inside = json!({"sub": "system:serviceaccount:my-operator:eso", "iss": IN_CLUSTER});
    assert_eq!(
        shown(provider, inside, Link::TrustObject, "A1"),
        Some(("K1", Link::IssuerDocument))
    );
}

/// The same try twice gives the same words: no times, no counts that grow.
#[test]
fn verdicts_are_stable() {
    for changes in [
        json!({"iss": IN_CLUSTER}),
        json!({"sub": "system:serviceaccount:a:b"}),
        json!({"life": 60}),
    ] {
        let case = || Case {
            provider: aws(),
            annotations: None,
            token: token(changes.clone()),
            link: Link::TrustObject,
            code: "A1",
        };
        assert_eq!(case().verdict(), case().verdict());
    }
}

#[test]
fn places_are_the_doctors() {
    assert_eq!(place("A1", "", Link::Store), Link::TrustObject);
    assert_eq!(place("", "", Link::Store), Link::Store);
    assert_eq!(
        place(
            "A6",
            "not authorized to perform: ssm:GetParameter",
            Link::Identity
        ),
        Link::Permission
    );
}
