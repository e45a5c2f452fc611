//! What an organisation keeps out: callers from outside of a service perimeter, and issuers that
//! its pools may not trust.
//!
//! Owns: setting them and their refusals. Refuses: the organisation's tree, and networks: here
//! every caller comes from the same one, so that a perimeter judges by identity alone.

use std::collections::BTreeSet;

use keyless_trust::gcp::{Caller, Member};
use serde_json::json;

use super::Gcp;
use super::admin::AdminError;
use super::answer::Answer;
use super::state::State;

/// What holds for one project.
#[derive(Clone, Debug, Default)]
pub(super) struct Organisation {
    /// Whom the perimeter around it admits; nobody else, if there is one.
    perimeter: Option<BTreeSet<String>>,
    /// The issuers that `iam.workloadIdentityPoolProviders` allows, if it is set.
    issuers: Option<BTreeSet<String>>,
}

impl Gcp {
    /// Draws a service perimeter around a project that only `members` pass, or takes it away.
    ///
    /// # Errors
    /// When there is no such project.
    pub fn set_perimeter(&self, project: &str, members: Option<&[&str]>) -> Result<(), AdminError> {
        self.organise(project, |o| o.perimeter = members.map(owned))
    }

    /// Sets the constraint on the issuers of a project's pools, or takes it away.
    ///
    /// # Errors
    /// When there is no such project.
    pub fn allow_issuers(&self, project: &str, issuers: Option<&[&str]>) -> Result<(), AdminError> {
        self.organise(project, |o| o.issuers = issuers.map(owned))
    }

    fn organise(
        &self,
        project: &str,
        edit: impl FnOnce(&mut Organisation),
    ) -> Result<(), AdminError> {
        let mut state = self.state();
        let found = state.project_mut(project);
        edit(
            &mut found
                .ok_or_else(|| AdminError::missing(project))?
                .organisation,
        );
        Ok(())
    }
}

fn owned(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Whether `caller` is inside of the perimeter around `project`, if there is one.
pub(super) fn admits(
    state: &State,
    project: &str,
    caller: &Caller,
    service: &str,
) -> Result<(), Answer> {
    let project = state.project(project);
    let perimeter = project.and_then(|project| project.organisation.perimeter.as_ref());
    let inside = |member: &String| Member::parse(member).is_ok_and(|m| m.includes(caller));
    if perimeter.is_none_or(|members| members.iter().any(inside)) {
        return Ok(());
    }
    let id = "q3Zb0sYd3w";
    Err(Answer::error(
        "PERMISSION_DENIED",
        format!(
            "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: {id}"
        ),
    )
    .because(
        "SECURITY_POLICY_VIOLATED",
        "googleapis.com",
        json!({"uid": id, "service": service}),
    ))
}

/// Whether a pool of `project` may trust `issuer`.
pub(super) fn allows(state: &State, project: &str, issuer: &str) -> Result<(), Answer> {
    let project = state.project(project);
    let issuers = project.and_then(|project| project.organisation.issuers.as_ref());
    if issuers.is_none_or(|issuers| issuers.contains(issuer)) {
        return Ok(());
    }
    Err(Answer::error(
        "FAILED_PRECONDITION",
        format!("Precondition check failed. Org Policy violated for value: '{issuer}'."),
    ))
}
