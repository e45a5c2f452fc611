//! The one HTTP entry: from bytes to a path and back.
//!
//! Owns: namespaces, faults, the token and what it may do, counting, and the wire form of the
//! answer. Refuses: any engine's or method's rules.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::routing::get;
use http::{HeaderMap, Method, Request as HttpRequest, Response, StatusCode};
use serde_json::{Map, Value};

use super::faults::{Fault, instead, spoil};
use super::policy::capabilities as allowed;
use super::protocol::{Operation, Outcome, Refusal, Request, render};
use super::state::{Engine, Namespace, State};
use super::{Vault, auth, sys, token};
use crate::tls::PeerCertificates;

/// Larger requests are refused, as Vault's default is.
const MAX_BODY: usize = 32 << 20;

pub(super) fn router(vault: Vault) -> axum::Router {
    // The faults' own path has no authentication: the endpoint is for a loopback listener.
    axum::Router::new()
        .route(
            "/_sandbox/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .fallback(handle)
        .with_state(vault)
}

async fn list_faults(Shared(vault): Shared<Vault>) -> Json<Vec<Fault>> {
    Json(vault.faults())
}

async fn add_fault(Shared(vault): Shared<Vault>, Json(fault): Json<Fault>) -> StatusCode {
    vault.add_fault(fault);
    StatusCode::CREATED
}

async fn clear_faults(Shared(vault): Shared<Vault>) -> StatusCode {
    vault.clear_faults();
    StatusCode::NO_CONTENT
}

async fn handle(Shared(vault): Shared<Vault>, request: HttpRequest<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return render(Err(Refusal::new(413, "http: request body too large")));
    };
    let Some(path) = parts.uri.path().strip_prefix("/v1/") else {
        return render(Err(Refusal::new(404, "404 page not found")));
    };
    let path = decoded(path);
    let effect = vault.state().faults.strike(&path);
    if let Some(response) = effect.as_ref().and_then(|effect| instead(effect, &path)) {
        return response;
    }
    let certificate = parts
        .extensions
        .get::<PeerCertificates>()
        .map(|found| found.0.to_vec())
        .unwrap_or_default();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let outcome = match read(&parts.method, &parts.headers, &path, query, &body) {
        Ok(mut request) => {
            request.now = vault.now();
            request.certificate = certificate;
            vault.perform(request).await
        }
        Err(refusal) => Err(refusal),
    };
    let response = render(outcome);
    match &effect {
        Some(effect) => spoil(effect, response).await,
        None => response,
    }
}

fn decoded(path: &str) -> String {
    let bytes: Vec<u8> = percent(path.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Undoes `%41`.
fn percent(text: &[u8]) -> Vec<u8> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let pair = match (first, after) {
            (b'%', [high, low, ..]) => hex(high).zip(hex(low)),
            _ => None,
        };
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn read(
    method: &Method,
    headers: &HeaderMap,
    path: &str,
    query: BTreeMap<String, String>,
    body: &[u8],
) -> Result<Request, Refusal> {
    let listing = query.get("list").is_some_and(|list| list == "true");
    let operation = match method.as_str() {
        "LIST" => Operation::List,
        "GET" | "HEAD" if listing => Operation::List,
        "GET" | "HEAD" => Operation::Read,
        "POST" | "PUT" => Operation::Write,
        "PATCH" => Operation::Patch,
        "DELETE" => Operation::Delete,
        _ => return Err(Refusal::unsupported()),
    };
    let header = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?.trim();
        Some(value).filter(|value| !value.is_empty())
    };
    let bearer = || header("authorization")?.strip_prefix("Bearer ");
    let body = if body.is_empty() {
        Map::new()
    } else {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            Ok(Value::Null) => Map::new(),
            _ => return Err(Refusal::bad("error parsing JSON")),
        }
    };
    Ok(Request {
        operation,
        path: path.trim_start_matches('/').to_owned(),
        namespace: header("x-vault-namespace")
            .unwrap_or_default()
            .trim_matches('/')
            .to_owned(),
        token: header("x-vault-token").or_else(bearer).map(str::to_owned),
        query,
        body,
        certificate: Vec::new(),
        now: 0,
    })
}

/// What the request's token may do with `path` of the request's namespace.
pub(super) fn capabilities(
    state: &mut State,
    request: &Request,
    path: &str,
    list: bool,
) -> BTreeSet<String> {
    let id = request.token.as_deref().unwrap_or_default();
    let Some(token) = state.tokens.get(id, request.now).cloned() else {
        return BTreeSet::new();
    };
    if token.policies.contains(token::ROOT) {
        return BTreeSet::from([token::ROOT.to_owned()]);
    }
    // A token is good below its own namespace, by the policies of that one.
    let below = match (token.namespace.as_str(), request.namespace.as_str()) {
        (own, asked) if own == asked => String::new(),
        ("", asked) => format!("{asked}/"),
        (own, asked) => match asked.strip_prefix(&format!("{own}/")) {
            Some(rest) => format!("{rest}/"),
            None => return BTreeSet::new(),
        },
    };
    let Some(namespace) = state.namespaces.get(&token.namespace) else {
        return BTreeSet::new();
    };
    let policies = token
        .policies
        .iter()
        .filter_map(|name| namespace.policies.get(name));
    allowed(policies, &format!("{below}{path}"), list)
}

