//! The emulated Google Cloud against a real issuer over HTTPS. The world every test starts in, and
//! the ways to call the endpoint; the cases are in the modules.

use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::faults::{Effect, Fault};
use super::*;
use crate::issuer::Issuer;
use crate::tls::Tls;

mod accounts;
mod administration;
mod gcloud;
mod iam;
mod judges;
mod metadata;
mod secrets;
mod sts;
mod writes;

const SUBJECT: &str = "system:serviceaccount:shop:web";
const PROJECT: &str = "my-gcp-project";
const NUMBER: &str = "123456789012";
const STS: &str = "sts.googleapis.com";
const SECRETS: &str = "secretmanager.googleapis.com";
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// An issuer that serves its documents, and a cloud with the pool `my-pool` and no provider.
struct World {
    gcp: Gcp,
    issuer: Issuer,
    clock: Clock,
}

/// An answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    /// Status and code: of OAuth, or of an API.
    fn error(&self) -> (u16, String) {
        let code = self.body["error"]["status"]
            .as_str()
            .or(self.body["error"].as_str());
        (self.status, code.unwrap_or_default().to_owned())
    }

    fn message(&self) -> &str {
        self.body["error_description"]
            .as_str()
            .or(self.body["error"]["message"].as_str())
            .unwrap_or_default()
    }

    fn reason(&self) -> &str {
        self.body["error"]["details"][0]["reason"]
            .as_str()
            .unwrap_or_default()
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }
}

impl World {
    async fn new() -> Self {
        let clock = Clock::default();
        let tls = Tls::new().unwrap();
        let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
        let gcp = Gcp::new(GcpOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            ..GcpOptions::default()
        });
        gcp.create_pool(PROJECT, "my-pool").unwrap();
        Self { gcp, issuer, clock }
    }

    /// As [`World::new`], with the provider `cluster` for the issuer, and `SUBJECT` allowed to do
    /// everything with secrets.
    async fn trusted() -> Self {
        let world = Self::new().await;
        world.provider(world.provider_of_issuer());
        world
            .gcp
            .bind_on_project(
                PROJECT,
                "roles/secretmanager.admin",
                &world.principal(),
                None,
            )
            .unwrap();
        world
    }

    fn provider_of_issuer(&self) -> OidcProvider {
        OidcProvider {
            issuer: self.issuer.url().to_owned(),
            ..OidcProvider::default()
        }
    }

    /// Adds or replaces the provider `cluster`.
    #[track_caller]
    fn provider(&self, provider: OidcProvider) {
        let update = self
            .gcp
            .update_oidc_provider(PROJECT, "my-pool", "cluster", &provider);
        if update.is_err() {
            self.gcp
                .create_oidc_provider(PROJECT, "my-pool", "cluster", &provider)
                .unwrap();
        }
    }

    fn principal(&self) -> String {
        self.gcp
            .pool_principal(PROJECT, "my-pool", SUBJECT)
            .unwrap()
    }

    fn audience(&self) -> String {
        self.gcp
            .provider_audience(PROJECT, "my-pool", "cluster")
            .unwrap()
    }

    fn claims(&self) -> Value {
        let now = self.clock.unix();
        json!({
            "iss": self.issuer.url(), "sub": SUBJECT, "aud": [self.audience()],
            "iat": now, "nbf": now, "exp": now + 3600,
            "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web", "uid": "u1"}},
        })
    }

    fn sign(&self, claims: &Value) -> String {
        self.issuer.sign(claims.to_string().as_bytes()).unwrap()
    }

    async fn call(&self, host: &str, request: http::request::Builder, body: String) -> Reply {
        let request = request.header("host", host).body(Body::from(body)).unwrap();
        reply(self.gcp.router().oneshot(request).await.unwrap()).await
    }

    /// An exchange with these fields over the usual ones; empty ones are left out.
    async fn exchange(&self, fields: &[(&str, &str)]) -> Reply {
        let audience = self.audience();
        let mut form = vec![
            ("grant_type", EXCHANGE),
            ("audience", audience.as_str()),
            ("scope", CLOUD_PLATFORM),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token_type", JWT),
        ];
        form.retain(|(name, _)| fields.iter().all(|(other, _)| other != name));
        form.extend(fields);
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form.iter().filter(|(_, value)| !value.is_empty()))
            .finish();
        let request =
            Request::post("/v1/token").header("content-type", "application/x-www-form-urlencoded");
        self.call(STS, request, body).await
    }

    /// The answer to a token with these claims.
    async fn present(&self, claims: &Value) -> Reply {
        self.exchange(&[("subject_token", &self.sign(claims))])
            .await
    }

    /// An access token of `SUBJECT`.
    async fn access(&self) -> String {
        let reply = self.present(&self.claims()).await.ok();
        reply.body["access_token"].as_str().unwrap().to_owned()
    }

    async fn api(&self, host: &str, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.call(host, request, body).await
    }

    /// A call of Secret Manager; `path` follows the project.
    async fn secrets(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let path = format!("/v1/projects/{PROJECT}{path}");
        self.api(SECRETS, token, method, &path, body).await
    }
}

async fn reply(response: http::Response<Body>) -> Reply {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
    }
}
