//! Where a key is: mount, path inside the engine, and the API's paths for them.
//!
//! Owns: the rule of the API's users for `path` and the optional `data/` of version 2. Refuses:
//! keys that mean another path than they say.

use keyless_identity::vault::segments;

use crate::Error;

/// Version of the key-value engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Engine {
    V1,
    V2,
}

/// How a store's keys are read.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) engine: Engine,
    /// The mount; without it a key begins with it.
    pub(super) mount: Option<String>,
    /// Whether a search goes into folders.
    pub(super) deep: bool,
}

/// One secret's place. Paths are as the user writes them, not escaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    engine: Engine,
    mount: String,
    rest: String,
}

/// A call's target: escaped for the URL, and plain for policies and messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) url: String,
    pub(super) plain: String,
}

/// One version of one secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SecretKey {
    pub(super) engine: Engine,
    pub(super) target: Target,
    pub(super) version: Option<String>,
}

/// Without empty parts: `/a//b/` is `a/b`, as the server takes it.
fn clean(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

impl Layout {
    pub(super) fn new(engine: Engine, path: Option<&str>) -> Self {
        Self {
            engine,
            mount: path.map(clean).filter(|path| !path.is_empty()),
            deep: true,
        }
    }

    /// The same with searches in one folder only.
    pub(super) fn shallow(self) -> Self {
        Self {
            deep: false,
            ..self
        }
    }

    /// The place of `key`.
    pub(super) fn place(&self, key: &str) -> Result<Place, Error> {
        let key = clean(key);
        let (mount, rest) = match (&self.mount, self.engine) {
            (Some(mount), engine) => {
                // A secret whose first part is the mount's name cannot be told from a full path.
                let rest = match key
                    .strip_prefix(mount)
                    .and_then(|rest| rest.strip_prefix('/'))
                {
                    Some(rest) if engine == Engine::V2 => {
                        rest.strip_prefix("data/").unwrap_or(rest)
                    }
                    Some(rest) => rest,
                    None => &key,
                };
                (mount.clone(), rest.to_owned())
            }
            (None, Engine::V2) => {
                let split = key.split_once("/data/").or_else(|| key.split_once('/'));
                let (mount, rest) = split.unwrap_or(("", &key));
                (mount.to_owned(), rest.to_owned())
            }
            (None, Engine::V1) => {
                let (mount, rest) = key.split_once('/').unwrap_or(("", &key));
                (mount.to_owned(), rest.to_owned())
            }
        };
        if mount.is_empty() || rest.is_empty() {
            return Err(Error::Shape {
                reason: format!("key {key:?} does not name a mount and a path in it"),
                hint: Some("Set path in the store, or begin the key with the mount".into()),
            });
        }
        Ok(Place {
            engine: self.engine,
            mount,
            rest,
        })
    }

    /// Mount and folder of a search below `path`.
    pub(super) fn folder(&self, path: Option<&str>) -> Result<(String, String), Error> {
        let path = clean(path.unwrap_or_default());
        if let Some(mount) = &self.mount {
            return Ok((mount.clone(), path));
        }
        let (mount, folder) = path.split_once('/').unwrap_or((&path, ""));
        if mount.is_empty() {
            return Err(Error::Shape {
                reason: "the search names no mount".into(),
                hint: Some("Set path in the store, or begin find.path with the mount".into()),
            });
        }
        Ok((mount.to_owned(), folder.to_owned()))
    }

    /// The place of what a search found.
    pub(super) fn found(&self, mount: &str, name: &str) -> Place {
        Place {
            engine: self.engine,
            mount: mount.to_owned(),
            rest: name.to_owned(),
        }
    }
}

/// `plain` as a target.
pub(super) fn target(plain: String) -> Result<Target, Error> {
    match segments(&plain) {
        Some(url) => Ok(Target { url, plain }),
        None => Err(Error::Shape {
            reason: format!("{plain:?} is no path of a secret"),
            hint: Some("Write the path without . and ..".into()),
        }),
    }
}

impl Place {
    fn below(&self, area: &str) -> Result<Target, Error> {
        let Self { mount, rest, .. } = self;
        target(match area {
            "" => format!("{mount}/{rest}"),
            area => format!("{mount}/{area}/{rest}"),
        })
    }

    pub(super) const fn engine(&self) -> Engine {
        self.engine
    }

    /// Where the values are.
    pub(super) fn data(&self) -> Result<Target, Error> {
        self.below(match self.engine {
            Engine::V1 => "",
            Engine::V2 => "data",
        })
    }

    /// The values of one version, or of the newest.
    pub(super) fn secret(&self, version: Option<String>) -> Result<SecretKey, Error> {
        Ok(SecretKey {
            engine: self.engine,
            target: self.data()?,
            // Version 1 has none: what is there is read.
            version: version.filter(|_| self.engine == Engine::V2),
        })
    }

    /// Where the metadata are; `what` needs them.
    pub(super) fn metadata(&self, what: &str) -> Result<Target, Error> {
        match self.engine {
            Engine::V2 => self.below("metadata"),
            Engine::V1 => Err(no_metadata(what)),
        }
    }
}

/// Version 1 of the engine keeps no metadata, which `what` needs.
pub(super) fn no_metadata(what: &str) -> Error {
    Error::Shape {
        reason: format!("cannot {what}: version 1 of the engine keeps none"),
        hint: Some("Use version 2 of the engine".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data(engine: Engine, path: Option<&str>, key: &str) -> Option<String> {
        let place = Layout::new(engine, path).place(key).ok()?;
        Some(place.data().ok()?.plain)
    }

    #[test]
    fn the_rule_for_paths() {
        for (engine, path, key, expected) in [
            (Engine::V2, Some("secret"), "foo", Some("secret/data/foo")),
            (
                Engine::V2,
                Some("secret"),
                "secret/foo",
                Some("secret/data/foo"),
            ),
            (
                Engine::V2,
                Some("secret"),
                "secret/data/foo",
                Some("secret/data/foo"),
            ),
            (
                Engine::V2,
                Some("secret"),
                "data/foo",
                Some("secret/data/data/foo"),
            ),
            (
                Engine::V2,
                Some("secret/"),
                "/foo//bar/",
                Some("secret/data/foo/bar"),
            ),
            (
                Engine::V2,
                Some("team/kv"),
                "team/kv/foo",
                Some("team/kv/data/foo"),
            ),
            (
                Engine::V2,
                Some("secret"),
                "secrets/foo",
                Some("secret/data/secrets/foo"),
            ),
            (
                Engine::V2,
                None,
                "secret/foo/bar",
                Some("secret/data/foo/bar"),
            ),
            (
                Engine::V2,
                None,
                "team/kv/data/foo",
                Some("team/kv/data/foo"),
            ),
            (Engine::V2, None, "foo", None),
            (Engine::V1, Some("kv"), "foo", Some("kv/foo")),
            (Engine::V1, Some("kv"), "kv/data/foo", Some("kv/data/foo")),
            (Engine::V1, None, "kv/foo", Some("kv/foo")),
            (Engine::V2, Some("secret"), "", None),
            (Engine::V2, Some("secret"), "a/../../sys/raw", None),
        ] {
            let found = data(engine, path, key);
            assert_eq!(found.as_deref(), expected, "{engine:?} {path:?} {key:?}");
        }
    }

    #[test]
    fn searches_begin_in_the_mount() {
        let with = Layout::new(Engine::V2, Some("kv"));
        assert_eq!(with.folder(None).unwrap(), ("kv".into(), String::new()));
        assert_eq!(
            with.folder(Some("a/b/")).unwrap(),
            ("kv".into(), "a/b".into())
        );
        let without = Layout::new(Engine::V2, None);
        assert_eq!(
            without.folder(Some("kv/a")).unwrap(),
            ("kv".into(), "a".into())
        );
        assert!(without.folder(None).is_err());
    }

    proptest! {
        #[test]
        fn no_key_leaves_its_mount(key in "[a-z./ ?#%]{0,20}") {
            if let Ok(place) = Layout::new(Engine::V2, Some("m")).place(&key)
                && let Ok(target) = place.data()
            {
                prop_assert!(target.url.starts_with("m/data/"));
                prop_assert!(!target.url.contains(['?', '#', ' ']));
                prop_assert!(target.url.split('/').all(|part| part != ".." && part != "."));
            }
        }
    }
}
