//! What secrets, certificates and keys have in common: versions, attributes, pages, soft delete.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::super::answer::{Answer, version};
use super::super::dispatch::Call;
use super::Vault;

/// The most objects on one page.
const PAGE: usize = 25;

/// A collection of a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kind {
    Secret,
    Certificate,
    Key,
}

impl Kind {
    pub fn of(collection: &str) -> Option<Self> {
        match collection {
            "secrets" => Some(Self::Secret),
            "certificates" => Some(Self::Certificate),
            "keys" => Some(Self::Key),
            _ => None,
        }
    }

    const fn singular(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::Certificate => "Certificate",
            Self::Key => "Key",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secrets",
            Self::Certificate => "certificates",
            Self::Key => "keys",
        })
    }
}

/// One version.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Version {
    pub id: String,
    /// Value and what else is particular to the kind, as answers have it.
    pub body: Map<String, Value>,
    pub enabled: bool,
    pub expires: Option<i64>,
    pub not_before: Option<i64>,
    pub created: i64,
    pub updated: i64,
    pub tags: BTreeMap<String, String>,
}

/// One object with all its versions, the newest last.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Object {
    pub versions: Vec<Version>,
    /// Since when it is deleted and can be recovered.
    pub deleted: Option<i64>,
}

impl Object {
    pub fn newest(&self) -> Option<&Version> {
        self.versions.last()
    }
}

/// The attributes and tags of a request, over those of `old`.
pub(super) fn attributes(request: &Value, version: &mut Version) -> Result<(), Answer> {
    let bad = |text: &str| Answer::vault(400, "BadParameter", "", text);
    if let Some(given) = request.get("attributes").and_then(Value::as_object) {
        if let Some(enabled) = given.get("enabled").and_then(Value::as_bool) {
            version.enabled = enabled;
        }
        let time = |name: &str| given.get(name).and_then(Value::as_i64);
        version.expires = time("exp").or(version.expires);
        version.not_before = time("nbf").or(version.not_before);
        if let (Some(start), Some(end)) = (version.not_before, version.expires)
            && end <= start
        {
            return Err(bad("Property exp must be later than nbf."));
        }
    }
    if let Some(tags) = request.get("tags").and_then(Value::as_object) {
        if tags.len() > 15 {
            return Err(bad("At most 15 tags are allowed."));
        }
        version.tags = tags
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
    }
    Ok(())
}

/// Adds a version, unless the name is taken by a deleted object.
pub(super) fn add(
    vault: &mut Vault,
    kind: Kind,
    name: &str,
    mut new: Version,
    now: i64,
) -> Result<Answer, Answer> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !(1..=127).contains(&name.len()) || !plain {
        return Err(Answer::vault(
            400,
            "BadParameter",
            "",
            format!(
                "The request URI contains an invalid name: {name}. The name must be 1-127 \
                 alphanumeric characters and hyphens."
            ),
        ));
    }
    let key = (kind, name.to_ascii_lowercase());
    let object = vault.objects.entry(key).or_default();
    if object.deleted.is_some() {
        let singular = kind.singular();
        return Err(Answer::vault(
            409,
            "Conflict",
            "ObjectIsDeletedButRecoverable",
            format!(
                "{singular} {name} is currently in a deleted but recoverable state, and its name \
                 cannot be reused; in this state, the {} can only be recovered or purged.",
                singular.to_lowercase()
            ),
        ));
    }
    new.id = version();
    new.created = now;
    new.updated = now;
    object.versions.push(new);
    let newest = object.newest().cloned().unwrap_or_default();
    Ok(Answer::ok(whole(vault, kind, name, &newest)))
}

