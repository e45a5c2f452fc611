//! What a key of a provider's store means: the permissions that reading it needs.

use keyless_api::{
    AwsProvider, AwsService, AzureKvProvider, Find, GcpSmProvider, KvVersion, SecretStoreProvider,
    VaultProvider,
};

use super::access::{Access, Place, Scope, Verb};
use super::options::Options;
use super::provider::Context;
use super::reads::{Wanted, literal_prefix};

impl Context<'_> {
    /// The permissions that a read needs there; an error says why it cannot be told.
    pub(super) fn access(&self, wanted: &Wanted<'_>) -> Result<Vec<Access>, String> {
        let provider = &self.spec.provider;
        match provider {
            SecretStoreProvider { aws: Some(aws), .. } => aws_access(aws, wanted),
            SecretStoreProvider {
                azurekv: Some(azure),
                ..
            } => Ok(azure_access(azure, wanted)),
            SecretStoreProvider {
                gcpsm: Some(google),
                ..
            } => Ok(google_access(google, self.options, wanted)),
            SecretStoreProvider {
                vault: Some(vault), ..
            } => vault_access(vault, wanted),
            _ => Ok(Vec::new()),
        }
    }
}

fn access(place: &Place, verb: Verb, scope: Scope) -> Access {
    Access {
        place: place.clone(),
        verb,
        scope,
    }
}

/// The narrowest names that a search may find.
fn searched(find: &Find, path: Option<&str>) -> Scope {
    let regexp = find.name.as_ref().and_then(|n| n.regexp.as_deref());
    let prefix = regexp.map(literal_prefix).unwrap_or_default();
    let path = path.unwrap_or_default();
    let best = if prefix.starts_with(path) {
        prefix.as_str()
    } else {
        path
    };
    match best {
        "" | "/" => Scope::Everything,
        best => Scope::Below(best.to_owned()),
    }
}

fn aws_access(spec: &AwsProvider, wanted: &Wanted<'_>) -> Result<Vec<Access>, String> {
    let region = spec.region.clone();
    let (place, parameters) = match &spec.service {
        AwsService::ParameterStore => (Place::ParameterStore { region }, true),
        AwsService::SecretsManager => (Place::SecretsManager { region }, false),
        other => return Err(format!("service {} is not planned for", other.as_str())),
    };
    let prefix = spec.prefix.as_deref().unwrap_or_default();
    let named = |key: &str| Scope::Name(format!("{prefix}{key}"));
    let one = |verb, scope| access(&place, verb, scope);
    Ok(match wanted {
        Wanted::Value(key) => vec![one(Verb::Read, named(key))],
        Wanted::Metadata(key) => vec![one(Verb::ReadMetadata, named(key))],
        Wanted::Generated => Vec::new(),
        Wanted::Found(find) => {
            let scope = searched(find, find.path.as_deref());
            let verb = if find.tags.is_empty() {
                Verb::Search
            } else {
                Verb::SearchTags
            };
            // Parameters are listed below a path; the rest of the name is no path.
            let listed = match (&scope, parameters) {
                (Scope::Below(_), true) => match find.path.as_deref() {
                    None | Some("" | "/") => Scope::Everything,
                    Some(path) => Scope::Below(path.trim_end_matches('/').to_owned()),
                },
                _ => scope.clone(),
            };
            vec![one(verb, listed), one(Verb::Read, scope)]
        }
    })
}

fn azure_access(spec: &AzureKvProvider, wanted: &Wanted<'_>) -> Vec<Access> {
    let place = Place::KeyVault {
        url: spec.vault_url.trim_end_matches('/').to_owned(),
    };
    let one = |verb, name: &str| vec![access(&place, verb, Scope::Name(name.to_owned()))];
    let verb_of = |key: &str| {
        let (kind, name) = key.split_once('/').unwrap_or(("secret", key));
        let verb = match kind {
            "key" => Verb::ReadKey,
            "cert" => Verb::ReadCertificate,
            _ => Verb::Read,
        };
        (verb, name.to_owned())
    };
    match wanted {
        Wanted::Value(key) | Wanted::Metadata(key) => {
            let (verb, name) = verb_of(key);
            one(verb, &name)
        }
        // Roles have no prefixes: a search may read all.
        Wanted::Found(_) => vec![
            access(&place, Verb::Search, Scope::Everything),
            access(&place, Verb::Read, Scope::Everything),
        ],
        Wanted::Generated => Vec::new(),
    }
}

