//! The rules of SecretStore and ClusterSecretStore.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Findings, Shared, Violation, schema_of};
use crate::regexp;
use crate::rules;
use crate::store::{
    AwsProvider, CrdProvider, FakeProvider, OpenBaoProvider, PROVIDERS, SecretStoreProvider,
    SecretStoreSpec, VaultProvider,
};

static SCHEMA: Shared = LazyLock::new(schema_of::<SecretStoreSpec>);

const RESERVED_TAGS: [&str; 3] = ["esoNamespace", "esoStoreName", "esoStoreKind"];

/// Every rule that a store breaks; none for a valid one. `namespace` is that of a SecretStore,
/// and nothing for a ClusterSecretStore.
#[must_use]
pub fn validate_store(spec: &SecretStoreSpec, namespace: Option<&str>) -> Vec<Violation> {
    let mut findings = Findings::default();
    findings.unknown_values(spec, &SCHEMA, "spec");
    if let Err(error) = spec.refresh_interval() {
        findings.add("spec.refreshInterval", error.to_string());
    }
    for (i, condition) in spec.conditions.iter().enumerate() {
        for (j, pattern) in condition.namespace_regexes.iter().enumerate() {
            if let Err(error) = regexp::compile(pattern) {
                findings.add(
                    format!("spec.conditions[{i}].namespaceRegexes[{j}]"),
                    format!("failed to compile {j}th namespace regex in {i}th condition: {error}"),
                );
            }
        }
    }
    provider(&mut findings, &spec.provider);
    if let Some(namespace) = namespace {
        references(&mut findings, &spec.provider, namespace);
    }
    findings.0
}

/// Every reference of a namespaced store, in `namespace`, to an object of another namespace: a
/// Secret, a service account or a certificate authority, whatever the provider. Such a store would
/// read with the operator's rights what its author may not.
#[must_use]
pub fn foreign_references(spec: &SecretStoreSpec, namespace: &str) -> Vec<Violation> {
    let mut findings = Findings::default();
    references(&mut findings, &spec.provider, namespace);
    findings.0
}

fn provider(findings: &mut Findings, provider: &SecretStoreProvider) {
    let names = provider.names();
    match names.as_slice() {
        [] => findings.add(
            "spec.provider",
            "exactly one provider must be set, found none",
        ),
        [name] if !PROVIDERS.contains(name) => {
            findings.add("spec.provider", format!("unknown provider {name:?}"));
        }
        [_] => {}
        several => findings.add(
            "spec.provider",
            format!(
                "exactly one provider must be set, found {}",
                several.join(", ")
            ),
        ),
    }
    if let Some(aws) = &provider.aws {
        aws_rules(findings, aws);
    }
    if let Some(vault) = &provider.vault {
        vault_rules(findings, vault);
    }
    if let Some(open_bao) = &provider.open_bao {
        open_bao_rules(findings, open_bao);
    }
    if let Some(fake) = &provider.fake {
        fake_rules(findings, fake);
    }
    if let Some(CrdProvider { auth, auth_ref, .. }) = &provider.crd {
        let one = auth.is_some() != auth_ref.is_some();
        findings.check(!one, "spec.provider.crd", rules::ONE_CRD_LOGIN);
    }
}

fn aws_rules(findings: &mut Findings, aws: &AwsProvider) {
    let reserved = RESERVED_TAGS
        .iter()
        .any(|tag| aws.custom_session_tags.contains_key(*tag));
    let path = "spec.provider.aws.customSessionTags";
    findings.check(reserved, path, rules::RESERVED_TAGS);
    let Some(deletion) = &aws.secrets_manager else {
        return;
    };
    let path = "spec.provider.aws.secretsManager";
    let window = deletion.recovery_window_in_days.filter(|days| *days != 0);
    let force = deletion.force_delete_without_recovery == Some(true);
    findings.check(force && window.is_some(), path, rules::FORCE_AND_WINDOW);
    let outside = window.is_some_and(|days| !(7..=30).contains(&days));
    findings.check(outside, path, rules::RECOVERY_WINDOW);
}

