//! From fetched values to the wanted Secret, by the pure pipeline of `keyless-secret`.
//!
//! Owns: the translation of the API's enumerations, and which parts of a spec are not acted on.

use std::collections::BTreeMap;

use keyless_api::constants::message;
use keyless_api::{ConversionStrategy, DecodingStrategy, ExternalSecretSpec, NullBytePolicy, Support};
use keyless_secret::SecretBytes;
use keyless_secret::decode::Decoding;
use keyless_secret::keys::{self, Conversion};
use keyless_secret::null_bytes::NullBytes;

use super::fetch::Fetched;
use super::problem::{Failed, Problem};
use super::target::Wanted;
use crate::object::{ExternalSecret, json_map};

/// What this operator does not act on. Silence would be worse than an error.
const MISSING: &[&str] = &[
    "spec.syncWindows",
    "spec.target.manifest",
    "spec.target.template.type",
    "spec.target.template.metadata",
    "spec.target.template.data",
    "spec.target.template.templateFrom.literal",
    "spec.target.template.templateFrom.configMap",
    "spec.target.template.templateFrom.secret",
    "spec.data.sourceRef.generatorRef",
    "spec.dataFrom.sourceRef.generatorRef",
    "spec.dataFrom.rewrite.regexp",
    "spec.dataFrom.rewrite.transform",
    "spec.dataFrom.rewrite.merge",
];

/// The first field of a spec that is not acted on, or whose value no version of the API knows.
///
/// # Errors
/// Names the field.
pub fn check(spec: &ExternalSecretSpec) -> Result<(), Problem> {
    let missing = Support::everything().without(MISSING.iter().copied()).missing(spec);
    if let Some(path) = missing.into_iter().next() {
        return Err(Problem::Unsupported { path });
    }
    if let Err(error) = spec.refresh_interval() {
        return Err(Problem::Spec(format!("spec.refreshInterval: {error}")));
    }
    Ok(())
}

/// The keys and values before any template.
///
/// # Errors
/// Names the entry and, never with a value, what is wrong with it.
pub fn data(
    spec: &ExternalSecretSpec,
    fetched: Fetched,
) -> Result<BTreeMap<String, SecretBytes>, Failed> {
    let failed = |text: String| Failed::new(message::COULD_NOT_GET_DATA, &Problem::Values(text));
    let mut all = BTreeMap::new();
    for (index, (entry, map)) in spec.data_from.iter().zip(fetched.data_from).enumerate() {
        let Some(map) = map else { continue };
        let (what, conversion, decoding, nulls) = match (&entry.extract, &entry.find) {
            (Some(e), _) => (
                "extract",
                &e.conversion_strategy,
                &e.decoding_strategy,
                &e.null_byte_policy,
            ),
            (None, Some(f)) => (
                "find",
                &f.conversion_strategy,
                &f.decoding_strategy,
                &f.null_byte_policy,
            ),
            (None, None) => continue,
        };
        let at = |e: String| failed(format!("error processing spec.dataFrom[{index}].{what}, err: {e}"));
        let map = conversion_of(conversion.as_ref())
            .convert_map(map)
            .map_err(|e| at(e.to_string()))?;
        let map = keys::validate(map).map_err(|e| at(e.to_string()))?;
        let map = decoding_of(decoding.as_ref())
            .decode_map(map)
            .map_err(|(key, e)| at(format!("key {key:?}: {e}")))?;
        nulls_of(nulls.as_ref())
            .check_map(&map)
            .map_err(|e| at(e.to_string()))?;
        all.extend(map);
    }
    for (index, (entry, value)) in spec.data.iter().zip(fetched.data).enumerate() {
        let Some(value) = value else { continue };
        let remote = &entry.remote_ref;
        let at = |e: String| {
            failed(format!(
                "error processing spec.data[{index}] (key: {}), err: {e}",
                remote.key
            ))
        };
        let value = decoding_of(remote.decoding_strategy.as_ref())
            .decode(&value)
            .map_err(|e| at(e.to_string()))?;
        nulls_of(remote.null_byte_policy.as_ref())
            .check(&entry.secret_key, &value)
            .map_err(|e| at(e.to_string()))?;
        all.insert(entry.secret_key.clone(), value);
    }
    Ok(all)
}

/// The wanted Secret.
///
/// # Errors
/// The template cannot be rendered.
pub fn wanted(
    object: &ExternalSecret,
    data: BTreeMap<String, SecretBytes>,
) -> Result<Wanted, Failed> {
    Ok(Wanted {
        data,
        labels: json_map(&object.labels),
        annotations: json_map(&object.annotations),
        finalizers: Vec::new(),
        kind: None,
    })
}

fn decoding_of(strategy: Option<&DecodingStrategy>) -> Decoding {
    match strategy {
        Some(DecodingStrategy::Auto) => Decoding::Auto,
        Some(DecodingStrategy::Base64) => Decoding::Base64,
        Some(DecodingStrategy::Base64Url) => Decoding::Base64Url,
        _ => Decoding::None,
    }
}

fn conversion_of(strategy: Option<&ConversionStrategy>) -> Conversion {
    match strategy {
        Some(ConversionStrategy::Unicode) => Conversion::Unicode,
        _ => Conversion::Default,
    }
}

fn nulls_of(policy: Option<&NullBytePolicy>) -> NullBytes {
    match policy {
        Some(NullBytePolicy::Fail) => NullBytes::Fail,
        _ => NullBytes::Ignore,
    }
}
