//! Searching by name, path and label.
//!
//! Owns: the filter that lets the service do most of the work, and walking pages within a bound.
//! Refuses: trusting the filter: every hit is looked at again, and so are values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;
use keyless_trust::gcp::SecretName;
use serde::Deserialize;

use super::backend::{Backend, Rates};
use super::calls::{Calls, PROVIDER};
use super::object;
use super::reads::Wanted;
use crate::planner::{Api, Failure, Name, Reply};
use crate::rest::Judge;
use crate::{Error, Find};

/// The most secrets that one search may walk over.
const MOST: usize = 10_000;
/// The most pages; one may be empty.
const PAGES: usize = 500;

/// One listed secret.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    id: String,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    secrets: Vec<Item>,
    next_page_token: String,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Runs `find`; the keys are ids. `find.path` is what an id begins with.
pub(super) async fn find(
    backend: &Backend,
    find: &Find,
    enabled: bool,
    max_age: Duration,
) -> Result<BTreeMap<String, SecretBytes>, Error> {
    let pattern = find
        .name
        .as_deref()
        .map(keyless_api::regexp::compile)
        .transpose()
        .map_err(|error| Error::Shape {
            reason: format!("find.name.regexp: {error}"),
            hint: None,
        })?;
    let path = find.path.as_deref().unwrap_or_default();
    let Some(filter) = filter(path, &find.tags) else {
        // No secret can have such a name or label.
        return Ok(BTreeMap::new());
    };
    let listed = backend.listing.read_one(&filter, max_age).await?;
    let wanted: Vec<Wanted> = listed
        .iter()
        .filter(|entry| {
            entry.id.starts_with(path)
                && pattern.as_ref().is_none_or(|p| p.is_match(&entry.id))
                && find
                    .tags
                    .iter()
                    .all(|(name, value)| entry.labels.get(name) == Some(value))
        })
        .map(|entry| Wanted {
            enabled,
            ..Wanted::latest(&entry.id)
        })
        .collect();
    let read = backend.payloads.read(&wanted, max_age).await;
    let mut found = BTreeMap::new();
    for (wanted, value) in wanted.into_iter().zip(read) {
        match value {
            Ok(value) => {
                found.insert(wanted.id, SecretBytes::clone(&value));
            }
            // Deleted since it was listed, or without a version yet.
            Err(error) if error.is_no_secret() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The filter for `path` and `labels`; `None` if nothing can match.
fn filter(path: &str, labels: &BTreeMap<String, String>) -> Option<String> {
    // Whatever else stands in a filter has a meaning there.
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let mut terms = Vec::new();
    for (name, value) in labels {
        if name.is_empty() || !plain(name) || !plain(value) {
            return None;
        }
        // A label without a value cannot be asked for.
        if !value.is_empty() {
            terms.push(format!("labels.{name}={value}"));
        }
    }
    if !path.is_empty() {
        if !plain(path) {
            return None;
        }
        terms.push(format!("name:{path}"));
    }
    Some(terms.join(" "))
}

/// ListSecrets, page by page; searches with the same filter share one listing.
#[derive(Debug)]
pub(super) struct Listing {
    calls: Arc<Calls>,
    rates: Arc<Rates>,
}

impl Api for Listing {
    type Key = String;
    type Value = Arc<Vec<Entry>>;

    fn name(&self) -> Name {
        (PROVIDER, "ListSecrets")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for filter in keys {
                replies.push(Reply::Value(Arc::new(self.all(filter).await?)));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        let labels = |entry: &Entry| -> usize {
            let labels = entry.labels.iter();
            labels.map(|(k, v)| k.len() + v.len() + 48).sum()
        };
        value.iter().map(|e| e.id.len() + labels(e) + 48).sum()
    }
}

impl Listing {
    pub(super) fn new(calls: Arc<Calls>, rates: Arc<Rates>) -> Self {
        Self { calls, rates }
    }

    async fn all(&self, filter: &str) -> Result<Vec<Entry>, Error> {
        let attempt = self
            .calls
            .attempt("list secrets".into(), "secretmanager.secrets.list", None);
        let mut next = String::new();
        let mut entries = Vec::new();
        let mut throttled = 0;
        for _ in 0..PAGES {
            self.rates.reads.take().await;
            let mut query = vec![("pageSize", "250")];
            if !filter.is_empty() {
                query.push(("filter", filter));
            }
            if !next.is_empty() {
                query.push(("pageToken", next.as_str()));
            }
            let call = Calls::page(self.calls.url("secrets", &query));
            let body = match self.calls.make("ListSecrets", &attempt, &call).await {
                Ok(body) => body,
                Err(refused) if refused.error.class() == Class::Throttled && throttled < 5 => {
                    self.rates.reads.throttled(refused.error.retry_after());
                    throttled += 1;
                    continue;
                }
                Err(refused) => return Err(refused.error),
            };
            let page: Page = object::document(&body)
                .ok_or_else(|| attempt.unreadable("it is no list of secrets in JSON"))?;
            entries.extend(page.secrets.into_iter().filter_map(|item| {
                Some(Entry {
                    id: SecretName::parse(&item.name).ok()?.id,
                    labels: item.labels,
                })
            }));
            if entries.len() > MOST {
                break;
            }
            if page.next_page_token.is_empty() {
                return Ok(entries);
            }
            next = page.next_page_token;
        }
        Err(Error::Shape {
            reason: format!("more than {MOST} secrets in {}", self.calls.service()),
            hint: Some("Narrow the search with find.path or find.tags".into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
        };
        for (path, pairs, expected) in [
            ("", &[][..], Some("")),
            ("app-", &[], Some("name:app-")),
            (
                "app",
                &[("env", "prod"), ("team", "a")],
                Some("labels.env=prod labels.team=a name:app"),
            ),
            ("", &[("env", "")], Some("")),
            ("a b", &[], None),
            ("", &[("env", "x OR name:y")], None),
            ("", &[("env=x name", "y")], None),
        ] {
            let found = filter(path, &labels(pairs));
            assert_eq!(found.as_deref(), expected, "{path} {pairs:?}");
        }
    }
}
