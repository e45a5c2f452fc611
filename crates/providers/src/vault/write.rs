//! Writing and deleting.
//!
//! Owns: the mark of what is ours (`managed-by` in the custom metadata, in version 1 inside the
//! data), merging a property into what is there, and check-and-set, so that a write between our
//! read and our write is noticed. Refuses: touching what has no mark.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use keyless_secret::SecretBytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::backend::Backend;
use super::calls::Request;
use super::document::{Metadata, Read, Secret};
use super::json::canonical;
use super::path::{Engine, Layout, Place};
use super::reads::{MetadataOf, Secrets};
use crate::{Error, Push, Pushed, Remote};

const MARK: &str = "managed-by";
const OURS: &str = "external-secrets";
/// Where engine version 1 keeps the mark: inside the data.
const INSIDE: &str = "custom_metadata";

/// A secret's members, each as JSON text, so that what is not ours is written back as it was.
type Members = BTreeMap<String, Box<RawValue>>;

/// What is there.
struct Present {
    /// Absent or deleted: nothing.
    members: Option<Members>,
    /// The newest version's number, deleted or not.
    version: u64,
    metadata: Option<Metadata>,
    ours: bool,
}

struct Writer<'a> {
    backend: &'a Backend,
    place: Place,
}

/// See [`crate::Provider::push`].
pub(super) async fn push(backend: &Backend, layout: &Layout, push: &Push) -> Result<Pushed, Error> {
    let writer = Writer {
        backend,
        place: layout.place(&push.remote.key)?,
    };
    let present = writer.present().await?;
    if !present.ours && (present.members.is_some() || present.metadata.is_some()) {
        return Err(writer.foreign());
    }
    let property = property(&push.remote);
    let mut members = match property {
        Some(_) => present.members.clone().unwrap_or_default(),
        None => BTreeMap::new(),
    };
    match property {
        Some(property) => {
            let text = push.value.expose_str().ok_or_else(|| not_text(property))?;
            members.insert(property.to_owned(), raw(&Value::from(text))?);
        }
        None => members.extend(object(&push.value)?),
    }
    if writer.place.engine() == Engine::V1 {
        members.insert(INSIDE.to_owned(), raw(&json!({MARK: OURS}))?);
    }
    let wanted = write(&members)?;
    if let Some(before) = &present.members
        && write(before)? == wanted
    {
        return Ok(Pushed::Unchanged);
    }
    // The mark first: a write that breaks off in between leaves nothing that looks foreign.
    if !present.ours {
        writer.mark(present.metadata.as_ref()).await?;
    }
    writer.write(&wanted, present.version).await?;
    Ok(match present.members {
        Some(_) => Pushed::Updated,
        None => Pushed::Created,
    })
}

/// See [`crate::Provider::delete`].
pub(super) async fn delete(
    backend: &Backend,
    layout: &Layout,
    remote: &Remote,
) -> Result<bool, Error> {
    let writer = Writer {
        backend,
        place: layout.place(&remote.key)?,
    };
    let present = writer.present().await?;
    let Some(mut members) = present.members else {
        return Ok(false);
    };
    if !present.ours {
        return Err(writer.foreign());
    }
    if let Some(property) = property(remote) {
        if members.remove(property).is_none() {
            return Ok(false);
        }
        let others = members
            .keys()
            .any(|name| !(writer.place.engine() == Engine::V1 && name == INSIDE));
        if others {
            writer.write(&write(&members)?, present.version).await?;
            return Ok(true);
        }
    }
    writer.remove().await?;
    Ok(true)
}

/// See [`crate::Provider::exists`].
pub(super) async fn exists(
    backend: &Backend,
    layout: &Layout,
    remote: &Remote,
) -> Result<bool, Error> {
    let writer = Writer {
        backend,
        place: layout.place(&remote.key)?,
    };
    let (members, _) = writer.members().await?;
    Ok(match (members, property(remote)) {
        (Some(members), Some(property)) => members.contains_key(property),
        (members, _) => members.is_some(),
    })
}

fn property(remote: &Remote) -> Option<&str> {
    remote.property.as_deref().filter(|text| !text.is_empty())
}

