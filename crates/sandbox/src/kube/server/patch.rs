//! Patches in four languages: merge, JSON, strategic, apply.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::write::{self, TRIES, Tracking, respond};
use super::{App, Context, answer, body};
use crate::kube::kinds::json_type;
use crate::kube::object::{self, Object, meta, text};
use crate::kube::status::{Cause, Status, invalid_value};
use crate::kube::{fields, json_patch, strategic};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Merge,
    Json,
    Strategic,
    Apply,
}

/// What custom resources accept.
const ACCEPTED: &str =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// `PATCH` on an object.
///
/// # Errors
/// Anything that a patch or the resulting write is refused for.
pub async fn patch(
    app: &Arc<App>,
    ctx: &Context,
    headers: &HeaderMap,
    content: Body,
) -> Result<Response, Status> {
    let custom = ctx.resource.custom.is_some();
    let language = match body::media_type(headers) {
        "application/merge-patch+json" => Language::Merge,
        "application/json-patch+json" => Language::Json,
        "application/strategic-merge-patch+json" if !custom => Language::Strategic,
        "application/apply-patch+yaml" => Language::Apply,
        _ if custom => return Err(Status::unsupported_media_type(ACCEPTED)),
        _ => {
            let status = Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
            return Err(Status {
                details: Some(Box::default()),
                ..status
            });
        }
    };
    let bytes = body::bytes(content).await?;
    if language == Language::Apply {
        return apply(app, ctx, body::yaml(&bytes)?).await;
    }
    if ctx.params.force.is_some() {
        let cause = crate::kube::status::forbidden_field(
            "force",
            "may not be specified for non-apply patch",
        );
        return Err(Status::invalid(
            "meta.k8s.io",
            "PatchOptions",
            "",
            vec![cause],
        ));
    }
    let patch: Value =
        serde_json::from_slice(&bytes).map_err(|_| Status::bad_request("invalid JSON patch"))?;
    for _ in 0..TRIES {
        let old = app
            .store
            .get(
                &ctx.resource.bucket,
                &ctx.target.namespace,
                &ctx.target.name,
            )
            .ok_or_else(|| ctx.not_found())?;
        let mut warnings = Vec::new();
        let new = patched(ctx, &old, language, &patch, &mut warnings)?;
        let asked = meta(&new, "resourceVersion");
        let pinned = asked.parse() != Ok(old.version()) && !asked.is_empty();
        if pinned {
            return Err(Status::stale(
                &ctx.resource.group,
                &ctx.resource.plural,
                &ctx.target.name,
            ));
        }
        if let Some(object) =
            write::replace(app, ctx, &old, new, Tracking::Update, &mut warnings).await?
        {
            return Ok(respond(app, ctx, &object, StatusCode::OK, &warnings));
        }
    }
    Err(Status::stale(
        &ctx.resource.group,
        &ctx.resource.plural,
        &ctx.target.name,
    ))
}

fn patched(
    ctx: &Context,
    old: &Arc<Object>,
    language: Language,
    patch: &Value,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let mut new = old.value().clone();
    answer::to_served(&ctx.resource, &mut new);
    match language {
        Language::Merge => {
            if !patch.is_object() {
                return Err(Status::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    json_type(patch)
                )));
            }
            merge(&mut new, patch);
        }
        Language::Json if !patch.is_array() => {
            let found = json_type(patch);
            return Err(Status::bad_request(format!(
                "error decoding patch: json: cannot unmarshal {found} into Go value of type []handlers.jsonPatchOp"
            )));
        }
        Language::Json => json_patch::apply(&mut new, patch).map_err(|_| rejected())?,
        Language::Strategic => {
            strategic::apply(&mut new, patch).map_err(|e| Status::bad_request(e.to_string()))?
        }
        Language::Apply => {}
    }
    let (name, uid) = (meta(&new, "name"), meta(&new, "uid"));
    if name != ctx.target.name {
        return Err(misnamed(ctx, name));
    }
    let (group, kind) = (&ctx.resource.group, &ctx.resource.kind);
    if uid != old.uid() {
        let cause = invalid_value("metadata.uid", &uid.into(), "field is immutable");
        return Err(Status::invalid(group, kind, name, vec![cause]));
    }
    // What cannot be decoded after the patch is the patch's fault.
    write::incoming(ctx, new, warnings).map_err(|status| match status.reason {
        "BadRequest"
            if status.message.contains("cannot be handled as")
                && !status.message.contains("strict") =>
        {
            let cause = Cause {
                reason: "FieldValueInvalid".into(),
                message: format!("Invalid value: {}", status.message),
                field: "patch".into(),
            };
            Status::invalid("", "", "", vec![cause])
        }
        _ => status,
    })
}

