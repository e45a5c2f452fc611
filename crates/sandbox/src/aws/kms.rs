//! The Key Management Service, as far as parameters and secrets need it: keys, aliases, and who may decrypt.
//!
//! Owns: key policies and the context a service passes when it uses a key for a caller.
//! Refuses: cryptography: nothing is ever encrypted here, so nothing can be decrypted outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_trust::aws::{
    Arn, Context, Decision, Partition, Policy, PolicyKind, Request, evaluate,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Aws;
use super::authorize::{Verdict, denied, judge, require};
use super::credentials::{Identity, request_id};
use super::dispatch::Call;
use super::protocol::{ApiError, Outcome, Protocol, Reply};
use super::state::State;

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub arn: Arn,
    description: String,
    created: i64,
    policy: Arc<Policy>,
}

impl Key {
    fn id(&self) -> &str {
        self.arn.resource.strip_prefix("key/").unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Keys {
    /// By ARN.
    keys: BTreeMap<String, Key>,
    /// ARN of the alias to ARN of the key.
    aliases: BTreeMap<String, String>,
}

/// Where a request is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub partition: Partition,
    pub account: &'a str,
    pub region: &'a str,
}

impl Place<'_> {
    pub fn arn(&self, service: &str, resource: &str) -> Arn {
        Arn {
            partition: self.partition.as_str().to_owned(),
            service: service.to_owned(),
            region: self.region.to_owned(),
            account: self.account.to_owned(),
            resource: resource.to_owned(),
        }
    }
}

impl Keys {
    /// The key that `id` names: an id, an alias, or either's ARN.
    pub fn find(&self, place: Place<'_>, id: &str) -> Option<&Key> {
        let arn = if id.starts_with("arn:") {
            id.to_owned()
        } else if id.starts_with("alias/") {
            place.arn("kms", id).to_string()
        } else {
            place.arn("kms", &format!("key/{id}")).to_string()
        };
        self.keys.get(self.aliases.get(&arn).unwrap_or(&arn))
    }

    /// A new key; without a policy of its own the account decides through identity policies.
    pub fn create(
        &mut self,
        place: Place<'_>,
        description: &str,
        policy: Option<Policy>,
        now: i64,
    ) -> Key {
        let arn = place.arn("kms", &format!("key/{}", request_id()));
        let root = Arn::iam(place.partition, place.account, "root");
        let default = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Enable IAM User Permissions", "Effect": "Allow",
            "Principal": {"AWS": root.to_string()}, "Action": "kms:*", "Resource": "*"}]});
        let policy = policy
            .or_else(|| Policy::from_value(&default, PolicyKind::Resource).ok())
            .unwrap_or(Policy {
                variables: true,
                id: None,
                statements: Vec::new(),
            });
        let key = Key {
            arn: arn.clone(),
            description: description.to_owned(),
            created: now,
            policy: Arc::new(policy),
        };
        self.keys.insert(arn.to_string(), key.clone());
        key
    }

    /// Gives `key` another name.
    pub fn alias(&mut self, place: Place<'_>, alias: &str, key: &Arn) {
        self.aliases
            .insert(place.arn("kms", alias).to_string(), key.to_string());
    }
}

/// Whether `identity` may use `key` for `action` through `service` with this encryption context.
///
/// # Errors
/// `AccessDeniedException` with KMS's sentence.
pub(super) fn use_key(
    state: &State,
    identity: &Identity,
    key: &Key,
    action: &str,
    service: &str,
    encryption: &[(&str, &str)],
    request: &Context,
) -> Result<(), ApiError> {
    let via = format!("{service}.{}.{}", key.arn.region, suffix(&key.arn));
    let mut context = identity.context();
    context.extend(request);
    context.set("kms:ViaService", via);
    context.set("kms:CallerAccount", identity.account());
    for (name, value) in encryption {
        context.set(&format!("kms:EncryptionContext:{name}"), *value);
    }
    let names = encryption.iter().map(|(name, _)| (*name).to_owned());
    context.set_all("kms:EncryptionContextKeys", names);
    let arn = key.arn.to_string();
    let asked = Request {
        caller: Some(&identity.caller),
        action,
        resource: Some(&arn),
        context: &context,
    };
    let mine = judge(state, identity, action, &arn, &context);
    let same_account = key.arn.account == identity.account();
    let verdict = match evaluate(&[&key.policy], &asked) {
        Decision::Allowed {
            delegated: false, ..
        } if same_account && !mine.overrules_direct_grant() => Verdict::Allowed,
        Decision::Allowed { .. } => mine,
        Decision::Denied { .. } => Verdict::Denied("resource-based"),
        Decision::NotAllowed { .. } if mine == Verdict::Allowed => {
            Verdict::Silent("resource-based")
        }
        Decision::NotAllowed { .. } => mine,
    };
    match verdict {
        Verdict::Allowed => Ok(()),
        refused => Err(denied(identity, action, &arn, refused, Protocol::Json)),
    }
}

