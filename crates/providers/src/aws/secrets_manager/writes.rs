//! Writing and deleting.
//!
//! Owns: what a push changes (value, tags, description, key, policy, replicas) and that it changes
//! nothing else. Refuses: whatever is not marked as ours.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{ReplicaRegionType, Tag};
use keyless_secret::SecretBytes;
use serde::Deserialize;

use super::reads::tags;
use super::{SecretsManager, pick};
use crate::aws::push::{self, Tags};
use crate::{Error, Push, Pushed, Ref, Remote, merge, property};

/// The id of a pushed secret's first version: a creation that is repeated finds its own.
const FIRST: &str = "00000000-0000-0000-0000-000000000001";
/// The key that AWS manages for the service.
const MANAGED_KEY: &str = "alias/aws/secretsmanager";

/// The settings of a push.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    tags: Tags,
    description: Option<String>,
    secret_push_format: Format,
    #[serde(rename = "kmsKeyID", alias = "kmsKeyId")]
    kms_key_id: Option<String>,
    resource_policy: Option<ResourcePolicy>,
    replication_locations: Vec<Location>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Binary,
    String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ResourcePolicy {
    #[serde(default)]
    block_public_policy: bool,
    policy_source_ref: Source,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    kind: String,
    name: String,
    key: String,
}

/// A region, alone or with its key.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Location {
    Region(String),
    #[serde(rename_all = "camelCase")]
    Keyed {
        region: String,
        #[serde(rename = "kmsKeyID", alias = "kmsKeyId")]
        kms_key_id: Option<String>,
    },
}

impl Location {
    fn region(&self) -> &str {
        match self {
            Self::Region(region) | Self::Keyed { region, .. } => region,
        }
    }

    fn replica(&self) -> ReplicaRegionType {
        let key = match self {
            Self::Region(_) => None,
            Self::Keyed { kms_key_id, .. } => kms_key_id.clone(),
        };
        ReplicaRegionType::builder()
            .region(self.region())
            .set_kms_key_id(key)
            .build()
    }
}

/// A value as the service takes it.
struct Content {
    text: Option<String>,
    binary: Option<Blob>,
}

impl Content {
    fn new(bytes: Vec<u8>, format: Format, key: &str) -> Result<Self, Error> {
        if format == Format::Binary {
            return Ok(Self {
                text: None,
                binary: Some(Blob::new(bytes)),
            });
        }
        let text = String::from_utf8(bytes).map_err(|_| Error::Shape {
            reason: format!("the value for secret {key} is not text"),
            hint: Some("Push it with secretPushFormat binary".into()),
        })?;
        Ok(Self {
            text: Some(text),
            binary: None,
        })
    }
}

/// What has been asked of the store, and by which name.
struct Write<'a> {
    store: &'a SecretsManager,
    /// Full name or ARN.
    id: String,
}

/// Writes one value.
pub(super) async fn push(store: &SecretsManager, push: &Push) -> Result<Pushed, Error> {
    let settings: Settings = push::settings(push.metadata.as_ref())?;
    let write = Write {
        store,
        id: store.id(&push.remote.key),
    };
    let policy = write.policy_text(&settings).await?;
    let Some(found) = write.describe().await? else {
        let bytes = push::content(push, b"")?;
        let content = Content::new(bytes, settings.secret_push_format, &write.id)?;
        write.create(content, &settings).await?;
        write.policy(&settings, policy.as_deref()).await?;
        return Ok(Pushed::Created);
    };
    if found.deleted_date().is_some() {
        return Err(Error::Config {
            reason: format!("secret {:?} is marked for deletion", write.id),
            hint: Some("Restore it, or write to another name until it is gone".into()),
        });
    }
    let existing = tags(found.tags());
    if !push::is_ours(&existing) {
        return Err(push::foreign(&write.id));
    }
    let old = write.value().await?;
    let old = old.as_ref().map(|bytes| bytes.expose());
    let bytes = push::content(push, old.unwrap_or_default())?;
    let mut changed = write.details(&found, &settings).await?;
    if old != Some(bytes.as_slice()) {
        let content = Content::new(bytes, settings.secret_push_format, &write.id)?;
        write.put(content).await?;
        changed = true;
    }
    changed |= write.tags(&existing, &settings.tags).await?;
    changed |= write.policy(&settings, policy.as_deref()).await?;
    changed |= write.replicas(&found, &settings).await?;
    Ok(if changed {
        Pushed::Updated
    } else {
        Pushed::Unchanged
    })
}

