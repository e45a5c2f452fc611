//! A ConfigMap, which some pod serves: the three objects are keys of its data.
//!
//! Owns: the names of the keys. A key must be as it was seen, and the write carries the ConfigMap's
//! own version, so that the API server refuses one over another writer's. Refuses: serving it.

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::Class;
use serde_json::json;

use super::{Seen, Stored, Target, TargetError, content_version};
use crate::cluster::ApiServer;
use crate::facts::Refused;
use crate::plan::Object;

/// A ConfigMap.
#[derive(Debug)]
pub struct InConfigMap {
    server: ApiServer,
    namespace: String,
    name: String,
}

/// The key of an object: a path cannot be one.
#[must_use]
pub const fn key(object: Object) -> &'static str {
    match object {
        Object::Marker => "keyless-publication.json",
        Object::Keys => "jwks.json",
        Object::Discovery => "openid-configuration.json",
    }
}

impl InConfigMap {
    /// The ConfigMap `namespace/name`.
    #[must_use]
    pub fn new(server: ApiServer, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            server,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    fn refused(&self, intent: &str, refused: &Refused) -> TargetError {
        TargetError::Refused {
            target: self.name(),
            intent: intent.to_owned(),
            provider_code: refused.status.map(|s| s.to_string()),
            said: refused.message.clone(),
            class: match refused.status {
                Some(401 | 403) => Class::Denied,
                Some(404) => Class::NotFound,
                Some(400..=499) => Class::Config,
                _ => Class::Unavailable,
            },
            code: "",
            hint: None,
        }
    }
}

impl Target for InConfigMap {
    fn name(&self) -> String {
        format!("ConfigMap {}/{}", self.namespace, self.name)
    }

    fn read(&self, object: Object) -> BoxFuture<'_, Result<Option<Stored>, TargetError>> {
        async move {
            let found = self.server.config_map(&self.namespace, &self.name).await;
            let found = found.map_err(|r| self.refused("be read", &r))?;
            Ok(found.and_then(|mut map| {
                let bytes = map.data.remove(key(object))?.into_bytes();
                Some(Stored {
                    version: content_version(&bytes),
                    bytes,
                })
            }))
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        object: Object,
        bytes: &'a [u8],
        seen: Seen<'a>,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        async move {
            // A write before this one has moved the version on: what counts is that this key is
            // still as it was seen.
            let found = self.server.config_map(&self.namespace, &self.name).await;
            let found = found.map_err(|r| self.refused("be read", &r))?;
            let conflict = || TargetError::Conflict {
                target: self.name(),
                object: object.path(),
            };
            let there = found.as_ref().and_then(|m| m.data.get(key(object)));
            let there = there.map(|text| content_version(text.as_bytes()));
            let unchanged = match seen {
                Seen::Nothing => there.is_none(),
                Seen::Version(version) => there.as_deref() == Some(version),
            };
            if !unchanged {
                return Err(conflict());
            }
            let text = String::from_utf8_lossy(bytes);
            let version = found.as_ref().map(|m| m.version.as_str());
            let data = json!({ key(object): text });
            let written = self
                .server
                .set_config_map(&self.namespace, &self.name, version, &data)
                .await;
            match written.map_err(|r| self.refused("be written", &r))? {
                true => Ok(()),
                false => Err(conflict()),
            }
        }
        .boxed()
    }
}