/// The API tells nothing of what in a JSON patch fails.
fn rejected() -> Status {
    let message = "the server rejected our request due to an error in our request";
    Status {
        details: Some(Box::default()),
        ..Status::new(422, "Invalid", message)
    }
}

fn misnamed(ctx: &Context, given: &str) -> Status {
    let name = &ctx.target.name;
    Status::bad_request(format!(
        "the name of the object ({given}) does not match the name on the URL ({name})"
    ))
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(map) = target else { return };
    for (key, change) in changes {
        if change.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

async fn apply(app: &Arc<App>, ctx: &Context, applied: Value) -> Result<Response, Status> {
    if ctx.params.manager.is_empty() {
        let cause = crate::kube::status::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid(
            "meta.k8s.io",
            "PatchOptions",
            "",
            vec![cause],
        ));
    }
    let (version, kind) = (text(&applied, "apiVersion"), text(&applied, "kind"));
    if version != ctx.resource.api_version() || kind != ctx.resource.kind {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let message = format!("invalid object type: {group}/{version}, Kind={kind}");
        return Err(Status::bad_request(message));
    }
    let given = meta(&applied, "name");
    if !given.is_empty() && given != ctx.target.name {
        return Err(misnamed(ctx, given));
    }
    if applied
        .pointer("/metadata/managedFields")
        .is_some_and(|m| m.as_array().is_none_or(|a| !a.is_empty()))
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    fields::check(ctx, &applied)?;
    let mut warnings = Vec::new();
    let mut applied = write::incoming(ctx, applied, &mut warnings)?;
    fields::check_known(ctx, &applied, &warnings)?;
    if ctx.target.subresource.is_empty() && ctx.resource.status {
        object::unset(&mut applied, "status");
    }
    object::set_meta(&mut applied, "name", ctx.target.name.as_str());
    for _ in 0..TRIES {
        let Some(old) = app.store.get(
            &ctx.resource.bucket,
            &ctx.target.namespace,
            &ctx.target.name,
        ) else {
            if !ctx.target.subresource.is_empty() {
                return Err(ctx.not_found());
            }
            let new = fields::apply(ctx, None, &applied, &app.now())?;
            let object = write::add(app, ctx, new, Tracking::Done, &mut warnings).await?;
            return Ok(respond(app, ctx, &object, StatusCode::CREATED, &warnings));
        };
        let asked = meta(&applied, "resourceVersion");
        if !asked.is_empty() && asked.parse() != Ok(old.version()) {
            return Err(Status::stale(
                &ctx.resource.group,
                &ctx.resource.plural,
                &ctx.target.name,
            ));
        }
        let new = fields::apply(ctx, Some(old.value()), &applied, &app.now())?;
        if let Some(object) =
            write::replace(app, ctx, &old, new, Tracking::Done, &mut warnings).await?
        {
            return Ok(respond(app, ctx, &object, StatusCode::OK, &warnings));
        }
    }
    Err(Status::stale(
        &ctx.resource.group,
        &ctx.resource.plural,
        &ctx.target.name,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::merge;

    #[test]
    fn merge_follows_rfc_7386() {
        // The RFC's own table.
        let cases: &[(Value, Value, Value)] = &[
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ];
        for (target, patch, wanted) in cases {
            let mut value = target.clone();
            merge(&mut value, patch);
            assert_eq!(&value, wanted);
        }
    }
}
