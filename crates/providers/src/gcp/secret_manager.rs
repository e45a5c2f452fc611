//! Google Secret Manager.
//!
//! Owns: what a reference means here (secret, version, property, labels and annotations), and
//! searching by name, path and label. Refuses: calls of its own; reads all go through the planners
//! of [`Backend`], writes at the project's rate.
//!
//! The vendor's crates (`google-cloud-secretmanager-v1` 1.14, `google-cloud-auth` 1.18) cannot serve:
//! the checksum of a payload is sent but not verified, impersonation goes to a fixed host whatever the
//! universe or an override says, and no own authorities or way out can be given to either. What is
//! left of them are nine plain calls.

mod backend;
mod calls;
mod checksum;
mod object;
mod reads;
mod search;
mod settings;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_secret::SecretBytes;

use crate::{Capabilities, Error, Find, Provider, Push, Pushed, Ref, Remote, Validation, property};

pub use backend::{Backend, Place, Rates, Settings};
use object::Metadata;
use reads::Wanted;

/// A name that no secret should have: asking for it tells whether the project answers this
/// identity.
const PROBE: &str = "keyless-validation";

/// A store of Secret Manager.
#[derive(Debug)]
pub struct SecretManager {
    backend: Arc<Backend>,
    /// Whether the newest enabled version stands in for a disabled newest one.
    enabled: bool,
}

impl SecretManager {
    /// A store over `backend`; `enabled` is `secretVersionSelectionPolicy: LatestOrFetch`.
    #[must_use]
    pub fn new(backend: Arc<Backend>, enabled: bool) -> Self {
        Self { backend, enabled }
    }

    async fn read_all(&self, refs: &[Ref], max_age: Duration) -> Vec<Result<SecretBytes, Error>> {
        let wanted: Vec<Result<Wanted, Error>> = refs
            .iter()
            .map(|reference| Wanted::of(reference, self.enabled))
            .collect();
        let of = |metadata: bool| -> Vec<Wanted> {
            let pairs = refs.iter().zip(&wanted);
            pairs
                .filter(|(reference, _)| reference.metadata == metadata)
                .filter_map(|(_, wanted)| wanted.as_ref().ok().cloned())
                .collect()
        };
        let (values, secrets) = (of(false), of(true));
        let secrets: Vec<String> = secrets.into_iter().map(|wanted| wanted.id).collect();
        let (values, secrets) = futures::join!(
            self.backend.payloads.read(&values, max_age),
            self.backend.secrets.read(&secrets, max_age),
        );
        let (mut values, mut secrets) = (values.into_iter(), secrets.into_iter());
        let mut all = Vec::with_capacity(refs.len());
        for (reference, wanted) in refs.iter().zip(wanted) {
            all.push(match wanted {
                Err(error) => Err(error),
                Ok(_) if reference.metadata => {
                    let found = secrets.next().unwrap_or_else(|| Err(broken_off(reference)));
                    found.and_then(|metadata| described(&metadata, reference))
                }
                Ok(_) => {
                    let found = values.next().unwrap_or_else(|| Err(broken_off(reference)));
                    found.and_then(|value| pick(&value, reference))
                }
            });
        }
        all
    }

    async fn map(
        &self,
        reference: &Ref,
        max_age: Duration,
    ) -> Result<BTreeMap<String, SecretBytes>, Error> {
        let mut values = self
            .read_all(std::slice::from_ref(reference), max_age)
            .await;
        let value = values.pop().unwrap_or_else(|| Err(broken_off(reference)))?;
        property::map(&value, &reference.key)
    }

    /// One call, for a secret that does not exist: only who may read all secrets is told so.
    async fn probe(&self) -> Result<Validation, Error> {
        let wanted = Wanted::latest(PROBE);
        match self.backend.payloads.api().access(&wanted, "latest").await {
            Ok(_) => Ok(Validation::Valid),
            Err(refused) if refused.error.is_no_secret() => Ok(Validation::Valid),
            // A role may be given on single secrets, which only reading them shows.
            Err(refused)
                if refused
                    .answer
                    .as_ref()
                    .is_some_and(|answer| answer.is_denied_by_role()) =>
            {
                Ok(Validation::Undetermined(
                    "the login works; no role on the whole project allows reading secrets, one on \
                     single secrets may"
                        .into(),
                ))
            }
            Err(refused) => Err(refused.error),
        }
    }
}

/// A property must be one of JSON; the value is not quoted.
fn pick(value: &SecretBytes, reference: &Ref) -> Result<SecretBytes, Error> {
    match reference.property.as_deref().filter(|p| !p.is_empty()) {
        None => Ok(value.clone()),
        Some(path) => {
            if serde_json::from_slice::<serde::de::IgnoredAny>(value.expose()).is_err() {
                return Err(Error::Shape {
                    reason: format!(
                        "secret {} is not JSON, so it has no property",
                        reference.key
                    ),
                    hint: Some("Remove remoteRef.property, or store JSON".into()),
                });
            }
            property::property(value, path, &reference.key)
        }
    }
}

fn described(metadata: &Metadata, reference: &Ref) -> Result<SecretBytes, Error> {
    metadata.fetched(reference.property.as_deref(), &reference.key)
}

fn broken_off(reference: &Ref) -> Error {
    Error::Network {
        intent: format!("read {:?}", reference.key),
        reason: "the call ended without an answer".into(),
    }
}

impl Provider for SecretManager {
    fn read<'a>(
        &'a self,
        refs: &'a [Ref],
        max_age: Duration,
    ) -> BoxFuture<'a, Vec<Result<SecretBytes, Error>>> {
        self.read_all(refs, max_age).boxed()
    }

    fn read_map<'a>(
        &'a self,
        reference: &'a Ref,
        max_age: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        self.map(reference, max_age).boxed()
    }

    fn find<'a>(
        &'a self,
        find: &'a Find,
        max_age: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        search::find(&self.backend, find, self.enabled, max_age).boxed()
    }

    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>> {
        self.probe().boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    fn push<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<Pushed, Error>> {
        write::push(&self.backend, push).boxed()
    }

    fn delete<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        write::delete(&self.backend, remote).boxed()
    }

    fn exists<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        write::exists(&self.backend, remote).boxed()
    }
}
