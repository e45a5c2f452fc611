//! The metadata server, as GKE serves it to a pod: the project, the cluster, and tokens of the
//! pod's service account.
//!
//! Owns: the header in both directions, and the exchange that GKE's server makes for the pod: the
//! pod's token at STS, and the account of its annotation. Refuses: recursion into anything else,
//! identity tokens.
//! See <https://docs.cloud.google.com/kubernetes-engine/docs/concepts/workload-identity>.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Shared;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use keyless_trust::gcp::Caller;
use serde_json::json;

use super::state::State;
use super::sts::{self, Exchange, Workload};
use super::token::{self, CLOUD_PLATFORM, Grant, LIFE};
use super::{Gcp, iam_credentials};

const FLAVOR: &str = "metadata-flavor";
const GOOGLE: &str = "Google";

type Mint = dyn Fn() -> Option<String> + Send + Sync;

/// Where the metadata server gets the pod's token for the pool, as it asks the API server for it.
#[derive(Clone)]
pub struct TokenSource(Arc<Mint>);

impl TokenSource {
    /// A source that asks `mint` every time.
    pub fn new(mint: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(mint))
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource")
    }
}

/// The pod that asks.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its token for the audience `PROJECT.svc.id.goog`.
    pub token: TokenSource,
    /// The account that the annotation `iam.gke.io/gcp-service-account` of its service account
    /// names.
    pub account: Option<String>,
}

/// The node and who asks on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Id of its project; the first one if absent.
    pub project: Option<String>,
    /// Location and name of its GKE cluster.
    pub cluster: Option<(String, String)>,
    pub pod: Option<Pod>,
    /// The node's own account, for pods without Workload Identity.
    pub account: Option<String>,
}

pub(super) fn router(gcp: Gcp) -> axum::Router {
    axum::Router::new().fallback(handle).with_state(gcp)
}

/// An answer: status, content type, text.
type Reply = (u16, &'static str, String);

fn text(body: impl Into<String>) -> Reply {
    (200, "application/text", body.into())
}

fn missing() -> Reply {
    (404, "text/html; charset=UTF-8", "Not Found\n".to_owned())
}

async fn handle(Shared(gcp): Shared<Gcp>, request: Request<Body>) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().trim_end_matches('/').to_owned();
    let api = if path.ends_with("/token") {
        "Token"
    } else {
        "Get"
    };
    let suffering = gcp.state().faults.strike("metadata", api, &path);
    if !suffering.delay.is_zero() {
        tokio::time::sleep(suffering.delay).await;
    }
    let (status, kind, body) = match suffering.answer {
        Some(answer) => (answer.status, "text/html", "Internal error\n".to_owned()),
        None => reply(&gcp, &parts, &path).await,
    };
    gcp.state().count("metadata", api, status >= 300);
    tracing::debug!(service = "metadata", path, status, "called");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(FLAVOR, HeaderValue::from_static(GOOGLE));
    headers.insert("server", HeaderValue::from_static("GKE Metadata Server"));
    response
}

