//! The key-value engine, version 2: versions, deletion that can be undone, metadata,
//! check-and-set.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::kv1::listing;
use super::protocol::{Operation, Outcome, Refusal, Reply, Request, seconds, time};

/// How many versions are kept when nothing says otherwise.
const VERSIONS: u64 = 10;
const WRONG_PATH: &str = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv get' for this operation.";

#[derive(Clone, Debug)]
struct Version {
    /// `None` once destroyed.
    data: Option<Map<String, Value>>,
    created: i64,
    deleted: Option<i64>,
}

#[derive(Clone, Debug, Default)]
struct Secret {
    versions: BTreeMap<u64, Version>,
    current: u64,
    created: i64,
    updated: i64,
    custom: Option<BTreeMap<String, String>>,
    max_versions: u64,
    cas_required: bool,
    delete_after: i64,
}

/// Secrets by path, and what holds for all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    secrets: BTreeMap<String, Secret>,
    max_versions: u64,
    cas_required: bool,
    delete_after: i64,
}

impl Version {
    fn is_gone(&self, now: i64) -> bool {
        self.data.is_none() || self.deleted.is_some_and(|at| at <= now)
    }

    fn facts(&self, number: u64, custom: &Value) -> Value {
        json!({
            "created_time": time(self.created), "custom_metadata": custom,
            "deletion_time": self.deleted.map(time).unwrap_or_default(),
            "destroyed": self.data.is_none(), "version": number,
        })
    }
}

impl Secret {
    fn custom(&self) -> Value {
        json!(self.custom)
    }

    fn metadata(&self) -> Value {
        let versions: Map<String, Value> = self
            .versions
            .iter()
            .map(|(number, version)| {
                let facts = json!({
                    "created_time": time(version.created),
                    "deletion_time": version.deleted.map(time).unwrap_or_default(),
                    "destroyed": version.data.is_none(),
                });
                (number.to_string(), facts)
            })
            .collect();
        json!({
            "versions": versions, "current_version": self.current,
            "oldest_version": self.versions.keys().next().copied().unwrap_or_default(),
            "created_time": time(self.created), "updated_time": time(self.updated),
            "max_versions": self.max_versions, "cas_required": self.cas_required,
            "delete_version_after": format!("{}s", self.delete_after),
            "custom_metadata": self.custom,
        })
    }
}

/// Version numbers of the body.
fn versions(request: &Request) -> Result<Vec<u64>, Refusal> {
    let list = request.body.get("versions").and_then(Value::as_array);
    let number = |value: &Value| {
        let text = value.as_str().and_then(|text| text.parse().ok());
        value.as_u64().or(text)
    };
    match list {
        Some(list) if !list.is_empty() => Ok(list.iter().filter_map(number).collect()),
        _ => Err(Refusal::bad("no version number provided")),
    }
}

impl Store {
    /// Whether a write to `path` would change something that is there.
    pub fn has(&self, path: &str) -> bool {
        path.split_once('/')
            .is_some_and(|(_, rest)| self.secrets.contains_key(rest))
    }

    pub fn call(&mut self, request: &Request, path: &str) -> Outcome {
        let (area, rest) = path.split_once('/').unwrap_or((path, ""));
        match (area, request.operation) {
            ("config", Operation::Read) => Ok(Reply::Data(json!({
                "max_versions": self.max_versions, "cas_required": self.cas_required,
                "delete_version_after": format!("{}s", self.delete_after),
            }))),
            ("config", Operation::Write) => self.configure(request),
            ("data", Operation::Read) if !rest.is_empty() => self.read(request, rest),
            ("data", Operation::Write) if !rest.is_empty() => self.write(request, rest),
            ("data", Operation::Patch) if !rest.is_empty() => self.patch(request, rest),
            ("data", Operation::Delete) => {
                self.mark(rest, None, Some(request.now));
                Ok(Reply::Nothing)
            }
            ("delete", Operation::Write) => {
                self.mark(rest, Some(versions(request)?), Some(request.now));
                Ok(Reply::Nothing)
            }
            ("undelete", Operation::Write) => {
                self.mark(rest, Some(versions(request)?), None);
                Ok(Reply::Nothing)
            }
            ("destroy", Operation::Write) => {
                let numbers = versions(request)?;
                if let Some(secret) = self.secrets.get_mut(rest) {
                    for number in numbers {
                        if let Some(version) = secret.versions.get_mut(&number) {
                            version.data = None;
                        }
                    }
                }
                Ok(Reply::Nothing)
            }
            ("metadata", Operation::List) => listing(self.secrets.keys(), rest),
            ("metadata", Operation::Read) => match self.secrets.get(rest) {
                Some(secret) => Ok(Reply::Data(secret.metadata())),
                None => Err(Refusal::nothing()),
            },
            ("metadata", Operation::Write | Operation::Patch) if !rest.is_empty() => {
                self.describe(request, rest)
            }
            ("metadata", Operation::Delete) => {
                self.secrets.remove(rest);
                Ok(Reply::Nothing)
            }
            (_, Operation::Read | Operation::List) => {
                Ok(Reply::Warned(404, Value::Null, vec![WRONG_PATH.to_owned()]))
            }
            _ => Err(Refusal::nothing()),
        }
    }

    fn configure(&mut self, request: &Request) -> Outcome {
        if let Some(max) = request.body.get("max_versions").and_then(Value::as_u64) {
            self.max_versions = max;
        }
        if let Some(required) = request.body.get("cas_required").and_then(Value::as_bool) {
            self.cas_required = required;
        }
        if let Some(after) = request.body.get("delete_version_after") {
            self.delete_after = seconds(Some(after))?;
        }
        Ok(Reply::Nothing)
    }

