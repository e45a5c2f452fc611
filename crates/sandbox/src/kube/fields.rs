//! Field ownership of one write: what `managed_fields` does, with this server's names.

use serde_json::Value;

use super::managed_fields;
use super::schema::Schema;
use super::server::Context;
use super::status::Status;

/// Whether two states differ at most in their managed fields and resource version.
#[must_use]
pub fn same_but_managed(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return false;
    };
    let rest =
        |m: &serde_json::Map<String, Value>, n: &serde_json::Map<String, Value>, skip: &[&str]| {
            let known = |k: &&String| !skip.contains(&k.as_str());
            m.keys().filter(known).all(|k| m.get(k) == n.get(k))
                && n.keys().filter(known).all(|k| m.contains_key(k))
        };
    if !rest(old, new, &["metadata"]) {
        return false;
    }
    match (
        old.get("metadata").and_then(Value::as_object),
        new.get("metadata").and_then(Value::as_object),
    ) {
        (Some(m), Some(n)) => rest(m, n, &["managedFields", "resourceVersion"]),
        _ => false,
    }
}

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