fn missing(kind: Kind, name: &str, version: Option<&str>) -> Answer {
    let singular = kind.singular();
    let version = version.map(|v| format!("/{v}")).unwrap_or_default();
    Answer::vault(
        404,
        match kind {
            Kind::Secret => "SecretNotFound",
            Kind::Certificate => "CertificateNotFound",
            Kind::Key => "KeyNotFound",
        },
        "",
        format!(
            "A {} with (name/id) {name}{version} was not found in this key vault. If you recently \
             deleted this {} you may be able to recover it using the correct recovery command. For \
             help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182",
            singular.to_lowercase(),
            singular.to_lowercase()
        ),
    )
}

/// The version asked for, or the newest.
pub(super) fn find<'a>(
    vault: &'a mut Vault,
    kind: Kind,
    name: &str,
    version: Option<&str>,
) -> Result<&'a mut Version, Answer> {
    let gone = || missing(kind, name, version);
    let object = vault
        .objects
        .get_mut(&(kind, name.to_ascii_lowercase()))
        .filter(|object| object.deleted.is_none())
        .ok_or_else(gone)?;
    match version {
        None => object.versions.last_mut(),
        Some(id) => object.versions.iter_mut().find(|v| v.id == id),
    }
    .ok_or_else(gone)
}

/// One version with its value. A disabled one is refused; times are information only.
pub(super) fn get(
    vault: &mut Vault,
    kind: Kind,
    name: &str,
    version: Option<&str>,
) -> Result<Answer, Answer> {
    let found = find(vault, kind, name, version)?.clone();
    if !found.enabled && kind == Kind::Secret {
        return Err(Answer::vault(
            403,
            "Forbidden",
            "SecretDisabled",
            "Operation get is not allowed on a disabled secret.",
        ));
    }
    Ok(Answer::ok(whole(vault, kind, name, &found)))
}

fn envelope(version: &Version) -> Map<String, Value> {
    let mut attributes = json!({
        "enabled": version.enabled,
        "created": version.created,
        "updated": version.updated,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    });
    if let Some(fields) = attributes.as_object_mut() {
        for (name, time) in [("exp", version.expires), ("nbf", version.not_before)] {
            if let Some(time) = time {
                fields.insert(name.into(), json!(time));
            }
        }
    }
    let mut out = Map::new();
    out.insert("attributes".into(), attributes);
    if !version.tags.is_empty() {
        out.insert("tags".into(), json!(version.tags));
    }
    out
}

/// Everything about one version.
pub(super) fn whole(vault: &Vault, kind: Kind, name: &str, version: &Version) -> Value {
    let mut out = envelope(version);
    out.extend(version.body.clone());
    let id = format!("{}/{}", vault.id(kind, name), version.id);
    match (kind, out.get_mut("key").and_then(Value::as_object_mut)) {
        (Kind::Key, Some(key)) => {
            key.insert("kid".into(), json!(id));
        }
        _ => {
            out.insert("id".into(), json!(id));
        }
    }
    Value::Object(out)
}

/// An entry of a listing: no value.
fn entry(vault: &Vault, kind: Kind, name: &str, version: &Version, with_version: bool) -> Value {
    let mut out = envelope(version);
    for field in ["contentType", "managed", "x5t"] {
        if let Some(value) = version.body.get(field) {
            out.insert(field.into(), value.clone());
        }
    }
    let mut id = vault.id(kind, name);
    if with_version {
        id = format!("{id}/{}", version.id);
    }
    let field = if kind == Kind::Key { "kid" } else { "id" };
    out.insert(field.into(), json!(id));
    Value::Object(out)
}

