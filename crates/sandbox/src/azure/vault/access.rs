//! Who may do what: access policies or roles, never both.

use std::collections::BTreeSet;

use super::super::answer::Answer;
use super::super::roles::{self, Assignment, Plane};
use super::Vault;
use super::objects::Kind;

/// The access model of a vault; the other one has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Access policies on the vault.
    Policies,
    /// Role assignments, on the vault, on something in it, or around it.
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
    /// Upper and lower case are one.
    fn allows(&self, kind: Kind, verb: &str) -> bool {
        let verbs = match kind {
            Kind::Secret => &self.secrets,
            Kind::Certificate => &self.certificates,
            Kind::Key => &self.keys,
        };
        verbs
            .iter()
            .any(|v| v.eq_ignore_ascii_case(verb) || v.eq_ignore_ascii_case("all"))
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub app: String,
    pub object: String,
    pub issuer: String,
}

/// What a decision needs besides the vault.
pub(super) struct Gate<'a> {
    pub subscription: &'a str,
    pub assignments: &'a [Assignment],
    pub caller: Caller,
}

impl Gate<'_> {
    /// Whether the caller may `verb` objects of `kind`, or the one called `object`.
    pub fn check(
        &self,
        vault: &Vault,
        kind: Kind,
        verb: &str,
        object: Option<&str>,
    ) -> Result<(), Answer> {
        let Caller {
            app,
            object: oid,
            issuer,
        } = &self.caller;
        let who = format!("appid={app};oid={oid};iss={issuer}");
        let place = format!("{};location={}", vault.name, vault.place.location);
        match vault.access {
            Access::Policies => {
                let policy = vault.policies.get(&oid.to_ascii_lowercase());
                if policy.is_some_and(|policy| policy.allows(kind, verb)) {
                    return Ok(());
                }
                Err(Answer::vault(
                    403,
                    "Forbidden",
                    "ForbiddenByPolicy",
                    format!(
                        "The user, group or application '{who}' does not have {kind} {verb} \
                         permission on key vault '{place}'. For help resolving this issue, please \
                         see https://go.microsoft.com/fwlink/?linkid=2125287"
                    ),
                ))
            }
            Access::Roles => {
                let action = format!("Microsoft.KeyVault/vaults/{}", operation(kind, verb));
                let part = object.map(|name| format!("/{kind}/{name}"));
                let scope = vault.resource_id(self.subscription) + &part.unwrap_or_default();
                if roles::allows(self.assignments, oid, Plane::Data, &action, &scope) {
                    return Ok(());
                }
                let resource = scope.to_ascii_lowercase();
                Err(Answer::vault(
                    403,
                    "Forbidden",
                    "ForbiddenByRbac",
                    format!(
                        "Caller is not authorized to perform action on resource.\r\nIf role \
                         assignments, deny assignments or role definitions were changed recently, \
                         please observe propagation time.\r\nCaller: {who}\r\nAction: \
                         '{action}'\r\nResource: '{resource}'\r\nAssignment: (not found)\r\n\
                         DenyAssignmentId: null\r\nDecisionReason: null \r\nVault: {place}\r\n"
                    ),
                ))
            }
        }
    }
}

/// The data action behind a verb.
fn operation(kind: Kind, verb: &str) -> String {
    let name = match (kind, verb) {
        (Kind::Secret, "get") => "getSecret/action",
        (Kind::Secret, "list") => "readMetadata/action",
        (Kind::Secret, "set") => "setSecret/action",
        (_, "get" | "list") => "read",
        (_, "delete") => "delete",
        (_, other) => return format!("{kind}/{other}/action"),
    };
    format!("{kind}/{name}")
}
