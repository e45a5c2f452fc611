//! What the engine's answers say.
//!
//! Owns: the shapes of a secret, its metadata and a listing. Refuses: anything of a value in an
//! error.

use std::collections::BTreeMap;

use keyless_identity::vault::Answer;
use keyless_secret::SecretBytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::canonical;
use super::path::Engine;

/// A secret's values and where they stand.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    /// A JSON object, as Go writes it.
    pub(super) data: SecretBytes,
    /// Number of the version read; 0 for engine version 1.
    pub(super) version: u64,
}

/// What a read of a secret found.
#[derive(Debug)]
pub(super) enum Read {
    Found(Secret),
    /// Nothing, or a version that was deleted; the number of that version, or 0.
    Absent(u64),
    /// The path belongs to the other version of the engine.
    OtherEngine(String),
}

/// A secret's metadata, engine version 2.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    custom_metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    created_time: String,
    #[serde(default)]
    pub(super) current_version: u64,
    #[serde(default)]
    delete_version_after: String,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Versioned<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    metadata: Option<VersionFacts>,
}

#[derive(Deserialize)]
struct VersionFacts {
    #[serde(default)]
    version: u64,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    keys: Vec<String>,
}

/// Reads a secret out of `answer`, whose status is 2xx or 404.
///
/// # Errors
/// What is wrong with the answer, without its content.
pub(super) fn secret(engine: Engine, answer: &Answer) -> Result<Read, String> {
    if answer.status == 404 && answer.is_error_document() {
        return Ok(Read::Absent(0));
    }
    let (raw, version) = match engine {
        Engine::V1 => {
            let found: Envelope<&RawValue> = answer.json()?;
            if let Some(warning) = other_engine(found.warnings) {
                return Ok(Read::OtherEngine(warning));
            }
            (found.data, 0)
        }
        Engine::V2 => {
            let found: Envelope<Versioned<'_>> = answer.json()?;
            if let Some(warning) = other_engine(found.warnings) {
                return Ok(Read::OtherEngine(warning));
            }
            match found.data {
                None => (None, 0),
                Some(found) => {
                    let version = found.metadata.map_or(0, |facts| facts.version);
                    (found.data, version)
                }
            }
        }
    };
    let raw = raw.map(|raw| raw.get()).filter(|raw| *raw != "null");
    match (raw, answer.is_success()) {
        (Some(raw), true) => {
            let object = raw.trim_start().starts_with('{');
            let data = object.then(|| canonical(raw)).flatten();
            let data = data.ok_or("its data are no JSON object, or nested too deep")?;
            Ok(Read::Found(Secret {
                data: data.into(),
                version,
            }))
        }
        // A deleted version comes with 404 and its number.
        _ => Ok(Read::Absent(version)),
    }
}

fn other_engine(warnings: Option<Vec<String>>) -> Option<String> {
    let mut warnings = warnings.unwrap_or_default().into_iter();
    warnings.find(|warning| warning.to_ascii_lowercase().contains("versioned k/v"))
}

/// Reads metadata out of `answer`, which is no error document.
///
/// # Errors
/// What is wrong with the answer, without its content.
pub(super) fn metadata(answer: &Answer) -> Result<Metadata, String> {
    let found: Envelope<Metadata> = answer.json()?;
    found.data.ok_or_else(|| "it holds no data".to_owned())
}

/// The names in a listing; folders end with a slash.
///
/// # Errors
/// What is wrong with the answer, without its content.
pub(super) fn listing(answer: &Answer) -> Result<Vec<String>, String> {
    let found: Envelope<Keys> = answer.json()?;
    Ok(found.data.map(|data| data.keys).unwrap_or_default())
}

impl Metadata {
    /// The user's own metadata.
    pub(super) fn custom(&self) -> BTreeMap<String, String> {
        self.custom_metadata.clone().unwrap_or_default()
    }

    /// The metadata as a JSON object of texts.
    pub(super) fn document(&self) -> SecretBytes {
        let mut members = self.custom();
        for (name, value) in [
            ("created_time", self.created_time.clone()),
            ("current_version", self.current_version.to_string()),
            ("delete_version_after", self.delete_version_after.clone()),
        ] {
            members.insert(name.to_owned(), value);
        }
        // A map of texts can always be written.
        let json = serde_json::to_string(&members).unwrap_or_default();
        canonical(&json).unwrap_or(json).into()
    }

    pub(super) fn weight(&self) -> usize {
        let custom = self.custom_metadata.iter().flatten();
        custom.map(|(k, v)| k.len() + v.len() + 48).sum::<usize>() + 128
    }
}
