//! A cluster that gives nothing: targets are logged in to with the publisher's own identity.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_identity::{Cluster, Error, ServiceAccount, StoredSecret, SubjectToken};

/// Nobody.
#[derive(Debug)]
pub struct Nobody;

fn nothing<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, Error>> {
    let error = Error::Config {
        reason: "a target is logged in to with the publisher's own identity only".into(),
        hint: None,
        code: "",
    };
    std::future::ready(Err(error)).boxed()
}

impl Cluster for Nobody {
    fn service_account<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        nothing()
    }

    fn token<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a [String],
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        nothing()
    }

    fn secret_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<keyless_secret::SecretBytes, Error>> {
        nothing()
    }

    fn config_map_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        nothing()
    }

    fn secret<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<StoredSecret, Error>> {
        nothing()
    }
}
