//! Secrets and ConfigMaps that a store names: whether they are there.
//!
//! Owns: asking for metadata alone; and, where that is wished, names and sizes of keys. Refuses:
//! keeping a value: an answer that holds some is dropped at once.

use std::collections::BTreeMap;

use futures::future::join_all;
use keyless_trust::doctor::{Facts, StoredFact, Unseen, Wanted, wanted};
use kube::Client;
use serde_json::Value;
use tokio::time::Instant;

use super::{text, unseen};
use crate::trust::collect;

/// What became of all of them.
#[derive(Default)]
pub struct Stored {
    pub there: Vec<StoredFact>,
    pub absent: Vec<String>,
    pub unseen: Vec<Unseen>,
}

/// Looks for what the store of `facts` names; `inside` looks for keys, too.
pub async fn look(client: &Client, facts: &Facts, inside: bool, until: Instant) -> Stored {
    let store = facts
        .objects
        .iter()
        .find(|o| text(o, "/kind").ends_with("SecretStore"));
    let Some(store) = store else {
        return Stored::default();
    };
    let about = facts.about.split_once(' ').map_or("", |(_, name)| name);
    let namespace = about.split_once('/').map_or("", |(namespace, _)| namespace);
    let all = wanted(store, namespace);
    let answers = all.iter().map(|wanted| async move {
        let path = format!(
            "/api/v1/namespaces/{}/{}/{}",
            wanted.namespace,
            if wanted.secret {
                "secrets"
            } else {
                "configmaps"
            },
            wanted.name
        );
        let answer = if inside {
            collect::get(client, &path, until).await
        } else {
            collect::metadata(client, &path, until).await
        };
        (wanted, answer.map(|object| inside.then(|| sizes(&object))))
    });
    let mut found = Stored::default();
    for (wanted, answer) in join_all(answers).await {
        sort(&mut found, wanted, answer);
    }
    found
}

fn sort(
    found: &mut Stored,
    wanted: &Wanted,
    answer: anyhow::Result<Option<BTreeMap<String, usize>>>,
) {
    let name = wanted.full_name();
    match answer {
        Ok(keys) => {
            if keys.is_none() && !wanted.keys.is_empty() {
                let keys: Vec<&str> = wanted.keys.iter().map(String::as_str).collect();
                found.unseen.push(unseen(
                    format!("key {} of {name}", keys.join(", ")),
                    "only its metadata was read: --look-at-secrets looks for keys",
                ));
            }
            found.there.push(StoredFact { name, keys });
        }
        Err(error) if collect::is_absent(&error) => found.absent.push(name),
        Err(error) => found.unseen.push(unseen(name, format!("{error:#}"))),
    }
}

/// Names and sizes of the keys.
fn sizes(object: &Value) -> BTreeMap<String, usize> {
    // Base64 has four characters for three bytes.
    let decoded = |text: &str| text.trim_end_matches('=').len() * 3 / 4;
    let secret = text(object, "/kind") == "Secret";
    let of = |field: &'static str| {
        let map = object.get(field).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(move |(key, value)| {
            let value = value.as_str()?;
            let size = if secret || field == "binaryData" {
                decoded(value)
            } else {
                value.len()
            };
            Some((key.clone(), size))
        })
    };
    of("data").chain(of("binaryData")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_those_of_the_values() {
        let secret = json!({"kind": "Secret", "data": {"a": "aHVudGVyMg==", "b": ""}});
        let wanted = BTreeMap::from([("a".to_owned(), 7), ("b".to_owned(), 0)]);
        assert_eq!(sizes(&secret), wanted);
        let map = json!({"kind": "ConfigMap", "data": {"a": "hunter2"}, "binaryData": {"b": ""}});
        assert_eq!(sizes(&map), wanted);
    }
}
