//! Writing and deleting.
//!
//! Owns: what a push changes (value, type, tier, tags, description) and that it changes nothing
//! else. Refuses: whatever is not marked as ours.

use std::time::Duration;

use aws_sdk_ssm::types::{Parameter, ParameterTier, ParameterType, ResourceTypeForTagging, Tag};
use serde::Deserialize;

use super::{ParameterStore, pick};
use crate::aws::fault::Judged;
use crate::aws::push::{self, Tags};
use crate::{Error, Push, Pushed, Ref, Remote, merge, property};

/// The key that AWS manages for the service.
const MANAGED_KEY: &str = "alias/aws/ssm";

/// The settings of a push.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Settings {
    secret_type: Option<Kind>,
    #[serde(rename = "kmsKeyID", alias = "kmsKeyId")]
    kms_key_id: Option<String>,
    tier: Option<Tier>,
    /// A whole Secret is pushed decoded in any case: there is nothing else to choose.
    #[serde(rename = "encodeAsDecoded")]
    _encode_as_decoded: bool,
    tags: Tags,
    description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the names are the API's")]
enum Kind {
    String,
    StringList,
    SecureString,
}

impl From<Kind> for ParameterType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::String => Self::String,
            Kind::StringList => Self::StringList,
            Kind::SecureString => Self::SecureString,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tier {
    #[serde(default, rename = "type")]
    kind: TierKind,
    #[serde(default)]
    policies: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum TierKind {
    #[default]
    Standard,
    Advanced,
    #[serde(rename = "Intelligent-Tiering")]
    Intelligent,
}

/// What has been asked of the store, and by which name.
struct Write<'a> {
    store: &'a ParameterStore,
    name: String,
}

/// Writes one value.
pub(super) async fn push(store: &ParameterStore, push: &Push) -> Result<Pushed, Error> {
    let settings: Settings = push::settings(push.metadata.as_ref())?;
    let write = Write::new(store, &push.remote);
    let found = write.read().await?;
    let old = found.as_ref().and_then(Parameter::value);
    let bytes = push::content(push, old.unwrap_or_default().as_bytes())?;
    let text = String::from_utf8(bytes).map_err(|_| Error::Shape {
        reason: format!("the value for parameter {} is not text", write.name),
        hint: Some("Parameter Store holds text: encode the value, or use Secrets Manager".into()),
    })?;
    let Some(found) = &found else {
        write.put(&text, &settings, None).await?;
        return Ok(Pushed::Created);
    };
    let existing = write.tags().await?;
    if !push::is_ours(&existing) {
        return Err(push::foreign(&write.name));
    }
    let kind = settings.secret_type.map(ParameterType::from);
    let other_type = kind.is_some_and(|kind| found.r#type() != Some(&kind));
    let mut changed = false;
    if old != Some(text.as_str()) || other_type {
        write.put(&text, &settings, Some(found)).await?;
        changed = true;
    }
    changed |= write.retag(&existing, &settings.tags).await?;
    Ok(if changed {
        Pushed::Updated
    } else {
        Pushed::Unchanged
    })
}

/// Deletes a parameter, or one property of it.
pub(super) async fn delete(store: &ParameterStore, remote: &Remote) -> Result<bool, Error> {
    let write = Write::new(store, remote);
    let Some(found) = write.read().await? else {
        return Ok(false);
    };
    if !push::is_ours(&write.tags().await?) {
        return Err(push::foreign(&write.name));
    }
    if let Some(property) = push::property(remote.property.as_deref()) {
        let value = found.value().unwrap_or_default();
        let Some(left) = merge::remove(value.as_bytes(), property, &write.name)? else {
            return Ok(false);
        };
        if left != "{}" {
            write.put(&left, &Settings::default(), Some(&found)).await?;
            return Ok(true);
        }
    }
    write.remove().await?;
    Ok(true)
}

/// Whether there is such a parameter, or such a property of it.
pub(super) async fn exists(store: &ParameterStore, remote: &Remote) -> Result<bool, Error> {
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
        let intent = format!(concat!($intent, " {:?}"), $write.name);
        let attempt = backend.calls.attempt(intent, concat!("ssm:", $name), None);
        backend.writes.take().await;
        let outcome = backend
            .calls
            .make($name, &attempt, || $request.send())
            .await;
        $write.paced(outcome)
    }};
}

impl<'a> Write<'a> {
    fn new(store: &'a ParameterStore, remote: &Remote) -> Self {
        let name = store.name(&Ref {
            key: remote.key.clone(),
            ..Ref::default()
        });
        Self { store, name }
    }

    fn client(&self) -> &aws_sdk_ssm::Client {
        &self.store.backend.calls.client
    }

    fn paced<T>(&self, outcome: Result<T, Judged>) -> Result<T, Error> {
        outcome.map_err(|judged| {
            self.store.backend.writes.judged(&judged.error);
            judged.error
        })
    }

    /// The parameter as it is now; `None` if it does not exist.
    async fn read(&self) -> Result<Option<Parameter>, Error> {
        let calls = &self.store.backend.calls;
        let attempt = calls.attempt(
            format!("read parameter {:?}", self.name),
            "ssm:GetParameter",
            Some(&self.name),
        );
        let found = calls
            .make("GetParameter", &attempt, || {
                self.client()
                    .get_parameter()
                    .name(&self.name)
                    .with_decryption(true)
                    .send()
            })
            .await;
        match found {
            Ok(found) => Ok(found.parameter),
            Err(judged) if judged.error.is_no_secret() => Ok(None),
            Err(judged) => Err(judged.error),
        }
    }

