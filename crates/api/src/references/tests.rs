//! One row for each place of the API where an object can be named.

use serde_json::{Value, json};

use super::*;

fn references(provider: Value) -> Vec<String> {
    let spec: SecretStoreSpec = crate::decode(&json!({"provider": provider})).unwrap();
    let text = |r: Reference| {
        let namespace = r.namespace.map(|n| format!("{n}/")).unwrap_or_default();
        format!("{} {namespace}{}", r.kind.plural(), r.name)
    };
    spec.references().into_iter().map(text).collect()
}

fn key(name: &str) -> Value {
    json!({"name": name, "key": "k"})
}

#[test]
fn every_place_that_names_an_object_is_found() {
    let web = json!({"serviceAccountRef": {"name": "sa"}});
    let keys = json!({"accessKeyIDSecretRef": key("id"), "secretAccessKeySecretRef": key("secret"), "sessionTokenSecretRef": key("token")});
    let key_names = ["secrets id", "secrets secret", "secrets token"];
    let ca = |kind: &str| json!({"type": kind, "name": "ca", "key": "k", "namespace": "trust"});
    let aws =
        |auth: Value| json!({"aws": {"service": "SecretsManager", "region": "r", "auth": auth}});
    let gcp = |auth: Value| json!({"gcpsm": {"auth": auth}});
    let azure = |rest: Value| {
        let mut azure = json!({"azurekv": {"vaultUrl": "u"}});
        azure["azurekv"]
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        azure
    };
    let vault = |auth: Value| json!({"vault": {"server": "s", "auth": auth}});
    let bao = |auth: Value| json!({"openBao": {"server": "s", "auth": auth}});
    let kube = |auth: Value| json!({"kubernetes": {"auth": auth}});
    let table: Vec<(Value, &[&str])> = vec![
        (
            json!({"aws": {"service": "ParameterStore", "region": "r"}}),
            &[],
        ),
        (aws(json!({"jwt": web})), &["serviceaccounts sa"]),
        (aws(json!({"secretRef": keys})), &key_names),
        (
            azure(json!({"serviceAccountRef": {"name": "sa", "namespace": "n"}})),
            &["serviceaccounts n/sa"],
        ),
        (
            azure(
                json!({"authSecretRef": {"clientId": key("a"), "tenantId": key("b"), "clientSecret": key("c"), "clientCertificate": key("d")}}),
            ),
            &["secrets a", "secrets b", "secrets c", "secrets d"],
        ),
        (
            gcp(json!({"secretRef": {"secretAccessKeySecretRef": key("a")}})),
            &["secrets a"],
        ),
        (
            gcp(json!({"workloadIdentity": web})),
            &["serviceaccounts sa"],
        ),
        (
            gcp(
                json!({"workloadIdentityFederation": {"serviceAccountRef": {"name": "sa"}, "credConfig": key("cm"), "awsSecurityCredentials": {"region": "r", "awsCredentialsSecretRef": {"name": "s", "namespace": "n"}}}}),
            ),
            &["secrets n/s", "configmaps cm", "serviceaccounts sa"],
        ),
        (
            json!({"vault": {"server": "s", "caProvider": ca("ConfigMap"), "tls": {"certSecretRef": key("cert"), "keySecretRef": key("key")}}}),
            &["secrets cert", "secrets key", "configmaps trust/ca"],
        ),
        (vault(json!({"tokenSecretRef": key("a")})), &["secrets a"]),
        (
            vault(json!({"appRole": {"path": "p", "roleRef": key("a"), "secretRef": key("b")}})),
            &["secrets a", "secrets b"],
        ),
        (
            vault(
                json!({"kubernetes": {"mountPath": "p", "role": "r", "serviceAccountRef": {"name": "sa"}, "secretRef": {"name": "s"}}}),
            ),
            &["secrets s", "serviceaccounts sa"],
        ),
        (
            vault(json!({"ldap": {"path": "p", "username": "u", "secretRef": key("a")}})),
            &["secrets a"],
        ),
        (
            vault(json!({"userPass": {"path": "p", "username": "u", "secretRef": key("a")}})),
            &["secrets a"],
        ),
        (
            vault(
                json!({"jwt": {"path": "p", "kubernetesServiceAccountToken": web, "secretRef": key("a")}}),
            ),
            &["secrets a", "serviceaccounts sa"],
        ),
        (
            vault(json!({"cert": {"clientCert": key("a"), "secretRef": key("b")}})),
            &["secrets a", "secrets b"],
        ),
        (
            vault(json!({"iam": {"vaultRole": "r", "jwt": web}})),
            &["serviceaccounts sa"],
        ),
        (
            vault(json!({"iam": {"vaultRole": "r", "secretRef": keys}})),
            &key_names,
        ),
        (
            vault(
                json!({"gcp": {"role": "r", "secretRef": {"secretAccessKeySecretRef": key("a")}, "workloadIdentity": web, "serviceAccountRef": {"name": "other"}}}),
            ),
            &["secrets a", "serviceaccounts other", "serviceaccounts sa"],
        ),
        (
            json!({"openBao": {"server": "s", "caProvider": ca("Secret")}}),
            &["secrets trust/ca"],
        ),
        (bao(json!({"tokenSecretRef": key("a")})), &["secrets a"]),
        (
            bao(json!({"appRole": {"path": "p", "roleRef": key("a"), "secretRef": key("b")}})),
            &["secrets a", "secrets b"],
        ),
        (
            bao(json!({"userPass": {"path": "p", "username": "u", "secretRef": key("a")}})),
            &["secrets a"],
        ),
        (
            json!({"kubernetes": {"authRef": key("a"), "server": {"caProvider": ca("ConfigMap")}}}),
            &["secrets a", "configmaps trust/ca"],
        ),
        (
            kube(json!({"cert": {"clientCert": key("a"), "clientKey": key("b")}})),
            &["secrets a", "secrets b"],
        ),
        (
            kube(json!({"serviceAccount": {"name": "sa"}})),
            &["serviceaccounts sa"],
        ),
        (
            kube(json!({"token": {"bearerToken": key("a")}})),
            &["secrets a"],
        ),
        (
            json!({"webhook": {"url": "u", "caProvider": ca("Secret"), "secrets": [{"name": "x", "secretRef": key("a")}, {"name": "y", "secretRef": key("b")}], "auth": {"ntlm": {"usernameSecret": key("c"), "passwordSecret": key("d")}}}}),
            &[
                "secrets a",
                "secrets b",
                "secrets c",
                "secrets d",
                "secrets trust/ca",
            ],
        ),
        (
            json!({"crd": {"authRef": key("a"), "server": {"caProvider": ca("Secret")}, "resource": {"group": "", "version": "v1", "kind": "X"}}}),
            &["secrets a", "secrets trust/ca"],
        ),
        (
            json!({"fake": {"data": [{"key": "name", "value": "v"}]}}),
            &[],
        ),
        (
            json!({"gitlab": {"auth": {"SecretRef": {"accessToken": key("a")}}}}),
            &[],
        ),
    ];
    for (provider, expected) in table {
        let mut expected: Vec<&str> = expected.to_vec();
        let mut found = references(provider.clone());
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{provider}");
    }
}

