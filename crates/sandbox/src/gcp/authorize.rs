//! Permission for a method of IAM and of Resource Manager.
//!
//! Owns: which policies count for a resource, and the text of a refusal. What is not there is told
//! as what is not permitted. Refuses: deciding which permission a method needs.

use keyless_trust::gcp::Caller;
use serde_json::json;

use super::answer::Answer;
use super::iam::{Resource, allows};
use super::state::{Account, Project, State};

/// Who asks, and when.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub caller: &'a Caller,
    pub now: i64,
}

/// The refusal of `permission` on `resource`, a full resource name.
pub(super) fn denied(permission: &str, resource: &str) -> Answer {
    Answer::error(
        "PERMISSION_DENIED",
        format!("Permission '{permission}' denied on resource '{resource}' (or it may not exist)."),
    )
    .because(
        "IAM_PERMISSION_DENIED",
        "iam.googleapis.com",
        json!({"permission": permission, "resource": resource}),
    )
}

impl Asking<'_> {
    /// Whether the caller has `permission` in a project.
    pub fn may_in(&self, project: &Project, permission: &str) -> bool {
        let resource = Resource {
            name: format!("projects/{}", project.number),
            kind: "cloudresourcemanager.googleapis.com/Project",
            service: "cloudresourcemanager.googleapis.com",
        };
        allows(
            &[&project.policy],
            self.caller,
            permission,
            &resource,
            self.now,
        )
    }

    /// Whether the caller has `permission` on a service account.
    pub fn may_on(&self, state: &State, account: &Account, permission: &str) -> bool {
        let Some(project) = state.projects.get(&account.project) else {
            return false;
        };
        let resource = Resource {
            name: format!("projects/-/serviceAccounts/{}", account.unique_id),
            kind: "iam.googleapis.com/ServiceAccount",
            service: "iam.googleapis.com",
        };
        let policies = [&account.policy, &project.policy];
        allows(&policies, self.caller, permission, &resource, self.now)
    }

    /// The project `name`, by id or number, in which the caller has `permission`.
    pub fn project(
        &self,
        state: &State,
        name: &str,
        permission: &str,
        resource: &str,
    ) -> Result<Project, Answer> {
        state
            .project(name)
            .filter(|project| self.may_in(project, permission))
            .cloned()
            .ok_or_else(|| {
                tracing::info!(
                    caller = self.caller.principal(),
                    permission,
                    resource,
                    "may not"
                );
                denied(permission, resource)
            })
    }
}
