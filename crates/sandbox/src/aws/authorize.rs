//! Permission: identity policies, narrowed by session policies and by what stands around the
//! account, and the sentence of a refusal.
//!
//! Owns: the order of the layers and the suffix that names the layer that refused. Refuses:
//! permissions boundaries: this AWS has none.

use std::sync::Arc;

use keyless_trust::aws::{Context, Decision, Policy, Request, evaluate};

use super::credentials::Identity;
use super::guards::{ENDPOINT, ORGANISATION};
use super::protocol::{ApiError, Protocol};
use super::state::State;

/// What the policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// By an explicit deny, in this layer.
    Denied(&'static str),
    /// By silence, of this layer.
    Silent(&'static str),
}

impl Verdict {
    /// Whether this stops a caller whom a resource's or role's own policy names: identity
    /// policies need not allow as well, but a denial or a session policy still counts.
    pub fn overrules_direct_grant(self) -> bool {
        matches!(
            self,
            Self::Denied(_) | Self::Silent(SESSION | ORGANISATION | ENDPOINT)
        )
    }
}

const IDENTITY: &str = "identity-based";
const SESSION: &str = "session";

/// Judges `action` on `resource`. `context` holds the request's keys; the caller's are added.
pub(super) fn judge(
    state: &State,
    identity: &Identity,
    action: &str,
    resource: &str,
    context: &Context,
) -> Verdict {
    let mut all = identity.context();
    all.extend(context);
    let request = Request {
        caller: None,
        action,
        resource: Some(resource),
        context: &all,
    };
    for (name, decision) in state.guards.judge(identity, &request) {
        match decision {
            Decision::Denied { .. } => return Verdict::Denied(name),
            Decision::NotAllowed { .. } => return Verdict::Silent(name),
            Decision::Allowed { .. } => {}
        }
    }
    let layer = |policies: &[Arc<Policy>]| {
        evaluate(
            &policies.iter().map(Arc::as_ref).collect::<Vec<_>>(),
            &request,
        )
    };
    let mine = layer(&state.policies_of(identity));
    if matches!(mine, Decision::Denied { .. }) {
        return Verdict::Denied(IDENTITY);
    }
    if !identity.session_policies.is_empty() {
        match layer(&identity.session_policies) {
            Decision::Denied { .. } => return Verdict::Denied(SESSION),
            Decision::NotAllowed { .. } if mine.is_allowed() => return Verdict::Silent(SESSION),
            _ => {}
        }
    }
    if mine.is_allowed() {
        Verdict::Allowed
    } else {
        Verdict::Silent(IDENTITY)
    }
}

/// Refuses in AWS's sentence unless the policies allow.
///
/// # Errors
/// `AccessDenied` (query, 403) or `AccessDeniedException` (JSON, 400).
pub(super) fn require(
    state: &State,
    identity: &Identity,
    action: &str,
    resource: &str,
    context: &Context,
    protocol: Protocol,
) -> Result<(), ApiError> {
    match judge(state, identity, action, resource, context) {
        Verdict::Allowed => Ok(()),
        refused => Err(denied(identity, action, resource, refused, protocol)),
    }
}

pub(super) fn denied(
    identity: &Identity,
    action: &str,
    resource: &str,
    verdict: Verdict,
    protocol: Protocol,
) -> ApiError {
    let reason = match verdict {
        Verdict::Allowed => String::new(),
        Verdict::Denied(layer) => format!(
            " with an explicit deny in {} {layer} policy",
            article(layer)
        ),
        Verdict::Silent(layer) => format!(" because no {layer} policy allows the {action} action"),
    };
    let text = format!(
        "User: {} is not authorized to perform: {action} on resource: {resource}{reason}",
        identity.arn
    );
    match protocol {
        Protocol::Query(_) => ApiError::new(403, "AccessDenied", text),
        Protocol::Json => ApiError::bad("AccessDeniedException", text),
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}
