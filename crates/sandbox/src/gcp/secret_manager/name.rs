//! Names of secrets: `projects/NUMBER[/locations/LOCATION]/secrets/ID`, whichever way a caller
//! wrote the project.

use std::fmt;

use super::super::answer::Answer;
use super::super::state::State;

/// Where secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Parent {
    /// The project's number.
    pub number: String,
    pub location: Option<String>,
}

/// A secret's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct SecretName {
    pub parent: Parent,
    pub id: String,
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}", self.number)?;
        match &self.location {
            Some(location) => write!(f, "/locations/{location}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/secrets/{}", self.parent, self.id)
    }
}

impl Parent {
    /// Of a project by id or number.
    pub fn find(state: &State, project: &str, location: Option<&str>) -> Option<Self> {
        Some(Self {
            number: state.project(project)?.number.clone(),
            location: location.map(str::to_owned),
        })
    }

    pub fn secret(&self, id: &str) -> SecretName {
        SecretName {
            parent: self.clone(),
            id: id.to_owned(),
        }
    }

    /// Whether the project has the API disabled.
    pub fn is_disabled(&self, state: &State) -> bool {
        state
            .project(&self.number)
            .is_some_and(|project| project.disabled.contains(super::SERVICE))
    }
}

/// 1 to 255 letters, digits, hyphens and underscores.
pub(super) fn check_id(id: &str) -> Result<(), Answer> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if (1..=255).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Answer::error(
        "INVALID_ARGUMENT",
        format!(
            "The provided Secret ID [{id}] does not match the expected format [[a-zA-Z_0-9\\-]+]"
        ),
    ))
}