/// Deletes a secret, or one property of it.
pub(super) async fn delete(store: &SecretsManager, remote: &Remote) -> Result<bool, Error> {
    let write = Write {
        store,
        id: store.id(&remote.key),
    };
    let Some(found) = write.describe().await? else {
        return Ok(false);
    };
    if found.deleted_date().is_some() {
        return Ok(false);
    }
    if !push::is_ours(&tags(found.tags())) {
        return Err(push::foreign(&write.id));
    }
    if let Some(property) = push::property(remote.property.as_deref()) {
        let Some(value) = write.value().await? else {
            return Ok(false);
        };
        let Some(left) = merge::remove(value.expose(), property, &write.id)? else {
            return Ok(false);
        };
        if left != "{}" {
            // As it was: text stays text.
            let format = match write.is_text().await? {
                true => Format::String,
                false => Format::Binary,
            };
            let content = Content::new(left.into_bytes(), format, &write.id)?;
            write.put(content).await?;
            return Ok(true);
        }
    }
    write.remove().await?;
    Ok(true)
}

/// Whether there is such a secret, or such a property of it.
pub(super) async fn exists(store: &SecretsManager, remote: &Remote) -> Result<bool, Error> {
    let reference = Ref {
        key: remote.key.clone(),
        ..Ref::default()
    };
    let mut read = store
        .read_all(std::slice::from_ref(&reference), Duration::ZERO)
        .await;
    let value = match read.pop().unwrap_or_else(|| pick(None, &reference)) {
        Ok(value) => value,
        Err(error) if error.is_no_secret() => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(push::property(remote.property.as_deref())
        .is_none_or(|property| property::find(&value, property).is_some()))
}

/// Makes one call at the pace of writes.
macro_rules! call {
    ($write:ident, $name:literal, $intent:literal, $request:expr) => {{
        let backend = &$write.store.backend;
        let intent = format!(concat!($intent, " {:?}"), $write.id);
        let action = concat!("secretsmanager:", $name);
        let attempt = backend.calls.attempt(intent, action, None);
        backend.writes.take().await;
        let outcome = backend
            .calls
            .make($name, &attempt, || $request.send())
            .await;
        $write.paced(outcome)
    }};
}

impl Write<'_> {
    fn client(&self) -> &aws_sdk_secretsmanager::Client {
        &self.store.backend.calls.client
    }

    fn paced<T>(&self, outcome: Result<T, crate::aws::fault::Judged>) -> Result<T, Error> {
        outcome.map_err(|judged| {
            self.store.backend.writes.judged(&judged.error);
            judged.error
        })
    }

    /// What is known of the secret; `None` if it does not exist.
    async fn describe(&self) -> Result<Option<DescribeSecretOutput>, Error> {
        let calls = &self.store.backend.calls;
        let attempt = calls.attempt(
            format!("look at secret {:?}", self.id),
            "secretsmanager:DescribeSecret",
            Some(&self.id),
        );
        let found = calls
            .make("DescribeSecret", &attempt, || {
                self.client().describe_secret().secret_id(&self.id).send()
            })
            .await;
        match found {
            Ok(found) => Ok(Some(found)),
            Err(judged) if judged.error.is_no_secret() => Ok(None),
            Err(judged) => Err(judged.error),
        }
    }

    /// The current value, asked for now; `None` if there is none yet.
    async fn value(&self) -> Result<Option<Arc<SecretBytes>>, Error> {
        let current = &self.store.backend.current;
        match current.read_one(&self.id, Duration::ZERO).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_no_secret() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn is_text(&self) -> Result<bool, Error> {
        let calls = &self.store.backend.calls;
        let attempt = calls.attempt(
            format!("read secret {:?}", self.id),
            "secretsmanager:GetSecretValue",
            Some(&self.id),
        );
        let found = calls
            .make("GetSecretValue", &attempt, || {
                self.client().get_secret_value().secret_id(&self.id).send()
            })
            .await
            .map_err(|judged| judged.error)?;
        Ok(found.secret_string().is_some())
    }

    async fn create(&self, content: Content, settings: &Settings) -> Result<(), Error> {
        let tags = aws_tags(&push::marked(&settings.tags));
        let replicas: Vec<_> = settings
            .replication_locations
            .iter()
            .map(Location::replica)
            .collect();
        let key = settings.kms_key_id.as_deref().unwrap_or(MANAGED_KEY);
        call!(
            self,
            "CreateSecret",
            "create secret",
            self.client()
                .create_secret()
                .name(&self.id)
                .client_request_token(FIRST)
                .set_secret_string(content.text.clone())
                .set_secret_binary(content.binary.clone())
                .set_tags(Some(tags.clone()))
                .set_description(settings.description.clone())
                .kms_key_id(key)
                .set_add_replica_regions((!replicas.is_empty()).then(|| replicas.clone()))
        )
        .map(drop)
    }

    /// A new version; its id is the SDK's random token.
    async fn put(&self, content: Content) -> Result<(), Error> {
        call!(
            self,
            "PutSecretValue",
            "write secret",
            self.client()
                .put_secret_value()
                .secret_id(&self.id)
                .set_secret_string(content.text.clone())
                .set_secret_binary(content.binary.clone())
        )
        .map(drop)
    }

    /// Description and key, before the value that the key shall encrypt.
    async fn details(
        &self,
        found: &DescribeSecretOutput,
        settings: &Settings,
    ) -> Result<bool, Error> {
        let description = settings
            .description
            .clone()
            .filter(|wanted| found.description().unwrap_or_default() != wanted);
        let key = settings
            .kms_key_id
            .clone()
            .filter(|wanted| is_another_key(found.kms_key_id(), wanted));
        if description.is_none() && key.is_none() {
            return Ok(false);
        }
        call!(
            self,
            "UpdateSecret",
            "change secret",
            self.client()
                .update_secret()
                .secret_id(&self.id)
                .set_description(description.clone())
                .set_kms_key_id(key.clone())
        )?;
        Ok(true)
    }

    async fn tags(&self, found: &Tags, wanted: &Tags) -> Result<bool, Error> {
        let (set, removed) = push::changes(found, wanted);
        if !removed.is_empty() {
            call!(
                self,
                "UntagResource",
                "remove tags of secret",
                self.client()
                    .untag_resource()
                    .secret_id(&self.id)
                    .set_tag_keys(Some(removed.clone()))
            )?;
        }
        if !set.is_empty() {
            let tags = aws_tags(&set);
            call!(
                self,
                "TagResource",
                "tag secret",
                self.client()
                    .tag_resource()
                    .secret_id(&self.id)
                    .set_tags(Some(tags.clone()))
            )?;
        }
        Ok(!removed.is_empty() || !set.is_empty())
    }

    /// The policy that the settings point to.
    async fn policy_text(&self, settings: &Settings) -> Result<Option<String>, Error> {
        let Some(ResourcePolicy {
            policy_source_ref: source,
            ..
        }) = &settings.resource_policy
        else {
            return Ok(None);
        };
        let what = "data[].metadata: resourcePolicy.policySourceRef";
        let config = |reason: String| Error::Config { reason, hint: None };
        let namespace = self
            .store
            .namespace
            .as_deref()
            .ok_or_else(|| config(format!("{what} needs a namespace to read from")))?;
        let (name, key) = (&source.name, &source.key);
        let cluster = &self.store.cluster;
        match source.kind.as_str() {
            "ConfigMap" => Ok(Some(cluster.config_map_key(namespace, name, key).await?)),
            "Secret" => {
                let bytes = cluster.secret_key(namespace, name, key).await?;
                let text = bytes.expose_str().map(str::to_owned);
                text.map(Some)
                    .ok_or_else(|| config(format!("{what} leads to something that is not text")))
            }
            other => Err(config(format!(
                "{what} is of kind {other:?}, not ConfigMap or Secret"
            ))),
        }
    }

    async fn policy(&self, settings: &Settings, wanted: Option<&str>) -> Result<bool, Error> {
        let Some(wanted) = wanted else {
            return Ok(false);
        };
        let found = call!(
            self,
            "GetResourcePolicy",
            "read the policy of secret",
            self.client().get_resource_policy().secret_id(&self.id)
        )?;
        if found
            .resource_policy()
            .is_some_and(|found| same(found, wanted))
        {
            return Ok(false);
        }
        let block = settings
            .resource_policy
            .as_ref()
            .is_some_and(|policy| policy.block_public_policy);
        call!(
            self,
            "PutResourcePolicy",
            "set the policy of secret",
            self.client()
                .put_resource_policy()
                .secret_id(&self.id)
                .resource_policy(wanted)
                .block_public_policy(block)
        )?;
        Ok(true)
    }

    /// Adds regions that are missing. None is removed: somebody may read there.
    async fn replicas(
        &self,
        found: &DescribeSecretOutput,
        settings: &Settings,
    ) -> Result<bool, Error> {
        let has = |region: &str| {
            let mut known = found.replication_status().iter();
            known.any(|status| status.region() == Some(region))
        };
        let missing: Vec<ReplicaRegionType> = settings
            .replication_locations
            .iter()
            .filter(|location| !has(location.region()))
            .map(Location::replica)
            .collect();
        if missing.is_empty() {
            return Ok(false);
        }
        call!(
            self,
            "ReplicateSecretToRegions",
            "replicate secret",
            self.client()
                .replicate_secret_to_regions()
                .secret_id(&self.id)
                .set_add_replica_regions(Some(missing.clone()))
        )?;
        Ok(true)
    }

    async fn remove(&self) -> Result<(), Error> {
        let deletion = self.store.deletion;
        let window = deletion.window.filter(|_| !deletion.force);
        call!(
            self,
            "DeleteSecret",
            "delete secret",
            self.client()
                .delete_secret()
                .secret_id(&self.id)
                .set_force_delete_without_recovery(deletion.force.then_some(true))
                .set_recovery_window_in_days(window)
        )
        .map(drop)
    }
}

fn aws_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// Whether `wanted` is surely not the key in use. An alias may stand for any key, so it is only
/// told apart from another alias.
fn is_another_key(found: Option<&str>, wanted: &str) -> bool {
    let bare = |key: &str| match key.strip_prefix("arn:") {
        Some(arn) => arn.splitn(5, ':').nth(4).unwrap_or(arn).to_owned(),
        None if key.starts_with("alias/") => key.to_owned(),
        None => format!("key/{key}"),
    };
    let (found, wanted) = (bare(found.unwrap_or(MANAGED_KEY)), bare(wanted));
    found != wanted
        && (found == MANAGED_KEY
            || wanted == MANAGED_KEY
            || found.starts_with("alias/") == wanted.starts_with("alias/"))
}

/// Equal as JSON.
fn same(found: &str, wanted: &str) -> bool {
    let json = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    found == wanted || json(found).is_some_and(|found| json(wanted) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_compared_where_they_can_be() {
        let arn = "arn:aws:kms:eu-central-1:111122223333:key/abc";
        let alias = "arn:aws:kms:eu-central-1:111122223333:alias/mine";
        for (found, wanted, another) in [
            (None, MANAGED_KEY, false),
            (None, "abc", true),
            (None, "alias/mine", true),
            (Some(arn), "abc", false),
            (Some(arn), arn, false),
            (Some(arn), "def", true),
            (Some(arn), MANAGED_KEY, true),
            (Some(alias), "alias/mine", false),
            (Some(alias), "alias/other", true),
            (Some(arn), "alias/mine", false),
        ] {
            assert_eq!(is_another_key(found, wanted), another, "{found:?} {wanted}");
        }
    }

    #[test]
    fn settings_as_users_write_them() {
        let settings: Settings = serde_json::from_value(json!({
            "secretPushFormat": "string", "kmsKeyID": "k", "description": "d", "tags": {"a": "b"},
            "resourcePolicy": {"blockPublicPolicy": true, "policySourceRef": {"kind": "ConfigMap", "name": "n", "key": "k"}},
            "replicationLocations": ["eu-west-1", {"region": "us-east-1", "kmsKeyID": "r"}],
        }))
        .unwrap();
        assert_eq!(settings.secret_push_format, Format::String);
        assert_eq!(
            settings.replication_locations[1].replica().kms_key_id(),
            Some("r")
        );
        for bad in [
            json!({"secretPushFormat": "base64"}),
            json!({"resourcePolicy": {}}),
            json!({"unknown": 1}),
        ] {
            assert!(serde_json::from_value::<Settings>(bad).is_err());
        }
    }

    #[test]
    fn policies_are_compared_as_json() {
        assert!(same(r#"{"a": 1, "b": 2}"#, r#"{"b":2,"a":1}"#));
        assert!(!same("{}", r#"{"a":1}"#));
        assert!(!same("x", "y"));
    }
}
