//! Searching by name and by tag.
//!
//! Owns: walking pages within a bound. Refuses: matching values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;
use serde::Deserialize;

use super::backend::Backend;
use super::calls::{Calls, PROVIDER};
use super::name::Kind;
use super::reads::Wanted;
use crate::planner::{Api, Bucket, Failure, Name, Reply};
use crate::rest::Judge;
use crate::{Error, Find};

/// The most secrets that one search may walk over.
const MOST: usize = 10_000;
/// The most pages; a page has 25 at most and may be empty.
const PAGES: usize = 2_000;

/// One listed secret.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    name: String,
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Items,
    next_link: Option<String>,
}

/// Must be there, if only as null: an error document is no empty page.
#[derive(Deserialize)]
#[serde(untagged)]
enum Items {
    Some(Vec<Item>),
    None(()),
}

#[derive(Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    tags: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize, Default)]
struct Attributes {
    enabled: Option<bool>,
}

/// Runs `find`; the keys are names. Key Vault has no paths, so `find.path` says nothing here.
pub(super) async fn find(
    backend: &Backend,
    find: &Find,
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
    let listed = backend.listing.read_one(&(), max_age).await?;
    let wanted: Vec<Wanted> = listed
        .iter()
        .filter(|entry| {
            pattern.as_ref().is_none_or(|p| p.is_match(&entry.name))
                && find
                    .tags
                    .iter()
                    .all(|(name, value)| entry.tags.get(name) == Some(value))
        })
        .map(|entry| Wanted::newest(Kind::Secret, &entry.name))
        .collect();
    let read = backend.objects.read(&wanted, max_age).await;
    let mut found = BTreeMap::new();
    for (wanted, object) in wanted.into_iter().zip(read) {
        match object {
            Ok(object) => {
                found.insert(wanted.name, object.value.clone());
            }
            // Deleted since it was listed.
            Err(error) if error.is_no_secret() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// GetSecrets, page by page; searches share one listing.
#[derive(Debug)]
pub(super) struct Listing {
    calls: Arc<Calls>,
    /// The vault's.
    rate: Arc<Bucket>,
}

impl Api for Listing {
    type Key = ();
    type Value = Arc<Vec<Entry>>;

    fn name(&self) -> Name {
        (PROVIDER, "GetSecrets")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [()],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for () in keys {
                replies.push(Reply::Value(Arc::new(self.all().await?)));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        let tags = |entry: &Entry| -> usize {
            let tags = entry.tags.iter();
            tags.map(|(k, v)| k.len() + v.len() + 48).sum()
        };
        value.iter().map(|e| e.name.len() + tags(e) + 48).sum()
    }
}

impl Listing {
    pub(super) fn new(calls: Arc<Calls>, rate: Arc<Bucket>) -> Self {
        Self { calls, rate }
    }

    async fn all(&self) -> Result<Vec<Entry>, Error> {
        let attempt = self
            .calls
            .attempt("list secrets".into(), "secrets list", None);
        let mut url = self.calls.url("/secrets", "&maxresults=25");
        let mut entries = Vec::new();
        let mut throttled = 0;
        for _ in 0..PAGES {
            self.rate.take().await;
            let call = Calls::call(Method::GET, url.clone(), None);
            let body = match self.calls.make("GetSecrets", &attempt, &call).await {
                Ok(body) => body,
                Err(refused) if refused.error.class() == Class::Throttled && throttled < 5 => {
                    self.rate.throttled(refused.error.retry_after());
                    throttled += 1;
                    continue;
                }
                Err(refused) => return Err(refused.error),
            };
            let page: Page = serde_json::from_slice(&body)
                .map_err(|_| attempt.unreadable("it is no list of secrets in JSON"))?;
            if let Items::Some(items) = page.value {
                entries.extend(items.into_iter().filter_map(entry));
            }
            if entries.len() > MOST {
                break;
            }
            match page.next_link.filter(|link| !link.is_empty()) {
                Some(link) => url = self.calls.next(&link, &attempt)?,
                None => return Ok(entries),
            }
        }
        Err(Error::Shape {
            reason: format!("more than {MOST} secrets in {}", self.calls.service()),
            hint: Some("Read secrets by name, or spread them over several vaults".into()),
        })
    }
}

/// An enabled secret. Of its id only the name counts: the host may be another one.
fn entry(item: Item) -> Option<Entry> {
    if item.attributes.enabled == Some(false) {
        return None;
    }
    let (_, rest) = item.id.split_once("/secrets/")?;
    let name = rest.split('/').next()?;
    Some(Entry {
        name: super::name::parse(name).ok()?.1.to_owned(),
        tags: item
            .tags
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
    })
}
