//! Azure: for each service account a managed identity, its federated credential, and roles (or
//! access policies) on exactly what it reads.

mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Names, slug};
use super::{RenderError, Settings, Target};
use crate::azure::{FederatedCredential, MAX_CREDENTIALS};
use crate::plan::{Cloud, Identity, Place, Plan, Scope, Verb};

pub(super) use write::{hcl, json, shell};

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
    assignments: BTreeSet<Assignment>,
}

struct Credential<'a> {
    name: String,
    label: String,
    subject: String,
    audience: &'a str,
    identity: &'a Identity,
}

/// A role on a vault or on one thing in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Assignment {
    vault: String,
    role: &'static str,
    /// `secrets/NAME`; none for the whole vault.
    part: Option<String>,
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
        let shared = identities
            .iter()
            .position(|m| client.is_some() && m.client == client);
        let at = shared.unwrap_or_else(|| {
            identities.push(Managed {
                name: slug(&identity.name, "-_", 128),
                label: labels.label(&identity.name),
                client,
                credentials: Vec::new(),
                assignments: BTreeSet::new(),
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
                .assignments
                .insert(assignment(vault, grant.access.verb, &grant.access.scope)?);
        }
    }
    for managed in &mut identities {
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
        narrow(&mut managed.assignments);
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

/// A role on a whole vault makes the same role on a part of it idle.
fn narrow(all: &mut BTreeSet<Assignment>) {
    let whole: Vec<Assignment> = all.iter().filter(|a| a.part.is_none()).cloned().collect();
    all.retain(|a| {
        a.part.is_none() || !whole.iter().any(|w| w.vault == a.vault && w.role == a.role)
    });
}

fn assignment(vault: String, verb: Verb, scope: &Scope) -> Result<Assignment, RenderError> {
    let (role, kind) = match verb {
        Verb::ReadKey => ("Key Vault Crypto User", "keys"),
        Verb::ReadCertificate => ("Key Vault Certificate User", "certificates"),
        _ => ("Key Vault Secrets User", "secrets"),
    };
    let part = match scope {
        Scope::Name(name) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if name.is_empty() || name.len() > 127 || !name.chars().all(plain) {
                return Err(RenderError::Name {
                    name: name.clone(),
                    place: "in a Key Vault",
                    reason: "names have 1 to 127 letters, digits and hyphens",
                });
            }
            Some(format!("{kind}/{name}"))
        }
        _ => None,
    };
    Ok(Assignment { vault, role, part })
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
