//! The derivation: every read of every object, sorted by who must be allowed it.

use std::collections::{BTreeMap, BTreeSet};

use keyless_api::SecretStoreSpec;
use keyless_fault::ObjectRef;

use super::access::{Access, Grant, Why};
use super::inventory::{External, Inventory, Store};
use super::options::Options;
use super::provider::{Context, Login};
use super::reads::{self, Read, Wanted};
use super::{Cloud, Identity, Note, Plan};
use crate::trust::ServiceAccount;

/// What makes one identity different from another.
type Key = (Cloud, ServiceAccount, String);

#[derive(Default)]
struct Draft {
    grants: BTreeMap<Access, BTreeSet<Why>>,
    stores: BTreeSet<ObjectRef>,
}

/// Plans for everything in the inventory.
#[must_use]
pub fn plan(inventory: &Inventory, options: &Options) -> Plan {
    let mut notes = BTreeSet::new();
    let mut drafts: BTreeMap<Key, Draft> = BTreeMap::new();
    for external in externals(inventory, &mut notes) {
        for read in reads::of(&external.spec) {
            one(
                inventory,
                options,
                &external,
                &read,
                &mut drafts,
                &mut notes,
            );
        }
    }
    let used: BTreeSet<_> = drafts.values().flat_map(|d| d.stores.clone()).collect();
    for store in &inventory.stores {
        if !used.contains(&store.object)
            && !notes.iter().any(|n| n.object == store.object.to_string())
        {
            notes.insert(Note {
                code: "",
                object: store.object.to_string(),
                text: "no object reads from it: nothing is granted".into(),
            });
        }
    }
    let identities = identities(drafts);
    for identity in &identities {
        if !inventory.accounts.contains_key(&identity.account) {
            let ServiceAccount { namespace, name } = &identity.account;
            notes.insert(Note {
                code: "K19",
                object: format!("ServiceAccount {namespace}/{name}"),
                text: "it is not among the objects: its annotations are not known".into(),
            });
        }
    }
    Plan {
        issuer: options.issuer.clone(),
        identities,
        notes: notes.into_iter().collect(),
    }
}

/// Who logs in by the store `store` for a reader in `namespace`: an identity without a grant, from
/// the store alone. `None` where no token of a service account is shown.
#[must_use]
pub fn identity(
    store: &ObjectRef,
    spec: &SecretStoreSpec,
    namespace: &str,
    annotation: &dyn Fn(&ServiceAccount, &str) -> Option<String>,
    options: &Options,
) -> Option<Identity> {
    let context = Context {
        annotation,
        options,
        store,
        spec,
        namespace,
    };
    match context.login() {
        Login::Keyless {
            account,
            audience,
            cloud,
        } => Some(Identity {
            name: String::new(),
            account,
            audience,
            cloud,
            grants: Vec::new(),
            stores: BTreeSet::new(),
        }),
        Login::Other(_) => None,
    }
}

/// ExternalSecrets, and those that ClusterExternalSecrets make in the namespaces that are known.
pub(super) fn externals(inventory: &Inventory, notes: &mut BTreeSet<Note>) -> Vec<External> {
    let mut out = inventory.externals.clone();
    for (object, spec) in &inventory.clusters {
        let mut note = |text: String| {
            notes.insert(Note {
                code: "",
                object: object.to_string(),
                text,
            });
        };
        let selection = match spec.selection() {
            Ok(selection) => selection,
            Err(violations) => {
                let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
                note(texts.join("; "));
                continue;
            }
        };
        let mut namespaces: BTreeSet<&String> = spec.namespaces.iter().collect();
        namespaces.extend(
            inventory
                .namespaces
                .iter()
                .filter(|(name, labels)| selection.selects(name, labels))
                .map(|(name, _)| name),
        );
        if namespaces.is_empty() {
            note("none of the known namespaces is selected: give their manifests, too".into());
        }
        out.extend(namespaces.into_iter().map(|namespace| External {
            object: object.clone(),
            namespace: namespace.clone(),
            spec: spec.external_secret_spec.clone(),
            root: "spec.externalSecretSpec",
        }));
    }
    out
}

