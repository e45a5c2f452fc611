//! From fetched values to one map of keys: `dataFrom` in order, then `data` over it.
//!
//! Owns: the order of the steps for each kind of item, what a missing value means, and errors
//! that name the item. Refuses: fetching, and deciding what happens when nothing is left.

mod error;

use std::collections::BTreeMap;

use keyless_api::{
    ConversionStrategy, DataFrom, DecodingStrategy, DeletionPolicy, ExternalSecretData,
    ExternalSecretSpec, NullBytePolicy, Rewrite,
};

use crate::SecretBytes;
use crate::decode::Decoding;
use crate::keys::{self, Conversion};
use crate::null_bytes::NullBytes;
use crate::render::Render;
use crate::rewrite::rewrite;

pub use error::{Error, Problem};

type Map = BTreeMap<String, SecretBytes>;

/// What one item of `dataFrom` yielded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedMap {
    /// The values by the provider's names.
    pub values: Map,
    /// Whether names found by a search are converted before the rewrite operations see them, as
    /// the providers fake, Kubernetes and Google do, and not after.
    pub convert_first: bool,
}

impl From<Map> for FetchedMap {
    fn from(values: Map) -> Self {
        Self {
            values,
            convert_first: false,
        }
    }
}

/// What the items of a spec yielded, in their order; nothing where the provider says that the
/// secret does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// One entry for each of `spec.dataFrom`.
    pub data_from: Vec<Option<FetchedMap>>,
    /// One entry for each of `spec.data`.
    pub data: Vec<Option<SecretBytes>>,
}

/// An item whose secret does not exist, which the deletion policy allows: worth an event
/// `MissingProviderSecret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The item, e.g. `spec.data[1]`.
    pub path: String,
    /// The remote key of an item of `data`.
    pub key: Option<String>,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "secret does not exist at provider using {}", self.path)?;
        match &self.key {
            Some(key) => write!(f, " (key={key})"),
            None => Ok(()),
        }
    }
}

/// The merged values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// The values by their keys in the target.
    pub data: Map,
    /// The items that were skipped.
    pub missing: Vec<Missing>,
}

/// Merges what was fetched for `spec`.
///
/// # Errors
/// An item is missing and the deletion policy is Retain, or a step fails on its values.
pub fn gather(
    spec: &ExternalSecretSpec,
    fetched: Fetched,
    render: &mut dyn Render,
) -> Result<Gathered, Error> {
    let retain = spec.deletion_policy() == DeletionPolicy::Retain;
    let mut out = Gathered::default();
    let mut data_from = fetched.data_from.into_iter();
    for (index, item) in spec.data_from.iter().enumerate() {
        let source = source_of(item);
        let path = || format!("spec.dataFrom[{index}]{}", source.suffix());
        match data_from.next().flatten() {
            Some(values) => out.data.extend(
                from_item(item, values, render)
                    .map_err(|problem| Error::new(path(), None, problem))?,
            ),
            None if retain => return Err(Error::new(path(), None, Problem::Missing)),
            None => out.missing.push(Missing {
                path: format!("spec.dataFrom[{index}]"),
                key: None,
            }),
        }
    }
    let mut data = fetched.data.into_iter();
    for (index, item) in spec.data.iter().enumerate() {
        let path = format!("spec.data[{index}]");
        let key = Some(item.remote_ref.key.clone());
        match data.next().flatten() {
            Some(value) => {
                let value =
                    single_item(item, value).map_err(|problem| Error::new(path, key, problem))?;
                out.data.insert(item.secret_key.clone(), value);
            }
            None if retain => return Err(Error::new(path, key, Problem::Missing)),
            None => out.missing.push(Missing { path, key }),
        }
    }
    Ok(out)
}

/// Where the values of an item of `dataFrom` come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source<'a> {
    Remote {
        field: &'static str,
        conversion: &'a Option<ConversionStrategy>,
        decoding: &'a Option<DecodingStrategy>,
        null_bytes: &'a Option<NullBytePolicy>,
    },
    Generator,
}

impl Source<'_> {
    fn suffix(&self) -> String {
        match self {
            Self::Remote { field, .. } => format!(".{field}"),
            Self::Generator => ".sourceRef.generatorRef".to_owned(),
        }
    }
}

