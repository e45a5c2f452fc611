//! `serviceaccounts/token`: tokens for service accounts.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{App, Context, answer, read, timestamp};
use crate::issuer::{Bound, Mint};
use crate::kube::object::{set, strings, text};
use crate::kube::status::{Status, invalid_value};
use crate::kube::store::Bucket;

/// Shortest life of a token, in seconds.
const SHORTEST: u64 = 600;
/// Longest life that a request may ask for.
const LONGEST: u64 = 1 << 32;
/// Life of a token that asks for none.
const USUAL: u64 = 3600;

/// Answers a `TokenRequest`.
///
/// # Errors
/// 404 without the account, 422 for an impossible life, 409 for a bound object that is another.
pub fn request(app: &App, ctx: &Context, mut body: Value) -> Result<Response, Status> {
    let account = read::find(app, ctx)?;
    let spec = body.get("spec").cloned().unwrap_or_default();
    let seconds = match spec.get("expirationSeconds") {
        None | Some(Value::Null) => USUAL,
        Some(value) => value.as_u64().unwrap_or(0),
    };
    let refuse = |why: &str| {
        let cause = invalid_value("spec.expirationSeconds", &json!(seconds), why);
        Status::invalid("authentication.k8s.io", "TokenRequest", "", vec![cause])
    };
    if seconds < SHORTEST {
        return Err(refuse("may not specify a duration less than 10 minutes"));
    }
    if seconds > LONGEST {
        return Err(refuse(
            "may not specify a duration larger than 2^32 seconds",
        ));
    }
    let mut audiences: Vec<String> = strings(spec.get("audiences")).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.clone_from(&app.audiences);
    }
    let (pod, secret) = bound(app, ctx, spec.get("boundObjectRef"))?;
    let what = Mint {
        namespace: account.namespace(),
        service_account: account.name(),
        uid: account.uid(),
        audiences: &audiences,
        ttl: Duration::from_secs(seconds),
        pod,
        secret,
    };
    let (token, claims) = app
        .issuer
        .mint(what)
        .map_err(|e| Status::internal(e.to_string()))?;
    let mut spec = spec;
    if !spec.is_object() {
        spec = json!({});
    }
    set(&mut spec, "audiences", audiences);
    set(&mut spec, "expirationSeconds", seconds);
    if spec.get("boundObjectRef").is_none() {
        set(&mut spec, "boundObjectRef", Value::Null);
    }
    if !body.is_object() {
        body = json!({});
    }
    set(&mut body, "kind", "TokenRequest");
    set(&mut body, "apiVersion", "authentication.k8s.io/v1");
    set(
        &mut body,
        "metadata",
        json!({"name": account.name(), "namespace": account.namespace(), "creationTimestamp": app.now()}),
    );
    set(&mut body, "spec", spec);
    set(
        &mut body,
        "status",
        json!({"token": token, "expirationTimestamp": timestamp(claims.exp)}),
    );
    Ok(answer::json(StatusCode::CREATED, body.to_string()))
}

/// The object that the token is to be bound to.
fn bound(
    app: &App,
    ctx: &Context,
    reference: Option<&Value>,
) -> Result<(Option<Bound>, Option<Bound>), Status> {
    let Some(reference) = reference.filter(|r| r.is_object()) else {
        return Ok((None, None));
    };
    let (kind, name, uid) = (
        text(reference, "kind"),
        text(reference, "name"),
        text(reference, "uid"),
    );
    let plural = match (text(reference, "apiVersion"), kind) {
        ("v1", "Pod") => "pods",
        ("v1", "Secret") => "secrets",
        (version, kind) => {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            return Err(Status::bad_request(format!(
                "cannot bind token to object of type {group}/{version}, Kind={kind}"
            )));
        }
    };
    let found = app
        .store
        .get(&Bucket::new("", plural), &ctx.target.namespace, name)
        .ok_or_else(|| Status::not_found("", plural, name))?;
    if !uid.is_empty() && uid != found.uid() {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict("", plural, name, why));
    }
    let this = Some(Bound {
        name: name.to_owned(),
        uid: found.uid().to_owned(),
    });
    if plural == "secrets" {
        return Ok((None, this));
    }
    let runs_as = found
        .value()
        .pointer("/spec/serviceAccountName")
        .and_then(Value::as_str)
        .unwrap_or("default");
    if runs_as != ctx.target.name {
        let why = format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
            ctx.target.name
        );
        return Err(Status::bad_request(why));
    }
    Ok((this, None))
}
