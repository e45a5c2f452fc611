//! Azure Key Vault.
//!
//! Owns: what a reference means here (secret, certificate or key, version, property, tags), and
//! searching by name and by tag. Refuses: calls of its own; reads all go through the planners of
//! [`Backend`], writes at the vault's rate.
//!
//! The vendor's crates (`azure_security_keyvault_*` 1.0) cannot serve: they take a token's scope
//! from whatever a server challenges them with, so that the first call of each of three clients
//! goes out without a token; and their pagers follow `nextLink` wherever it points, with the
//! token. Here a store decides what its token is for and where it is sent, before anything is
//! sent. What is left of them are a dozen plain calls.

mod backend;
mod calls;
mod import;
mod jwk;
mod name;
mod object;
mod reads;
mod search;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use keyless_secret::SecretBytes;
use keyless_secret::property::PropertyLookup;

use crate::{Capabilities, Error, Find, Provider, Push, Pushed, Ref, Remote, Validation, property};

pub use backend::{Backend, Settings, rate};
use calls::Calls;
use name::Kind;
use object::Object;
use reads::Wanted;

/// A name that no vault should have: asking for it tells whether the vault answers this identity.
const PROBE: &str = "keyless-validation";

/// A store of Key Vault.
#[derive(Debug)]
pub struct KeyVault {
    backend: Arc<Backend>,
}

impl KeyVault {
    /// A store over `backend`.
    #[must_use]
    pub fn new(backend: Arc<Backend>) -> Self {
        Self { backend }
    }

    async fn read_all(&self, refs: &[Ref], max_age: Duration) -> Vec<Result<SecretBytes, Error>> {
        let wanted: Vec<Result<Wanted, Error>> = refs.iter().map(Wanted::of).collect();
        let good: Vec<Wanted> = wanted.iter().flatten().cloned().collect();
        let mut read = self.backend.objects.read(&good, max_age).await.into_iter();
        refs.iter()
            .zip(wanted)
            .map(|(reference, wanted)| {
                let wanted = wanted?;
                let object = read.next().unwrap_or_else(|| Err(broken_off(reference)))?;
                pick(&object, &wanted, reference)
            })
            .collect()
    }

    async fn map(
        &self,
        reference: &Ref,
        max_age: Duration,
    ) -> Result<BTreeMap<String, SecretBytes>, Error> {
        let wanted = Wanted::of(reference)?;
        if wanted.kind != Kind::Secret {
            return Err(Error::Shape {
                reason: format!("cannot extract from {} {:?}", wanted.kind, wanted.name),
                hint: Some("Extract from a secret, or read it with spec.data".into()),
            });
        }
        let object = self.backend.objects.read_one(&wanted, max_age).await?;
        let property = reference.property.as_deref().filter(|p| !p.is_empty());
        if !reference.metadata {
            let value = pick(&object, &wanted, reference)?;
            return property::map(&value, &reference.key);
        }
        let mut map = object.fetched_map(&wanted.name);
        let Some(property) = property else {
            return Ok(map);
        };
        let name = format!("{}_{property}", wanted.name);
        let value = match map.remove(&name) {
            Some(value) => value,
            None => object.fetched(Some(property), &reference.key)?,
        };
        Ok([(name, value)].into())
    }

    /// One call, for a name that does not exist: only who may read secrets is told so.
    async fn probe(&self) -> Result<Validation, Error> {
        let calls = &self.backend.calls;
        let attempt = calls.attempt("read from the vault".into(), "secrets get", Some(PROBE));
        let wanted = Wanted::newest(Kind::Secret, PROBE);
        let call = Calls::call(Method::GET, calls.url(&wanted.path(), ""), None);
        match calls.make("GetSecret", &attempt, &call).await {
            Ok(_) => Ok(Validation::Valid),
            Err(refused) if refused.error.is_no_secret() => Ok(Validation::Valid),
            // A role may be assigned on single secrets, which only reading them shows.
            Err(refused)
                if refused
                    .answer
                    .as_ref()
                    .is_some_and(|a| a.is_denied_by_role()) =>
            {
                Ok(Validation::Undetermined(
                    "the login works; no role on the whole vault allows reading secrets, one on \
                     single secrets may"
                        .into(),
                ))
            }
            Err(refused) => Err(refused.error),
        }
    }
}

fn pick(object: &Object, wanted: &Wanted, reference: &Ref) -> Result<SecretBytes, Error> {
    let property = reference.property.as_deref().filter(|p| !p.is_empty());
    if reference.metadata {
        return object.fetched(property, &reference.key);
    }
    let Some(path) = property.filter(|_| wanted.kind != Kind::Certificate) else {
        return Ok(object.value.clone());
    };
    PropertyLookup::PathFirst
        .find(&object.value, path)
        .ok_or_else(|| Error::Shape {
            reason: format!("property {path} does not exist in key {}", reference.key),
            hint: Some("Correct remoteRef.property; the value must be JSON that has it".into()),
        })
}

fn broken_off(reference: &Ref) -> Error {
    Error::Network {
        intent: format!("read {:?}", reference.key),
        reason: "the call ended without an answer".into(),
    }
}

impl Provider for KeyVault {
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
        search::find(&self.backend, find, max_age).boxed()
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
