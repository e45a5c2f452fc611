//! Which parts of an object a field manager wrote, by the object's own record.

use std::collections::BTreeSet;

use serde_json::Value;

/// The keys that one manager owns in a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedKeys {
    /// Of the data.
    pub data: BTreeSet<String>,
    /// Of the labels.
    pub labels: BTreeSet<String>,
    /// Of the annotations.
    pub annotations: BTreeSet<String>,
}

/// Reads `metadata.managedFields` for what `manager` wrote with the operation Update. Entries
/// that are not understood own nothing.
#[must_use]
pub fn managed_keys(managed_fields: &[Value], manager: &str) -> ManagedKeys {
    let mut out = ManagedKeys::default();
    for entry in managed_fields {
        let Some(fields) = fields_of(entry, manager) else {
            continue;
        };
        out.data.extend(members(fields, &["f:data"]));
        out.labels
            .extend(members(fields, &["f:metadata", "f:labels"]));
        out.annotations
            .extend(members(fields, &["f:metadata", "f:annotations"]));
    }
    out
}

/// The members that `manager` wrote with the operation Update below a field, which is given by the
/// names on the way to it, as in `["f:spec", "f:data"]`.
#[must_use]
pub fn managed_members(managed_fields: &[Value], manager: &str, path: &[&str]) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for entry in managed_fields {
        if let Some(fields) = fields_of(entry, manager) {
            out.extend(members(fields, path));
        }
    }
    out
}

/// The fields of an entry of `manager` with the operation Update.
fn fields_of<'a>(entry: &'a Value, manager: &str) -> Option<&'a Value> {
    let is = |field: &str, text: &str| entry.get(field).and_then(Value::as_str) == Some(text);
    let ours = is("manager", manager) && is("operation", "Update");
    entry.get("fieldsV1").filter(|_| ours)
}

fn members(fields: &Value, path: &[&str]) -> impl Iterator<Item = String> {
    let mut at = Some(fields);
    for name in path {
        at = at.and_then(|at| at.get(name));
    }
    at.and_then(Value::as_object)
        .into_iter()
        .flat_map(|members| members.keys())
        .filter_map(|name| name.strip_prefix("f:"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_managers_own_updates_count() {
        let entry = |manager: &str, operation: &str| {
            json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:data": {".": {}, "f:a": {}, "f:b.c": {}},
                    "f:metadata": {
                        "f:annotations": {".": {}, "f:x/y": {}},
                        "f:labels": {"f:l": {}},
                        "f:ownerReferences": {".": {}, "k:{\"uid\":\"1\"}": {}}}}})
        };
        let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let expected = ManagedKeys {
            data: set(&["a", "b.c"]),
            labels: set(&["l"]),
            annotations: set(&["x/y"]),
        };
        let fields = [
            entry("other", "Update"),
            entry("me", "Update"),
            json!("broken"),
        ];
        assert_eq!(managed_keys(&fields, "me"), expected);
        assert_eq!(
            managed_keys(&[entry("me", "Apply")], "me"),
            ManagedKeys::default()
        );
        assert_eq!(managed_keys(&[], "me"), ManagedKeys::default());
    }
}
