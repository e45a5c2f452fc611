//! What is known about one store, and the one call that finds out whether it works.

use std::sync::Arc;

use keyless_api::Support;
use keyless_api::constants::message;
use keyless_fault::{Class, Fault};
use keyless_providers::{Capabilities, Error, StoreScope, Validation};

use crate::context::Context;
use crate::index::Index;
use crate::judgement::Scene;
use crate::object::{ObjectKey, Store, StoreKind};

/// What validating a store led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It works.
    Valid(Capabilities),
    /// It cannot be known without a consumer, which is as it should be.
    Referent(Capabilities),
    /// The backend would not say; the text says why.
    Undetermined(String),
    /// It does not work: ESO's sentence, cause and fix, class, the peer's wish.
    Failed {
        /// The condition's constant sentence.
        sentence: &'static str,
        /// Cause and fix.
        detail: String,
        /// Class of failure.
        class: Class,
        /// The peer's wish.
        retry_after: Option<std::time::Duration>,
    },
}

/// The store, if it is there and ours to judge.
pub fn gather(context: &Context, key: &ObjectKey) -> Option<Arc<Store>> {
    let state = context.state();
    let ours = is_judged(context, &state.index, key);
    let entry = state.index.store(key).filter(|_| ours)?;
    Some(Arc::clone(&entry.store))
}

/// Whether a store gets verdicts from this operator: it is there, not being deleted, of this
/// controller's class, and its reconciler is on.
#[must_use]
pub fn is_judged(context: &Context, index: &Index, key: &ObjectKey) -> bool {
    let Some(entry) = index.store(key) else {
        return false;
    };
    let class = entry.store.spec.as_ref().ok();
    let class = class
        .and_then(|s| s.controller.as_deref())
        .unwrap_or_default();
    let ours = class.is_empty() || class == context.options.controller_class;
    let on = match entry.store.kind() {
        StoreKind::SecretStore => context.options.secret_stores,
        StoreKind::ClusterSecretStore => context.options.cluster_secret_stores,
    };
    ours && on && !entry.store.deleting
}

/// Opens the store and asks it.
pub async fn validate(context: &Context, store: &Store) -> Found {
    let spec = match &store.spec {
        Ok(spec) => spec,
        Err(error) => return config(message::STORE_NO_CLIENT, error.to_string()),
    };
    if let Err(error) = spec.refresh_interval() {
        return config(message::STORE_NOT_VALIDATED, format!("spec.{error}"));
    }
    let conditions = keyless_api::validate_store(spec, None);
    let mut conditions = conditions.iter().map(|it| (&it.path, &it.message));
    if let Some((path, message)) = conditions.find(|(path, _)| path.starts_with("spec.conditions"))
    {
        return config(message::STORE_NOT_VALIDATED, format!("{path}: {message}"));
    }
    let missing = Support::everything().missing_in_store(spec);
    if let Some(path) = missing.first() {
        return config(
            message::STORE_NO_CLIENT,
            format!("{path} is not supported yet by keyless"),
        );
    }
    let namespace = &store.key.namespace;
    let scene = Scene {
        store: &store.key,
        spec,
        namespace,
    };
    let scope = StoreScope {
        store: crate::external_secret::store_ref(&store.key),
        consumer_namespace: (!namespace.is_empty()).then(|| namespace.to_string()),
    };
    let provider = match context.backends.open(scope, spec).await {
        Ok(provider) => provider,
        Err(error) => return failed(message::STORE_NO_CLIENT, &error, &scene),
    };
    match provider.validate().await {
        Ok(Validation::Valid) => Found::Valid(provider.capabilities()),
        Ok(Validation::Unknown(_)) => Found::Referent(provider.capabilities()),
        Ok(Validation::Undetermined(reason)) => Found::Undetermined(reason),
        Err(error) => failed(message::STORE_NOT_VALIDATED, &error, &scene),
    }
}

fn failed(sentence: &'static str, error: &Error, scene: &Scene<'_>) -> Found {
    let judged = scene.judge(error);
    Found::Failed {
        sentence,
        detail: keyless_fault::explain_as("", error, &judged),
        class: error.class(),
        retry_after: error.retry_after(),
    }
}

const fn config(sentence: &'static str, detail: String) -> Found {
    Found::Failed {
        sentence,
        detail,
        class: Class::Config,
        retry_after: None,
    }
}
