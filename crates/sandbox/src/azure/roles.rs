//! Azure's role-based access control: built-in roles, their assignments, and the decision.
//!
//! Owns: what a role allows in the Resource Manager and in the vaults (Azure's published
//! definitions, as far as something here has the operation), and that an assignment counts for its
//! scope and all below it. Refuses: custom roles, groups, deny assignments and conditions.

use serde_json::{Value, json};

/// A built-in role.
#[derive(Debug)]
pub(super) struct Role {
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub actions: &'static [&'static str],
    pub not_actions: &'static [&'static str],
    pub data_actions: &'static [&'static str],
}

const fn role(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    [actions, not_actions, data_actions]: [&'static [&'static str]; 3],
) -> Role {
    Role {
        id,
        name,
        description,
        actions,
        not_actions,
        data_actions,
    }
}

/// What every role of the vaults may ask the Resource Manager.
const VAULT_READS: &[&str] = &[
    "Microsoft.Authorization/*/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
];

static ROLES: [Role; 15] = [
    role(
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "Owner",
        "Full access to all resources, and assigning roles.",
        [&["*"], &[], &[]],
    ),
    role(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        "Full access to all resources, without assigning roles.",
        [
            &["*"],
            &[
                "Microsoft.Authorization/*/Delete",
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/elevateAccess/Action",
            ],
            &[],
        ],
    ),
    role(
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "Reader",
        "Sees all resources.",
        [&["*/read"], &[], &[]],
    ),
    role(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        "Assigns roles.",
        [&["*/read", "Microsoft.Authorization/*"], &[], &[]],
    ),
    role(
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        "Managed Identity Contributor",
        "Creates, changes and deletes user-assigned identities.",
        [
            &[
                "Microsoft.ManagedIdentity/userAssignedIdentities/read",
                "Microsoft.ManagedIdentity/userAssignedIdentities/write",
                "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
                "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
                "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
                "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete",
                "Microsoft.Authorization/*/read",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
            ],
            &[],
            &[],
        ],
    ),
    role(
        "f25e0fa2-a7c8-4377-a976-54943a77a395",
        "Key Vault Contributor",
        "Manages vaults, but not what is in them.",
        [
            &[
                "Microsoft.Authorization/*/read",
                "Microsoft.KeyVault/*",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
            ],
            &[
                "Microsoft.KeyVault/locations/deletedVaults/purge/action",
                "Microsoft.KeyVault/hsmPools/*",
                "Microsoft.KeyVault/managedHsms/*",
            ],
            &[],
        ],
    ),
    role(
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        "Key Vault Administrator",
        "Everything in a vault.",
        [VAULT_READS, &[], &["Microsoft.KeyVault/vaults/*"]],
    ),
    role(
        "21090545-7ca7-4776-b22c-e363652d74d2",
        "Key Vault Reader",
        "Metadata of vaults and of what is in them, and no values.",
        [
            VAULT_READS,
            &[],
            &[
                "Microsoft.KeyVault/vaults/*/read",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            ],
        ],
    ),
    role(
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Key Vault Secrets User",
        "Values of secrets.",
        [
            &[],
            &[],
            &[
                "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            ],
        ],
    ),
    role(
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "Key Vault Secrets Officer",
        "Everything with secrets.",
        [VAULT_READS, &[], &["Microsoft.KeyVault/vaults/secrets/*"]],
    ),
    role(
        "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
        "Key Vault Certificate User",
        "Certificates with the secrets and keys behind them.",
        [
            &[],
            &[],
            &[
                "Microsoft.KeyVault/vaults/certificates/read",
                "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
                "Microsoft.KeyVault/vaults/keys/read",
            ],
        ],
    ),
    role(
        "a4417e6f-fecd-4de8-b567-7b0420556985",
        "Key Vault Certificates Officer",
        "Everything with certificates.",
        [
            VAULT_READS,
            &[],
            &[
                "Microsoft.KeyVault/vaults/certificatecas/*",
                "Microsoft.KeyVault/vaults/certificates/*",
                "Microsoft.KeyVault/vaults/certificatecontacts/write",
            ],
        ],
    ),
    role(
        "12338af0-0e69-4776-bea7-57ae8d297424",
        "Key Vault Crypto User",
        "Cryptography with keys.",
        [
            &[],
            &[],
            &[
                "Microsoft.KeyVault/vaults/keys/read",
                "Microsoft.KeyVault/vaults/keys/update/action",
                "Microsoft.KeyVault/vaults/keys/backup/action",
                "Microsoft.KeyVault/vaults/keys/encrypt/action",
                "Microsoft.KeyVault/vaults/keys/decrypt/action",
                "Microsoft.KeyVault/vaults/keys/wrap/action",
                "Microsoft.KeyVault/vaults/keys/unwrap/action",
                "Microsoft.KeyVault/vaults/keys/sign/action",
                "Microsoft.KeyVault/vaults/keys/verify/action",
            ],
        ],
    ),
    role(
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        "Key Vault Crypto Officer",
        "Everything with keys.",
        [
            VAULT_READS,
            &[],
            &[
                "Microsoft.KeyVault/vaults/keys/*",
                "Microsoft.KeyVault/vaults/keyrotationpolicies/*",
            ],
        ],
    ),
    role(
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        "Sees user-assigned identities and gives them to machines.",
        [
            &[
                "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
                "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
                "Microsoft.Authorization/*/read",
                "Microsoft.Resources/subscriptions/resourceGroups/read",
            ],
            &[],
            &[],
        ],
    ),
];

/// Whether an operation is the Resource Manager's or a vault's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Control,
    Data,
}

