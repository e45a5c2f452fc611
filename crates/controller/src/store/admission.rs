//! Which namespaces a ClusterSecretStore admits.

use std::collections::BTreeMap;

use keyless_api::SecretStoreSpec;
use keyless_api::constants::label;
use regex::Regex;

/// Whether `namespace` with these labels may use a store of this spec: no condition admits all,
/// otherwise one match of any kind in any condition is enough. A regular expression that does not
/// compile admits nobody.
#[must_use]
pub fn admits(spec: &SecretStoreSpec, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    if spec.conditions.is_empty() {
        return true;
    }
    // Set by the API server on every namespace; the watch may not have told yet.
    let mut labels = labels.clone();
    labels.insert(label::NAMESPACE_NAME.into(), namespace.into());
    spec.conditions.iter().any(|condition| {
        let selected = condition.namespace_selector.as_ref();
        selected.is_some_and(|s| s.matches(&labels))
            || condition.namespaces.iter().any(|n| n == namespace)
            || condition
                .namespace_regexes
                .iter()
                .any(|r| Regex::new(r).is_ok_and(|r| r.is_match(namespace)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn admitted(conditions: serde_json::Value, namespace: &str) -> bool {
        let spec = json!({"provider": {"fake": {"data": []}}, "conditions": conditions});
        let spec: SecretStoreSpec = keyless_api::decode(&spec).unwrap();
        let labels = [("team".to_owned(), "a".to_owned())].into();
        admits(&spec, namespace, &labels)
    }

    #[test]
    fn one_match_of_any_kind_is_enough() {
        for (conditions, expected) in [
            (json!([]), true),
            (json!([{}]), false),
            (json!([{"namespaces": ["x"]}]), false),
            (
                json!([{"namespaces": ["x"]}, {"namespaces": ["prod-1"]}]),
                true,
            ),
            (
                json!([{"namespaces": ["x"], "namespaceRegexes": ["rod-"]}]),
                true,
            ),
            (json!([{"namespaceRegexes": ["^rod-"]}]), false),
            (json!([{"namespaceRegexes": ["("]}]), false),
            (json!([{"namespaceSelector": {}}]), true),
            (
                json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}}]),
                true,
            ),
            (
                json!([{"namespaceSelector": {"matchLabels": {"team": "b"}}}]),
                false,
            ),
            (
                json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prod-1"}}}]),
                true,
            ),
        ] {
            assert_eq!(
                admitted(conditions.clone(), "prod-1"),
                expected,
                "{conditions}"
            );
        }
    }
}
