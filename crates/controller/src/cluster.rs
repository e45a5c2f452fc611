//! What logins need from the cluster, over the API server.
//!
//! Owns: the reads of [`keyless_identity::Cluster`] and errors that name exactly what is
//! missing. Refuses: caching (tokens and credentials are cached by `keyless-identity`), and the
//! question which namespace a store may name (answered before the call).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Fault, Link, ObjectRef};
use keyless_identity::kubernetes::ApiServer;
use keyless_identity::{Cluster, Error, ServiceAccount, StoredSecret, SubjectToken};
use keyless_kubernetes::Own;
use keyless_kubernetes::request::{Requests, Verb, escape, with};
use keyless_secret::SecretBytes;
use serde::Deserialize;

/// What was read, and at which resourceVersion.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// The data.
    pub data: T,
    /// resourceVersion as a number; 0 if the answer has none.
    pub version: u64,
}

/// How long the operator's own token is kept before its file is read again.
const OWN_TOKEN_KEPT: Duration = Duration::from_secs(300);

/// Reads the cluster with the operator's own rights.
#[derive(Clone, Debug)]
pub struct ClusterReader {
    requests: Requests,
    own: Option<Own>,
}

impl ClusterReader {
    /// Reads through `client`.
    #[must_use]
    pub const fn new(client: kube::Client) -> Self {
        Self {
            requests: Requests::new(client),
            own: None,
        }
    }

    /// With what stores that read this cluster need: its server, and the operator's own token.
    #[must_use]
    pub fn reaching(mut self, own: Option<Own>) -> Self {
        self.own = own;
        self
    }

    async fn read_own_token(&self) -> Result<SubjectToken, Error> {
        let lacks = |reason: String| Error::Config {
            reason,
            hint: Some("Name a service account in auth.serviceAccount".into()),
            code: "",
        };
        let file = self.own.as_ref().and_then(|own| own.token_file.as_ref());
        let file = file.ok_or_else(|| {
            lacks(
                "the operator has no token file of its own: it does not run in the cluster".into(),
            )
        })?;
        let token = tokio::fs::read(file)
            .await
            .map_err(|error| lacks(format!("cannot read {}: {error}", file.display())))?;
        Ok(SubjectToken {
            token: SecretBytes::new(token.trim_ascii().to_vec()),
            // A kubelet replaces it long before its end.
            expires: SystemTime::now() + OWN_TOKEN_KEPT,
        })
    }

    async fn read_account(&self, namespace: &str, name: &str) -> Result<ServiceAccount, Error> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            #[serde(default)]
            uid: String,
            #[serde(default)]
            annotations: Option<BTreeMap<String, String>>,
        }
        let object = ObjectRef::new("ServiceAccount", namespace, name);
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}",
            escape(namespace),
            escape(name)
        );
        let body = self
            .requests
            .get(&path, &format!("read {object}"))
            .await
            .map_err(|e| failed("read", &object, Link::Token, &e, None))?;
        let parsed: Object = serde_json::from_slice(&body)
            .map_err(|e| unreadable("read", &object, Link::Token, &e.to_string()))?;
        Ok(ServiceAccount {
            uid: parsed.metadata.uid,
            annotations: parsed.metadata.annotations.unwrap_or_default(),
        })
    }

    async fn mint(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        ttl: Option<Duration>,
    ) -> Result<SubjectToken, Error> {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            token: String,
            expiration_timestamp: String,
        }
        const INTENT: &str = "mint a token for";
        let object = ObjectRef::new("ServiceAccount", namespace, name);
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            escape(namespace),
            escape(name)
        );
        // Shorter lives are refused by every API server.
        let seconds = ttl.map(|ttl| ttl.as_secs().max(600).into());
        let spec = with(
            serde_json::json!({ "audiences": audiences }),
            "expirationSeconds",
            seconds,
        );
        let body = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": spec,
        });
        let hint = format!(
            "Grant the operator verb create on resource serviceaccounts/token in namespace {namespace}"
        );
        let body = self
            .requests
            .exchange(
                Verb::Post,
                &path,
                body.to_string().into(),
                &format!("mint a token for {object}"),
            )
            .await
            .map_err(|e| failed(INTENT, &object, Link::Token, &e, Some(hint)))?;
        let review: Review = serde_json::from_slice(&body)
            .map_err(|e| unreadable(INTENT, &object, Link::Token, &e.to_string()))?;
        let expires: jiff::Timestamp = review
            .status
            .expiration_timestamp
            .parse()
            .map_err(|_| unreadable(INTENT, &object, Link::Token, "no expirationTimestamp"))?;
        Ok(SubjectToken {
            token: review.status.token.into(),
            expires: SystemTime::from(expires),
        })
    }

    /// The `data` of a Secret or ConfigMap.
    async fn read_data<T: serde::de::DeserializeOwned + Default>(
        &self,
        object: &ObjectRef,
        path: &str,
    ) -> Result<Versioned<T>, Error> {
        #[derive(Deserialize)]
        struct Object<T> {
            #[serde(default)]
            metadata: Meta,
            data: Option<T>,
        }
        #[derive(Deserialize, Default)]
        struct Meta {
            #[serde(rename = "resourceVersion", default)]
            version: String,
        }
        let body = self
            .requests
            .get(path, &format!("read {object}"))
            .await
            .map_err(|e| failed("read", object, Link::Store, &e, None))?;
        let parsed: Object<T> = serde_json::from_slice(&body)
            // The cause may quote the body, which is a secret.
            .map_err(|_| unreadable("read", object, Link::Store, "its data is no map of texts"))?;
        Ok(Versioned {
            data: parsed.data.unwrap_or_default(),
            version: parsed.metadata.version.parse().unwrap_or(0),
        })
    }

    /// All of a Secret's data, for templates kept in Secrets.
    ///
    /// # Errors
    /// As [`Cluster::secret_key`].
    pub async fn secret_data(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Versioned<BTreeMap<String, SecretBytes>>, Error> {
        let object = ObjectRef::new("Secret", namespace, name);
        let path = format!(
            "/api/v1/namespaces/{}/secrets/{}",
            escape(namespace),
            escape(name)
        );
        let read: Versioned<BTreeMap<String, String>> = self.read_data(&object, &path).await?;
        let decoded = read.data.into_iter().map(|(key, text)| {
            let value = decode(&object, &key, &text)?;
            Ok((key, value))
        });
        Ok(Versioned {
            data: decoded.collect::<Result<_, Error>>()?,
            version: read.version,
        })
    }

    async fn read_stored(&self, namespace: &str, name: &str) -> Result<StoredSecret, Error> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Meta,
            data: Option<BTreeMap<String, String>>,
        }
        #[derive(Deserialize)]
        struct Meta {
            labels: Option<BTreeMap<String, String>>,
        }
        let object = ObjectRef::new("Secret", namespace, name);
        let path = format!(
            "/api/v1/namespaces/{}/secrets/{}",
            escape(namespace),
            escape(name)
        );
        let body = self
            .requests
            .get(&path, &format!("read {object}"))
            .await
            .map_err(|e| failed("read", &object, Link::Store, &e, None))?;
        let parsed: Object = serde_json::from_slice(&body)
            // The cause may quote the body, which is a secret.
            .map_err(|_| unreadable("read", &object, Link::Store, "it is no Secret"))?;
        let data = parsed.data.unwrap_or_default().into_iter();
        let data = data.map(|(key, text)| Ok((key.clone(), decode(&object, &key, &text)?)));
        Ok(StoredSecret {
            labels: parsed.metadata.labels.unwrap_or_default(),
            data: data.collect::<Result<_, Error>>()?,
        })
    }

    /// All of a ConfigMap's data, for templates kept in ConfigMaps.
    ///
    /// # Errors
    /// As [`Cluster::config_map_key`].
    pub async fn config_map_data(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Versioned<BTreeMap<String, String>>, Error> {
        let object = ObjectRef::new("ConfigMap", namespace, name);
        let path = format!(
            "/api/v1/namespaces/{}/configmaps/{}",
            escape(namespace),
            escape(name)
        );
        self.read_data(&object, &path).await
    }
}

