//! Predefined roles: the permissions that the services here ask for.
//!
//! See <https://docs.cloud.google.com/iam/docs/roles-permissions/secretmanager>.

/// A role and its permissions; an ending `*` stands for everything that begins so.
const ROLES: [(&str, &[&str]); 18] = [
    (
        "roles/secretmanager.secretAccessor",
        &["secretmanager.versions.access"],
    ),
    (
        "roles/secretmanager.viewer",
        &[
            "secretmanager.secrets.get",
            "secretmanager.secrets.list",
            "secretmanager.secrets.getIamPolicy",
            "secretmanager.versions.get",
            "secretmanager.versions.list",
        ],
    ),
    (
        "roles/secretmanager.secretVersionAdder",
        &["secretmanager.versions.add"],
    ),
    (
        "roles/secretmanager.secretVersionManager",
        &[
            "secretmanager.versions.add",
            "secretmanager.versions.destroy",
            "secretmanager.versions.disable",
            "secretmanager.versions.enable",
            "secretmanager.versions.get",
            "secretmanager.versions.list",
        ],
    ),
    ("roles/secretmanager.admin", &["secretmanager.*"]),
    (
        "roles/iam.workloadIdentityUser",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.list",
        ],
    ),
    (
        "roles/iam.serviceAccountTokenCreator",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.implicitDelegation",
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.signBlob",
            "iam.serviceAccounts.signJwt",
        ],
    ),
    (
        "roles/iam.serviceAccountOpenIdTokenCreator",
        &["iam.serviceAccounts.getOpenIdToken"],
    ),
    (
        "roles/iam.workloadIdentityPoolAdmin",
        &["iam.workloadIdentityPool*"],
    ),
    (
        "roles/iam.workloadIdentityPoolViewer",
        &[
            "iam.workloadIdentityPoolProviders.get",
            "iam.workloadIdentityPoolProviders.list",
            "iam.workloadIdentityPools.get",
            "iam.workloadIdentityPools.list",
        ],
    ),
    (
        "roles/iam.serviceAccountAdmin",
        &[
            "iam.serviceAccounts.create",
            "iam.serviceAccounts.delete",
            "iam.serviceAccounts.disable",
            "iam.serviceAccounts.enable",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getIamPolicy",
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.setIamPolicy",
            "iam.serviceAccounts.update",
            "resourcemanager.projects.get",
        ],
    ),
    (
        "roles/iam.serviceAccountCreator",
        &[
            "iam.serviceAccounts.create",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
        ],
    ),
    (
        "roles/iam.serviceAccountViewer",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getIamPolicy",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
        ],
    ),
    (
        "roles/resourcemanager.projectIamAdmin",
        &[
            "resourcemanager.projects.get",
            "resourcemanager.projects.getIamPolicy",
            "resourcemanager.projects.setIamPolicy",
        ],
    ),
    (
        "roles/browser",
        &[
            "resourcemanager.projects.get",
            "resourcemanager.projects.getIamPolicy",
            "resourcemanager.projects.list",
        ],
    ),
    (
        "roles/viewer",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "iam.workloadIdentityPoolProviders.get",
            "iam.workloadIdentityPoolProviders.list",
            "iam.workloadIdentityPools.get",
            "iam.workloadIdentityPools.list",
            "resourcemanager.projects.get",
            "secretmanager.secrets.get",
            "secretmanager.secrets.list",
            "secretmanager.versions.get",
            "secretmanager.versions.list",
        ],
    ),
    // An editor may not read payloads; an owner may.
    (
        "roles/editor",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
            "secretmanager.secrets.*",
            "secretmanager.versions.add",
            "secretmanager.versions.destroy",
            "secretmanager.versions.disable",
            "secretmanager.versions.enable",
            "secretmanager.versions.get",
            "secretmanager.versions.list",
        ],
    ),
    ("roles/owner", &["*"]),
];

fn find(role: &str) -> Option<&'static [&'static str]> {
    ROLES
        .iter()
        .find(|(name, _)| *name == role)
        .map(|(_, permissions)| *permissions)
}

/// What a policy is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// A project: every role can be granted there.
    #[default]
    Project,
    /// A service account.
    Account,
    /// A secret.
    Secret,
}

/// Owner, editor and viewer.
pub(super) fn is_basic(role: &str) -> bool {
    matches!(role, "roles/owner" | "roles/editor" | "roles/viewer")
}

/// Whether there is such a role here, and a resource of that kind takes it.
pub(super) fn supports(role: &str, kind: Kind) -> bool {
    let own = match kind {
        Kind::Project => true,
        Kind::Account => {
            role.starts_with("roles/iam.serviceAccount") || role == "roles/iam.workloadIdentityUser"
        }
        Kind::Secret => role.starts_with("roles/secretmanager."),
    };
    find(role).is_some() && (own || is_basic(role))
}

/// What an owner does not have: becoming a service account.
const ACTING: [&str; 5] = [
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.signBlob",
    "iam.serviceAccounts.signJwt",
];

/// Whether `role` has `permission`.
pub(super) fn includes(role: &str, permission: &str) -> bool {
    if role == "roles/owner" && ACTING.contains(&permission) {
        return false;
    }
    find(role).is_some_and(|permissions| {
        permissions
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => permission.starts_with(start),
                None => *pattern == permission,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_read_payloads() {
        for (role, may) in [
            ("roles/secretmanager.secretAccessor", true),
            ("roles/secretmanager.admin", true),
            ("roles/owner", true),
            ("roles/editor", false),
            ("roles/viewer", false),
            ("roles/secretmanager.viewer", false),
            ("roles/secretmanager.secretVersionManager", false),
            ("roles/none", false),
        ] {
            assert_eq!(
                includes(role, "secretmanager.versions.access"),
                may,
                "{role}"
            );
        }
        let token = "iam.serviceAccounts.getAccessToken";
        assert!(includes("roles/iam.workloadIdentityUser", token));
        assert!(!includes("roles/owner", token));
        let policy = "iam.serviceAccounts.setIamPolicy";
        for (role, may) in [
            ("roles/owner", true),
            ("roles/iam.serviceAccountAdmin", true),
            ("roles/editor", false),
            ("roles/iam.serviceAccountCreator", false),
        ] {
            assert_eq!(includes(role, policy), may, "{role}");
        }
    }
}
