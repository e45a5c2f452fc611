//! A secret's own policy.

use keyless_trust::aws::{Context, Effect, PolicyKind, Principal};
use serde::Deserialize;
use serde_json::Value;

use super::super::dispatch::Call;
use super::super::protocol::ApiError;
use super::super::state::{Document, State};
use super::write::target;
use super::{alive, allowed, with_identity};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    secret_id: String,
    #[serde(default)]
    resource_policy: String,
    #[serde(default)]
    block_public_policy: bool,
}

pub(super) fn get(state: &State, call: &Call, input: Input) -> Result<Value, ApiError> {
    let secret = allowed(state, call, &input.secret_id, &Context::new())?;
    alive(secret)?;
    let mut json = with_identity(secret, &call.region);
    if let (Some(policy), Some(map)) = (&secret.policy, json.as_object_mut()) {
        map.insert("ResourcePolicy".into(), policy.text.clone().into());
    }
    Ok(json)
}

pub(super) fn put(state: &mut State, call: &Call, input: Input) -> Result<Value, ApiError> {
    let mut facts = Context::new();
    facts.set(
        "secretsmanager:BlockPublicPolicy",
        input.block_public_policy.to_string(),
    );
    let secret = target(state, call, &input.secret_id, &facts)?;
    let document = Document::parse(&input.resource_policy, PolicyKind::Resource)
        .map_err(|e| ApiError::bad("MalformedPolicyDocumentException", e.to_string()))?;
    if input.block_public_policy && is_public(&document) {
        return Err(ApiError::bad(
            "PublicPolicyException",
            "You can't attach this resource policy because it grants broad access to the secret.",
        ));
    }
    secret.policy = Some(document);
    Ok(with_identity(secret, &call.region))
}

pub(super) fn delete(state: &mut State, call: &Call, input: Input) -> Result<Value, ApiError> {
    let secret = target(state, call, &input.secret_id, &Context::new())?;
    secret.policy = None;
    Ok(with_identity(secret, &call.region))
}

/// Whether a statement grants to everyone without a condition.
fn is_public(document: &Document) -> bool {
    document.policy.statements.iter().any(|statement| {
        statement.effect == Effect::Allow
            && statement.conditions.is_empty()
            && statement.principals.as_ref().is_some_and(|principals| {
                principals.negated || principals.items.contains(&Principal::Everyone)
            })
    })
}
