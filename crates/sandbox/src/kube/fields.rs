//! Field ownership of one write: what `managed_fields` does, with this server's names.

use serde_json::Value;

use super::managed_fields;
use super::object::meta;
use super::schema::Schema;
use super::server::Context;
use super::status::Status;

/// Enters a create or update in the object's managed fields.
pub fn track(ctx: &Context, old: Option<&Value>, new: &mut Value, now: &str) {
    managed_fields::update(old, new, &ctx.manager, subresource(ctx), schema(ctx), now);
}

/// Refuses a configuration that cannot be applied at all: undeclared fields, wrong types.
///
/// # Errors
/// 500, as the API answers.
pub fn check(ctx: &Context, applied: &Value) -> Result<(), Status> {
    let Some(schema) = schema(ctx) else {
        return Ok(());
    };
    managed_fields::check(applied, schema).map_err(|message| Status::new(500, "", message))
}

/// Refuses an apply of a built-in kind whose unknown fields were dropped with these warnings.
///
/// # Errors
/// 500, as the API answers.
pub fn check_known(ctx: &Context, applied: &Value, warnings: &[String]) -> Result<(), Status> {
    let path = |w: &String| {
        w.split('"')
            .nth(1)
            .map(|p| format!(".{p}: field not declared in schema"))
    };
    let found: Vec<String> = warnings.iter().filter_map(path).collect();
    if ctx.resource.custom.is_some() || found.is_empty() {
        return Ok(());
    }
    let (namespace, name) = (meta(applied, "namespace"), meta(applied, "name"));
    let (group, version) = (&ctx.resource.group, &ctx.resource.version);
    let what = format!(
        "{namespace}/{name}; {group}/{version}, Kind={}",
        ctx.resource.kind
    );
    let message = format!(
        "failed to create typed patch object ({what}): {}",
        found.join("\n")
    );
    Err(Status::new(500, "", message))
}

/// Server-side apply: the object after it.
///
/// # Errors
/// 409 with the conflicting fields.
pub fn apply(
    ctx: &Context,
    old: Option<&Value>,
    applied: &Value,
    now: &str,
) -> Result<Value, Status> {
    let force = ctx.params.force == Some(true);
    managed_fields::apply(
        old,
        applied,
        &ctx.manager,
        force,
        schema(ctx),
        subresource(ctx),
        now,
    )
    .map_err(|conflicts| {
        let mut status = Status::new(
            409,
            "Conflict",
            managed_fields::conflict_message(&conflicts),
        );
        for conflict in &conflicts {
            status = status.with_cause("FieldManagerConflict", conflict.cause(), &conflict.field);
        }
        status
    })
}

fn schema(ctx: &Context) -> Option<&Schema> {
    ctx.resource.custom.as_ref().and_then(|c| c.schema.as_ref())
}

fn subresource(ctx: &Context) -> Option<&str> {
    Some(ctx.target.subresource.as_str()).filter(|s| !s.is_empty())
}
