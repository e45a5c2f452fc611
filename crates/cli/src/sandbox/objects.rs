//! The few Kubernetes calls that the tour makes, as its administrator.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// How long one step of the tour may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A client for the tour.
#[derive(Clone)]
pub struct Objects(Client);

impl Objects {
    /// A client of the sandbox's API.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Value, kube::Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", content_type)
            .body(body);
        self.0
            .request(request.map_err(kube::Error::HttpError)?)
            .await
    }

    /// Server-side apply: creates or changes.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<Value> {
        let url = format!("{path}?fieldManager=keyless-sandbox&force=true");
        let body = object.to_string().into_bytes();
        self.send(Method::PATCH, &url, "application/apply-patch+yaml", body)
            .await
            .with_context(|| format!("cannot apply {path}"))
    }

    /// JSON merge patch.
    pub async fn patch(&self, path: &str, patch: &Value) -> Result<Value> {
        let body = patch.to_string().into_bytes();
        self.send(Method::PATCH, path, "application/merge-patch+json", body)
            .await
            .with_context(|| format!("cannot change {path}"))
    }

    /// The object, or `None`.
    pub async fn get(&self, path: &str) -> Result<Option<Value>> {
        match self
            .send(Method::GET, path, "application/json", Vec::new())
            .await
        {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {path}")),
        }
    }

    /// Waits until `check` holds; answers with the object as it is then or when patience ended.
    pub async fn until(&self, path: &str, check: impl Fn(&Value) -> bool) -> Result<(bool, Value)> {
        let begin = Instant::now();
        loop {
            let object = self.get(path).await?.unwrap_or(Value::Null);
            if check(&object) {
                return Ok((true, object));
            }
            if begin.elapsed() > PATIENCE {
                return Ok((false, object));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until the object is there and `check` holds, or fails.
    pub async fn require(
        &self,
        path: &str,
        what: &str,
        check: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        match self.until(path, check).await? {
            (true, object) => Ok(object),
            (false, _) => bail!("{path} did not become {what} within {PATIENCE:?}"),
        }
    }
}

/// The Ready condition's status and message.
pub fn ready(object: &Value) -> (String, String) {
    let list = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let condition = list.and_then(|l| {
        l.iter()
            .find(|c| c.get("type").and_then(Value::as_str) == Some("Ready"))
    });
    let text = |key: &str| {
        condition
            .and_then(|c| c.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (text("status"), text("message"))
}
