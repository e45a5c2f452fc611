//! CustomResourceDefinitions.

use serde_json::{Value, json};

use crate::kube::names;
use crate::kube::object::{self, items, meta, set, text};
use crate::kube::schema::Schema;
use crate::kube::status::{Cause, invalid_value, required};

/// Keeps a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Names and conversion, when left out.
pub(super) fn default(new: &mut Value) {
    let Some(spec) = new.get_mut("spec") else {
        return;
    };
    if spec.get("conversion").is_none_or(Value::is_null) {
        set(spec, "conversion", json!({"strategy": "None"}));
    }
    if let Some(names) = spec.get_mut("names") {
        let kind = text(names, "kind").to_owned();
        let defaults = [
            ("singular", kind.to_lowercase()),
            ("listKind", format!("{kind}List")),
        ];
        for (field, value) in defaults {
            if text(names, field).is_empty() {
                set(names, field, value);
            }
        }
    }
}

/// The status: names are accepted and the resource established at once.
pub(super) fn prepare(new: &mut Value, old: Option<&Value>, now: &str) {
    let Some(spec) = new.get("spec") else { return };
    let accepted = spec.get("names").cloned().unwrap_or_default();
    let mut stored: Vec<String> =
        object::strings(old.and_then(|o| o.pointer("/status/storedVersions")))
            .map(str::to_owned)
            .collect();
    for version in items(spec, "versions").filter(|v| v.get("storage") == Some(&json!(true))) {
        let name = text(version, "name").to_owned();
        if !stored.contains(&name) {
            stored.push(name);
        }
    }
    if old.is_none()
        && let Some(metadata) = object::metadata_mut(new)
    {
        let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(list) = finalizers.as_array_mut()
            && !list.iter().any(|f| f == CLEANUP)
        {
            list.push(json!(CLEANUP));
        }
    }
    let before = old
        .and_then(|o| o.pointer("/status/conditions"))
        .and_then(Value::as_array);
    let condition = |kind: &str, reason: &str, message: &str| {
        let known = before
            .into_iter()
            .flatten()
            .find(|c| text(c, "type") == kind);
        let since = known.map_or(now, |c| text(c, "lastTransitionTime"));
        json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": since})
    };
    let mut conditions = vec![
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition(
            "Established",
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ),
    ];
    conditions.extend(
        before
            .into_iter()
            .flatten()
            .filter(|c| !matches!(text(c, "type"), "NamesAccepted" | "Established"))
            .cloned(),
    );
    set(
        new,
        "status",
        json!({"acceptedNames": accepted, "conditions": conditions, "storedVersions": stored}),
    );
}

pub(super) fn validate(new: &Value, _old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let none = Value::Null;
    let spec = new.get("spec").unwrap_or(&none);
    let (group, names) = (text(spec, "group"), spec.get("names").unwrap_or(&none));
    let plural = text(names, "plural");
    if group.is_empty() {
        causes.push(required("spec.group", ""));
    } else if let Some(why) = names::dns_subdomain(group) {
        causes.push(invalid_value("spec.group", &json!(group), why));
    }
    for field in ["plural", "kind"] {
        if text(names, field).is_empty() {
            causes.push(required(format!("spec.names.{field}"), ""));
        }
    }
    let wanted = format!("{plural}.{group}");
    if meta(new, "name") != wanted {
        causes.push(invalid_value(
            "metadata.name",
            &json!(meta(new, "name")),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    if !matches!(text(spec, "scope"), "Namespaced" | "Cluster") {
        causes.push(crate::kube::status::unsupported(
            "spec.scope",
            &json!(text(spec, "scope")),
            &["Cluster", "Namespaced"],
        ));
    }
    let storage = items(spec, "versions")
        .filter(|v| v.get("storage") == Some(&json!(true)))
        .count();
    if storage != 1 {
        causes.push(invalid_value(
            "spec.versions",
            &json!([]),
            "must have exactly one version marked as storage version",
        ));
    }
    for (at, version) in items(spec, "versions").enumerate() {
        let field = format!("spec.versions[{at}].schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            None => causes.push(required(field, "")),
            Some(schema) => {
                if let Err(why) = Schema::parse(schema) {
                    causes.push(Cause {
                        reason: "FieldValueInvalid".into(),
                        message: why,
                        field: String::new(),
                    });
                }
            }
        }
    }
    causes
}
