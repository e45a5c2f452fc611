//! AdmissionReview, read from bytes that anyone may have sent, and answered in kind.
//!
//! Owns: both versions that API servers speak, what makes a body no review, and the answer with
//! its patch. Refuses: any decision. No error here quotes the body: a pod may hold secrets.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::patch::Operation;

/// The longest uid that is echoed.
const LONGEST_UID: usize = 128;

/// The version of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `admission.k8s.io/v1`
    V1,
    /// `admission.k8s.io/v1beta1`, which clusters with webhook configurations of old still ask.
    V1Beta1,
}

impl Version {
    const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "admission.k8s.io/v1",
            Self::V1Beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

/// What an API server asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The version that the answer must have too.
    pub version: Version,
    /// What the answer must echo.
    pub uid: String,
    /// The object's API group; empty for the core.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// The subresource that is written, if it is one.
    pub sub_resource: String,
    /// Its namespace; empty for what has none.
    pub namespace: String,
    /// Its name; empty when the API server is to make one.
    pub name: String,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: String,
    /// The object; null at a deletion.
    pub object: Value,
}

/// A body is no review.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// It is not JSON, or a field has another type than a review's.
    #[error("the body is no AdmissionReview: {what} at line {line}, column {column}")]
    Shape {
        /// What is wrong, without the text.
        what: &'static str,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// It is another object.
    #[error(
        "the body is no AdmissionReview of admission.k8s.io/v1 or v1beta1: apiVersion or kind is another"
    )]
    Kind,
    /// It asks nothing.
    #[error("the AdmissionReview has no request")]
    Empty,
    /// It has no uid that could be echoed.
    #[error("the AdmissionReview's request has no uid of 1 to {LONGEST_UID} characters")]
    Uid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    api_version: Option<String>,
    kind: Option<String>,
    request: Option<RawRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRequest {
    uid: Option<String>,
    kind: Option<RawKind>,
    sub_resource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    operation: Option<String>,
    #[serde(default)]
    object: Value,
}

#[derive(Deserialize, Default)]
struct RawKind {
    group: Option<String>,
    kind: Option<String>,
}

impl Request {
    /// Reads the body of a call.
    ///
    /// # Errors
    /// It is no review, or one that cannot be answered.
    pub fn read(body: &[u8]) -> Result<Self, ReviewError> {
        let raw: Raw = serde_json::from_slice(body).map_err(|error| ReviewError::Shape {
            what: match error.classify() {
                serde_json::error::Category::Data => "a field has the wrong type",
                serde_json::error::Category::Eof => "it ends too soon",
                _ => "it is not JSON",
            },
            line: error.line(),
            column: error.column(),
        })?;
        let version = match raw.api_version.as_deref() {
            Some("admission.k8s.io/v1") => Version::V1,
            Some("admission.k8s.io/v1beta1") => Version::V1Beta1,
            _ => return Err(ReviewError::Kind),
        };
        if raw.kind.as_deref() != Some("AdmissionReview") {
            return Err(ReviewError::Kind);
        }
        let request = raw.request.ok_or(ReviewError::Empty)?;
        let uid = request.uid.unwrap_or_default();
        if uid.is_empty() || uid.len() > LONGEST_UID {
            return Err(ReviewError::Uid);
        }
        let kind = request.kind.unwrap_or_default();
        Ok(Self {
            version,
            uid,
            group: kind.group.unwrap_or_default(),
            kind: kind.kind.unwrap_or_default(),
            sub_resource: request.sub_resource.unwrap_or_default(),
            namespace: request.namespace.unwrap_or_default(),
            name: request.name.unwrap_or_default(),
            operation: request.operation.unwrap_or_default(),
            object: request.object,
        })
    }

    /// Whether it is about a pod that is being created.
    #[must_use]
    pub fn creates_pod(&self) -> bool {
        self.group.is_empty()
            && self.kind == "Pod"
            && self.sub_resource.is_empty()
            && self.operation == "CREATE"
    }
}

/// What an API server is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Why it is refused; `None` if it is not.
    pub refusal: Option<String>,
    /// How the object is changed.
    pub patch: Vec<Operation>,
    /// What whoever writes the object should know.
    pub warnings: Vec<String>,
    /// What the audit log of the API server is to hold.
    pub audit: BTreeMap<&'static str, String>,
}

impl Answer {
    /// Refused, with the reason.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            refusal: Some(reason.into()),
            ..Self::default()
        }
    }

    /// The body of the answer to `request`.
    #[must_use]
    pub fn render(&self, request: &Request) -> String {
        let mut response = Map::new();
        let mut set = |key: &str, value: Value| response.insert(key.to_owned(), value);
        set("uid", json!(request.uid));
        set("allowed", json!(self.refusal.is_none()));
        match &self.refusal {
            Some(message) => {
                let status = json!({"code": 400, "message": message});
                set("status", status);
            }
            None if !self.patch.is_empty() => {
                let patch = serde_json::to_vec(&self.patch).unwrap_or_default();
                set("patchType", json!("JSONPatch"));
                set("patch", json!(STANDARD.encode(patch)));
            }
            None => {}
        }
        if !self.warnings.is_empty() {
            set("warnings", json!(self.warnings));
        }
        if !self.audit.is_empty() {
            set("auditAnnotations", json!(self.audit));
        }
        json!({
            "apiVersion": request.version.as_str(),
            "kind": "AdmissionReview",
            "response": response,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests;