#[test]
fn each_object_counts_once_and_one_without_a_name_not_at_all() {
    let vault = |auth: Value| json!({"vault": {"server": "s", "auth": auth}});
    let both = json!({"cert": {"clientCert": key("tls"), "secretRef": key("tls")}});
    assert_eq!(references(vault(both)), ["secrets tls"]);
    assert_eq!(
        references(vault(json!({"tokenSecretRef": {"key": "k"}}))),
        [""; 0]
    );
    let empty = json!({"tokenSecretRef": {"name": "s", "namespace": ""}});
    assert_eq!(references(vault(empty)), ["secrets s"]);
}

/// The schema tells of every selector that the API has: none may be a plain object that the walk
/// passes by.
#[test]
fn no_selector_of_the_schema_escapes_the_walk() {
    fn selectors(path: &str, schema: &Value, found: &mut Vec<String>) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let has = |name: &str| properties.is_some_and(|p| p.contains_key(name));
        let known = ["name", "key", "namespace", "type", "audiences"];
        let only_known = properties.is_some_and(|p| p.keys().all(|k| known.contains(&k.as_str())));
        if has("name") && has("namespace") && only_known {
            found.push(path.to_owned());
            return;
        }
        for (name, part) in properties.into_iter().flatten() {
            selectors(&format!("{path}/{name}"), part, found);
        }
        if let Some(items) = schema.get("items") {
            selectors(&format!("{path}/0"), items, found);
        }
    }
    let schema = <SecretStoreProvider as crate::schema::Schema>::schema().into_value();
    let mut paths = Vec::new();
    selectors("", &schema, &mut paths);
    assert!(paths.len() > 40, "{}", paths.len());
    for path in paths {
        let mut value = json!({"name": "it", "key": "k", "type": "Secret"});
        for part in path.trim_start_matches('/').rsplit('/') {
            value = if part == "0" {
                json!([value])
            } else {
                json!({part: value})
            };
        }
        let value = completed(&schema, value);
        let found = references(value.clone());
        let found = found.iter().any(|r| r.ends_with(" it"));
        assert!(found, "{path}: {value}");
    }
}

/// `value` with whatever its schema requires.
fn completed(schema: &Value, value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let items = items.into_iter().map(|v| completed(&schema["items"], v));
            Value::Array(items.collect())
        }
        Value::Object(fields) => {
            let mut out = serde_json::Map::new();
            for (name, part) in fields {
                let schema = &schema["properties"][name.as_str()];
                out.insert(name, completed(schema, part));
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap();
                let schema = &schema["properties"][name];
                let filler = match schema["type"].as_str() {
                    Some("object") => completed(schema, json!({})),
                    Some("array") => json!([]),
                    _ => json!("x"),
                };
                out.entry(name).or_insert(filler);
            }
            Value::Object(out)
        }
        other => other,
    }
}
