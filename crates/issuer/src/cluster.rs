//! The API servers of a cluster: their documents, a token of each, the cluster's own name.
//!
//! Owns: every API server on its own, because each has its own key files. Refuses: judging (see
//! [`crate::rules::servers`]), and keeping a token longer than the look at it takes.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde_json::{Value, json};

use crate::facts::{Minted, Refused, Server};
use crate::fetch::ahead;

/// The key set is not to be had as application/json: the API server answers 406 to who takes no
/// other type.
const ACCEPT: &str = "application/json, application/jwk-set+json;q=0.9";
/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(15);
/// The largest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// One API server.
#[derive(Clone)]
pub struct ApiServer {
    name: String,
    client: kube::Client,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// For whom a token is minted.
#[derive(Clone, Debug)]
pub struct Account {
    /// Namespace.
    pub namespace: String,
    /// Service account.
    pub name: String,
    /// Audience.
    pub audience: String,
    /// Life in seconds.
    pub seconds: i64,
}

/// An answer.
struct Answered {
    status: u16,
    body: Vec<u8>,
    ahead: Option<i64>,
}

impl ApiServer {
    /// The API server behind `client`.
    #[must_use]
    pub fn new(name: impl Into<String>, client: kube::Client) -> Self {
        Self {
            name: name.into(),
            client,
        }
    }

    /// The API server of a configuration.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn connect(name: impl Into<String>, config: kube::Config) -> Result<Self, Refused> {
        let client = kube::Client::try_from(config).map_err(|e| unanswered(&e))?;
        Ok(Self::new(name, client))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its documents, and a token for `account`.
    pub async fn look(&self, account: Option<&Account>) -> Server {
        let mut clock = None;
        let mut document = |answered: Result<Answered, Refused>| {
            let answered = answered?;
            clock = clock.or(answered.ahead);
            ok(answered)
        };
        let discovery = document(self.get("/.well-known/openid-configuration").await);
        let keys = document(self.get("/openid/v1/jwks").await);
        let token = match account {
            Some(account) => Some(self.mint(account).await),
            None => None,
        };
        Server {
            name: self.name.clone(),
            discovery,
            keys,
            token,
            ahead: clock,
        }
    }

    /// Mints a token.
    ///
    /// # Errors
    /// The refusal.
    pub async fn mint(&self, account: &Account) -> Result<Minted, Refused> {
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            account.namespace, account.name
        );
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": [account.audience], "expirationSeconds": account.seconds},
        });
        let body = ok(self.send(Method::POST, &path, Some(&body)).await?)?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        let token = token.ok_or_else(|| Refused {
            status: None,
            message: "the answer holds no token".into(),
        })?;
        Ok(Minted {
            token: token.to_owned(),
            audience: account.audience.clone(),
            seconds: account.seconds,
        })
    }

    /// Whether the API server takes a token that someone holds, at the audiences given or, if there
    /// are none, at its own.
    ///
    /// # Errors
    /// The refusal to say.
    pub async fn accepts(&self, token: &str, audiences: &[String]) -> Result<bool, Refused> {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": audiences},
        });
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let body = ok(self.send(Method::POST, path, Some(&body)).await?)?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = answer.pointer("/status/authenticated");
        Ok(said.and_then(Value::as_bool).unwrap_or_default())
    }

    /// The cluster's own name: the uid of its namespace `kube-system`.
    ///
    /// # Errors
    /// The refusal.
    pub async fn cluster_uid(&self) -> Result<String, Refused> {
        let body = ok(self.get("/api/v1/namespaces/kube-system").await?)?;
        let object: Value = serde_json::from_slice(&body).unwrap_or_default();
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        uid.map(str::to_owned).ok_or_else(|| Refused {
            status: None,
            message: "the namespace kube-system has no uid".into(),
        })
    }

    /// The addresses of all API servers, as the cluster knows them.
    ///
    /// # Errors
    /// The refusal.
    pub async fn endpoints(&self) -> Result<Vec<String>, Refused> {
        let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
        let body = ok(self.get(path).await?)?;
        let list: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut found = Vec::new();
        for slice in list
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let port = slice
                .pointer("/ports/0/port")
                .and_then(Value::as_u64)
                .unwrap_or(443);
            for endpoint in slice
                .get("endpoints")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                for address in endpoint
                    .get("addresses")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                {
                    let Some(address) = address.as_str() else {
                        continue;
                    };
                    found.push(if address.contains(':') {
                        format!("[{address}]:{port}")
                    } else {
                        format!("{address}:{port}")
                    });
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn get(&self, path: &str) -> Result<Answered, Refused> {
        self.send(Method::GET, path, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answered, Refused> {
        let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let kind = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", ACCEPT)
            .header("content-type", kind)
            .body(Body::from(bytes))
            .map_err(|e| unanswered(&e))?;
        let exchange = async {
            let response = self
                .client
                .send(request)
                .await
                .map_err(|e| unanswered(&e))?;
            let (head, body) = response.into_parts();
            let date = head.headers.get("date").and_then(|v| v.to_str().ok());
            let ahead = date.and_then(ahead);
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|e| Refused {
                status: None,
                message: e.to_string(),
            })?;
            Ok(Answered {
                status: head.status.as_u16(),
                body: body.to_bytes().to_vec(),
                ahead,
            })
        };
        tokio::time::timeout(LIMIT, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(Refused {
                    status: None,
                    message: format!("no answer within {} s", LIMIT.as_secs()),
                })
            })
    }
}

/// The body of a good answer.
fn ok(answered: Answered) -> Result<Vec<u8>, Refused> {
    if (200..300).contains(&answered.status) {
        return Ok(answered.body);
    }
    let status: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    let message = status.get("message").and_then(Value::as_str);
    let message = message.map_or_else(
        || {
            String::from_utf8_lossy(&answered.body)
                .chars()
                .take(200)
                .collect()
        },
        str::to_owned,
    );
    Err(Refused {
        status: Some(answered.status),
        message,
    })
}

/// No answer, and why: the innermost cause says most.
fn unanswered(error: &dyn std::error::Error) -> Refused {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = inner.to_string();
        cause = inner.source();
    }
    Refused {
        status: None,
        message,
    }
}

