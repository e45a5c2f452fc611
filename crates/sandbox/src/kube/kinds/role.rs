//! Roles and bindings.

use serde_json::{Value, json};

use crate::kube::object::{set, text};
use crate::kube::status::{Cause, invalid_value, required, unsupported};

const GROUP: &str = "rbac.authorization.k8s.io";

/// API groups of subjects and of the role, when left out.
pub(super) fn default(plural: &str, new: &mut Value) {
    if !plural.ends_with("bindings") {
        return;
    }
    if let Some(role) = new.get_mut("roleRef")
        && text(role, "apiGroup").is_empty()
    {
        set(role, "apiGroup", GROUP);
    }
    for subject in new
        .get_mut("subjects")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if text(subject, "apiGroup").is_empty() && matches!(text(subject, "kind"), "User" | "Group")
        {
            set(subject, "apiGroup", GROUP);
        }
    }
}

pub(super) fn validate(plural: &str, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !plural.ends_with("bindings") {
        for (at, rule) in crate::kube::object::items(new, "rules").enumerate() {
            if crate::kube::object::items(rule, "verbs").next().is_none() {
                causes.push(required(format!("rules[{at}].verbs"), ""));
            }
        }
        return causes;
    }
    let none = Value::Null;
    let role = new.get("roleRef").unwrap_or(&none);
    let kinds: &[&str] = if plural == "rolebindings" {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    if !kinds.contains(&text(role, "kind")) {
        causes.push(unsupported(
            "roleRef.kind",
            &json!(text(role, "kind")),
            kinds,
        ));
    }
    if text(role, "name").is_empty() {
        causes.push(required("roleRef.name", ""));
    }
    if old
        .and_then(|o| o.get("roleRef"))
        .is_some_and(|r| r != role)
    {
        causes.push(invalid_value("roleRef", role, "field is immutable"));
    }
    for (at, subject) in crate::kube::object::items(new, "subjects").enumerate() {
        let field = |name: &str| format!("subjects[{at}].{name}");
        if text(subject, "name").is_empty() {
            causes.push(required(field("name"), ""));
        }
        match text(subject, "kind") {
            "ServiceAccount" | "User" | "Group" => {}
            other => causes.push(unsupported(
                field("kind"),
                &json!(other),
                &["ServiceAccount", "User", "Group"],
            )),
        }
    }
    causes
}
