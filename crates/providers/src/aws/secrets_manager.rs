//! AWS Secrets Manager.
//!
//! Owns: what a reference means here (name or ARN, stage or version id, property, tags), searching
//! by name and by tag, and writing. Refuses: reads of its own; they all go through the planners of
//! [`Backend`].

mod backend;
mod calls;
mod name;
mod reads;
mod search;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_identity::Cluster;
use keyless_secret::SecretBytes;

use self::name::Version;
use crate::aws::tags::tags_json;
use crate::{Capabilities, Error, Find, Provider, Push, Pushed, Ref, Remote, Validation, property};

pub use backend::Backend;

/// How a store deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// At once and for good.
    pub force: bool,
    /// Days in which it can be undone; `None` is the service's default of 30.
    pub window: Option<i64>,
}

/// A store of kind Secrets Manager.
pub struct SecretsManager {
    backend: Arc<Backend>,
    prefix: String,
    deletion: Deletion,
    /// Where the documents are that a push may refer to.
    cluster: Arc<dyn Cluster>,
    namespace: Option<String>,
}

impl SecretsManager {
    /// A store over `backend` that puts `prefix` in front of every name. Documents that a push
    /// refers to are read from `namespace` of `cluster`.
    #[must_use]
    pub fn new(
        backend: Arc<Backend>,
        prefix: &str,
        deletion: Deletion,
        cluster: Arc<dyn Cluster>,
        namespace: Option<String>,
    ) -> Self {
        Self {
            backend,
            prefix: prefix.to_owned(),
            deletion,
            cluster,
            namespace,
        }
    }

    fn id(&self, key: &str) -> String {
        name::full(&self.prefix, key)
    }

    async fn read_all(&self, refs: &[Ref], max_age: Duration) -> Vec<Result<SecretBytes, Error>> {
        let (mut current, mut versions, mut tagged) = (Vec::new(), Vec::new(), Vec::new());
        for reference in refs {
            let id = self.id(&reference.key);
            match name::version(reference.version.as_deref()) {
                _ if reference.metadata => tagged.push(id),
                Version::Current => current.push(id),
                version => versions.push((id, version)),
            }
        }
        let (current, versions, tagged) = futures::join!(
            self.backend.current.read(&current, max_age),
            self.backend.versions.read(&versions, max_age),
            self.backend.tags.read(&tagged, max_age),
        );
        let (mut current, mut versions) = (current.into_iter(), versions.into_iter());
        let mut tagged = tagged.into_iter();
        refs.iter()
            .map(|reference| {
                let whole = match name::version(reference.version.as_deref()) {
                    _ if reference.metadata => tagged
                        .next()
                        .map(|tags| tags.and_then(|tags| tags_json(&tags).map(Arc::new))),
                    Version::Current => current.next(),
                    _ => versions.next(),
                };
                pick(whole, reference)
            })
            .collect()
    }
}

fn pick(
    whole: Option<Result<Arc<SecretBytes>, Error>>,
    reference: &Ref,
) -> Result<SecretBytes, Error> {
    let whole = whole.unwrap_or_else(|| {
        Err(Error::Network {
            intent: format!("read secret {:?}", reference.key),
            reason: "the call ended without an answer".into(),
        })
    })?;
    match reference
        .property
        .as_deref()
        .filter(|path| !path.is_empty())
    {
        Some(path) => property::property(&whole, path, &reference.key),
        None => Ok(SecretBytes::clone(&whole)),
    }
}

impl std::fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretsManager")
            .field("backend", &self.backend)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Provider for SecretsManager {
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
            let value = values.pop().unwrap_or_else(|| pick(None, reference))?;
            property::map(&value, &reference.key)
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        find: &'a Find,
        max_age: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        search::find(&self.backend, &self.prefix, find, max_age).boxed()
    }

    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>> {
        async move {
            self.backend.credentials.get().await?;
            Ok(Validation::Valid)
        }
        .boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    fn push<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<Pushed, Error>> {
        writes::push(self, push).boxed()
    }

    fn delete<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        writes::delete(self, remote).boxed()
    }

    fn exists<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        writes::exists(self, remote).boxed()
    }
}
