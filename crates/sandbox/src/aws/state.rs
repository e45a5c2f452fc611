//! Everything this AWS remembers.
//!
//! Owns: the records of every service and the counters. Refuses: rules; those are with the
//! services. Accounts and regions are part of the keys, so a second account needs nothing made.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_trust::aws::{Arn, Caller, Context, Partition, Policy, PolicyKind};
use keyless_trust::provider::Provider;

use super::AwsOptions;
use super::credentials::{AccessKey, Credential, Identity, Kind, mint, unique_id};
use super::faults::Faults;
use super::guards::Guards;
use super::imds::Instance;
use super::kms::Keys;
use super::pod_identity::Associations;
use super::secrets_manager::Secrets;
use super::ssm::Parameters;

pub(super) type Tags = BTreeMap<String, String>;

/// How often an API was called and how often it refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All calls.
    pub total: u64,
    /// Those answered with an error of any kind.
    pub refused: u64,
}

#[derive(Debug)]
pub(super) struct State {
    /// By access key id.
    pub credentials: BTreeMap<String, Credential>,
    /// By ARN.
    pub providers: BTreeMap<String, ProviderRecord>,
    /// By account and name: paths do not make a name unique.
    pub roles: BTreeMap<(String, String), Role>,
    /// By ARN.
    pub policies: BTreeMap<String, ManagedPolicy>,
    pub parameters: Parameters,
    pub secrets: Secrets,
    pub associations: Associations,
    pub instance: Instance,
    pub keys: Keys,
    pub guards: Guards,
    pub faults: Faults,
    /// By service and API.
    pub calls: BTreeMap<(String, String), Calls>,
}

#[derive(Clone, Debug)]
pub(super) struct ProviderRecord {
    pub provider: Provider,
    pub created: i64,
    pub tags: Tags,
}

#[derive(Clone, Debug)]
pub(super) struct Role {
    pub arn: Arn,
    pub id: String,
    pub path: String,
    pub name: String,
    pub description: Option<String>,
    pub created: i64,
    /// Seconds.
    pub max_session: i64,
    pub trust: Document,
    /// Inline policies by name.
    pub inline: BTreeMap<String, Document>,
    /// ARNs of managed policies.
    pub attached: Vec<String>,
    pub tags: Tags,
}

/// A policy and the text it was given as.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub text: String,
    pub policy: Arc<Policy>,
}

impl Document {
    /// # Errors
    /// The policy's first fault.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, keyless_trust::aws::PolicyError> {
        Ok(Self {
            text: text.to_owned(),
            policy: Arc::new(Policy::parse(text, kind)?),
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct ManagedPolicy {
    pub arn: Arn,
    pub id: String,
    pub name: String,
    pub path: String,
    pub description: Option<String>,
    pub created: i64,
    pub updated: i64,
    /// By number; never empty.
    pub versions: BTreeMap<u32, (Document, i64)>,
    pub default_version: u32,
    /// The highest number given so far.
    pub last_version: u32,
    pub tags: Tags,
}

impl ManagedPolicy {
    pub fn document(&self) -> Option<&Document> {
        self.versions.get(&self.default_version).map(|(d, _)| d)
    }
}

/// The AWS-managed policies that set-ups of secrets mention.
const MANAGED: [(&str, &str); 3] = [
    (
        "AdministratorAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    (
        "SecretsManagerReadWrite",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:*","kms:DescribeKey","kms:ListAliases","kms:ListKeys"],"Resource":"*"}]}"#,
    ),
    (
        "AmazonSSMReadOnlyAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:Describe*","ssm:Get*","ssm:List*"],"Resource":"*"}]}"#,
    ),
];

impl State {
    pub fn new(options: &AwsOptions) -> (Self, AccessKey) {
        let partition = Partition::of_region(&options.region);
        let now = options.clock.unix();
        let policies: BTreeMap<_, _> = MANAGED
            .iter()
            .filter_map(|(name, text)| {
                let arn = Arn::iam(partition, "aws", &format!("policy/{name}"));
                let document = Document::parse(text, PolicyKind::Identity).ok()?;
                Some((arn.to_string(), managed(arn, name, "/", document, now)))
            })
            .collect();
        let mut state = Self {
            credentials: BTreeMap::new(),
            providers: BTreeMap::new(),
            roles: BTreeMap::new(),
            policies,
            parameters: Parameters::default(),
            secrets: Secrets::default(),
            associations: Associations::default(),
            instance: Instance::default(),
            keys: Keys::default(),
            guards: Guards::default(),
            faults: Faults::default(),
            calls: BTreeMap::new(),
        };
        let key = state.add_admin(partition, &options.account, now);
        (state, key)
    }

    /// A user that may do everything in `account`, and its key.
    pub fn add_admin(&mut self, partition: Partition, account: &str, now: i64) -> AccessKey {
        let arn = Arn::iam(partition, account, "user/admin");
        let all = Arn::iam(partition, "aws", "policy/AdministratorAccess").to_string();
        let policies = self
            .policies
            .get(&all)
            .and_then(ManagedPolicy::document)
            .map(|d| d.policy.clone());
        let identity = Identity {
            caller: Caller::Aws(arn.clone()),
            arn,
            user_id: unique_id("AIDA", 17),
            kind: Kind::User,
            policies: policies.into_iter().collect(),
            session_policies: Vec::new(),
            tags: BTreeMap::new(),
            transitive: Default::default(),
            source_identity: None,
            federation: Context::new(),
            issued: now,
        };
        let key = mint(false);
        let credential = Credential {
            key: key.clone(),
            expires: None,
            identity: Arc::new(identity),
        };
        self.credentials.insert(key.id.clone(), credential);
        key
    }

    /// Another key of whoever holds `key`, with a session token and an end.
    pub fn admin_session(&mut self, key: &AccessKey, expires: i64) -> AccessKey {
        let session = mint(true);
        if let Some(identity) = self.credentials.get(&key.id).map(|c| c.identity.clone()) {
            let credential = Credential {
                key: session.clone(),
                expires: Some(expires),
                identity,
            };
            self.credentials.insert(session.id.clone(), credential);
        }
        session
    }

    /// The identity policies in force for a caller now.
    pub fn policies_of(&self, identity: &Identity) -> Vec<Arc<Policy>> {
        let Some(role) = identity.role() else {
            return identity.policies.clone();
        };
        let name = role.role_name().unwrap_or_default().to_owned();
        let Some(role) = self.roles.get(&(role.account.clone(), name)) else {
            return Vec::new();
        };
        let attached = role
            .attached
            .iter()
            .filter_map(|arn| self.policies.get(arn)?.document());
        role.inline
            .values()
            .chain(attached)
            .map(|d| d.policy.clone())
            .collect()
    }

    pub fn count(&mut self, service: &str, api: &str, refused: bool) {
        let calls = self
            .calls
            .entry((service.to_owned(), api.to_owned()))
            .or_default();
        calls.total += 1;
        calls.refused += u64::from(refused);
    }
}

/// A managed policy in its first version.
pub(super) fn managed(
    arn: Arn,
    name: &str,
    path: &str,
    document: Document,
    now: i64,
) -> ManagedPolicy {
    ManagedPolicy {
        arn,
        id: unique_id("ANPA", 17),
        name: name.to_owned(),
        path: path.to_owned(),
        description: None,
        created: now,
        updated: now,
        versions: BTreeMap::from([(1, (document, now))]),
        default_version: 1,
        last_version: 1,
        tags: Tags::new(),
    }
}
