//! Request bodies: size limit, content types, decoding.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use crate::kube::protobuf::{self, DecodeError};
use crate::kube::status::Status;

/// Largest body that is read.
pub const LIMIT: usize = 3 * 1024 * 1024;

/// The body's bytes.
///
/// # Errors
/// 413 over the limit, 400 when the client breaks off.
pub async fn bytes(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Status::body_too_large(LIMIT))
        }
        Err(_) => Err(Status::bad_request("the request body could not be read")),
    }
}

/// The media type without parameters.
pub fn media_type(headers: &HeaderMap) -> &str {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// The body as a value; `Null` when there is none.
///
/// # Errors
/// 400 for what cannot be decoded, 415 for an unknown type.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Value, Status> {
    let bytes = bytes(body).await?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    decode(media_type(headers), &bytes)
}

/// Bytes of a media type as a value.
///
/// # Errors
/// 400 for what cannot be decoded, 415 for an unknown type.
pub fn decode(media_type: &str, bytes: &[u8]) -> Result<Value, Status> {
    match media_type {
        "" | "application/json" => serde_json::from_slice(bytes).map_err(|e| {
            Status::bad_request(format!("couldn't get version/kind; json parse error: {e}"))
        }),
        "application/yaml" => yaml(bytes),
        "application/vnd.kubernetes.protobuf" => protobuf::decode(bytes).map_err(|e| match e {
            DecodeError::UnknownKind { .. } => {
                Status::new(415, "UnsupportedMediaType", e.to_string())
            }
            _ => Status::bad_request(e.to_string()),
        }),
        _ => Err(Status::unsupported_media_type(
            "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor",
        )),
    }
}

/// YAML (and so JSON too) as a value.
///
/// # Errors
/// 400 for what cannot be decoded.
pub fn yaml(bytes: &[u8]) -> Result<Value, Status> {
    // Most clients send JSON under the YAML media type.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Status::bad_request("error decoding YAML: not UTF-8"))?;
    serde_saphyr::from_str(text)
        .map_err(|e| Status::bad_request(format!("error decoding YAML: {e}")))
}
