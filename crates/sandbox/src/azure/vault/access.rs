//! Who may do what: access policies or roles, never both.

use std::collections::BTreeSet;

use super::super::answer::Answer;
use super::Vault;
use super::objects::Kind;

/// The access model of a vault; the other one has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Access policies on the vault.
    Policies,
    /// Role assignments, on the vault or on one secret.
    Roles,
}

/// Permissions of one caller, as access policies name them.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Policy {
    pub secrets: BTreeSet<String>,
    pub certificates: BTreeSet<String>,
    pub keys: BTreeSet<String>,
}

impl Policy {
    fn of(&self, kind: Kind) -> &BTreeSet<String> {
        match kind {
            Kind::Secret => &self.secrets,
            Kind::Certificate => &self.certificates,
            Kind::Key => &self.keys,
        }
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub app: String,
    pub object: String,
    pub issuer: String,
}

/// Built-in roles and what they allow: kind and verbs; no kind is every kind.
const ROLES: [(&str, Option<Kind>, &[&str]); 8] = [
    ("Key Vault Administrator", None, &["*"]),
    (
        "Key Vault Secrets User",
        Some(Kind::Secret),
        &["get", "list"],
    ),
    ("Key Vault Secrets Officer", Some(Kind::Secret), &["*"]),
    ("Key Vault Certificate User", None, &["get", "list"]),
    (
        "Key Vault Certificates Officer",
        Some(Kind::Certificate),
        &["*"],
    ),
    ("Key Vault Crypto User", Some(Kind::Key), &["get", "list"]),
    ("Key Vault Crypto Officer", Some(Kind::Key), &["*"]),
    ("Key Vault Reader", None, &["list"]),
];

/// Whether `caller` may `verb` objects of `kind`, or the one called `object`.
pub(super) fn check(
    vault: &Vault,
    caller: &Caller,
    kind: Kind,
    verb: &str,
    object: Option<&str>,
) -> Result<(), Answer> {
    let Caller {
        app,
        object: oid,
        issuer,
    } = caller;
    let who = format!("appid={app};oid={oid};iss={issuer}");
    match vault.access {
        Access::Policies => {
            let policy = vault.policies.get(oid);
            let allowed = policy.is_some_and(|policy| {
                let verbs = policy.of(kind);
                verbs.contains(verb) || verbs.contains("all")
            });
            if allowed {
                return Ok(());
            }
            Err(Answer::vault(
                403,
                "Forbidden",
                "ForbiddenByPolicy",
                format!(
                    "The user, group or application '{who}' does not have {kind} {verb} \
                     permission on key vault '{};location=germanywestcentral'. For help resolving \
                     this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
                    vault.name
                ),
            ))
        }
        Access::Roles => {
            let allowed = vault.roles.iter().any(|(holder, role, scope)| {
                holder == oid
                    && (scope.is_none() || (kind == Kind::Secret && scope.as_deref() == object))
                    && allows(role, kind, verb)
            });
            if allowed {
                return Ok(());
            }
            let action = match verb {
                "get" => "getSecret/action",
                "list" => "readMetadata/action",
                "set" => "setSecret/action",
                other => other,
            };
            let resource = object
                .map(|name| format!("/{kind}/{name}"))
                .unwrap_or_default();
            Err(Answer::vault(
                403,
                "Forbidden",
                "ForbiddenByRbac",
                format!(
                    "Caller is not authorized to perform action on resource.\r\nIf role \
                     assignments, deny assignments or role definitions were changed recently, \
                     please observe propagation time.\r\nCaller: {who}\r\nAction: \
                     'Microsoft.KeyVault/vaults/{kind}/{action}'\r\nResource: \
                     '/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/sandbox/providers/microsoft.keyvault/vaults/{}{resource}'\r\nAssignment: \
                     (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: \
                     {};location=germanywestcentral\r\n",
                    vault.name, vault.name
                ),
            ))
        }
    }
}

fn allows(role: &str, kind: Kind, verb: &str) -> bool {
    ROLES.iter().any(|(name, of, verbs)| {
        name.eq_ignore_ascii_case(role)
            && of.is_none_or(|of| of == kind)
            && (verbs.contains(&"*") || verbs.contains(&verb))
    })
}

/// Whether there is such a role here.
pub(in super::super) fn is_role(role: &str) -> bool {
    ROLES
        .iter()
        .any(|(name, ..)| name.eq_ignore_ascii_case(role))
}
