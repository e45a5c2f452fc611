//! Reading the values that an ExternalSecret asks for.
//!
//! All reads of one object go out together, those of one store as one batch, so that the
//! providers can group them with other objects' reads. Errors are reported in the order of the
//! spec, whatever order the answers came in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use keyless_api::{
    DataFrom, DeletionPolicy, ExternalSecretSpec, MetadataPolicy, RemoteRef, SecretStoreSpec,
    SourceRef,
};
use keyless_providers::{Error, Find, Provider, Ref};
use keyless_secret::SecretBytes;
use keyless_secret::pipeline::{Fetched, FetchedMap};

use super::problem::{Failed, Problem};
use crate::judgement::Scene;
use crate::object::ObjectKey;

/// One read of the object.
enum Read {
    /// Entries of `data` by index, with their references.
    Batch(Vec<usize>, Vec<Ref>),
    /// An entry of `dataFrom`.
    Extract(usize, Ref),
    /// An entry of `dataFrom`.
    Find(usize, Find),
}

/// Opens the stores that an object names. The operator's are in its index; a preview reads them.
pub trait Stores: Sync {
    /// The store `key` for a reader in `namespace`, if it exists, admits the namespace and may
    /// be used now.
    fn open<'a>(
        &'a self,
        namespace: &'a str,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Opened, Failed>>;

    /// Hears how the calls to a store went.
    fn answered(&self, key: &ObjectKey, results: &[Result<(), &Error>]) {
        let _ = (key, results);
    }
}

/// A store in use.
#[derive(Clone)]
pub struct Opened {
    provider: Arc<dyn Provider>,
    /// Its spec, for who judges a failure.
    spec: Arc<SecretStoreSpec>,
    /// Whether its search answers with names that are keys already.
    converts: bool,
}

impl Opened {
    /// The store of `spec`, opened as `provider`.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, spec: SecretStoreSpec) -> Self {
        let names = spec.provider.names();
        let converts = ["fake", "kubernetes", "gcpsm"];
        let converts = names.iter().any(|name| converts.contains(name));
        Self {
            provider,
            spec: Arc::new(spec),
            converts,
        }
    }
}

