//! Token injection: what the clouds' own webhooks would do to a pod.
//!
//! Owns: one module for each cloud, with its annotations, defaults, precedence and skip rules.
//! Refuses: opt-out by label and namespace, which the webhook configuration decides before
//! anyone is called, and looking anything up.
//!
//! Where those webhooks make a pod that the API server then refuses, or a token that any
//! service would take for the API server's, this one leaves the container alone or uses the
//! default, and says so in a warning that kubectl shows.

pub mod aws;
pub mod azure;
mod csv;
pub mod google;
mod number;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::patch::{Operation, Place, PodEdit, PodError};

/// A pod about to be created, and what is known of its service account.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The pod, as the review holds it.
    pub pod: &'a Value,
    /// The review's namespace; the pod itself may not name one yet.
    pub namespace: &'a str,
    /// The annotations of its service account; `None` if there is no such account.
    pub account: Option<&'a BTreeMap<String, String>>,
}

/// What is to be done with the pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is created, with these changes.
    Allowed(Injection),
    /// It is refused, as the cloud's own webhook refuses it.
    Denied {
        /// Why, for whoever created the pod.
        reason: String,
    },
}

/// Changes of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injection {
    /// What changes; empty if nothing does.
    pub patch: Vec<Operation>,
    /// What whoever creates the pod should know.
    pub warnings: Vec<String>,
}

impl Verdict {
    /// Nothing to do.
    #[must_use]
    pub fn untouched() -> Self {
        Self::Allowed(Injection::default())
    }

    fn denied(reason: impl Into<String>) -> Self {
        Self::Denied {
            reason: reason.into(),
        }
    }
}

impl From<PodError> for Verdict {
    fn from(error: PodError) -> Self {
        Self::denied(error.to_string())
    }
}

/// A volume that is mounted into containers.
struct Mount<'a> {
    volume: &'a str,
    path: &'a str,
    read_only: bool,
}

impl Mount<'_> {
    fn value(&self) -> Value {
        let mut mount = json!({"name": self.volume, "mountPath": self.path});
        if self.read_only
            && let Some(fields) = mount.as_object_mut()
        {
            fields.insert("readOnly".into(), Value::Bool(true));
        }
        mount
    }

    /// The warning for a container that has something else there: two mounts at one path would
    /// make the API server refuse the whole pod.
    fn taken(&self, edit: &PodEdit, container: &Place) -> Option<String> {
        let other = edit.taken_by(container, self.path, self.volume)?;
        Some(format!(
            "container {} mounts volume {other} at {}: no token was injected into it. Mount {other} elsewhere, or name the container in the skip-containers annotation",
            container.name, self.path
        ))
    }

    /// Adds the mount unless one of that volume is there.
    fn add(&self, edit: &mut PodEdit, container: &Place) {
        if edit.mount(container, self.volume).is_none() {
            edit.append(&format!("{}/volumeMounts", container.path), self.value());
        }
    }

    /// Adds the mount, or makes the present one of that volume equal to it.
    fn set(&self, edit: &mut PodEdit, container: &Place) {
        match edit.mount(container, self.volume) {
            None => edit.append(&format!("{}/volumeMounts", container.path), self.value()),
            Some(index) => {
                let path = format!("{}/volumeMounts/{index}", container.path);
                edit.replace(path, self.value());
            }
        }
    }
}

/// Adds a variable; an empty value is left out of the entry, as Go's encoder does.
fn add_env(edit: &mut PodEdit, container: &Place, name: &str, value: &str) {
    edit.append(&format!("{}/env", container.path), env(name, value));
}

/// Sets a variable, whatever it was.
fn set_env(edit: &mut PodEdit, container: &Place, name: &str, value: &str) {
    match edit.env(container, name) {
        None => add_env(edit, container, name, value),
        Some(index) => edit.replace(format!("{}/env/{index}", container.path), env(name, value)),
    }
}

fn env(name: &str, value: &str) -> Value {
    if value.is_empty() {
        json!({"name": name})
    } else {
        json!({"name": name, "value": value})
    }
}

/// A projected volume with one service account token.
fn token_volume(name: &str, audience: &str, seconds: i64, path: &str, mode: Option<i32>) -> Value {
    let mut projected = json!({"sources": [{"serviceAccountToken": {
        "audience": audience,
        "expirationSeconds": seconds,
        "path": path,
    }}]});
    if let (Some(mode), Some(fields)) = (mode, projected.as_object_mut()) {
        fields.insert("defaultMode".into(), json!(mode));
    }
    json!({"name": name, "projected": projected})
}

/// Adds a volume at the end, or makes the present one of that name equal to it.
fn set_volume(edit: &mut PodEdit, name: &str, value: Value) {
    match edit.volume(name) {
        None => edit.append("/spec/volumes", value),
        Some(index) => edit.replace(format!("/spec/volumes/{index}"), value),
    }
}

/// An audience that is empty would make the token one for the API server, mounted where a cloud
/// is to read it: the default is used instead.
fn audience<'a>(
    asked: Option<&'a str>,
    default: &'a str,
    source: &str,
    warnings: &mut Vec<String>,
) -> &'a str {
    match asked {
        None => default,
        Some("") => {
            warnings.push(format!(
                "{source} is empty, which would make the token one for the API server: {default} is used"
            ));
            default
        }
        Some(asked) => asked,
    }
}

/// Names divided by `separator`, without the blanks around them.
fn trimmed(list: Option<&str>, separator: char) -> BTreeSet<String> {
    let names = list.unwrap_or_default().split(separator);
    names.map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests;
