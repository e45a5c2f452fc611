//! The Security Token Service.
//!
//! Owns: which API exists, the rules on durations and session policies, and the making of
//! sessions. The two ways in are `web_identity` and `assume_role`; `service` is how AWS's own
//! services hand a role to their customers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyless_trust::aws::{Arn, Caller, Context, Policy, PolicyKind};

use super::Aws;
use super::credentials::{AccessKey, Credential, Identity, Kind, mint};
use super::dispatch::Call;
use super::protocol::{ApiError, Form, Outcome, Protocol, Reply, Xml, invalid, timestamp};
use super::state::{Role, State};

mod assume_role;
pub(super) mod service;
mod web_identity;

pub(super) const PROTOCOL: Protocol = Protocol::Query("https://sts.amazonaws.com/doc/2011-06-15/");

/// APIs that need no signature.
pub(super) fn is_unsigned(action: &str) -> bool {
    action == "AssumeRoleWithWebIdentity"
}

pub(super) async fn call(aws: &Aws, call: &Call, form: &Form) -> Outcome {
    match call.action.as_str() {
        "AssumeRoleWithWebIdentity" => web_identity::call(aws, call, form).await,
        "AssumeRole" => assume_role::call(aws, call, form),
        "GetCallerIdentity" => caller_identity(call),
        other => Err(ApiError::bad(
            "InvalidAction",
            format!("Could not find operation {other} for version 2011-06-15"),
        )),
    }
}

/// Needs no permission; nobody can be denied it.
fn caller_identity(call: &Call) -> Outcome {
    let identity = call.identity()?;
    let mut x = Xml::new();
    x.text("Arn", identity.arn.to_string());
    x.text("UserId", &identity.user_id);
    x.text("Account", identity.account());
    Ok(Reply::Xml(Some(x)))
}

/// What both ways in ask for.
struct Wish {
    role: Arn,
    session_name: String,
    duration: i64,
    policies: Vec<Arc<Policy>>,
    /// How much of the room for session policies is used, in percent.
    packed: Option<usize>,
}

impl Wish {
    /// Reads and checks the parameters that need no look at any role.
    fn read(state: &State, form: &Form) -> Result<Self, ApiError> {
        let role = form.required("RoleArn")?;
        if role.len() < 20 {
            return Err(invalid(
                "ValidationError",
                Some(role),
                "RoleArn",
                "Member must have length greater than or equal to 20",
            ));
        }
        let arn = Arn::parse_role(role)
            .map_err(|_| ApiError::bad("ValidationError", format!("{role} is invalid")))?;
        let name = form.required("RoleSessionName")?;
        let valid = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !name.chars().all(valid) {
            return Err(invalid(
                "ValidationError",
                Some(name),
                "RoleSessionName",
                "Member must satisfy regular expression pattern: [\\w+=,.@-]*",
            ));
        }
        if name.len() < 2 {
            return Err(invalid(
                "ValidationError",
                Some(name),
                "RoleSessionName",
                "Member must have length greater than or equal to 2",
            ));
        }
        if name.len() > 64 {
            return Err(invalid(
                "ValidationError",
                Some(name),
                "RoleSessionName",
                "Member must have length less than or equal to 64",
            ));
        }
        let duration = form.number("DurationSeconds")?.unwrap_or(3600);
        let limit = if duration < 900 {
            Some("Member must have value greater than or equal to 900")
        } else if duration > 43_200 {
            Some("Member must have value less than or equal to 43200")
        } else {
            None
        };
        if let Some(limit) = limit {
            return Err(invalid(
                "ValidationError",
                Some(&duration.to_string()),
                "DurationSeconds",
                limit,
            ));
        }
        let (policies, packed) = session_policies(state, form)?;
        Ok(Self {
            role: arn,
            session_name: name.to_owned(),
            duration,
            policies,
            packed,
        })
    }

    fn role<'a>(&self, state: &'a State) -> Option<&'a Role> {
        let name = self.role.role_name()?.to_owned();
        // A path left out or added makes another ARN.
        state
            .roles
            .get(&(self.role.account.clone(), name))
            .filter(|r| r.arn == self.role)
    }

    fn session_arn(&self) -> Arn {
        Arn {
            service: "sts".to_owned(),
            resource: format!(
                "assumed-role/{}/{}",
                self.role.role_name().unwrap_or_default(),
                self.session_name
            ),
            ..self.role.clone()
        }
    }
}

/// The most bytes of session policies; AWS packs them in a way it does not publish.
const PACKED_ROOM: usize = 2048;

