//! The emulated Azure against a real issuer over HTTPS. The world every test starts in, and the
//! ways to call the endpoint; the cases are in the modules.

use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::faults::{Effect, Fault};
use super::*;
use crate::issuer::Issuer;
use crate::tls::Tls;

mod arm;
mod entra;
mod judges;
mod metadata;
mod vault;

const SUBJECT: &str = "system:serviceaccount:shop:web";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LOGIN: &str = "login.microsoftonline.com";
const VAULT: &str = "my-keyvault.vault.azure.net";
const MANAGEMENT: &str = "management.azure.com";

/// An issuer that serves its documents, and an Azure with a managed identity for `shop/web` that
/// may do everything in the default vault.
struct World {
    azure: Azure,
    issuer: Issuer,
    clock: Clock,
    identity: Identity,
}

/// An answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    /// Status and code: an AADSTS number, or the code and inner code of a vault.
    fn error(&self) -> (u16, String) {
        if let Some(text) = self.body["error_description"].as_str() {
            let number = text
                .strip_prefix("AADSTS")
                .and_then(|t| t.split(':').next());
            let number = number.unwrap_or_else(|| panic!("no number in {text}"));
            assert_eq!(self.body["error_codes"][0].to_string(), number);
            assert!(
                text.contains("Trace ID: ") && text.contains("Timestamp: "),
                "{text}"
            );
            return (self.status, number.to_owned());
        }
        let error = &self.body["error"];
        let code = error["innererror"]["code"]
            .as_str()
            .or(error["code"].as_str());
        (self.status, code.unwrap_or_default().to_owned())
    }

    fn message(&self) -> &str {
        self.body["error_description"]
            .as_str()
            .or(self.body["error"]["message"].as_str())
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
        let azure = Azure::new(AzureOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            ..AzureOptions::default()
        })
        .unwrap();
        let identity = azure.create_managed_identity("web");
        let all: &[&str] = &["all"];
        azure
            .set_access_policy(azure.default_vault(), &identity.object_id, [all; 3])
            .unwrap();
        Self {
            azure,
            issuer,
            clock,
            identity,
        }
    }

    /// As [`World::new`], with the federated credential in place.
    async fn trusted() -> Self {
        let world = Self::new().await;
        world
            .azure
            .add_federated_credential(
                &world.identity.client_id,
                "web",
                world.issuer.url(),
                SUBJECT,
                AUDIENCE,
            )
            .unwrap();
        world
    }

    fn claims(&self) -> Value {
        let now = self.clock.unix();
        json!({"iss": self.issuer.url(), "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3600})
    }

    fn assertion(&self) -> String {
        self.sign(&self.claims())
    }

    fn sign(&self, claims: &Value) -> String {
        self.issuer.sign(claims.to_string().as_bytes()).unwrap()
    }

    async fn call(&self, host: &str, request: http::request::Builder, body: String) -> Reply {
        let request = request.header("host", host).body(Body::from(body)).unwrap();
        let response = self.azure.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// A call of the token endpoint with these fields over the usual ones; empty ones are left
    /// out.
    async fn token(&self, fields: &[(&str, &str)]) -> Reply {
        let tenant = self.azure.tenant().to_owned();
        let mut form = vec![
            ("client_id", self.identity.client_id.as_str()),
            ("scope", "https://vault.azure.net/.default"),
            ("grant_type", "client_credentials"),
            ("client_assertion_type", JWT_BEARER),
        ];
        form.retain(|(name, _)| fields.iter().all(|(other, _)| other != name));
        form.extend(fields);
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form.iter().filter(|(_, value)| !value.is_empty()))
            .finish();
        let request = Request::post(format!("/{tenant}/oauth2/v2.0/token"));
        self.call(LOGIN, request, body).await
    }

    /// The answer to an assertion with these claims.
    async fn present(&self, claims: &Value) -> Reply {
        self.token(&[("client_assertion", &self.sign(claims))])
            .await
    }

    /// An access token for the vaults.
    async fn access(&self) -> String {
        let reply = self.token(&[("client_assertion", &self.assertion())]).await;
        reply.ok().body["access_token"].as_str().unwrap().to_owned()
    }

    /// A call of the default vault with a token.
    async fn vault(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let mark = if path.contains('?') { '&' } else { '?' };
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}{mark}api-version=7.4"))
            .header("authorization", format!("Bearer {token}"));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.call(VAULT, request, body).await
    }
}
