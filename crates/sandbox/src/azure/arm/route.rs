//! From a path to the resource that is meant, the right that it needs, and its name for counting.

use http::Method;
use percent_encoding::percent_decode_str;

use super::super::dispatch::Call;

/// What a path is about. Names are as they were written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Tenants,
    Subscriptions,
    Subscription,
    Locations,
    Providers(Option<String>),
    Groups,
    Group(String),
    /// Everything, of whatever kind.
    All,
    Identities,
    Identity(String),
    Credentials(String),
    Credential(String, String),
    Vaults,
    DeletedVaults,
    /// Whether a vault's name is free.
    VaultName,
    Vault(String),
    AccessPolicies(String, String),
    RoleDefinitions,
    RoleDefinition(String),
    /// With the scope.
    RoleAssignments(String),
    RoleAssignment(String, String),
    Unknown,
}

#[derive(Debug)]
pub(super) struct Route {
    pub resource: Resource,
    pub subscription: Option<String>,
    pub group: Option<String>,
    pub api: &'static str,
    /// What the caller must be allowed before anything is looked at, and where. Listings that show
    /// to everyone what he may see need nothing.
    pub action: Option<&'static str>,
    pub scope: Option<String>,
}

/// Whether a path is the Resource Manager's, under a host that names no service.
pub(in super::super) fn is_path(path: &[&str]) -> bool {
    path.first().is_some_and(|first| {
        ["subscriptions", "tenants", "providers"]
            .iter()
            .any(|own| first.eq_ignore_ascii_case(own))
    })
}

/// Name for counting and right, by reading, writing and deleting.
type Operation = (&'static str, Option<&'static str>);

fn by_method(method: &Method, [get, put, delete]: [Operation; 3]) -> Operation {
    match *method {
        Method::GET | Method::HEAD => get,
        Method::DELETE => delete,
        _ => put,
    }
}

