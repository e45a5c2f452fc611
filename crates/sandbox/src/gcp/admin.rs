//! The handle for tests and the tour: set things up without a token, break them, count.
//!
//! Owns: nothing; it calls what the APIs call, past permission. Pools are in `pools`, secrets in `secrets`.

mod pools;
mod secrets;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Gcp;
use super::answer::Answer;
use super::faults::Fault;
use super::iam::Condition;
use super::iam_admin::accounts;
use super::metadata::{Node, Pod};
use super::state::{Account, Calls, Cluster};
use crate::issuer::SigningKey;

/// What Google would have answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct AdminError {
    /// Google's status, such as `ALREADY_EXISTS`.
    pub status: String,
    /// Google's text.
    pub message: String,
}

impl AdminError {
    pub(super) fn missing(what: &str) -> Self {
        Self {
            status: "NOT_FOUND".to_owned(),
            message: format!("{what} does not exist."),
        }
    }
}

impl From<Answer> for AdminError {
    fn from(answer: Answer) -> Self {
        let text = |path: &str| {
            let value = answer.body.pointer(path).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        Self {
            status: text("/error/status"),
            message: text("/error/message"),
        }
    }
}

type Result<T> = std::result::Result<T, AdminError>;

impl Gcp {
    /// Creates an empty project, in place of one of that id.
    pub fn create_project(&self, id: &str, number: &str) {
        self.state().create_project(id, number);
    }

    /// Enables or disables the Secret Manager API of a project.
    ///
    /// # Errors
    /// When there is no such project.
    pub fn enable_secret_manager(&self, project: &str, enabled: bool) -> Result<()> {
        let mut state = self.state();
        let found = state.project_mut(project);
        let disabled = &mut found.ok_or_else(|| AdminError::missing(project))?.disabled;
        let service = "secretmanager.googleapis.com";
        if enabled {
            disabled.remove(service);
        } else {
            disabled.insert(service.to_owned());
        }
        Ok(())
    }

    /// Registers a GKE cluster whose tokens have `issuer`.
    pub fn create_cluster(&self, project: &str, location: &str, name: &str, issuer: &str) {
        let cluster = Cluster {
            issuer: issuer.to_owned(),
        };
        let name = format!("projects/{project}/locations/{location}/clusters/{name}");
        self.state().clusters.insert(name, cluster);
    }

    /// Makes the node one of a GKE cluster, on which `pod` asks the metadata server.
    pub fn run_on_gke(&self, project: &str, location: &str, cluster: &str, pod: Pod) {
        self.state().node = Node {
            project: Some(project.to_owned()),
            cluster: Some((location.to_owned(), cluster.to_owned())),
            pod: Some(pod),
            account: None,
        };
    }

    /// Makes the node a virtual machine with an account of its own, or without any.
    pub fn run_on_machine(&self, project: &str, account: Option<&str>) {
        self.state().node = Node {
            project: Some(project.to_owned()),
            account: account.map(str::to_owned),
            ..Node::default()
        };
    }

    /// Creates a service account; returns its e-mail address.
    ///
    /// # Errors
    /// When there is no such project.
    pub fn create_service_account(&self, project: &str, name: &str) -> Result<String> {
        let mut state = self.state();
        let found = state.project(project);
        let id = found
            .ok_or_else(|| AdminError::missing(project))?
            .id
            .clone();
        let account = accounts::new(name, &id);
        let email = account.email.clone();
        state.accounts.insert(email.clone(), account);
        Ok(email)
    }

    /// Disables or enables a service account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn disable_service_account(&self, email: &str, disabled: bool) -> Result<()> {
        self.with_account(email, |account| {
            account.disabled = disabled;
            Ok(())
        })
    }

    /// Makes a key of a service account and returns its file, in JSON. Takes 50 to 500 ms of CPU.
    ///
    /// # Errors
    /// When there is no such account, or the key cannot be made.
    pub fn create_key(&self, email: &str) -> Result<String> {
        let failed = |_| AdminError {
            status: "INTERNAL".to_owned(),
            message: "The key cannot be made.".to_owned(),
        };
        let key = SigningKey::generate().map_err(failed)?;
        let pem = key.to_pem().map_err(failed)?;
        let id = format!(
            "{:032x}{:08x}",
            rand::random::<u128>(),
            rand::random::<u32>()
        );
        self.with_account(email, |account| {
            account.keys.insert(id.clone(), Arc::new(key));
            let file = json!({
                "type": "service_account",
                "project_id": account.project,
                "private_key_id": id,
                "private_key": pem,
                "client_email": account.email,
                "client_id": account.unique_id,
                "auth_uri": "https://accounts.google.com/o/oauth2/auth",
                "token_uri": "https://oauth2.googleapis.com/token",
                "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
                "universe_domain": "googleapis.com",
            });
            Ok(file.to_string())
        })
    }

    /// Deletes every key of a service account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn delete_keys(&self, email: &str) -> Result<()> {
        self.with_account(email, |account| {
            account.keys.clear();
            Ok(())
        })
    }

    /// Lets `member` act as a service account: `role` on it.
    ///
    /// # Errors
    /// As `setIamPolicy`.
    pub fn bind_on_account(&self, email: &str, role: &str, member: &str) -> Result<()> {
        self.with_account(email, |account| {
            Ok(account.policy.add(role, member, None)?)
        })
    }

    /// Takes every role on a service account from `member`.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn unbind_on_account(&self, email: &str, member: &str) -> Result<()> {
        self.with_account(email, |account| {
            account.policy.remove(member);
            Ok(())
        })
    }

    /// Gives `member` a role in a project.
    ///
    /// # Errors
    /// As `setIamPolicy`.
    pub fn bind_on_project(
        &self,
        project: &str,
        role: &str,
        member: &str,
        condition: Option<Condition>,
    ) -> Result<()> {
        let mut state = self.state();
        let found = state.project_mut(project);
        let policy = &mut found.ok_or_else(|| AdminError::missing(project))?.policy;
        Ok(policy.add(role, member, condition)?)
    }

    /// Takes every role in a project from `member`.
    ///
    /// # Errors
    /// When there is no such project.
    pub fn unbind_on_project(&self, project: &str, member: &str) -> Result<()> {
        let mut state = self.state();
        let found = state.project_mut(project);
        let policy = &mut found.ok_or_else(|| AdminError::missing(project))?.policy;
        policy.remove(member);
        Ok(())
    }

    /// Ends every access token.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Arms a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Disarms every fault about a text.
    pub fn clear_faults_about(&self, text: &str) {
        self.state().faults.clear_about(text);
    }

    /// How often `service`'s `api` was called.
    #[must_use]
    pub fn calls(&self, service: &str, api: &str) -> Calls {
        self.state()
            .calls
            .get(&(service.to_owned(), api.to_owned()))
            .copied()
            .unwrap_or_default()
    }

    /// All counts, by `service:Api`.
    #[must_use]
    pub fn all_calls(&self) -> BTreeMap<String, Calls> {
        self.state()
            .calls
            .iter()
            .map(|((s, a), c)| (format!("{s}:{a}"), *c))
            .collect()
    }

    /// Makes STS read every issuer's keys anew.
    pub fn forget_issuer_keys(&self) {
        self.0.issuers.forget();
    }

    fn with_account<T>(
        &self,
        email: &str,
        edit: impl FnOnce(&mut Account) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state();
        let account = state.accounts.get_mut(email);
        edit(account.ok_or_else(|| AdminError::missing(email))?)
    }
}
