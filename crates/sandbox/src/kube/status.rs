//! The API's `Status` object: every refusal the server can give, in the real server's words.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// One wrong field of a refused object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Machine-readable, such as `FieldValueInvalid`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What is wrong, without the field.
    pub message: String,
    /// Path of the field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What a refusal is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// Object name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Resource (or kind, for invalid objects).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Object uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The wrong fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again.
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// A refusal: HTTP code, reason, message and details.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason; empty when the API gives none.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Details>>,
}

/// Group and plural of a resource, as messages name it.
fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}

fn about(group: &str, kind: &str, name: &str) -> Option<Box<Details>> {
    Some(Box::new(Details {
        name: name.into(),
        group: group.into(),
        kind: kind.into(),
        ..Details::default()
    }))
}

impl Status {
    /// A refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403 for a request that no rule allows.
    pub fn forbidden(group: &str, plural: &str, name: &str, message: impl AsRef<str>) -> Self {
        let quoted = if name.is_empty() {
            String::new()
        } else {
            format!(" \"{name}\"")
        };
        let message = format!(
            "{}{quoted} is forbidden: {}",
            qualified(group, plural),
            message.as_ref()
        );
        Self {
            details: about(group, plural, name),
            ..Self::new(403, "Forbidden", message)
        }
    }

    /// 404 for an object.
    #[must_use]
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(group, plural));
        Self {
            details: about(group, plural, name),
            ..Self::new(404, "NotFound", message)
        }
    }

    /// 404 for a path that serves nothing.
    #[must_use]
    pub fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self {
            details: Some(Box::default()),
            ..Self::new(404, "NotFound", message)
        }
    }

    /// 405.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self {
            details: Some(Box::default()),
            ..Self::new(405, "MethodNotAllowed", message)
        }
    }

    /// 409 for a name that is taken.
    #[must_use]
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(group, plural));
        Self {
            details: about(group, plural, name),
            ..Self::new(409, "AlreadyExists", message)
        }
    }

    /// 409 with a cause in words.
    pub fn conflict(group: &str, plural: &str, name: &str, why: impl AsRef<str>) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {}",
            qualified(group, plural),
            why.as_ref()
        );
        Self {
            details: about(group, plural, name),
            ..Self::new(409, "Conflict", message)
        }
    }

    /// 409 for a stale resource version.
    #[must_use]
    pub fn stale(group: &str, plural: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, plural, name, why)
    }

    /// 410 for a resource version that the watch cache no longer holds.
    #[must_use]
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {asked} ({oldest})"),
        )
    }

    /// 422 for wrong fields.
    #[must_use]
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let lines: Vec<String> = causes
            .iter()
            .map(|c| {
                if c.field.is_empty() {
                    c.message.clone()
                } else {
                    format!("{}: {}", c.field, c.message)
                }
            })
            .collect();
        let text = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut details = Details {
            name: name.into(),
            group: group.into(),
            kind: kind.into(),
            ..Details::default()
        };
        details.causes = causes;
        let message = format!("{qualified} \"{name}\" is invalid: {text}");
        Self {
            details: Some(Box::new(details)),
            ..Self::new(422, "Invalid", message)
        }
    }

    /// 413 for a body over the limit.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )
    }

    /// What the store answers to an object over its limit; the API gives it no reason.
    #[must_use]
    pub fn object_too_large() -> Self {
        Self::new(500, "", "etcdserver: request is too large")
    }

    /// 415.
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 500.
    pub fn internal(message: impl AsRef<str>) -> Self {
        let message = message.as_ref();
        let cause = Cause {
            reason: String::new(),
            message: message.into(),
            field: String::new(),
        };
        let details = Details {
            causes: vec![cause],
            ..Details::default()
        };
        Self {
            details: Some(Box::new(details)),
            ..Self::new(
                500,
                "InternalError",
                format!("Internal error occurred: {message}"),
            )
        }
    }

    /// Adds a cause to the details.
    #[must_use]
    pub fn with_cause(mut self, reason: &str, message: impl Into<String>, field: &str) -> Self {
        let cause = Cause {
            reason: reason.into(),
            message: message.into(),
            field: field.into(),
        };
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn http(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The Status object as a JSON value.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        let mut value = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(map) = value.as_object_mut() {
            if !self.reason.is_empty() {
                map.insert("reason".into(), self.reason.into());
            }
            if let Some(Ok(details)) = self.details.as_deref().map(serde_json::to_value) {
                map.insert("details".into(), details);
            }
        }
        value
    }

    /// The Status object as JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from(self.to_value().to_string())
    }
}

/// Cause of an invalid value, as the API words it.
#[must_use]
pub fn invalid_value(
    field: impl Into<String>,
    value: &serde_json::Value,
    why: impl AsRef<str>,
) -> Cause {
    Cause {
        reason: "FieldValueInvalid".into(),
        message: format!("Invalid value: {value}: {}", why.as_ref()),
        field: field.into(),
    }
}

/// Cause of a missing value.
#[must_use]
pub fn required(field: impl Into<String>, why: &str) -> Cause {
    let message = if why.is_empty() {
        "Required value".to_owned()
    } else {
        format!("Required value: {why}")
    };
    Cause {
        reason: "FieldValueRequired".into(),
        message,
        field: field.into(),
    }
}

/// Cause of a field that may not be set or changed.
#[must_use]
pub fn forbidden_field(field: impl Into<String>, why: &str) -> Cause {
    Cause {
        reason: "FieldValueForbidden".into(),
        message: format!("Forbidden: {why}"),
        field: field.into(),
    }
}

/// Cause of a value over its limit.
#[must_use]
pub fn too_long(field: impl Into<String>, limit: usize) -> Cause {
    Cause {
        reason: "FieldValueTooLong".into(),
        message: format!("Too long: may not be more than {limit} bytes"),
        field: field.into(),
    }
}

/// Cause of a value outside a fixed set.
#[must_use]
pub fn unsupported(
    field: impl Into<String>,
    value: &serde_json::Value,
    supported: &[&str],
) -> Cause {
    let list: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
    let message = format!(
        "Unsupported value: {value}: supported values: {}",
        list.join(", ")
    );
    Cause {
        reason: "FieldValueNotSupported".into(),
        message,
        field: field.into(),
    }
}
