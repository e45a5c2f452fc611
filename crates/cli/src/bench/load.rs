//! The load: N ExternalSecrets over ten namespaces, and a bare client that writes as an operator
//! must, without any logic. Its time is the ceiling of the API server.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::stream::{FuturesUnordered, StreamExt};
use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// Namespaces that the objects are spread over.
pub const NAMESPACES: usize = 10;
/// Requests in flight of the bare client; more or fewer make no difference that stands out.
const WORKERS: usize = 48;

/// The bench's own client.
#[derive(Clone)]
pub struct Load {
    client: Client,
    /// Remote keys that the objects share.
    pub keys: usize,
}

impl Load {
    /// Writes through `client`; objects name one of `keys` remote values.
    pub fn new(client: Client, keys: usize) -> Self {
        Self { client, keys }
    }

    /// Sends one request; refusals are errors unless `tolerate` names their status.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
        tolerate: &[u16],
    ) -> Result<()> {
        for attempt in 0..20_u64 {
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("Content-Type", content_type)
                .body(Body::from(body.clone()))?;
            let answer = self
                .client
                .send(request)
                .await
                .with_context(|| format!("{method} {path}"))?;
            let status = answer.status().as_u16();
            let bytes = answer
                .into_body()
                .collect_bytes()
                .await
                .with_context(|| format!("{method} {path}"))?;
            if status == 429 || status >= 500 {
                // A CRD that was just made is not served everywhere yet.
                tokio::time::sleep(Duration::from_millis(100 * (attempt + 1))).await;
                continue;
            }
            if status < 300 || tolerate.contains(&status) {
                return Ok(());
            }
            bail!(
                "{method} {path}: {status} {}",
                String::from_utf8_lossy(&bytes)
                    .chars()
                    .take(300)
                    .collect::<String>()
            );
        }
        bail!("{method} {path}: the API server stayed overloaded")
    }

    /// Creates an object, or leaves the one that exists.
    pub async fn create(&self, path: &str, object: &Value) -> Result<()> {
        self.send(
            Method::POST,
            path,
            "application/json",
            object.to_string().into_bytes(),
            &[409],
        )
        .await
    }

    /// Makes the namespaces.
    pub async fn namespaces(&self) -> Result<()> {
        for i in 0..=NAMESPACES {
            let name = if i == NAMESPACES {
                "bench-probe".to_owned()
            } else {
                namespace(i)
            };
            self.create(
                "/api/v1/namespaces",
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            )
            .await?;
        }
        Ok(())
    }

    /// Creates `count` ExternalSecrets.
    pub async fn external_secrets(&self, count: usize) -> Result<Duration> {
        self.each(count, |i| async move {
            let object = self.external_secret(&name(i), &namespace(i), i);
            self.create(&collection(&namespace(i)), &object).await
        })
        .await
    }

    /// One ExternalSecret that reads one of the shared keys.
    pub fn external_secret(&self, name: &str, namespace: &str, i: usize) -> Value {
        json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": "bench"},
                "data": [{"secretKey": "value", "remoteRef": {"key": key(i % self.keys.max(1))}}],
            },
        })
    }

    /// The ceiling: for each object one Secret and one status, one after the other.
    pub async fn ceiling(&self, count: usize) -> Result<Duration> {
        self.each(count, |i| async move {
            let (name, namespace) = (name(i), namespace(i));
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {
                    "name": name, "namespace": namespace,
                    "labels": {"reconcile.external-secrets.io/managed": "true", "reconcile.external-secrets.io/created-by": "0".repeat(56)},
                    "annotations": {"reconcile.external-secrets.io/data-hash": "0".repeat(56)},
                },
                "data": {"value": "dmFsdWUtb2YtdGhlLWJlbmNo"},
            });
            self.create(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).await?;
            let status = json!({"status": {
                "refreshTime": "2026-01-01T00:00:00Z", "syncedResourceVersion": format!("1-{}", "0".repeat(56)), "binding": {"name": name},
                "conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            }});
            let path = format!("{}/{name}/status", collection(&namespace));
            self.send(Method::PATCH, &path, "application/merge-patch+json", status.to_string().into_bytes(), &[]).await
        })
        .await
    }

    /// Deletes every ExternalSecret and every Secret that a round left behind.
    pub async fn clear(&self) -> Result<()> {
        for i in 0..=NAMESPACES {
            let ns = if i == NAMESPACES {
                "bench-probe".to_owned()
            } else {
                namespace(i)
            };
            for path in [
                collection(&ns),
                format!("/api/v1/namespaces/{ns}/secrets"),
                format!("/api/v1/namespaces/{ns}/events"),
            ] {
                self.send(
                    Method::DELETE,
                    &path,
                    "application/json",
                    Vec::new(),
                    &[404],
                )
                .await?;
            }
        }
        Ok(())
    }

    /// Does `work` for each of `count`, many at once.
    pub async fn each<F: Future<Output = Result<()>>>(
        &self,
        count: usize,
        work: impl Fn(usize) -> F,
    ) -> Result<Duration> {
        let begin = Instant::now();
        let mut running = FuturesUnordered::new();
        for i in 0..count {
            if running.len() == WORKERS {
                running.next().await.unwrap_or(Ok(()))?;
            }
            running.push(work(i));
        }
        while let Some(result) = running.next().await {
            result?;
        }
        Ok(begin.elapsed())
    }
}

/// The name of object `i`.
pub fn name(i: usize) -> String {
    format!("es-{i:05}")
}

/// The namespace of object `i`.
pub fn namespace(i: usize) -> String {
    format!("bench-{}", i % NAMESPACES)
}

/// The remote name of key `k`.
pub fn key(k: usize) -> String {
    format!("/bench/{k}")
}

/// The collection of ExternalSecrets in a namespace.
pub fn collection(namespace: &str) -> String {
    format!("/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets")
}
