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

fn vault_store() -> serde_json::Value {
    json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "s"},
        "spec": {"provider": {"vault": {"server": "https://v", "path": "secret", "auth": {"appRole": {
            "path": "approle", "roleRef": {"name": "login", "namespace": "a", "key": "role"},
            "secretRef": {"name": "login", "key": "secret"}}},
            "caProvider": {"type": "ConfigMap", "name": "ca", "namespace": "a", "key": "ca.crt"}}}}})
}

/// What a store names is asked for where the store looks for it.
#[test]
fn what_a_store_names_is_known_with_its_keys() {
    let names: Vec<(String, Vec<String>)> = wanted(&vault_store(), "b")
        .into_iter()
        .map(|w| (w.full_name(), w.keys.into_iter().collect()))
        .collect();
    let both = vec!["role".to_owned(), "secret".to_owned()];
    assert!(
        names.contains(&("Secret a/login".into(), both.clone())),
        "{names:?}"
    );
    assert!(
        names.contains(&("Secret b/login".into(), both)),
        "{names:?}"
    );
    assert!(
        names.contains(&("ConfigMap a/ca".into(), vec!["ca.crt".into()])),
        "{names:?}"
    );
}

#[test]
fn stored_objects_are_missed_by_name_and_by_key() {
    let external = json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "e", "namespace": "a"},
        "spec": {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "s"}, "data": []}});
    let look = |more: serde_json::Value| {
        let mut value =
            json!({"about": "ExternalSecret a/e", "objects": [external, vault_store()]});
        let (into, from) = (value.as_object_mut().unwrap(), more.as_object().unwrap());
        into.extend(from.clone());
        diagnose(&facts(value))
    };
    let found = look(json!({"absent": ["Secret a/login"]})).broken.unwrap();
    assert_eq!((found.code, found.link), ("O8", Link::Store));
    let found = look(json!({"absent": ["ConfigMap a/ca"]})).broken.unwrap();
    assert_eq!(found.subject, "ConfigMap a/ca");
    let found =
        look(json!({"stored": [{"name": "Secret a/login", "keys": {"role": 3, "Secret": 3}}]}));
    let found = found.broken.unwrap();
    assert_eq!((found.code, found.link), ("O9", Link::Store));
    assert_eq!(found.observed, "keys Secret, role");
    let empty =
        look(json!({"stored": [{"name": "Secret a/login", "keys": {"role": 0, "secret": 3}}]}));
    assert_eq!(empty.broken.unwrap().observed, "key role is empty");
    // Where only metadata was read, nothing is said of keys.
    assert_eq!(
        look(json!({"stored": [{"name": "Secret a/login"}]})).broken,
        None
    );
}

/// A refusal that came just now is a verdict, even if nothing in the catalogue is about it.
#[test]
fn an_unknown_refusal_of_a_login_is_told() {
    let value = json!({"about": "ExternalSecret a/e", "logins": [
        {"identity": "role app", "refused": "it is raining", "link": "identity"}]});
    let diagnosis = diagnose(&facts(value));
    let broken = diagnosis.broken.as_ref().unwrap();
    assert_eq!((broken.code, broken.link), ("", Link::Identity));
    let (text, page) = (
        super::text(&diagnosis),
        html(std::slice::from_ref(&diagnosis)),
    );
    assert!(
        text.contains("it is raining") && !text.contains("[]"),
        "{text}"
    );
    assert!(page.contains("Broken at identity</p>"), "{page}");
}

/// A login that succeeds now is stronger than what was said before, and than what documents show.
#[test]
fn a_login_outweighs_older_words() {
    let old = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let value = |logins: serde_json::Value| {
        json!({"about": "ExternalSecret a/e", "logins": logins, "objects": [
            {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "e", "namespace": "a"},
             "spec": {"secretStoreRef": {"name": "s"}},
             "status": {"conditions": [{"type": "Ready", "status": "False", "message": old}]}}]})
    };
    let before = diagnose(&facts(value(json!([]))));
    assert_eq!(before.broken.unwrap().code, "A3");
    let after = diagnose(&facts(value(json!([{"identity": "role r"}]))));
    assert_eq!(after.broken, None);
    let trust = after
        .chain
        .iter()
        .find(|s| s.link == Link::TrustObject)
        .unwrap();
    assert_eq!(
        (trust.state, trust.evidence.as_str()),
        (State::Holds, "logged in as role r just now")
    );
    assert!(after.further.iter().any(|v| v.code == "A3"));
    // A refusal now goes before what was said earlier.
    let refused = json!([{"identity": "role r", "refused": "No OpenIDConnect provider found; required one [A1]"}]);
    let refused = diagnose(&facts(value(refused)));
    assert_eq!(refused.broken.unwrap().code, "A1");
}