async fn reply(gcp: &Gcp, parts: &Parts, path: &str) -> Reply {
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
    // The root alone answers without the header: clients look there whether a server exists.
    if path.is_empty() {
        return text("computeMetadata/\n");
    }
    // A request that something else forwards does not carry the header, or carries the other.
    if header(FLAVOR) != Some(GOOGLE) || header("x-forwarded-for").is_some() {
        return (
            403,
            "text/html; charset=UTF-8",
            "Missing Metadata-Flavor:Google header.\n".to_owned(),
        );
    }
    let Some(rest) = path.strip_prefix("/computeMetadata/v1") else {
        return missing();
    };
    let query = |name: &str| {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        url::form_urlencoded::parse(query)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let node = gcp.state().node.clone();
    match rest
        .trim_start_matches('/')
        .split('/')
        .collect::<Vec<_>>()
        .as_slice()
    {
        [""] => text("instance/\nproject/\n"),
        ["project", what] => project(gcp, &node, what),
        ["instance", "attributes", what] => match (&node.cluster, *what) {
            (Some((location, _)), "cluster-location") => text(location),
            (Some((_, name)), "cluster-name") => text(name),
            _ => missing(),
        },
        ["instance", "zone"] => match &node.cluster {
            Some((location, _)) => text(format!("projects/{}/zones/{location}-a", gcp.number())),
            None => missing(),
        },
        ["instance", "service-accounts", name, rest @ ..] => {
            account(
                gcp,
                &node,
                name,
                rest,
                query("recursive").is_some(),
                query("scopes"),
            )
            .await
        }
        _ => missing(),
    }
}

fn project(gcp: &Gcp, node: &Node, what: &str) -> Reply {
    let state = gcp.state();
    let id = node.project.as_deref().unwrap_or_else(|| gcp.project());
    match (state.project(id), what) {
        (Some(project), "project-id") => text(&project.id),
        (Some(project), "numeric-project-id") => text(&project.number),
        _ => missing(),
    }
}

/// What the default account is called: that of the annotation, or the pool of the project.
fn email(state: &State, gcp: &Gcp, node: &Node) -> Option<String> {
    let id = node.project.as_deref().unwrap_or_else(|| gcp.project());
    let project = state.project(id)?;
    match &node.pod {
        Some(pod) => Some(
            pod.account
                .clone()
                .unwrap_or_else(|| format!("{}.svc.id.goog", project.id)),
        ),
        None => node.account.clone(),
    }
}

async fn account(
    gcp: &Gcp,
    node: &Node,
    name: &str,
    rest: &[&str],
    recursive: bool,
    scopes: Option<String>,
) -> Reply {
    let Some(email) = email(&gcp.state(), gcp, node) else {
        return missing();
    };
    if name != "default" && name != email {
        return missing();
    }
    let scopes: Vec<String> = match scopes.as_deref() {
        None | Some("") => vec![CLOUD_PLATFORM.to_owned()],
        Some(list) => list.split(',').map(str::to_owned).collect(),
    };
    match rest {
        [] if recursive => {
            let shown = json!({"aliases": ["default"], "email": email, "scopes": scopes});
            (200, "application/json", shown.to_string())
        }
        [] | [""] => text("aliases\nemail\nidentity\nscopes\ntoken\n"),
        ["email"] => text(email),
        ["aliases"] => text("default\n"),
        ["scopes"] => text(format!("{}\n", scopes.join("\n"))),
        ["token"] => match access_token(gcp, node, scopes).await {
            Ok(token) => {
                let shown = json!({
                    "access_token": token,
                    "expires_in": LIFE - 1,
                    "token_type": "Bearer",
                });
                (200, "application/json", shown.to_string())
            }
            Err((status, reason)) => (status, "text/plain; charset=utf-8", reason),
        },
        _ => missing(),
    }
}

async fn access_token(
    gcp: &Gcp,
    node: &Node,
    scopes: Vec<String>,
) -> Result<String, (u16, String)> {
    let Some(pod) = &node.pod else {
        let account = node.account.clone().unwrap_or_default();
        return Ok(account_token(gcp, account, scopes));
    };
    let failed = |status, what: &str, reason: &str| {
        (
            status,
            format!("Unable to generate access token; {what}: {reason}\n"),
        )
    };
    let id = node
        .project
        .clone()
        .unwrap_or_else(|| gcp.project().to_owned());
    let (location, cluster) = node.cluster.clone().unwrap_or_default();
    let token = (pod.token.0)();
    let subject_token =
        token.ok_or_else(|| failed(500, "TokenRequest", "the API server gave no token"))?;
    let workload = Workload {
        cluster: format!("projects/{id}/locations/{location}/clusters/{cluster}"),
        pool: format!("{id}.svc.id.goog"),
    };
    let exchange = Exchange {
        audience: workload.audience(),
        subject_token,
        ..Exchange::default()
    };
    let told = |answer: &super::answer::Answer| answer.body.to_string();
    let identity = sts::identity(gcp, &exchange)
        .await
        .map_err(|refusal| failed(500, "sts.googleapis.com", &told(&refusal)))?;
    let Some(account) = &pod.account else {
        return Ok(sts::grant(gcp, identity, scopes));
    };
    let permitted = iam_credentials::permitted(&gcp.state(), &identity, account, gcp.now());
    let account = permitted
        .map_err(|answer| failed(answer.status, "IAM returned 403 Forbidden", &told(&answer)))?;
    Ok(account_token(gcp, account, scopes))
}

fn account_token(gcp: &Gcp, email: String, scopes: Vec<String>) -> String {
    let now = gcp.now();
    let grant = Grant {
        principal: Caller::ServiceAccount(email),
        scopes,
        expires: now + LIFE,
    };
    token::issue(&mut gcp.state(), grant, now)
}