fn source_of(item: &DataFrom) -> Source<'_> {
    if let Some(find) = &item.find {
        Source::Remote {
            field: "find",
            conversion: &find.conversion_strategy,
            decoding: &find.decoding_strategy,
            null_bytes: &find.null_byte_policy,
        }
    } else if let Some(extract) = &item.extract {
        Source::Remote {
            field: "extract",
            conversion: &extract.conversion_strategy,
            decoding: &extract.decoding_strategy,
            null_bytes: &extract.null_byte_policy,
        }
    } else {
        Source::Generator
    }
}

/// The keys that one item of `dataFrom` contributes.
///
/// Fetched values: rewrite, or convert if no rewrite is listed, then validate keys, decode, look
/// for null bytes. Generated values: rewrite and validate keys only.
///
/// # Errors
/// A step fails.
pub fn from_item(
    item: &DataFrom,
    fetched: FetchedMap,
    render: &mut dyn Render,
) -> Result<Map, Problem> {
    let Source::Remote {
        field,
        conversion,
        decoding,
        null_bytes,
    } = source_of(item)
    else {
        let map = rewrite_all(&item.rewrite, fetched.values, render)?;
        return keys::validate(map).map_err(Problem::Keys);
    };
    let conversion = known(
        "conversionStrategy",
        conversion.as_ref().map(ConversionStrategy::as_str),
        Conversion::from_name,
    )?;
    let decoding = decoding_of(decoding.as_ref())?;
    let null_bytes = null_bytes_of(null_bytes.as_ref())?;
    let convert_first = fetched.convert_first && field == "find";
    let mut map = fetched.values;
    if convert_first || item.rewrite.is_empty() {
        map = conversion.convert_map(map).map_err(Problem::Convert)?;
    }
    let map = rewrite_all(&item.rewrite, map, render)?;
    let map = keys::validate(map).map_err(Problem::Keys)?;
    let map = decoding
        .decode_map(map)
        .map_err(|(key, source)| Problem::Decode {
            key: Some(key),
            strategy: decoding.as_str(),
            source,
        })?;
    null_bytes.check_map(&map).map_err(Problem::NullBytes)?;
    Ok(map)
}

/// The value that one item of `data` contributes: decode, then look for null bytes. The
/// conversion strategy has no effect here.
///
/// # Errors
/// A step fails.
pub fn single_item(item: &ExternalSecretData, value: SecretBytes) -> Result<SecretBytes, Problem> {
    let reference = &item.remote_ref;
    let decoding = decoding_of(reference.decoding_strategy.as_ref())?;
    let null_bytes = null_bytes_of(reference.null_byte_policy.as_ref())?;
    let value = decoding.decode(&value).map_err(|source| Problem::Decode {
        key: None,
        strategy: decoding.as_str(),
        source,
    })?;
    null_bytes
        .check(&item.secret_key, &value)
        .map_err(Problem::NullBytes)?;
    Ok(value)
}

fn rewrite_all(
    operations: &[Rewrite],
    mut map: Map,
    render: &mut dyn Render,
) -> Result<Map, Problem> {
    for (index, operation) in operations.iter().enumerate() {
        map =
            rewrite(operation, map, render).map_err(|source| Problem::Rewrite { index, source })?;
    }
    Ok(map)
}

pub(crate) fn decoding_of(strategy: Option<&DecodingStrategy>) -> Result<Decoding, Problem> {
    known(
        "decodingStrategy",
        strategy.map(DecodingStrategy::as_str),
        Decoding::from_name,
    )
}

fn null_bytes_of(policy: Option<&NullBytePolicy>) -> Result<NullBytes, Problem> {
    known(
        "nullBytePolicy",
        policy.map(NullBytePolicy::as_str),
        NullBytes::from_name,
    )
}

fn known<T>(
    field: &'static str,
    name: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Problem> {
    let name = name.unwrap_or_default();
    read(name).ok_or_else(|| Problem::Unsupported {
        field,
        value: name.to_owned(),
    })
}

#[cfg(test)]
mod tests;
