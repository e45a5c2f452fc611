//! Facts from a cluster and its providers, with the caller's own rights.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_api::constants::label;
use keyless_identity::{Environment, Exchange, ExchangeOptions};
use keyless_kubernetes::Clients;
use keyless_kubernetes::request::{METADATA_ONLY_LIST, Requests, escape};
use keyless_providers::{Registry, RegistryOptions};
use keyless_secret::hash::created_by;
use keyless_secret::template;
use serde::Deserialize;
use serde_json::Value;

use super::Finding;
use super::given::Given;
use super::plan::{Facts, Found};
use super::subject::{Subject, What};
use crate::Error;
use crate::cluster::ClusterReader;
use crate::external_secret::fetch::{Opened, Stores, fetch};
use crate::external_secret::problem::{Failed, Problem};
use crate::external_secret::shape;
use crate::external_secret::stores::{admitted, scope, store_ref};
use crate::judgement::Scene;
use crate::object::{ObjectKey, Store, StoreKind};

/// A cluster to look at. Nothing is written to it.
pub struct Cluster {
    requests: Requests,
    reader: ClusterReader,
    registry: Registry,
    given: Given,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// A cluster in which the stores, ConfigMaps and Secrets in `given` count as applied, and
    /// whose providers are reached with the logins and endpoints of `environment`.
    ///
    /// # Errors
    /// The environment names authorities that cannot be used.
    pub fn new(clients: &Clients, environment: Environment, given: Given) -> Result<Self, Error> {
        let http = Exchange::new(&ExchangeOptions::from_environment(&environment));
        let http = http.map_err(|error| Error::Client {
            intent: "prepare calls to providers".into(),
            reason: error.to_string(),
        })?;
        let reader = ClusterReader::new(clients.requests.clone());
        let cluster = Arc::new(reader.clone());
        let defaults = RegistryOptions::default();
        Ok(Self {
            requests: Requests::new(clients.requests.clone()),
            reader,
            registry: Registry::new(cluster, Arc::new(http), environment, defaults),
            given,
        })
    }

    /// What a sync of `subject` would find.
    pub async fn facts(&self, subject: &Subject) -> Facts {
        let mut facts = Facts::default();
        let What::ExternalSecret(spec) = &subject.what else {
            return facts;
        };
        let key = &subject.object.key;
        let target = subject.target(spec);
        let path = format!(
            "/apis/external-secrets.io/v1/namespaces/{}/externalsecrets/{}",
            escape(&key.namespace),
            escape(&key.name)
        );
        let (stored, existing, orphans) = futures::join!(
            self.read(path, format!("read ExternalSecret {key}")),
            self.read(secret_path(&target), format!("read Secret {target}")),
            self.orphans(key, &target),
        );
        match stored {
            Ok(object) => {
                let uid = object.as_ref().and_then(|o| o.pointer("/metadata/uid"));
                facts.uid = uid.and_then(Value::as_str).map(str::to_owned);
            }
            Err(error) => facts
                .notes
                .push(format!("{error}; its uid is not compared")),
        }
        facts.existing = existing.map_err(|error| Finding::fault(&error));
        match orphans {
            Ok(orphans) => facts.orphans = orphans,
            Err(error) => facts.notes.push(format!(
                "{error}; Secrets of earlier target names are not shown"
            )),
        }
        for store in spec.stores() {
            let cluster = store.kind() == keyless_api::StoreKind::ClusterSecretStore;
            let namespace = if cluster { "" } else { &*key.namespace };
            let store = ObjectKey::new(namespace, store.name());
            if self.given.store(&store).is_some() {
                let store = store_ref(&store);
                let note = format!("{store} is taken from the files, not from the cluster");
                facts.notes.push(note);
            }
        }
        // What is refused before anything is fetched is found by the plan.
        if shape::check_preview(spec).is_err() || !keyless_api::validate(spec).is_empty() {
            return facts;
        }
        let fetched = fetch(self, key, spec, Duration::ZERO).await;
        facts.values = fetched.map(Found::Fetched).map_err(Finding::from);
        facts.sources = self.sources(subject, spec.template()).await;
        facts
    }

    async fn sources(
        &self,
        subject: &Subject,
        template: Option<&keyless_api::ExternalSecretTemplate>,
    ) -> Result<template::Sources, Finding> {
        let Some(template) = template else {
            return Ok(template::Sources::new());
        };
        let namespace = &subject.object.key.namespace;
        let mut needed = template::needed(template);
        let mut sources = self.given.sources(namespace, &needed);
        needed.retain(|source| !sources.contains_key(source));
        let read = shape::sources(&self.reader, namespace, needed).await;
        sources.extend(read.map_err(|error| Finding::fault(&error))?);
        Ok(sources)
    }

