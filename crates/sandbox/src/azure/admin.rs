//! The handle for tests and the tour: set things up without a token, break them, count.
//!
//! Owns: nothing; it calls what the APIs call, past permission.

use std::collections::BTreeMap;

use keyless_trust::azure::{CredentialError, FederatedCredential};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

use super::answer::{Answer, guid};
use super::faults::Fault;
use super::roles::{self, Assignment, Role};
use super::state::{Calls, Client, Placement};
use super::vault::{self, Access, Kind, Secret, Vault};
use super::{Azure, GROUP, LOCATION, vault::Policy};

/// What Azure would have answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AdminError {
    /// Azure's code.
    pub code: String,
    /// Azure's text.
    pub message: String,
}

impl AdminError {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

impl From<CredentialError> for AdminError {
    fn from(error: CredentialError) -> Self {
        Self::new("InvalidParameter", error.to_string())
    }
}

impl From<Answer> for AdminError {
    fn from(answer: Answer) -> Self {
        let text = |path: &str| answer.body.pointer(path).and_then(Value::as_str);
        Self::new(
            text("/error/code").unwrap_or_default(),
            text("/error/message").unwrap_or_default(),
        )
    }
}

type Result<T> = std::result::Result<T, AdminError>;

/// An application or managed identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What logs in.
    pub client_id: String,
    /// What permissions are given to.
    pub object_id: String,
}

impl Azure {
    /// Creates a user-assigned managed identity in the resource group [`GROUP`]. It may be one
    /// more of that name; the Resource Manager then shows one of them.
    #[must_use]
    pub fn create_managed_identity(&self, name: &str) -> Identity {
        self.create(name, Some(Placement::new(GROUP, LOCATION)))
    }

    /// Creates an application with its service principal.
    #[must_use]
    pub fn create_application(&self, name: &str) -> Identity {
        self.create(name, None)
    }

    pub(super) fn create(&self, name: &str, managed: Option<Placement>) -> Identity {
        let identity = Identity {
            client_id: guid(),
            object_id: guid(),
        };
        let client = Client {
            managed,
            ..Client::new(name, &identity.client_id, &identity.object_id)
        };
        self.state().clients.insert(client.id.clone(), client);
        identity
    }

    /// Deletes an application or managed identity.
    pub fn delete_identity(&self, client_id: &str) {
        self.state().clients.remove(&client_id.to_ascii_lowercase());
    }

    /// Adds a federated credential: tokens of `issuer` about `subject` for `audience` become the
    /// client.
    ///
    /// # Errors
    /// As Microsoft Graph and ARM.
    pub fn add_federated_credential(
        &self,
        client_id: &str,
        name: &str,
        issuer: &str,
        subject: &str,
        audience: &str,
    ) -> Result<()> {
        let made = FederatedCredential::new(name, issuer, subject, audience)?;
        let mut state = self.state();
        made.join(&mut client(&mut state.clients, client_id)?.credentials)?;
        Ok(())
    }

