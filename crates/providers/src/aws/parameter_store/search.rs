//! Searching by name and by tag.
//!
//! Owns: walking pages within a bound, and the way round a denied listing. Refuses: matching
//! values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::types::ParameterStringFilter;
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;

use super::backend::Backend;
use super::calls::{self, Calls};
use crate::planner::{Api, Bucket, Failure, Name, Reply};
use crate::{Error, Find};

/// The most parameters that one search may walk over: Parameter Store's own standard quota.
const MOST: usize = 10_000;
/// The most pages; pages may be empty.
const PAGES: usize = 2_000;

/// What is listed. Searches that differ only in their expression share a listing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Query {
    /// Names and values below a path.
    Path(String),
    /// Names with these filters.
    Describe {
        path: Option<String>,
        tags: BTreeMap<String, String>,
    },
}

/// A listing's answer.
#[derive(Clone, Debug)]
pub(super) enum Listed {
    Values(Arc<Vec<(String, Arc<SecretBytes>)>>),
    Names(Arc<Vec<String>>),
}

/// Runs `find`; the keys are full names.
pub(super) async fn find(
    backend: &Backend,
    find: &Find,
    max_age: Duration,
) -> Result<BTreeMap<String, SecretBytes>, Error> {
    if let Some(pattern) = &find.name {
        let pattern = keyless_api::regexp::compile(pattern).map_err(|error| Error::Shape {
            reason: format!("find.name.regexp: {error}"),
            hint: None,
        })?;
        let path = find.path.clone().unwrap_or_else(|| "/".into());
        let listed = backend.listing.read_one(&Query::Path(path), max_age).await;
        // Listing by path may be denied, by policy or by one value's key, where names may be
        // described and the wanted values read.
        let listed = match listed {
            Err(error)
                if error.class() == Class::Denied && !matches!(error, Error::Identity(_)) =>
            {
                let query = Query::Describe {
                    path: find.path.clone(),
                    tags: BTreeMap::new(),
                };
                backend.listing.read_one(&query, max_age).await?
            }
            other => other?,
        };
        return values(backend, listed, |name| pattern.is_match(name), max_age).await;
    }
    if find.tags.is_empty() {
        return Err(Error::Shape {
            reason: "unexpected find operator".into(),
            hint: Some("Set find.name.regexp or find.tags".into()),
        });
    }
    let query = Query::Describe {
        path: find.path.clone(),
        tags: find.tags.clone(),
    };
    let listed = backend.listing.read_one(&query, max_age).await?;
    values(backend, listed, |_| true, max_age).await
}

