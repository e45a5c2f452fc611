//! Secrets of this cluster or another one.
//!
//! Owns: what a reference means here (a Secret, one of its keys, a path inside that key, its
//! labels and annotations), and searching by name and label. Refuses: the operator's own way to
//! its API server; a store shows its own identity.

mod backend;
mod calls;
mod fault;
mod object;
mod property;
mod review;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_secret::SecretBytes;
use keyless_secret::go_regexp::GoRegexp;

use crate::{
    Capabilities, Error, Find, Provider, Push, Pushed, Ref, Remote, Validation, property as json,
};

pub use backend::{Backend, Settings};
use object::Object;

/// A store of kind Kubernetes.
#[derive(Debug)]
pub struct Kubernetes {
    backend: Arc<Backend>,
}

impl Kubernetes {
    /// A store over `backend`.
    #[must_use]
    pub const fn new(backend: Arc<Backend>) -> Self {
        Self { backend }
    }

    async fn read_all(&self, refs: &[Ref], max_age: Duration) -> Vec<Result<SecretBytes, Error>> {
        let names: Vec<String> = refs.iter().map(|r| r.key.clone()).collect();
        let objects = self.backend.objects.read(&names, max_age).await;
        let pairs = refs.iter().zip(objects);
        pairs
            .map(|(reference, object)| pick(&*object?, reference))
            .collect()
    }

    async fn map(
        &self,
        reference: &Ref,
        max_age: Duration,
    ) -> Result<BTreeMap<String, SecretBytes>, Error> {
        let object = self
            .backend
            .objects
            .read_one(&reference.key, max_age)
            .await?;
        let whole = !reference.metadata && path_of(reference).is_none();
        if whole {
            return Ok(object.data.clone());
        }
        json::map(&pick(&object, reference)?, &reference.key)
    }

    async fn search(&self, find: &Find) -> Result<BTreeMap<String, SecretBytes>, Error> {
        let pattern = match &find.name {
            None => None,
            Some(pattern) => {
                let compiled = GoRegexp::compile(pattern);
                Some(compiled.map_err(|error| Error::Shape {
                    reason: format!("find.name.regexp: {error}"),
                    hint: None,
                })?)
            }
        };
        let found = self.backend.calls.list(&find.tags).await?;
        let wanted = found.into_iter().filter(|(name, _)| {
            let pattern = pattern.as_ref();
            pattern.is_none_or(|pattern| pattern.is_match(name))
        });
        Ok(wanted
            .map(|(name, object)| (name, object.document()))
            .collect())
    }
}

fn path_of(reference: &Ref) -> Option<&str> {
    reference
        .property
        .as_deref()
        .filter(|path| !path.is_empty())
}

fn pick(object: &Object, reference: &Ref) -> Result<SecretBytes, Error> {
    let path = path_of(reference);
    if reference.metadata {
        let metadata = object.metadata();
        return match path {
            Some(path) => json::property(&metadata, path, &reference.key),
            None => Ok(metadata),
        };
    }
    match path {
        None => Ok(object.document()),
        Some(path) => property::property(&object.data, path, &reference.key),
    }
}

impl Provider for Kubernetes {
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
        self.map(reference, max_age).boxed()
    }

    fn find<'a>(
        &'a self,
        find: &'a Find,
        _: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        self.search(find).boxed()
    }

    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>> {
        review::validate(&self.backend.calls).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    fn push<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<Pushed, Error>> {
        write::push(&self.backend.calls, push).boxed()
    }

    fn delete<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        write::delete(&self.backend.calls, remote).boxed()
    }

    fn exists<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        write::exists(&self.backend.calls, remote).boxed()
    }
}
