//! Azure: for each service account a managed identity, its federated credential, and roles (or
//! access policies) on exactly what it reads.

mod script;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Names, slug};
use super::{RenderError, Settings, Target};
use crate::azure::{FederatedCredential, MAX_CREDENTIALS};
use crate::plan::{Cloud, Identity, Place, Plan, Scope, Verb};

pub(super) use script::shell;
pub(super) use write::{hcl, json};

/// Everything that is created.
pub(super) struct Model<'a> {
    group: String,
    location: String,
    issuer: &'a str,
    /// Vaults by name, with their labels.
    vaults: BTreeMap<String, String>,
    access_policies: bool,
    identities: Vec<Managed<'a>>,
    import: bool,
}

/// A managed identity. Several service accounts share one when they name the same client id.
struct Managed<'a> {
    name: String,
    label: String,
    client: Option<&'a str>,
    credentials: Vec<Credential<'a>>,
    reads: BTreeSet<Read>,
}

struct Credential<'a> {
    name: String,
    label: String,
    subject: String,
    audience: &'a str,
    identity: &'a Identity,
}

/// Something in a vault that is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Read {
    vault: String,
    /// `secrets`, `keys` or `certificates`.
    kind: &'static str,
    /// None for all of them.
    name: Option<String>,
}

/// A role on a vault or on one thing in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Assignment {
    vault: String,
    role: &'static str,
    /// `secrets/NAME`; none for the whole vault.
    part: Option<String>,
}

impl Managed<'_> {
    /// The roles with the least rights that allow what is read. A role on a whole vault makes the
    /// same role on a part of it idle.
    fn assignments(&self) -> Vec<Assignment> {
        let all: BTreeSet<Assignment> = self.reads.iter().map(Read::assignment).collect();
        let whole = |a: &Assignment| {
            a.part.is_some()
                && all.contains(&Assignment {
                    part: None,
                    ..a.clone()
                })
        };
        all.iter().filter(|a| !whole(a)).cloned().collect()
    }
}

impl Read {
    /// Keys and certificates are read by their public halves. The roles that are named after them
    /// would allow to sign with the one and to read the secret behind the other.
    fn assignment(&self) -> Assignment {
        Assignment {
            vault: self.vault.clone(),
            role: match self.kind {
                "secrets" => "Key Vault Secrets User",
                _ => "Key Vault Reader",
            },
            part: self
                .name
                .as_ref()
                .map(|name| format!("{}/{name}", self.kind)),
        }
    }
}

pub(super) fn model<'a>(plan: &'a Plan, settings: &Settings<'a>) -> Result<Model<'a>, RenderError> {
    let azure = &settings.options.azure;
    let issuer = super::issuer(plan)?.as_str();
    let missing = |what: &str, flag| RenderError::Missing {
        what: what.to_owned(),
        flag,
    };
    let group = azure.resource_group.clone();
    let group = group.ok_or_else(|| missing("the resource group", "--azure-resource-group"))?;
    let location = azure.location.clone();
    let location = location.ok_or_else(|| missing("the region", "--azure-location"))?;
    let (mut labels, mut credential_labels, mut vault_labels) =
        (Names::default(), Names::default(), Names::default());
    let mut identities: Vec<Managed<'a>> = Vec::new();
    let mut vaults = BTreeMap::new();
    for identity in Target::Azure.identities(plan) {
        let Cloud::Azure { client, .. } = &identity.cloud else {
            continue;
        };
        let client = client.as_deref();
        if let Some(client) = client.filter(|client| !is_guid(client)) {
            return Err(RenderError::Name {
                name: client.to_owned(),
                place: "of a client in Entra",
                reason: "a client id is a GUID",
            });
        }
        let shared = identities
            .iter()
            .position(|m| client.is_some() && m.client == client);
        let at = shared.unwrap_or_else(|| {
            identities.push(Managed {
                name: slug(&identity.name, "-_", 128),
                label: labels.label(&identity.name),
                client,
                credentials: Vec::new(),
                reads: BTreeSet::new(),
            });
            identities.len() - 1
        });
        let Some(managed) = identities.get_mut(at) else {
            continue;
        };
        let account = &identity.account;
        let name = format!("{}-{}", account.namespace, account.name);
        let name = slug(&name, "-_", 110);
        let name = if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() > 2 {
            name
        } else {
            format!("sa-{name}")
        };
        let taken = managed
            .credentials
            .iter()
            .filter(|c| c.name.starts_with(&name))
            .count();
        let name = if taken == 0 {
            name
        } else {
            format!("{name}-{}", taken + 1)
        };
        let subject = identity.subject();
        let made = FederatedCredential::new(&name, issuer, &subject, &identity.audience);
        made.map_err(|_| RenderError::Name {
            name: subject.clone(),
            place: "in a federated credential",
            reason: "issuer and subject have 1 to 600 characters and no white space at an end",
        })?;
        managed.credentials.push(Credential {
            label: credential_labels.label(&name),
            name,
            subject,
            audience: &identity.audience,
            identity,
        });
        for grant in &identity.grants {
            let Place::KeyVault { url } = &grant.access.place else {
                continue;
            };
            let vault = vault_name(url)?;
            if !vaults.contains_key(&vault) {
                vaults.insert(vault.clone(), vault_labels.label(&vault));
            }
            managed
                .reads
                .insert(read(vault, grant.access.verb, &grant.access.scope)?);
        }
    }
    for managed in &identities {
        if managed.credentials.len() > MAX_CREDENTIALS {
            return Err(RenderError::TooMuch {
                what: "the managed identity",
                name: managed.name.clone(),
                size: managed.credentials.len(),
                unit: "federated credentials",
                limit: MAX_CREDENTIALS,
                fix: "spread the service accounts over several identities",
            });
        }
    }
    Ok(Model {
        group,
        location,
        issuer,
        vaults,
        access_policies: azure.access_policies,
        identities,
        import: settings.import,
    })
}

fn read(vault: String, verb: Verb, scope: &Scope) -> Result<Read, RenderError> {
    let kind = match verb {
        Verb::ReadKey => "keys",
        Verb::ReadCertificate => "certificates",
        _ => "secrets",
    };
    let name = match scope {
        Scope::Name(name) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if name.is_empty() || name.len() > 127 || !name.chars().all(plain) {
                return Err(RenderError::Name {
                    name: name.clone(),
                    place: "in a Key Vault",
                    reason: "names have 1 to 127 letters, digits and hyphens",
                });
            }
            Some(name.clone())
        }
        _ => None,
    };
    Ok(Read { vault, kind, name })
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// The vault's name out of its URL.
fn vault_name(url: &str) -> Result<String, RenderError> {
    let host = url.strip_prefix("https://").unwrap_or(url);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let name = host.split('.').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > 24 || !name.chars().all(plain) {
        return Err(RenderError::Name {
            name: url.to_owned(),
            place: "of a Key Vault",
            reason: "its URL is https://NAME.vault.azure.net, with a name of at most 24 letters, digits and hyphens",
        });
    }
    Ok(name.to_owned())
}
