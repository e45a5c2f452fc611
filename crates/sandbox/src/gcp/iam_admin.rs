//! IAM's administration, REST v1: workload identity pools with their providers, and service
//! accounts.
//!
//! Owns: which method a call is for, the permission it needs, and what is refused before anything
//! is looked at. The parts are `pools`, `providers` and `accounts`; what takes time at Google
//! answers with an operation that is over when it is asked for.
//! Refuses: other locations than `global`, attestation rules, managed identities, SAML, X.509,
//! keys of service accounts, custom roles.
//! See <https://docs.cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools>.

pub(super) mod accounts;
mod listing;
mod operations;
pub(super) mod pools;
pub(super) mod providers;

use http::Method;
use keyless_trust::gcp::Pool as PoolName;

use super::Gcp;
use super::answer::Answer;
use super::authorize::Asking;
use super::dispatch::Call;
use super::state::{Project, State};
use super::token;

const SERVICE: &str = "iam.googleapis.com";
const POOLS: &str = "workloadIdentityPools";

/// The method that a call is for, by the service's own names.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    let segments = call.segments();
    let verb = call.verb.as_deref();
    match segments.as_slice() {
        ["projects", _, "locations", _, kind, rest @ ..] if *kind == POOLS => {
            pool_api(call.method, rest, verb)
        }
        ["projects", _, "serviceAccounts", rest @ ..] => accounts::api(call.method, rest, verb),
        _ => "Unknown",
    }
}

fn pool_api(method: &Method, rest: &[&str], verb: Option<&str>) -> &'static str {
    match (method.as_str(), rest, verb) {
        ("POST", [], None) => "CreateWorkloadIdentityPool",
        ("GET", [], None) => "ListWorkloadIdentityPools",
        ("GET", [_], None) => "GetWorkloadIdentityPool",
        ("PATCH", [_], None) => "UpdateWorkloadIdentityPool",
        ("DELETE", [_], None) => "DeleteWorkloadIdentityPool",
        ("POST", [_], Some("undelete")) => "UndeleteWorkloadIdentityPool",
        ("POST", [_, "providers"], None) => "CreateWorkloadIdentityPoolProvider",
        ("GET", [_, "providers"], None) => "ListWorkloadIdentityPoolProviders",
        ("GET", [_, "providers", _], None) => "GetWorkloadIdentityPoolProvider",
        ("PATCH", [_, "providers", _], None) => "UpdateWorkloadIdentityPoolProvider",
        ("DELETE", [_, "providers", _], None) => "DeleteWorkloadIdentityPoolProvider",
        ("POST", [_, "providers", _], Some("undelete")) => "UndeleteWorkloadIdentityPoolProvider",
        ("GET", [_, "operations", _] | [_, "providers", _, "operations", _], None) => {
            "GetOperation"
        }
        _ => "Unknown",
    }
}

/// The permission that a method on pools asks for.
fn permission(api: &str) -> &'static str {
    match api {
        "CreateWorkloadIdentityPool" => "iam.workloadIdentityPools.create",
        "ListWorkloadIdentityPools" => "iam.workloadIdentityPools.list",
        "GetWorkloadIdentityPool" | "GetOperation" => "iam.workloadIdentityPools.get",
        "UpdateWorkloadIdentityPool" => "iam.workloadIdentityPools.update",
        "DeleteWorkloadIdentityPool" => "iam.workloadIdentityPools.delete",
        "UndeleteWorkloadIdentityPool" => "iam.workloadIdentityPools.undelete",
        "CreateWorkloadIdentityPoolProvider" => "iam.workloadIdentityPoolProviders.create",
        "ListWorkloadIdentityPoolProviders" => "iam.workloadIdentityPoolProviders.list",
        "GetWorkloadIdentityPoolProvider" => "iam.workloadIdentityPoolProviders.get",
        "UpdateWorkloadIdentityPoolProvider" => "iam.workloadIdentityPoolProviders.update",
        "DeleteWorkloadIdentityPoolProvider" => "iam.workloadIdentityPoolProviders.delete",
        "UndeleteWorkloadIdentityPoolProvider" => "iam.workloadIdentityPoolProviders.undelete",
        _ => "",
    }
}

/// What is not there, for those who may see it.
fn missing() -> Answer {
    Answer::error("NOT_FOUND", "Requested entity was not found.")
}

fn bad(message: impl Into<String>) -> Answer {
    Answer::error("INVALID_ARGUMENT", message)
}

/// An id that is taken, by something softly deleted too.
fn exists() -> Answer {
    Answer::error("ALREADY_EXISTS", "Requested entity already exists")
}

/// Names and descriptions have their longest.
fn check_texts(display_name: &str, description: &str) -> Result<(), Answer> {
    for (what, text, longest) in [
        ("display name", display_name, 32),
        ("description", description, 256),
    ] {
        if text.chars().count() > longest {
            return Err(bad(format!(
                "{what} must be less than or equal to {longest} characters"
            )));
        }
    }
    Ok(())
}

pub(super) fn call(gcp: &Gcp, call: &Call<'_>) -> Answer {
    match answer(gcp, call) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn answer(gcp: &Gcp, call: &Call<'_>) -> Result<Answer, Answer> {
    let caller = token::identify(gcp, call, SERVICE)?;
    let now = gcp.now();
    let asking = Asking {
        caller: &caller,
        now,
    };
    let mut state = gcp.state();
    state.purge(now);
    let segments = call.segments();
    match segments.as_slice() {
        _ if call.api == "Unknown" => Err(missing()),
        ["projects", project, "locations", location, _, rest @ ..] => {
            let permission = permission(call.api);
            let resource = format!("//{SERVICE}/{}", segments.join("/"));
            let found = asking.project(&state, project, permission, &resource)?;
            if *location != "global" {
                return Err(bad(format!(
                    "The location {location} is not supported; it must be global."
                )));
            }
            of_pools(&mut state, call, &found, rest, now)
        }
        ["projects", project, "serviceAccounts", rest @ ..] => {
            accounts::call(&mut state, call, asking, project, rest)
        }
        _ => Err(missing()),
    }
}

fn of_pools(
    state: &mut State,
    call: &Call<'_>,
    project: &Project,
    rest: &[&str],
    now: i64,
) -> Result<Answer, Answer> {
    let [id, rest @ ..] = rest else {
        return match call.api {
            "CreateWorkloadIdentityPool" => pools::create(state, call, project),
            _ => pools::list(state, call, project),
        };
    };
    let name = PoolName::new(&project.number, id).map_err(|_| missing())?;
    match rest {
        [] => pools::call(state, call, &name, now),
        ["operations", _] | ["providers", _, "operations", _] => {
            let project = format!("projects/{}", project.number);
            operations::get(state, &call.segments(), &project)
        }
        ["providers"] if call.method == Method::POST => providers::create(state, call, &name),
        ["providers"] => providers::list(state, call, &name),
        ["providers", provider] => providers::call(state, call, &name, provider, now),
        _ => Err(missing()),
    }
}
