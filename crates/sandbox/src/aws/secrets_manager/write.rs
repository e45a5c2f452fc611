//! Writing: create, put, update, stages, replicas.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_trust::aws::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::authorize::require;
use super::super::dispatch::Call;
use super::super::kms::Place;
use super::super::protocol::{ApiError, Protocol, invalid};
use super::super::state::State;
use super::record::{CURRENT, Content, MANAGED_KEY, Secret, Version, replicas_json, suffix};
use super::tags::{self, Tag};
use super::{
    alive, allow_key, allowed, invalid_parameter, invalid_request, name, no_key, not_found, place,
    replica, with_identity,
};

/// Bytes that a version may have.
const LARGEST: usize = 65_536;
/// Versions kept; the oldest without a stage goes first.
const MOST_VERSIONS: usize = 100;

/// The secret to be changed, if the caller may and it is neither deleted nor a replica.
pub(super) fn target<'a>(
    state: &'a mut State,
    call: &Call,
    id: &str,
    facts: &Context,
) -> Result<&'a mut Secret, ApiError> {
    let secret = allowed(state, call, id, facts)?;
    if secret.region != call.region {
        return Err(replica());
    }
    alive(secret)?;
    let key = name::key(&state.secrets, place(call)?, id)?;
    key.and_then(|key| state.secrets.get_mut(&key))
        .ok_or_else(not_found)
}

/// What several inputs share.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    client_request_token: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