/// One page of a collection; the next one's URL is under the host that was asked.
pub(super) fn list(vault: &Vault, kind: Kind, call: &Call<'_>) -> Answer {
    let size = call
        .query("maxresults")
        .and_then(|text| text.parse().ok())
        .unwrap_or(PAGE);
    if !(1..=PAGE).contains(&size) {
        return Answer::vault(
            400,
            "BadParameter",
            "",
            "maxresults must be between 1 and 25.",
        );
    }
    let skip = call.query("$skiptoken").unwrap_or_default();
    let mut rest = vault
        .objects
        .iter()
        .filter(|((of, name), object)| {
            *of == kind && object.deleted.is_none() && name.as_str() > skip.as_str()
        })
        .filter_map(|((_, name), object)| Some((name, object.newest()?)));
    let page: Vec<(&String, &Version)> = rest.by_ref().take(size).collect();
    let next = match (rest.next(), page.last()) {
        (Some(_), Some((last, _))) => json!(format!(
            "https://{}/{kind}?api-version=7.4&$skiptoken={last}&maxresults={size}",
            call.host
        )),
        _ => Value::Null,
    };
    let value: Vec<Value> = page
        .into_iter()
        .map(|(name, version)| entry(vault, kind, name, version, false))
        .collect();
    Answer::ok(json!({"value": value, "nextLink": next}))
}

/// Every version of one object.
pub(super) fn versions(vault: &Vault, kind: Kind, name: &str) -> Result<Answer, Answer> {
    let object = vault
        .objects
        .get(&(kind, name.to_ascii_lowercase()))
        .filter(|object| object.deleted.is_none())
        .ok_or_else(|| missing(kind, name, None))?;
    let value: Vec<Value> = object
        .versions
        .iter()
        .map(|version| entry(vault, kind, name, version, true))
        .collect();
    Ok(Answer::ok(json!({"value": value, "nextLink": null})))
}

/// Deletes an object; it can be recovered.
pub(in super::super) fn delete(
    vault: &mut Vault,
    kind: Kind,
    name: &str,
    now: i64,
) -> Result<Answer, Answer> {
    let newest = find(vault, kind, name, None)?.clone();
    if let Some(object) = vault.objects.get_mut(&(kind, name.to_ascii_lowercase())) {
        object.deleted = Some(now);
    }
    Ok(Answer::ok(tombstone(vault, kind, name, &newest, now)))
}

fn tombstone(vault: &Vault, kind: Kind, name: &str, newest: &Version, since: i64) -> Value {
    let mut out = entry(vault, kind, name, newest, true);
    if let Some(fields) = out.as_object_mut() {
        let recovery = format!(
            "https://{}.vault.azure.net/deleted{kind}/{name}",
            vault.name
        );
        fields.insert("recoveryId".into(), json!(recovery));
        fields.insert("deletedDate".into(), json!(since));
        fields.insert("scheduledPurgeDate".into(), json!(since + 90 * 86_400));
    }
    out
}

/// Looks at, recovers or purges deleted objects.
pub(super) fn deleted(
    vault: &mut Vault,
    kind: Kind,
    verb: &str,
    name: Option<&str>,
) -> Result<Answer, Answer> {
    let Some(name) = name else {
        let value: Vec<Value> = vault
            .objects
            .iter()
            .filter(|((of, _), _)| *of == kind)
            .filter_map(|((_, name), object)| {
                Some(tombstone(
                    vault,
                    kind,
                    name,
                    object.newest()?,
                    object.deleted?,
                ))
            })
            .collect();
        return Ok(Answer::ok(json!({"value": value, "nextLink": null})));
    };
    let key = (kind, name.to_ascii_lowercase());
    let found = vault
        .objects
        .get(&key)
        .and_then(|object| Some((object.deleted?, object.newest()?.clone())));
    let Some((since, newest)) = found else {
        return Err(missing(kind, name, None));
    };
    match verb {
        "purge" => {
            vault.objects.remove(&key);
            Ok(Answer {
                status: 204,
                body: Value::Null,
                headers: Vec::new(),
            })
        }
        "recover" => {
            if let Some(object) = vault.objects.get_mut(&key) {
                object.deleted = None;
            }
            Ok(Answer::ok(entry(vault, kind, name, &newest, true)))
        }
        _ => Ok(Answer::ok(tombstone(vault, kind, name, &newest, since))),
    }
}