fn one(
    inventory: &Inventory,
    options: &Options,
    external: &External,
    read: &Read<'_>,
    drafts: &mut BTreeMap<Key, Draft>,
    notes: &mut BTreeSet<Note>,
) {
    let field = format!("{}.{}", external.root, read.field);
    let mut note = |code: &'static str, text: String| {
        notes.insert(Note {
            code,
            object: external.object.to_string(),
            text: format!("{field}: {text}"),
        });
    };
    if matches!(read.wanted, Wanted::Generated) {
        return note(
            "",
            "a generator makes the value: nothing is planned for it".into(),
        );
    }
    let Some(named) = read.store.filter(|store| !store.name().is_empty()) else {
        return note("", "no store is named".into());
    };
    let (kind, name) = reads::kind_and_name(named);
    let Some(store) = find(inventory, kind, name, &external.namespace) else {
        return note("O6", format!("{kind} {name} is not among the objects"));
    };
    if kind == "ClusterSecretStore" {
        let empty = BTreeMap::new();
        let labels = inventory
            .namespaces
            .get(&external.namespace)
            .unwrap_or(&empty);
        match store.spec.allows(&external.namespace, labels) {
            Ok(true) => {}
            // Selectors need labels, which files rarely have.
            Ok(false) if inventory.namespaces.contains_key(&external.namespace) => {
                let namespace = &external.namespace;
                return note(
                    "O7",
                    format!("{kind} {name} does not admit namespace {namespace}"),
                );
            }
            Ok(false) => note(
                "O7",
                format!(
                    "whether {kind} {name} admits namespace {} is not known",
                    external.namespace
                ),
            ),
            Err(error) => return note("O7", format!("{kind} {name}: {error}")),
        }
    }
    let annotation =
        |account: &ServiceAccount, key: &str| inventory.annotation(account, key).map(str::to_owned);
    let context = Context {
        annotation: &annotation,
        options,
        store: &store.object,
        spec: &store.spec,
        namespace: &external.namespace,
    };
    let (account, audience, cloud) = match context.login() {
        Login::Keyless {
            account,
            audience,
            cloud,
        } => (account, audience, cloud),
        Login::Other(text) => {
            notes.insert(Note {
                code: "",
                object: store.object.to_string(),
                text,
            });
            return;
        }
    };
    let all = match context.access(&read.wanted) {
        Ok(all) => all,
        Err(text) => return note("", text),
    };
    let draft = drafts.entry((cloud, account, audience)).or_default();
    draft.stores.insert(store.object.clone());
    for access in all {
        draft.grants.entry(access).or_default().insert(Why {
            object: external.object.clone(),
            field: field.clone(),
        });
    }
}

fn find<'a>(
    inventory: &'a Inventory,
    kind: &str,
    name: &str,
    namespace: &str,
) -> Option<&'a Store> {
    inventory.stores.iter().find(|store| {
        let ObjectRef {
            kind: k,
            namespace: n,
            name: m,
        } = &store.object;
        k == kind && m == name && n.as_deref().is_none_or(|n| n == namespace)
    })
}

/// Identities with names that are unique and can be used for what is created.
fn identities(drafts: BTreeMap<Key, Draft>) -> Vec<Identity> {
    let mut taken: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    let mut out = Vec::new();
    for ((cloud, account, audience), draft) in drafts {
        let base = match &cloud {
            Cloud::Aws {
                role: Some(role), ..
            } => role.role_name().unwrap_or(&account.name).to_owned(),
            Cloud::Vault { role, .. } if !role.is_empty() => role.clone(),
            _ if account.namespace == account.name => account.name.clone(),
            _ => format!("{}-{}", account.namespace, account.name),
        };
        let count = taken.entry((cloud.as_str(), base.clone())).or_insert(0);
        *count += 1;
        let name = if *count == 1 {
            base
        } else {
            format!("{base}-{count}")
        };
        out.push(Identity {
            name,
            account,
            audience,
            cloud,
            grants: draft
                .grants
                .into_iter()
                .map(|(access, because)| Grant {
                    access,
                    because: because.into_iter().collect(),
                })
                .collect(),
            stores: draft.stores,
        });
    }
    out
}
