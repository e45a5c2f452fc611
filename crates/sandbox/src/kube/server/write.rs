//! Create and update: the one road that every write takes to the store.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::answer;
use super::request::Validation;
use super::{App, Context};
use crate::kube::admission::{self, Operation};
use crate::kube::object::{self, Object, meta, text};
use crate::kube::resource::Resource;
use crate::kube::status::{Cause, Status, forbidden_field, invalid_value};
use crate::kube::store::{Key, Refused};
use crate::kube::{fields, house, kinds, metadata};

/// Largest object that is kept.
const OBJECT_LIMIT: usize = 1_572_864;
/// How often a write without a version is tried against others.
pub const TRIES: usize = 64;

/// How a write is entered in the managed fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Compare with what was, credit the difference to the caller.
    Update,
    /// The caller has done it (server-side apply).
    Done,
}

/// `POST` on a collection.
///
/// # Errors
/// Anything that a create is refused for.
pub async fn create(app: &Arc<App>, ctx: &Context, body: Value) -> Result<Response, Status> {
    let mut warnings = Vec::new();
    let object = incoming(ctx, body, &mut warnings)?;
    let object = add(app, ctx, object, Tracking::Update, &mut warnings).await?;
    Ok(respond(app, ctx, &object, StatusCode::CREATED, &warnings))
}

/// `PUT` on an object.
///
/// # Errors
/// Anything that an update is refused for.
pub async fn update(app: &Arc<App>, ctx: &Context, body: Value) -> Result<Response, Status> {
    let mut warnings = Vec::new();
    let new = incoming(ctx, body, &mut warnings)?;
    let (group, plural, name) = (&ctx.resource.group, &ctx.resource.plural, &ctx.target.name);
    let given = meta(&new, "name");
    if given.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )));
    }
    if given != name {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    for _ in 0..TRIES {
        let Some(old) = app
            .store
            .get(&ctx.resource.bucket, &ctx.target.namespace, name)
        else {
            if kinds::may_create_on_update(&ctx.resource) && ctx.target.subresource.is_empty() {
                let object = add(app, ctx, new, Tracking::Update, &mut warnings).await?;
                return Ok(respond(app, ctx, &object, StatusCode::CREATED, &warnings));
            }
            return Err(ctx.not_found());
        };
        let asked = meta(&new, "resourceVersion");
        if !asked.is_empty() && asked.parse::<u64>().is_err() {
            let why = format!("strconv.ParseUint: parsing {asked:?}: invalid syntax");
            return Err(Status::new(500, "", why));
        }
        if !asked.is_empty() && asked != "0" && asked.parse() != Ok(old.version()) {
            return Err(Status::stale(group, plural, name));
        }
        let pinned = !asked.is_empty() && asked != "0";
        if !pinned && !kinds::may_update_blindly(&ctx.resource) {
            let field = "metadata.resourceVersion";
            let cause = invalid_value(field, &0.into(), "must be specified for an update");
            return Err(Status::invalid(group, plural, name, vec![cause]));
        }
        match replace(app, ctx, &old, new.clone(), Tracking::Update, &mut warnings).await? {
            Some(object) => return Ok(respond(app, ctx, &object, StatusCode::OK, &warnings)),
            None if pinned => return Err(Status::stale(group, plural, name)),
            None => {}
        }
    }
    Err(Status::stale(group, plural, name))
}

/// The answer to a write.
#[must_use]
pub fn respond(
    app: &App,
    ctx: &Context,
    object: &Object,
    code: StatusCode,
    warnings: &[String],
) -> Response {
    let mut response = answer::json(
        code,
        answer::one(&ctx.resource, object, ctx.shape, &app.now()),
    );
    answer::warn(&mut response, warnings);
    response
}

/// A request's body as an object of the resource in its stored form.
///
/// # Errors
/// 400 for another kind or namespace, or unknown fields under strict validation.
pub fn incoming(
    ctx: &Context,
    mut body: Value,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    if !body.is_object() {
        return Err(Status::bad_request(
            "the request body is not a Kubernetes object",
        ));
    }
    let resource = &ctx.resource;
    if resource.custom.is_some() && text(&body, "kind").is_empty() {
        return Err(Status::bad_request(
            "Object 'Kind' is missing in the request body",
        ));
    }
    check_kind(resource, &body)?;
    if !body
        .get("metadata")
        .is_none_or(|m| m.is_object() || m.is_null())
    {
        return Err(Status::bad_request(
            "json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta",
        ));
    }
    if body.get("metadata").is_none_or(Value::is_null) {
        object::set(&mut body, "metadata", serde_json::json!({}));
    }
    object::set(&mut body, "kind", resource.kind.as_str());
    unknown_fields(ctx, &mut body, warnings)?;
    answer::to_stored(resource, &mut body);
    let namespace = meta(&body, "namespace");
    if resource.namespaced {
        if namespace.is_empty() {
            object::set_meta(&mut body, "namespace", ctx.target.namespace.as_str());
        } else if namespace != ctx.target.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
    } else if !namespace.is_empty() {
        object::unset_meta(&mut body, "namespace");
    }
    Ok(body)
}

