//! Creating, changing and deleting secrets and versions.
//!
//! Owns: the limits of labels, annotations, aliases and payloads, etags, checksums.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::dispatch::Call;
use super::super::fields;
use super::super::state::State;
use super::crc32c::crc32c;
use super::name::{Parent, SecretName, check_id};
use super::read::{missing, missing_version};
use super::record::{Secret, Version, VersionState};

/// The largest payload, in bytes.
const LARGEST: usize = 64 * 1024;
const MAX_LABELS: usize = 64;
/// All annotations of a secret together, in bytes.
const MAX_ANNOTATIONS: usize = 16 * 1024;
const MAX_ALIASES: usize = 50;
/// What a secret has, as the API names it.
const FIELDS: [&str; 14] = [
    "name",
    "replication",
    "createTime",
    "labels",
    "topics",
    "expireTime",
    "ttl",
    "etag",
    "rotation",
    "versionAliases",
    "annotations",
    "versionDestroyTtl",
    "customerManagedEncryption",
    "tags",
];

fn bad(message: impl Into<String>) -> Answer {
    Answer::error("INVALID_ARGUMENT", message)
}

pub(super) fn find<'a>(state: &'a mut State, name: &SecretName) -> Result<&'a mut Secret, Answer> {
    state
        .secrets
        .get_mut(&name.to_string())
        .ok_or_else(|| missing(name))
}

/// An etag that is given must be the present one.
fn check_etag(given: Option<&str>, present: &str) -> Result<(), Answer> {
    match given.filter(|given| !given.is_empty()) {
        Some(given) if given != present => Err(Answer::error(
            "FAILED_PRECONDITION",
            format!("The provided etag [{given}] does not match the current etag [{present}]."),
        )),
        _ => Ok(()),
    }
}

pub(super) fn create(
    state: &mut State,
    parent: &Parent,
    call: &Call<'_>,
    now: i64,
) -> Result<Answer, Answer> {
    let id = call.query("secretId").unwrap_or_default();
    fields::parameters(call, &["secretId"])?;
    let request = call.json()?;
    fields::known(&request, "secret", &FIELDS)?;
    make(state, &parent.secret(&id), &request, now)
}

/// Makes a secret without versions.
pub(in super::super) fn make(
    state: &mut State,
    name: &SecretName,
    request: &Value,
    now: i64,
) -> Result<Answer, Answer> {
    check_id(&name.id)?;
    let key = name.to_string();
    if state.secrets.contains_key(&key) {
        return Err(Answer::error(
            "ALREADY_EXISTS",
            format!("Secret [{name}] already exists."),
        ));
    }
    let mut secret = Secret::new(name, now);
    let replication = request.get("replication").filter(|r| r.is_object());
    match (&name.parent.location, replication) {
        (None, None) => return Err(bad("The replication policy of a Secret must be specified.")),
        (Some(_), Some(_)) => {
            return Err(bad("Regional secrets must not have a replication policy."));
        }
        (None, given) => secret.replication = given.cloned(),
        (Some(_), None) => {}
    }
    if let Some(fields) = request.as_object() {
        for field in [
            "labels",
            "annotations",
            "topics",
            "rotation",
            "expireTime",
            "ttl",
        ] {
            change(&mut secret, field, fields.get(field))?;
        }
    }
    let shown = secret.show();
    state.secrets.insert(key, secret);
    Ok(Answer::ok(shown))
}

/// Sets one field; absent clears it.
fn change(secret: &mut Secret, field: &str, value: Option<&Value>) -> Result<(), Answer> {
    match field {
        "labels" => secret.labels = labels(value)?,
        "annotations" => secret.annotations = annotations(value)?,
        "versionAliases" | "version_aliases" => secret.aliases = aliases(secret, value)?,
        "topics" | "rotation" | "expireTime" | "ttl" | "expire_time" => match value {
            Some(value) => {
                secret.others.insert(field.to_owned(), value.clone());
            }
            None => {
                secret.others.remove(field);
            }
        },
        other => {
            return Err(bad(format!(
                "The field [{other}] in the update mask cannot be updated."
            )));
        }
    }
    Ok(())
}

