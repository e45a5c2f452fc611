//! The emulated AWS as a scenario sees it: its own parameters, roles and secrets, and counts of calls.

use keyless_sandbox::aws::Aws;

use super::*;

impl World {
    /// The full name of this scenario's parameter `name`.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("/{}/{}/{name}", self.tag(), self.ns)
    }

    pub(crate) fn tag(&self) -> &'static str {
        match self.ring.kind {
            Kind::Sandbox => "sandbox",
            Kind::Real => "real",
        }
    }

    pub(super) fn role_name(&self, name: &str) -> String {
        format!("{}-{name}", self.ns)
    }

    /// The ARN of this scenario's role `name`, whether it exists or not.
    #[must_use]
    pub fn role_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/{}", self.role_name(name))
    }

    /// The subject of this namespace's service account `name`.
    #[must_use]
    pub fn subject(&self, name: &str) -> String {
        format!("system:serviceaccount:{}:{name}", self.ns)
    }

    /// Writes a parameter.
    pub async fn parameter(&self, name: &str, value: &str) -> Result<()> {
        self.parameter_at(&self.path(name), value).await
    }

    /// Writes a parameter with a name of its own.
    pub async fn parameter_at(&self, path: &str, value: &str) -> Result<()> {
        self.ring.aws().put_parameter(path, value)?;
        Ok(())
    }

    /// Writes an encrypted parameter.
    pub async fn secure_parameter(&self, name: &str, value: &str) -> Result<()> {
        self.ring
            .aws()
            .put_secure_parameter(&self.path(name), value, None)?;
        Ok(())
    }

    /// The full name of this scenario's Secrets Manager secret `name`.
    #[must_use]
    pub fn secret_name(&self, name: &str) -> String {
        self.path(name).trim_start_matches('/').to_owned()
    }

    /// Writes a secret; returns the id of its version.
    pub fn secret_value(&self, name: &str, value: &str) -> Result<String> {
        self.secret_value_at(&self.secret_name(name), value)
    }

    /// Writes a secret with a name of its own; returns the id of its version.
    pub fn secret_value_at(&self, name: &str, value: &str) -> Result<String> {
        Ok(self.ring.aws().put_secret(name, value)?)
    }

    /// Writes a binary secret.
    pub fn secret_bytes(&self, name: &str, value: &[u8]) -> Result<()> {
        let aws = self.ring.aws();
        aws.put_binary_secret(&self.secret_name(name), value)?;
        Ok(())
    }

    /// Sets a tag of a secret.
    pub fn tag_secret(&self, name: &str, key: &str, value: &str) {
        let aws = self.ring.aws();
        aws.tag_secret(&self.secret_name(name), key, value);
    }

    /// Marks a secret for deletion.
    pub fn mark_secret_deleted(&self, name: &str) {
        self.ring
            .aws()
            .delete_secret(&self.secret_name(name), false);
    }

    pub(super) fn issuer_host(&self) -> String {
        self.ring
            .sandbox
            .issuer
            .url()
            .trim_start_matches("https://")
            .to_owned()
    }

    pub(super) fn ensure_provider(&self) -> Result<()> {
        match self
            .ring
            .aws()
            .create_oidc_provider(self.ring.sandbox.issuer.url(), &["sts.amazonaws.com"])
        {
            Err(error) if error.code != "EntityAlreadyExists" => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes or remakes role `name`: assumed by `subject` with a token of this cluster, allowed to
    /// read parameters that match `parameters`, and secrets that do without the leading slash.
    pub async fn aws_role(&self, name: &str, subject: &str, parameters: &str) -> Result<()> {
        self.ensure_provider()?;
        let host = self.issuer_host();
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}")},
            "Condition": {"StringEquals": {format!("{host}:aud"): "sts.amazonaws.com", format!("{host}:sub"): subject}},
        }]});
        self.put_role(
            &self.role_name(name),
            &trust,
            &read_policy(parameters, &self.role_arn("*")),
        )
    }

    /// Makes role `name`, assumed by the role `by` with this test's external id.
    pub async fn aws_chained_role(&self, name: &str, by: &str, parameters: &str) -> Result<()> {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"AWS": by},
            "Condition": {"StringEquals": {"sts:ExternalId": "the-tenant"}},
        }]});
        self.put_role(
            &self.role_name(name),
            &trust,
            &read_policy(parameters, &self.role_arn("*")),
        )
    }

    pub(super) fn put_role(&self, name: &str, trust: &Value, policy: &Value) -> Result<()> {
        let aws = self.ring.aws();
        match aws.create_role(name, &trust.to_string()) {
            Err(error) if error.code == "EntityAlreadyExists" => {
                aws.update_trust_policy(name, &trust.to_string())?
            }
            other => {
                other?;
            }
        }
        aws.put_role_policy(name, "read", &policy.to_string())?;
        Ok(())
    }

    /// The trust policy that [`World::aws_role`] gives the role of service account `account`.
    #[must_use]
    pub fn trust_policy(&self, account: &str) -> Value {
        let host = self.issuer_host();
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}")},
            "Condition": {"StringEquals": {
                format!("{host}:aud"): "sts.amazonaws.com",
                format!("{host}:sub"): self.subject(account),
            }},
        }]})
    }

    /// Replaces the trust policy of role `name`.
    pub fn set_trust_policy(&self, name: &str, policy: &Value) -> Result<()> {
        let aws = self.ring.aws();
        Ok(aws.update_trust_policy(&self.role_name(name), &policy.to_string())?)
    }

    /// Replaces what role `name` may do.
    pub fn set_role_policy(&self, name: &str, policy: &Value) -> Result<()> {
        let aws = self.ring.aws();
        Ok(aws.put_role_policy(&self.role_name(name), "read", &policy.to_string())?)
    }

    /// The emulated AWS.
    #[must_use]
    pub fn aws(&self) -> &'static Aws {
        self.ring.aws()
    }

    /// Takes the permission to read from role `name`.
    pub async fn deny(&self, name: &str) -> Result<()> {
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["ssm:*", "secretsmanager:*"], "Resource": "*"}]});
        self.ring
            .aws()
            .put_role_policy(&self.role_name(name), "read", &policy.to_string())?;
        Ok(())
    }

    /// The role of the operator itself, allowed to read `parameters`.
    pub async fn operator_identity(&self, parameters: &str) -> Result<()> {
        self.ensure_provider()?;
        let host = self.issuer_host();
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}")},
            "Condition": {"StringEquals": {
                format!("{host}:aud"): "sts.amazonaws.com",
                format!("{host}:sub"): "system:serviceaccount:external-secrets:external-secrets",
            }},
        }]});
        self.put_role(
            "operator",
            &trust,
            &read_policy(parameters, &operator_role()),
        )
    }

    /// A working AWS store `aws` by way of service account `account` and its role.
    pub async fn aws_ready(&self, account: &str) -> Result<()> {
        self.aws_role(account, &self.subject(account), &self.path("*"))
            .await?;
        self.service_account(
            account,
            json!({"eks.amazonaws.com/role-arn": self.role_arn(account)}),
        )
        .await?;
        self.store("aws", self.aws_store(account)).await
    }

    /// The spec of a Parameter Store store that logs in as `account`.
    #[must_use]
    pub fn aws_store(&self, account: &str) -> Value {
        json!({"provider": {"aws": {"service": "ParameterStore", "region": "eu-central-1", "auth": {"jwt": {"serviceAccountRef": {"name": account}}}}}})
    }

    /// The spec of a Secrets Manager store that logs in as `account`.
    #[must_use]
    pub fn secrets_store(&self, account: &str) -> Value {
        let mut spec = self.aws_store(account);
        spec["provider"]["aws"]["service"] = json!("SecretsManager");
        spec
    }

    /// Counts of AWS calls so far.
    #[must_use]
    pub fn aws_calls(&self) -> AwsCalls {
        AwsCalls(
            self.ring
                .aws()
                .all_calls()
                .into_iter()
                .map(|(api, calls)| (api, calls.total))
                .collect(),
        )
    }

    /// Waits until `api` was called `count` times more than at `before`.
    pub async fn until_calls(&self, before: &AwsCalls, api: &str, count: u64) -> Result<()> {
        eventually(&format!("{count} calls of {api}"), || async {
            Ok((self.aws_calls().since(before).of(api) >= count).then_some(()))
        })
        .await
    }

    /// The number of this scenario's account.
    #[must_use]
    pub fn aws_account(&self) -> &'static str {
        ACCOUNT
    }

    /// A key of this scenario's account that may read everything: (id, secret).
    #[must_use]
    pub fn access_key(&self) -> (String, String) {
        let key = self.ring.aws().admin_of(ACCOUNT);
        (key.id, key.secret)
    }
}
