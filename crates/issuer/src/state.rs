//! Where a rotation's state is kept: a ConfigMap in the cluster, or a file.
//!
//! Owns: that nobody writes over a state that he has not seen. Refuses: knowing what it means.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use crate::cluster::ApiServer;
use crate::rotation::Rotation;

/// Why the state could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Someone else wrote it.
    #[error("the rotation's state in {0} was changed by someone else in between: look again")]
    Conflict(String),
    /// It could not be read or written.
    #[error("cannot {intent} the rotation's state in {place}: {said}")]
    Refused {
        /// What was tried.
        intent: &'static str,
        /// Where.
        place: String,
        /// What was said.
        said: String,
    },
}

/// A state and the version that it was read at.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The state.
    pub rotation: Rotation,
    /// The version.
    pub version: String,
}

/// Keeps one rotation's state.
pub trait State: Send + Sync + std::fmt::Debug {
    /// Reads it; none if nothing was begun.
    fn load(&self) -> BoxFuture<'_, Result<Option<Kept>, StateError>>;
    /// Writes it over the version that was read.
    fn save<'a>(
        &'a self,
        rotation: &'a Rotation,
        seen: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), StateError>>;
}

/// In a ConfigMap.
#[derive(Clone, Debug)]
pub struct InCluster {
    /// The API server.
    pub server: ApiServer,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The key of the ConfigMap's data.
const KEY: &str = "rotation.json";

impl InCluster {
    fn place(&self) -> String {
        format!("ConfigMap {}/{}", self.namespace, self.name)
    }

    fn refused(&self, intent: &'static str, said: String) -> StateError {
        StateError::Refused {
            intent,
            place: self.place(),
            said,
        }
    }

    async fn read(&self) -> Result<Option<(Option<String>, String)>, StateError> {
        let found = self.server.config_map(&self.namespace, &self.name).await;
        let found = found.map_err(|r| self.refused("read", r.message))?;
        Ok(found.map(|mut map| (map.data.remove(KEY), map.version)))
    }
}

impl State for InCluster {
    fn load(&self) -> BoxFuture<'_, Result<Option<Kept>, StateError>> {
        async {
            let Some((Some(text), version)) = self.read().await? else {
                return Ok(None);
            };
            let rotation = serde_json::from_str(&text)
                .map_err(|e| self.refused("understand", e.to_string()))?;
            Ok(Some(Kept { rotation, version }))
        }
        .boxed()
    }

    fn save<'a>(
        &'a self,
        rotation: &'a Rotation,
        seen: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), StateError>> {
        async move {
            let text = serde_json::to_string_pretty(rotation)
                .map_err(|e| self.refused("write", e.to_string()))?;
            // The ConfigMap may be there without a state in it.
            let there = match seen {
                Some(version) => Some(version.to_owned()),
                None => match self.read().await? {
                    Some((Some(_), _)) => return Err(StateError::Conflict(self.place())),
                    Some((None, version)) => Some(version),
                    None => None,
                },
            };
            let data = json!({ KEY: text });
            let written = self
                .server
                .set_config_map(&self.namespace, &self.name, there.as_deref(), &data)
                .await;
            match written.map_err(|r| self.refused("write", r.message))? {
                true => Ok(()),
                false => Err(StateError::Conflict(self.place())),
            }
        }
        .boxed()
    }
}

/// In a file, for clusters that are only being set up.
#[derive(Clone, Debug)]
pub struct InFile(pub PathBuf);

impl InFile {
    fn refused(&self, intent: &'static str, error: &dyn std::error::Error) -> StateError {
        StateError::Refused {
            intent,
            place: self.0.display().to_string(),
            said: error.to_string(),
        }
    }

    fn read(&self) -> Result<Option<Kept>, StateError> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.refused("read", &error)),
        };
        let rotation = serde_json::from_str(&text).map_err(|e| self.refused("understand", &e))?;
        Ok(Some(Kept {
            rotation,
            version: text,
        }))
    }

    fn write(&self, rotation: &Rotation, seen: Option<&str>) -> Result<(), StateError> {
        let failed = |error: std::io::Error| self.refused("write", &error);
        let lock = self.0.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock)
            .map_err(failed)?;
        lock.lock().map_err(failed)?;
        if self.read()?.map(|k| k.version).as_deref() != seen {
            return Err(StateError::Conflict(self.0.display().to_string()));
        }
        let text = serde_json::to_string_pretty(rotation).map_err(|e| self.refused("write", &e))?;
        let temporary = self.0.with_extension("new");
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        std::fs::rename(&temporary, &self.0).map_err(failed)
    }
}

impl State for InFile {
    fn load(&self) -> BoxFuture<'_, Result<Option<Kept>, StateError>> {
        std::future::ready(self.read()).boxed()
    }

    fn save<'a>(
        &'a self,
        rotation: &'a Rotation,
        seen: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), StateError>> {
        std::future::ready(self.write(rotation, seen)).boxed()
    }
}
