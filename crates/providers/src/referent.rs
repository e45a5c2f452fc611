//! A store whose identity depends on who reads, seen without a reader.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use keyless_secret::SecretBytes;

use crate::{Capabilities, Error, Find, Provider, Ref, Validation};

/// Can be validated, with an unknown outcome; cannot be read.
#[derive(Debug)]
pub struct Referent {
    reason: String,
    capabilities: Capabilities,
}

impl Referent {
    /// `reason` says which reference is open.
    #[must_use]
    pub fn new(reason: String, capabilities: Capabilities) -> Self {
        Self {
            reason,
            capabilities,
        }
    }

    fn error(&self) -> Error {
        Error::Config {
            reason: self.reason.clone(),
            hint: Some("Read through an object in a namespace".into()),
        }
    }
}

impl Provider for Referent {
    fn read<'a>(
        &'a self,
        refs: &'a [Ref],
        _: Duration,
    ) -> BoxFuture<'a, Vec<Result<SecretBytes, Error>>> {
        ready(refs.iter().map(|_| Err(self.error())).collect()).boxed()
    }

    fn read_map<'a>(
        &'a self,
        _: &'a Ref,
        _: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        ready(Err(self.error())).boxed()
    }

    fn find<'a>(
        &'a self,
        _: &'a Find,
        _: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        ready(Err(self.error())).boxed()
    }

    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>> {
        ready(Ok(Validation::Unknown(self.reason.clone()))).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}
