use serde_json::json;

use super::*;

fn facts(value: serde_json::Value) -> Facts {
    serde_json::from_value(value).unwrap()
}

#[test]
fn nothing_is_guessed() {
    let diagnosis = diagnose(&Facts::default());
    assert_eq!(diagnosis.broken, None);
    assert!(!diagnosis.is_sound());
    assert!(diagnosis.chain.iter().all(|s| s.state == State::Unknown));
    // A text that nobody knows is no verdict either.
    let diagnosis = diagnose(&facts(json!({"about": "X", "errors": ["it is raining"]})));
    assert_eq!(diagnosis.broken, None);
}

#[test]
fn links_before_a_refusal_hold_and_links_behind_are_not_reached() {
    let text = "AADSTS700213: No matching federated identity record found";
    let diagnosis = diagnose(&facts(
        json!({"about": "ExternalSecret a/b", "errors": [text]}),
    ));
    let broken = diagnosis.broken.as_ref().unwrap();
    assert_eq!((broken.code, broken.link), ("Z3", Link::TrustObject));
    let state = |link| {
        diagnosis
            .chain
            .iter()
            .find(|s| s.link == link)
            .unwrap()
            .state
    };
    assert_eq!(state(Link::Keys), State::Holds);
    assert_eq!(state(Link::Secret), State::NotReached);
    let text = super::text(&diagnosis);
    for part in [
        "XX trust-object",
        "[Z3]",
        "docs/errors/azure.md#z3",
        "not reached",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// A page holds what others wrote; none of it becomes markup.
#[test]
fn pages_hold_no_markup_of_others() {
    let evil = "<script>alert(1)</script>\"&";
    let said = format!("AADSTS700213: {evil}");
    let value = json!({
        "about": format!("ExternalSecret a/{evil}"),
        "errors": [said],
        "unseen": [{"what": evil, "why": evil}],
    });
    let page = html(&[diagnose(&facts(value))]);
    assert!(!page.contains("<script"), "{page}");
    assert!(
        page.contains("&lt;script&gt;") && page.contains("&quot;&amp;"),
        "{page}"
    );
    assert!(page.ends_with("</body></html>\n"));
}

/// Whoever looks may not be allowed to mint a token: that breaks no chain.
#[test]
fn missing_rights_of_the_doctor_are_no_verdict() {
    let value = json!({
        "about": "SecretStore a/s",
        "objects": [
            {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "s", "namespace": "a"},
             "spec": {"provider": {"aws": {"service": "ParameterStore", "region": "eu-west-1", "auth": {"jwt": {"serviceAccountRef": {"name": "w"}}}}}}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "w", "namespace": "a",
             "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/w"}}},
        ],
        "tokens": [{"account": "a/w", "refused": "cannot create resource \"serviceaccounts/token\""}],
        "unseen": [{"what": "namespaces", "why": "forbidden"}],
    });
    let diagnosis = diagnose(&facts(value));
    assert_eq!(diagnosis.broken, None);
    assert_eq!(
        diagnosis.identity.as_ref().unwrap().subject(),
        "system:serviceaccount:a:w"
    );
    assert_eq!(diagnosis.unseen.len(), 1);
    assert!(diagnosis.further.iter().any(|v| v.code == "K21"));
}
