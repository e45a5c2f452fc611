//! A thin client for tests: plain JSON in, plain JSON out, the same on both rings.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

/// How long anything may take before a test gives up. Far above what is expected: it is a
/// limit, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The API server, as its administrator sees it.
#[derive(Clone)]
pub struct Api {
    client: Client,
}

/// Path of a collection: (kind, api prefix, plural, namespaced).
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("Namespace", "/api/v1", "namespaces", false),
    ("Secret", "/api/v1", "secrets", true),
    ("ConfigMap", "/api/v1", "configmaps", true),
    ("ServiceAccount", "/api/v1", "serviceaccounts", true),
    ("Event", "/api/v1", "events", true),
    ("Pod", "/api/v1", "pods", true),
    (
        "MutatingWebhookConfiguration",
        "/apis/admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "ValidatingWebhookConfiguration",
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        false,
    ),
    ("Lease", "/apis/coordination.k8s.io/v1", "leases", true),
    ("Role", "/apis/rbac.authorization.k8s.io/v1", "roles", true),
    (
        "RoleBinding",
        "/apis/rbac.authorization.k8s.io/v1",
        "rolebindings",
        true,
    ),
    (
        "ClusterRole",
        "/apis/rbac.authorization.k8s.io/v1",
        "clusterroles",
        false,
    ),
    (
        "ClusterRoleBinding",
        "/apis/rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        false,
    ),
    (
        "CustomResourceDefinition",
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        false,
    ),
    ("Thing", "/apis/generic.keyless.test/v1", "things", true),
    ("Widget", "/apis/late.keyless.test/v1", "widgets", true),
    (
        "ExternalSecret",
        "/apis/external-secrets.io/v1",
        "externalsecrets",
        true,
    ),
    (
        "SecretStore",
        "/apis/external-secrets.io/v1",
        "secretstores",
        true,
    ),
    (
        "ClusterSecretStore",
        "/apis/external-secrets.io/v1",
        "clustersecretstores",
        false,
    ),
    (
        "ClusterExternalSecret",
        "/apis/external-secrets.io/v1",
        "clusterexternalsecrets",
        false,
    ),
];

/// What the API server answered to a request that it refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// HTTP status.
    pub code: u16,
    /// The Status object's message.
    pub message: String,
}

