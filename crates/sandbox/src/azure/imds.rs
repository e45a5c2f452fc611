//! The metadata service of the node that the operator runs on: tokens of managed identities.

use axum::body::Body;
use axum::extract::State as Shared;
use axum::routing::get;
use http::{Request, Response};
use serde_json::json;

use super::answer::{Answer, guid};
use super::{Azure, token};

pub(super) fn router(azure: Azure) -> axum::Router {
    axum::Router::new()
        .route("/metadata/identity/oauth2/token", get(handle))
        .with_state(azure)
}

async fn handle(Shared(azure): Shared<Azure>, request: Request<Body>) -> Response<Body> {
    let suffering = azure.state().faults.strike("imds", "Token", None);
    let answer = match suffering.answer {
        Some(answer) => answer,
        None => answer(&azure, &request),
    };
    azure.state().count("imds", "Token", answer.is_error());
    answer.render(&guid())
}

fn answer(azure: &Azure, request: &Request<Body>) -> Answer {
    let bad = |text: &str| Answer {
        status: 400,
        body: json!({"error": "invalid_request", "error_description": text}),
        headers: Vec::new(),
    };
    let told = |name: &str, value: &str| {
        let found = request.headers().get(name).and_then(|v| v.to_str().ok());
        found.is_some_and(|found| found.eq_ignore_ascii_case(value))
    };
    // A request that something else forwards does not carry it.
    if !told("metadata", "true") {
        return bad("Required metadata header not specified");
    }
    let query = |name: &str| {
        let query = request.uri().query().unwrap_or_default().as_bytes();
        url::form_urlencoded::parse(query)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .filter(|value| !value.is_empty())
    };
    if query("api-version").is_none() {
        return bad("Required query variable 'api-version' is missing");
    }
    let Some(resource) = query("resource") else {
        return bad("Required query variable 'resource' is missing");
    };
    let client = {
        let state = azure.state();
        let found = match (query("client_id"), state.node.as_slice()) {
            (Some(id), node) => node.iter().find(|has| has.eq_ignore_ascii_case(&id)),
            (None, [only]) => Some(only),
            (None, []) => None,
            (None, _) => {
                return bad(
                    "Multiple user assigned identities exist, please specify the clientId / \
                     resourceId of the identity in the token request",
                );
            }
        };
        found.and_then(|id| state.client(id).cloned())
    };
    let Some(client) = client else {
        return bad("Identity not found");
    };
    match token::issue(azure, &client, resource.trim_end_matches('/')) {
        // The numbers are text here.
        Some((token, life)) => Answer::ok(json!({
            "access_token": token,
            "client_id": client.id,
            "expires_in": life.to_string(),
            "expires_on": (azure.now() + life).to_string(),
            "ext_expires_in": life.to_string(),
            "not_before": azure.now().to_string(),
            "resource": resource,
            "token_type": "Bearer",
        })),
        None => bad("the token cannot be signed"),
    }
}