    fn read(&self, request: &Request, path: &str) -> Outcome {
        let asked = match request.query.get("version").map(String::as_str) {
            None | Some("") => 0,
            Some(text) => text.parse().map_err(|_| {
                Refusal::bad(format!(
                    "Field validation failed: error converting input {text} for field \"version\": cannot parse '' as int: strconv.ParseInt: parsing {text:?}: invalid syntax"
                ))
            })?,
        };
        let secret = self.secrets.get(path).ok_or_else(Refusal::nothing)?;
        let number = if asked == 0 { secret.current } else { asked };
        let version = secret.versions.get(&number).ok_or_else(Refusal::nothing)?;
        let metadata = version.facts(number, &secret.custom());
        if version.is_gone(request.now) {
            let data = json!({"data": null, "metadata": metadata});
            return Ok(Reply::Warned(404, data, Vec::new()));
        }
        Ok(Reply::Data(
            json!({"data": version.data, "metadata": metadata}),
        ))
    }

    fn check(&self, request: &Request, path: &str) -> Result<(), Refusal> {
        let secret = self.secrets.get(path);
        let required = self.cas_required || secret.is_some_and(|secret| secret.cas_required);
        let cas = request
            .body
            .get("options")
            .and_then(|options| options.get("cas"))
            .filter(|cas| !cas.is_null());
        let Some(cas) = cas else {
            if required {
                return Err(Refusal::bad(
                    "check-and-set parameter required for this call",
                ));
            }
            return Ok(());
        };
        let number = cas
            .as_u64()
            .or_else(|| cas.as_str().and_then(|text| text.parse().ok()))
            .ok_or_else(|| Refusal::bad("error parsing check-and-set parameter"))?;
        if number != secret.map_or(0, |secret| secret.current) {
            return Err(Refusal::bad(
                "check-and-set parameter did not match the current version",
            ));
        }
        Ok(())
    }

    fn write(&mut self, request: &Request, path: &str) -> Outcome {
        let data = request
            .body
            .get("data")
            .and_then(Value::as_object)
            .cloned()
            .ok_or_else(|| Refusal::bad("no data provided"))?;
        self.check(request, path)?;
        self.store(path, data, request.now)
    }

    fn store(&mut self, path: &str, data: Map<String, Value>, now: i64) -> Outcome {
        let (usual, after) = (self.max_versions, self.delete_after);
        let secret = self.secrets.entry(path.to_owned()).or_insert(Secret {
            created: now,
            ..Secret::default()
        });
        secret.current += 1;
        secret.updated = now;
        let after = match secret.delete_after {
            0 => after,
            own => own,
        };
        let version = Version {
            data: Some(data),
            created: now,
            deleted: (after > 0).then_some(now + after),
        };
        let facts = version.facts(secret.current, &secret.custom());
        secret.versions.insert(secret.current, version);
        let most = match (secret.max_versions, usual) {
            (0, 0) => VERSIONS,
            (0, usual) => usual,
            (own, _) => own,
        };
        let oldest = secret.current.saturating_sub(most);
        secret.versions.retain(|number, _| *number > oldest);
        Ok(Reply::Data(facts))
    }

    fn patch(&mut self, request: &Request, path: &str) -> Outcome {
        let changes = request
            .body
            .get("data")
            .and_then(Value::as_object)
            .ok_or_else(|| Refusal::bad("no data provided"))?;
        self.check(request, path)?;
        let secret = self.secrets.get(path).ok_or_else(Refusal::nothing)?;
        let current = secret.versions.get(&secret.current);
        let mut data = current
            .filter(|version| !version.is_gone(request.now))
            .and_then(|version| version.data.clone())
            .ok_or_else(Refusal::nothing)?;
        for (name, value) in changes {
            match value {
                Value::Null => data.remove(name),
                value => data.insert(name.clone(), value.clone()),
            };
        }
        self.store(path, data, request.now)
    }

    /// Deletes versions of a secret, or undoes that.
    fn mark(&mut self, path: &str, numbers: Option<Vec<u64>>, deleted: Option<i64>) {
        let Some(secret) = self.secrets.get_mut(path) else {
            return;
        };
        for number in numbers.unwrap_or_else(|| vec![secret.current]) {
            if let Some(version) = secret.versions.get_mut(&number) {
                version.deleted = deleted;
            }
        }
    }

    fn describe(&mut self, request: &Request, path: &str) -> Outcome {
        let custom = match request.body.get("custom_metadata") {
            None | Some(Value::Null) => None,
            Some(Value::Object(members)) => {
                let mut custom = BTreeMap::new();
                for (name, value) in members {
                    let text = value.as_str().ok_or_else(|| {
                        Refusal::bad(format!("custom_metadata: {name:?} is not a string"))
                    })?;
                    custom.insert(name.clone(), text.to_owned());
                }
                Some(custom)
            }
            Some(_) => return Err(Refusal::bad("custom_metadata is not a map")),
        };
        let secret = self.secrets.entry(path.to_owned()).or_insert(Secret {
            created: request.now,
            updated: request.now,
            ..Secret::default()
        });
        if request.body.contains_key("custom_metadata") {
            secret.custom = match (request.operation, secret.custom.take(), custom) {
                (Operation::Patch, Some(mut old), Some(new)) => {
                    old.extend(new);
                    Some(old)
                }
                (_, _, new) => new,
            };
        }
        if let Some(max) = request.body.get("max_versions").and_then(Value::as_u64) {
            secret.max_versions = max;
        }
        if let Some(required) = request.body.get("cas_required").and_then(Value::as_bool) {
            secret.cas_required = required;
        }
        if let Some(after) = request.body.get("delete_version_after") {
            secret.delete_after = seconds(Some(after))?;
        }
        secret.updated = request.now;
        Ok(Reply::Nothing)
    }
}
