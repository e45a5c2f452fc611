//! A token as the operator, or the kubelet, would ask for it: minted, looked at, thrown away.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use keyless_trust::doctor::{self, Facts, TokenFact, Unseen};
use kube::Client;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{text, unseen};
use crate::doctor::patience::within;

/// What of a token's claims is kept.
const CLAIMS: [&str; 6] = ["iss", "sub", "aud", "exp", "iat", "nbf"];

/// A token by its claims; nothing when there is no login by one.
pub async fn mint(
    client: &Client,
    facts: &Facts,
    until: Instant,
) -> Option<Result<TokenFact, Unseen>> {
    let identity = doctor::diagnose(facts).identity?;
    // Where a metadata server asks for the token, the audience is its own.
    if facts.about.starts_with("Pod ") && identity.audience.is_empty() {
        return None;
    }
    let account = format!("{}/{}", identity.account.namespace, identity.account.name);
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{}/token",
        identity.account.namespace, identity.account.name
    );
    let audiences: Vec<&str> = Some(identity.audience.as_str())
        .into_iter()
        .filter(|a| !a.is_empty())
        .collect();
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": audiences, "expirationSeconds": 600},
    });
    let unseen = |why: String| unseen(format!("a token of {account}"), why);
    let request = Request::post(path)
        .header("Content-Type", "application/json")
        .body(body.to_string().into_bytes());
    let request = match request {
        Ok(request) => request,
        Err(error) => return Some(Err(unseen(error.to_string()))),
    };
    let mut fact = TokenFact {
        account: account.clone(),
        audience: identity.audience.clone(),
        ..TokenFact::default()
    };
    match within(until, client.request::<Value>(request)).await {
        Err(why) => Some(Err(unseen(why))),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            // That whoever looks may not mint says nothing of the operator.
            let why = format!("not allowed to mint it: {}", status.message);
            Some(Err(unseen(why)))
        }
        Ok(Err(kube::Error::Api(status))) => {
            fact.refused = Some(status.message.clone());
            Some(Ok(fact))
        }
        Ok(Err(error)) => Some(Err(unseen(error.to_string()))),
        Ok(Ok(answer)) => {
            let raw = text(&answer, "/status/token");
            fact.header = part(raw, 0, &["alg", "kid", "typ"]);
            fact.claims = part(raw, 1, &CLAIMS);
            Some(Ok(fact))
        }
    }
}

/// Named members of a part of a token. The signature is never looked at.
fn part(token: &str, at: usize, names: &[&str]) -> Value {
    let part = token.split('.').nth(at).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let all: Map<String, Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    let kept: BTreeMap<String, Value> = all
        .into_iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .collect();
    json!(kept)
}
