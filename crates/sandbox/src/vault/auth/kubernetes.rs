//! `kubernetes`: service account tokens that the cluster itself reviews.
//!
//! Owns: the names a role is bound to, and a real TokenReview. Refuses: telling a client why a
//! review failed, as Vault does; the log has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyless_trust::token::Token;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use super::super::protocol::{Refusal, Request, texts};
use super::super::token::Params;
use super::jwt::glob;
use super::{Known, Method};

/// How long a review may take.
const REVIEW: Duration = Duration::from_secs(10);

fn text<'a>(document: &'a Map<String, Value>, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or("")
}

/// What `auth/kubernetes/config` refuses.
pub(in super::super) fn check_config(config: &Map<String, Value>) -> Result<(), Refusal> {
    if text(config, "kubernetes_host").is_empty() {
        return Err(Refusal::bad("no host provided"));
    }
    let reviewer = text(config, "token_reviewer_jwt");
    if !reviewer.is_empty() && Token::parse(reviewer).is_err() {
        return Err(Refusal::new(
            500,
            "1 error occurred:\n\t* square/go-jose: compact JWS format must have three parts\n\n",
        ));
    }
    Ok(())
}

/// What `auth/kubernetes/role/…` refuses.
pub(in super::super) fn check_role(role: &Map<String, Value>) -> Result<(), Refusal> {
    let names = texts(role.get("bound_service_account_names"));
    let namespaces = texts(role.get("bound_service_account_namespaces"));
    if names.is_empty() {
        return Err(Refusal::bad(
            "\"bound_service_account_names\" can not be empty",
        ));
    }
    if namespaces.is_empty() && text(role, "bound_service_account_namespace_selector").is_empty() {
        return Err(Refusal::bad(
            "\"bound_service_account_namespaces\" can not be empty if \"bound_service_account_namespace_selector\" is not set",
        ));
    }
    Ok(())
}

pub(in super::super) async fn log_in(method: &Method, request: &Request) -> Result<Known, Refusal> {
    let (name, jwt) = (request.text("role"), request.text("jwt"));
    if name.is_empty() {
        return Err(Refusal::bad("missing role"));
    }
    if jwt.is_empty() {
        return Err(Refusal::bad("missing jwt"));
    }
    let role = method
        .document(&format!("role/{name}"))
        .ok_or_else(|| Refusal::bad(format!("invalid role name {name:?}")))?;
    let config = method
        .document("config")
        .ok_or_else(|| Refusal::new(500, "could not load backend configuration"))?;
    let Presented {
        namespace,
        account,
        audiences,
    } = presented(jwt, text(role, "audience"), request.now)?;
    let bound = |field: &str, is: &str| {
        let names = texts(role.get(field));
        names.iter().any(|name| name == "*" || glob(name, is))
    };
    if !bound("bound_service_account_names", &account) {
        return Err(Refusal::new(403, "service account name not authorized"));
    }
    if !bound("bound_service_account_namespaces", &namespace) {
        return Err(Refusal::new(403, "namespace not authorized"));
    }
    let uid = review(config, jwt, &audiences)
        .await
        .and_then(|user| known(&user, &namespace, &account))
        .map_err(|reason| {
            tracing::info!(reason, "login unauthorized");
            Refusal::no_token()
        })?;
    Ok(Known {
        params: Params::read(role)?,
        display_name: format!("{namespace}-{account}"),
        meta: BTreeMap::from([
            ("role".to_owned(), name.to_owned()),
            ("service_account_name".to_owned(), account),
            ("service_account_namespace".to_owned(), namespace),
            ("service_account_uid".to_owned(), uid),
            ("service_account_secret_name".to_owned(), String::new()),
        ]),
        policies: Vec::new(),
    })
}

/// How far a clock may be off, seconds.
const LEEWAY: i64 = 60;

/// What the token itself claims.
struct Presented {
    namespace: String,
    account: String,
    audiences: Vec<String>,
}

/// The token's own claims, checked as far as they say something without the cluster.
fn presented(jwt: &str, audience: &str, now: i64) -> Result<Presented, Refusal> {
    let token = Token::parse(jwt).map_err(|_| Refusal::no_token())?;
    let claims = token.claims().map_err(|_| Refusal::no_token())?;
    let unfit = |words: &str| Refusal::new(403, words);
    if claims.nbf.is_some_and(|nbf| nbf > now + LEEWAY) {
        return Err(unfit("invalid not before (nbf) claim: token not yet valid"));
    }
    if claims.exp + LEEWAY < now {
        return Err(unfit(
            "invalid expiration time (exp) claim: token is expired",
        ));
    }
    if !audience.is_empty() && !claims.aud.iter().any(|one| one == audience) {
        return Err(unfit(
            "invalid audience (aud) claim: audience claim does not match any expected audience",
        ));
    }
    let mut parts = claims.sub.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("system"), Some("serviceaccount"), Some(namespace), Some(name)) => Ok(Presented {
            namespace: namespace.to_owned(),
            account: name.to_owned(),
            audiences: match audience {
                "" => claims.aud.clone(),
                own => vec![own.to_owned()],
            },
        }),
        _ => Err(Refusal::no_token()),
    }
}

/// Asks the cluster whose token it is. Without an audience of the role's own it asks for those of
/// the token itself: such a role takes a token for anybody.
async fn review(
    config: &Map<String, Value>,
    jwt: &str,
    audiences: &[String],
) -> Result<Value, String> {
    let url = format!(
        "{}/apis/authentication.k8s.io/v1/tokenreviews",
        text(config, "kubernetes_host").trim_end_matches('/')
    );
    // Without a reviewer of its own the client's token must be good for it.
    let reviewer = match text(config, "token_reviewer_jwt") {
        "" => jwt,
        own => own,
    };
    let spec = json!({"token": jwt, "audiences": audiences});
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec});
    let response = client(text(config, "kubernetes_ca_cert"))?
        .post(&url)
        .bearer_auth(reviewer)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.to_string())
        .send()
        .await
        .map_err(|error| format!("lookup failed: {}", error.without_url()))?;
    let status = response.status();
    let bytes = response
        .bytes()
        .await
        .map_err(|error| format!("lookup failed: {}", error.without_url()))?;
    if !status.is_success() {
        return Err(format!(
            "lookup failed: the review itself was answered with {status}: reviewer not allowed or expired"
        ));
    }
    let answer: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let part = |pointer: &str| answer.pointer(pointer).cloned().unwrap_or_default();
    if part("/status/authenticated") != json!(true) {
        return Err(format!(
            "lookup failed: service account jwt not valid: {}",
            part("/status/error")
        ));
    }
    let valid = texts(Some(&part("/status/audiences")));
    if !audiences.is_empty() && !audiences.iter().any(|one| valid.contains(one)) {
        return Err(format!(
            "lookup failed: service account jwt valid for audience(s) {valid:?}, but wanted {audiences:?}"
        ));
    }
    Ok(part("/status/user"))
}

/// The uid, if the reviewed user is who the token claims.
fn known(user: &Value, namespace: &str, account: &str) -> Result<String, String> {
    let part = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or("");
    if part("username") != format!("system:serviceaccount:{namespace}:{account}") {
        return Err("lookup failed: the reviewed user is another one".to_owned());
    }
    Ok(part("uid").to_owned())
}

fn client(authorities: &str) -> Result<reqwest::Client, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(REVIEW)
        .build()
        .map_err(|error| error.to_string())
}
