//! Writing and deleting.
//!
//! Owns: the mark of ownership, leaving what is as wanted, and the forms of the requests.
//! Refuses: overwriting or deleting what somebody else wrote.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;
use serde_json::{Value, json};
use url::Url;

use super::backend::Backend;
use super::calls::Calls;
use super::checksum::crc32c;
use super::object::{MANAGED_BY, Metadata};
use super::reads::{Wanted, id};
use super::settings::Settings;
use crate::{Error, Push, Pushed, Remote, merge, property};

/// How often a throttled write is repeated.
const AGAIN: u32 = 5;
/// Largest payload, in bytes.
const LARGEST: usize = 64 << 10;

/// Writes one value.
pub(super) async fn push(backend: &Backend, push: &Push) -> Result<Pushed, Error> {
    let id = id(&push.remote.key)?;
    let settings = Settings::read(push.metadata.as_ref())?;
    let path = push.remote.property.as_deref().filter(|p| !p.is_empty());
    if path.is_some() && settings.is_some() {
        return Err(Error::Config {
            reason: "cannot specify metadata and property at the same time".into(),
            hint: Some("Remove metadata or remoteRef.property of the push".into()),
        });
    }
    let present = present(backend, id).await?;
    let described = match &present {
        None => {
            create(backend, id, &settings.unwrap_or_default()).await?;
            true
        }
        Some(metadata) => {
            owned(metadata, id)?;
            match settings.map(|settings| settings.described(metadata)) {
                Some(wanted) if wanted != **metadata => {
                    describe(backend, id, &wanted).await?;
                    true
                }
                _ => false,
            }
        }
    };
    let newest = match present {
        Some(_) => newest(backend, id, path.is_some()).await?,
        None => None,
    };
    let value = match path {
        None => push.value.clone(),
        Some(path) => {
            let text = push.value.expose_str().ok_or_else(|| Error::Shape {
                reason: format!("the value for property {path} of secret {id} is not text"),
                hint: Some("Encode it, or push it without a property".into()),
            })?;
            let document = newest.as_ref().map_or(&b""[..], |value| value.expose());
            let same = newest
                .as_ref()
                .and_then(|value| property::find(value, path))
                .is_some_and(|value| value.expose() == push.value.expose());
            if same {
                return Ok(outcome(present.is_some(), described));
            }
            merge::set(document, path, text, id)?.into()
        }
    };
    if newest.as_deref() == Some(&value) {
        return Ok(outcome(present.is_some(), described));
    }
    add(backend, id, &value).await?;
    Ok(outcome(present.is_some(), true))
}

const fn outcome(present: bool, changed: bool) -> Pushed {
    match (present, changed) {
        (false, _) => Pushed::Created,
        (true, true) => Pushed::Updated,
        (true, false) => Pushed::Unchanged,
    }
}

/// Deletes what was written, a property alone where others remain; true if it was there.
pub(super) async fn delete(backend: &Backend, remote: &Remote) -> Result<bool, Error> {
    let id = id(&remote.key)?;
    let Some(metadata) = present(backend, id).await? else {
        return Ok(false);
    };
    owned(&metadata, id)?;
    if let Some(path) = remote.property.as_deref().filter(|p| !p.is_empty()) {
        let Some(value) = newest(backend, id, true).await? else {
            return Ok(false);
        };
        match merge::remove(value.expose(), path, id)? {
            None => return Ok(false),
            Some(left) if left != "{}" => {
                add(backend, id, &left.into()).await?;
                return Ok(true);
            }
            // Nothing else is in it.
            Some(_) => {}
        }
    }
    let etag = [("etag", metadata.etag.as_str())];
    let query = if metadata.etag.is_empty() {
        &[][..]
    } else {
        &etag
    };
    let wish = Wish {
        intent: format!("delete secret {id:?}"),
        permission: "secretmanager.secrets.delete",
        call: "DeleteSecret",
        id,
    };
    let url = backend.calls.url(&format!("secrets/{id}"), query);
    match send(backend, &wish, Method::DELETE, url, None).await {
        Err(error) if error.is_no_secret() => Ok(false),
        other => other.map(|_| true),
    }
}

/// Whether there is such a secret with a version, or such a property of it.
pub(super) async fn exists(backend: &Backend, remote: &Remote) -> Result<bool, Error> {
    let id = id(&remote.key)?;
    let path = remote.property.as_deref().filter(|p| !p.is_empty());
    let refused = match backend
        .payloads
        .api()
        .access(&Wanted::latest(id), "latest")
        .await
    {
        Ok(value) => {
            return Ok(path.is_none_or(|path| property::find(&value, path).is_some()));
        }
        Err(refused) => refused,
    };
    let inactive = refused
        .answer
        .as_ref()
        .is_some_and(|answer| answer.is_inactive());
    match refused.error {
        error if error.is_no_secret() => Ok(false),
        // It is there, if nobody can read it.
        _ if inactive && path.is_none() => Ok(true),
        error => Err(error),
    }
}