fn suffix(arn: &Arn) -> &'static str {
    Partition::parse(&arn.partition)
        .unwrap_or(Partition::Aws)
        .dns_suffix()
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Input {
    key_id: String,
    description: String,
    policy: Option<String>,
    alias_name: String,
    target_key_id: String,
}

pub(super) fn call(aws: &Aws, call: &Call, body: &[u8]) -> Outcome {
    let input: Input = super::ssm::read(body)?;
    let mut state = aws.state();
    let json = match call.action.as_str() {
        "CreateKey" => create_key(&mut state, call, &input)?,
        "DescribeKey" => {
            let key = named(&state, call, &input.key_id)?;
            json!({"KeyMetadata": metadata(&key)})
        }
        "CreateAlias" => create_alias(&mut state, call, &input)?,
        _ => return Err(ApiError::bare("UnknownOperationException")),
    };
    Ok(Reply::Json(json))
}

fn place(call: &Call) -> Result<Place<'_>, ApiError> {
    Ok(Place {
        partition: call.partition(),
        account: call.account()?,
        region: &call.region,
    })
}

fn allow(state: &State, call: &Call, resource: &str) -> Result<(), ApiError> {
    let action = format!("kms:{}", call.action);
    require(
        state,
        call.identity()?,
        &action,
        resource,
        &call.context,
        Protocol::Json,
    )
}

/// The key `id` names, if the caller may do this to it.
fn named(state: &State, call: &Call, id: &str) -> Result<Key, ApiError> {
    let missing = || ApiError::bad("NotFoundException", format!("Key '{id}' does not exist"));
    let key = state.keys.find(place(call)?, id).ok_or_else(missing)?;
    allow(state, call, &key.arn.to_string())?;
    Ok(key.clone())
}

fn create_key(state: &mut State, call: &Call, input: &Input) -> Result<Value, ApiError> {
    allow(state, call, "*")?;
    let parse = |text: &String| {
        Policy::parse(text, PolicyKind::Resource)
            .map_err(|e| ApiError::bad("MalformedPolicyDocumentException", e.to_string()))
    };
    let policy = input.policy.as_ref().map(parse).transpose()?;
    let key = state
        .keys
        .create(place(call)?, &input.description, policy, call.now);
    Ok(json!({"KeyMetadata": metadata(&key)}))
}

fn create_alias(state: &mut State, call: &Call, input: &Input) -> Result<Value, ApiError> {
    let key = named(state, call, &input.target_key_id)?;
    let alias = &input.alias_name;
    if !alias.starts_with("alias/") || alias.starts_with("alias/aws/") {
        return Err(ApiError::bad(
            "InvalidAliasNameException",
            "Alias must start with the prefix \"alias/\" and not with \"alias/aws/\"",
        ));
    }
    state.keys.alias(place(call)?, alias, &key.arn);
    Ok(json!({}))
}

fn metadata(key: &Key) -> Value {
    json!({
        "AWSAccountId": key.arn.account, "KeyId": key.id(), "Arn": key.arn.to_string(), "CreationDate": key.created,
        "Enabled": true, "Description": key.description, "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled",
        "Origin": "AWS_KMS", "KeyManager": "CUSTOMER", "KeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": false,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
    })
}
