//! A parameter and its versions, and how they look in answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::kms::Place;
use super::arn;

/// The key AWS manages for this service.
pub(super) const MANAGED_KEY: &str = "alias/aws/ssm";

/// A parameter's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the names are the wire's")]
pub(in super::super) enum Kind {
    String,
    StringList,
    SecureString,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::SecureString => "SecureString",
        }
    }
}

#[derive(Clone)]
pub(in super::super) struct Version {
    pub number: u64,
    pub value: String,
    /// What a reader without decryption sees of a SecureString.
    pub ciphertext: String,
    pub kind: Kind,
    pub key_id: Option<String>,
    pub modified: i64,
    pub user: String,
    pub description: Option<String>,
    pub pattern: Option<String>,
    pub advanced: bool,
    pub data_type: String,
    pub labels: BTreeSet<String>,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("number", &self.number)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(in super::super) struct Parameter {
    pub name: String,
    /// Oldest first; never empty.
    pub versions: Vec<Version>,
    pub tags: BTreeMap<String, String>,
}

impl Parameter {
    pub fn latest(&self) -> Option<&Version> {
        self.versions.last()
    }
}

/// Bytes in the form of a KMS ciphertext; they hold nothing.
pub(super) fn ciphertext(length: usize) -> String {
    let mut bytes = vec![0_u8; length + 120];
    rand::rng().fill(bytes.as_mut_slice());
    bytes.splice(..4, [1, 2, 2, 0]);
    STANDARD.encode(bytes)
}

/// A version as `GetParameter` shows it.
pub(super) fn value_json(
    place: Place<'_>,
    p: &Parameter,
    v: &Version,
    decrypt: bool,
    selector: Option<&str>,
) -> Value {
    let value = if v.kind == Kind::SecureString && !decrypt {
        &v.ciphertext
    } else {
        &v.value
    };
    let mut out = json!({
        "ARN": arn(place, &p.name), "Name": p.name, "Type": v.kind.as_str(), "Value": value, "Version": v.number,
        "LastModifiedDate": v.modified as f64, "DataType": v.data_type,
    });
    if let (Some(selector), Some(map)) = (selector, out.as_object_mut()) {
        map.insert("Selector".to_owned(), selector.into());
    }
    out
}

/// A version as `DescribeParameters` and `GetParameterHistory` show it, without its value.
pub(super) fn metadata_json(place: Place<'_>, p: &Parameter, v: &Version) -> Value {
    let mut out = json!({
        "ARN": arn(place, &p.name), "Name": p.name, "Type": v.kind.as_str(), "Version": v.number,
        "LastModifiedDate": v.modified as f64, "LastModifiedUser": v.user, "DataType": v.data_type,
        "Tier": if v.advanced { "Advanced" } else { "Standard" }, "Policies": [],
    });
    if let Some(map) = out.as_object_mut() {
        for (name, value) in [
            ("KeyId", &v.key_id),
            ("Description", &v.description),
            ("AllowedPattern", &v.pattern),
        ] {
            if let Some(value) = value {
                map.insert(name.to_owned(), value.clone().into());
            }
        }
    }
    out
}
