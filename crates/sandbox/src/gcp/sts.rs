//! Security Token Service: a foreign token for an access token of a federated identity.
//!
//! Owns: the order of the checks, which decides what a refusal tells: shape of the request,
//! provider, token, mapping, condition. Texts are Google's where its users report them; texts for
//! which no report was found say so where they stand.
//! See <https://docs.cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>.

mod aws;
mod gke;
mod oidc;

use std::collections::BTreeMap;

use keyless_trust::gcp::provider::MAX_SUBJECT;
use keyless_trust::gcp::{Caller, NameError, PoolProvider};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::dispatch::Call;
use super::pool::{Kind, Provider};
use super::token::{self, Grant, LIFE};
use super::{Gcp, cel};
pub(super) use gke::Workload;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];
const AWS4: &str = "urn:ietf:params:aws:token-type:aws4_request";

/// A refusal, ready to be sent.
pub(super) type Refusal = Answer;

fn refuse(error: &str, description: impl Into<String>) -> Refusal {
    let status = if error == "unauthorized_client" {
        401
    } else {
        400
    };
    Answer::oauth(status, error, description)
}

fn grant_error(description: impl Into<String>) -> Refusal {
    refuse("invalid_grant", description)
}

/// An exchange, whichever way it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    pub audience: String,
    pub scope: String,
    pub subject_token: String,
    pub subject_token_type: String,
}

