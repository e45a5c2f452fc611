//! Everything the emulated Vault keeps.
//!
//! Owns: namespaces with their mounts and policies, the shape of all state. Refuses: rules.

use std::collections::{BTreeMap, BTreeSet};

use super::auth::Method;
use super::faults::Faults;
use super::policy::Policy;
use super::token::{self, Tokens};
use super::{kv1, kv2};

/// The policy of every token that does not ask to be without it.
const DEFAULT_POLICY: &str = r#"path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }
"#;

/// A secrets engine.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    V1(kv1::Store),
    V2(kv2::Store),
}

/// A mounted secrets engine.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub engine: Engine,
    pub description: String,
    pub accessor: String,
}

/// A mounted auth method.
#[derive(Clone, Debug)]
pub(super) struct AuthMount {
    pub method: Method,
    pub description: String,
    pub accessor: String,
}

/// One namespace. Paths of mounts have no slash at their end.
#[derive(Clone, Debug)]
pub(super) struct Namespace {
    pub id: String,
    pub mounts: BTreeMap<String, Mount>,
    pub auths: BTreeMap<String, AuthMount>,
    pub policies: BTreeMap<String, Policy>,
}

impl Namespace {
    pub fn new() -> Self {
        let default = Policy::parse(DEFAULT_POLICY).unwrap_or_default();
        Self {
            id: token::random(5),
            mounts: BTreeMap::new(),
            auths: BTreeMap::new(),
            policies: BTreeMap::from([("default".to_owned(), default)]),
        }
    }

    /// The longest of `mounts` that `path` begins with, and what follows it.
    pub fn find<'p, M>(mounts: &BTreeMap<String, M>, path: &'p str) -> Option<(String, &'p str)> {
        mounts
            .keys()
            .filter_map(|mount| {
                let rest = path.strip_prefix(mount.as_str())?;
                let rest = match rest {
                    "" => rest,
                    rest => rest.strip_prefix('/')?,
                };
                Some((mount.clone(), rest))
            })
            .max_by_key(|(mount, _)| mount.len())
    }
}

#[derive(Clone, Debug)]
pub(super) struct State {
    /// By path; the root's is empty.
    pub namespaces: BTreeMap<String, Namespace>,
    pub tokens: Tokens,
    /// A directory's users for the ldap method: password and groups.
    pub directory: BTreeMap<String, (String, BTreeSet<String>)>,
    pub faults: Faults,
    /// How often each kind of call came, by method and path, e.g. `read secret/data/a`.
    pub calls: BTreeMap<String, u64>,
    pub sealed: bool,
}

impl State {
    pub fn new(root_token: &str) -> Self {
        let mut root = Namespace::new();
        root.mounts.insert(
            "secret".to_owned(),
            Mount {
                engine: Engine::V2(kv2::Store::default()),
                description: "key/value secret storage".to_owned(),
                accessor: format!("kv_{}", token::random(8)),
            },
        );
        Self {
            namespaces: BTreeMap::from([(String::new(), root)]),
            tokens: Tokens::new(root_token),
            directory: BTreeMap::new(),
            faults: Faults::default(),
            calls: BTreeMap::new(),
            sealed: false,
        }
    }
}
