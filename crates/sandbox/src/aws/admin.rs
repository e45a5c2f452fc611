//! The handle for tests and the tour: set things up without a signature, break them, count.
//!
//! Owns: nothing; it calls what the APIs call, past permission. Everything happens in the
//! account and region of the options unless said otherwise.

use std::collections::BTreeMap;

use keyless_trust::aws::{Arn, Partition, Policy, PolicyKind, federation};
use keyless_trust::{Target, Trust};

use super::Aws;
use super::credentials::{AccessKey, request_id};
use super::faults::Fault;
use super::iam::{providers, roles};
use super::kms::Place;
use super::protocol::ApiError;
use super::secrets_manager::{self, Content};
use super::ssm::{self, Kind, Put};
use super::state::{Calls, Document, Role, State, Tags};

/// What AWS would have answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AdminError {
    /// AWS's code.
    pub code: String,
    /// AWS's text.
    pub message: String,
}

impl From<ApiError> for AdminError {
    fn from(e: ApiError) -> Self {
        Self {
            code: e.code,
            message: e.message.unwrap_or_default(),
        }
    }
}

/// What [`Aws::secret`] tells. No `Debug`: it holds the value.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretSeen {
    /// With its six characters.
    pub arn: String,
    /// The current version's.
    pub value: Option<Vec<u8>>,
    /// Whether that is `SecretBinary`.
    pub binary: bool,
    /// Ids, oldest first.
    pub versions: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its description.
    pub description: Option<String>,
    /// `None` for the key that AWS manages.
    pub key_id: Option<String>,
    /// Its own policy.
    pub policy: Option<String>,
    /// Regions.
    pub replicas: Vec<String>,
    /// When it will be gone, in seconds since 1970, if it is marked for deletion.
    pub gone: Option<i64>,
}

type Result<T> = std::result::Result<T, AdminError>;

impl Aws {
    /// Creates an OpenID Connect provider; returns its ARN.
    ///
    /// # Errors
    /// As `CreateOpenIDConnectProvider`.
    pub fn create_oidc_provider(&self, url: &str, client_ids: &[&str]) -> Result<String> {
        let ids = client_ids.iter().map(|s| (*s).to_owned()).collect();
        let provider = providers::build(url, ids, Vec::new())?;
        let arn = providers::create(
            &mut self.state(),
            self.partition(),
            self.account(),
            provider,
            Tags::new(),
            self.now(),
        )?;
        Ok(arn.to_string())
    }

    /// Deletes a provider, by ARN.
    pub fn delete_oidc_provider(&self, arn: &str) {
        self.state().providers.remove(arn);
    }

    /// Creates a role with a trust policy; returns its ARN. Sessions last up to twelve hours.
    ///
    /// # Errors
    /// As `CreateRole`.
    pub fn create_role(&self, name: &str, trust_policy: &str) -> Result<String> {
        let new = roles::NewRole {
            name,
            path: "/",
            trust: trust_policy,
            description: None,
            max_session: 43_200,
            tags: Tags::new(),
        };
        let mut state = self.state();
        let role = roles::create(
            &mut state,
            self.partition(),
            self.account(),
            new,
            self.now(),
        )?;
        Ok(role.arn.to_string())
    }

    /// Creates what `trust` needs and has not got: the provider, its client id, the role (named as
    /// in the trust's target, in this handle's account). The role's trust policy is what the model
    /// renders; a role that exists gets it in place of its own. Returns the role's ARN.
    ///
    /// # Errors
    /// As `CreateOpenIDConnectProvider` and `CreateRole`; `ValidationError` for a target that is
    /// no role.
    pub fn establish(&self, trust: &Trust) -> Result<String> {
        let no_role = || ApiError::bad("ValidationError", "the trust's target is no role");
        let Target::AwsRole(role) = &trust.target else {
            return Err(no_role().into());
        };
        let name = role.role_name().ok_or_else(no_role)?;
        let arn = keyless_trust::provider::arn(&trust.issuer, self.partition(), self.account());
        let known = self.state().providers.contains_key(&arn.to_string());
        if !known {
            self.create_oidc_provider(trust.issuer.as_str(), &[])?;
        }
        if let Some(record) = self.state().providers.get_mut(&arn.to_string()) {
            let added = record.provider.add_client_id(trust.audience.clone());
            added.map_err(|e| ApiError::bad("InvalidInput", e.to_string()))?;
        }
        let policy = federation::trust_policy(std::slice::from_ref(trust))
            .to_json()
            .to_string();
        match self.update_trust_policy(name, &policy) {
            Ok(()) => Ok(role.to_string()),
            Err(e) if e.code == "NoSuchEntity" => self.create_role(name, &policy),
            Err(e) => Err(e),
        }
    }

    /// Replaces a role's trust policy.
    ///
    /// # Errors
    /// As `UpdateAssumeRolePolicy`.
    pub fn update_trust_policy(&self, role: &str, trust_policy: &str) -> Result<()> {
        let trust = parse(trust_policy, PolicyKind::Trust)?;
        self.role(&mut self.state(), role)?.trust = trust;
        Ok(())
    }