/// A ConfigMap's data, and the version it was read at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its data.
    pub data: std::collections::BTreeMap<String, String>,
    /// Its resourceVersion.
    pub version: String,
}

impl ApiServer {
    /// Reads a ConfigMap; none if it does not exist.
    ///
    /// # Errors
    /// The refusal.
    pub async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ConfigMap>, Refused> {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        let answered = self.get(&path).await?;
        if answered.status == 404 {
            return Ok(None);
        }
        let object: Value = serde_json::from_slice(&ok(answered)?).unwrap_or_default();
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let data = object.get("data").and_then(Value::as_object);
        Ok(Some(ConfigMap {
            data: data
                .into_iter()
                .flatten()
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect(),
            version: text("/metadata/resourceVersion")
                .unwrap_or_default()
                .to_owned(),
        }))
    }

    /// Reads any object or list.
    ///
    /// # Errors
    /// The refusal.
    pub async fn read(&self, path: &str) -> Result<Value, Refused> {
        let body = ok(self.get(path).await?)?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Changes any object by a merge patch.
    ///
    /// # Errors
    /// The refusal.
    pub async fn merge_patch(&self, path: &str, patch: &Value) -> Result<(), Refused> {
        ok(self.send(Method::PATCH, path, Some(patch)).await?).map(|_| ())
    }

    /// Sets some of a ConfigMap's data, if it still has the version; creates it if there was none.
    /// False if someone else wrote in between.
    ///
    /// # Errors
    /// The refusal.
    pub async fn set_config_map(
        &self,
        namespace: &str,
        name: &str,
        version: Option<&str>,
        data: &Value,
    ) -> Result<bool, Refused> {
        let collection = format!("/api/v1/namespaces/{namespace}/configmaps");
        let answered = match version {
            None => {
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "keyless"}}, "data": data});
                self.send(Method::POST, &collection, Some(&object)).await?
            }
            // A merge patch with a resourceVersion is refused when the object has another.
            Some(version) => {
                let patch = json!({"metadata": {"resourceVersion": version}, "data": data});
                self.send(Method::PATCH, &format!("{collection}/{name}"), Some(&patch))
                    .await?
            }
        };
        if answered.status == 409 {
            return Ok(false);
        }
        ok(answered).map(|_| true)
    }
}
