//! Searching by name and by tag.
//!
//! Owns: walking pages within a bound, and matching names and tags in pairs, which the service's
//! filters do not. Refuses: matching values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;

use super::backend::Backend;
use super::calls::{self, Calls};
use super::reads;
use crate::aws::push::Tags;
use crate::planner::{Api, Bucket, Failure, Name, Reply};
use crate::{Error, Find};

/// The most secrets that one search may walk over.
const MOST: usize = 50_000;
/// The most pages; pages may be empty.
const PAGES: usize = 2_000;
/// The most filters that one call takes.
const FILTERS: usize = 10;

/// What is listed. Searches that differ only in their expression share a listing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Query {
    /// What names begin with.
    path: Option<String>,
    /// All of these.
    tags: Tags,
}

/// Runs `find` in a store that puts `prefix` in front of its keys; the keys of the answer are full
/// names.
pub(super) async fn find(
    backend: &Backend,
    prefix: &str,
    find: &Find,
    max_age: Duration,
) -> Result<BTreeMap<String, SecretBytes>, Error> {
    let path = find.path.clone().filter(|path| !path.is_empty());
    let listed = if let Some(pattern) = &find.name {
        let pattern = keyless_api::regexp::compile(pattern).map_err(|error| Error::Shape {
            reason: format!("find.name.regexp: {error}"),
            hint: None,
        })?;
        let query = Query {
            path: path.or_else(|| Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty())),
            tags: Tags::new(),
        };
        let listed = backend.listing.read_one(&query, max_age).await?;
        let names = listed.iter().filter(|name| pattern.is_match(name));
        names.cloned().collect()
    } else if find.tags.is_empty() {
        return Err(Error::Shape {
            reason: "unexpected find operator".into(),
            hint: Some("Set find.name.regexp or find.tags".into()),
        });
    } else {
        let query = Query {
            path,
            tags: find.tags.clone(),
        };
        Vec::clone(&*backend.listing.read_one(&query, max_age).await?)
    };
    values(backend, listed, max_age).await
}

async fn values(
    backend: &Backend,
    names: Vec<String>,
    max_age: Duration,
) -> Result<BTreeMap<String, SecretBytes>, Error> {
    let read = backend.current.read(&names, max_age).await;
    let mut found = BTreeMap::new();
    for (name, value) in names.into_iter().zip(read) {
        match value {
            Ok(value) => {
                found.insert(name, SecretBytes::clone(&value));
            }
            // Deleted since it was listed, or never given a value.
            Err(error) if error.is_no_secret() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// ListSecrets, page by page: the names.
#[derive(Debug)]
pub(super) struct Listing {
    calls: Arc<Calls>,
    lists: Arc<Bucket>,
}

impl Api for Listing {
    type Key = Query;
    type Value = Arc<Vec<String>>;

    fn name(&self) -> Name {
        (calls::PROVIDER, "ListSecrets")
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
                replies.push(Reply::Value(Arc::new(self.names(query).await?)));
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
    pub(super) fn new(calls: Arc<Calls>, lists: Arc<Bucket>) -> Self {
        Self { calls, lists }
    }

    async fn names(&self, query: &Query) -> Result<Vec<String>, Error> {
        let attempt =
            self.calls
                .attempt("search secrets".into(), "secretsmanager:ListSecrets", None);
        let filters = filters(query);
        let client = &self.calls.client;
        let mut names = Vec::new();
        let mut next: Option<String> = None;
        let mut throttled = 0;
        for _ in 0..PAGES {
            self.lists.take().await;
            let page = self
                .calls
                .make("ListSecrets", &attempt, || {
                    client
                        .list_secrets()
                        .set_filters((!filters.is_empty()).then(|| filters.clone()))
                        .max_results(100)
                        .set_next_token(next.clone())
                        .send()
                })
                .await;
            let page = match page {
                Ok(page) => page,
                // The same page again, more slowly.
                Err(judged) if judged.error.class() == Class::Throttled && throttled < 5 => {
                    throttled += 1;
                    self.lists.throttled(judged.error.retry_after());
                    continue;
                }
                Err(judged) => return Err(judged.error),
            };
            self.lists.passed();
            for entry in page.secret_list() {
                let Some(name) = entry.name() else { continue };
                if entry.deleted_date().is_none() && fits(query, name, &reads::tags(entry.tags())) {
                    names.push(name.to_owned());
                }
            }
            if names.len() > MOST {
                break;
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(names);
            }
        }
        Err(Error::Shape {
            reason: format!("more than {MOST} secrets match"),
            hint: Some("Narrow find.path".into()),
        })
    }
}

/// The service's filters only narrow the list: they match beginnings, and keys apart from values.
fn filters(query: &Query) -> Vec<Filter> {
    let filter =
        |key: FilterNameStringType, value: &str| Filter::builder().key(key).values(value).build();
    let path = query.path.as_deref();
    let tags = query.tags.iter().flat_map(|(key, value)| {
        // An empty value begins everything, and the service takes none.
        let value = (!value.is_empty()).then(|| filter(FilterNameStringType::TagValue, value));
        std::iter::once(filter(FilterNameStringType::TagKey, key)).chain(value)
    });
    path.map(|path| filter(FilterNameStringType::Name, path))
        .into_iter()
        .chain(tags)
        .take(FILTERS)
        .collect()
}

fn fits(query: &Query, name: &str, tags: &Tags) -> bool {
    query
        .path
        .as_ref()
        .is_none_or(|path| name.starts_with(path))
        && query
            .tags
            .iter()
            .all(|(key, value)| tags.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect()
    }

    #[test]
    fn tags_match_in_pairs() {
        let query = Query {
            path: Some("app/".into()),
            tags: tags(&[("a", "x"), ("b", "y")]),
        };
        assert!(fits(
            &query,
            "app/1",
            &tags(&[("a", "x"), ("b", "y"), ("c", "z")])
        ));
        assert!(!fits(&query, "app/1", &tags(&[("a", "y"), ("b", "x")])));
        assert!(!fits(&query, "app/1", &tags(&[("a", "x")])));
        assert!(!fits(&query, "other", &tags(&[("a", "x"), ("b", "y")])));
    }

    #[test]
    fn no_more_filters_than_the_service_takes() {
        let many: Tags = (0..9).map(|n| (format!("k{n}"), "v".to_owned())).collect();
        let query = Query {
            path: Some("p".into()),
            tags: many,
        };
        assert_eq!(filters(&query).len(), FILTERS);
        let open = Query {
            path: None,
            tags: tags(&[("k", "")]),
        };
        assert_eq!(filters(&open).len(), 1);
    }
}