impl Api {
    /// A view of the server behind `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client itself, for an operator.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Result<Value, Refusal>> {
        let bytes = body.map_or_else(Vec::new, |b| b.to_string().into_bytes());
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("Content-Type", content_type)
            .body(bytes)?;
        match self.client.request::<Value>(request).await {
            Ok(value) => Ok(Ok(value)),
            Err(kube::Error::Api(status)) => Ok(Err(Refusal {
                code: status.code,
                message: status.message.clone(),
            })),
            Err(error) => Err(error).with_context(|| format!("{method} {path}")),
        }
    }

    /// Creates `object` and returns what the server made of it.
    pub async fn create(&self, object: &Value) -> Result<Value> {
        self.try_create(object)
            .await?
            .map_err(|r| anyhow!("create {}: {} {}", object["kind"], r.code, r.message))
    }

    /// Creates `object`; a refusal is an answer, not an error.
    pub async fn try_create(&self, object: &Value) -> Result<Result<Value, Refusal>> {
        let path = collection(object)?;
        self.send(Method::POST, &path, "application/json", Some(object))
            .await
    }

    /// What the server would make of `object`, without keeping it.
    pub async fn dry_run(&self, object: &Value) -> Result<Result<Value, Refusal>> {
        let path = format!("{}?dryRun=All", collection(object)?);
        self.send(Method::POST, &path, "application/json", Some(object))
            .await
    }

    /// A token of a service account for `audience`.
    pub async fn token_for(
        &self,
        namespace: &str,
        account: &str,
        audience: &str,
        seconds: i64,
    ) -> Result<String> {
        let path = format!("{}/token", item("ServiceAccount", namespace, account)?);
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": seconds}});
        let answer = self
            .send(Method::POST, &path, "application/json", Some(&request))
            .await?
            .map_err(|r| anyhow!("token of {account}: {} {}", r.code, r.message))?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .context("an answer without a token")
    }

    /// Creates `object` in the name of the field manager `manager`.
    pub async fn create_as(&self, manager: &str, object: &Value) -> Result<Value> {
        let path = format!("{}?fieldManager={manager}", collection(object)?);
        let answer = self.send(Method::POST, &path, "application/json", Some(object));
        answer
            .await?
            .map_err(|r| anyhow!("create {}: {} {}", object["kind"], r.code, r.message))
    }

    /// Replaces `object`, or the `part` of it (`/status`), in the name of the field manager
    /// `manager`.
    pub async fn replace_as(&self, manager: &str, part: &str, object: &Value) -> Result<Value> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!(
            "{}/{name}{part}?fieldManager={manager}",
            collection(object)?
        );
        let answer = self.send(Method::PUT, &path, "application/json", Some(object));
        answer
            .await?
            .map_err(|r| anyhow!("replace {path}: {} {}", r.code, r.message))
    }

    /// Applies `object` on the server's side, as GitOps tools do.
    pub async fn apply_as(&self, manager: &str, object: &Value) -> Result<Value> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!(
            "{}/{name}?fieldManager={manager}&force=true",
            collection(object)?
        );
        let kind = "application/apply-patch+yaml";
        let answer = self.send(Method::PATCH, &path, kind, Some(object)).await?;
        answer.map_err(|r| anyhow!("apply {path}: {} {}", r.code, r.message))
    }

    /// Replaces `object`.
    pub async fn replace(&self, object: &Value) -> Result<Value> {
        let name = object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("{}/{name}", collection(object)?);
        let answer = self
            .send(Method::PUT, &path, "application/json", Some(object))
            .await?;
        answer.map_err(|r| anyhow!("replace {path}: {} {}", r.code, r.message))
    }

    /// The object, or `None` if there is none.
    pub async fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        match self
            .send(
                Method::GET,
                &item(kind, namespace, name)?,
                "application/json",
                None,
            )
            .await?
        {
            Ok(value) => Ok(Some(value)),
            Err(refusal) if refusal.code == 404 => Ok(None),
            Err(refusal) => bail!(
                "get {kind} {namespace}/{name}: {} {}",
                refusal.code,
                refusal.message
            ),
        }
    }

    /// Every object of `kind` in `namespace` (all namespaces if empty).
    pub async fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let path = path_of(kind, namespace)?;
        let list = self
            .send(Method::GET, &path, "application/json", None)
            .await?
            .map_err(|r| anyhow!("list {kind}: {}", r.message))?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Applies a JSON merge patch.
    pub async fn patch(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value> {
        self.try_patch(&item(kind, namespace, name)?, patch)
            .await?
            .map_err(|r| anyhow!("patch {kind} {namespace}/{name}: {} {}", r.code, r.message))
    }

    /// Applies a JSON merge patch to the status subresource.
    pub async fn patch_status(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value> {
        let path = format!("{}/status", item(kind, namespace, name)?);
        self.try_patch(&path, patch).await?.map_err(|r| {
            anyhow!(
                "patch status of {kind} {namespace}/{name}: {} {}",
                r.code,
                r.message
            )
        })
    }

    async fn try_patch(&self, path: &str, patch: &Value) -> Result<Result<Value, Refusal>> {
        self.send(
            Method::PATCH,
            path,
            "application/merge-patch+json",
            Some(patch),
        )
        .await
    }

    /// Deletes the object; one that is gone already is fine.
    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        match self
            .send(
                Method::DELETE,
                &item(kind, namespace, name)?,
                "application/json",
                None,
            )
            .await?
        {
            Err(refusal) if refusal.code != 404 => bail!(
                "delete {kind} {namespace}/{name}: {} {}",
                refusal.code,
                refusal.message
            ),
            _ => Ok(()),
        }
    }

    /// Waits until `check` holds for the object (absent objects are `Null`), and returns it.
    pub async fn until(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        what: &str,
        check: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let begin = Instant::now();
        loop {
            let object = self
                .get(kind, namespace, name)
                .await?
                .unwrap_or(Value::Null);
            if check(&object) {
                return Ok(object);
            }
            if begin.elapsed() > PATIENCE {
                let status = object.get("status").unwrap_or(&object);
                bail!(
                    "{kind} {namespace}/{name} did not become {what} within {PATIENCE:?}; it is {status}"
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A token of a service account for the API server itself.
    pub async fn token(&self, namespace: &str, account: &str) -> Result<String> {
        let path = format!("{}/token", item("ServiceAccount", namespace, account)?);
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self
            .send(Method::POST, &path, "application/json", Some(&request))
            .await?
            .map_err(|r| anyhow!("token of {account}: {} {}", r.code, r.message))?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .context("an answer without a token")
    }

    /// Creates a namespace and waits for its default service account.
    pub async fn namespace(&self, name: &str, labels: Value) -> Result<()> {
        self.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})).await?;
        self.until("ServiceAccount", name, "default", "present", |sa| {
            !sa.is_null()
        })
        .await?;
        Ok(())
    }
}

/// Waits until `check` yields a value.
pub async fn eventually<T, F: Future<Output = Result<Option<T>>>>(
    what: &str,
    check: impl Fn() -> F,
) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(value) = check().await? {
            return Ok(value);
        }
        if begin.elapsed() > PATIENCE {
            bail!("{what} did not happen within {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The Ready condition: (status, reason, message).
#[must_use]
pub fn ready(object: &Value) -> (String, String, String) {
    let text = |c: &Value, key: &str| {
        c.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .and_then(|list| {
            list.iter()
                .find(|c| c.get("type").and_then(Value::as_str) == Some("Ready"))
        })
        .map(|c| (text(c, "status"), text(c, "reason"), text(c, "message")))
        .unwrap_or_default()
}

fn path_of(kind: &str, namespace: &str) -> Result<String> {
    let (_, prefix, plural, namespaced) = KINDS
        .iter()
        .find(|(k, ..)| *k == kind)
        .with_context(|| format!("the tests know no kind {kind}"))?;
    Ok(if *namespaced && !namespace.is_empty() {
        format!("{prefix}/namespaces/{namespace}/{plural}")
    } else {
        format!("{prefix}/{plural}")
    })
}

fn item(kind: &str, namespace: &str, name: &str) -> Result<String> {
    Ok(format!("{}/{name}", path_of(kind, namespace)?))
}

/// The collection that `object` belongs to, in the API version that it names.
fn collection(object: &Value) -> Result<String> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let path = path_of(text("/kind"), text("/metadata/namespace"))?;
    Ok(match text("/apiVersion") {
        "external-secrets.io/v1beta1" => path.replacen("/v1/", "/v1beta1/", 1),
        _ => path,
    })
}
