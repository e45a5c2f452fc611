//! Reading the values that an ExternalSecret asks for.
//!
//! All reads of one object go out together, those of one store as one batch, so that the
//! providers can group them with other objects' reads. Errors are reported in the order of the
//! spec, whatever order the answers came in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use keyless_api::constants::message;
use keyless_api::{
    DataFrom, DeletionPolicy, ExternalSecretSpec, MetadataPolicy, RemoteRef, SecretStoreSpec,
    SourceRef,
};
use keyless_fault::{Class, Fault, Link, ObjectRef};
use keyless_providers::{Error, Find, Provider, Ref, StoreScope};
use keyless_secret::SecretBytes;
use keyless_secret::pipeline::{Fetched, FetchedMap};

use super::facts::Gathered;
use super::problem::{Failed, Problem};
use crate::context::Context;
use crate::object::{ObjectKey, StoreKind};
use crate::schedule::circuit::Admission;
use crate::store::admission;

/// One read of the object.
enum Read {
    /// Entries of `data` by index, with their references.
    Batch(Vec<usize>, Vec<Ref>),
    /// An entry of `dataFrom`.
    Extract(usize, Ref),
    /// An entry of `dataFrom`.
    Find(usize, Find),
}

/// A store in use.
#[derive(Clone)]
struct Opened {
    provider: Arc<dyn Provider>,
    /// Whether its search answers with names that are keys already.
    converts: bool,
}

