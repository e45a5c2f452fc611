//! The handle for tests and the tour: the API itself, called as root, past HTTP; faults; counts.
//!
//! Owns: nothing; it calls what the API calls.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Vault;
use super::faults::Fault;
use super::protocol::{Operation, Outcome, Refusal, Reply, Request};

/// What Vault would have answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("HTTP {status}: {}", errors.join("; "))]
pub struct AdminError {
    /// HTTP status.
    pub status: u16,
    /// Vault's texts.
    pub errors: Vec<String>,
}

impl From<Refusal> for AdminError {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status,
            errors: refusal.errors,
        }
    }
}

type Result<T> = std::result::Result<T, AdminError>;

impl Vault {
    async fn as_root(&self, operation: Operation, path: &str, body: Value) -> Outcome {
        let body = match body {
            Value::Object(members) => members,
            _ => serde_json::Map::new(),
        };
        self.perform(Request {
            operation,
            path: path.to_owned(),
            namespace: String::new(),
            token: Some(self.root_token().to_owned()),
            query: BTreeMap::new(),
            body,
            certificate: Vec::new(),
            now: self.now(),
        })
        .await
    }

    /// Writes `body` to `path`, e.g. `auth/jwt/role/app`. A namespace stands at the beginning of
    /// the path. Answers with the data, or null.
    ///
    /// # Errors
    /// As the API.
    pub async fn write(&self, path: &str, body: Value) -> Result<Value> {
        Ok(match self.as_root(Operation::Write, path, body).await? {
            Reply::Data(data) | Reply::Warned(_, data, _) => data,
            Reply::Auth(auth) => auth,
            Reply::Bare(_, document) => document,
            Reply::Nothing => Value::Null,
        })
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// As the API.
    pub async fn read(&self, path: &str) -> Result<Value> {
        match self.as_root(Operation::Read, path, Value::Null).await? {
            Reply::Data(data) => Ok(data),
            Reply::Bare(_, document) => Ok(document),
            Reply::Auth(_) | Reply::Warned(..) | Reply::Nothing => Err(Refusal::nothing().into()),
        }
    }

    /// Deletes `path`.
    ///
    /// # Errors
    /// As the API.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.as_root(Operation::Delete, path, Value::Null).await?;
        Ok(())
    }

    /// Mounts the auth method `kind` at `path`, unless it is there.
    ///
    /// # Errors
    /// As `sys/auth`.
    pub async fn enable_auth(&self, path: &str, kind: &str) -> Result<()> {
        let mounted = self
            .write(&format!("sys/auth/{path}"), json!({"type": kind}))
            .await;
        match mounted {
            Err(error) if !error.to_string().contains("already in use") => Err(error),
            _ => Ok(()),
        }
    }

    /// Mounts a key-value engine of `version` at `path`, unless it is there.
    ///
    /// # Errors
    /// As `sys/mounts`.
    pub async fn enable_kv(&self, path: &str, version: u8) -> Result<()> {
        let body = json!({"type": "kv", "options": {"version": version.to_string()}});
        match self.write(&format!("sys/mounts/{path}"), body).await {
            Err(error) if !error.to_string().contains("already in use") => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes the policy `name`, which allows `capabilities` at each of `paths`.
    ///
    /// # Errors
    /// As `sys/policies/acl`.
    pub async fn allow(&self, name: &str, paths: &[&str], capabilities: &[&str]) -> Result<()> {
        let rule = |path: &&str| format!("path {path:?} {{ capabilities = {capabilities:?} }}\n");
        let policy: String = paths.iter().map(rule).collect();
        self.write(
            &format!("sys/policies/acl/{name}"),
            json!({"policy": policy}),
        )
        .await?;
        Ok(())
    }

    /// Writes a secret of engine version 2.
    ///
    /// # Errors
    /// As the engine.
    pub async fn put(&self, mount: &str, path: &str, data: Value) -> Result<()> {
        self.write(&format!("{mount}/data/{path}"), json!({"data": data}))
            .await?;
        Ok(())
    }

    /// Puts a user into the directory that every ldap method here asks.
    pub fn put_directory_user(&self, name: &str, password: &str, groups: &[&str]) {
        let groups: BTreeSet<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        self.state()
            .directory
            .insert(name.to_ascii_lowercase(), (password.to_owned(), groups));
    }

    /// How often paths were called whose `verb path` begins with `call`, e.g.
    /// `write auth/jwt/login` or `read secret/data/`.
    #[must_use]
    pub fn calls(&self, call: &str) -> u64 {
        let state = self.state();
        let of = |(name, count): (&String, &u64)| name.starts_with(call).then_some(*count);
        state.calls.iter().filter_map(of).sum()
    }

    /// How many tokens live that were given by the auth method at `mount` of `namespace`.
    #[must_use]
    pub fn live_tokens(&self, namespace: &str, mount: &str) -> usize {
        let now = self.now();
        self.state()
            .tokens
            .alive(namespace, &format!("auth/{mount}"), now)
    }

    /// Ends every token but root's, as an operator in a hurry does.
    pub fn revoke_everything(&self) {
        self.state().tokens.revoke_all();
    }

    /// Seals or unseals.
    pub fn seal(&self, sealed: bool) {
        self.state().sealed = sealed;
    }

    /// Adds a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Removes every fault.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The faults that are not used up.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.list()
    }

    /// Forgets the issuers' documents, as a restart does.
    pub fn forget_issuers(&self) {
        for issuers in self
            .0
            .issuers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .values()
        {
            issuers.forget();
        }
    }
}
