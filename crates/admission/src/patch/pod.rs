//! Reading an untyped pod.
//!
//! Owns: where containers, volumes, environment entries and annotations are, and the check that
//! they have the types of a pod's. Refuses: changing anything.

use serde_json::Value;

use super::{PodEdit, PodError};

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// JSON Pointer of the container.
    pub path: String,
    /// Its name.
    pub name: String,
}

/// The lists of containers that injection goes through, in the order in which they start.
const CONTAINERS: [&str; 2] = ["/spec/initContainers", "/spec/containers"];
/// The lists of a container that injection reads.
const LISTS: [&str; 2] = ["env", "volumeMounts"];

impl PodEdit {
    /// An annotation of the pod.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        member(self.pod.pointer("/metadata/annotations"), key)
    }

    /// The service account's name; `None` where the pod names none.
    #[must_use]
    pub fn service_account(&self) -> Option<&str> {
        let name = self.pod.pointer("/spec/serviceAccountName")?.as_str()?;
        (!name.is_empty()).then_some(name)
    }

    /// Whether the pod asks for a node with Windows. Only node selectors count, as they do for
    /// the clouds' own webhooks.
    #[must_use]
    pub fn selects_windows(&self) -> bool {
        let selector = self.pod.pointer("/spec/nodeSelector");
        ["kubernetes.io/os", "beta.kubernetes.io/os"]
            .iter()
            .any(|key| member(selector, key) == Some("windows"))
    }

    /// The init containers, then the others.
    #[must_use]
    pub fn containers(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for list in CONTAINERS {
            let present = self.pod.pointer(list).and_then(Value::as_array);
            for (index, container) in present.into_iter().flatten().enumerate() {
                places.push(Place {
                    path: format!("{list}/{index}"),
                    name: text(container, "name").to_owned(),
                });
            }
        }
        places
    }

    /// Whether `container` has an environment entry of this name, whatever it says.
    #[must_use]
    pub fn has_env(&self, container: &Place, name: &str) -> bool {
        self.env(container, name).is_some()
    }

    /// The index of the environment entry `name`.
    #[must_use]
    pub fn env(&self, container: &Place, name: &str) -> Option<usize> {
        entry_named(self.pod.pointer(&format!("{}/env", container.path)), name)
    }

    /// The index of the mount of volume `name`.
    #[must_use]
    pub fn mount(&self, container: &Place, name: &str) -> Option<usize> {
        let mounts = format!("{}/volumeMounts", container.path);
        entry_named(self.pod.pointer(&mounts), name)
    }

    /// The volume that is mounted at `path` under another name than `volume`.
    #[must_use]
    pub fn taken_by(&self, container: &Place, path: &str, volume: &str) -> Option<String> {
        let mounts = format!("{}/volumeMounts", container.path);
        let mounts = self.pod.pointer(&mounts).and_then(Value::as_array);
        mounts
            .into_iter()
            .flatten()
            .find(|mount| text(mount, "mountPath") == path && text(mount, "name") != volume)
            .map(|mount| text(mount, "name").to_owned())
    }

    /// The index of the volume `name`.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<usize> {
        entry_named(self.pod.pointer("/spec/volumes"), name)
    }
}

/// The index of the entry of `list` that has this `name`.
pub fn entry_named(list: Option<&Value>, name: &str) -> Option<usize> {
    let list = list?.as_array()?;
    list.iter().position(|entry| text(entry, "name") == name)
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    member(Some(object), key).unwrap_or_default()
}

fn member<'a>(map: Option<&'a Value>, key: &str) -> Option<&'a str> {
    map?.get(key)?.as_str()
}

/// Checks the types of all that injection reads. Absent and null are the same, as in a pod.
pub(super) fn check(pod: &Value) -> Result<(), PodError> {
    object(pod, "the object")?;
    for required in ["metadata", "spec"] {
        object(pod.get(required).unwrap_or(&Value::Null), required)?;
    }
    for map in ["/metadata/labels", "/metadata/annotations"] {
        if let Some(value) = present(pod.pointer(map)) {
            object(value, map.trim_start_matches('/'))?;
        }
    }
    list(pod.pointer("/spec/volumes"), "spec.volumes")?;
    for (pointer, name) in CONTAINERS
        .iter()
        .zip(["spec.initContainers", "spec.containers"])
    {
        for container in list(pod.pointer(pointer), name)? {
            for field in LISTS {
                list(container.get(field), &format!("{name}[].{field}"))?;
            }
        }
    }
    Ok(())
}

fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn object(value: &Value, path: &str) -> Result<(), PodError> {
    if value.is_object() {
        return Ok(());
    }
    Err(PodError {
        path: path.replace('/', "."),
        expected: "an object",
    })
}

/// The entries of a list of objects.
fn list<'a>(value: Option<&'a Value>, path: &str) -> Result<&'a [Value], PodError> {
    let Some(value) = present(value) else {
        return Ok(&[]);
    };
    let wrong = || PodError {
        path: path.to_owned(),
        expected: "a list of objects",
    };
    let list = value.as_array().ok_or_else(wrong)?;
    if list.iter().all(Value::is_object) {
        Ok(list)
    } else {
        Err(wrong())
    }
}
