//! Any HTTP endpoint.
//!
//! Owns: what a reference means here (the variables of the store's templates), and reading the
//! answer. Refuses: searching, following redirects, and addresses of metadata services.

mod answer;
mod backend;
mod calls;
mod request;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use keyless_secret::SecretBytes;

use crate::{Capabilities, Error, Find, Provider, Push, Pushed, Ref, Remote, Validation};

pub use backend::{Backend, Settings};
pub(crate) use request::Spec;
use request::Variables;

/// A store of kind webhook, used from one namespace.
#[derive(Debug)]
pub struct Webhook {
    backend: Arc<Backend>,
    namespace: String,
}

impl Webhook {
    /// A store over `backend` for objects in `namespace`, which templates see.
    #[must_use]
    pub fn new(backend: Arc<Backend>, namespace: &str) -> Self {
        Self {
            backend,
            namespace: namespace.to_owned(),
        }
    }

    fn variables(&self, reference: &Ref) -> Variables {
        Variables {
            key: reference.key.clone(),
            property: reference.property.clone().unwrap_or_default(),
            version: reference.version.clone().unwrap_or_default(),
            namespace: self.namespace.clone(),
        }
    }

    async fn read_all(&self, refs: &[Ref], max_age: Duration) -> Vec<Result<SecretBytes, Error>> {
        let variables: Vec<Variables> = refs.iter().map(|r| self.variables(r)).collect();
        let answers = self.backend.answers.read(&variables, max_age).await;
        let spec = self.backend.spec();
        let pairs = variables.iter().zip(answers);
        pairs
            .map(|(variables, body)| answer::value(spec, variables, &*body?))
            .collect()
    }
}

impl Provider for Webhook {
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
            let variables = self.variables(reference);
            let body = self.backend.answers.read_one(&variables, max_age).await?;
            answer::map(self.backend.spec(), &variables, &body)
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        _: &'a Find,
        _: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        ready(Err(Error::Shape {
            reason: "a webhook store cannot find secrets".into(),
            hint: Some("Use dataFrom.extract with the endpoint's own list".into()),
        }))
        .boxed()
    }

    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>> {
        self.backend.calls.dial(&self.namespace).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    fn push<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<Pushed, Error>> {
        async move {
            self.backend
                .calls
                .push(&push.remote, &push.value, &self.namespace)
                .await?;
            // What was there nobody can know.
            Ok(Pushed::Updated)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, _: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        ready(Err(Error::Config {
            reason: "a webhook store cannot delete".into(),
            hint: Some("Set deletionPolicy: None".into()),
        }))
        .boxed()
    }
}
