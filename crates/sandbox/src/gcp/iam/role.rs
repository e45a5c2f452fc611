//! Predefined roles: the permissions that the services here ask for.
//!
//! See <https://docs.cloud.google.com/iam/docs/roles-permissions/secretmanager>.

/// A role and its permissions; an ending `*` stands for everything that begins so.
const ROLES: [(&str, &[&str]); 12] = [
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
        "roles/viewer",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
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

/// Whether there is such a role here.
pub(super) fn exists(role: &str) -> bool {
    find(role).is_some()
}

/// Whether `role` has `permission`.
pub(super) fn includes(role: &str, permission: &str) -> bool {
    // An owner cannot become a service account, whatever else it may do.
    if role == "roles/owner" && permission.starts_with("iam.serviceAccounts.get") {
        return permission == "iam.serviceAccounts.get";
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
    }
}
