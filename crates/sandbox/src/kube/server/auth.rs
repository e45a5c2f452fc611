//! Who asks, and whether they may.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::request::Target;
use super::{App, Trust};
use crate::kube::object::{self, meta};
use crate::kube::rbac::{self, Attributes, User};
use crate::kube::status::{Details, Status};
use crate::kube::store::Bucket;

/// The administrator, as kubeadm names it.
#[must_use]
pub fn admin() -> User {
    User {
        name: "kubernetes-admin".into(),
        groups: vec![rbac::MASTERS.into(), rbac::AUTHENTICATED.into()],
        uid: "1".into(),
        ..User::default()
    }
}

/// `UserInfo` as in reviews.
#[must_use]
pub fn info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        object::set(&mut info, "uid", user.uid.as_str());
    }
    if !user.extra.is_empty() {
        object::set(&mut info, "extra", json!(user.extra));
    }
    info
}

/// Who sent a request with these headers, impersonation included.
///
/// # Errors
/// 401 for a token that is not valid, 403 for impersonation that is not allowed.
pub fn authenticate(app: &App, trust: Trust, headers: &HeaderMap) -> Result<User, Status> {
    let token = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let caller = match token
        .and_then(|t| t.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
    {
        Some((_, token)) => {
            bearer(app, token.trim(), &app.audiences).ok_or_else(Status::unauthorized)?
        }
        None if token.is_some() => return Err(Status::unauthorized()),
        None if trust == Trust::InProcess => admin(),
        None => User::anonymous(),
    };
    impersonated(app, caller, headers)
}

/// Whose bearer token it is, if it is valid for one of `audiences`.
#[must_use]
pub fn bearer(app: &App, token: &str, audiences: &[String]) -> Option<User> {
    if let Some(caller) = app
        .tokens
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get(token)
    {
        return Some(caller.clone());
    }
    let claims = app.issuer.verify(token, audiences).ok()?;
    let (namespace, account) = (
        &claims.kubernetes.namespace,
        &claims.kubernetes.serviceaccount,
    );
    let live = app.store.get(
        &Bucket::new("", "serviceaccounts"),
        namespace,
        &account.name,
    )?;
    if live.uid() != account.uid {
        return None;
    }
    let mut caller = User::service_account(namespace, &account.name, &account.uid);
    caller.extra.insert(
        "authentication.kubernetes.io/credential-id".into(),
        vec![format!("JTI={}", claims.jti)],
    );
    if let Some(pod) = &claims.kubernetes.pod {
        let live = app
            .store
            .get(&Bucket::new("", "pods"), namespace, &pod.name)?;
        if live.uid() != pod.uid {
            return None;
        }
        caller.extra.insert(
            "authentication.kubernetes.io/pod-name".into(),
            vec![pod.name.clone()],
        );
        caller.extra.insert(
            "authentication.kubernetes.io/pod-uid".into(),
            vec![pod.uid.clone()],
        );
    }
    if let Some(secret) = &claims.kubernetes.secret {
        app.store
            .get(&Bucket::new("", "secrets"), namespace, &secret.name)
            .filter(|s| meta(s.value(), "uid") == secret.uid)?;
    }
    Some(caller)
}

fn impersonated(app: &App, caller: User, headers: &HeaderMap) -> Result<User, Status> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let Some(user) = text("impersonate-user") else {
        return Ok(caller);
    };
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .map(str::to_owned)
        .collect();
    let asked = std::iter::once(("users", &user)).chain(groups.iter().map(|g| ("groups", g)));
    for (resource, name) in asked {
        let attributes = Attributes {
            verb: "impersonate",
            resource,
            name,
            ..Attributes::default()
        };
        let verdict = app.access.judge(app, &caller, &attributes);
        if !verdict.allowed {
            return Err(refused(&caller, &attributes, &verdict));
        }
    }
    let mut to = match user
        .strip_prefix("system:serviceaccount:")
        .and_then(|r| r.split_once(':'))
    {
        Some((namespace, name)) if groups.is_empty() => User::service_account(namespace, name, ""),
        _ => User {
            name: user.clone(),
            groups: vec![rbac::AUTHENTICATED.into()],
            ..User::default()
        },
    };
    to.groups.extend(groups);
    to.uid = text("impersonate-uid").unwrap_or_default();
    Ok(to)
}

/// Whether the caller may do `verb` on what the path names.
///
/// # Errors
/// 403 in the API's words.
pub fn authorize(app: &App, caller: &User, verb: &str, target: &Target) -> Result<(), Status> {
    // A namespace's own requests are judged in that namespace.
    let namespaces = target.group.is_empty() && target.plural == "namespaces";
    let attributes = Attributes {
        verb,
        group: &target.group,
        resource: &target.plural,
        subresource: &target.subresource,
        namespace: if namespaces {
            &target.name
        } else {
            &target.namespace
        },
        name: &target.name,
        path: "",
    };
    let verdict = app.access.judge(app, caller, &attributes);
    if verdict.allowed {
        Ok(())
    } else {
        Err(refused(caller, &attributes, &verdict))
    }
}

fn refused(caller: &User, attributes: &Attributes<'_>, verdict: &rbac::Verdict) -> Status {
    let message = rbac::forbidden(caller, attributes, verdict);
    let about = Details {
        name: attributes.name.into(),
        group: attributes.group.into(),
        kind: attributes.resource.into(),
        ..Details::default()
    };
    Status {
        details: Some(Box::new(about)),
        ..Status::new(403, "Forbidden", message)
    }
}

/// Whether the caller may ask for a path that is no resource.
///
/// # Errors
/// 403 in the API's words.
pub fn authorize_path(app: &App, caller: &User, method: &Method, path: &str) -> Result<(), Status> {
    let verb = method.as_str().to_ascii_lowercase();
    // Health and version are open to all, as the default roles make them.
    if matches!(
        path,
        "/healthz" | "/readyz" | "/livez" | "/version" | "/version/"
    ) && *method == Method::GET
    {
        return Ok(());
    }
    let attributes = Attributes {
        verb: &verb,
        path,
        ..Attributes::default()
    };
    let verdict = app.access.judge(app, caller, &attributes);
    if verdict.allowed {
        Ok(())
    } else {
        Err(refused(caller, &attributes, &verdict))
    }
}
