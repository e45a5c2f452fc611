//! What a login needs from the cluster, as a trait, so that this crate knows no Kubernetes client.
//!
//! Implemented by the controller over the API server, and by tests in memory.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use keyless_secret::SecretBytes;

use crate::Error;
use crate::kubernetes::ApiServer;

/// The facts about a service account that decide a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Metadata uid: a recreated account is another identity.
    pub uid: String,
    /// Annotations: role ARN, client id, audience…
    pub annotations: BTreeMap<String, String>,
}

/// A minted service account token.
#[derive(Clone, Debug)]
pub struct SubjectToken {
    /// The JWT.
    pub token: SecretBytes,
    /// Its `exp`.
    pub expires: SystemTime,
}

/// A whole Secret.
#[derive(Clone, Debug, Default)]
pub struct StoredSecret {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its data.
    pub data: BTreeMap<String, SecretBytes>,
}

/// Reads from the cluster on behalf of a store. Every call names its namespace; which
/// namespaces a store may name is decided before the call, never here.
pub trait Cluster: Send + Sync {
    /// The service account `namespace/name`.
    fn service_account<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>>;

    /// Mints a token by TokenRequest. `ttl` `None` leaves the life to the API server; empty
    /// `audiences` mean the API server's own.
    fn token<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        audiences: &'a [String],
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>>;

    /// The value of `key` in the Secret `namespace/name`.
    fn secret_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>>;

    /// The value of `key` in the ConfigMap `namespace/name`.
    fn config_map_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>>;

    /// The Secret `namespace/name` with all its keys.
    fn secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<StoredSecret, Error>> {
        ready(Err(Error::Config {
            reason: format!("cannot read Secret {namespace}/{name} as a whole"),
            hint: None,
            code: "",
        }))
        .boxed()
    }

    /// The API server of this cluster, as the operator itself reaches it.
    fn server(&self) -> Option<ApiServer> {
        None
    }

    /// A token of the operator's own identity, for stores that only an administrator can write.
    fn own_token(&self) -> BoxFuture<'_, Result<SubjectToken, Error>> {
        ready(Err(Error::Config {
            reason: "the operator has no token of its own to show".into(),
            hint: Some("Name a service account in auth.serviceAccount".into()),
            code: "",
        }))
        .boxed()
    }
}
