//! Reading secrets and their metadata.
//!
//! Owns: one call for each of them, and telling absence from a wrong path. Refuses: properties.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::calls::{Calls, Request};
use super::document::{self, Metadata, Read, Secret};
use super::path::{SecretKey, Target};
use crate::Error;
use crate::planner::{Api, Failure, Name, Reply};

/// Versions of secrets.
#[derive(Debug)]
pub(super) struct Secrets(pub(super) Arc<Calls>);

/// Metadata of secrets, by their path.
#[derive(Debug)]
pub(super) struct MetadataOf(pub(super) Arc<Calls>);

impl Secrets {
    /// One read past the planner: for a write that must see what is there now.
    pub(super) async fn now(&self, key: &SecretKey) -> Result<Read, Error> {
        let attempt = self.0.attempt("read secret", &["read"], &key.target);
        let mut path = key.target.url.clone();
        if let Some(version) = &key.version {
            path.push_str("?version=");
            path.push_str(&keyless_identity::vault::segment(version));
        }
        let request = Request::get("ReadSecretData", &path);
        let answer = self.0.make(&attempt, &request).await?;
        match document::secret(key.engine, &answer) {
            Ok(Read::OtherEngine(warning)) => Err(attempt.other_engine(&warning)),
            Ok(read) => Ok(read),
            Err(reason) => Err(attempt.unreadable(&answer, reason)),
        }
    }

    async fn one(&self, key: &SecretKey) -> Result<Arc<Secret>, Error> {
        match self.now(key).await? {
            Read::Found(secret) => Ok(Arc::new(secret)),
            Read::Absent(_) | Read::OtherEngine(_) => Err(self
                .0
                .attempt("read secret", &["read"], &key.target)
                .missing()),
        }
    }
}

impl MetadataOf {
    pub(super) async fn now(&self, target: &Target) -> Result<Option<Metadata>, Error> {
        let attempt = self.0.attempt("read metadata", &["read"], target);
        let request = Request::get("ReadSecretMetadata", &target.url);
        let answer = self.0.make(&attempt, &request).await?;
        if answer.status == 404 && answer.is_error_document() {
            return Ok(None);
        }
        document::metadata(&answer)
            .map(Some)
            .map_err(|reason| attempt.unreadable(&answer, reason))
    }

    async fn one(&self, target: &Target) -> Result<Arc<Metadata>, Error> {
        let found = self.now(target).await?;
        found
            .map(Arc::new)
            .ok_or_else(|| self.0.attempt("read metadata", &["read"], target).missing())
    }
}

impl Api for Secrets {
    type Key = SecretKey;
    type Value = Arc<Secret>;

    fn name(&self) -> Name {
        (self.0.provider(), "ReadSecretData")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [SecretKey],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for key in keys {
                replies.push(Reply::Value(self.one(key).await?));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.data.len()
    }
}

impl Api for MetadataOf {
    type Key = Target;
    type Value = Arc<Metadata>;

    fn name(&self) -> Name {
        (self.0.provider(), "ReadSecretMetadata")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [Target],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for target in keys {
                replies.push(Reply::Value(self.one(target).await?));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.weight()
    }
}
