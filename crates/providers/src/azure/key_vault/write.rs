//! Writing and deleting.
//!
//! Owns: the mark of ownership, leaving what is as wanted, and the forms of the requests.
//! Refuses: overwriting or deleting what somebody else wrote.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::Method;
use keyless_fault::{Class, Fault};
use keyless_secret::property::PropertyLookup;
use serde::Deserialize;
use serde_json::{Value, json};

use super::backend::Backend;
use super::calls::Calls;
use super::import::{Certificate, Key};
use super::name::{self, Kind};
use super::object::{MANAGED_BY, Object};
use super::reads::Wanted;
use crate::{Error, Push, Pushed, Remote};

/// How often a throttled write is repeated.
const AGAIN: u32 = 5;

/// `spec.data[].metadata` of a push.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(default)]
    spec: Settings,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    expiration_date: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Settings {
    fn read(metadata: Option<&Value>) -> Result<Self, Error> {
        let Some(metadata) = metadata.filter(|metadata| !metadata.is_null()) else {
            return Ok(Self::default());
        };
        let wrong = |reason: String| Error::Config {
            reason: format!("metadata of the push: {reason}"),
            hint: Some(
                "Write apiVersion kubernetes.external-secrets.io/v1alpha1, kind \
                 PushSecretMetadata, and a spec with expirationDate, contentType or tags"
                    .into(),
            ),
        };
        let document = Document::deserialize(metadata).map_err(|error| wrong(error.to_string()))?;
        if document.api_version != "kubernetes.external-secrets.io/v1alpha1"
            || document.kind != "PushSecretMetadata"
        {
            return Err(wrong("it is not a PushSecretMetadata".into()));
        }
        if document.spec.tags.contains_key(MANAGED_BY.0) {
            return Err(wrong(format!(
                "the tag {} is not yours to set",
                MANAGED_BY.0
            )));
        }
        Ok(document.spec)
    }

    /// Seconds since 1970.
    fn expires(&self) -> Result<Option<i64>, Error> {
        let Some(text) = self.expiration_date.as_deref().filter(|t| !t.is_empty()) else {
            return Ok(None);
        };
        let time = DateTime::from_str(text.trim(), Format::DateTimeWithOffset);
        match time {
            Ok(time) => Ok(Some(time.secs())),
            Err(_) => Err(Error::Config {
                reason: format!("expirationDate {text:?} is not a time"),
                hint: Some("Write a time such as 2033-12-31T20:00:00Z".into()),
            }),
        }
    }

    fn tags(&self) -> BTreeMap<&str, &str> {
        let own = self.tags.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        own.chain([MANAGED_BY]).collect()
    }

    /// Whether `object` has all of these tags.
    fn tagged(&self, object: &Object) -> bool {
        self.tags
            .iter()
            .all(|(name, value)| object.tags.get(name) == Some(value))
    }
}

/// Writes one value.
pub(super) async fn push(backend: &Backend, push: &Push) -> Result<Pushed, Error> {
    let (kind, name) = name::parse(&push.remote.key)?;
    no_property(&push.remote)?;
    let settings = Settings::read(push.metadata.as_ref())?;
    let expires = settings.expires()?;
    let present = present(backend, kind, name).await?;
    if let Some(object) = &present {
        owned(object, &push.remote.key)?;
    }
    let present = present.as_deref();
    let tagged = |object: &Object| settings.tagged(object);
    let mut attributes = json!({"enabled": true});
    if let (Some(end), Some(fields)) = (expires, attributes.as_object_mut()) {
        fields.insert("exp".into(), json!(end));
    }
    let (method, path, call, body) = match kind {
        Kind::Secret => {
            let value = push.value.expose_str().ok_or_else(|| Error::Shape {
                reason: format!("the value for secret {name:?} is not text"),
                hint: Some("Encode it, Key Vault keeps text only".into()),
            })?;
            let content = settings.content_type.as_deref();
            let same = present.is_some_and(|object| {
                object.value == push.value
                    && object.times.expires == expires
                    && content.is_none_or(|wanted| object.content_type.as_deref() == Some(wanted))
                    && tagged(object)
            });
            if same {
                return Ok(Pushed::Unchanged);
            }
            let content = content.or(present.and_then(|o| o.content_type.as_deref()));
            (
                Method::PUT,
                format!("/secrets/{name}"),
                "SetSecret",
                json!({"value": value, "contentType": content}),
            )
        }
        Kind::Key => {
            let key = Key::read(&push.value, name)?;
            if present.is_some_and(|object| key.is(object.value.expose()) && tagged(object)) {
                return Ok(Pushed::Unchanged);
            }
            (
                Method::PUT,
                format!("/keys/{name}"),
                "ImportKey",
                json!({"key": key.jwk()}),
            )
        }
        Kind::Certificate => {
            let certificate = Certificate::read(&push.value, name)?;
            if present.is_some_and(|object| certificate.is(object.value.expose()) && tagged(object))
            {
                return Ok(Pushed::Unchanged);
            }
            (
                Method::POST,
                format!("/certificates/{name}/import"),
                "ImportCertificate",
                certificate.request(),
            )
        }
    };
    let mut body = body;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("attributes".into(), attributes);
        fields.insert("tags".into(), json!(settings.tags()));
    }
    let verb = match kind {
        Kind::Secret => "secrets set",
        Kind::Certificate => "certificates import",
        Kind::Key => "keys import",
    };
    let wish = Wish {
        intent: format!("write {kind} {name:?}"),
        permission: verb,
        call,
        name,
    };
    send(backend, &wish, method, &path, Some(&body)).await?;
    Ok(if present.is_some() {
        Pushed::Updated
    } else {
        Pushed::Created
    })
}