fn google_access(spec: &GcpSmProvider, options: &Options, wanted: &Wanted<'_>) -> Vec<Access> {
    let project = spec.project_id.clone();
    let place = Place::SecretManager {
        project: project.or_else(|| options.google.project.clone()),
        location: spec.location.clone().filter(|l| !l.is_empty()),
    };
    match wanted {
        Wanted::Value(key) => vec![access(&place, Verb::Read, Scope::Name((*key).to_owned()))],
        Wanted::Metadata(key) => {
            vec![access(
                &place,
                Verb::ReadMetadata,
                Scope::Name((*key).to_owned()),
            )]
        }
        Wanted::Found(find) => {
            let scope = searched(find, find.path.as_deref());
            vec![
                access(&place, Verb::Search, Scope::Everything),
                access(&place, Verb::Read, scope),
            ]
        }
        Wanted::Generated => Vec::new(),
    }
}

fn vault_access(spec: &VaultProvider, wanted: &Wanted<'_>) -> Result<Vec<Access>, String> {
    let versioned = spec.version.clone().unwrap_or_default() != KvVersion::V1;
    let clean = |path: &str| {
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        parts.join("/")
    };
    let mount = spec.path.as_deref().map(clean).filter(|m| !m.is_empty());
    // As the provider takes keys apart: `crates/providers/src/vault/path.rs`.
    let split = |key: &str| -> Option<(String, String)> {
        let key = clean(key);
        let (mount, rest) = match &mount {
            Some(mount) => {
                let rest = key
                    .strip_prefix(mount.as_str())
                    .and_then(|r| r.strip_prefix('/'));
                let rest = match rest {
                    Some(rest) if versioned => rest.strip_prefix("data/").unwrap_or(rest),
                    Some(rest) => rest,
                    None => key.as_str(),
                };
                (mount.clone(), rest.to_owned())
            }
            None => {
                let data = key.split_once("/data/").filter(|_| versioned);
                let (mount, rest) = data.or_else(|| key.split_once('/'))?;
                (mount.to_owned(), rest.to_owned())
            }
        };
        (!rest.is_empty()).then_some((mount, rest))
    };
    let place = |mount: String| Place::Kv {
        mount,
        versioned,
        namespace: spec.namespace.clone(),
    };
    let unclear = |key: &str| format!("key {key:?} does not name a mount and a path in it");
    Ok(match wanted {
        Wanted::Value(key) => {
            let (mount, rest) = split(key).ok_or_else(|| unclear(key))?;
            vec![access(&place(mount), Verb::Read, Scope::Name(rest))]
        }
        Wanted::Metadata(key) => {
            let (mount, rest) = split(key).ok_or_else(|| unclear(key))?;
            vec![access(&place(mount), Verb::ReadMetadata, Scope::Name(rest))]
        }
        Wanted::Found(find) => {
            let path = clean(find.path.as_deref().unwrap_or_default());
            let (mount, rest) = match &mount {
                Some(mount) => (mount.clone(), path),
                None => split(&path).ok_or_else(|| unclear(&path))?,
            };
            let scope = match rest.as_str() {
                "" => Scope::Everything,
                rest => Scope::Below(format!("{rest}/")),
            };
            let place = place(mount);
            let mut out = vec![
                access(&place, Verb::Search, scope.clone()),
                access(&place, Verb::Read, scope.clone()),
            ];
            if !find.tags.is_empty() {
                out.push(access(&place, Verb::ReadMetadata, scope));
            }
            out
        }
        Wanted::Generated => Vec::new(),
    })
}