/// The secret's description as it is now, or nothing.
async fn present(backend: &Backend, id: &str) -> Result<Option<Arc<Metadata>>, Error> {
    let found = backend
        .secrets
        .read_one(&id.to_owned(), Duration::ZERO)
        .await;
    match found {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.is_no_secret() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The newest version as it is now; nothing if there is none. A disabled one may be written over,
/// unless a property of it is `needed`.
async fn newest(
    backend: &Backend,
    id: &str,
    needed: bool,
) -> Result<Option<Arc<SecretBytes>>, Error> {
    let payloads = backend.payloads.api();
    match payloads.access(&Wanted::latest(id), "latest").await {
        Ok(value) => Ok(Some(Arc::new(value))),
        Err(refused) => {
            let inactive = refused
                .answer
                .as_ref()
                .is_some_and(|answer| answer.is_inactive());
            if refused.error.is_no_secret() || inactive && !needed {
                Ok(None)
            } else {
                Err(refused.error)
            }
        }
    }
}

fn owned(metadata: &Metadata, id: &str) -> Result<(), Error> {
    if metadata.is_ours() {
        return Ok(());
    }
    Err(Error::Config {
        reason: format!("secret {id} is not managed by external-secrets"),
        hint: Some(format!(
            "Write to another name, or label it {}={} to hand it over",
            MANAGED_BY.0, MANAGED_BY.1
        )),
    })
}

async fn create(backend: &Backend, id: &str, settings: &Settings) -> Result<(), Error> {
    let described = settings.described(&Metadata::default());
    let mut body = json!({"labels": described.labels});
    if let Some(fields) = body.as_object_mut() {
        if !described.annotations.is_empty() {
            fields.insert("annotations".into(), json!(described.annotations));
        }
        if !described.topics.is_empty() {
            fields.insert("topics".into(), json!(described.topics));
        }
        // A regional secret lies where it lies.
        if !backend.calls.is_regional() {
            fields.insert("replication".into(), settings.replication());
        } else if let Some(key) = &settings.cmek_key_name {
            fields.insert(
                "customerManagedEncryption".into(),
                json!({"kmsKeyName": key}),
            );
        }
    }
    let wish = Wish {
        intent: format!("create secret {id:?}"),
        permission: "secretmanager.secrets.create",
        call: "CreateSecret",
        id,
    };
    let url = backend.calls.url("secrets", &[("secretId", id)]);
    send(backend, &wish, Method::POST, url, Some(&body)).await?;
    Ok(())
}

async fn describe(backend: &Backend, id: &str, wanted: &Metadata) -> Result<(), Error> {
    let wish = Wish {
        intent: format!("describe secret {id:?}"),
        permission: "secretmanager.secrets.update",
        call: "UpdateSecret",
        id,
    };
    let mut body = json!({
        "labels": wanted.labels,
        "annotations": wanted.annotations,
        "topics": wanted.topics,
    });
    if let Some(fields) = body.as_object_mut().filter(|_| !wanted.etag.is_empty()) {
        fields.insert("etag".into(), json!(wanted.etag));
    }
    let mask = [("updateMask", "labels,annotations,topics")];
    let url = backend.calls.url(&format!("secrets/{id}"), &mask);
    send(backend, &wish, Method::PATCH, url, Some(&body)).await?;
    Ok(())
}

async fn add(backend: &Backend, id: &str, value: &SecretBytes) -> Result<(), Error> {
    if value.len() > LARGEST {
        return Err(Error::Shape {
            reason: format!("the value for secret {id} has more than {LARGEST} bytes"),
            hint: Some("Split it; Secret Manager keeps no more in one version".into()),
        });
    }
    let wish = Wish {
        intent: format!("add a version to secret {id:?}"),
        permission: "secretmanager.versions.add",
        call: "AddSecretVersion",
        id,
    };
    let body = json!({"payload": {
        "data": STANDARD.encode(value.expose()),
        "dataCrc32c": crc32c(value.expose()).to_string(),
    }});
    let url = backend.calls.url(&format!("secrets/{id}:addVersion"), &[]);
    send(backend, &wish, Method::POST, url, Some(&body)).await?;
    Ok(())
}

/// One write, for messages and metrics.
struct Wish<'a> {
    intent: String,
    permission: &'static str,
    call: &'static str,
    id: &'a str,
}

async fn send(
    backend: &Backend,
    wish: &Wish<'_>,
    method: Method,
    url: Url,
    body: Option<&Value>,
) -> Result<Bytes, Error> {
    let calls = &backend.calls;
    let attempt = calls.attempt(wish.intent.clone(), wish.permission, Some(wish.id));
    let call = Calls::call(method, url, body.map(|body| Bytes::from(body.to_string())));
    let mut left = AGAIN;
    loop {
        backend.rates.writes.take().await;
        match calls.make(wish.call, &attempt, &call).await {
            Ok(body) => return Ok(body),
            Err(refused) if refused.error.class() == Class::Throttled && left > 0 => {
                left -= 1;
                backend.rates.writes.throttled(refused.error.retry_after());
            }
            Err(refused) => return Err(refused.error),
        }
    }
}