impl Given {
    /// The content and the id of its version, if there is any content.
    fn read(self) -> Result<Option<(Content, String)>, ApiError> {
        let content = match (self.secret_string, self.secret_binary) {
            (Some(_), Some(_)) => {
                return Err(invalid_parameter(
                    "You can't specify both a binary secret value and a string secret value in the same secret.",
                ));
            }
            (None, None) => return Ok(None),
            (Some(text), None) => Content::Text(text),
            (None, Some(base64)) => Content::Binary(
                STANDARD
                    .decode(base64)
                    .map_err(|_| ApiError::bare("SerializationException"))?,
            ),
        };
        // The value itself stays out of the text.
        if !(1..=LARGEST).contains(&content.len()) {
            return Err(invalid(
                "ValidationException",
                Some(""),
                match content {
                    Content::Text(_) => "SecretString",
                    Content::Binary(_) => "SecretBinary",
                },
                "Member must have length between 1 and 65536, inclusive",
            ));
        }
        let token = self.client_request_token.ok_or_else(|| {
            invalid_parameter(
                "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
            )
        })?;
        if !(32..=64).contains(&token.len()) {
            return Err(invalid(
                "ValidationException",
                Some(&token),
                "ClientRequestToken",
                "Member must have length between 32 and 64, inclusive",
            ));
        }
        Ok(Some((content, token)))
    }
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Replica {
    region: String,
    kms_key_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateInput {
    name: String,
    description: Option<String>,
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    add_replica_regions: Vec<Replica>,
    #[serde(flatten)]
    value: Given,
}

/// A secret to be made.
pub(in super::super) struct Create {
    pub name: String,
    pub description: Option<String>,
    pub key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub replicas: BTreeMap<String, Option<String>>,
    /// With the id of its version.
    pub content: Option<(Content, String)>,
}

pub(super) fn create_checked(
    state: &mut State,
    call: &Call,
    input: CreateInput,
) -> Result<Value, ApiError> {
    name::check(&input.name)?;
    let tags = tags::read(&input.tags)?;
    let mut facts = call.context.clone();
    facts.extend(&tags::requested(&tags));
    facts.set("secretsmanager:Name", input.name.clone());
    if let Some(description) = &input.description {
        facts.set("secretsmanager:Description", description.clone());
    }
    let place = place(call)?;
    // The six characters are not known yet.
    let arn = place.arn("secretsmanager", &format!("secret:{}", input.name));
    let action = |name: &str| format!("secretsmanager:{name}");
    for action in std::iter::once(action("CreateSecret"))
        .chain((!tags.is_empty()).then(|| action("TagResource")))
        .chain((!input.add_replica_regions.is_empty()).then(|| action("ReplicateSecretToRegions")))
    {
        let resource = arn.to_string();
        let (identity, json) = (call.identity()?, Protocol::Json);
        require(state, identity, &action, &resource, &facts, json)?;
    }
    let content = input.value.read()?;
    let create = Create {
        key_id: key_id(state, place, input.kms_key_id)?,
        name: input.name,
        description: input.description,
        tags,
        replicas: regions(&input.add_replica_regions, place.region)?,
        content,
    };
    if create.content.is_some() && create.key_id.is_some() {
        let draft = draft(place, &create, call.now);
        allow_key(state, call, &WRITING, &draft, "")?;
    }
    let made = self::create(state, place, create, call.now)?;
    let mut json = with_identity(&made, &call.region);
    if let (Some(version), Some(map)) = (made.versions.last(), json.as_object_mut()) {
        map.insert("VersionId".into(), version.id.clone().into());
    }
    if let (false, Some(map)) = (made.replicas.is_empty(), json.as_object_mut()) {
        map.insert("ReplicationStatus".into(), replicas_json(&made));
    }
    Ok(json)
}

/// What writing a version does with the key.
const WRITING: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];

fn draft(place: Place<'_>, create: &Create, now: i64) -> Secret {
    Secret {
        account: place.account.to_owned(),
        region: place.region.to_owned(),
        name: create.name.clone(),
        suffix: suffix(),
        description: create.description.clone(),
        key_id: create.key_id.clone(),
        tags: create.tags.clone(),
        created: now,
        changed: now,
        accessed: None,
        deleted: None,
        gone: None,
        versions: Vec::new(),
        policy: None,
        replicas: create.replicas.clone(),
    }
}

/// Makes a secret without asking who may.
pub(in super::super) fn create(
    state: &mut State,
    place: Place<'_>,
    create: Create,
    now: i64,
) -> Result<Secret, ApiError> {
    name::check(&create.name)?;
    let key = (
        place.account.to_owned(),
        place.region.to_owned(),
        create.name.clone(),
    );
    if let Some(old) = state.secrets.get(&key) {
        if old.deleted.is_some() {
            return Err(invalid_request(
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            ));
        }
        // The same request again is answered as the first time.
        let again = create.content.as_ref().is_some_and(|(content, id)| {
            let same = |v: &Version| v.id == *id && v.content == *content;
            old.versions.iter().any(same)
        });
        if again {
            return Ok(old.clone());
        }
        return Err(ApiError::bad(
            "ResourceExistsException",
            format!(
                "The operation failed because the secret {} already exists.",
                create.name
            ),
        ));
    }
    let mut secret = draft(place, &create, now);
    if let Some((content, id)) = create.content {
        add_version(&mut secret, content, id, &[CURRENT.to_owned()], now)?;
    }
    state.secrets.insert(key, secret.clone());
    Ok(secret)
}

/// A new version, and where its stages move to. The same id with the same content is no change.
fn add_version(
    secret: &mut Secret,
    content: Content,
    id: String,
    stages: &[String],
    now: i64,
) -> Result<(), ApiError> {
    if let Some(old) = secret.versions.iter().find(|v| v.id == id) {
        if old.content == content {
            return Ok(());
        }
        return Err(ApiError::bad(
            "ResourceExistsException",
            format!(
                "You can't use ClientRequestToken {id} because that value is already in use for a version of secret {}.",
                secret.arn(&secret.region)
            ),
        ));
    }
    secret.versions.push(Version {
        id: id.clone(),
        content,
        created: now,
        stages: BTreeSet::new(),
    });
    secret.changed = now;
    for stage in stages {
        secret.move_stage(stage, &id);
    }
    if secret.versions.len() > MOST_VERSIONS
        && let Some(old) = secret.versions.iter().position(|v| v.stages.is_empty())
    {
        secret.versions.remove(old);
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutInput {
    secret_id: String,
    version_stages: Option<Vec<String>>,
    #[serde(flatten)]
    value: Given,
}

/// A version to be added.
pub(in super::super) struct Put {
    pub content: Content,
    /// The version's id.
    pub id: String,
    pub stages: Vec<String>,
}

pub(super) fn put_checked(
    state: &mut State,
    call: &Call,
    input: PutInput,
) -> Result<Value, ApiError> {
    let stages = input
        .version_stages
        .unwrap_or_else(|| vec![CURRENT.to_owned()]);
    let mut facts = Context::new();
    facts.set_all("secretsmanager:VersionStage", stages.iter().cloned());
    target(state, call, &input.secret_id, &facts)?;
    let (content, id) = input.value.read()?.ok_or_else(|| {
        invalid_parameter("You must provide either SecretString or SecretBinary.")
    })?;
    let secret = allowed(state, call, &input.secret_id, &facts)?;
    allow_key(state, call, &WRITING, secret, &id)?;
    let secret = target(state, call, &input.secret_id, &facts)?;
    let put = Put {
        content,
        id: id.clone(),
        stages,
    };
    self::put(secret, put, call.now)?;
    let stages = secret
        .versions
        .iter()
        .find(|v| v.id == id)
        .map(|v| v.stages.clone());
    let mut json = with_identity(secret, &call.region);
    if let Some(map) = json.as_object_mut() {
        map.insert("VersionId".into(), id.into());
        map.insert("VersionStages".into(), json!(stages));
    }
    Ok(json)
}

/// Adds a version without asking who may.
pub(in super::super) fn put(secret: &mut Secret, put: Put, now: i64) -> Result<(), ApiError> {
    add_version(secret, put.content, put.id, &put.stages, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    secret_id: String,
    description: Option<String>,
    kms_key_id: Option<String>,
    #[serde(flatten)]
    value: Given,
}

pub(super) fn update(state: &mut State, call: &Call, input: Update) -> Result<Value, ApiError> {
    let mut facts = Context::new();
    if let Some(description) = &input.description {
        facts.set("secretsmanager:Description", description.clone());
    }
    target(state, call, &input.secret_id, &facts)?;
    let content = input.value.read()?;
    let key = match input.kms_key_id {
        None => None,
        Some(id) => Some(key_id(state, place(call)?, Some(id))?),
    };
    if let Some((_, id)) = &content {
        let mut secret = allowed(state, call, &input.secret_id, &facts)?.clone();
        if let Some(key) = &key {
            secret.key_id.clone_from(key);
        }
        allow_key(state, call, &WRITING, &secret, id)?;
    }
    let secret = target(state, call, &input.secret_id, &facts)?;
    if let Some(key) = key {
        secret.key_id = key;
    }
    if input.description.is_some() {
        secret.description = input.description;
    }
    secret.changed = call.now;
    let mut version = None;
    if let Some((content, id)) = content {
        add_version(secret, content, id.clone(), &[CURRENT.to_owned()], call.now)?;
        version = Some(id);
    }
    let mut json = with_identity(secret, &call.region);
    if let (Some(version), Some(map)) = (version, json.as_object_mut()) {
        map.insert("VersionId".into(), version.into());
    }
    Ok(json)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Stage {
    secret_id: String,
    version_stage: String,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

pub(super) fn stage(state: &mut State, call: &Call, input: Stage) -> Result<Value, ApiError> {
    let mut facts = Context::new();
    facts.set_all("secretsmanager:VersionStage", [input.version_stage.clone()]);
    let secret = target(state, call, &input.secret_id, &facts)?;
    let stage = &input.version_stage;
    let holder = secret.staged(stage).map(|v| v.id.clone());
    if holder.is_some() && holder != input.remove_from_version_id {
        return Err(invalid_parameter(format!(
            "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {}, so you must explicitly reference that version in RemoveFromVersionId.",
            holder.unwrap_or_default()
        )));
    }
    match &input.move_to_version_id {
        Some(id) if !secret.versions.iter().any(|v| v.id == *id) => {
            return Err(ApiError::bad(
                "ResourceNotFoundException",
                format!(
                    "Secrets Manager can't find the specified secret value for VersionId: {id}"
                ),
            ));
        }
        Some(id) => secret.move_stage(stage, id),
        None if stage == CURRENT => {
            return Err(invalid_parameter(
                "You can't remove the AWSCURRENT staging label without moving it to another version.",
            ));
        }
        None => {
            for version in &mut secret.versions {
                version.stages.remove(stage);
            }
        }
    }
    Ok(with_identity(secret, &call.region))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Replicate {
    secret_id: String,
    add_replica_regions: Vec<Replica>,
}

pub(super) fn replicate(
    state: &mut State,
    call: &Call,
    input: Replicate,
) -> Result<Value, ApiError> {
    let added = regions(&input.add_replica_regions, &call.region)?;
    let secret = target(state, call, &input.secret_id, &Context::new())?;
    if let Some(twice) = added.keys().find(|r| secret.replicas.contains_key(*r)) {
        return Err(invalid_parameter(format!(
            "Secret already replicated to region {twice}."
        )));
    }
    secret.replicas.extend(added);
    Ok(json!({"ARN": secret.arn(&call.region), "ReplicationStatus": replicas_json(secret)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Unreplicate {
    secret_id: String,
    remove_replica_regions: Vec<String>,
}

pub(super) fn unreplicate(
    state: &mut State,
    call: &Call,
    input: Unreplicate,
) -> Result<Value, ApiError> {
    let secret = target(state, call, &input.secret_id, &Context::new())?;
    secret
        .replicas
        .retain(|region, _| !input.remove_replica_regions.contains(region));
    Ok(json!({"ARN": secret.arn(&call.region), "ReplicationStatus": replicas_json(secret)}))
}

fn regions(replicas: &[Replica], own: &str) -> Result<BTreeMap<String, Option<String>>, ApiError> {
    if replicas.iter().any(|r| r.region == own) {
        return Err(invalid_parameter(
            "Invalid replica region. The replica region must not be the primary region.",
        ));
    }
    Ok(replicas
        .iter()
        .map(|r| (r.region.clone(), r.kms_key_id.clone()))
        .collect())
}

/// A key as it is kept: `None` for the one that AWS manages.
fn key_id(state: &State, place: Place<'_>, id: Option<String>) -> Result<Option<String>, ApiError> {
    match id {
        None => Ok(None),
        Some(id) if id == MANAGED_KEY => Ok(None),
        Some(id) => match state.keys.find(place, &id) {
            Some(_) => Ok(Some(id)),
            None => Err(no_key()),
        },
    }
}
