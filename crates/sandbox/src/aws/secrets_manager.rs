//! Secrets Manager.
//!
//! Owns: which API exists, the store, and the permission on a secret: the caller's policies, the
//! secret's own, and its key's. The APIs are in `read`, `describe`, `write`, `delete`, `tags` and
//! `policy`, the names' rules in `name`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_trust::aws::{Context, Decision, Request, evaluate};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Aws;
use super::authorize::{Verdict, denied, judge, require};
use super::dispatch::Call;
use super::kms::{self, Place};
use super::protocol::{ApiError, Outcome, Protocol, Reply};
use super::state::State;

mod delete;
mod describe;
mod filter;
mod name;
mod policy;
mod read;
mod record;
mod tags;
mod write;

pub(super) use record::{Content, Secret};
pub(super) use write::{Create, Put, create, put};

/// By account, region and name.
pub(super) type Secrets = BTreeMap<(String, String, String), Secret>;

pub(super) fn call(aws: &Aws, call: &Call, body: &[u8]) -> Outcome {
    let mut state = aws.state();
    // What was scheduled for deletion goes when its time has come.
    state
        .secrets
        .retain(|_, secret| secret.gone.is_none_or(|gone| gone > call.now));
    let json = match call.action.as_str() {
        "GetSecretValue" => read::get_one(&mut state, call, read(body)?),
        "BatchGetSecretValue" => read::get_many(&mut state, call, read(body)?),
        "DescribeSecret" => describe::describe(&state, call, read(body)?),
        "ListSecrets" => describe::list(&state, call, read(body)?),
        "ListSecretVersionIds" => describe::versions(&state, call, read(body)?),
        "CreateSecret" => write::create_checked(&mut state, call, read(body)?),
        "PutSecretValue" => write::put_checked(&mut state, call, read(body)?),
        "UpdateSecret" => write::update(&mut state, call, read(body)?),
        "UpdateSecretVersionStage" => write::stage(&mut state, call, read(body)?),
        "ReplicateSecretToRegions" => write::replicate(&mut state, call, read(body)?),
        "RemoveRegionsFromReplication" => write::unreplicate(&mut state, call, read(body)?),
        "DeleteSecret" => delete::delete(&mut state, call, read(body)?),
        "RestoreSecret" => delete::restore(&mut state, call, read(body)?),
        "TagResource" => tags::add(&mut state, call, read(body)?),
        "UntagResource" => tags::remove(&mut state, call, read(body)?),
        "GetResourcePolicy" => policy::get(&state, call, read(body)?),
        "PutResourcePolicy" => policy::put(&mut state, call, read(body)?),
        "DeleteResourcePolicy" => policy::delete(&mut state, call, read(body)?),
        _ => Err(ApiError::bare("UnknownOperationException")),
    };
    json.map(Reply::Json)
}

/// An API's input.
///
/// # Errors
/// `SerializationException`; the text leaves out what was read, it may be a value.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| ApiError::bare("SerializationException"))
}

fn place(call: &Call) -> Result<Place<'_>, ApiError> {
    Ok(Place {
        partition: call.partition(),
        account: call.account()?,
        region: &call.region,
    })
}

/// The secret that `id` names, if the caller may do this API's action to it. `facts` are the
/// request's own condition keys.
///
/// # Errors
/// `AccessDeniedException` before anything is told about the secret, also where it does not exist.
fn allowed<'a>(
    state: &'a State,
    call: &Call,
    id: &str,
    facts: &Context,
) -> Result<&'a Secret, ApiError> {
    allowed_to(
        state,
        call,
        &format!("secretsmanager:{}", call.action),
        id,
        facts,
    )
}

/// As [`allowed`], for another action than the API's own.
fn allowed_to<'a>(
    state: &'a State,
    call: &Call,
    action: &str,
    id: &str,
    facts: &Context,
) -> Result<&'a Secret, ApiError> {
    let identity = call.identity()?;
    let mut context = call.context.clone();
    context.extend(facts);
    let Some(secret) = name::find(&state.secrets, place(call)?, id)? else {
        // There is no ARN with its six characters to judge by, and the refusal names what was
        // asked for.
        let arn = if id.starts_with("arn:") {
            id.to_owned()
        } else {
            place(call)?
                .arn("secretsmanager", &format!("secret:{id}"))
                .to_string()
        };
        return match judge(state, identity, action, &arn, &context) {
            Verdict::Allowed => Err(not_found()),
            refused => Err(denied(identity, action, id, refused, Protocol::Json)),
        };
    };
    let arn = secret.arn(&call.region);
    context.set("secretsmanager:SecretId", arn.clone());
    context.set("secretsmanager:SecretPrimaryRegion", secret.region.clone());
    for (key, value) in &secret.tags {
        context.set(&format!("aws:ResourceTag/{key}"), value.clone());
        context.set(&format!("secretsmanager:ResourceTag/{key}"), value.clone());
    }
    let mine = judge(state, identity, action, &arn, &context);
    let same_account = secret.account == identity.account();
    let theirs = secret.policy.as_ref().map(|document| {
        let mut all = identity.context();
        all.extend(&context);
        let request = Request {
            caller: Some(&identity.caller),
            action,
            resource: Some(&arn),
            context: &all,
        };
        evaluate(&[&document.policy], &request)
    });
    let verdict = match theirs {
        Some(Decision::Denied { .. }) => Verdict::Denied("resource-based"),
        Some(Decision::Allowed {
            delegated: false, ..
        }) if same_account && !mine.overrules_direct_grant() => Verdict::Allowed,
        Some(Decision::Allowed { .. }) => mine,
        _ if same_account => mine,
        _ if mine == Verdict::Allowed => Verdict::Silent("resource-based"),
        _ => mine,
    };
    match verdict {
        Verdict::Allowed => Ok(secret),
        refused => Err(denied(identity, action, &arn, refused, Protocol::Json)),
    }
}