fn decode(object: &ObjectRef, key: &str, text: &str) -> Result<SecretBytes, Error> {
    STANDARD.decode(text).map(SecretBytes::new).map_err(|_| {
        unreadable(
            "read",
            object,
            Link::Store,
            &format!("key {key} is not base64"),
        )
    })
}

fn failed(
    intent: &'static str,
    object: &ObjectRef,
    link: Link,
    error: &crate::Error,
    forbidden: Option<String>,
) -> Error {
    let (reason, hint) = match error {
        crate::Error::Api { status: 404, .. } => (
            "it does not exist".to_owned(),
            Some(format!("Create {object}, or correct the name")),
        ),
        crate::Error::Api {
            status: 403,
            message,
            ..
        } => (message.clone(), forbidden.or_else(|| error.hint())),
        crate::Error::Api { message, .. } => (message.clone(), None),
        other => (other.to_string(), None),
    };
    Error::Cluster {
        intent,
        object: object.clone(),
        link,
        class: error.class(),
        reason,
        hint,
    }
}

fn unreadable(intent: &'static str, object: &ObjectRef, link: Link, reason: &str) -> Error {
    Error::Cluster {
        intent,
        object: object.clone(),
        link,
        class: Class::Config,
        reason: reason.to_owned(),
        hint: None,
    }
}

/// Only the missing key is named: which others exist is nobody else's business.
fn missing(object: ObjectRef, key: &str) -> Error {
    Error::Cluster {
        intent: "read",
        hint: Some(format!(
            "Add key {key} to {object}, or correct the reference"
        )),
        object,
        link: Link::Store,
        class: Class::NotFound,
        reason: format!("it has no key {key}"),
    }
}

impl Cluster for ClusterReader {
    fn server(&self) -> Option<ApiServer> {
        let server = &self.own.as_ref()?.server;
        Some(ApiServer {
            url: server.url.clone(),
            authorities: server.authorities.clone(),
        })
    }

    fn secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<StoredSecret, Error>> {
        self.read_stored(namespace, name).boxed()
    }

    fn own_token(&self) -> BoxFuture<'_, Result<SubjectToken, Error>> {
        self.read_own_token().boxed()
    }

    fn service_account<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        self.read_account(namespace, name).boxed()
    }

    fn token<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        audiences: &'a [String],
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        self.mint(namespace, name, audiences, ttl).boxed()
    }

    fn secret_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        async move {
            let mut data = self.secret_data(namespace, name).await?.data;
            data.remove(key)
                .ok_or_else(|| missing(ObjectRef::new("Secret", namespace, name), key))
        }
        .boxed()
    }

    fn config_map_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        async move {
            let mut data = self.config_map_data(namespace, name).await?.data;
            data.remove(key)
                .ok_or_else(|| missing(ObjectRef::new("ConfigMap", namespace, name), key))
        }
        .boxed()
    }
}