    async fn tags(&self) -> Result<Tags, Error> {
        let found = call!(
            self,
            "ListTagsForResource",
            "read the tags of parameter",
            self.client()
                .list_tags_for_resource()
                .resource_type(ResourceTypeForTagging::Parameter)
                .resource_id(&self.name)
        )?;
        let tags = found.tag_list.unwrap_or_default().into_iter();
        Ok(tags.map(|tag| (tag.key, tag.value)).collect())
    }

    /// A new version, of the type that it has unless another is asked for. Tags can only come
    /// with the first.
    async fn put(
        &self,
        text: &str,
        settings: &Settings,
        found: Option<&Parameter>,
    ) -> Result<(), Error> {
        let kind = settings
            .secret_type
            .map(ParameterType::from)
            .or_else(|| found.and_then(|found| found.r#type().cloned()))
            .unwrap_or(ParameterType::String);
        let key = (kind == ParameterType::SecureString)
            .then(|| settings.kms_key_id.clone())
            .flatten()
            .or_else(|| {
                (kind == ParameterType::SecureString && found.is_none())
                    .then(|| MANAGED_KEY.to_owned())
            });
        let tags = found
            .is_none()
            .then(|| aws_tags(&push::marked(&settings.tags)));
        let tags = tags.transpose()?;
        let (tier, policies) = tier(settings)?;
        call!(
            self,
            "PutParameter",
            "write parameter",
            self.client()
                .put_parameter()
                .name(&self.name)
                .value(text)
                .r#type(kind.clone())
                .overwrite(found.is_some())
                .set_key_id(key.clone())
                .set_tags(tags.clone())
                .set_tier(tier.clone())
                .set_policies(policies.clone())
                .set_description(settings.description.clone())
        )
        .map(drop)
    }

    async fn retag(&self, found: &Tags, wanted: &Tags) -> Result<bool, Error> {
        let (set, removed) = push::changes(found, wanted);
        if !removed.is_empty() {
            call!(
                self,
                "RemoveTagsFromResource",
                "remove tags of parameter",
                self.client()
                    .remove_tags_from_resource()
                    .resource_type(ResourceTypeForTagging::Parameter)
                    .resource_id(&self.name)
                    .set_tag_keys(Some(removed.clone()))
            )?;
        }
        if !set.is_empty() {
            let tags = aws_tags(&set)?;
            call!(
                self,
                "AddTagsToResource",
                "tag parameter",
                self.client()
                    .add_tags_to_resource()
                    .resource_type(ResourceTypeForTagging::Parameter)
                    .resource_id(&self.name)
                    .set_tags(Some(tags.clone()))
            )?;
        }
        Ok(!removed.is_empty() || !set.is_empty())
    }

    async fn remove(&self) -> Result<(), Error> {
        call!(
            self,
            "DeleteParameter",
            "delete parameter",
            self.client().delete_parameter().name(&self.name)
        )
        .map(drop)
    }
}

fn aws_tags(tags: &Tags) -> Result<Vec<Tag>, Error> {
    tags.iter()
        .map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value).build();
            tag.map_err(|_| Error::Config {
                reason: "data[].metadata: a tag without a key".into(),
                hint: None,
            })
        })
        .collect()
}

/// Tier and policies as the service takes them; policies are a list in JSON.
fn tier(settings: &Settings) -> Result<(Option<ParameterTier>, Option<String>), Error> {
    let Some(tier) = &settings.tier else {
        return Ok((None, None));
    };
    let kind = match tier.kind {
        TierKind::Standard => ParameterTier::Standard,
        TierKind::Advanced => ParameterTier::Advanced,
        TierKind::Intelligent => ParameterTier::IntelligentTiering,
    };
    let policies = tier
        .policies
        .as_ref()
        .filter(|policies| !policies.is_null());
    if policies.is_some() && tier.kind == TierKind::Standard {
        return Err(Error::Config {
            reason: "data[].metadata: tier.policies need tier.type Advanced".into(),
            hint: Some("Set tier.type to Advanced, or leave the policies out".into()),
        });
    }
    let policies = policies.map(|policies| match policies {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Ok((Some(kind), policies))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_as_users_write_them() {
        let settings: Settings = serde_json::from_value(json!({
            "secretType": "SecureString", "kmsKeyID": "k", "description": "d", "encodeAsDecoded": true,
            "tags": {"a": "b"}, "tier": {"type": "Advanced", "policies": [{"Type": "Expiration"}]},
        }))
        .unwrap();
        assert_eq!(settings.secret_type, Some(Kind::SecureString));
        let (tier, policies) = tier(&settings).unwrap();
        assert_eq!(tier, Some(ParameterTier::Advanced));
        assert_eq!(policies.as_deref(), Some(r#"[{"Type":"Expiration"}]"#));
        for bad in [
            json!({"secretType": "Text"}),
            json!({"tier": {"type": "Free"}}),
        ] {
            assert!(serde_json::from_value::<Settings>(bad).is_err());
        }
    }

    #[test]
    fn policies_need_the_tier_that_has_them() {
        let settings: Settings =
            serde_json::from_value(json!({"tier": {"policies": [{"Type": "Expiration"}]}}))
                .unwrap();
        assert!(tier(&settings).is_err());
    }
}
