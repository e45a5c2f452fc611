//! HashiCorp Vault and OpenBao: the key-value engine, versions 1 and 2.
//!
//! Owns: what a reference means here (mount and path, version, property, metadata), searching,
//! and writing. Refuses: calls of its own; they all go through the planners of [`Backend`].

mod backend;
mod calls;
mod document;
mod fault;
mod json;
mod path;
mod reads;
mod search;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_api::{KvVersion, VaultProvider};
use keyless_identity::vault::Product;
use keyless_secret::SecretBytes;

use crate::{Capabilities, Error, Find, Provider, Push, Pushed, Ref, Remote, Validation, property};
use path::{Engine, Layout};

pub use backend::{Backend, Settings};

/// A store over one engine.
#[derive(Debug)]
pub struct Vault {
    backend: Arc<Backend>,
    layout: Layout,
    product: Product,
}

impl Vault {
    /// A store over `backend` with the engine that `spec` names.
    ///
    /// # Errors
    /// When the engine's version is none that exists.
    pub fn new(
        backend: Arc<Backend>,
        product: Product,
        spec: &VaultProvider,
    ) -> Result<Self, Error> {
        let engine = match &spec.version {
            None | Some(KvVersion::V2) => Engine::V2,
            Some(KvVersion::V1) => Engine::V1,
            Some(other) => {
                return Err(Error::Config {
                    reason: format!("version {:?} is no version of the engine", other.as_str()),
                    hint: Some("Set version to v1 or v2".into()),
                });
            }
        };
        let layout = Layout::new(engine, spec.path.as_deref());
        Ok(Self {
            backend,
            layout: match product {
                Product::Vault => layout,
                // Its users know searches of one folder.
                Product::OpenBao => layout.shallow(),
            },
            product,
        })
    }

    async fn read_all(&self, refs: &[Ref], max_age: Duration) -> Vec<Result<SecretBytes, Error>> {
        let (mut secrets, mut metadata) = (Vec::new(), Vec::new());
        let mut places = Vec::with_capacity(refs.len());
        for reference in refs {
            let place = self.layout.place(&reference.key).and_then(|place| {
                if !reference.metadata {
                    let version = reference.version.clone().filter(|text| !text.is_empty());
                    secrets.push(place.secret(version)?);
                } else {
                    metadata.push(place.metadata("read metadata")?);
                }
                Ok(reference.metadata)
            });
            places.push(place);
        }
        let (secrets, metadata) = futures::join!(
            self.backend.secrets.read(&secrets, max_age),
            self.backend.metadata.read(&metadata, max_age),
        );
        let (mut secrets, mut metadata) = (secrets.into_iter(), metadata.into_iter());
        refs.iter()
            .zip(places)
            .map(|(reference, place)| {
                let whole = if place? {
                    metadata.next().map(|found| found.map(|m| m.document()))
                } else {
                    secrets.next().map(|found| found.map(|s| s.data.clone()))
                };
                let whole = whole.unwrap_or_else(|| Err(unanswered(reference)))?;
                pick(&whole, reference)
            })
            .collect()
    }
}

/// The part of `whole` that is wanted: the key of exactly that name, or what the path leads to.
fn pick(whole: &SecretBytes, reference: &Ref) -> Result<SecretBytes, Error> {
    let Some(path) = reference
        .property
        .as_deref()
        .filter(|path| !path.is_empty())
    else {
        return Ok(whole.clone());
    };
    let literal = property::map(whole, &reference.key)
        .ok()
        .and_then(|mut members| members.remove(path));
    literal
        .or_else(|| property::path(whole, path))
        .ok_or_else(|| Error::Shape {
            reason: format!(
                "cannot find secret data for key: {path:?} in secret {}",
                reference.key
            ),
            hint: Some("Correct remoteRef.property, or write that key".into()),
        })
}

fn unanswered(reference: &Ref) -> Error {
    Error::Network {
        intent: format!("read secret {:?}", reference.key),
        reason: "the call ended without an answer".into(),
    }
}

impl Provider for Vault {
    fn read<'a>(
        &'a self,
        refs: &'a [Ref],
        max_age: Duration,
    ) -> BoxFuture<'a, Vec<Result<SecretBytes, Error>>> {
        self.read_all(refs, max_age).boxed()
    }

    fn read_map<'a>(
        &'a self,
        reference: &'a Ref,
        max_age: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        async move {
            let mut values = self
                .read_all(std::slice::from_ref(reference), max_age)
                .await;
            let value = values.pop().unwrap_or_else(|| Err(unanswered(reference)))?;
            property::map(&value, &reference.key)
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        find: &'a Find,
        max_age: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        search::find(&self.backend, &self.layout, find, max_age).boxed()
    }

    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>> {
        async move {
            match self.product {
                Product::Vault => self.backend.calls.look_up_self().await?,
                Product::OpenBao => self.backend.calls.look_up_mount(&self.layout).await?,
            }
            Ok(Validation::Valid)
        }
        .boxed()
    }

    fn capabilities(&self) -> Capabilities {
        match self.product {
            Product::Vault => Capabilities::ReadWrite,
            // Users know such a store as one that changes nothing.
            Product::OpenBao => Capabilities::ReadOnly,
        }
    }

    fn push<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<Pushed, Error>> {
        async move {
            self.writable()?;
            write::push(&self.backend, &self.layout, push).await
        }
        .boxed()
    }

    fn delete<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        async move {
            self.writable()?;
            write::delete(&self.backend, &self.layout, remote).await
        }
        .boxed()
    }

    fn exists<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        write::exists(&self.backend, &self.layout, remote).boxed()
    }
}

impl Vault {
    fn writable(&self) -> Result<(), Error> {
        match self.product {
            Product::Vault => Ok(()),
            Product::OpenBao => Err(Error::Config {
                reason: "a store of provider openBao only reads".into(),
                hint: Some("Use provider vault with the same server: it speaks to OpenBao".into()),
            }),
        }
    }
}
