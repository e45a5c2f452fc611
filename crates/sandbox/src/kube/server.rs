//! The HTTP side of the API server: requests in, answers out.
//!
//! Owns: the way from a request to the store and back. Refuses: sockets, which `kube::Server` has.

pub mod answer;
mod auth;
mod body;
mod discovery;
mod patch;
mod read;
mod remove;
pub mod request;
mod review;
mod token;
mod watch;
mod write;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, RwLock};

use axum::body::Body;
use axum::response::Response;
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, Method, Request};

pub use auth::admin;
pub use read::Snapshots;
use request::{Params, Shape, Target};

use super::rbac::User;
use super::resource::{Registry, Resource};
use super::status::Status;
use super::store::{Key, Store};
use crate::clock::Clock;
use crate::issuer::Issuer;

/// Everything that requests share.
pub struct App {
    /// All objects.
    pub store: Store,
    /// What is served.
    pub registry: Registry,
    /// The time.
    pub clock: Clock,
    /// Who signs tokens.
    pub issuer: Issuer,
    /// Audiences of tokens that this server accepts.
    pub audiences: Vec<String>,
    /// Static tokens and whose they are.
    pub tokens: RwLock<HashMap<String, User>>,
    /// The certificate that clients trust this server by.
    pub ca_pem: String,
    /// Lists being read by pages.
    pub snapshots: Snapshots,
    /// Objects that the housekeeper must look at.
    pub pending: Mutex<Vec<Key>>,
    /// Wakes the housekeeper.
    pub chores: Arc<tokio::sync::Notify>,
    /// True once the server stops: ends watches.
    pub stopped: tokio::sync::watch::Sender<bool>,
    /// Rules of access, made anew when they change.
    pub access: super::access::Access,
    /// Clients for admission webhooks.
    pub webhooks: super::admission::Webhooks,
}

impl App {
    /// The present time as objects carry it.
    #[must_use]
    pub fn now(&self) -> String {
        timestamp(self.clock.unix())
    }
}

/// Seconds since the epoch as RFC 3339 in UTC.
#[must_use]
pub fn timestamp(unix: i64) -> String {
    jiff::Timestamp::from_second(unix)
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// One request on one resource.
#[derive(Clone)]
pub struct Context {
    /// The resource.
    pub resource: Arc<Resource>,
    /// What the path names.
    pub target: Target,
    /// The query.
    pub params: Params,
    /// Who asks.
    pub caller: Arc<User>,
    /// The shape of the answer.
    pub shape: Shape,
    /// The client's field manager: as given, or its name.
    pub manager: String,
}

impl Context {
    /// The caller as reviews name one.
    #[must_use]
    pub fn user_info(&self) -> serde_json::Value {
        auth::info(&self.caller)
    }

    /// The object's name in a refusal.
    #[must_use]
    pub fn not_found(&self) -> Status {
        Status::not_found(
            &self.resource.group,
            &self.resource.plural,
            &self.target.name,
        )
    }
}

/// Whether requests without credentials are the administrator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// In-process: no credentials means the administrator.
    InProcess,
    /// Over the network: no credentials means anonymous.
    Network,
}

/// Answers one request; never fails, never panics.
pub async fn handle(app: Arc<App>, trust: Trust, request: Request<Body>) -> Response {
    let answered = AssertUnwindSafe(serve(app, trust, request))
        .catch_unwind()
        .await;
    match answered {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => answer::refusal(&status),
        Err(_) => answer::refusal(&Status::internal(
            "the sandbox's API server panicked; this is a defect of it",
        )),
    }
}

async fn serve(app: Arc<App>, trust: Trust, request: Request<Body>) -> Result<Response, Status> {
    let (parts, body) = request.into_parts();
    let caller = Arc::new(auth::authenticate(&app, trust, &parts.headers)?);
    let path = parts.uri.path();
    if let Some(target) = Target::parse(path).filter(|t| !t.plural.is_empty()) {
        return resource(app, caller, target, &parts, body).await;
    }
    auth::authorize_path(&app, &caller, &parts.method, path)?;
    discovery::serve(&app, &parts)
}