/// Whether the request's token may do anything at all below `mount`.
pub(super) fn reaches_into(state: &mut State, request: &Request, mount: &str) -> bool {
    let id = request.token.as_deref().unwrap_or_default();
    let Some(token) = state.tokens.get(id, request.now).cloned() else {
        return false;
    };
    if token.policies.contains(token::ROOT) {
        return true;
    }
    let Some(namespace) = state.namespaces.get(&token.namespace) else {
        return false;
    };
    let begins = |pattern: &str| {
        let fixed = pattern.split(['+', '*']).next().unwrap_or_default();
        fixed.starts_with(&format!("{mount}/")) || format!("{mount}/").starts_with(fixed)
    };
    let policies = token.policies.iter();
    policies
        .filter_map(|name| namespace.policies.get(name))
        .any(|policy| policy.patterns().any(begins))
}

impl Vault {
    /// Does what `request` asks, if its token may.
    pub(super) async fn perform(&self, mut request: Request) -> Outcome {
        {
            let mut state = self.state();
            enter_namespace(&state, &mut request)?;
            count(&mut state, &request);
            if let Some(outcome) = sys::open(&state, &request) {
                return outcome;
            }
            if state.sealed {
                return Err(Refusal::new(503, "Vault is sealed"));
            }
        }
        let in_auth = request.path.strip_prefix("auth/").map(str::to_owned);
        let mounted = in_auth.as_deref().and_then(|path| {
            let state = self.state();
            let namespace = state.namespaces.get(&request.namespace)?;
            let (mount, rest) = Namespace::find(&namespace.auths, path)?;
            Some((mount, rest.to_owned()))
        });
        if let Some((mount, rest)) = &mounted {
            if auth::is_login(rest) {
                return auth::log_in(self, &request, mount, rest).await;
            }
            auth::check(self, &request, mount, rest).await?;
        }
        let mut state = self.state();
        authorize(&mut state, &request)?;
        let outcome = if let Some((mount, rest)) = &mounted {
            auth::manage(&mut state, &request, mount, rest)
        } else if let Some(rest) = in_auth
            .as_deref()
            .and_then(|path| path.strip_prefix("token/"))
        {
            token::call(&mut state, &request, rest)
        } else if request.path.starts_with("sys/") {
            sys::call(&mut state, &request)
        } else {
            engine(&mut state, &request)
        };
        if let Some(id) = &request.token {
            state.tokens.use_once(id);
        }
        outcome
    }
}

/// A namespace may also stand at the beginning of the path.
fn enter_namespace(state: &State, request: &mut Request) -> Result<(), Refusal> {
    while let Some((first, rest)) = request.path.split_once('/') {
        let inner = match request.namespace.as_str() {
            "" => first.to_owned(),
            outer => format!("{outer}/{first}"),
        };
        if !state.namespaces.contains_key(&inner) {
            break;
        }
        request.path = rest.to_owned();
        request.namespace = inner;
    }
    if state.namespaces.contains_key(&request.namespace) {
        return Ok(());
    }
    Err(Refusal::no_route(&format!(
        "{}/{}",
        request.namespace, request.path
    )))
}

fn count(state: &mut State, request: &Request) {
    let verb = match request.operation {
        Operation::Read => "read",
        Operation::List => "list",
        Operation::Write => "write",
        Operation::Patch => "patch",
        Operation::Delete => "delete",
    };
    let place = match request.namespace.as_str() {
        "" => request.path.clone(),
        namespace => format!("{namespace}/{}", request.path),
    };
    *state.calls.entry(format!("{verb} {place}")).or_default() += 1;
}

/// Token and policy.
fn authorize(state: &mut State, request: &Request) -> Result<(), Refusal> {
    let Some(id) = &request.token else {
        return Err(Refusal::no_token());
    };
    if state.tokens.get(id, request.now).is_none() {
        return Err(Refusal::invalid_token());
    }
    // What a user interface asks is judged by what lies below the mount.
    if request.path.starts_with("sys/internal/ui/mounts/") {
        return Ok(());
    }
    let list = request.operation == Operation::List;
    let needed = match request.operation {
        Operation::Read => "read",
        Operation::List => "list",
        Operation::Patch => "patch",
        Operation::Delete => "delete",
        Operation::Write if exists(state, request) => "update",
        Operation::Write => "create",
    };
    let found = capabilities(state, request, &request.path, list);
    let enough = found.contains(token::ROOT) || found.contains(needed);
    // Whoever has used up the token's last use has been told all the same.
    if enough {
        Ok(())
    } else {
        Err(denied(state, id))
    }
}

fn denied(state: &mut State, id: &str) -> Refusal {
    state.tokens.use_once(id);
    Refusal::denied()
}

/// Whether a write changes something that is there: `update`, or else `create`. Only engines
/// know; everything else is an update.
fn exists(state: &State, request: &Request) -> bool {
    let namespace = state.namespaces.get(&request.namespace);
    let found = namespace.and_then(|namespace| {
        let (mount, rest) = Namespace::find(&namespace.mounts, &request.path)?;
        Some((&namespace.mounts.get(&mount)?.engine, rest))
    });
    match found {
        Some((Engine::V1(store), rest)) => store.has(rest),
        Some((Engine::V2(store), rest)) => store.has(rest),
        None => true,
    }
}

fn engine(state: &mut State, request: &Request) -> Outcome {
    let no_route = || Refusal::no_route(&request.path);
    let namespace = state
        .namespaces
        .get_mut(&request.namespace)
        .ok_or_else(no_route)?;
    let (mount, rest) = Namespace::find(&namespace.mounts, &request.path).ok_or_else(no_route)?;
    let mount = namespace.mounts.get_mut(&mount).ok_or_else(no_route)?;
    match &mut mount.engine {
        Engine::V1(store) => store.call(request, rest),
        Engine::V2(store) => store.call(request, rest),
    }
}
