//! The rules of ExternalSecret and ClusterExternalSecret.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::{Findings, Shared, Violation, schema_of};
use crate::rules;
use crate::{
    ClusterExternalSecretSpec, CreationPolicy, DataFrom, DeletionPolicy, ExternalSecretSpec,
    ExternalSecretTarget, ExternalSecretTemplate, GoDuration, TemplateScope,
};

static SCHEMA: Shared = LazyLock::new(schema_of::<ExternalSecretSpec>);

const BOOTSTRAP_TOKEN_TYPE: &str = "bootstrap.kubernetes.io/token";
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
const TOKEN_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// Every rule that an ExternalSecret breaks; none for a valid one.
#[must_use]
pub fn validate(spec: &ExternalSecretSpec) -> Vec<Violation> {
    validate_below(spec, "spec")
}

/// Every rule that the template of an ExternalSecret breaks: those that hold even where nobody
/// checked the object before it was stored.
#[must_use]
pub fn validate_template(spec: &ExternalSecretSpec) -> Vec<Violation> {
    const PATH: &str = "spec.target.template";
    let mut findings = Findings::default();
    if let Some(target) = &spec.target
        && let Some(template) = &target.template
    {
        let schema = SCHEMA.pointer("/properties/target/properties/template");
        findings.unknown_values(template, schema.unwrap_or(&Value::Null), PATH);
        template_rules(&mut findings, target, template, PATH);
    }
    findings.0
}

/// Every rule that a ClusterExternalSecret breaks, those of its ExternalSecret included.
#[must_use]
pub fn validate_cluster_external_secret(spec: &ClusterExternalSecretSpec) -> Vec<Violation> {
    let mut findings = Findings(validate_below(
        &spec.external_secret_spec,
        "spec.externalSecretSpec",
    ));
    if let Err(error) = spec.refresh_time() {
        findings.add("spec.refreshTime", error.to_string());
    }
    if let Err(violations) = spec.selection() {
        findings.0.extend(violations);
    }
    findings.0
}

fn validate_below(spec: &ExternalSecretSpec, path: &str) -> Vec<Violation> {
    let mut findings = Findings::default();
    findings.unknown_values(spec, &SCHEMA, path);
    durations(&mut findings, spec, path);
    policies(&mut findings, spec, &format!("{path}.target"));
    let empty = spec.data.is_empty() && spec.data_from.is_empty();
    findings.check(empty, path, rules::NO_DATA);
    for (position, entry) in spec.data_from.iter().enumerate() {
        source(
            &mut findings,
            entry,
            &format!("{path}.dataFrom[{position}]"),
        );
    }
    duplicates(&mut findings, spec, path);
    if let Some(target) = &spec.target
        && let Some(template) = &target.template
    {
        template_rules(
            &mut findings,
            target,
            template,
            &format!("{path}.target.template"),
        );
    }
    findings.0
}

fn durations(findings: &mut Findings, spec: &ExternalSecretSpec, path: &str) {
    if let Err(error) = spec.refresh_interval() {
        findings.add(format!("{path}.refreshInterval"), error.to_string());
    }
    let windows = spec
        .sync_windows
        .iter()
        .flat_map(|windows| &windows.windows);
    for (position, window) in windows.enumerate() {
        if let Err(error) = GoDuration::parse(&window.duration) {
            let path = format!("{path}.syncWindows.windows[{position}].duration");
            findings.add(path, error.to_string());
        }
    }
}

fn policies(findings: &mut Findings, spec: &ExternalSecretSpec, path: &str) {
    use CreationPolicy::{CreateOrMerge, Merge, None};
    let (creation, deletion) = (spec.creation_policy(), spec.deletion_policy());
    let not_owned = matches!(creation, Merge | None | CreateOrMerge);
    let delete = deletion == DeletionPolicy::Delete;
    findings.check(delete && not_owned, path, rules::DELETE_NOT_OWNED);
    let merge = deletion == DeletionPolicy::Merge;
    findings.check(merge && creation == None, path, rules::MERGE_WITH_NONE);
}

fn source(findings: &mut Findings, entry: &DataFrom, path: &str) {
    let source = entry.source_ref.as_ref();
    let generator = source.is_some_and(|source| source.generator_ref.is_some());
    let kinds = [entry.extract.is_some(), entry.find.is_some(), generator];
    let several = kinds.into_iter().filter(|set| *set).count() > 1;
    findings.check(several, path, rules::MANY_SOURCES);
    let nothing = entry.extract.is_none() && entry.find.is_none() && source.is_none();
    findings.check(nothing, path, rules::NO_SOURCE);
    let empty = source.is_some_and(|it| it.generator_ref.is_none() && it.store_ref.is_none());
    findings.check(empty, &format!("{path}.sourceRef"), rules::EMPTY_SOURCE);
}

/// With another policy than Retain a value may be missing, so that the next entry fills in.
fn duplicates(findings: &mut Findings, spec: &ExternalSecretSpec, path: &str) {
    if spec.deletion_policy() != DeletionPolicy::Retain {
        return;
    }
    let mut seen = BTreeSet::new();
    for (position, entry) in spec.data.iter().enumerate() {
        if !seen.insert(&entry.secret_key) {
            let message = format!("duplicate secretKey found: {}", entry.secret_key);
            findings.add(format!("{path}.data[{position}].secretKey"), message);
        }
    }
}

fn template_rules(
    findings: &mut Findings,
    target: &ExternalSecretTarget,
    template: &ExternalSecretTemplate,
    path: &str,
) {
    let kind = template.kind.as_deref().unwrap_or_default();
    findings.check(kind == BOOTSTRAP_TOKEN_TYPE, path, rules::BOOTSTRAP_TOKEN);
    if kind == TOKEN_TYPE {
        let metadata = template.metadata.as_ref();
        let annotated = metadata.is_some_and(|it| it.annotations.contains_key(TOKEN_ANNOTATION));
        findings.check(annotated, path, rules::TOKEN_ANNOTATION);
        let annotates = |scope| scope == TemplateScope::Annotations;
        let targeted = template
            .template_from
            .iter()
            .any(|from| annotates(from.scope()));
        findings.check(targeted, path, rules::TOKEN_TARGET);
    }
    if target
        .manifest
        .as_ref()
        .is_some_and(|manifest| !manifest.is_secret())
    {
        return;
    }
    for (position, from) in template.template_from.iter().enumerate() {
        if let TemplateScope::Path(scope) = from.scope() {
            findings.add(
                format!("{path}.templateFrom[{position}].target"),
                rules::TEMPLATE_SCOPE.replacen("target", &format!("target={scope:?}"), 1),
            );
        }
    }
}

#[cfg(test)]
mod tests;
