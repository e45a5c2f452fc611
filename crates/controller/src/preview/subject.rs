//! Manifests: which of them are templated, and what they say.

use keyless_api::constants::GROUP;
use keyless_api::{ExternalSecretSpec, ExternalSecretTemplate};
use keyless_fault::ObjectRef;
use serde_json::{Value, json};

use super::Finding;
use crate::object::{ExternalSecret, ObjectKey};

/// The versions that are read.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// An object with a template.
#[derive(Clone, Debug)]
pub struct Subject {
    pub(super) object: ExternalSecret,
    pub(super) what: What,
    /// Whether the manifest or the caller names a namespace.
    pub(super) placed: bool,
}

/// What it asks for.
#[derive(Clone, Debug)]
pub(super) enum What {
    ExternalSecret(Box<ExternalSecretSpec>),
    /// The template of a PushSecret, and the Secret that it reads.
    PushSecret(Option<Box<ExternalSecretTemplate>>, Option<String>),
}

impl Subject {
    /// Reads one document; nothing if it is of another kind. `namespace` is where an object is
    /// that names none.
    ///
    /// # Errors
    /// It is of one of our kinds and cannot be read.
    pub fn read(document: &Value, namespace: Option<&str>) -> Result<Option<Self>, Finding> {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let api_version = text("/apiVersion").unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or_default();
        let push = match text("/kind") {
            Some("ExternalSecret") if group == GROUP => false,
            Some("PushSecret") if group == GROUP => true,
            _ => return Ok(None),
        };
        if !push && !VERSIONS.contains(&version) {
            return Err(Finding::manifest(
                "apiVersion",
                format!("{api_version} is not read any more. Write {GROUP}/v1"),
            ));
        }
        // YAML reads an unquoted n as false: nobody's namespace may change that way.
        for (field, pointer) in [
            ("metadata.name", "/metadata/name"),
            ("metadata.namespace", "/metadata/namespace"),
        ] {
            let value = document.pointer(pointer).filter(|value| !value.is_null());
            if value.is_some_and(|value| !value.is_string()) {
                return Err(Finding::manifest(
                    field,
                    "it is no string. Put it in quotes",
                ));
            }
        }
        if text("/metadata/name").is_none_or(str::is_empty) {
            return Err(Finding::manifest("metadata.name", "the object has no name"));
        }
        let placed = text("/metadata/namespace").or(namespace);
        let mut document = document.clone();
        if let (Some(meta), Some(namespace)) = (document.get_mut("metadata"), placed)
            && let Some(meta) = meta.as_object_mut()
        {
            meta.insert("namespace".into(), json!(namespace));
        }
        let wrong = |reason: String| Finding::manifest("metadata", reason);
        let object = ExternalSecret::decode(&document.to_string()).map_err(wrong)?;
        let decoded = |error: keyless_api::DecodeError| Finding::manifest(error.path, error.reason);
        let what = if push {
            let template = document.pointer("/spec/template").filter(|t| !t.is_null());
            let template = template
                .map(keyless_api::decode)
                .transpose()
                .map_err(|error| decoded(error.below("spec.template")))?;
            let source = document.pointer("/spec/selector/secret/name");
            let source = source.and_then(Value::as_str).map(str::to_owned);
            What::PushSecret(template.map(Box::new), source)
        } else {
            What::ExternalSecret(Box::new(object.spec().map_err(decoded)?))
        };
        Ok(Some(Self {
            object,
            what,
            placed: placed.is_some(),
        }))
    }

    /// Its kind, namespace and name.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        let kind = match self.what {
            What::ExternalSecret(_) => "ExternalSecret",
            What::PushSecret(..) => "PushSecret",
        };
        let key = &self.object.key;
        ObjectRef::new(kind, &*key.namespace, &*key.name)
    }

    /// Whether it is a PushSecret, which writes to a provider.
    #[must_use]
    pub const fn is_push(&self) -> bool {
        matches!(self.what, What::PushSecret(..))
    }

    /// The Secret that it writes.
    pub(super) fn target(&self, spec: &ExternalSecretSpec) -> ObjectKey {
        let key = &self.object.key;
        ObjectKey::new(&key.namespace, spec.target_name(&key.name))
    }
}

/// The objects in a document: those of a list, or itself; none in an empty document.
#[must_use]
pub fn documents(document: Value) -> Vec<Value> {
    let list = document
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match document {
        Value::Null => Vec::new(),
        Value::Object(mut map) if list => match map.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        document => vec![document],
    }
}
