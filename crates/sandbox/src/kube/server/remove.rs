//! Delete: at once, or as soon as finalizers and dependents allow.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::request::Shape;
use super::{App, Context, answer, read};
use crate::kube::admission::{self, Operation};
use crate::kube::object::{Object, text};
use crate::kube::status::Status;
use crate::kube::{house, kinds};

/// What a delete asks for beside the object.
#[derive(Clone, Debug, Default)]
pub struct Options {
    propagation: String,
    uid: Option<String>,
    version: Option<String>,
    dry_run: bool,
}

impl Options {
    fn of(ctx: &Context, body: &Value) -> Result<Self, Status> {
        let mut options = Self {
            propagation: ctx.params.propagation.clone(),
            dry_run: ctx.params.dry_run,
            ..Self::default()
        };
        let given = text(body, "propagationPolicy");
        if !given.is_empty() {
            options.propagation = given.to_owned();
        }
        match body.get("orphanDependents").and_then(Value::as_bool) {
            Some(true) => options.propagation = "Orphan".to_owned(),
            Some(false) => options.propagation = "Background".to_owned(),
            None => {}
        }
        if !matches!(
            options.propagation.as_str(),
            "" | "Background" | "Foreground" | "Orphan"
        ) {
            let cause = crate::kube::status::unsupported(
                "propagationPolicy",
                &options.propagation.as_str().into(),
                &["Foreground", "Background", "Orphan", "nil"],
            );
            return Err(Status::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                vec![cause],
            ));
        }
        let precondition = |field: &str| {
            body.get("preconditions")
                .map(|p| text(p, field).to_owned())
                .filter(|p| !p.is_empty())
        };
        options.uid = precondition("uid");
        options.version = precondition("resourceVersion");
        options.dry_run |= crate::kube::object::strings(body.get("dryRun")).any(|d| d == "All");
        Ok(options)
    }
}

/// `DELETE` on an object.
///
/// # Errors
/// 404, 409 for a precondition, or a webhook's refusal.
pub async fn delete(app: &Arc<App>, ctx: &Context, body: Value) -> Result<Response, Status> {
    let options = Options::of(ctx, &body)?;
    let mut warnings = Vec::new();
    let (object, gone) = one(app, ctx, &options, &mut warnings).await?;
    let mut response = if gone && !kinds::answers_deleted_object(&ctx.resource) {
        let details = json!({"name": object.name(), "group": &*ctx.resource.group, "kind": &*ctx.resource.plural, "uid": object.uid()});
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        if ctx.resource.group.is_empty()
            && let Some(details) = status.get_mut("details")
        {
            crate::kube::object::unset(details, "group");
        }
        answer::json(StatusCode::OK, status.to_string())
    } else {
        answer::json(
            StatusCode::OK,
            answer::one(&ctx.resource, &object, ctx.shape, &app.now()),
        )
    };
    answer::warn(&mut response, &warnings);
    Ok(response)
}

/// `DELETE` on a collection: every object that the selectors name.
///
/// # Errors
/// The first refusal.
pub async fn delete_collection(
    app: &Arc<App>,
    ctx: &Context,
    body: Value,
) -> Result<Response, Status> {
    let options = Options::of(ctx, &body)?;
    let (objects, version) = read::Selection::of(ctx)?.objects(app, ctx);
    let mut deleted = Vec::with_capacity(objects.len());
    for object in objects {
        let mut each = ctx.clone();
        each.target.name = object.name().to_owned();
        each.target.namespace = object.namespace().to_owned();
        match one(app, &each, &options, &mut Vec::new()).await {
            Ok((object, _)) => deleted.push(object),
            Err(status) if status.code == 404 => {}
            Err(status) => return Err(status),
        }
    }
    let page = answer::Page {
        version,
        ..answer::Page::default()
    };
    let shape = if matches!(ctx.shape, Shape::Table(_)) {
        Shape::Full
    } else {
        ctx.shape
    };
    Ok(answer::json(
        StatusCode::OK,
        answer::list(
            &ctx.resource,
            deleted.iter().map(AsRef::as_ref),
            &page,
            shape,
        ),
    ))
}

/// Deletes one object; true when it is gone already.
async fn one(
    app: &Arc<App>,
    ctx: &Context,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<(Arc<Object>, bool), Status> {
    let resource = &ctx.resource;
    let conflict =
        |why: String| Status::conflict(&resource.group, &resource.kind, &ctx.target.name, why);
    loop {
        let object = read::find(app, ctx)?;
        if let Some(uid) = options.uid.as_deref().filter(|u| *u != object.uid()) {
            return Err(conflict(format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                object.uid()
            )));
        }
        if let Some(version) = options
            .version
            .as_deref()
            .filter(|v| v.parse() != Ok(object.version()))
        {
            return Err(conflict(format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
                object.version()
            )));
        }
        house::may_delete(resource, &object)?;
        admission::validate(
            app,
            ctx,
            Operation::Delete,
            None,
            Some(object.value()),
            warnings,
        )
        .await?;
        if options.dry_run {
            return Ok((object, true));
        }
        if let Some(done) = house::delete(app, resource, &object, &options.propagation) {
            return Ok(done);
        }
    }
}