/// A role, given to a principal at a scope.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    /// A GUID.
    pub name: String,
    /// Without a slash at its end; `/` itself is empty.
    pub scope: String,
    pub principal: String,
    pub principal_type: String,
    pub role: &'static Role,
    pub description: Option<String>,
    /// Seconds since 1970, and the object id of who made it.
    pub created: i64,
    pub by: String,
}

impl Role {
    pub fn named(name: &str) -> Option<&'static Self> {
        ROLES.iter().find(|r| r.name.eq_ignore_ascii_case(name))
    }

    pub fn by_id(id: &str) -> Option<&'static Self> {
        ROLES.iter().find(|r| r.id.eq_ignore_ascii_case(id))
    }

    pub fn all() -> &'static [Self] {
        &ROLES
    }

    /// As the Resource Manager shows it to someone who asks in `subscription`.
    pub fn show(&self, subscription: &str) -> Value {
        json!({
            "id": self.path(subscription),
            "name": self.id,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole",
                "description": self.description,
                "assignableScopes": ["/"],
                "permissions": [{
                    "actions": self.actions,
                    "notActions": self.not_actions,
                    "dataActions": self.data_actions,
                    "notDataActions": [],
                }],
            },
        })
    }

    pub fn path(&self, subscription: &str) -> String {
        format!(
            "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
            self.id
        )
    }

    fn allows(&self, plane: Plane, action: &str) -> bool {
        let any = |patterns: &[&str]| patterns.iter().any(|p| matches(p, action));
        match plane {
            Plane::Control => any(self.actions) && !any(self.not_actions),
            Plane::Data => any(self.data_actions),
        }
    }
}

/// Whether one of the assignments lets `principal` do `action` at `scope`.
pub(super) fn allows(
    assignments: &[Assignment],
    principal: &str,
    plane: Plane,
    action: &str,
    scope: &str,
) -> bool {
    assignments.iter().any(|a| {
        a.principal.eq_ignore_ascii_case(principal)
            && covers(&a.scope, scope)
            && a.role.allows(plane, action)
    })
}

/// Whether `outer` is `inner` or one of the scopes around it.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (outer.to_ascii_lowercase(), inner.to_ascii_lowercase());
    let rest = inner.strip_prefix(outer.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An action against a pattern in which `*` is any text.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = action.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_actions() {
        for (pattern, action, expected) in [
            ("*", "Microsoft.KeyVault/vaults/read", true),
            ("*/read", "Microsoft.KeyVault/vaults/read", true),
            ("*/read", "Microsoft.KeyVault/vaults/write", false),
            (
                "Microsoft.KeyVault/vaults/*/read",
                "microsoft.keyvault/vaults/keys/read",
                true,
            ),
            (
                "Microsoft.KeyVault/vaults/*/read",
                "Microsoft.KeyVault/vaults/read",
                false,
            ),
            ("a/b", "a/b/c", false),
            ("a/b", "a/b", true),
            ("a/*/b/*/c", "a/x/b/y/c", true),
            ("a/*/b/*/c", "a/x/b/c", false),
        ] {
            assert_eq!(matches(pattern, action), expected, "{pattern} {action}");
        }
    }

    #[test]
    fn assignments_count_for_their_scope_and_below() {
        let owner = Assignment {
            name: "n".into(),
            scope: "/subscriptions/S/resourceGroups/one".into(),
            principal: "P".into(),
            principal_type: "ServicePrincipal".into(),
            role: Role::named("contributor").unwrap(),
            description: None,
            created: 0,
            by: String::new(),
        };
        let may = |who: &str, action: &str, scope: &str| {
            allows(
                std::slice::from_ref(&owner),
                who,
                Plane::Control,
                action,
                scope,
            )
        };
        let write = "Microsoft.KeyVault/vaults/write";
        assert!(may("p", write, "/subscriptions/s/resourcegroups/ONE"));
        assert!(may("P", write, "/subscriptions/S/resourceGroups/one/x"));
        assert!(!may("P", write, "/subscriptions/S/resourceGroups/one2"));
        assert!(!may("P", write, "/subscriptions/S"));
        assert!(!may("Q", write, "/subscriptions/S/resourceGroups/one"));
        let assign = "Microsoft.Authorization/roleAssignments/write";
        assert!(!may("P", assign, "/subscriptions/S/resourceGroups/one"));
        assert!(covers("/", "/subscriptions/S") && covers("", "/subscriptions/S"));
    }
}