fn session_policies(
    state: &State,
    form: &Form,
) -> Result<(Vec<Arc<Policy>>, Option<usize>), ApiError> {
    let mut policies = Vec::new();
    let mut size = 0;
    if let Some(text) = form.get("Policy") {
        let policy = Policy::parse(text, PolicyKind::Identity)
            .map_err(|e| ApiError::bad("MalformedPolicyDocument", e.to_string()))?;
        size += text.chars().filter(|c| !c.is_whitespace()).count();
        policies.push(policy);
    }
    let arns: Vec<String> = (1..=11)
        .map_while(|i| {
            form.get(&format!("PolicyArns.member.{i}.arn"))
                .map(str::to_owned)
        })
        .collect();
    if arns.len() > 10 {
        return Err(invalid(
            "ValidationError",
            None,
            "PolicyArns",
            "Member must have length less than or equal to 10",
        ));
    }
    for arn in &arns {
        let Some(document) = state.policies.get(arn).and_then(|p| p.document()) else {
            return Err(ApiError::bad(
                "ValidationError",
                format!("Policy {arn} does not exist or is not attachable."),
            ));
        };
        size += document.text.len() / 8;
        policies.push((*document.policy).clone());
    }
    if size > PACKED_ROOM {
        let percent = size * 100 / PACKED_ROOM;
        return Err(ApiError::bad(
            "PackedPolicyTooLarge",
            format!(
                "Packed policy consumes {percent}% of allotted space, please use smaller policy."
            ),
        ));
    }
    // All session policies of one call form one layer: their union.
    let merged = policies.into_iter().reduce(|mut all, next| {
        all.statements.extend(next.statements);
        all.variables |= next.variables;
        all
    });
    let packed = merged.is_some().then(|| (size * 100 / PACKED_ROOM).max(1));
    Ok((merged.into_iter().map(Arc::new).collect(), packed))
}

/// What the way in adds to a session.
#[derive(Default)]
struct Origin {
    tags: BTreeMap<String, String>,
    transitive: BTreeSet<String>,
    source_identity: Option<String>,
    federation: Context,
    chained: bool,
}

/// Makes the session; returns its key and when it ends.
fn open(
    state: &mut State,
    wish: &Wish,
    user_id: &str,
    origin: Origin,
    now: i64,
) -> (AccessKey, i64) {
    let session = wish.session_arn();
    let expires = now + wish.duration;
    let identity = Identity {
        caller: Caller::Session {
            session: session.clone(),
            role: wish.role.clone(),
        },
        arn: session,
        user_id: user_id.to_owned(),
        kind: Kind::Session {
            chained: origin.chained,
        },
        policies: Vec::new(),
        session_policies: wish.policies.clone(),
        tags: origin.tags,
        transitive: origin.transitive,
        source_identity: origin.source_identity,
        federation: origin.federation,
        issued: now,
    };
    let key = mint(true);
    // Sessions that ended long ago are of no use; a client with one is told by its token.
    state
        .credentials
        .retain(|_, c| c.expires.is_none_or(|e| e + 86_400 > now));
    let credential = Credential {
        key: key.clone(),
        expires: Some(expires),
        identity: Arc::new(identity),
    };
    state.credentials.insert(key.id.clone(), credential);
    (key, expires)
}

/// Makes the session and writes the part of the answer that both ways share.
fn issue(state: &mut State, wish: &Wish, role_id: &str, origin: Origin, now: i64) -> Xml {
    let user_id = format!("{role_id}:{}", wish.session_name);
    let source = origin.source_identity.clone();
    let (key, expires) = open(state, wish, &user_id, origin, now);
    let mut x = Xml::new();
    x.node("AssumedRoleUser", |x| {
        x.text("AssumedRoleId", user_id)
            .text("Arn", wish.session_arn().to_string());
    });
    credentials(&mut x, &key, expires);
    if let Some(packed) = wish.packed {
        x.text("PackedPolicySize", packed.to_string());
    }
    if let Some(source) = source {
        x.text("SourceIdentity", source);
    }
    x
}

fn credentials(x: &mut Xml, key: &AccessKey, expires: i64) {
    x.node("Credentials", |x| {
        x.text("AccessKeyId", &key.id);
        x.text("SecretAccessKey", &key.secret);
        x.text("SessionToken", key.token.as_deref().unwrap_or_default());
        x.text("Expiration", timestamp(expires));
    });
}

fn too_long() -> ApiError {
    ApiError::bad(
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
}
