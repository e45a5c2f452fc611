//! Members of bindings and the principals that they mean.

/// The host in the names of federated principals.
const IAM: &str = "iam.googleapis.com";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Principal {
    /// A service account, by e-mail address.
    Account(String),
    /// An identity of a workload identity pool.
    Federated(Federated),
}

/// An identity of a workload identity pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Federated {
    /// `projects/NUMBER/locations/global/workloadIdentityPools/POOL`.
    pub pool: String,
    pub subject: String,
    /// The sets that it is in, as they stand behind the pool's name: `group/a`,
    /// `attribute.namespace/shop`.
    pub sets: Vec<String>,
}

impl Principal {
    /// Whether `member` means it.
    pub fn is(&self, member: &str) -> bool {
        if matches!(member, "allUsers" | "allAuthenticatedUsers") {
            return true;
        }
        match self {
            Self::Account(email) => member
                .strip_prefix("serviceAccount:")
                .is_some_and(|named| named.eq_ignore_ascii_case(email)),
            Self::Federated(federated) => federated.is(member),
        }
    }

    /// As audit logs name it.
    pub fn name(&self) -> String {
        match self {
            Self::Account(email) => format!("serviceAccount:{email}"),
            Self::Federated(federated) => {
                format!(
                    "principal://{IAM}/{}/subject/{}",
                    federated.pool, federated.subject
                )
            }
        }
    }
}

impl Federated {
    fn is(&self, member: &str) -> bool {
        let inside = |scheme: &str| {
            member
                .strip_prefix(scheme)?
                .strip_prefix("://")?
                .strip_prefix(IAM)?
                .strip_prefix('/')?
                .strip_prefix(&*self.pool)?
                .strip_prefix('/')
        };
        if let Some(rest) = inside("principal") {
            return rest.strip_prefix("subject/") == Some(&*self.subject);
        }
        if let Some(rest) = inside("principalSet") {
            return rest == "*" || self.sets.iter().any(|set| set == rest);
        }
        self.workload() == Some(member.to_owned())
    }

    /// The older name of a GKE workload: `serviceAccount:POOL[NAMESPACE/NAME]`.
    fn workload(&self) -> Option<String> {
        let (_, pool) = self.pool.rsplit_once('/')?;
        if !pool.ends_with(".svc.id.goog") {
            return None;
        }
        let (namespace, name) = self.subject.strip_prefix("ns/")?.split_once("/sa/")?;
        Some(format!("serviceAccount:{pool}[{namespace}/{name}]"))
    }
}

/// Whether a text can be a member here.
pub(super) fn is_valid(member: &str) -> bool {
    let prefixes = [
        "serviceAccount:",
        "principal://iam.googleapis.com/",
        "principalSet://iam.googleapis.com/",
        "user:",
        "group:",
        "domain:",
    ];
    matches!(member, "allUsers" | "allAuthenticatedUsers")
        || prefixes.iter().any(|prefix| {
            member
                .strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let pool = "projects/1/locations/global/workloadIdentityPools/my-pool";
        let who = Principal::Federated(Federated {
            pool: pool.to_owned(),
            subject: "system:serviceaccount:shop:web".to_owned(),
            sets: vec!["group/a".to_owned(), "attribute.namespace/shop".to_owned()],
        });
        assert!(who.is(&who.name()));
        for (member, is) in [
            (
                format!("principal://{IAM}/{pool}/subject/system:serviceaccount:shop:web"),
                true,
            ),
            (
                format!("principal://{IAM}/{pool}/subject/system:serviceaccount:shop:webb"),
                false,
            ),
            (
                format!("principalSet://{IAM}/{pool}/subject/system:serviceaccount:shop:web"),
                false,
            ),
            (
                format!("principal://{IAM}/{pool}2/subject/system:serviceaccount:shop:web"),
                false,
            ),
            (format!("principalSet://{IAM}/{pool}/*"), true),
            (format!("principalSet://{IAM}/{pool}/group/a"), true),
            (format!("principalSet://{IAM}/{pool}/group/b"), false),
            (
                format!("principalSet://{IAM}/{pool}/attribute.namespace/shop"),
                true,
            ),
            ("serviceAccount:a@b".to_owned(), false),
            ("allUsers".to_owned(), true),
        ] {
            assert_eq!(who.is(&member), is, "{member}");
        }
    }

    #[test]
    fn workloads_of_gke_have_two_names() {
        let who = Principal::Federated(Federated {
            pool: "projects/1/locations/global/workloadIdentityPools/p.svc.id.goog".to_owned(),
            subject: "ns/shop/sa/web".to_owned(),
            sets: vec!["namespace/shop".to_owned()],
        });
        for (member, is) in [
            ("serviceAccount:p.svc.id.goog[shop/web]", true),
            ("serviceAccount:p.svc.id.goog[shop/other]", false),
            (
                "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/namespace/shop",
                true,
            ),
        ] {
            assert_eq!(who.is(member), is, "{member}");
        }
        let account = Principal::Account("a@p.iam.gserviceaccount.com".to_owned());
        assert!(account.is("serviceAccount:A@p.iam.gserviceaccount.com"));
        assert!(!account.is("serviceAccount:p.svc.id.goog[shop/web]"));
    }
}