enum Answer {
    Batch(Vec<usize>, Vec<Result<SecretBytes, Error>>),
    From(usize, &'static str, Result<FetchedMap, Error>),
}

impl Answer {
    /// How each call went, without the values.
    fn results(&self) -> Vec<Result<(), &Error>> {
        match self {
            Self::Batch(_, results) => results.iter().map(|r| r.as_ref().map(|_| ())).collect(),
            Self::From(_, _, result) => vec![result.as_ref().map(|_| ())],
        }
    }
}

/// Reads everything.
///
/// # Errors
/// The first failure in the order of the spec: `dataFrom`, then `data`.
pub async fn fetch(
    stores: &dyn Stores,
    key: &ObjectKey,
    spec: &ExternalSecretSpec,
    max_age: Duration,
) -> Result<Fetched, Failed> {
    let reads = reads(spec, key)?;
    let mut opened: BTreeMap<ObjectKey, Opened> = BTreeMap::new();
    for (store, _) in &reads {
        if !opened.contains_key(store) {
            opened.insert(store.clone(), stores.open(&key.namespace, store).await?);
        }
    }
    let calls = reads.into_iter().filter_map(|(store, read)| {
        let opened = opened.get(&store)?.clone();
        Some(async move {
            let answer = call(&opened, read, max_age).await;
            (store, answer)
        })
    });
    let answers = join_all(calls).await;
    for (store, answer) in &answers {
        stores.answered(store, &answer.results());
    }
    let answers = answers.into_iter().filter_map(|(store, answer)| {
        let (store, opened) = opened.get_key_value(&store)?;
        let scene = Scene {
            store,
            spec: &opened.spec,
            namespace: &key.namespace,
        };
        Some((scene, answer))
    });
    collect(spec, answers)
}

async fn call(opened: &Opened, read: Read, max_age: Duration) -> Answer {
    let provider = &opened.provider;
    match read {
        Read::Batch(indexes, refs) => Answer::Batch(indexes, provider.read(&refs, max_age).await),
        Read::Extract(index, reference) => {
            let map = provider.read_map(&reference, max_age).await;
            Answer::From(index, "extract", map.map(FetchedMap::from))
        }
        Read::Find(index, find) => {
            let map = provider.find(&find, max_age).await;
            let fetched = |values| FetchedMap {
                values,
                convert_first: opened.converts,
            };
            Answer::From(index, "find", map.map(fetched))
        }
    }
}

/// The reads of a spec, by store.
fn reads(spec: &ExternalSecretSpec, key: &ObjectKey) -> Result<Vec<(ObjectKey, Read)>, Failed> {
    let mut reads = Vec::new();
    for (index, entry) in spec.data_from.iter().enumerate() {
        let read = match (&entry.extract, &entry.find) {
            (Some(extract), _) => Read::Extract(index, reference(extract)),
            (None, Some(find)) => Read::Find(
                index,
                Find {
                    path: find.path.clone(),
                    name: find.name.as_ref().and_then(|n| n.regexp.clone()),
                    tags: find.tags.clone(),
                },
            ),
            // Nothing is asked for: accepted without a webhook, and nothing comes of it.
            (None, None) => continue,
        };
        let path = || format!("spec.dataFrom[{index}]");
        reads.push((store_of(spec, key, entry.source_ref.as_ref(), path)?, read));
    }
    let mut batches: BTreeMap<ObjectKey, (Vec<usize>, Vec<Ref>)> = BTreeMap::new();
    for (index, entry) in spec.data.iter().enumerate() {
        let path = || format!("spec.data[{index}]");
        let store = store_of(spec, key, entry.source_ref.as_ref(), path)?;
        let batch = batches.entry(store).or_default();
        batch.0.push(index);
        batch.1.push(reference(&entry.remote_ref));
    }
    for (store, (indexes, refs)) in batches {
        reads.push((store, Read::Batch(indexes, refs)));
    }
    Ok(reads)
}

fn reference(remote: &RemoteRef) -> Ref {
    let some = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    Ref {
        key: remote.key.clone(),
        property: some(&remote.property),
        version: some(&remote.version),
        metadata: remote.metadata_policy() == MetadataPolicy::Fetch,
    }
}

fn store_of(
    spec: &ExternalSecretSpec,
    key: &ObjectKey,
    source: Option<&SourceRef>,
    path: impl Fn() -> String,
) -> Result<ObjectKey, Failed> {
    let named = source.and_then(|s| s.store_ref.as_ref());
    let store = named.or(spec.secret_store_ref.as_ref());
    match store.filter(|s| !s.name().is_empty()) {
        None => Err(Failed::data(&Problem::NoStore { path: path() })),
        Some(store) if store.kind() == keyless_api::StoreKind::ClusterSecretStore => {
            Ok(ObjectKey::new("", store.name()))
        }
        Some(store) => Ok(ObjectKey::new(&key.namespace, store.name())),
    }
}

fn collect<'a>(
    spec: &ExternalSecretSpec,
    answers: impl Iterator<Item = (Scene<'a>, Answer)>,
) -> Result<Fetched, Failed> {
    let mut from: BTreeMap<usize, (Scene<'a>, &'static str, Result<_, Error>)> = BTreeMap::new();
    let mut single: BTreeMap<usize, (Scene<'a>, Result<SecretBytes, Error>)> = BTreeMap::new();
    for (scene, answer) in answers {
        match answer {
            Answer::Batch(indexes, results) => {
                let results = results.into_iter().map(|result| (scene, result));
                single.extend(indexes.into_iter().zip(results));
            }
            Answer::From(index, what, result) => {
                from.insert(index, (scene, what, result));
            }
        }
    }
    let tolerant = spec.deletion_policy() != DeletionPolicy::Retain;
    let nothing = |entry: &DataFrom| entry.extract.is_none() && entry.find.is_none();
    let mut fetched = Fetched {
        // An entry that asks for nothing yields nothing, which is not the same as missing.
        data_from: spec
            .data_from
            .iter()
            .map(|entry| nothing(entry).then(FetchedMap::default))
            .collect(),
        data: vec![None; spec.data.len()],
    };
    for (index, (scene, what, result)) in from {
        match result {
            Ok(map) => {
                if let Some(slot) = fetched.data_from.get_mut(index) {
                    *slot = Some(map);
                }
            }
            Err(error) if tolerant && error.is_no_secret() => {}
            Err(error) => {
                let prefix = format!("error processing spec.dataFrom[{index}].{what}, err: ");
                return Err(Failed::read(&prefix, &error, &scene));
            }
        }
    }
    for (index, (scene, result)) in single {
        match result {
            Ok(value) => {
                if let Some(slot) = fetched.data.get_mut(index) {
                    *slot = Some(value);
                }
            }
            Err(error) if tolerant && error.is_no_secret() => {}
            Err(error) => {
                let key = spec
                    .data
                    .get(index)
                    .map_or("", |d| d.remote_ref.key.as_str());
                let prefix = format!("error processing spec.data[{index}] (key: {key}), err: ");
                return Err(Failed::read(&prefix, &error, &scene));
            }
        }
    }
    Ok(fetched)
}