    /// Removes a federated credential by name.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn remove_federated_credential(&self, client_id: &str, name: &str) -> Result<()> {
        let mut state = self.state();
        let client = client(&mut state.clients, client_id)?;
        client.credentials.retain(|c| c.name() != name);
        Ok(())
    }

    /// Adds a client secret; `expires` is in seconds since 1970.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn add_client_secret(
        &self,
        client_id: &str,
        value: &str,
        expires: Option<i64>,
    ) -> Result<()> {
        let mut state = self.state();
        let client = client(&mut state.clients, client_id)?;
        client.secrets.push((value.to_owned(), expires));
        Ok(())
    }

    /// Registers a certificate (PEM).
    ///
    /// # Errors
    /// When there is no such client, or the text is no certificate.
    pub fn add_client_certificate(&self, client_id: &str, pem: &str) -> Result<()> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| AdminError::new("InvalidParameter", "no certificate in PEM"))?;
        let mut state = self.state();
        let client = client(&mut state.clients, client_id)?;
        client.certificates.push(der.to_vec());
        Ok(())
    }

    /// Gives the node a managed identity.
    pub fn assign_to_node(&self, client_id: &str) {
        self.state().node.push(client_id.to_owned());
    }

    /// Takes every managed identity from the node.
    pub fn clear_node(&self) {
        self.state().node.clear();
    }

    /// Creates an empty vault in the resource group [`GROUP`], in place of one of that name.
    pub fn create_vault(&self, name: &str, access: Access) {
        self.delete_vault(name);
        let vault = Vault::new(name, Placement::new(GROUP, LOCATION), access);
        self.state().vaults.insert(name.to_ascii_lowercase(), vault);
    }

    /// Deletes a vault and what was assigned on it; says whether there was one.
    pub fn delete_vault(&self, name: &str) -> bool {
        let mut state = self.state();
        let Some(old) = state.vaults.remove(&name.to_ascii_lowercase()) else {
            return false;
        };
        let id = old.resource_id(self.subscription());
        state.assignments.retain(|a| !roles::covers(&id, &a.scope));
        true
    }

    /// Sets the access policy of `object_id`: verbs for secrets, certificates and keys.
    ///
    /// # Errors
    /// When there is no such vault.
    pub fn set_access_policy(
        &self,
        vault: &str,
        object_id: &str,
        [secrets, certificates, keys]: [&[&str]; 3],
    ) -> Result<()> {
        let set = |verbs: &[&str]| verbs.iter().map(|verb| (*verb).to_owned()).collect();
        let policy = Policy {
            secrets: set(secrets),
            certificates: set(certificates),
            keys: set(keys),
        };
        self.with_vault(vault, |vault| {
            vault
                .policies
                .insert(object_id.to_ascii_lowercase(), policy);
            Ok(())
        })
    }

    /// Assigns a built-in role to `object_id`, on the whole vault or on one secret.
    ///
    /// # Errors
    /// When there is no such vault or role.
    pub fn assign_role(
        &self,
        vault: &str,
        object_id: &str,
        role: &str,
        secret: Option<&str>,
    ) -> Result<()> {
        let role =
            Role::named(role).ok_or_else(|| AdminError::new("RoleDefinitionDoesNotExist", role))?;
        let vault = self.vault_id(vault)?;
        let scope = match secret {
            Some(name) => format!("{vault}/secrets/{name}"),
            None => vault,
        };
        let assignment = Assignment {
            name: guid(),
            scope,
            principal: object_id.to_owned(),
            principal_type: "ServicePrincipal".to_owned(),
            role,
            description: None,
            created: self.now(),
            by: String::new(),
        };
        self.state().assignments.push(assignment);
        Ok(())
    }

    /// Takes every policy and role in `vault` from `object_id`.
    ///
    /// # Errors
    /// When there is no such vault.
    pub fn revoke(&self, vault: &str, object_id: &str) -> Result<()> {
        let id = self.vault_id(vault)?;
        self.state()
            .assignments
            .retain(|a| a.principal != object_id || !roles::covers(&id, &a.scope));
        self.with_vault(vault, |vault| {
            vault.policies.remove(&object_id.to_ascii_lowercase());
            Ok(())
        })
    }

    fn vault_id(&self, name: &str) -> Result<String> {
        let subscription = self.subscription();
        self.with_vault(name, |vault| Ok(vault.resource_id(subscription)))
    }

    /// Writes a secret; returns its version.
    ///
    /// # Errors
    /// As `SetSecret`.
    pub fn set_secret(&self, vault: &str, name: &str, value: &str) -> Result<String> {
        let secret = Secret {
            value: value.to_owned(),
            ..Secret::default()
        };
        self.set_secret_with(vault, name, &secret)
    }

    /// Writes a secret with everything that belongs to it; returns its version.
    ///
    /// # Errors
    /// As `SetSecret`.
    pub fn set_secret_with(&self, vault: &str, name: &str, secret: &Secret) -> Result<String> {
        let now = self.now();
        self.with_vault(vault, |vault| {
            vault::set_secret(vault, name, &secret.request(), now)?;
            let key = (Kind::Secret, name.to_ascii_lowercase());
            let newest = vault.objects.get(&key).and_then(|o| o.newest());
            Ok(newest.map(|v| v.id.clone()).unwrap_or_default())
        })
    }

    /// Enables or disables a version of a secret, or its newest.
    ///
    /// # Errors
    /// When there is none.
    pub fn enable_secret(
        &self,
        vault: &str,
        name: &str,
        version: Option<&str>,
        enabled: bool,
    ) -> Result<()> {
        let now = self.now();
        let request = serde_json::json!({"attributes": {"enabled": enabled}});
        self.with_vault(vault, |vault| {
            vault::update_secret(vault, name, version, &request, now)?;
            Ok(())
        })
    }

    /// Imports a certificate with its key, in PEM or base64 of PKCS#12.
    ///
    /// # Errors
    /// As `ImportCertificate`.
    pub fn import_certificate(&self, vault: &str, name: &str, value: &str) -> Result<()> {
        let pem = value.contains("-----BEGIN");
        let kind = if pem {
            "application/x-pem-file"
        } else {
            "application/x-pkcs12"
        };
        let policy = serde_json::json!({"secret_props": {"contentType": kind}});
        let request = serde_json::json!({"value": value, "policy": policy});
        let now = self.now();
        self.with_vault(vault, |vault| {
            vault::import_certificate(vault, name, &request, now)?;
            Ok(())
        })
    }

    /// Imports a key given as a private JWK.
    ///
    /// # Errors
    /// As `ImportKey`.
    pub fn import_key(&self, vault: &str, name: &str, jwk: &Value) -> Result<()> {
        let request = serde_json::json!({"key": jwk});
        let now = self.now();
        self.with_vault(vault, |vault| {
            vault::import_key(vault, name, &request, now)?;
            Ok(())
        })
    }

    /// The present value of a secret and its tags, unless it is deleted.
    #[must_use]
    pub fn secret(&self, vault: &str, name: &str) -> Option<Secret> {
        self.with_vault(vault, |vault| {
            let key = (Kind::Secret, name.to_ascii_lowercase());
            let object = vault.objects.get(&key).filter(|o| o.deleted.is_none());
            Ok(object.and_then(|object| {
                let newest = object.newest()?;
                let text = |field: &str| {
                    let value = newest.body.get(field)?;
                    Some(value.as_str()?.to_owned())
                };
                Some(Secret {
                    value: text("value")?,
                    content_type: text("contentType"),
                    tags: newest.tags.clone(),
                    disabled: !newest.enabled,
                    expires: newest.expires,
                    not_before: newest.not_before,
                })
            }))
        })
        .ok()
        .flatten()
    }

    /// Deletes a secret; its name stays taken until it is purged.
    ///
    /// # Errors
    /// As `DeleteSecret`.
    pub fn delete_secret(&self, vault: &str, name: &str) -> Result<()> {
        let now = self.now();
        self.with_vault(vault, |vault| {
            vault::delete(vault, Kind::Secret, name, now)?;
            Ok(())
        })
    }

    /// Arms a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Disarms every fault of one vault.
    pub fn clear_faults_of(&self, vault: &str) {
        self.state().faults.clear_of(vault);
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

    /// Makes Entra read every issuer's keys anew.
    pub fn forget_issuer_keys(&self) {
        self.0.issuers.forget();
    }

    fn with_vault<T>(&self, name: &str, edit: impl FnOnce(&mut Vault) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        let vault = state
            .vaults
            .get_mut(&name.to_ascii_lowercase())
            .ok_or_else(|| AdminError::new("VaultNotFound", name))?;
        edit(vault)
    }
}

fn client<'a>(clients: &'a mut BTreeMap<String, Client>, id: &str) -> Result<&'a mut Client> {
    clients
        .get_mut(&id.to_ascii_lowercase())
        .ok_or_else(|| AdminError::new("ResourceNotFound", id))
}