/// Deletes what was written; true if it was there.
pub(super) async fn delete(backend: &Backend, remote: &Remote) -> Result<bool, Error> {
    let (kind, name) = name::parse(&remote.key)?;
    no_property(remote)?;
    let Some(object) = present(backend, kind, name).await? else {
        return Ok(false);
    };
    owned(&object, &remote.key)?;
    let (permission, call) = match kind {
        Kind::Secret => ("secrets delete", "DeleteSecret"),
        Kind::Certificate => ("certificates delete", "DeleteCertificate"),
        Kind::Key => ("keys delete", "DeleteKey"),
    };
    let wish = Wish {
        intent: format!("delete {kind} {name:?}"),
        permission,
        call,
        name,
    };
    let path = Wanted::newest(kind, name).path();
    match send(backend, &wish, Method::DELETE, &path, None).await {
        Err(error) if error.is_no_secret() => Ok(false),
        other => other.map(|_| true),
    }
}

/// Whether there is such an object, or such a property of it.
pub(super) async fn exists(backend: &Backend, remote: &Remote) -> Result<bool, Error> {
    let (kind, name) = name::parse(&remote.key)?;
    let object = present(backend, kind, name).await?;
    let property = remote.property.as_deref().filter(|p| !p.is_empty());
    Ok(match (object, property) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(object), Some(path)) => PropertyLookup::PathFirst
            .find(&object.value, path)
            .is_some(),
    })
}

/// The newest version as it is now, or nothing.
async fn present(backend: &Backend, kind: Kind, name: &str) -> Result<Option<Arc<Object>>, Error> {
    let wanted = Wanted::newest(kind, name);
    match backend.objects.read_one(&wanted, Duration::ZERO).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_no_secret() => Ok(None),
        Err(error) => Err(error),
    }
}

fn owned(object: &Object, key: &str) -> Result<(), Error> {
    if object.is_ours() {
        return Ok(());
    }
    Err(Error::Config {
        reason: format!("{key:?} is not managed by external-secrets"),
        hint: Some(format!(
            "Write to another name, or tag it {}={} to hand it over",
            MANAGED_BY.0, MANAGED_BY.1
        )),
    })
}

fn no_property(remote: &Remote) -> Result<(), Error> {
    match remote.property.as_deref() {
        None | Some("") => Ok(()),
        Some(property) => Err(Error::Config {
            reason: format!(
                "property {property:?} of {:?} cannot be written alone",
                remote.key
            ),
            hint: Some("Push the whole value to Azure Key Vault".into()),
        }),
    }
}

/// One write, for messages and metrics.
struct Wish<'a> {
    intent: String,
    permission: &'static str,
    call: &'static str,
    name: &'a str,
}

async fn send(
    backend: &Backend,
    wish: &Wish<'_>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Bytes, Error> {
    let calls = &backend.calls;
    let attempt = calls.attempt(wish.intent.clone(), wish.permission, Some(wish.name));
    let body = body.map(|body| Bytes::from(body.to_string()));
    let call = Calls::call(method, calls.url(path, ""), body);
    let mut left = AGAIN;
    loop {
        backend.rate.take().await;
        match calls.make(wish.call, &attempt, &call).await {
            Ok(body) => return Ok(body),
            Err(refused) if refused.error.class() == Class::Throttled && left > 0 => {
                left -= 1;
                backend.rate.throttled(refused.error.retry_after());
            }
            Err(refused) => return Err(refused.error),
        }
    }
}
