//! Which objects a label selector selects, and what is wrong with one that means nothing.
//!
//! The rules are Kubernetes' own (`apimachinery/pkg/apis/meta/v1`, `LabelSelectorAsSelector`).
//! A resource definition does not check them, so that a stored selector may break them.

use std::collections::{BTreeMap, HashSet};

use crate::reference::{LabelSelector, LabelSelectorRequirement, SelectorOperator};
use crate::validate::Violation;

/// Namespaces by name and by labels: whatever one of the parts names is selected.
#[derive(Clone, Debug, Default)]
pub struct NamespaceSelection {
    names: HashSet<String>,
    selectors: Vec<LabelSelector>,
}

impl NamespaceSelection {
    pub(crate) fn new(names: &[String], selectors: impl Iterator<Item = LabelSelector>) -> Self {
        Self {
            names: names.iter().cloned().collect(),
            selectors: selectors.collect(),
        }
    }

    /// Whether the namespace `name` with these labels is selected. The cost does not grow with
    /// the number of names.
    #[must_use]
    pub fn selects(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.names.contains(name) || self.selectors.iter().any(|s| s.matches(labels))
    }
}

impl LabelSelector {
    /// Whether an object with these labels is selected. An unknown operator selects nothing.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.matches(labels))
    }

    /// Everything that makes the selector at `path` one that no API server would take in a
    /// query; none for one that means something.
    #[must_use]
    pub fn violations(&self, path: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |path: String, broken: Option<String>| {
            found.extend(broken.map(|message| Violation { path, message }));
        };
        for (key, value) in &self.match_labels {
            check(format!("{path}.matchLabels"), bad_key(key));
            check(format!("{path}.matchLabels[{key}]"), bad_value(value));
        }
        for (position, requirement) in self.match_expressions.iter().enumerate() {
            let path = format!("{path}.matchExpressions[{position}]");
            check(format!("{path}.key"), bad_key(&requirement.key));
            let (field, broken) = requirement.mismatch();
            check(format!("{path}.{field}"), broken);
            for value in &requirement.values {
                check(format!("{path}.values"), bad_value(value));
            }
        }
        found
    }
}

impl LabelSelectorRequirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match SelectorOperator::from(self.operator.as_str()) {
            SelectorOperator::In => value.is_some_and(|value| self.values.contains(value)),
            SelectorOperator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
            SelectorOperator::Other(_) => false,
        }
    }

    /// The field at fault when operator and values do not go together, and why.
    fn mismatch(&self) -> (&'static str, Option<String>) {
        let operator = &self.operator;
        match SelectorOperator::from(operator.as_str()) {
            SelectorOperator::In | SelectorOperator::NotIn => {
                let broken = self.values.is_empty();
                let message = || format!("operator {operator} needs at least one value");
                ("values", broken.then(message))
            }
            SelectorOperator::Exists | SelectorOperator::DoesNotExist => {
                let broken = !self.values.is_empty();
                let message = || format!("operator {operator} takes no values");
                ("values", broken.then(message))
            }
            SelectorOperator::Other(_) => {
                let message = format!("{operator:?} is none of In, NotIn, Exists and DoesNotExist");
                ("operator", Some(message))
            }
        }
    }
}

/// What keeps `key` from being the key of a label.
fn bad_key(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let part = |label: &str| {
        let edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        edge(label.chars().next()) && edge(label.chars().last()) && label.chars().all(inner)
    };
    let prefix = prefix.is_none_or(|p| p.len() <= 253 && p.split('.').all(part));
    let valid = prefix && !name.is_empty() && is_label_text(name);
    (!valid).then(|| format!("{key:?} cannot be the key of a label"))
}

/// What keeps `value` from being the value of a label.
fn bad_value(value: &str) -> Option<String> {
    let valid = value.is_empty() || is_label_text(value);
    (!valid).then(|| format!("{value:?} cannot be the value of a label"))
}

/// At most 63 letters, digits, `-`, `_` and `.`, a letter or digit first and last.
fn is_label_text(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use crate::{ClusterExternalSecretSpec, decode};
    use serde_json::{Value, json};

    fn spec(fields: Value) -> ClusterExternalSecretSpec {
        let mut spec = json!({"externalSecretSpec": {}});
        let fields = fields.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(fields);
        decode(&spec).unwrap()
    }

    fn selects(fields: Value, namespace: &str) -> bool {
        let labels = [("team".to_owned(), "a".to_owned())].into();
        spec(fields)
            .selection()
            .unwrap()
            .selects(namespace, &labels)
    }

    #[test]
    fn a_namespace_is_selected_by_any_part() {
        let team = |team: &str| json!({"matchLabels": {"team": team}});
        for (fields, expected) in [
            (json!({}), false),
            (json!({"namespaceSelectors": []}), false),
            (json!({"namespaceSelectors": [{}]}), true),
            (json!({"namespaceSelector": {}}), true),
            (json!({"namespaceSelectors": [team("b")]}), false),
            (json!({"namespaceSelectors": [team("b"), team("a")]}), true),
            (
                json!({"namespaceSelectors": [team("b")], "namespaceSelector": team("a")}),
                true,
            ),
            (
                json!({"namespaceSelectors": [team("b")], "namespaces": ["x"]}),
                true,
            ),
            (json!({"namespaces": ["y"]}), false),
            (
                json!({"namespaceSelector": {"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}}),
                false,
            ),
        ] {
            assert_eq!(selects(fields.clone(), "x"), expected, "{fields}");
        }
    }

    #[test]
    fn a_selector_that_means_nothing_is_named() {
        let one = |key: &str, operator: &str, values: Value| json!({"namespaceSelectors": [{}, {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]});
        let at = "spec.namespaceSelectors[1].matchExpressions[0]";
        for (fields, expected) in [
            (
                one("a", "in", json!(["1"])),
                format!("{at}.operator: \"in\" is none of In, NotIn, Exists and DoesNotExist"),
            ),
            (
                one("a", "In", json!([])),
                format!("{at}.values: operator In needs at least one value"),
            ),
            (
                one("a", "NotIn", json!([])),
                format!("{at}.values: operator NotIn needs at least one value"),
            ),
            (
                one("a", "Exists", json!(["1"])),
                format!("{at}.values: operator Exists takes no values"),
            ),
            (
                one("a", "DoesNotExist", json!(["1"])),
                format!("{at}.values: operator DoesNotExist takes no values"),
            ),
            (
                one("a b", "Exists", json!([])),
                format!("{at}.key: \"a b\" cannot be the key of a label"),
            ),
            (
                one("A/b", "Exists", json!([])),
                format!("{at}.key: \"A/b\" cannot be the key of a label"),
            ),
            (
                one("a", "In", json!(["-"])),
                format!("{at}.values: \"-\" cannot be the value of a label"),
            ),
            (
                json!({"namespaceSelector": {"matchLabels": {"a": "b c"}}}),
                "spec.namespaceSelector.matchLabels[a]: \"b c\" cannot be the value of a label"
                    .into(),
            ),
        ] {
            let found = spec(fields).selection().unwrap_err();
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn what_kubernetes_takes_is_taken() {
        for (key, operator, values) in [
            ("kubernetes.io/metadata.name", "In", json!(["default", ""])),
            ("a.b-c/D_e.f", "NotIn", json!(["A_b-c.9"])),
            ("a", "Exists", json!([])),
            ("9", "DoesNotExist", json!([])),
        ] {
            let fields = json!({"namespaceSelector": {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}});
            assert!(spec(fields).selection().is_ok(), "{key} {operator}");
        }
    }
}