    /// Deletes a role with all its policies.
    pub fn delete_role(&self, name: &str) {
        self.state()
            .roles
            .remove(&(self.account().to_owned(), name.to_owned()));
    }

    /// Sets an inline policy of a role.
    ///
    /// # Errors
    /// As `PutRolePolicy`.
    pub fn put_role_policy(&self, role: &str, name: &str, policy: &str) -> Result<()> {
        let policy = parse(policy, PolicyKind::Identity)?;
        self.role(&mut self.state(), role)?
            .inline
            .insert(name.to_owned(), policy);
        Ok(())
    }

    /// Writes a parameter (`String`), over an old one if there is one; returns its version.
    ///
    /// # Errors
    /// As `PutParameter`.
    pub fn put_parameter(&self, name: &str, value: &str) -> Result<u64> {
        self.write(name, value, Kind::String, None)
    }

    /// As [`Aws::put_parameter`], for a `SecureString`; `key` is a KMS key id, ARN or alias,
    /// absent for the key that AWS manages.
    ///
    /// # Errors
    /// As `PutParameter`.
    pub fn put_secure_parameter(&self, name: &str, value: &str, key: Option<&str>) -> Result<u64> {
        self.write(name, value, Kind::SecureString, key)
    }

    fn write(&self, name: &str, value: &str, kind: Kind, key: Option<&str>) -> Result<u64> {
        let put = Put {
            name: name.to_owned(),
            value: value.to_owned(),
            r#type: Some(kind),
            key_id: key.map(str::to_owned),
            overwrite: true,
            description: None,
            allowed_pattern: None,
            tier: None,
            data_type: None,
            tags: Vec::new(),
        };
        let user = Arn::iam(self.partition(), self.account(), "user/admin").to_string();
        let (version, _) = ssm::put(&mut self.state(), self.place(), put, &user, self.now())?;
        Ok(version)
    }