fn vault_rules(findings: &mut Findings, vault: &VaultProvider) {
    if let Some(jwt) = vault.auth.as_ref().and_then(|auth| auth.jwt.as_ref()) {
        let nothing = jwt.secret_ref.is_none() && jwt.kubernetes_service_account_token.is_none();
        findings.check(
            nothing,
            "spec.provider.vault.auth.jwt",
            rules::JWT_WITHOUT_TOKEN,
        );
    }
}

fn open_bao_rules(findings: &mut Findings, open_bao: &OpenBaoProvider) {
    let both = open_bao.ca_bundle.is_some() && open_bao.ca_provider.is_some();
    findings.check(both, "spec.provider.openBao", rules::ONE_CA);
    let Some(auth) = &open_bao.auth else { return };
    let logins = [
        auth.app_role.is_some(),
        auth.token_secret_ref.is_some(),
        auth.user_pass.is_some(),
    ];
    let one = logins.into_iter().filter(|set| *set).count() == 1;
    findings.check(!one, "spec.provider.openBao.auth", rules::ONE_OPENBAO_LOGIN);
    if let Some(role) = &auth.app_role {
        let one = role.role_id.is_some() != role.role_ref.is_some();
        findings.check(
            !one,
            "spec.provider.openBao.auth.appRole",
            rules::ONE_ROLE_ID,
        );
    }
}

fn fake_rules(findings: &mut Findings, fake: &FakeProvider) {
    for (position, entry) in fake.data.iter().enumerate() {
        let path = format!("spec.provider.fake.data[{position}]");
        if entry.key.is_empty() {
            findings.add(
                format!("{path}.key"),
                format!("{} {position}", rules::FAKE_KEY),
            );
        }
        if entry.value.is_empty() {
            findings.add(
                format!("{path}.value"),
                format!("{} {position}", rules::FAKE_VALUE),
            );
        }
    }
}

/// Objects of free names, in which a member called namespace is nothing special.
const FREE_FORM: &[&str] = &["headers", "customSessionTags", "whitelist"];

/// Reports every reference of a namespaced store to another namespace.
fn references(findings: &mut Findings, provider: &SecretStoreProvider, namespace: &str) {
    // A decoded provider can be written again; if not, there is nothing to look at.
    let Ok(Value::Object(providers)) = serde_json::to_value(provider) else {
        return;
    };
    for (name, block) in &providers {
        if !provider.other.contains_key(name) {
            let mut path = vec![name.as_str()];
            walk(findings, block, &mut path, namespace);
        }
    }
}

fn walk<'a>(findings: &mut Findings, value: &'a Value, path: &mut Vec<&'a str>, own: &str) {
    match value {
        Value::Object(members) => {
            let named = |key: &str| members.get(key).and_then(Value::as_str);
            if let (Some(_), Some(namespace)) = (named("name"), named("namespace"))
                && !namespace.is_empty()
                && namespace != own
            {
                findings.add(
                    format!("spec.provider.{}.namespace", path.join(".")),
                    format!("invalid {}: {}", go_path(path), rules::FOREIGN_NAMESPACE),
                );
            }
            for (key, member) in members {
                if !FREE_FORM.contains(&key.as_str()) {
                    path.push(key);
                    walk(findings, member, path, own);
                    path.pop();
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| walk(findings, item, path, own)),
        _ => {}
    }
}

/// The path below the provider in Go's capitals, as users of the API know it from the webhook.
fn go_path(path: &[&str]) -> String {
    let provider = path.first().copied().unwrap_or_default();
    let fields = path.iter().skip(1).map(|field| match *field {
        "jwt" if provider == "aws" => "JWT".to_owned(),
        field => {
            let mut letters = field.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
    });
    fields.collect::<Vec<String>>().join(".")
}

#[cfg(test)]
mod tests;
