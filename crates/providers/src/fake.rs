//! The fake provider: fixed values from the store's own spec.
//!
//! Owns: lookup by exact key and version. Refuses: state of its own, so that any number of
//! readers may use it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use keyless_api::FakeProvider;
use keyless_secret::SecretBytes;

use crate::{Capabilities, Error, Find, Provider, Ref, Validation, property};

const SERVICE: &str = "the fake provider";

/// The values of one store.
#[derive(Debug)]
pub struct Fake {
    /// By key, then version; of two equal entries the later one.
    values: BTreeMap<String, BTreeMap<String, SecretBytes>>,
    validation: i64,
}

impl Fake {
    /// Takes the values over from `spec`.
    #[must_use]
    pub fn new(spec: &FakeProvider) -> Self {
        let mut values: BTreeMap<String, BTreeMap<String, SecretBytes>> = BTreeMap::new();
        for data in &spec.data {
            values.entry(data.key.clone()).or_default().insert(
                data.version.clone().unwrap_or_default(),
                data.value.as_str().into(),
            );
        }
        Self {
            values,
            validation: spec.validation_result.unwrap_or(0),
        }
    }

    fn get(&self, reference: &Ref) -> Result<SecretBytes, Error> {
        let version = reference.version.as_deref().unwrap_or_default();
        let value = self
            .values
            .get(&reference.key)
            .and_then(|versions| versions.get(version))
            .ok_or_else(|| missing(&reference.key))?;
        match reference
            .property
            .as_deref()
            .filter(|path| !path.is_empty())
        {
            None => Ok(value.clone()),
            Some(path) => property::path(value, path).ok_or_else(|| missing(&reference.key)),
        }
    }

    fn search(&self, find: &Find) -> Result<BTreeMap<String, SecretBytes>, Error> {
        let Some(pattern) = &find.name else {
            return Err(Error::Shape {
                reason: "unexpected find operator".into(),
                hint: Some("The fake provider finds by name only: set find.name.regexp".into()),
            });
        };
        let pattern = keyless_api::regexp::compile(pattern).map_err(|error| Error::Shape {
            reason: format!("find.name.regexp: {error}"),
            hint: None,
        })?;
        Ok(self
            .values
            .iter()
            .filter(|(key, _)| pattern.is_match(key))
            // The newest version is the greatest text.
            .filter_map(|(key, versions)| Some((key.clone(), versions.last_key_value()?.1.clone())))
            .collect())
    }
}

fn missing(key: &str) -> Error {
    Error::NoSecret {
        key: key.to_owned(),
        service: SERVICE.into(),
        hint: Some("Correct key, version and property, or add it to the store's data".into()),
        code: "",
    }
}

impl Provider for Fake {
    fn read<'a>(
        &'a self,
        refs: &'a [Ref],
        _: Duration,
    ) -> BoxFuture<'a, Vec<Result<SecretBytes, Error>>> {
        ready(refs.iter().map(|reference| self.get(reference)).collect()).boxed()
    }

    fn read_map<'a>(
        &'a self,
        reference: &'a Ref,
        _: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        ready(
            self.get(reference)
                .and_then(|value| property::map(&value, &reference.key)),
        )
        .boxed()
    }

    fn find<'a>(
        &'a self,
        find: &'a Find,
        _: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>> {
        ready(self.search(find)).boxed()
    }

    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>> {
        ready(match self.validation {
            0 => Ok(Validation::Valid),
            1 => Ok(Validation::Undetermined(
                "the fake provider's validationResult is 1".into(),
            )),
            result => Err(Error::Config {
                reason: format!("the fake provider's validationResult is {result}"),
                hint: Some("Set fake.validationResult to 0".into()),
            }),
        })
        .boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyless_api::FakeData;

    fn fake(entries: &[(&str, &str, Option<&str>)]) -> Fake {
        Fake::new(&FakeProvider {
            data: entries
                .iter()
                .map(|(key, value, version)| FakeData {
                    key: (*key).into(),
                    value: (*value).into(),
                    version: version.map(Into::into),
                })
                .collect(),
            validation_result: None,
        })
    }

    fn read(
        fake: &Fake,
        key: &str,
        property: Option<&str>,
        version: Option<&str>,
    ) -> Option<String> {
        let reference = Ref {
            key: key.into(),
            property: property.map(Into::into),
            version: version.map(Into::into),
            metadata: false,
        };
        match fake.get(&reference) {
            Ok(value) => Some(value.expose_str().unwrap().to_owned()),
            Err(error) => {
                assert!(error.is_no_secret(), "{error}");
                None
            }
        }
    }

    #[test]
    fn key_and_version_must_match_exactly() {
        let fake = fake(&[
            ("a", "none", None),
            ("a", "two", Some("v2")),
            ("b", "x", Some("v1")),
        ]);
        assert_eq!(read(&fake, "a", None, None).as_deref(), Some("none"));
        assert_eq!(read(&fake, "a", None, Some("v2")).as_deref(), Some("two"));
        assert_eq!(read(&fake, "a", None, Some("v3")), None);
        assert_eq!(read(&fake, "b", None, None), None);
        assert_eq!(read(&fake, "c", None, None), None);
    }

    #[test]
    fn a_missing_property_is_no_secret() {
        let fake = fake(&[
            ("j", r#"{"a":{"b":1.50},"n":null}"#, None),
            ("t", "text", None),
        ]);
        assert_eq!(read(&fake, "j", Some("a.b"), None).as_deref(), Some("1.5"));
        assert_eq!(read(&fake, "j", Some("n"), None).as_deref(), Some(""));
        assert_eq!(read(&fake, "j", Some("x"), None), None);
        assert_eq!(read(&fake, "t", Some("x"), None), None);
    }

    #[test]
    fn find_takes_the_newest_version() {
        let fake = fake(&[
            ("db-a", "1", Some("v1")),
            ("db-a", "2", Some("v2")),
            ("x", "3", None),
        ]);
        let by_name = Find {
            name: Some("^db".into()),
            ..Find::default()
        };
        let found = fake.search(&by_name).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found["db-a"].expose(), b"2");
        assert!(fake.search(&Find::default()).is_err());
        let broken = Find {
            name: Some("(".into()),
            ..Find::default()
        };
        assert!(fake.search(&broken).is_err());
    }

    #[tokio::test]
    async fn validation_result() {
        let of = |result| {
            Fake::new(&FakeProvider {
                validation_result: Some(result),
                ..FakeProvider::default()
            })
        };
        assert_eq!(of(0).validate().await.unwrap(), Validation::Valid);
        assert!(matches!(
            of(1).validate().await.unwrap(),
            Validation::Undetermined(_)
        ));
        assert!(of(2).validate().await.is_err());
    }
}
