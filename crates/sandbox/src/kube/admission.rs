//! Admission webhooks.

use std::sync::Arc;

use serde_json::Value;

use super::server::{App, Context};
use super::status::Status;

/// What a request does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It comes into being.
    Create,
    /// It changes.
    Update,
    /// It goes.
    Delete,
}

/// Clients for webhooks.
#[derive(Debug, Default)]
pub struct Webhooks;

impl Webhooks {
    /// Forgets the clients: a configuration has changed.
    pub fn reset(&self) {}
}

/// Defaults of a webhook configuration.
pub fn prepare(_new: &mut Value) {}

/// Lets mutating webhooks change `object`.
///
/// # Errors
/// A webhook's refusal or failure.
pub async fn mutate(_app: &Arc<App>, _ctx: &Context, _op: Operation, _object: &mut Value, _old: Option<&Value>, _warnings: &mut Vec<String>) -> Result<(), Status> {
    Ok(())
}

/// Asks validating webhooks.
///
/// # Errors
/// A webhook's refusal or failure.
pub async fn validate(_app: &Arc<App>, _ctx: &Context, _op: Operation, _object: Option<&Value>, _old: Option<&Value>, _warnings: &mut Vec<String>) -> Result<(), Status> {
    Ok(())
}