enum Answer {
    Batch(Vec<usize>, Vec<Result<SecretBytes, Error>>),
    From(usize, &'static str, Result<FetchedMap, Error>),
}

/// Reads everything.
///
/// # Errors
/// The first failure in the order of the spec: `dataFrom`, then `data`.
pub async fn fetch(
    context: &Context,
    gathered: &Gathered,
    max_age: Duration,
) -> Result<Fetched, Failed> {
    let spec = &gathered.spec;
    let reads = reads(spec, &gathered.object.key)?;
    let mut opened: BTreeMap<ObjectKey, Opened> = BTreeMap::new();
    for (store, _) in &reads {
        if !opened.contains_key(store) {
            let provider = open(context, &gathered.object.key.namespace, store).await?;
            opened.insert(store.clone(), provider);
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
        judge(context, store, answer);
    }
    collect(spec, answers.into_iter().map(|(_, answer)| answer))
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

/// Opens a store for a namespace, if it exists, admits the namespace, is ready and answers.
async fn open(context: &Context, namespace: &str, key: &ObjectKey) -> Result<Opened, Failed> {
    let spec = usable(context, namespace, key).map_err(|p| Failed::data(&p))?;
    let scope = StoreScope {
        store: store_ref(key),
        consumer_namespace: Some(namespace.to_owned()),
    };
    let opened = context.backends.open(scope, &spec).await;
    let provider = opened.map_err(|error| {
        note(context, key, std::iter::once(Err(&error)));
        Failed::data(&error)
    })?;
    let converts = ["fake", "kubernetes", "gcpsm"];
    let converts = spec
        .provider
        .names()
        .iter()
        .any(|name| converts.contains(name));
    Ok(Opened { provider, converts })
}

/// A store as errors name it.
#[must_use]
pub fn store_ref(key: &ObjectKey) -> ObjectRef {
    ObjectRef::new(StoreKind::of(key).as_str(), &*key.namespace, &*key.name)
}

fn usable(context: &Context, namespace: &str, key: &ObjectKey) -> Result<SecretStoreSpec, Problem> {
    let store = store_ref(key);
    let now = context.clock.elapsed();
    let mut state = context.state();
    let labels = state.index.namespace(namespace).map(|n| n.labels.clone());
    let Some(entry) = state.index.store_mut(key) else {
        return Err(Problem::StoreMissing { store });
    };
    let spec = match &entry.store.spec {
        Ok(spec) => spec.clone(),
        Err(error) => {
            return Err(Problem::StoreSpec {
                store,
                reason: error.to_string(),
            });
        }
    };
    if key.namespace.is_empty() && !admission::admits(&spec, namespace, &labels.unwrap_or_default())
    {
        return Err(Problem::StoreDenied {
            store,
            namespace: namespace.to_owned(),
        });
    }
    if context.options.flood_gate && !entry.is_ready() {
        let ready = entry.store.ready();
        let reason = ready
            .filter(|c| !c.is_true())
            .and_then(|c| c.message.clone());
        return Err(Problem::StoreNotReady { store, reason });
    }
    match entry.circuit.admit(now) {
        Admission::Yes => Ok(spec),
        Admission::NotBefore(moment) => Err(Problem::StoreSilent {
            store,
            wait: moment.saturating_sub(now),
        }),
    }
}

fn judge(context: &Context, store: &ObjectKey, answer: &Answer) {
    match answer {
        Answer::Batch(_, results) => {
            note(
                context,
                store,
                results.iter().map(|r| r.as_ref().map(|_| ())),
            );
        }
        Answer::From(_, _, result) => {
            note(context, store, std::iter::once(result.as_ref().map(|_| ())));
        }
    }
}

/// Tells the store's circuit how calls went.
fn note<'a>(
    context: &Context,
    key: &ObjectKey,
    results: impl Iterator<Item = Result<(), &'a Error>>,
) {
    let now = context.clock.elapsed();
    let cluster = key.namespace.is_empty();
    let mut worst: Option<Option<Duration>> = None;
    let mut reached = false;
    for result in results {
        match result {
            Err(error) if hits_everyone(error, cluster) => {
                worst = Some(worst.flatten().max(error.retry_after()));
            }
            _ => reached = true,
        }
    }
    context.change(|index| {
        let Some(entry) = index.store_mut(key) else {
            return Vec::new();
        };
        if reached {
            if entry.circuit.success() {
                let readers: Vec<_> = index.readers_of(key).cloned().collect();
                let failing = readers.into_iter().filter(|reader| {
                    index
                        .external_secret(reader)
                        .is_some_and(|e| e.failure.is_some())
                });
                return failing
                    .map(|r| {
                        (
                            crate::index::Work::ExternalSecret(r),
                            crate::schedule::Lane::Retry,
                        )
                    })
                    .collect();
            }
        } else if let Some(retry_after) = worst {
            entry.circuit.failure(now, retry_after);
        }
        Vec::new()
    });
}

/// Whether a failure would hit every object of the store. A refused login does so in a namespaced
/// store; in a ClusterSecretStore each namespace may log in as someone else.
fn hits_everyone(error: &Error, cluster: bool) -> bool {
    let login = matches!(
        error.link(),
        Link::Token | Link::IssuerDocument | Link::Keys | Link::TrustObject | Link::Identity
    );
    match error.class() {
        Class::Unavailable | Class::Throttled => !(login && cluster),
        _ => login && !cluster,
    }
}

fn collect(
    spec: &ExternalSecretSpec,
    answers: impl Iterator<Item = Answer>,
) -> Result<Fetched, Failed> {
    let mut from: BTreeMap<usize, (&'static str, Result<_, Error>)> = BTreeMap::new();
    let mut single: BTreeMap<usize, Result<SecretBytes, Error>> = BTreeMap::new();
    for answer in answers {
        match answer {
            Answer::Batch(indexes, results) => single.extend(indexes.into_iter().zip(results)),
            Answer::From(index, what, result) => {
                from.insert(index, (what, result));
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
    for (index, (what, result)) in from {
        match result {
            Ok(map) => {
                if let Some(slot) = fetched.data_from.get_mut(index) {
                    *slot = Some(map);
                }
            }
            Err(error) if tolerant && error.is_no_secret() => {}
            Err(error) => {
                let prefix = format!("error processing spec.dataFrom[{index}].{what}, err: ");
                return Err(failed(&prefix, &error));
            }
        }
    }
    for (index, result) in single {
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
                return Err(failed(&prefix, &error));
            }
        }
    }
    Ok(fetched)
}

fn failed(prefix: &str, error: &Error) -> Failed {
    Failed::with_prefix(message::COULD_NOT_GET_DATA, prefix, error)
}
