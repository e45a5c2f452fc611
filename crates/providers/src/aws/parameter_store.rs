//! AWS Systems Manager Parameter Store.
//!
//! Owns: what a reference means here (name, version or label, property, tags), searching by name
//! and by tag, and writing. Refuses: reads of its own; they all go through the planners of
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
use keyless_secret::SecretBytes;

use crate::{Capabilities, Error, Find, Provider, Push, Pushed, Ref, Remote, Validation, property};

pub use backend::Backend;

/// A store of kind Parameter Store.
#[derive(Debug)]
pub struct ParameterStore {
    backend: Arc<Backend>,
    prefix: String,
}

impl ParameterStore {
    /// A store over `backend` that puts `prefix` in front of every name.
    #[must_use]
    pub fn new(backend: Arc<Backend>, prefix: &str) -> Self {
        Self {
            backend,
            prefix: prefix.to_owned(),
        }
    }

    fn name(&self, reference: &Ref) -> String {
        let mut name = String::new();
        // An ARN is complete as it is.
        if !reference.key.starts_with("arn:") {
            name.push_str(&self.prefix);
        }
        name.push_str(&reference.key);
        if let Some(version) = reference.version.as_deref().filter(|v| !v.is_empty()) {
            name.push(':');
            name.push_str(version);
        }
        name
    }

    async fn read_all(&self, refs: &[Ref], max_age: Duration) -> Vec<Result<SecretBytes, Error>> {
        let names: Vec<String> = refs
            .iter()
            .filter(|reference| !reference.metadata)
            .map(|reference| self.name(reference))
            .collect();
        let tagged: Vec<String> = refs
            .iter()
            .filter(|reference| reference.metadata)
            .map(|reference| name::base(&self.name(reference)).to_owned())
            .collect();
        let (values, tags) = futures::join!(
            self.backend.values.read(&names, max_age),
            self.backend.tags.read(&tagged, max_age),
        );
        let (mut values, mut tags) = (values.into_iter(), tags.into_iter());
        refs.iter()
            .map(|reference| {
                let whole = if reference.metadata {
                    tags.next()
                } else {
                    values.next()
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
            intent: format!("read parameter {:?}", reference.key),
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

impl Provider for ParameterStore {
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
        search::find(&self.backend, find, max_age).boxed()
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