impl Writer<'_> {
    async fn members(&self) -> Result<(Option<Members>, u64), Error> {
        let secrets = Secrets(Arc::clone(&self.backend.calls));
        match secrets.now(&self.place.secret(None)?).await? {
            Read::Found(Secret { data, version }) => Ok((Some(object(&data)?), version)),
            Read::Absent(version) => Ok((None, version)),
            Read::OtherEngine(_) => Ok((None, 0)),
        }
    }

    async fn present(&self) -> Result<Present, Error> {
        let (members, mut version) = self.members().await?;
        if self.place.engine() == Engine::V1 {
            let marked = members
                .as_ref()
                .and_then(|members| members.get(INSIDE))
                .and_then(|raw| serde_json::from_str::<Map<String, Value>>(raw.get()).ok())
                .is_some_and(|mark| mark.get(MARK).and_then(Value::as_str) == Some(OURS));
            return Ok(Present {
                ours: marked,
                members,
                version,
                metadata: None,
            });
        }
        let target = self.place.metadata("push")?;
        let metadata = MetadataOf(Arc::clone(&self.backend.calls))
            .now(&target)
            .await?;
        let ours = metadata
            .as_ref()
            .is_some_and(|metadata| metadata.custom().get(MARK).map(String::as_str) == Some(OURS));
        if let Some(metadata) = &metadata {
            version = version.max(metadata.current_version);
        }
        Ok(Present {
            members,
            version,
            metadata,
            ours,
        })
    }

    /// Marks what version 2 keeps as ours; what else its metadata says stays.
    async fn mark(&self, metadata: Option<&Metadata>) -> Result<(), Error> {
        if self.place.engine() == Engine::V1 {
            return Ok(());
        }
        let mut custom = metadata.map(Metadata::custom).unwrap_or_default();
        custom.insert(MARK.to_owned(), OURS.to_owned());
        let target = self.place.metadata("push")?;
        let calls = &self.backend.calls;
        let attempt = calls.attempt("write metadata", &["update"], &target);
        let request = Request {
            name: "WriteSecretMetadata",
            method: Method::POST,
            path: &target.url,
            body: Some(json!({ "custom_metadata": custom }).to_string().into()),
        };
        let answer = calls.make(&attempt, &request).await?;
        match answer.status {
            404 => Err(attempt.refused(&answer)),
            _ => Ok(()),
        }
    }

    async fn write(&self, members: &str, version: u64) -> Result<(), Error> {
        let target = self.place.data()?;
        let calls = &self.backend.calls;
        let attempt = calls.attempt("write secret", &["create", "update"], &target);
        let body = match self.place.engine() {
            Engine::V1 => members.to_owned(),
            Engine::V2 => format!(r#"{{"options":{{"cas":{version}}},"data":{members}}}"#),
        };
        let request = Request {
            name: "WriteSecretData",
            method: Method::POST,
            path: &target.url,
            body: Some(body.into()),
        };
        let answer = calls.make(&attempt, &request).await?;
        match answer.status {
            404 => Err(attempt.refused(&answer)),
            _ => Ok(()),
        }
    }

    async fn remove(&self) -> Result<(), Error> {
        let mut targets = vec![self.place.data()?];
        if self.place.engine() == Engine::V2 {
            targets.push(self.place.metadata("delete")?);
        }
        let calls = &self.backend.calls;
        for target in &targets {
            let attempt = calls.attempt("delete secret", &["delete"], target);
            let request = Request {
                name: "DeleteSecret",
                method: Method::DELETE,
                path: &target.url,
                body: None,
            };
            // Gone already is as good.
            calls.make(&attempt, &request).await?;
        }
        Ok(())
    }

    fn foreign(&self) -> Error {
        let place = self.place.data().map(|target| target.plain);
        Error::Config {
            reason: format!(
                "secret {:?} is not managed by external-secrets",
                place.unwrap_or_default()
            ),
            hint: Some(format!(
                "Push to another key, or set {MARK}={OURS} in its custom metadata"
            )),
        }
    }
}

fn object(value: &SecretBytes) -> Result<Members, Error> {
    serde_json::from_slice(value.expose()).map_err(|_| Error::Shape {
        reason: "the value is no JSON object, and the engine keeps nothing else".into(),
        hint: Some("Set remoteRef.property, or push a whole Secret".into()),
    })
}

fn not_text(property: &str) -> Error {
    Error::Shape {
        reason: format!("the value for property {property:?} is not UTF-8"),
        hint: Some("Encode it, for instance with decodingStrategy or a template".into()),
    }
}

fn raw(value: &Value) -> Result<Box<RawValue>, Error> {
    serde_json::value::to_raw_value(value).map_err(|_| nested())
}

fn write(members: &Members) -> Result<String, Error> {
    let text = serde_json::to_string(members).map_err(|_| nested())?;
    canonical(&text).ok_or_else(nested)
}

fn nested() -> Error {
    Error::Shape {
        reason: "the value is nested too deep".into(),
        hint: None,
    }
}
