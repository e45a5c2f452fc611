//! Cloud Resource Manager, REST v1 and v3: projects and their policies.
//!
//! Owns: the two forms of a project. Refuses: folders and organisations, making and ending
//! projects.
//! See <https://docs.cloud.google.com/resource-manager/reference/rest/v1/projects>.

use serde_json::{Value, json};

use super::Gcp;
use super::answer::{Answer, timestamp};
use super::authorize::Asking;
use super::dispatch::Call;
use super::fields;
use super::iam::request;
use super::state::Project;
use super::token;

const SERVICE: &str = "cloudresourcemanager.googleapis.com";

/// The method that a call is for, by the service's own names.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    let segments = call.segments();
    match (
        call.method.as_str(),
        segments.as_slice(),
        call.verb.as_deref(),
    ) {
        ("GET", ["projects"], None) => "ListProjects",
        ("GET", ["projects", _], None) => "GetProject",
        ("POST", ["projects", _], Some("getIamPolicy")) => "GetIamPolicy",
        ("POST", ["projects", _], Some("setIamPolicy")) => "SetIamPolicy",
        ("POST", ["projects", _], Some("testIamPermissions")) => "TestIamPermissions",
        _ => "Unknown",
    }
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
    let third = call.uri.path().starts_with("/v3/");
    let show = |project: &Project| show(project, third, now);
    let get = "resourcemanager.projects.get";
    let segments = call.segments();
    let name = match segments.as_slice() {
        ["projects"] if call.api == "ListProjects" => {
            fields::parameters(call, &["filter", "pageSize", "pageToken", "parent"])?;
            // Filters are not read: every project here is active.
            let seen = state.projects.values().filter(|p| asking.may_in(p, get));
            let shown: Vec<Value> = seen.map(show).collect();
            return Ok(Answer::ok(json!({"projects": shown})));
        }
        ["projects", name] if call.api != "Unknown" => *name,
        _ => {
            return Err(Answer::error(
                "NOT_FOUND",
                "Requested entity was not found.",
            ));
        }
    };
    let resource = format!("//{SERVICE}/projects/{name}");
    if call.api == "TestIamPermissions" {
        let found = state.project(name);
        return request::test(call, |permission| {
            found.is_some_and(|project| asking.may_in(project, permission))
        });
    }
    let permission = match call.api {
        "GetIamPolicy" => "resourcemanager.projects.getIamPolicy",
        "SetIamPolicy" => "resourcemanager.projects.setIamPolicy",
        _ => get,
    };
    let project = asking.project(&state, name, permission, &resource)?;
    match call.api {
        "GetIamPolicy" => request::get(&project.policy, call),
        "SetIamPolicy" => {
            let changed = request::set(&state, &project.policy, call)?;
            let shown = changed.show();
            if let Some(project) = state.project_mut(&project.id) {
                project.policy = changed;
            }
            Ok(Answer::ok(shown))
        }
        _ => {
            fields::parameters(call, &[])?;
            Ok(Answer::ok(show(&project)))
        }
    }
}

fn show(project: &Project, third: bool, now: i64) -> Value {
    // Older than anything that happens here.
    let created = timestamp(now - now.rem_euclid(86_400) - 86_400);
    if third {
        return json!({
            "name": format!("projects/{}", project.number),
            "projectId": project.id,
            "state": "ACTIVE",
            "displayName": project.id,
            "createTime": created,
        });
    }
    json!({
        "projectNumber": project.number,
        "projectId": project.id,
        "lifecycleState": "ACTIVE",
        "name": project.id,
        "createTime": created,
    })
}
