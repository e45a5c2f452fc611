//! Everything this Azure remembers.
//!
//! Owns: the records of every service and the counters. Refuses: rules; those are with the
//! services.

use std::collections::BTreeMap;

use keyless_trust::azure::FederatedCredential;

use super::faults::Faults;
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
    pub managed: bool,
    pub credentials: Vec<FederatedCredential>,
    /// Secrets and when they end.
    pub secrets: Vec<(String, Option<i64>)>,
    /// DER.
    pub certificates: Vec<Vec<u8>>,
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
