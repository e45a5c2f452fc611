//! The handle's part for Secret Manager.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::iam::Condition;
use super::super::secret_manager::{self as service, SecretName, VersionState};
use super::super::state::State;
use super::{AdminError, Gcp, Result};

/// A secret as the handle names it: `[PROJECT/[LOCATION/]]ID`; the options' project if none.
fn name(gcp: &Gcp, state: &State, text: &str) -> Result<SecretName> {
    let (project, location, id) = match text.split('/').collect::<Vec<_>>().as_slice() {
        [project, location, id] => (*project, Some(*location), *id),
        [project, id] => (*project, None, *id),
        _ => (gcp.project(), None, text),
    };
    service::secret_name(state, project, location, id).ok_or_else(|| AdminError::missing(project))
}

impl Gcp {
    fn with_secret<T>(
        &self,
        text: &str,
        edit: impl FnOnce(&mut State, &SecretName, i64) -> Result<T>,
    ) -> Result<T> {
        let now = self.now();
        let mut state = self.state();
        let name = name(self, &state, text)?;
        edit(&mut state, &name, now)
    }

    /// Adds a version with `value`; makes the secret where it is missing. `secret` is its id, or
    /// `PROJECT/ID`, or `PROJECT/LOCATION/ID` for a regional one. Returns the version's number.
    ///
    /// # Errors
    /// As `AddSecretVersion`.
    pub fn set_secret(&self, secret: &str, value: &[u8]) -> Result<u64> {
        self.with_secret(secret, |state, name, now| {
            if !state.secrets.contains_key(&name.to_string()) {
                service::make(state, name, &service::plain(name), now)?;
            }
            let request = json!({"payload": {"data": STANDARD.encode(value)}});
            let made = service::add_version(state, name, &request, now)?;
            let number = made.body.get("name").and_then(Value::as_str);
            let number = number.and_then(|name| name.rsplit('/').next()?.parse().ok());
            Ok(number.unwrap_or_default())
        })
    }

    /// Makes a secret without versions.
    ///
    /// # Errors
    /// As `CreateSecret`.
    pub fn create_secret(&self, secret: &str) -> Result<()> {
        self.with_secret(secret, |state, name, now| {
            service::make(state, name, &service::plain(name), now)?;
            Ok(())
        })
    }

    /// Changes fields of a secret, given as the API has them: `labels`, `annotations`,
    /// `versionAliases`.
    ///
    /// # Errors
    /// As `UpdateSecret`.
    pub fn update_secret(&self, secret: &str, fields: &Value) -> Result<()> {
        self.with_secret(secret, |state, name, _| {
            let names: Vec<String> = fields
                .as_object()
                .map(|fields| fields.keys().cloned().collect())
                .unwrap_or_default();
            service::patch(state, name, &names.join(","), fields)?;
            Ok(())
        })
    }

    /// Enables, disables or destroys a version: its number, an alias or `latest`.
    ///
    /// # Errors
    /// As the methods of the API.
    pub fn set_version_state(&self, secret: &str, version: &str, to: VersionState) -> Result<()> {
        self.with_secret(secret, |state, name, now| {
            service::turn(state, name, version, to, &json!({}), now)?;
            Ok(())
        })
    }

    /// Deletes a secret; says whether there was one.
    pub fn delete_secret(&self, secret: &str) -> bool {
        let gone = self.with_secret(secret, |state, name, _| {
            Ok(state.secrets.remove(&name.to_string()).is_some())
        });
        gone.unwrap_or_default()
    }

    /// The payload of the latest version, where it is enabled.
    #[must_use]
    pub fn secret(&self, secret: &str) -> Option<Vec<u8>> {
        let read = self.with_secret(secret, |state, name, _| {
            let found = state.secrets.get(&name.to_string());
            Ok(found.and_then(|found| {
                let version = found.version(found.number("latest")?)?;
                (version.state == VersionState::Enabled).then(|| version.payload.clone())
            }))
        });
        read.ok().flatten()
    }

    /// How many versions a secret has; none for a secret that does not exist.
    #[must_use]
    pub fn versions(&self, secret: &str) -> Option<usize> {
        let counted = self.with_secret(secret, |state, name, _| {
            let found = state.secrets.get(&name.to_string());
            Ok(found.map(|found| found.versions.len()))
        });
        counted.ok().flatten()
    }

    /// The secret as `GetSecret` shows it.
    #[must_use]
    pub fn show_secret(&self, secret: &str) -> Option<Value> {
        let shown = self.with_secret(secret, |state, name, _| {
            let found = state.secrets.get(&name.to_string());
            Ok(found.map(service::Secret::show))
        });
        shown.ok().flatten()
    }

    /// The labels of a secret.
    #[must_use]
    pub fn labels(&self, secret: &str) -> BTreeMap<String, String> {
        let read = self.with_secret(secret, |state, name, _| {
            let found = state.secrets.get(&name.to_string());
            Ok(found.map(|found| found.labels.clone()))
        });
        read.ok().flatten().unwrap_or_default()
    }

    /// Gives `member` a role on one secret.
    ///
    /// # Errors
    /// As `setIamPolicy`.
    pub fn bind_on_secret(
        &self,
        secret: &str,
        role: &str,
        member: &str,
        condition: Option<Condition>,
    ) -> Result<()> {
        self.with_secret(secret, |state, name, _| {
            let found = state.secrets.get_mut(&name.to_string());
            let found = found.ok_or_else(|| AdminError::missing(secret))?;
            Ok(found.policy.add(role, member, condition)?)
        })
    }

    /// Takes every role on one secret from `member`.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn unbind_on_secret(&self, secret: &str, member: &str) -> Result<()> {
        self.with_secret(secret, |state, name, _| {
            let found = state.secrets.get_mut(&name.to_string());
            found
                .ok_or_else(|| AdminError::missing(secret))?
                .policy
                .remove(member);
            Ok(())
        })
    }
}
