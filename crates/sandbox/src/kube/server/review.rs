//! Reviews: questions about tokens and permissions, answered and forgotten.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{App, Context, answer, auth};
use crate::kube::object::{set, strings, text};
use crate::kube::rbac::{Attributes, User};
use crate::kube::status::{Status, invalid_value};

/// Answers a review.
///
/// # Errors
/// 400 for a body that asks nothing.
pub fn answer(app: &App, ctx: &Context, mut body: Value) -> Result<Response, Status> {
    if !body.is_object() {
        return Err(Status::bad_request(
            "the request body is not a Kubernetes object",
        ));
    }
    let spec = body.get("spec").cloned().unwrap_or_default();
    let is_access = ctx.resource.plural.ends_with("accessreviews");
    let asks = |field: &str| spec.get(field).is_some_and(Value::is_object);
    if is_access && asks("resourceAttributes") == asks("nonResourceAttributes") {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let cause = invalid_value("spec", &Value::Null, why);
        return Err(Status::invalid("authorization.k8s.io", "", "", vec![cause]));
    }
    let status = match &*ctx.resource.plural {
        "tokenreviews" => token(app, &spec),
        "selfsubjectreviews" => json!({"userInfo": auth::info(&ctx.caller)}),
        "selfsubjectaccessreviews" => access(app, &ctx.caller, &spec),
        "subjectaccessreviews" | "localsubjectaccessreviews" => access(app, &subject(&spec), &spec),
        _ => app
            .access
            .rules(app)
            .rules_for(&ctx.caller, text(&spec, "namespace")),
    };
    set(&mut body, "kind", ctx.resource.kind.as_str());
    set(&mut body, "apiVersion", ctx.resource.api_version());
    if body.get("metadata").is_none_or(Value::is_null) {
        set(&mut body, "metadata", json!({}));
    }
    set(&mut body, "status", status);
    Ok(answer::json(StatusCode::CREATED, body.to_string()))
}

fn token(app: &App, spec: &Value) -> Value {
    let mut audiences: Vec<String> = strings(spec.get("audiences")).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.clone_from(&app.audiences);
    }
    match auth::bearer(app, text(spec, "token"), &audiences) {
        Some(user) => {
            // Static tokens carry no audience: they are good for the server's own.
            let held = app
                .issuer
                .verify(text(spec, "token"), &audiences)
                .map_or_else(|_| app.audiences.clone(), |c| c.aud);
            let common: Vec<&String> = audiences.iter().filter(|a| held.contains(a)).collect();
            json!({"authenticated": true, "user": auth::info(&user), "audiences": common})
        }
        None => json!({"user": {}, "error": "invalid bearer token"}),
    }
}

fn subject(spec: &Value) -> User {
    let mut user = User {
        name: text(spec, "user").to_owned(),
        uid: text(spec, "uid").to_owned(),
        ..User::default()
    };
    user.groups = strings(spec.get("groups")).map(str::to_owned).collect();
    user
}

fn access(app: &App, user: &User, spec: &Value) -> Value {
    let none = Value::Null;
    let resource = spec.get("resourceAttributes").unwrap_or(&none);
    let path = spec.get("nonResourceAttributes").unwrap_or(&none);
    let attributes = if resource.is_object() {
        Attributes {
            verb: text(resource, "verb"),
            group: text(resource, "group"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            namespace: text(resource, "namespace"),
            name: text(resource, "name"),
            path: "",
        }
    } else {
        Attributes {
            verb: text(path, "verb"),
            path: text(path, "path"),
            ..Attributes::default()
        }
    };
    let verdict = app.access.judge(app, user, &attributes);
    let mut status = json!({"allowed": verdict.allowed});
    if !verdict.reason.is_empty() {
        set(&mut status, "reason", verdict.reason);
    }
    status
}
