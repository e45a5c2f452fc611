//! How the API server serves a kind.

use keyless_kubernetes::request::{Requests, escape};
use keyless_secret::manifest::TargetKind;
use serde::Deserialize;

use super::problem::KindProblem;
use crate::object::ObjectKey;

/// What the operator does with objects of a kind.
pub const VERBS: [&str; 6] = ["get", "list", "watch", "create", "update", "delete"];

/// Where the API server keeps the objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The path of the group's version, such as `/apis/example.com/v1`.
    pub base: String,
    /// The kind's plural name in URLs and rules.
    pub plural: String,
}

impl Served {
    /// The path of the collection in a namespace.
    #[must_use]
    pub fn collection(&self, namespace: &str) -> String {
        format!(
            "{}/namespaces/{}/{}",
            self.base,
            escape(namespace),
            escape(&self.plural)
        )
    }

    /// The path of an object.
    #[must_use]
    pub fn item(&self, key: &ObjectKey) -> String {
        format!("{}/{}", self.collection(&key.namespace), escape(&key.name))
    }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    resources: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

/// Asks how `kind` is served.
///
/// # Errors
/// It is not, or not in a way that a target needs.
pub async fn discover(requests: &Requests, kind: &TargetKind) -> Result<Served, KindProblem> {
    let intent = format!("find out how {kind} is served");
    let body = match requests.get(&kind.base(), &intent).await {
        Ok(body) => body,
        Err(error) if error.is_not_found() => {
            return Err(KindProblem::NotServed {
                kind: kind.to_string(),
            });
        }
        Err(error) => return Err(KindProblem::Asking(error)),
    };
    let list: List = serde_json::from_slice(&body).map_err(|error| {
        KindProblem::Asking(crate::Error::Answer {
            intent,
            reason: error.to_string(),
        })
    })?;
    judge(kind, list)
}

fn judge(kind: &TargetKind, list: List) -> Result<Served, KindProblem> {
    // Subresources have a slash in their name, and some the kind of the whole.
    let mut entries = list.resources.into_iter();
    let entry = entries.find(|entry| entry.kind == kind.kind() && !entry.name.contains('/'));
    let name = kind.to_string();
    let Some(entry) = entry.filter(|entry| !entry.name.is_empty()) else {
        return Err(KindProblem::NotServed { kind: name });
    };
    if !entry.namespaced {
        return Err(KindProblem::ClusterScoped { kind: name });
    }
    let missing = VERBS.into_iter();
    let missing = missing.filter(|verb| !entry.verbs.iter().any(|known| known == verb));
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        return Err(KindProblem::Verbs {
            kind: name,
            missing: missing.join(", "),
        });
    }
    Ok(Served {
        base: kind.base(),
        plural: entry.name,
    })
}

#[cfg(test)]
mod tests {
    use keyless_api::Manifest;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_namespaced_kinds_with_every_verb_are_targets() {
        let list = || {
            let entry = |name: &str, kind: &str, namespaced: bool, verbs: &[&str]| json!({"name": name, "kind": kind, "namespaced": namespaced, "verbs": verbs});
            let list = json!({"resources": [
                entry("configmaps/status", "ConfigMap", true, &VERBS),
                entry("configmaps", "ConfigMap", true, &VERBS),
                entry("nodes", "Node", false, &VERBS),
                entry("bindings", "Binding", true, &["create"]),
                {"name": "bare"},
            ]});
            serde_json::from_value::<List>(list).unwrap()
        };
        let judged = |kind: &str| {
            let manifest = Manifest {
                api_version: "v1".into(),
                kind: kind.into(),
            };
            judge(&TargetKind::of(&manifest).unwrap().unwrap(), list())
        };
        let served = judged("ConfigMap").unwrap();
        let key = ObjectKey::new("a/b", "c");
        assert_eq!(served.item(&key), "/api/v1/namespaces/a%2Fb/configmaps/c");
        assert!(matches!(
            judged("Node"),
            Err(KindProblem::ClusterScoped { .. })
        ));
        assert!(matches!(
            judged("Other"),
            Err(KindProblem::NotServed { .. })
        ));
        let Err(KindProblem::Verbs { missing, .. }) = judged("Binding") else {
            panic!("a kind that can only be created")
        };
        assert_eq!(missing, "get, list, watch, update, delete");
    }
}
