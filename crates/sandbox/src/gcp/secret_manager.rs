//! Secret Manager, REST v1, global and regional.
//!
//! Owns: the order authentication, service, permission, existence; the permissions that methods
//! ask for; secrets with versions, labels, annotations and aliases.
//! Refuses: rotation, topics' deliveries, expiry, customer-managed keys, gRPC.
//! See <https://docs.cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets>.

mod crc32c;
mod filter;
mod list;
mod name;
mod read;
mod record;
mod write;

use http::Method;
use keyless_trust::gcp::Caller;
use serde_json::json;

use super::answer::Answer;
use super::dispatch::Call;
use super::iam::{Resource, allows, request};
use super::state::State;
use super::token;
use super::{Gcp, organisation};
use name::Parent;
pub(super) use name::SecretName;
pub(super) use record::Secret;
pub use record::VersionState;
pub(super) use write::{add_version, make, patch, turn};

const SERVICE: &str = "secretmanager.googleapis.com";

/// The API that a call is for, as the service's own method names.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    let segments = call.segments();
    let path = match segments.as_slice() {
        ["projects", _, "locations", _, rest @ ..] | ["projects", _, rest @ ..] => rest,
        _ => return "Unknown",
    };
    match (call.method, path, call.verb.as_deref()) {
        (&Method::GET, ["secrets"], None) => "ListSecrets",
        (&Method::POST, ["secrets"], None) => "CreateSecret",
        (&Method::GET, ["secrets", _], None) => "GetSecret",
        (&Method::PATCH, ["secrets", _], None) => "UpdateSecret",
        (&Method::DELETE, ["secrets", _], None) => "DeleteSecret",
        (&Method::POST, ["secrets", _], Some("addVersion")) => "AddSecretVersion",
        (&Method::GET, ["secrets", _], Some("getIamPolicy")) => "GetIamPolicy",
        (&Method::POST, ["secrets", _], Some("setIamPolicy")) => "SetIamPolicy",
        (&Method::POST, ["secrets", _], Some("testIamPermissions")) => "TestIamPermissions",
        (&Method::GET, ["secrets", _, "versions"], None) => "ListSecretVersions",
        (&Method::GET, ["secrets", _, "versions", _], None) => "GetSecretVersion",
        (&Method::GET, ["secrets", _, "versions", _], Some("access")) => "AccessSecretVersion",
        (&Method::POST, ["secrets", _, "versions", _], Some("enable")) => "EnableSecretVersion",
        (&Method::POST, ["secrets", _, "versions", _], Some("disable")) => "DisableSecretVersion",
        (&Method::POST, ["secrets", _, "versions", _], Some("destroy")) => "DestroySecretVersion",
        _ => "Unknown",
    }
}

/// The permission that an API asks for.
fn permission(api: &str) -> &'static str {
    match api {
        "ListSecrets" => "secretmanager.secrets.list",
        "CreateSecret" => "secretmanager.secrets.create",
        "GetSecret" => "secretmanager.secrets.get",
        "UpdateSecret" => "secretmanager.secrets.update",
        "DeleteSecret" => "secretmanager.secrets.delete",
        "AddSecretVersion" => "secretmanager.versions.add",
        "GetIamPolicy" => "secretmanager.secrets.getIamPolicy",
        "SetIamPolicy" => "secretmanager.secrets.setIamPolicy",
        "ListSecretVersions" => "secretmanager.versions.list",
        "GetSecretVersion" => "secretmanager.versions.get",
        "AccessSecretVersion" => "secretmanager.versions.access",
        "EnableSecretVersion" => "secretmanager.versions.enable",
        "DisableSecretVersion" => "secretmanager.versions.disable",
        "DestroySecretVersion" => "secretmanager.versions.destroy",
        _ => "",
    }
}

