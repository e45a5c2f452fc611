//! How objects are put on the wire: full, metadata alone, or as a table; alone or in lists.

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, WARNING};
use serde_json::{Value, json};

use super::request::Shape;
use crate::kube::object::{Object, set, unset};
use crate::kube::resource::Resource;
use crate::kube::status::Status;
use crate::kube::table::IncludeObject;

/// Fields of an event in its stored (core) form and in the newer API's.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Whether objects of `resource` are kept under other field names.
fn is_renamed(resource: &Resource) -> bool {
    resource.is("events.k8s.io", "events")
}

/// An object from its stored form into `resource`'s.
pub fn to_served(resource: &Resource, value: &mut Value) {
    if is_renamed(resource) {
        for (stored, served) in EVENT_FIELDS {
            if let Some(field) = unset(value, stored) {
                set(value, served, field);
            }
        }
    }
    set(value, "apiVersion", resource.api_version());
}

/// An object from `resource`'s form into the stored one.
pub fn to_stored(resource: &Resource, value: &mut Value) {
    if is_renamed(resource) {
        for (stored, served) in EVENT_FIELDS {
            if let Some(field) = unset(value, served) {
                set(value, stored, field);
            }
        }
    }
    set(value, "apiVersion", &*resource.stored_as);
}

/// An object's JSON in `resource`'s version.
#[must_use]
pub fn full(resource: &Resource, object: &Object) -> Bytes {
    if is_renamed(resource) {
        let mut value = object.value().clone();
        to_served(resource, &mut value);
        return Bytes::from(value.to_string());
    }
    if resource.custom.is_none() {
        return object.full();
    }
    object.full_as(&resource.api_version())
}

/// One object in the wanted shape; `now` is in RFC 3339 and only matters to tables.
#[must_use]
pub fn one(resource: &Resource, object: &Object, shape: Shape, now: &str) -> Bytes {
    match shape {
        Shape::Full => full(resource, object),
        Shape::Partial => object.partial(),
        Shape::Table(include) => {
            let metadata = json!({"resourceVersion": object.version().to_string()});
            let table = table(resource, &[object.value()], &metadata, include, now);
            Bytes::from(table.to_string())
        }
    }
}

/// Rows for people.
#[must_use]
pub fn table(
    resource: &Resource,
    objects: &[&Value],
    metadata: &Value,
    include: IncludeObject,
    now: &str,
) -> Value {
    if !is_renamed(resource) {
        let served = |o: &&Value| match include {
            IncludeObject::Object if resource.custom.is_some() => {
                let mut copy = (*o).clone();
                to_served(resource, &mut copy);
                Some(copy)
            }
            _ => None,
        };
        let copies: Vec<Option<Value>> = objects.iter().map(served).collect();
        let rows = objects
            .iter()
            .zip(&copies)
            .map(|(o, c)| c.as_ref().unwrap_or(o));
        return resource.table.render(rows, metadata, include, now);
    }
    // The table of events reads the core form.
    resource
        .table
        .render(objects.iter().copied(), metadata, include, now)
}

/// What a page of a list says of itself.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The version that the list is of.
    pub version: u64,
    /// Where the next page begins.
    pub continuation: Option<String>,
    /// How many objects follow.
    pub remaining: usize,
}

impl Page {
    /// The metadata of the list.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if let Some(continuation) = &self.continuation {
            set(&mut metadata, "continue", continuation.as_str());
            set(&mut metadata, "remainingItemCount", self.remaining);
        }
        metadata
    }
}

/// A list in the wanted shape.
#[must_use]
pub fn list<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Object>,
    page: &Page,
    shape: Shape,
) -> Bytes {
    let (kind, api_version) = match shape {
        Shape::Partial => ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned()),
        _ => (resource.list_kind.as_str(), resource.api_version()),
    };
    let metadata = page.metadata();
    let mut out = BytesMut::with_capacity(64 * 1024);
    out.put_slice(
        format!(
            r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},"items":["#
        )
        .as_bytes(),
    );
    for (at, object) in objects.enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&if shape == Shape::Partial {
            object.partial()
        } else {
            full(resource, object)
        });
    }
    out.put_slice(b"]}");
    out.freeze()
}

/// A JSON answer.
#[must_use]
pub fn json(code: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A refusal.
#[must_use]
pub fn refusal(status: &Status) -> Response {
    let mut response = json(status.http(), status.to_bytes());
    let retry = status
        .details
        .as_deref()
        .and_then(|d| d.retry_after_seconds);
    if let Some(seconds) = retry {
        response
            .headers_mut()
            .insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Adds a warning header for each text.
pub fn warn(response: &mut Response, warnings: &[String]) {
    for text in warnings {
        let clean: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let quoted = clean.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}
