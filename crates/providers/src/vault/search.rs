//! Searching by name and by metadata.
//!
//! Owns: walking folders within a bound. Refuses: matching values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;

use super::backend::Backend;
use super::calls::{Calls, Request};
use super::document;
use super::path::{Engine, Layout, no_metadata, target};
use crate::planner::{Api, Bucket, Failure, Name, Reply};
use crate::{Error, Find};

/// The most secrets that one search may walk over.
const MOST: usize = 10_000;
/// The most folders.
const FOLDERS: usize = 2_000;
/// Listings under way at once.
const AT_ONCE: usize = 8;
/// How often one listing may be throttled.
const THROTTLED: u32 = 5;

/// What is listed. Searches that differ only in their expression share a listing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Query {
    engine: Engine,
    mount: String,
    /// Without slashes at its ends; empty for the whole mount.
    folder: String,
    deep: bool,
}

/// Runs `find`; the keys are paths in the mount.
pub(super) async fn find(
    backend: &Backend,
    layout: &Layout,
    find: &Find,
    max_age: Duration,
) -> Result<BTreeMap<String, SecretBytes>, Error> {
    let (mount, folder) = layout.folder(find.path.as_deref())?;
    let query = Query {
        engine: layout.engine,
        mount: mount.clone(),
        folder,
        deep: layout.deep,
    };
    let names: Vec<String> = if let Some(pattern) = &find.name {
        let pattern = keyless_api::regexp::compile(pattern).map_err(|error| Error::Shape {
            reason: format!("find.name.regexp: {error}"),
            hint: None,
        })?;
        let listed = backend.listing.read_one(&query, max_age).await?;
        let named = listed.iter().filter(|name| pattern.is_match(name));
        named.cloned().collect()
    } else if find.tags.is_empty() {
        return Err(Error::Shape {
            reason: "unexpected find operator".into(),
            hint: Some("Set find.name.regexp or find.tags".into()),
        });
    } else if layout.engine == Engine::V1 {
        return Err(no_metadata("find by metadata"));
    } else {
        let listed = backend.listing.read_one(&query, max_age).await?;
        tagged(backend, layout, &mount, &listed, &find.tags, max_age).await?
    };
    let keys = names
        .iter()
        .map(|name| layout.found(&mount, name).secret(None))
        .collect::<Result<Vec<_>, _>>()?;
    let read = backend.secrets.read(&keys, max_age).await;
    let mut found = BTreeMap::new();
    for (name, secret) in names.into_iter().zip(read) {
        match secret {
            Ok(secret) => {
                found.insert(name, secret.data.clone());
            }
            // Its newest version is deleted, or it has gone since it was listed.
            Err(error) if error.is_no_secret() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The names whose own metadata has all of `tags`.
async fn tagged(
    backend: &Backend,
    layout: &Layout,
    mount: &str,
    names: &[String],
    tags: &BTreeMap<String, String>,
    max_age: Duration,
) -> Result<Vec<String>, Error> {
    let targets = names
        .iter()
        .map(|name| layout.found(mount, name).metadata("find by metadata"))
        .collect::<Result<Vec<_>, _>>()?;
    let read = backend.metadata.read(&targets, max_age).await;
    let mut found = Vec::new();
    for (name, metadata) in names.iter().zip(read) {
        match metadata {
            Ok(metadata) => {
                let custom = metadata.custom();
                if tags
                    .iter()
                    .all(|(key, value)| custom.get(key) == Some(value))
                {
                    found.push(name.clone());
                }
            }
            Err(error) if error.is_no_secret() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// LIST, folder by folder.
#[derive(Debug)]
pub(super) struct Listing {
    calls: Arc<Calls>,
    rate: Arc<Bucket>,
}

impl Api for Listing {
    type Key = Query;
    type Value = Arc<Vec<String>>;

    fn name(&self) -> Name {
        (self.calls.provider(), "ListSecrets")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [Query],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for query in keys {
                replies.push(Reply::Value(Arc::new(self.walk(query).await?)));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.iter().map(|name| name.len() + 24).sum()
    }
}

impl Listing {
    pub(super) const fn new(calls: Arc<Calls>, rate: Arc<Bucket>) -> Self {
        Self { calls, rate }
    }

    /// Every secret below the query's folder, by its path in the mount.
    async fn walk(&self, query: &Query) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut waiting = vec![query.folder.clone()];
        let mut running = FuturesUnordered::new();
        let mut folders = 0;
        loop {
            while running.len() < AT_ONCE
                && let Some(folder) = waiting.pop()
            {
                folders += 1;
                running.push(self.list(query, folder));
            }
            let Some(listed) = running.next().await else {
                break;
            };
            let (folder, found) = listed?;
            let Some(found) = found else {
                // Below the first folder it has gone since it was listed.
                if folder == query.folder {
                    return Err(self.nothing(query)?);
                }
                continue;
            };
            for name in found {
                let path = match folder.as_str() {
                    "" => name,
                    folder => format!("{folder}/{name}"),
                };
                match path.strip_suffix('/') {
                    Some(inner) if query.deep => waiting.push(inner.to_owned()),
                    Some(_) => {}
                    None => names.push(path),
                }
            }
            if names.len() > MOST || folders + waiting.len() > FOLDERS {
                return Err(Error::Shape {
                    reason: format!(
                        "more than {MOST} secrets or {FOLDERS} folders below {:?} of {:?}",
                        query.folder, query.mount
                    ),
                    hint: Some("Narrow find.path".into()),
                });
            }
        }
        names.sort();
        Ok(names)
    }

    fn target_of(query: &Query, folder: &str) -> Result<super::path::Target, Error> {
        let area = match query.engine {
            Engine::V1 => "",
            Engine::V2 => "/metadata",
        };
        target(format!("{}{area}/{folder}", query.mount))
    }

    fn nothing(&self, query: &Query) -> Result<Error, Error> {
        let target = Self::target_of(query, &query.folder)?;
        Ok(self.calls.attempt("list", &["list"], &target).missing())
    }

    async fn list(
        &self,
        query: &Query,
        folder: String,
    ) -> Result<(String, Option<Vec<String>>), Error> {
        let target = Self::target_of(query, &folder)?;
        let attempt = self.calls.attempt("list secrets below", &["list"], &target);
        let path = format!("{}/?list=true", target.url);
        let request = Request::get("ListSecrets", &path);
        let mut throttled = 0;
        let answer = loop {
            self.rate.take().await;
            match self.calls.make(&attempt, &request).await {
                Ok(answer) => break answer,
                Err(error) if error.class() == Class::Throttled && throttled < THROTTLED => {
                    self.rate.throttled(error.retry_after());
                    throttled += 1;
                }
                Err(error) => return Err(error),
            }
        };
        if answer.status == 404 && answer.is_error_document() {
            return Ok((folder, None));
        }
        let found = document::listing(&answer);
        found
            .map(|found| (folder, Some(found)))
            .map_err(|reason| attempt.unreadable(&answer, reason))
    }
}