/// Permission for an API that acts on no secret in particular.
fn allow_any(state: &State, call: &Call, action: &str) -> Result<(), ApiError> {
    require(
        state,
        call.identity()?,
        &format!("secretsmanager:{action}"),
        "*",
        &call.context,
        Protocol::Json,
    )
}

/// Permission to use the secret's key. The key that AWS manages for the service needs none
/// within its account, and does not work outside it.
fn allow_key(
    state: &State,
    call: &Call,
    actions: &[&str],
    secret: &Secret,
    version: &str,
) -> Result<(), ApiError> {
    let identity = call.identity()?;
    let Some(key_id) = &secret.key_id else {
        if secret.account == identity.account() {
            return Ok(());
        }
        return Err(invalid_request(
            "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
        ));
    };
    let home = Place {
        account: &secret.account,
        ..place(call)?
    };
    let key = state.keys.find(home, key_id).ok_or_else(no_key)?;
    let arn = secret.arn(&secret.region);
    let encryption = [("SecretARN", arn.as_str()), ("SecretVersionId", version)];
    for action in actions {
        kms::use_key(
            state,
            identity,
            key,
            action,
            "secretsmanager",
            &encryption,
            &call.context,
        )
        // The service keeps KMS's own sentence to itself.
        .map_err(|_| ApiError::bad("AccessDeniedException", "Access to KMS is not allowed"))?;
    }
    Ok(())
}

fn no_key() -> ApiError {
    ApiError::bad(
        "EncryptionFailure",
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is available, enabled, and not in an invalid state.",
    )
}

fn not_found() -> ApiError {
    ApiError::bad(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )
}

fn invalid_request(text: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidRequestException", text)
}

fn invalid_parameter(text: impl Into<String>) -> ApiError {
    ApiError::bad("InvalidParameterException", text)
}

/// Refuses what was deleted, until it is restored.
fn alive(secret: &Secret) -> Result<(), ApiError> {
    match secret.deleted {
        None => Ok(()),
        Some(_) => Err(invalid_request(
            "You can't perform this operation on the secret because it was marked for deletion.",
        )),
    }
}

fn replica() -> ApiError {
    invalid_request(
        "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
    )
}

/// The part that most answers share.
fn with_identity(secret: &Secret, region: &str) -> Value {
    serde_json::json!({"ARN": secret.arn(region), "Name": secret.name})
}

/// Where a page begins.
///
/// # Errors
/// `InvalidNextTokenException` for a token this service did not give.
fn after(token: Option<&str>) -> Result<usize, ApiError> {
    let read = |token: &str| {
        let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        text.strip_prefix("after:")?.parse().ok()
    };
    let bad = || {
        ApiError::bad(
            "InvalidNextTokenException",
            "Your request contains an invalid NextToken",
        )
    };
    token.map_or(Ok(0), |t| read(t).ok_or_else(bad))
}

/// The page of `size` of `items` from `start` on, and the token of the next if there are more.
fn page<T>(items: Vec<T>, start: usize, size: usize) -> (Vec<T>, Option<String>) {
    let end = start.saturating_add(size);
    let next = (items.len() > end).then(|| STANDARD.encode(format!("after:{end}")));
    (items.into_iter().skip(start).take(size).collect(), next)
}

/// The size of a page: at most `most`, and that if nothing is asked for.
fn page_size(asked: Option<usize>, most: usize) -> Result<usize, ApiError> {
    match asked {
        None => Ok(most),
        Some(size) if (1..=most).contains(&size) => Ok(size),
        Some(size) => Err(super::protocol::invalid(
            "ValidationException",
            Some(&size.to_string()),
            "MaxResults",
            &format!("Member must have value between 1 and {most}, inclusive"),
        )),
    }
}

fn with_token(mut json: Value, token: Option<String>) -> Value {
    if let (Some(token), Some(map)) = (token, json.as_object_mut()) {
        map.insert("NextToken".to_owned(), token.into());
    }
    json
}