async fn values(
    backend: &Backend,
    listed: Listed,
    wanted: impl Fn(&str) -> bool,
    max_age: Duration,
) -> Result<BTreeMap<String, SecretBytes>, Error> {
    let names: Vec<String> = match listed {
        Listed::Values(values) => {
            return Ok(values
                .iter()
                .filter(|(name, _)| wanted(name))
                .map(|(name, value)| (name.clone(), SecretBytes::clone(value)))
                .collect());
        }
        Listed::Names(names) => names.iter().filter(|name| wanted(name)).cloned().collect(),
    };
    let read = backend.values.read(&names, max_age).await;
    let mut found = BTreeMap::new();
    for (name, value) in names.into_iter().zip(read) {
        match value {
            Ok(value) => {
                found.insert(name, SecretBytes::clone(&value));
            }
            // Deleted since it was listed.
            Err(error) if error.is_no_secret() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// GetParametersByPath and DescribeParameters, page by page.
#[derive(Debug)]
pub(super) struct Listing {
    calls: Arc<Calls>,
    /// Shared with reading by name: one quota.
    reads: Arc<Bucket>,
    describes: Arc<Bucket>,
}

impl Api for Listing {
    type Key = Query;
    type Value = Listed;

    fn name(&self) -> Name {
        (calls::PROVIDER, "GetParametersByPath")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(&'a self, keys: &'a [Query]) -> BoxFuture<'a, Result<Vec<Reply<Listed>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for query in keys {
                let listed = match query {
                    Query::Path(path) => self.by_path(path).await,
                    Query::Describe { path, tags } => self.describe(path.as_deref(), tags).await,
                };
                replies.push(Reply::Value(listed?));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Listed) -> usize {
        match value {
            Listed::Values(values) => values
                .iter()
                .map(|(name, value)| name.len() + value.len() + 64)
                .sum(),
            Listed::Names(names) => names.iter().map(|name| name.len() + 24).sum(),
        }
    }
}

impl Listing {
    pub(super) fn new(calls: Arc<Calls>, reads: Arc<Bucket>, describes: Arc<Bucket>) -> Self {
        Self {
            calls,
            reads,
            describes,
        }
    }

    async fn by_path(&self, path: &str) -> Result<Listed, Error> {
        let attempt = self.calls.attempt(
            format!("list parameters below {path:?}"),
            "ssm:GetParametersByPath",
            None,
        );
        let client = &self.calls.client;
        let mut values = Vec::new();
        let mut next: Option<String> = None;
        let mut throttled = Throttled::default();
        for _ in 0..PAGES {
            self.reads.take().await;
            let page = self
                .calls
                .make("GetParametersByPath", &attempt, || {
                    client
                        .get_parameters_by_path()
                        .path(path)
                        .recursive(true)
                        .with_decryption(true)
                        .set_next_token(next.clone())
                        .send()
                })
                .await;
            let page = match page {
                Ok(page) => page,
                Err(judged) => {
                    throttled.again(judged.error, &self.reads)?;
                    continue;
                }
            };
            for parameter in page.parameters.unwrap_or_default() {
                if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                    values.push((name, Arc::new(value.into())));
                }
            }
            if values.len() > MOST {
                break;
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(Listed::Values(Arc::new(values)));
            }
        }
        Err(too_many(path))
    }

    async fn describe(
        &self,
        path: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Listed, Error> {
        let attempt =
            self.calls
                .attempt("search parameters".into(), "ssm:DescribeParameters", None);
        let filters = filters(path, tags)?;
        let client = &self.calls.client;
        let mut names = Vec::new();
        let mut next: Option<String> = None;
        let mut throttled = Throttled::default();
        for _ in 0..PAGES {
            self.describes.take().await;
            let page = self
                .calls
                .make("DescribeParameters", &attempt, || {
                    client
                        .describe_parameters()
                        .set_parameter_filters((!filters.is_empty()).then(|| filters.clone()))
                        .max_results(50)
                        .set_next_token(next.clone())
                        .send()
                })
                .await;
            let page = match page {
                Ok(page) => page,
                Err(judged) => {
                    throttled.again(judged.error, &self.describes)?;
                    continue;
                }
            };
            let parameters = page.parameters.unwrap_or_default();
            names.extend(parameters.into_iter().filter_map(|found| found.name));
            if names.len() > MOST {
                break;
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(Listed::Names(Arc::new(names)));
            }
        }
        Err(too_many(path.unwrap_or("/")))
    }
}

fn filters(
    path: Option<&str>,
    tags: &BTreeMap<String, String>,
) -> Result<Vec<ParameterStringFilter>, Error> {
    let tags = tags.iter().map(|(key, value)| {
        ParameterStringFilter::builder()
            .key(format!("tag:{key}"))
            .option("Equals")
            .values(value)
            .build()
    });
    let path = path.map(|path| {
        ParameterStringFilter::builder()
            .key("Path")
            .option("Recursive")
            .values(path)
            .build()
    });
    tags.chain(path)
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Shape {
            reason: "find.tags has an entry without a key".into(),
            hint: None,
        })
}

/// How often the pages of one listing were throttled.
#[derive(Default)]
struct Throttled(u32);

impl Throttled {
    /// Slows every listing of this identity and lets the same page be asked for again, up to a
    /// bound; any other error is returned.
    fn again(&mut self, error: Error, bucket: &Bucket) -> Result<(), Error> {
        if error.class() != Class::Throttled {
            return Err(error);
        }
        bucket.throttled(error.retry_after());
        self.0 += 1;
        if self.0 > 5 { Err(error) } else { Ok(()) }
    }
}

fn too_many(path: &str) -> Error {
    Error::Shape {
        reason: format!("more than {MOST} parameters below {path:?}"),
        hint: Some("Narrow find.path".into()),
    }
}