pub(super) fn call(gcp: &Gcp, call: &Call<'_>) -> Answer {
    match answer(gcp, call) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// What a call is about.
struct Target {
    parent: Parent,
    /// As the caller wrote it, for messages.
    written: String,
    secret: Option<SecretName>,
    version: Option<String>,
}

fn answer(gcp: &Gcp, call: &Call<'_>) -> Result<Answer, Answer> {
    let caller = token::identify(gcp, call, SERVICE)?;
    let now = gcp.now();
    let mut state = gcp.state();
    let target = target(&state, call)?;
    organisation::admits(&state, &target.parent.number, &caller, SERVICE)?;
    let who = Who {
        caller: &caller,
        target: &target,
        now,
    };
    if call.api == "TestIamPermissions" {
        return request::test(call, |permission| who.may(&state, permission));
    }
    who.check(&state, permission(call.api))?;
    let name = || {
        target
            .secret
            .as_ref()
            .ok_or_else(|| Answer::error("NOT_FOUND", "Requested entity was not found."))
    };
    let version = target.version.as_deref().unwrap_or_default();
    match call.api {
        "ListSecrets" => list::secrets(&state, &target.parent, call),
        "CreateSecret" => write::create(&mut state, &target.parent, call, now),
        "GetSecret" => read::secret(&state, name()?),
        "UpdateSecret" => write::update(&mut state, name()?, call),
        "DeleteSecret" => write::delete(&mut state, name()?, call.query("etag")),
        "AddSecretVersion" => write::add_version(&mut state, name()?, &call.json()?, now),
        "GetIamPolicy" => request::get(&read::find(&state, name()?)?.policy, call),
        "SetIamPolicy" => {
            let changed = request::set(&state, &read::find(&state, name()?)?.policy, call)?;
            let shown = changed.show();
            write::find(&mut state, name()?)?.policy = changed;
            Ok(Answer::ok(shown))
        }
        "ListSecretVersions" => list::versions(&state, name()?, call),
        "GetSecretVersion" => read::version(&state, name()?, version),
        "AccessSecretVersion" => read::access(&state, name()?, version),
        "EnableSecretVersion" | "DisableSecretVersion" | "DestroySecretVersion" => {
            let to = match call.api {
                "EnableSecretVersion" => VersionState::Enabled,
                "DisableSecretVersion" => VersionState::Disabled,
                _ => VersionState::Destroyed,
            };
            write::turn(&mut state, name()?, version, to, &call.json()?, now)
        }
        _ => Err(Answer::error(
            "NOT_FOUND",
            "Requested entity was not found.",
        )),
    }
}

fn target(state: &State, call: &Call<'_>) -> Result<Target, Answer> {
    let segments = call.segments();
    let (project, location, rest) = match segments.as_slice() {
        ["projects", project, "locations", location, rest @ ..] => {
            (*project, Some(*location), rest)
        }
        ["projects", project, rest @ ..] => (*project, None, rest),
        _ => {
            return Err(Answer::error(
                "NOT_FOUND",
                "Requested entity was not found.",
            ));
        }
    };
    // Names of regional secrets belong to their own location's endpoint, and only they do.
    if call.named && location != call.location {
        return Err(Answer::error(
            "INVALID_ARGUMENT",
            format!(
                "The endpoint is not the one of the location {} in the resource name.",
                location.unwrap_or("global")
            ),
        ));
    }
    let parent = Parent::find(state, project, location)
        .ok_or_else(|| denied(permission(call.api), &format!("projects/{project}")))?;
    if parent.is_disabled(state) {
        let number = &parent.number;
        return Err(Answer::error(
            "PERMISSION_DENIED",
            format!(
                "Secret Manager API has not been used in project {number} before or it is \
                 disabled. Enable it by visiting \
                 https://console.developers.google.com/apis/api/{SERVICE}/overview?project={number} \
                 then retry. If you enabled this API recently, wait a few minutes for the action \
                 to propagate to our systems and retry."
            ),
        )
        .because(
            "SERVICE_DISABLED",
            "googleapis.com",
            json!({"consumer": format!("projects/{number}"), "service": SERVICE}),
        ));
    }
    let secret = match rest {
        ["secrets", id, ..] => Some(parent.secret(id)),
        _ => None,
    };
    let version = match rest {
        ["secrets", _, "versions", version] => Some((*version).to_owned()),
        _ => None,
    };
    Ok(Target {
        parent,
        written: segments.join("/"),
        secret,
        version,
    })
}

/// The name of a secret, if there is the project.
pub(super) fn secret_name(
    state: &State,
    project: &str,
    location: Option<&str>,
    id: &str,
) -> Option<SecretName> {
    Some(Parent::find(state, project, location)?.secret(id))
}

/// The request that makes a secret without anything.
pub(super) fn plain(name: &SecretName) -> serde_json::Value {
    match name.parent.location {
        None => json!({"replication": {"automatic": {}}}),
        Some(_) => json!({}),
    }
}

fn denied(permission: &str, resource: &str) -> Answer {
    Answer::error(
        "PERMISSION_DENIED",
        format!(
            "Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
        ),
    )
    .because(
        "IAM_PERMISSION_DENIED",
        "iam.googleapis.com",
        json!({"permission": permission, "resource": resource}),
    )
}

/// A caller in front of a target.
struct Who<'a> {
    caller: &'a Caller,
    target: &'a Target,
    now: i64,
}

impl Who<'_> {
    fn may(&self, state: &State, permission: &str) -> bool {
        let target = self.target;
        let Some(project) = state.project(&target.parent.number) else {
            return false;
        };
        let secret = target.secret.as_ref();
        let found = secret.and_then(|name| state.secrets.get(&name.to_string()));
        let resource = match (secret, &target.version) {
            (Some(name), Some(version)) => Resource {
                name: format!("{name}/versions/{}", read::number(found, version)),
                kind: "secretmanager.googleapis.com/SecretVersion",
                service: SERVICE,
            },
            (Some(name), None) => Resource {
                name: name.to_string(),
                kind: "secretmanager.googleapis.com/Secret",
                service: SERVICE,
            },
            (None, _) => Resource {
                name: format!("projects/{}", target.parent.number),
                kind: "cloudresourcemanager.googleapis.com/Project",
                service: "cloudresourcemanager.googleapis.com",
            },
        };
        let mut policies = vec![&project.policy];
        policies.extend(found.map(|secret| &secret.policy));
        allows(&policies, self.caller, permission, &resource, self.now)
    }

    fn check(&self, state: &State, permission: &str) -> Result<(), Answer> {
        if self.may(state, permission) {
            return Ok(());
        }
        tracing::info!(
            caller = self.caller.principal(),
            permission,
            resource = self.target.written,
            "may not"
        );
        Err(denied(permission, &self.target.written))
    }
}
