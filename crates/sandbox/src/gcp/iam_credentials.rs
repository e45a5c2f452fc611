//! IAM Credentials: an access token of a service account, for whoever may act as it.
//!
//! Owns: the permission on the account, scopes and lifetime. Refuses: identity tokens, signing,
//! delegation chains.
//! See <https://docs.cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>.

use keyless_trust::gcp::Caller;
use serde_json::{Value, json};

use super::answer::{Answer, timestamp};
use super::dispatch::Call;
use super::iam::{Resource, allows};
use super::token::{self, Grant, LIFE};
use super::{Gcp, state::State};

const PERMISSION: &str = "iam.serviceAccounts.getAccessToken";

/// The API that a call is for.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    match call.verb.as_deref() {
        Some("generateAccessToken") => "GenerateAccessToken",
        _ => "Unknown",
    }
}

pub(super) fn call(gcp: &Gcp, call: &Call<'_>) -> Answer {
    match answer(gcp, call) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn answer(gcp: &Gcp, call: &Call<'_>) -> Result<Answer, Answer> {
    let caller = token::identify(gcp, call, "iamcredentials.googleapis.com")?;
    let segments = call.segments();
    let (["projects", project, "serviceAccounts", email], "GenerateAccessToken") =
        (segments.as_slice(), call.api)
    else {
        return Err(Answer::error(
            "NOT_FOUND",
            "Requested entity was not found.",
        ));
    };
    let bad = |message: &str| Answer::error("INVALID_ARGUMENT", message);
    if *project != "-" {
        return Err(bad("The project in the name must be the wildcard '-'."));
    }
    let request = call.json()?;
    let scopes: Vec<String> = request
        .get("scope")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|scope| Some(scope.as_str()?.to_owned()))
        .collect();
    if scopes.is_empty() {
        return Err(bad("Scope required."));
    }
    let lifetime = match request.get("lifetime").and_then(Value::as_str) {
        None => LIFE,
        Some(text) => text
            .strip_suffix('s')
            .and_then(|seconds| seconds.parse().ok())
            .filter(|seconds| *seconds > 0)
            .ok_or_else(|| bad("Invalid value at 'lifetime', not a duration."))?,
    };
    if lifetime > LIFE {
        return Err(bad(
            "The token lifetime exceeds the maximum of 3600 seconds; a longer one needs the \
             organization policy constraint iam.allowServiceAccountCredentialLifetimeExtension.",
        ));
    }
    let mut state = gcp.state();
    let now = gcp.now();
    let account = permitted(&state, &caller, email, now)?;
    let grant = Grant {
        principal: Caller::ServiceAccount(account),
        scopes,
        expires: now + lifetime,
    };
    let token = token::issue(&mut state, grant, now);
    Ok(Answer::ok(json!({
        "accessToken": token,
        "expireTime": timestamp(now + lifetime),
    })))
}

/// The account's address, if `caller` may act as it. One that does not exist is told as one that
/// is not permitted.
pub(super) fn permitted(
    state: &State,
    caller: &Caller,
    name: &str,
    now: i64,
) -> Result<String, Answer> {
    let denied = || {
        Answer::error(
            "PERMISSION_DENIED",
            format!("Permission '{PERMISSION}' denied on resource (or it may not exist)."),
        )
        .because(
            "IAM_PERMISSION_DENIED",
            "iam.googleapis.com",
            json!({"permission": PERMISSION}),
        )
    };
    let account = state.account(name).ok_or_else(denied)?;
    let project = state.projects.get(&account.project).ok_or_else(denied)?;
    let resource = Resource {
        name: format!("projects/-/serviceAccounts/{}", account.unique_id),
        kind: "iam.googleapis.com/ServiceAccount",
        service: "iam.googleapis.com",
    };
    let policies = [&account.policy, &project.policy];
    if !allows(&policies, caller, PERMISSION, &resource, now) {
        tracing::info!(
            caller = caller.principal(),
            account = name,
            "may not act as the account"
        );
        return Err(denied());
    }
    if account.disabled {
        return Err(Answer::error(
            "FAILED_PRECONDITION",
            "Service account is disabled.",
        ));
    }
    Ok(account.email.clone())
}
