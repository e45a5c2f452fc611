//! Acceptance and refusal, sample by sample, in the words that users know.

use serde_json::{Value, json};

use super::validate_store;
use crate::decode;

const NAMESPACE: &str = "namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore";

/// One sample: its name, the spec, and every complaint about it.
type Sample<'a> = (&'a str, Value, &'a [&'a str]);

/// A SecretStore of namespace `own`, and every complaint about it.
fn judge_store(sample: Sample<'_>) {
    let (name, spec, complaints) = sample;
    let found = validate_store(&decode(&spec).unwrap(), Some("own"));
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, complaints, "{name}");
}

fn fake(part: Value) -> Value {
    let mut spec = json!({"provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}});
    for (key, value) in part.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn store_intervals() {
    let at = |interval: Value| fake(json!({"refreshInterval": interval}));
    let samples: [Sample<'_>; 8] = [
        ("none", fake(json!({})), &[]),
        (
            "negative text",
            at(json!("-5s")),
            &[r#"spec.refreshInterval: invalid refreshInterval "-5s": must not be negative"#],
        ),
        (
            "negative number",
            at(json!(-5)),
            &["spec.refreshInterval: invalid refreshInterval -5: must not be negative"],
        ),
        (
            "word",
            at(json!("abc")),
            &[
                r#"spec.refreshInterval: invalid refreshInterval "abc": time: invalid duration "abc""#,
            ],
        ),
        (
            "number as text",
            at(json!("30")),
            &[
                r#"spec.refreshInterval: invalid refreshInterval "30": time: missing unit in duration "30""#,
            ],
        ),
        ("text", at(json!("1h30m")), &[]),
        ("number", at(json!(30)), &[]),
        ("zero", at(json!("0s")), &[]),
    ];
    samples.into_iter().for_each(judge_store);
}

#[test]
fn store_conditions() {
    let regexes = |list: Value| fake(json!({"conditions": [{"namespaceRegexes": list}]}));
    judge_store(("good", regexes(json!(["^a.*", "b"])), &[]));
    judge_store((
        "bad",
        regexes(json!(["a", "["])),
        &[
            "spec.conditions[0].namespaceRegexes[1]: failed to compile 1th namespace regex in 0th condition: error parsing regexp: missing closing ]: `[`",
        ],
    ));
}

#[test]
fn store_providers() {
    let provider = |provider: Value| json!({"provider": provider});
    let data = |key: &str, value: &str| {
        provider(json!({"fake": {"data": [{"key": key, "value": value}]}}))
    };
    let samples: [Sample<'_>; 8] = [
        (
            "none",
            provider(json!({})),
            &["spec.provider: exactly one provider must be set, found none"],
        ),
        (
            "two",
            provider(json!({"fake": {"data": []}, "vault": {"server": "http://x"}})),
            &["spec.provider: exactly one provider must be set, found vault, fake"],
        ),
        (
            "unknown",
            provider(json!({"nosuch": {}})),
            &[r#"spec.provider: unknown provider "nosuch""#],
        ),
        (
            "not ours",
            provider(json!({"gitlab": {"x": {"name": "a", "namespace": "b"}}})),
            &[],
        ),
        ("no data", provider(json!({"fake": {"data": []}})), &[]),
        (
            "empty key",
            data("", "x"),
            &["spec.provider.fake.data[0].key: key must be set in data 0"],
        ),
        (
            "empty value",
            data("a", ""),
            &["spec.provider.fake.data[0].value: at least one value must be set in data 0"],
        ),
        (
            "webhook",
            provider(
                json!({"webhook": {"url": "http://x", "headers": {"name": "a", "namespace": "b"}}}),
            ),
            &[],
        ),
    ];
    samples.into_iter().for_each(judge_store);
}

#[test]
fn aws_stores() {
    let aws = |part: Value| {
        let mut aws = json!({"service": "SecretsManager", "region": "eu-west-1"});
        for (key, value) in part.as_object().unwrap() {
            aws[key] = value.clone();
        }
        json!({"provider": {"aws": aws}})
    };
    let deletion = |options: Value| aws(json!({"secretsManager": options}));
    let jwt = |namespace: &str| {
        aws(json!({"auth": {"jwt": {"serviceAccountRef": {"name": "sa", "namespace": namespace}}}}))
    };
    let foreign = format!(
        "spec.provider.aws.auth.jwt.serviceAccountRef.namespace: invalid Auth.JWT.ServiceAccountRef: {NAMESPACE}"
    );
    let samples: [Sample<'_>; 9] = [
        ("unknown region", aws(json!({"region": "nowhere-9"})), &[]),
        (
            "unknown service",
            aws(json!({"service": "S3"})),
            &[
                r#"spec.provider.aws.service: Unsupported value: "S3": supported values: "SecretsManager", "ParameterStore", "CertificateManager""#,
            ],
        ),
        (
            "force and window",
            deletion(json!({"forceDeleteWithoutRecovery": true, "recoveryWindowInDays": 7})),
            &[
                "spec.provider.aws.secretsManager: invalid DeleteSecretInput: ForceDeleteWithoutRecovery conflicts with RecoveryWindowInDays",
            ],
        ),
        (
            "short window",
            deletion(json!({"recoveryWindowInDays": 3})),
            &[
                "spec.provider.aws.secretsManager: invalid DeleteSecretInput: RecoveryWindowInDays must be between 7 and 30 days",
            ],
        ),
        (
            "window",
            deletion(json!({"recoveryWindowInDays": 30, "forceDeleteWithoutRecovery": false})),
            &[],
        ),
        (
            "reserved tag",
            aws(json!({"sessionTagsPolicy": "Custom", "customSessionTags": {"esoNamespace": "x"}})),
            &[
                "spec.provider.aws.customSessionTags: customSessionTags cannot contain automatically injected reserved keys: esoNamespace, esoStoreName, esoStoreKind",
            ],
        ),
        ("own namespace", jwt("own"), &[]),
        ("empty namespace", jwt(""), &[]),
        ("other namespace", jwt("other"), &[&foreign]),
    ];
    samples.into_iter().for_each(judge_store);
    let cluster = validate_store(&decode(&jwt("other")).unwrap(), None);
    assert!(
        cluster.is_empty(),
        "a cluster-wide store may name a namespace: {cluster:?}"
    );
}

#[test]
fn vault_stores() {
    let vault = |auth: Value| json!({"provider": {"vault": {"server": "http://x", "namespace": "team", "auth": auth}}});
    let token = |namespace: &str| {
        vault(
            json!({"namespace": "a", "tokenSecretRef": {"name": "t", "key": "k", "namespace": namespace}}),
        )
    };
    let jwt = |part: Value| vault(json!({"jwt": part}));
    let minted = |namespace: &str| {
        jwt(
            json!({"kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "sa", "namespace": namespace}}}),
        )
    };
    let foreign_token = format!(
        "spec.provider.vault.auth.tokenSecretRef.namespace: invalid Auth.TokenSecretRef: {NAMESPACE}"
    );
    let foreign_account = format!(
        "spec.provider.vault.auth.jwt.kubernetesServiceAccountToken.serviceAccountRef.namespace: \
         invalid Auth.Jwt.KubernetesServiceAccountToken.ServiceAccountRef: {NAMESPACE}"
    );
    let samples: [Sample<'_>; 6] = [
        (
            "no login",
            json!({"provider": {"vault": {"server": "http://x"}}}),
            &[],
        ),
        ("own token", token("own"), &[]),
        ("foreign token", token("other"), &[&foreign_token]),
        (
            "jwt of nothing",
            jwt(json!({"path": "jwt", "role": "r"})),
            &[
                "spec.provider.vault.auth.jwt: neither `secretRef` nor `kubernetesServiceAccountToken` was supplied as token source for jwt authentication",
            ],
        ),
        ("jwt of own account", minted("own"), &[]),
        (
            "jwt of foreign account",
            minted("other"),
            &[&foreign_account],
        ),
    ];
    samples.into_iter().for_each(judge_store);
}

#[test]
fn logins_of_which_there_must_be_one() {
    let bao = |part: Value| json!({"provider": {"openBao": part}});
    let reference = || json!({"name": "n", "key": "k"});
    judge_store((
        "openBao",
        bao(
            json!({"server": "x", "caBundle": "eA==", "caProvider": {"type": "Secret", "name": "n"},
            "auth": {"appRole": {"secretRef": reference()}, "tokenSecretRef": reference()}}),
        ),
        &[
            "spec.provider.openBao: at most one of caBundle and caProvider may be set",
            "spec.provider.openBao.auth: exactly one of appRole, tokenSecretRef and userPass must be set",
            "spec.provider.openBao.auth.appRole: exactly one of roleId and roleRef must be set",
        ],
    ));
    let good =
        bao(json!({"server": "x", "auth": {"appRole": {"secretRef": reference(), "roleId": "r"}}}));
    judge_store(("one openBao login", good, &[]));
    let resource = || json!({"group": "g", "version": "v1", "kind": "K"});
    let none = json!({"provider": {"crd": {"resource": resource()}}});
    judge_store((
        "crd",
        none,
        &["spec.provider.crd: exactly one of auth and authRef must be set"],
    ));
    let one = json!({"provider": {"crd": {"resource": resource(), "authRef": reference()}}});
    judge_store(("one crd login", one, &[]));
}