async fn resource(
    app: Arc<App>,
    caller: Arc<User>,
    target: Target,
    parts: &Parts,
    body: Body,
) -> Result<Response, Status> {
    let query = parts.uri.query().unwrap_or_default();
    let watching = url::form_urlencoded::parse(query.as_bytes())
        .any(|(k, v)| k == "watch" && matches!(&*v, "" | "1" | "true"));
    let verb = verb(&parts.method, &target, watching)?;
    auth::authorize(&app, &caller, verb, &target)?;
    let catalogue = app.registry.catalogue();
    if !target.group.is_empty() && !catalogue.groups().any(|(g, _)| **g == *target.group) {
        return Ok(discovery::not_found());
    }
    let mut params = Params::parse(query, verb)?;
    let resource = catalogue
        .get(&target.group, &target.version, &target.plural)
        .ok_or_else(Status::no_such_resource)?;
    // The namespace of a cluster-scoped path and the reverse serve nothing.
    if !resource.namespaced && !target.namespace.is_empty() {
        return Err(Status::no_such_resource());
    }
    params.watch = verb == "watch";
    let manager = manager(&params, &parts.headers);
    let ctx = Context {
        shape: request::shape(&parts.headers, params.include)?,
        resource,
        target,
        params,
        caller,
        manager,
    };
    if let Some(response) = subresource(&app, &ctx, verb, parts, body).await? {
        return Ok(response);
    }
    Err(Status::method_not_allowed())
}

/// Answers on the object itself or a known subresource; `None` for a verb it has not.
async fn subresource(
    app: &Arc<App>,
    ctx: &Context,
    verb: &str,
    parts: &Parts,
    body: Body,
) -> Result<Option<Response>, Status> {
    let resource = &ctx.resource;
    match (resource.plural.as_ref(), ctx.target.subresource.as_str()) {
        (_, "") => {}
        (_, "status") if resource.status => {}
        ("namespaces", "finalize") if resource.group.is_empty() => {}
        ("serviceaccounts", "token") if resource.group.is_empty() && verb == "create" => {
            let body = body::read(&parts.headers, body).await?;
            return token::request(app, ctx, body).map(Some);
        }
        _ => return Err(Status::no_such_resource()),
    }
    let is_namespaces = resource.is("", "namespaces");
    if !resource.verbs.contains(&verb) || (is_namespaces && verb == "deletecollection") {
        return Ok(None);
    }
    let deprecated = resource.custom.as_ref().and_then(|c| c.deprecated.clone());
    let mut response = match verb {
        "get" => read::get(app, ctx)?,
        "list" => read::list(app, ctx)?,
        "watch" => watch::start(app, ctx.clone())?,
        "create" if resource.verbs == super::resource::REVIEW_VERBS => {
            review::answer(app, ctx, body::read(&parts.headers, body).await?)?
        }
        "create" if ctx.target.subresource.is_empty() => {
            write::create(app, ctx, body::read(&parts.headers, body).await?).await?
        }
        "update" => write::update(app, ctx, body::read(&parts.headers, body).await?).await?,
        "patch" => patch::patch(app, ctx, &parts.headers, body).await?,
        "delete" => remove::delete(app, ctx, body::read(&parts.headers, body).await?).await?,
        "deletecollection" => {
            remove::delete_collection(app, ctx, body::read(&parts.headers, body).await?).await?
        }
        _ => return Ok(None),
    };
    if let Some(text) = deprecated {
        answer::warn(&mut response, &[text]);
    }
    Ok(Some(response))
}

fn verb(method: &Method, target: &Target, watching: bool) -> Result<&'static str, Status> {
    let collection = target.name.is_empty();
    Ok(match *method {
        Method::GET | Method::HEAD if watching && target.subresource.is_empty() => "watch",
        Method::GET | Method::HEAD if collection => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST if collection || !target.subresource.is_empty() => "create",
        Method::PUT if !collection => "update",
        Method::PATCH if !collection => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ => return Err(Status::method_not_allowed()),
    })
}

/// The field manager: as given, else the client's name before the first slash.
fn manager(params: &Params, headers: &HeaderMap) -> String {
    if !params.manager.is_empty() {
        return params.manager.clone();
    }
    let agent = headers
        .get(http::header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let name: String = agent
        .split('/')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(128)
        .collect();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name
    }
}
