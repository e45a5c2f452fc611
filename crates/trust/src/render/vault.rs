//! Vault and OpenBao: an auth method, a role for each service account, and a policy of exactly
//! what it reads.

mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::names::slug;
use super::{RenderError, Settings, Target};
use crate::plan::{Access, Cloud, Identity, Place, Plan, Scope, Vault as Known, VaultMethod, Verb};
use crate::trust::Issuer;

pub(super) use write::{hcl, json, shell};

/// Everything that is created, server by server.
pub(super) struct Model<'a> {
    issuer: Option<&'a Issuer>,
    known: &'a Known,
    mounts: BTreeMap<(String, Option<String>, String), Mount<'a>>,
}

/// An auth method.
struct Mount<'a> {
    method: VaultMethod,
    roles: Vec<Role<'a>>,
}

/// A role and its policy.
struct Role<'a> {
    name: &'a str,
    policy: String,
    paths: BTreeMap<String, BTreeSet<&'static str>>,
    identity: &'a Identity,
}

pub(super) fn model<'a>(plan: &'a Plan, settings: &Settings<'a>) -> Result<Model<'a>, RenderError> {
    let mut mounts: BTreeMap<_, Mount<'a>> = BTreeMap::new();
    for identity in Target::Vault.identities(plan) {
        let Cloud::Vault {
            server,
            namespace,
            method,
            mount,
            role,
        } = &identity.cloud
        else {
            continue;
        };
        if *method == VaultMethod::Jwt {
            super::issuer(plan)?;
        }
        for (text, place) in [(mount, "of an auth method"), (role, "of a role")] {
            part(text, place)?;
        }
        let key = (server.clone(), namespace.clone(), mount.clone());
        let entry = mounts.entry(key).or_insert_with(|| Mount {
            method: *method,
            roles: Vec::new(),
        });
        if entry.method != *method || entry.roles.iter().any(|r| r.name == role) {
            return Err(RenderError::Name {
                name: role.clone(),
                place: "of two roles",
                reason: "two service accounts name it: give each a role of its own",
            });
        }
        let mut paths: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        for grant in &identity.grants {
            for (path, capability) in self::paths(&grant.access)? {
                paths.entry(path).or_default().insert(capability);
            }
        }
        entry.roles.push(Role {
            name: role,
            policy: slug(&identity.name, "-_.", 128),
            paths,
            identity,
        });
    }
    Ok(Model {
        issuer: plan.issuer.as_ref(),
        known: &settings.options.vault,
        mounts,
    })
}

/// A mount or role: part of a path, so nothing that another path could be made of.
fn part(text: &str, place: &'static str) -> Result<(), RenderError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let dots = text
        .split('/')
        .any(|p| p.is_empty() || p == "." || p == "..");
    if text.is_empty() || !text.chars().all(plain) || dots {
        return Err(RenderError::Name {
            name: text.to_owned(),
            place,
            reason: "it has letters, digits, hyphens, underscores, dots and single slashes",
        });
    }
    Ok(())
}

/// The paths of the API that an access needs. Policies have no way to write a star or a plus that
/// is none.
/// <https://developer.hashicorp.com/vault/docs/concepts/policies#policy-syntax>
fn paths(access: &Access) -> Result<Vec<(String, &'static str)>, RenderError> {
    let Place::Kv {
        mount, versioned, ..
    } = &access.place
    else {
        return Ok(Vec::new());
    };
    let (text, star) = match &access.scope {
        Scope::Name(name) => (name.as_str(), ""),
        Scope::Below(prefix) => (prefix.as_str(), "*"),
        Scope::Everything => ("", "*"),
    };
    let wild = |p: &str| p.contains('*') || p.split('/').any(|s| s == "+");
    if wild(text) || wild(mount) || text.chars().any(char::is_control) {
        return Err(RenderError::Name {
            name: text.to_owned(),
            place: "in a policy",
            reason: "a star or a plus would mean more than this one",
        });
    }
    let at = |kind: &str| {
        if *versioned {
            format!("{mount}/{kind}/{text}{star}")
        } else {
            format!("{mount}/{text}{star}")
        }
    };
    Ok(match access.verb {
        Verb::Search | Verb::SearchTags => vec![(at("metadata"), "list")],
        Verb::ReadMetadata => vec![(at("metadata"), "read")],
        _ => vec![(at("data"), "read")],
    })
}
