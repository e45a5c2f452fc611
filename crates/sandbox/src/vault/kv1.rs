//! The key-value engine, version 1.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::protocol::{Operation, Outcome, Refusal, Reply, Request};

/// Secrets by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Store(BTreeMap<String, Map<String, Value>>);

/// What lies directly in the folder `path`: names, folders with a slash.
pub(super) fn listing<'a>(paths: impl Iterator<Item = &'a String>, path: &str) -> Outcome {
    let folder = match path.trim_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let names: BTreeSet<String> = paths
        .filter_map(|path| path.strip_prefix(&folder))
        .map(|rest| match rest.split_once('/') {
            Some((inner, _)) => format!("{inner}/"),
            None => rest.to_owned(),
        })
        .collect();
    if names.is_empty() {
        return Err(Refusal::nothing());
    }
    Ok(Reply::Data(json!({ "keys": names })))
}

impl Store {
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub fn call(&mut self, request: &Request, path: &str) -> Outcome {
        match request.operation {
            Operation::List => listing(self.0.keys(), path),
            Operation::Read => match self.0.get(path) {
                Some(data) => Ok(Reply::Data(Value::Object(data.clone()))),
                None => Err(Refusal::nothing()),
            },
            Operation::Write if request.body.is_empty() => Err(Refusal::bad("missing data fields")),
            Operation::Write => {
                self.0.insert(path.to_owned(), request.body.clone());
                Ok(Reply::Nothing)
            }
            Operation::Delete => {
                self.0.remove(path);
                Ok(Reply::Nothing)
            }
            Operation::Patch => Err(Refusal::unsupported()),
        }
    }
}