impl Route {
    pub fn of(call: &Call<'_>) -> Self {
        let parts: Vec<String> = call
            .path
            .iter()
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let lower: Vec<String> = parts.iter().map(|p| p.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let name = |at: usize| parts.get(at).cloned().unwrap_or_default();
        let subscription = match lower.as_slice() {
            ["subscriptions", _, ..] => Some(name(1)),
            _ => None,
        };
        let group = match lower.as_slice() {
            ["subscriptions", _, "resourcegroups", _, ..] => Some(name(3)),
            _ => None,
        };
        // Everything before the provider of roles is the scope.
        let before = |count: usize| {
            let kept = parts.len().saturating_sub(count);
            let kept = parts.iter().take(kept);
            kept.map(|part| format!("/{part}")).collect::<String>()
        };
        let (resource, (api, action)) = match lower.as_slice() {
            [
                ..,
                "providers",
                "microsoft.authorization",
                "roledefinitions",
            ] => (
                Resource::RoleDefinitions,
                (
                    "ListRoleDefinitions",
                    Some("Microsoft.Authorization/roleDefinitions/read"),
                ),
            ),
            [
                ..,
                "providers",
                "microsoft.authorization",
                "roledefinitions",
                _,
            ] => (
                Resource::RoleDefinition(name(parts.len() - 1)),
                (
                    "GetRoleDefinition",
                    Some("Microsoft.Authorization/roleDefinitions/read"),
                ),
            ),
            [
                ..,
                "providers",
                "microsoft.authorization",
                "roleassignments",
            ] => (
                Resource::RoleAssignments(before(3)),
                (
                    "ListRoleAssignments",
                    Some("Microsoft.Authorization/roleAssignments/read"),
                ),
            ),
            [
                ..,
                "providers",
                "microsoft.authorization",
                "roleassignments",
                _,
            ] => (
                Resource::RoleAssignment(before(4), name(parts.len() - 1)),
                by_method(call.method, ROLE_ASSIGNMENT),
            ),
            ["tenants"] => (Resource::Tenants, ("ListTenants", None)),
            ["subscriptions"] => (Resource::Subscriptions, ("ListSubscriptions", None)),
            ["subscriptions", _] => (
                Resource::Subscription,
                (
                    "GetSubscription",
                    Some("Microsoft.Resources/subscriptions/read"),
                ),
            ),
            ["subscriptions", _, "locations"] => (
                Resource::Locations,
                (
                    "ListLocations",
                    Some("Microsoft.Resources/subscriptions/locations/read"),
                ),
            ),
            ["subscriptions", _, "providers"] => (
                Resource::Providers(None),
                ("ListProviders", Some("Microsoft.Resources/providers/read")),
            ),
            ["subscriptions", _, "providers", _]
            | ["subscriptions", _, "providers", _, "register"] => (
                Resource::Providers(Some(name(3))),
                ("GetProvider", Some("Microsoft.Resources/providers/read")),
            ),
            ["subscriptions", _, "resourcegroups"] => {
                (Resource::Groups, ("ListResourceGroups", None))
            }
            ["subscriptions", _, "resourcegroups", _] => (
                Resource::Group(name(3)),
                by_method(call.method, RESOURCE_GROUP),
            ),
            ["subscriptions", _, "resources"]
            | ["subscriptions", _, "resourcegroups", _, "resources"] => {
                (Resource::All, ("ListResources", None))
            }
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                provider,
                rest @ ..,
            ] => in_group(call.method, provider, rest, |at| name(at + 6)),
            ["subscriptions", _, "providers", provider, rest @ ..] => {
                in_subscription(provider, rest)
            }
            _ => (Resource::Unknown, ("Unknown", None)),
        };
        let scope = match &resource {
            Resource::RoleDefinitions => Some(before(3)),
            Resource::RoleDefinition(_) => Some(before(4)),
            Resource::RoleAssignments(scope) | Resource::RoleAssignment(scope, _) => {
                Some(scope.clone())
            }
            Resource::Subscriptions | Resource::Tenants | Resource::Unknown => None,
            _ => Some(scope_of(&resource, &parts)),
        };
        Self {
            resource,
            subscription,
            group,
            api,
            action,
            scope,
        }
    }
}

impl Route {
    /// The id of the identity, if a credential of one is meant.
    pub fn identity_of_credential(&self) -> Option<&str> {
        let Resource::Credential(..) = self.resource else {
            return None;
        };
        let (identity, _) = self.scope.as_deref()?.rsplit_once('/')?;
        Some(identity.rsplit_once('/')?.0)
    }
}

/// Where a right is needed: at the resource, or where the list is.
fn scope_of(resource: &Resource, parts: &[String]) -> String {
    let kept = match resource {
        Resource::Identity(_)
        | Resource::Credentials(_)
        | Resource::Vault(_)
        | Resource::AccessPolicies(..) => 8,
        Resource::Credential(..) => 10,
        _ if parts
            .get(2)
            .is_some_and(|p| p.eq_ignore_ascii_case("resourcegroups")) =>
        {
            4
        }
        _ => 2,
    };
    let kept = parts.iter().take(kept);
    kept.map(|part| format!("/{part}")).collect()
}

const ROLE_ASSIGNMENT: [Operation; 3] = [
    (
        "GetRoleAssignment",
        Some("Microsoft.Authorization/roleAssignments/read"),
    ),
    (
        "PutRoleAssignment",
        Some("Microsoft.Authorization/roleAssignments/write"),
    ),
    (
        "DeleteRoleAssignment",
        Some("Microsoft.Authorization/roleAssignments/delete"),
    ),
];

const RESOURCE_GROUP: [Operation; 3] = [
    (
        "GetResourceGroup",
        Some("Microsoft.Resources/subscriptions/resourceGroups/read"),
    ),
    (
        "PutResourceGroup",
        Some("Microsoft.Resources/subscriptions/resourceGroups/write"),
    ),
    (
        "DeleteResourceGroup",
        Some("Microsoft.Resources/subscriptions/resourceGroups/delete"),
    ),
];