/// Whether a body says that it is an object of this resource.
fn check_kind(resource: &Resource, body: &Value) -> Result<(), Status> {
    let (kind, version) = (text(body, "kind"), text(body, "apiVersion"));
    let wanted = resource.api_version();
    let is_custom = resource.custom.is_some();
    if is_custom && version != wanted {
        let message = format!(
            "the API version in the data ({version}) does not match the expected API version ({wanted})"
        );
        return Err(Status::bad_request(message));
    }
    if is_custom && kind != resource.kind {
        let why = format!("must be {}", resource.kind);
        let cause = invalid_value("kind", &kind.into(), why);
        return Err(Status::invalid(
            &resource.group,
            kind,
            meta(body, "name"),
            vec![cause],
        ));
    }
    // Built-in kinds may leave out both.
    if (kind.is_empty() || kind == resource.kind) && (version.is_empty() || version == wanted) {
        return Ok(());
    }
    let (own, v) = (
        &resource.kind,
        version.rsplit('/').next().unwrap_or_default(),
    );
    Err(Status::bad_request(format!(
        "{kind} in version \"{v}\" cannot be handled as a {own}: no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\""
    )))
}

/// Drops what the schema does not know, and says so as asked.
fn unknown_fields(
    ctx: &Context,
    body: &mut Value,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let mut dropped = kinds::decode(&ctx.resource, body)?;
    if let Some(schema) = ctx.resource.custom.as_ref().and_then(|c| c.schema.as_ref()) {
        dropped.extend(schema.prune(body));
    }
    let texts = dropped
        .iter()
        .map(|path| format!("unknown field \"{path}\""));
    match ctx.params.validation {
        Validation::Strict if !dropped.is_empty() => {
            let all: Vec<String> = texts.collect();
            let (kind, version) = (&ctx.resource.kind, &ctx.resource.version);
            let message = format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
                all.join(", ")
            );
            Err(Status::bad_request(message))
        }
        Validation::Warn => {
            warnings.extend(texts);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Adds an object to the store.
///
/// # Errors
/// Anything that a create is refused for.
pub async fn add(
    app: &Arc<App>,
    ctx: &Context,
    mut object: Value,
    tracking: Tracking,
    warnings: &mut Vec<String>,
) -> Result<Arc<Object>, Status> {
    let resource = &ctx.resource;
    metadata::begin(resource, &mut object, &app.now())?;
    house::may_create_in(app, resource, &ctx.target.namespace, meta(&object, "name"))?;
    house::may_create_of(app, resource, meta(&object, "name"))?;
    default(ctx, &mut object);
    if tracking == Tracking::Update {
        fields::track(ctx, None, &mut object, &app.now());
    }
    admission::mutate(app, ctx, Operation::Create, &mut object, None, warnings).await?;
    default(ctx, &mut object);
    let subresource = ctx.target.subresource.as_str();
    kinds::prepare(resource, &mut object, None, subresource, &app.now());
    warn_of_finalizers(resource, &object, warnings);
    validate(ctx, &object, None)?;
    admission::validate(app, ctx, Operation::Create, Some(&object), None, warnings).await?;
    check_size(&object)?;
    let name = meta(&object, "name").to_owned();
    if ctx.params.dry_run {
        if app
            .store
            .get(&resource.bucket, &ctx.target.namespace, &name)
            .is_some()
        {
            return Err(Status::already_exists(
                &resource.group,
                &resource.plural,
                &name,
            ));
        }
        return Ok(Arc::new(Object::new(object, 0)));
    }
    match app.store.create(&resource.bucket, object) {
        Ok(object) => {
            house::written(app, resource, &object, None);
            Ok(object)
        }
        Err(_) => Err(Status::already_exists(
            &resource.group,
            &resource.plural,
            &name,
        )),
    }
}

/// Puts `new` in the place of `old`. `None` when another write came between.
///
/// # Errors
/// Anything that an update is refused for.
pub async fn replace(
    app: &Arc<App>,
    ctx: &Context,
    old: &Arc<Object>,
    mut new: Value,
    tracking: Tracking,
    warnings: &mut Vec<String>,
) -> Result<Option<Arc<Object>>, Status> {
    let resource = &ctx.resource;
    metadata::carry(resource, old, &mut new)?;
    split_status(ctx, old.value(), &mut new);
    default(ctx, &mut new);
    if tracking == Tracking::Update {
        fields::track(ctx, Some(old.value()), &mut new, &app.now());
    }
    admission::mutate(
        app,
        ctx,
        Operation::Update,
        &mut new,
        Some(old.value()),
        warnings,
    )
    .await?;
    default(ctx, &mut new);
    let subresource = ctx.target.subresource.as_str();
    kinds::prepare(
        resource,
        &mut new,
        Some(old.value()),
        subresource,
        &app.now(),
    );
    if resource.generation && metadata::is_new_generation(resource, old.value(), &new) {
        let next = old
            .value()
            .pointer("/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            + 1;
        object::set_meta(&mut new, "generation", next);
    }
    if new == *old.value() {
        return Ok(Some(Arc::clone(old)));
    }
    warn_of_finalizers(resource, &new, warnings);
    validate(ctx, &new, Some(old.value()))?;
    admission::validate(
        app,
        ctx,
        Operation::Update,
        Some(&new),
        Some(old.value()),
        warnings,
    )
    .await?;
    check_size(&new)?;
    if ctx.params.dry_run {
        return Ok(Some(Arc::new(Object::new(new, old.version()))));
    }
    if object::is_terminating(&new)
        && object::finalizers(&new).next().is_none()
        && !kinds::is_held(resource, &new)
    {
        let key = Key::of(&resource.bucket, &new);
        return match app.store.remove(&key, old.version()) {
            Ok(gone) => {
                house::removed(app, resource, &gone);
                Ok(Some(Arc::new(Object::new(new, gone.version()))))
            }
            Err(Refused::Missing) => Err(ctx.not_found()),
            Err(_) => Ok(None),
        };
    }
    match app.store.replace(&resource.bucket, old.version(), new) {
        Ok(object) => {
            house::written(app, resource, &object, Some(old));
            Ok(Some(object))
        }
        Err(Refused::Missing) => Err(ctx.not_found()),
        Err(_) => Ok(None),
    }
}

/// `/status` changes the status alone; the object itself changes all but the status.
fn split_status(ctx: &Context, old: &Value, new: &mut Value) {
    if !ctx.resource.status {
        return;
    }
    if ctx.target.subresource == "status" {
        let status = object::unset(new, "status");
        let managed = object::unset_meta(new, "managedFields");
        let mut whole = old.clone();
        match status {
            Some(status) => object::set(&mut whole, "status", status),
            None => drop(object::unset(&mut whole, "status")),
        }
        if let Some(managed) = managed {
            object::set_meta(&mut whole, "managedFields", managed);
        }
        *new = whole;
    } else {
        match old.get("status") {
            Some(status) => object::set(new, "status", status.clone()),
            None => drop(object::unset(new, "status")),
        }
    }
}

fn default(ctx: &Context, object: &mut Value) {
    kinds::default(&ctx.resource, object);
    if let Some(schema) = ctx.resource.custom.as_ref().and_then(|c| c.schema.as_ref()) {
        schema.default(object);
    }
}

fn validate(ctx: &Context, object: &Value, old: Option<&Value>) -> Result<(), Status> {
    let resource = &ctx.resource;
    let mut causes = metadata::validate(resource, object);
    if let Some(old) = old {
        causes.extend(late_finalizers(old, object));
    }
    if let Some(schema) = resource.custom.as_ref().and_then(|c| c.schema.as_ref()) {
        let found = schema.validate(object, old);
        causes.extend(found.into_iter().map(|e| Cause {
            reason: e.reason.into(),
            message: e.message,
            field: e.field,
        }));
    }
    causes.extend(kinds::validate(resource, object, old));
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(
            &resource.group,
            &resource.kind,
            meta(object, "name"),
            causes,
        ))
    }
}

/// Custom resources may have any finalizer; one without a domain is warned of.
fn warn_of_finalizers(resource: &Resource, object: &Value, warnings: &mut Vec<String>) {
    if resource.custom.is_none() {
        return;
    }
    let plain = object::finalizers(object)
        .filter(|f| !f.contains('/') && !matches!(*f, "orphan" | "foregroundDeletion"));
    warnings.extend(plain.map(|f| {
        format!("metadata.finalizers: {f:?}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers")
    }));
}

fn late_finalizers(old: &Value, new: &Value) -> Option<Cause> {
    if !object::is_terminating(old) {
        return None;
    }
    let added: Vec<String> = object::finalizers(new)
        .filter(|f| !object::finalizers(old).any(|o| o == *f))
        .map(|f| format!("{f:?}"))
        .collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    (!added.is_empty()).then(|| forbidden_field("metadata.finalizers", &why))
}

fn check_size(object: &Value) -> Result<(), Status> {
    if size_of(object) > OBJECT_LIMIT {
        Err(Status::object_too_large())
    } else {
        Ok(())
    }
}

/// A lower bound of the JSON's length, without writing it.
fn size_of(value: &Value) -> usize {
    match value {
        Value::String(s) => s.len() + 2,
        Value::Array(list) => 2 + list.iter().map(|v| size_of(v) + 1).sum::<usize>(),
        Value::Object(map) => {
            2 + map
                .iter()
                .map(|(k, v)| k.len() + 4 + size_of(v))
                .sum::<usize>()
        }
        _ => 4,
    }
}