    /// The object at `path`, if it exists.
    async fn read(&self, path: String, intent: String) -> Result<Option<Value>, Error> {
        match self.requests.get(&path, &intent).await {
            Ok(body) => serde_json::from_slice(&body)
                .map(Some)
                .map_err(|_| Error::Answer {
                    intent,
                    // The cause may quote the body, which is a secret.
                    reason: "it is no JSON object".into(),
                }),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The Secrets that the object `key` wrote under names other than `target`.
    async fn orphans(&self, key: &ObjectKey, target: &ObjectKey) -> Result<Vec<ObjectKey>, Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            metadata: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            name: String,
        }
        let selector = format!(
            "{}={},{}={}",
            label::CREATED_BY,
            created_by(&key.namespace, &key.name),
            label::MANAGED,
            label::MANAGED_VALUE
        );
        let path = format!(
            "/api/v1/namespaces/{}/secrets?labelSelector={}",
            escape(&key.namespace),
            escape(&selector)
        );
        let intent = format!("list the Secrets of ExternalSecret {key}");
        let body = self
            .requests
            .list(&path, METADATA_ONLY_LIST, &intent)
            .await?;
        let list: List = serde_json::from_slice(&body).map_err(|_| Error::Answer {
            intent,
            reason: "it is no list".into(),
        })?;
        let names = list.items.into_iter().map(|item| item.metadata.name);
        Ok(names
            .filter(|name| **name != *target.name)
            .map(|name| ObjectKey::new(&key.namespace, &name))
            .collect())
    }

    async fn usable(
        &self,
        namespace: &str,
        key: &ObjectKey,
    ) -> Result<keyless_api::SecretStoreSpec, Failed> {
        let reference = store_ref(key);
        let (store, given) = match self.given.store(key) {
            Some(store) => (Some(store), true),
            None => {
                let kind = StoreKind::of(key);
                let scope = match kind {
                    StoreKind::SecretStore => format!("namespaces/{}/", escape(&key.namespace)),
                    StoreKind::ClusterSecretStore => String::new(),
                };
                let path = format!(
                    "/apis/external-secrets.io/v1/{scope}{}/{}",
                    kind.plural(),
                    escape(&key.name)
                );
                let read = self.read(path, format!("read {reference}")).await;
                let object = read.map_err(|error| Failed::data(&error))?;
                (
                    object.map(|object| Store::decode(&object.to_string())),
                    false,
                )
            }
        };
        let store = match store {
            None => return Err(Failed::data(&Problem::StoreMissing { store: reference })),
            Some(Err(reason)) => {
                return Err(Failed::data(&Problem::StoreSpec {
                    store: reference,
                    reason,
                }));
            }
            Some(Ok(store)) => store,
        };
        let conditions = store.spec.as_ref().is_ok_and(|s| !s.conditions.is_empty());
        let labels = if conditions && key.namespace.is_empty() {
            let path = format!("/api/v1/namespaces/{}", escape(namespace));
            let read = self.read(path, format!("read Namespace {namespace}")).await;
            let object = read.map_err(|error| Failed::data(&error))?;
            object.map(|object| crate::external_secret::target::texts(&object, "labels"))
        } else {
            None
        };
        // A store that is not applied yet has no verdict; the call that follows is one.
        let ready = given || store.ready().is_some_and(keyless_api::Condition::is_true);
        admitted(&store, namespace, labels.unwrap_or_default(), ready)
            .map_err(|problem| Failed::data(&problem))
    }
}

impl Stores for Cluster {
    fn open<'a>(
        &'a self,
        namespace: &'a str,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Opened, Failed>> {
        async move {
            let spec = self.usable(namespace, key).await?;
            let opened = self.registry.open(&spec, &scope(namespace, key)).await;
            let provider = opened.map_err(|error| {
                let scene = Scene {
                    store: key,
                    spec: &spec,
                    namespace,
                };
                Failed::read("", &error, &scene)
            })?;
            Ok(Opened::new(provider, spec))
        }
        .boxed()
    }
}

fn secret_path(key: &ObjectKey) -> String {
    format!(
        "/api/v1/namespaces/{}/secrets/{}",
        escape(&key.namespace),
        escape(&key.name)
    )
}
