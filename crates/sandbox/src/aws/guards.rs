//! What stands around an account: its organisation's control policy, and the policy of the VPC
//! endpoint that every call passes.
//!
//! Owns: setting and asking them. Refuses: an organisation's tree; the one policy of an account is
//! what all of its levels together allow. As at AWS, logging in with a token is not the account's
//! own call, so that neither stops it here.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_trust::aws::{Decision, Policy, PolicyKind, Request, evaluate};

use super::Aws;
use super::admin::AdminError;
use super::credentials::Identity;
use super::protocol::ApiError;

/// As AWS names it in a refusal.
pub(super) const ORGANISATION: &str = "service control";
/// As AWS names it in a refusal.
pub(super) const ENDPOINT: &str = "VPC endpoint";

/// Which calls get through; all of them where nothing is set.
#[derive(Clone, Debug, Default)]
pub(super) struct Guards {
    /// By account.
    control: BTreeMap<String, Arc<Policy>>,
    endpoint: Option<Arc<Policy>>,
}

impl Guards {
    /// The layers that have a word here, and what they say.
    pub fn judge(
        &self,
        identity: &Identity,
        request: &Request<'_>,
    ) -> Vec<(&'static str, Decision)> {
        let control = self.control.get(identity.account());
        let control = control.map(|policy| (ORGANISATION, evaluate(&[policy.as_ref()], request)));
        // The endpoint's policy names principals.
        let named = Request {
            caller: Some(&identity.caller),
            action: request.action,
            resource: request.resource,
            context: request.context,
        };
        let endpoint = self.endpoint.as_ref();
        let endpoint = endpoint.map(|policy| (ENDPOINT, evaluate(&[policy.as_ref()], &named)));
        control.into_iter().chain(endpoint).collect()
    }
}

fn parse(text: &str, kind: PolicyKind) -> Result<Arc<Policy>, AdminError> {
    Policy::parse(text, kind)
        .map(Arc::new)
        .map_err(|e| ApiError::bad("MalformedPolicyDocument", e.to_string()).into())
}

impl Aws {
    /// Sets the service control policy of an account, or takes it away.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn set_control_policy(
        &self,
        account: &str,
        policy: Option<&str>,
    ) -> Result<(), AdminError> {
        let policy = policy
            .map(|text| parse(text, PolicyKind::Identity))
            .transpose()?;
        let control = &mut self.state().guards.control;
        match policy {
            Some(policy) => control.insert(account.to_owned(), policy),
            None => control.remove(account),
        };
        Ok(())
    }

    /// Sets the policy of the VPC endpoint that every call here passes, or takes the endpoint away.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn set_endpoint_policy(&self, policy: Option<&str>) -> Result<(), AdminError> {
        let policy = policy
            .map(|text| parse(text, PolicyKind::Resource))
            .transpose()?;
        self.state().guards.endpoint = policy;
        Ok(())
    }
}