fn texts(what: &str, value: Option<&Value>) -> Result<BTreeMap<String, String>, Answer> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(BTreeMap::new());
    };
    let pairs = value
        .as_object()
        .ok_or_else(|| bad(format!("Invalid value at '{what}'.")))?;
    pairs
        .iter()
        .map(|(name, value)| {
            let text = value.as_str();
            let text = text.ok_or_else(|| bad(format!("Invalid value at '{what}.{name}'.")))?;
            Ok((name.clone(), text.to_owned()))
        })
        .collect()
}

fn labels(value: Option<&Value>) -> Result<BTreeMap<String, String>, Answer> {
    let labels = texts("labels", value)?;
    if labels.len() > MAX_LABELS {
        return Err(bad(format!("At most {MAX_LABELS} labels are allowed.")));
    }
    let plain = |text: &str| {
        text.chars().count() <= 63
            && text.chars().all(|c| {
                matches!(c, '-' | '_') || c.is_numeric() || (c.is_alphabetic() && !c.is_uppercase())
            })
    };
    for (key, value) in &labels {
        let first = key.chars().next();
        let begins = first.is_some_and(|c| c.is_alphabetic() && !c.is_uppercase());
        if !begins || !plain(key) || !plain(value) {
            return Err(bad(format!(
                "The label [{key}={value}] is invalid: keys must begin with a lowercase letter, \
                 keys and values have at most 63 lowercase letters, digits, hyphens and \
                 underscores."
            )));
        }
    }
    Ok(labels)
}

fn annotations(value: Option<&Value>) -> Result<BTreeMap<String, String>, Answer> {
    let annotations = texts("annotations", value)?;
    let size: usize = annotations.iter().map(|(k, v)| k.len() + v.len()).sum();
    if size > MAX_ANNOTATIONS {
        return Err(bad(format!(
            "The annotations exceed {MAX_ANNOTATIONS} bytes in total."
        )));
    }
    for key in annotations.keys() {
        let ends = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let good = key.len() <= 63
            && ends(key.chars().next())
            && ends(key.chars().last())
            && key
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        if !good {
            return Err(bad(format!("The annotation key [{key}] is invalid.")));
        }
    }
    Ok(annotations)
}

fn aliases(secret: &Secret, value: Option<&Value>) -> Result<BTreeMap<String, u64>, Answer> {
    let none = Map::new();
    let pairs = value.and_then(Value::as_object).unwrap_or(&none);
    if pairs.len() > MAX_ALIASES {
        return Err(bad(format!("At most {MAX_ALIASES} aliases are allowed.")));
    }
    let mut aliases = BTreeMap::new();
    for (alias, value) in pairs {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let begins = alias.chars().next().is_some_and(char::is_alphabetic);
        if !begins || alias == "latest" || alias.chars().count() > 63 || !alias.chars().all(plain) {
            return Err(bad(format!("The version alias [{alias}] is invalid.")));
        }
        let number = value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .filter(|number| secret.version(*number).is_some())
            .ok_or_else(|| {
                bad(format!(
                    "The version alias [{alias}] stands for a version that does not exist."
                ))
            })?;
        aliases.insert(alias.clone(), number);
    }
    Ok(aliases)
}

pub(super) fn update(
    state: &mut State,
    name: &SecretName,
    call: &Call<'_>,
) -> Result<Answer, Answer> {
    let mask = call.query("updateMask").unwrap_or_default();
    patch(state, name, &mask, &call.json()?)
}

