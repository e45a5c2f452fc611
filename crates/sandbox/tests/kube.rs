//! The API server, driven through its router as any client would.

mod access;
mod admission;
mod client;
mod crud;
mod custom;
mod house;
mod kubectl;
mod scale;
mod watching;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use keyless_sandbox::clock::Clock;
use keyless_sandbox::issuer::{Issuer, SigningKey};
use keyless_sandbox::kube::{Options, Server};
use keyless_sandbox::tls::Tls;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// One key for all tests: making one takes longer than most of them.
static KEY: LazyLock<String> = LazyLock::new(|| SigningKey::generate().unwrap().to_pem().unwrap());

/// A server with its router.
pub struct Cluster {
    pub server: Server,
    pub issuer: Issuer,
    pub clock: Clock,
    router: Router,
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
    pub warnings: Vec<String>,
}

impl Answer {
    /// The body, of an answer that must be good.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.code < 300, "{} {}", self.code, self.body);
        self.body
    }

    /// The message of a refusal with this code.
    #[track_caller]
    pub fn refused(&self, code: u16) -> &str {
        assert_eq!(self.code, code, "{}", self.body);
        assert_eq!(self.body["kind"], "Status");
        self.body["message"].as_str().unwrap_or_default()
    }
}

impl Cluster {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::default();
        let tls = Tls::new().unwrap();
        let issuer = Issuer::new(
            "https://localhost:1",
            clock.clone(),
            vec![SigningKey::from_pem(&KEY).unwrap()],
        );
        let mut options = Options::new(clock.clone(), issuer.clone(), tls);
        options.port = None;
        change(&mut options);
        let server = Server::start(options).await.unwrap();
        let router = server.router();
        Self {
            server,
            issuer,
            clock,
            router,
        }
    }

    pub async fn raw(&self, request: Request<Body>) -> http::Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.raw(request.body(body.into()).unwrap()).await;
        let code = response.status().as_u16();
        let warnings = response
            .headers()
            .get_all("warning")
            .iter()
            .map(|v| v.to_str().unwrap().to_owned())
            .collect();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Answer {
            code,
            body,
            warnings,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    pub async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", accept)], Body::empty())
            .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(
            Method::POST,
            path,
            &[
                ("content-type", "application/json"),
                ("user-agent", "tester/1.0"),
            ],
            body.to_string(),
        )
        .await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(
            Method::PUT,
            path,
            &[
                ("content-type", "application/json"),
                ("user-agent", "tester/1.0"),
            ],
            body.to_string(),
        )
        .await
    }

    pub async fn patch(&self, path: &str, language: &str, body: &Value) -> Answer {
        let content = format!("application/{language}");
        self.send(
            Method::PATCH,
            path,
            &[("content-type", &content), ("user-agent", "tester/1.0")],
            body.to_string(),
        )
        .await
    }

    pub async fn merge(&self, path: &str, body: &Value) -> Answer {
        self.patch(path, "merge-patch+json", body).await
    }

    pub async fn apply(&self, path: &str, manager: &str, body: &Value) -> Answer {
        self.patch(
            &format!("{path}?fieldManager={manager}"),
            "apply-patch+yaml",
            body,
        )
        .await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Body::empty()).await
    }

    pub async fn delete_with(&self, path: &str, options: &Value) -> Answer {
        self.send(
            Method::DELETE,
            path,
            &[("content-type", "application/json")],
            options.to_string(),
        )
        .await
    }

    /// Waits until `path` answers 404.
    pub async fn gone(&self, path: &str) {
        for _ in 0..500 {
            if self.get(path).await.code == 404 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{path} is still there: {}", self.get(path).await.body);
    }

    /// Waits until `check` is content with what `path` answers.
    pub async fn until(&self, path: &str, check: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let answer = self.get(path).await;
            if answer.code == 200 && check(&answer.body) {
                return answer.body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{path} never became so: {}", self.get(path).await.body);
    }
}

pub const SECRETS: &str = "/api/v1/namespaces/default/secrets";
pub const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

pub fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"a": "Yg=="}})
}

pub fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})
}

pub fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

/// A definition with two versions, a status, a default, a rule, and a selectable field.
pub fn definition() -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1},
            "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        }, "x-kubernetes-validations": [{"rule": "self.size < 100 || self.colour == 'blue'", "message": "only blue may be large"}]},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }}});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": schema,
        "subresources": {"status": {}}, "selectableFields": [{"jsonPath": ".spec.colour"}],
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["toys"]},
            "versions": [version("v1", true), version("v1beta1", false)]}})
}

/// The version of an object as a number.
pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}