    /// The present value of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let key = (
            self.account().to_owned(),
            self.region().to_owned(),
            name.to_owned(),
        );
        Some(self.state().parameters.get(&key)?.latest()?.value.clone())
    }

    /// Deletes a parameter; says whether there was one.
    pub fn delete_parameter(&self, name: &str) -> bool {
        let key = (
            self.account().to_owned(),
            self.region().to_owned(),
            name.to_owned(),
        );
        self.state().parameters.remove(&key).is_some()
    }

    /// Writes a text secret: a new version, moved to AWSCURRENT, or a secret made anew. Returns the
    /// version's id.
    ///
    /// # Errors
    /// As `CreateSecret` and `PutSecretValue`.
    pub fn put_secret(&self, name: &str, value: &str) -> Result<String> {
        self.write_secret(name, Content::Text(value.to_owned()), None)
    }

    /// As [`Aws::put_secret`], for bytes.
    ///
    /// # Errors
    /// As `CreateSecret` and `PutSecretValue`.
    pub fn put_binary_secret(&self, name: &str, value: &[u8]) -> Result<String> {
        self.write_secret(name, Content::Binary(value.to_owned()), None)
    }

    /// As [`Aws::put_secret`], for a secret whose key is `key`: a KMS key id, ARN or alias.
    ///
    /// # Errors
    /// As `CreateSecret` and `PutSecretValue`.
    pub fn put_locked_secret(&self, name: &str, value: &str, key: &str) -> Result<String> {
        self.write_secret(name, Content::Text(value.to_owned()), Some(key.to_owned()))
    }

    fn write_secret(&self, name: &str, content: Content, key: Option<String>) -> Result<String> {
        let id = request_id();
        let mut state = self.state();
        if let Some(secret) = state.secrets.get_mut(&self.secret_key(name)) {
            let put = secrets_manager::Put {
                content,
                id: id.clone(),
                stages: vec!["AWSCURRENT".to_owned()],
            };
            secrets_manager::put(secret, put, self.now())?;
            return Ok(id);
        }
        let create = secrets_manager::Create {
            name: name.to_owned(),
            description: None,
            key_id: key,
            tags: Tags::new(),
            replicas: BTreeMap::new(),
            content: Some((content, id.clone())),
        };
        secrets_manager::create(&mut state, self.place(), create, self.now())?;
        Ok(id)
    }

    /// Sets a tag of a secret; says whether there is such a secret.
    pub fn tag_secret(&self, name: &str, key: &str, value: &str) -> bool {
        let mut state = self.state();
        let secret = state.secrets.get_mut(&self.secret_key(name));
        secret.is_some_and(|secret| {
            secret.tags.insert(key.to_owned(), value.to_owned());
            true
        })
    }

    /// What is known of a secret, whether it is marked for deletion or not.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<SecretSeen> {
        let state = self.state();
        let secret = state.secrets.get(&self.secret_key(name))?;
        let current = secret.staged("AWSCURRENT");
        Some(SecretSeen {
            arn: secret.arn(self.region()),
            value: current.map(|v| match &v.content {
                Content::Text(text) => text.clone().into_bytes(),
                Content::Binary(bytes) => bytes.clone(),
            }),
            binary: current.is_some_and(|v| matches!(v.content, Content::Binary(_))),
            versions: secret.versions.iter().map(|v| v.id.clone()).collect(),
            tags: secret.tags.clone(),
            description: secret.description.clone(),
            key_id: secret.key_id.clone(),
            policy: secret.policy.as_ref().map(|p| p.text.clone()),
            replicas: secret.replicas.keys().cloned().collect(),
            gone: secret.gone,
        })
    }

    /// Marks a secret for deletion in 30 days, or removes it at once; says whether there was one.
    pub fn delete_secret(&self, name: &str, at_once: bool) -> bool {
        let mut state = self.state();
        let key = self.secret_key(name);
        if at_once {
            return state.secrets.remove(&key).is_some();
        }
        state.secrets.get_mut(&key).is_some_and(|secret| {
            secret.deleted = Some(self.now());
            secret.gone = Some(self.now() + 30 * 86_400);
            true
        })
    }

    fn secret_key(&self, name: &str) -> (String, String, String) {
        (
            self.account().to_owned(),
            self.region().to_owned(),
            name.to_owned(),
        )
    }

    /// Tags of a parameter.
    #[must_use]
    pub fn parameter_tags(&self, name: &str) -> Option<Tags> {
        Some(
            self.state()
                .parameters
                .get(&self.secret_key(name))?
                .tags
                .clone(),
        )
    }

    /// Associates a service account of the cluster with a role, as EKS Pod Identity does.
    ///
    /// # Errors
    /// `ValidationError` for what is no role's ARN.
    pub fn associate(&self, namespace: &str, service_account: &str, role: &str) -> Result<()> {
        let role = role_arn(role)?;
        let key = (namespace.to_owned(), service_account.to_owned());
        self.state().associations.insert(key, role);
        Ok(())
    }

    /// Ends an association.
    pub fn disassociate(&self, namespace: &str, service_account: &str) {
        let key = (namespace.to_owned(), service_account.to_owned());
        self.state().associations.remove(&key);
    }

    /// Gives the node a role, or takes it away.
    ///
    /// # Errors
    /// `ValidationError` for what is no role's ARN.
    pub fn set_instance_role(&self, role: Option<&str>) -> Result<()> {
        self.state().instance.role = role.map(role_arn).transpose()?;
        Ok(())
    }

    /// Makes a user's access key a session's: the administrator for an hour, with a session token.
    #[must_use]
    pub fn admin_session(&self) -> AccessKey {
        self.state().admin_session(&self.0.admin, self.now() + 3600)
    }

    /// Creates a KMS key, with a key policy or the default one; returns its ARN.
    ///
    /// # Errors
    /// When the policy is malformed.
    pub fn create_key(&self, policy: Option<&str>) -> Result<String> {
        let policy = policy
            .map(|text| Policy::parse(text, PolicyKind::Resource))
            .transpose()
            .map_err(|e| ApiError::bad("MalformedPolicyDocumentException", e.to_string()))?;
        Ok(self
            .state()
            .keys
            .create(self.place(), "", policy, self.now())
            .arn
            .to_string())
    }

    /// Gives another account an administrator; returns the key.
    #[must_use]
    pub fn admin_of(&self, account: &str) -> AccessKey {
        self.state()
            .add_admin(self.partition(), account, self.now())
    }

    /// Arms a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Disarms every fault.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The faults still armed.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.list()
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

    /// Sets every count to nothing.
    pub fn reset_calls(&self) {
        self.state().calls.clear();
    }

    /// Makes STS read every issuer's keys anew.
    pub fn forget_issuer_keys(&self) {
        self.0.issuers.forget();
    }

    fn partition(&self) -> Partition {
        Partition::of_region(self.region())
    }

    fn place(&self) -> Place<'_> {
        Place {
            partition: self.partition(),
            account: self.account(),
            region: self.region(),
        }
    }

    fn role<'a>(&self, state: &'a mut State, name: &str) -> Result<&'a mut Role> {
        let missing = || {
            ApiError::new(
                404,
                "NoSuchEntity",
                format!("The role with name {name} cannot be found."),
            )
        };
        Ok(state
            .roles
            .get_mut(&(self.account().to_owned(), name.to_owned()))
            .ok_or_else(missing)?)
    }
}

fn role_arn(text: &str) -> Result<Arn> {
    Ok(Arn::parse_role(text)
        .map_err(|_| ApiError::bad("ValidationError", format!("{text} is invalid")))?)
}

fn parse(text: &str, kind: PolicyKind) -> Result<Document> {
    Ok(Document::parse(text, kind)
        .map_err(|e| ApiError::bad("MalformedPolicyDocument", e.to_string()))?)
}
