//! What a service account asked of the API server, and what it was granted.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// A right: group, resource (with its part) and verb.
pub type Right = (String, String, String);

/// Requests of one user.
#[derive(Default)]
pub struct Asked {
    /// What was allowed.
    pub used: BTreeSet<Right>,
    /// What was not, with the namespace.
    pub denied: BTreeSet<(Right, String)>,
}

/// Reads the audit log.
pub fn asked(log: &Path, user: &str) -> Asked {
    let mut asked = Asked::default();
    let text = std::fs::read_to_string(log).unwrap();
    for line in text.lines() {
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if event["user"]["username"] != user || event["objectRef"].is_null() {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = &event["objectRef"];
        let resource = match of["subresource"].as_str() {
            Some(part) => format!("{}/{part}", text(&of["resource"])),
            None => text(&of["resource"]),
        };
        let right = (text(&of["apiGroup"]), resource, text(&event["verb"]));
        let decision = &event["annotations"]["authorization.k8s.io/decision"];
        if decision == "forbid" || event["responseStatus"]["code"] == 403 {
            asked.denied.insert((right, text(&of["namespace"])));
        } else {
            asked.used.insert(right);
        }
    }
    asked
}

/// What these roles grant.
pub fn granted<'a>(roles: impl Iterator<Item = &'a Value>) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for role in roles {
        for rule in role["rules"].as_array().into_iter().flatten() {
            let list = |key: &str| {
                let list = rule[key].as_array().into_iter().flatten();
                let list = list.map(|v| v.as_str().unwrap_or_default().to_owned());
                list.collect::<Vec<_>>()
            };
            for group in list("apiGroups") {
                for resource in list("resources") {
                    for verb in list("verbs") {
                        rights.insert((group.clone(), resource.clone(), verb));
                    }
                }
            }
        }
    }
    rights
}