const IDENTITY: [Operation; 3] = [
    (
        "GetIdentity",
        Some("Microsoft.ManagedIdentity/userAssignedIdentities/read"),
    ),
    (
        "PutIdentity",
        Some("Microsoft.ManagedIdentity/userAssignedIdentities/write"),
    ),
    (
        "DeleteIdentity",
        Some("Microsoft.ManagedIdentity/userAssignedIdentities/delete"),
    ),
];

const CREDENTIAL: [Operation; 3] = [
    (
        "GetFederatedCredential",
        Some("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read"),
    ),
    (
        "PutFederatedCredential",
        Some("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write"),
    ),
    (
        "DeleteFederatedCredential",
        Some(
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete",
        ),
    ),
];

const VAULT: [Operation; 3] = [
    ("GetVault", Some("Microsoft.KeyVault/vaults/read")),
    ("PutVault", Some("Microsoft.KeyVault/vaults/write")),
    ("DeleteVault", Some("Microsoft.KeyVault/vaults/delete")),
];

fn in_group(
    method: &Method,
    provider: &str,
    rest: &[&str],
    name: impl Fn(usize) -> String,
) -> (Resource, Operation) {
    match (provider, rest) {
        ("microsoft.managedidentity", ["userassignedidentities"]) => (
            Resource::Identities,
            ("ListIdentities", by_method(&Method::GET, IDENTITY).1),
        ),
        ("microsoft.managedidentity", ["userassignedidentities", _]) => {
            (Resource::Identity(name(1)), by_method(method, IDENTITY))
        }
        (
            "microsoft.managedidentity",
            ["userassignedidentities", _, "federatedidentitycredentials"],
        ) => (
            Resource::Credentials(name(1)),
            (
                "ListFederatedCredentials",
                by_method(&Method::GET, CREDENTIAL).1,
            ),
        ),
        (
            "microsoft.managedidentity",
            [
                "userassignedidentities",
                _,
                "federatedidentitycredentials",
                _,
            ],
        ) => (
            Resource::Credential(name(1), name(3)),
            by_method(method, CREDENTIAL),
        ),
        ("microsoft.keyvault", ["vaults"]) => (
            Resource::Vaults,
            ("ListVaults", by_method(&Method::GET, VAULT).1),
        ),
        ("microsoft.keyvault", ["vaults", _]) => {
            (Resource::Vault(name(1)), by_method(method, VAULT))
        }
        ("microsoft.keyvault", ["vaults", _, "accesspolicies", _]) => (
            Resource::AccessPolicies(name(1), name(3)),
            (
                "PutAccessPolicies",
                Some("Microsoft.KeyVault/vaults/accessPolicies/write"),
            ),
        ),
        _ => (Resource::Unknown, ("Unknown", None)),
    }
}

fn in_subscription(provider: &str, rest: &[&str]) -> (Resource, Operation) {
    match (provider, rest) {
        ("microsoft.managedidentity", ["userassignedidentities"]) => (
            Resource::Identities,
            ("ListIdentities", by_method(&Method::GET, IDENTITY).1),
        ),
        ("microsoft.keyvault", ["vaults"]) => (
            Resource::Vaults,
            ("ListVaults", by_method(&Method::GET, VAULT).1),
        ),
        ("microsoft.keyvault", ["deletedvaults"]) => (
            Resource::DeletedVaults,
            (
                "ListDeletedVaults",
                Some("Microsoft.KeyVault/deletedVaults/read"),
            ),
        ),
        ("microsoft.keyvault", ["checknameavailability"]) => (
            Resource::VaultName,
            (
                "CheckVaultName",
                Some("Microsoft.KeyVault/checkNameAvailability/read"),
            ),
        ),
        _ => (Resource::Unknown, ("Unknown", None)),
    }
}
