//! What the server says of itself: version, health, groups, resources, OpenAPI, issuer documents.

use std::sync::Arc;

use axum::response::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{App, answer};
use crate::kube::object::set;
use crate::kube::resource::{Catalogue, Resource, group_version};
use crate::kube::status::Status;

/// The version that clients see. Its minor must be near kubectl's.
pub const VERSION: &str = "v1.37.2";

/// Verbs of an object that has only single-object operations.
const NO_COLLECTION: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];

/// Answers any path that is no resource's.
///
/// # Errors
/// 405 for anything but reading.
pub fn serve(app: &App, parts: &Parts) -> Result<Response, Status> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Status::method_not_allowed());
    }
    let path = parts.uri.path().trim_end_matches('/');
    let headers = &parts.headers;
    let catalogue = app.registry.catalogue();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    Ok(match segments.as_slice() {
        ["version"] => document(&version()),
        ["healthz" | "livez" | "readyz", ..] => plain(StatusCode::OK, "ok"),
        ["api"] if is_aggregated(headers) => aggregated(&catalogue, true),
        ["apis"] if is_aggregated(headers) => aggregated(&catalogue, false),
        ["api"] => document(&json!({"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]})),
        ["apis"] => {
            let groups: Vec<Value> = catalogue
                .groups()
                .map(|(name, versions)| group(name, versions))
                .collect();
            document(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => match catalogue.groups().find(|(g, _)| g.as_ref() == *name) {
            Some((name, versions)) => {
                let mut group = group(name, versions);
                set(&mut group, "kind", "APIGroup");
                set(&mut group, "apiVersion", "v1");
                document(&group)
            }
            None => not_found(),
        },
        ["api", version] => resources(&catalogue, "", version),
        ["apis", group, version] => resources(&catalogue, group, version),
        [".well-known", "openid-configuration"] => {
            issuer(&app.issuer.discovery(), "application/json")
        }
        ["openid", "v1", "jwks"] => issuer(&app.issuer.jwks(), "application/jwk-set+json"),
        ["openapi", "v3", rest @ ..] => openapi(&catalogue, &rest.join("/")),
        [""] => document(
            &json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}),
        ),
        _ => not_found(),
    })
}

fn document(value: &Value) -> Response {
    answer::json(StatusCode::OK, value.to_string())
}

fn plain(code: StatusCode, text: &'static str) -> Response {
    let mut response = answer::json(code, text);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// What a path that serves nothing answers.
pub fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn issuer(value: &Value, content_type: &'static str) -> Response {
    let mut response = document(value);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    response
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "37", "emulationMajor": "1", "emulationMinor": "37", "minCompatibilityMajor": "1", "minCompatibilityMinor": "36",
        "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
    })
}

fn group(name: &str, versions: &[Arc<str>]) -> Value {
    let all: Vec<Value> = versions
        .iter()
        .map(|v| json!({"groupVersion": group_version(name, v), "version": &**v}))
        .collect();
    json!({"name": name, "versions": all, "preferredVersion": all.first()})
}

fn verbs(resource: &Resource) -> &'static [&'static str] {
    if resource.is("", "namespaces") {
        NO_COLLECTION
    } else {
        resource.verbs
    }
}

/// Subresources: name, verbs, and the group, version and kind that they speak.
fn subresources(resource: &Resource) -> Vec<(&'static str, &'static [&'static str], [String; 3])> {
    let own = || {
        [
            resource.group.to_string(),
            resource.version.to_string(),
            resource.kind.clone(),
        ]
    };
    let mut all: Vec<(&'static str, &'static [&'static str], [String; 3])> = Vec::new();
    if resource.is("", "namespaces") {
        all.push(("finalize", &["update"], own()));
    }
    if resource.status {
        all.push(("status", &["get", "patch", "update"], own()));
    }
    if resource.is("", "serviceaccounts") {
        all.push((
            "token",
            &["create"],
            [
                "authentication.k8s.io".into(),
                "v1".into(),
                "TokenRequest".into(),
            ],
        ));
    }
    all
}

fn resources(catalogue: &Catalogue, group: &str, version: &str) -> Response {
    let Some(found) = catalogue.in_version(group, version) else {
        return not_found();
    };
    let mut list = Vec::new();
    for resource in found.values() {
        let mut entry = json!({"name": &*resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": verbs(resource)});
        if !resource.short_names.is_empty() {
            set(&mut entry, "shortNames", resource.short_names.clone());
        }
        if !resource.categories.is_empty() {
            set(&mut entry, "categories", resource.categories.clone());
        }
        list.push(entry);
        for (name, verbs, [sub_group, sub_version, kind]) in subresources(resource) {
            let mut entry = json!({"name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced, "kind": kind, "verbs": verbs});
            if sub_group != group {
                set(&mut entry, "group", sub_group);
                set(&mut entry, "version", sub_version);
            }
            list.push(entry);
        }
    }
    document(
        &json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(group, version), "resources": list}),
    )
}

fn is_aggregated(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let first = accept
        .split(',')
        .find(|c| c.contains("application/json"))
        .unwrap_or_default();
    first.contains("as=APIGroupDiscoveryList")
        && first.contains("v=v2")
        && !first.contains("v=v2beta1")
}

fn aggregated(catalogue: &Catalogue, core: bool) -> Response {
    let kind = |[group, version, kind]: &[String; 3]| json!({"group": group, "version": version, "kind": kind});
    let one = |group: &str, version: &str| {
        let found = catalogue.in_version(group, version);
        let list = found.into_iter().flat_map(|m| m.values()).map(|r| {
            let own = [r.group.to_string(), r.version.to_string(), r.kind.clone()];
            let mut entry = json!({"resource": &*r.plural, "responseKind": kind(&own), "scope": if r.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": r.singular, "verbs": verbs(r)});
            if !r.short_names.is_empty() {
                set(&mut entry, "shortNames", r.short_names.clone());
            }
            if !r.categories.is_empty() {
                set(&mut entry, "categories", r.categories.clone());
            }
            let subs: Vec<Value> =
                subresources(r).iter().map(|(name, verbs, k)| json!({"subresource": name, "responseKind": kind(k), "verbs": verbs})).collect();
            if !subs.is_empty() {
                set(&mut entry, "subresources", subs);
            }
            entry
        });
        json!({"version": version, "resources": list.collect::<Vec<_>>(), "freshness": "Current"})
    };
    let items: Vec<Value> = if core {
        vec![json!({"metadata": {"creationTimestamp": null}, "versions": [one("", "v1")]})]
    } else {
        let groups = catalogue.groups();
        groups
            .map(|(name, versions)| json!({"metadata": {"name": &**name, "creationTimestamp": null}, "versions": versions.iter().map(|v| one(name, v)).collect::<Vec<_>>()}))
            .collect()
    };
    let mut response = document(
        &json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}),
    );
    let media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

fn openapi(catalogue: &Catalogue, path: &str) -> Response {
    let target = match path.split('/').collect::<Vec<_>>().as_slice() {
        [""] | [] => return document(&catalogue.openapi()),
        ["api", version] => catalogue.document("", version),
        ["apis", group, version] => catalogue.document(group, version),
        _ => None,
    };
    target.map_or_else(not_found, |found| document(&found))
}