impl Exchange {
    /// JSON in camel case or a form in snake case.
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let fields: BTreeMap<String, String> = if call.content_type.contains("json") {
            let parsed: Map<String, Value> = serde_json::from_slice(call.body)
                .map_err(|_| refuse("invalid_request", "The request body is no JSON object."))?;
            let text =
                |(name, value): (String, Value)| Some((snake(&name), value.as_str()?.into()));
            parsed.into_iter().filter_map(text).collect()
        } else {
            url::form_urlencoded::parse(call.body)
                .into_owned()
                .collect()
        };
        let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
        if get("grant_type") != EXCHANGE {
            return Err(refuse(
                "unsupported_grant_type",
                "Invalid value of grant_type",
            ));
        }
        if get("requested_token_type") != ACCESS_TOKEN {
            return Err(refuse(
                "invalid_request",
                "Invalid value of requested_token_type",
            ));
        }
        let exchange = Self {
            audience: get("audience"),
            scope: get("scope"),
            subject_token: get("subject_token"),
            subject_token_type: get("subject_token_type"),
        };
        if exchange.scope.split_whitespace().next().is_none() {
            return Err(refuse("invalid_request", "Scope(s) must be provided."));
        }
        if exchange.subject_token.is_empty() {
            return Err(refuse("invalid_request", "Subject token must be provided."));
        }
        Ok(exchange)
    }

    fn scopes(&self) -> Vec<String> {
        self.scope.split_whitespace().map(str::to_owned).collect()
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

pub(super) async fn call(gcp: &Gcp, call: &Call<'_>) -> Answer {
    let exchange = match Exchange::read(call) {
        Ok(exchange) => exchange,
        Err(refusal) => return refusal,
    };
    match identity(gcp, &exchange).await {
        Ok(identity) => {
            let token = grant(gcp, identity, exchange.scopes());
            Answer::ok(json!({
                "access_token": token,
                "issued_token_type": ACCESS_TOKEN,
                "token_type": "Bearer",
                "expires_in": LIFE,
            }))
        }
        Err(refusal) => refusal,
    }
}

/// An access token of `identity`.
pub(super) fn grant(gcp: &Gcp, identity: Caller, scopes: Vec<String>) -> String {
    let now = gcp.now();
    let grant = Grant {
        principal: identity,
        scopes,
        expires: now + LIFE,
    };
    token::issue(&mut gcp.state(), grant, now)
}

/// Who the presented token stands for.
pub(super) async fn identity(gcp: &Gcp, exchange: &Exchange) -> Result<Caller, Refusal> {
    if let Some(rest) = exchange.audience.strip_prefix("identitynamespace:") {
        return gke::identity(gcp, rest, &exchange.subject_token).await;
    }
    let unknown = || {
        refuse(
            "invalid_target",
            "The target service indicated by the \"audience\" parameters is invalid. This might \
             either be because the pool or provider is disabled or deleted or because it doesn't \
             exist.",
        )
    };
    let name = PoolProvider::parse(&exchange.audience).map_err(|error| match error {
        NameError::Form { .. } => refuse(
            "invalid_request",
            "Invalid value for \"audience\". This value should be the full resource name of the \
             Identity Provider. See \
             https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list \
             of possible formats.",
        ),
        _ => unknown(),
    })?;
    let provider = gcp.state().provider(&name).cloned().ok_or_else(unknown)?;
    let fits = match provider.kind {
        Kind::Oidc { .. } => JWT.contains(&&*exchange.subject_token_type),
        Kind::Aws { .. } => exchange.subject_token_type == AWS4,
    };
    if !fits {
        return Err(refuse(
            "invalid_request",
            "Invalid value for \"subject_token_type\".",
        ));
    }
    let assertion = match &provider.kind {
        Kind::Oidc { rules, jwks, .. } => {
            oidc::verify(gcp, &exchange.subject_token, rules, jwks.as_ref()).await?
        }
        Kind::Aws { account } => aws::verify(gcp, exchange, account).await?,
    };
    map(&provider, &name, &assertion)
}

/// The attribute mapping and the condition.
fn map(provider: &Provider, name: &PoolProvider, assertion: &Value) -> Result<Caller, Refusal> {
    let mut google = Map::new();
    let mut attribute = Map::new();
    for (attribute_name, expression) in &provider.mapping {
        let value = evaluate(attribute_name, expression, assertion)?;
        match attribute_name.split_once('.') {
            Some(("google", short)) => google.insert(short.to_owned(), value),
            Some((_, short)) => attribute.insert(short.to_owned(), value),
            None => None,
        };
    }
    let subject = google
        .get("subject")
        .and_then(Value::as_str)
        .filter(|subject| !subject.is_empty())
        .ok_or_else(|| {
            // Ours: no report of Google's text was found.
            refuse(
                "invalid_request",
                "The mapped attribute google.subject must be a non-empty string.",
            )
        })?
        .to_owned();
    if subject.len() > MAX_SUBJECT {
        return Err(refuse(
            "invalid_request",
            format!(
                "The size of mapped attribute google.subject exceeds the {MAX_SUBJECT} bytes limit. \
                 Either modify your attribute mapping or the incoming assertion to produce a \
                 mapped attribute that is less than {MAX_SUBJECT} bytes."
            ),
        ));
    }
    let (attributes, groups) = (attributes(&attribute), groups(&google));
    let (google, attribute) = (Value::Object(google), Value::Object(attribute));
    let variables = [
        ("assertion", assertion),
        ("google", &google),
        ("attribute", &attribute),
    ];
    let taken = |condition: &cel::Expression| {
        matches!(condition.evaluate(&variables), Ok(Value::Bool(true)))
    };
    if !provider.condition.as_ref().is_none_or(taken) {
        return Err(refuse(
            "unauthorized_client",
            "The given credential is rejected by the attribute condition.",
        ));
    }
    Ok(Caller::Federated {
        pool: name.pool.clone(),
        subject,
        attributes,
        groups,
    })
}

fn evaluate(name: &str, expression: &cel::Expression, assertion: &Value) -> Result<Value, Refusal> {
    expression
        .evaluate(&[("assertion", assertion)])
        .map_err(|reason| {
            tracing::info!(attribute = name, expression = expression.text(), %reason, "an attribute cannot be mapped");
            // Ours: no report of Google's text was found.
            refuse(
                "invalid_request",
                format!("The attribute mapping for {name} cannot be evaluated with the given credential."),
            )
        })
}

fn groups(google: &Map<String, Value>) -> Vec<String> {
    let groups = google.get("groups").and_then(Value::as_array);
    let groups = groups.into_iter().flatten().filter_map(Value::as_str);
    groups.map(str::to_owned).collect()
}

fn attributes(attribute: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    };
    attribute
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
        .collect()
}