/// Changes the fields of `mask`, divided by commas.
pub(in super::super) fn patch(
    state: &mut State,
    name: &SecretName,
    mask: &str,
    request: &Value,
) -> Result<Answer, Answer> {
    let fields: Vec<&str> = mask
        .split(',')
        .map(str::trim)
        .filter(|f| !f.is_empty())
        .collect();
    if fields.is_empty() {
        return Err(bad("The update mask must be specified."));
    }
    let secret = find(state, name)?;
    let etag = request.get("etag").and_then(Value::as_str);
    check_etag(etag, &secret.etag())?;
    // All or nothing.
    let mut changed = secret.clone();
    for field in fields {
        if let Some((map, key)) = field.split_once('.') {
            let mut whole = match map {
                "labels" => json!(changed.labels),
                "annotations" => json!(changed.annotations),
                _ => return Err(bad(format!("The field [{field}] cannot be updated."))),
            };
            if let Some(pairs) = whole.as_object_mut() {
                let given = request.get(map).and_then(|given| given.get(key));
                match given {
                    Some(value) => pairs.insert(key.to_owned(), value.clone()),
                    None => pairs.remove(key),
                };
            }
            change(&mut changed, map, Some(&whole))?;
            continue;
        }
        let camel = if field == "version_aliases" {
            "versionAliases"
        } else {
            field
        };
        change(&mut changed, field, request.get(camel))?;
    }
    changed.generation += 1;
    *secret = changed;
    Ok(Answer::ok(secret.show()))
}

pub(super) fn delete(
    state: &mut State,
    name: &SecretName,
    etag: Option<String>,
) -> Result<Answer, Answer> {
    check_etag(etag.as_deref(), &find(state, name)?.etag())?;
    state.secrets.remove(&name.to_string());
    Ok(Answer::ok(json!({})))
}

pub(in super::super) fn add_version(
    state: &mut State,
    name: &SecretName,
    request: &Value,
    now: i64,
) -> Result<Answer, Answer> {
    let secret = find(state, name)?;
    let payload = request.get("payload").filter(|p| p.is_object());
    let payload = payload.ok_or_else(|| bad("The payload must be specified."))?;
    let data = payload
        .get("data")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let data = STANDARD
        .decode(data)
        .map_err(|_| bad("Invalid value at 'payload.data' (TYPE_BYTES), Base64 decoding failed"))?;
    if data.len() > LARGEST {
        return Err(bad(format!(
            "The payload has {} bytes, more than the maximum of {LARGEST}.",
            data.len()
        )));
    }
    let sum = match payload.get("dataCrc32c").filter(|sum| !sum.is_null()) {
        None => None,
        Some(sum) => Some(
            sum.as_i64()
                .or_else(|| sum.as_str()?.parse().ok())
                .ok_or_else(|| bad("Invalid value at 'payload.data_crc32c' (TYPE_INT64)"))?,
        ),
    };
    if sum.is_some_and(|sum| sum != i64::from(crc32c(&data))) {
        return Err(bad(
            "The checksum that was computed does not match the data_crc32c of the payload.",
        ));
    }
    secret.versions.push(Version {
        state: VersionState::Enabled,
        payload: data,
        checked: sum.is_some(),
        created: now,
        destroyed: None,
        generation: 0,
    });
    let number = u64::try_from(secret.versions.len()).unwrap_or_default();
    let shown = secret
        .version(number)
        .map(|version| secret.show_version(number, version));
    Ok(Answer::ok(shown.unwrap_or_default()))
}

/// Enables, disables or destroys a version.
pub(in super::super) fn turn(
    state: &mut State,
    name: &SecretName,
    version: &str,
    to: VersionState,
    request: &Value,
    now: i64,
) -> Result<Answer, Answer> {
    let gone = || missing_version(name, version);
    let secret = find(state, name)?;
    let number = secret.number(version).ok_or_else(gone)?;
    let found = secret.version_mut(number).ok_or_else(gone)?;
    check_etag(request.get("etag").and_then(Value::as_str), &found.etag())?;
    if found.state == VersionState::Destroyed {
        return Err(Answer::error(
            "FAILED_PRECONDITION",
            format!("Secret Version [{name}/versions/{number}] is in DESTROYED state."),
        ));
    }
    found.state = to;
    found.generation += 1;
    if to == VersionState::Destroyed {
        found.payload.clear();
        found.destroyed = Some(now);
    }
    let shown = secret
        .version(number)
        .map(|version| secret.show_version(number, version));
    Ok(Answer::ok(shown.unwrap_or_default()))
}
