//! Everything this Azure remembers.
//!
//! Owns: the records of every service and the counters. Refuses: rules; those are with the
//! services.

use std::collections::{BTreeMap, BTreeSet};

use keyless_trust::azure::FederatedCredential;

use super::faults::Faults;
use super::roles::Assignment;
use super::vault::Vault;

/// How often an API was called and how often it refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All calls.
    pub total: u64,
    /// Those answered with an error of any kind.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// By client id, in lower case.
    pub clients: BTreeMap<String, Client>,
    /// Client ids of the managed identities that the node has.
    pub node: Vec<String>,
    /// By name, in lower case.
    pub vaults: BTreeMap<String, Vault>,
    /// Resource groups by name, in lower case.
    pub groups: BTreeMap<String, Group>,
    pub assignments: Vec<Assignment>,
    /// Ids, in lower case, of managed identities that a credential is being written to.
    pub writing: BTreeSet<String>,
    /// The tenant's policy keeps tokens of foreign issuers out.
    pub federation_forbidden: bool,
    pub faults: Faults,
    /// By service and API.
    pub calls: BTreeMap<(String, String), Calls>,
}

/// An application or a user-assigned managed identity, with its service principal.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub id: String,
    pub object_id: String,
    pub name: String,
    /// Where the Resource Manager has it, if it is a managed identity.
    pub managed: Option<Placement>,
    pub credentials: Vec<FederatedCredential>,
    /// Secrets and when they end.
    pub secrets: Vec<(String, Option<i64>)>,
    /// DER.
    pub certificates: Vec<Vec<u8>>,
}

impl Client {
    /// An application without any credential.
    pub fn new(name: &str, id: &str, object_id: &str) -> Self {
        Self {
            id: id.to_owned(),
            object_id: object_id.to_owned(),
            name: name.to_owned(),
            managed: None,
            credentials: Vec::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
        }
    }
}

/// A resource group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// As it was written when it was made.
    pub name: String,
    pub location: String,
    pub tags: Tags,
}

/// Where a resource is.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// The resource group, as it was written.
    pub group: String,
    pub location: String,
    pub tags: Tags,
}

pub(super) type Tags = BTreeMap<String, String>;

impl Placement {
    pub fn new(group: &str, location: &str) -> Self {
        Self {
            group: group.to_owned(),
            location: location.to_owned(),
            tags: Tags::new(),
        }
    }

    /// The id of the resource `name` of a type.
    pub fn id(&self, subscription: &str, kind: &str, name: &str) -> String {
        let group = &self.group;
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}")
    }
}

impl State {
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.get(&id.to_ascii_lowercase())
    }

    pub fn count(&mut self, service: &str, api: &str, refused: bool) {
        let calls = self
            .calls
            .entry((service.to_owned(), api.to_owned()))
            .or_default();
        calls.total += 1;
        calls.refused += u64::from(refused);
    }
}
