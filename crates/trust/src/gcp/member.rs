//! Members of Google's policies: whom a role is given to.
//!
//! Owns: the forms of a member, and whether a caller is one. Refuses: groups and domains, which only
//! Google's directory can resolve: they are read, and no caller is ever found in them.

use std::fmt;

use super::name::{IAM, NameError, Pool};

/// How the ids of GKE's pools end.
const GKE: &str = ".svc.id.goog";

/// Why a text is no member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// Its kind is unknown.
    #[error("{0:?} is no member: its kind is unknown")]
    Kind(String),
    /// The pool in it has no such name.
    #[error(transparent)]
    Pool(#[from] NameError),
}

/// Whom a role is given to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Member {
    /// A service account, by e-mail address.
    ServiceAccount(String),
    /// A Kubernetes service account by the older form of GKE's pools,
    /// `serviceAccount:PROJECT_ID.svc.id.goog[NAMESPACE/NAME]`.
    Gke {
        /// The pool's id.
        pool: String,
        /// The account's namespace.
        namespace: String,
        /// The account's name.
        name: String,
    },
    /// One subject of a pool.
    Subject {
        /// The pool.
        pool: Pool,
        /// `google.subject`.
        subject: String,
    },
    /// All who have an attribute, `google.groups` included under the name `group`.
    Attribute {
        /// The pool.
        pool: Pool,
        /// The attribute's name without `attribute.`.
        name: String,
        /// Its value.
        value: String,
    },
    /// The workloads of a GKE pool that have a namespace, a uid or a cluster in common.
    Workloads {
        /// The pool.
        pool: Pool,
        /// One of [`GKE_SETS`].
        kind: String,
        /// Its value.
        value: String,
    },
    /// Everybody in a pool.
    Pool(Pool),
    /// `allUsers`.
    Anybody,
    /// `allAuthenticatedUsers`.
    Authenticated,
    /// Users, groups, domains: kept as they are.
    Other(String),
}

/// What workloads of GKE can have in common, as members of policies name it.
pub const GKE_SETS: [&str; 3] = [
    "namespace",
    "kubernetes.serviceaccount.uid",
    "kubernetes.cluster",
];

/// Who calls, as an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A service account.
    ServiceAccount(String),
    /// A federated identity.
    Federated {
        /// Its pool.
        pool: Pool,
        /// `google.subject`.
        subject: String,
        /// Mapped attributes, by names without `attribute.`; in a pool of GKE the [`GKE_SETS`].
        attributes: Vec<(String, String)>,
        /// `google.groups`.
        groups: Vec<String>,
    },
}

impl Caller {
    /// The caller as a member of policies, for messages.
    #[must_use]
    pub fn principal(&self) -> String {
        match self {
            Self::ServiceAccount(email) => format!("serviceAccount:{email}"),
            Self::Federated { pool, subject, .. } => pool.principal(subject),
        }
    }
}

impl Member {
    /// Reads a member as policies write it.
    ///
    /// # Errors
    /// When its kind is unknown, or a pool in it has no such name.
    pub fn parse(text: &str) -> Result<Self, MemberError> {
        let unknown = || MemberError::Kind(text.to_owned());
        if let Some(rest) = text.strip_prefix("principal://") {
            let (pool, subject) = in_pool(rest, "/subject/").ok_or_else(unknown)?;
            return Ok(Self::Subject {
                pool: Pool::parse(pool)?,
                subject: subject.to_owned(),
            });
        }
        if let Some(rest) = text.strip_prefix("principalSet://") {
            if let Some((pool, value)) = in_pool(rest, "/group/") {
                return Ok(Self::Attribute {
                    pool: Pool::parse(pool)?,
                    name: "group".to_owned(),
                    value: value.to_owned(),
                });
            }
            if let Some((pool, attribute)) = in_pool(rest, "/attribute.") {
                let (name, value) = attribute.split_once('/').ok_or_else(unknown)?;
                return Ok(Self::Attribute {
                    pool: Pool::parse(pool)?,
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
            }
            for kind in GKE_SETS {
                let Some((pool, value)) = in_pool(rest, &format!("/{kind}/")) else {
                    continue;
                };
                return Ok(Self::Workloads {
                    pool: Pool::parse(pool)?,
                    kind: kind.to_owned(),
                    value: value.to_owned(),
                });
            }
            let (pool, end) = in_pool(rest, "/*").ok_or_else(unknown)?;
            if !end.is_empty() {
                return Err(unknown());
            }
            return Ok(Self::Pool(Pool::parse(pool)?));
        }
        match text {
            "allUsers" => return Ok(Self::Anybody),
            "allAuthenticatedUsers" => return Ok(Self::Authenticated),
            _ => {}
        }
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        match kind {
            "serviceAccount" => Ok(gke(rest).unwrap_or_else(|| {
                // Addresses are compared without regard to case.
                Self::ServiceAccount(rest.to_ascii_lowercase())
            })),
            "user" | "group" | "domain" | "projectOwner" | "projectEditor" | "projectViewer"
            | "deleted" => Ok(Self::Other(text.to_owned())),
            _ => Err(unknown()),
        }
    }

    /// Whether `caller` is this member or in it.
    #[must_use]
    pub fn includes(&self, caller: &Caller) -> bool {
        match (self, caller) {
            (Self::Anybody, _) => true,
            (Self::Authenticated, Caller::ServiceAccount(_)) => true,
            (Self::ServiceAccount(email), Caller::ServiceAccount(caller)) => {
                email.eq_ignore_ascii_case(caller)
            }
            (
                Self::Gke {
                    pool: id,
                    namespace,
                    name,
                },
                Caller::Federated { pool, subject, .. },
            ) => pool.id == *id && *subject == format!("ns/{namespace}/sa/{name}"),
            (
                Self::Subject { pool, subject },
                Caller::Federated {
                    pool: of,
                    subject: caller,
                    ..
                },
            ) => pool == of && subject == caller,
            (Self::Pool(pool), Caller::Federated { pool: of, .. }) => pool == of,
            (
                Self::Workloads { pool, kind, value },
                Caller::Federated {
                    pool: of,
                    attributes,
                    ..
                },
            ) => {
                pool == of
                    && pool.id.ends_with(GKE)
                    && attributes.iter().any(|(n, v)| n == kind && v == value)
            }
            (
                Self::Attribute { pool, name, value },
                Caller::Federated {
                    pool: of,
                    attributes,
                    groups,
                    ..
                },
            ) => {
                pool == of
                    && (attributes.iter().any(|(n, v)| n == name && v == value)
                        || name == "group" && groups.contains(value))
            }
            _ => false,
        }
    }
}

/// A pool's name and what follows `mark` in `iam.googleapis.com/POOL…`.
fn in_pool<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(IAM)?.strip_prefix('/')?.split_once(mark)
}

fn gke(text: &str) -> Option<Member> {
    let (pool, rest) = text.split_once('[')?;
    let (namespace, name) = rest.strip_suffix(']')?.split_once('/')?;
    pool.ends_with(GKE).then(|| Member::Gke {
        pool: pool.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount(email) => write!(f, "serviceAccount:{email}"),
            Self::Gke {
                pool,
                namespace,
                name,
            } => write!(f, "serviceAccount:{pool}[{namespace}/{name}]"),
            Self::Subject { pool, subject } => f.write_str(&pool.principal(subject)),
            Self::Attribute { pool, name, value } if name == "group" => {
                write!(f, "principalSet://{IAM}/{pool}/group/{value}")
            }
            Self::Attribute { pool, name, value } => {
                write!(f, "principalSet://{IAM}/{pool}/attribute.{name}/{value}")
            }
            Self::Workloads { pool, kind, value } => {
                write!(f, "principalSet://{IAM}/{pool}/{kind}/{value}")
            }
            Self::Pool(pool) => write!(f, "principalSet://{IAM}/{pool}/*"),
            Self::Anybody => f.write_str("allUsers"),
            Self::Authenticated => f.write_str("allAuthenticatedUsers"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str =
        "iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1";

    fn federated(subject: &str) -> Caller {
        Caller::Federated {
            pool: Pool::new("1", "pool-1").unwrap(),
            subject: subject.into(),
            attributes: vec![("namespace".into(), "ns".into())],
            groups: vec!["team".into()],
        }
    }

    #[test]
    fn members_are_read_and_written_alike_and_include_whom_they_name() {
        let caller = federated("system:serviceaccount:ns:sa");
        for (text, includes) in [
            (
                format!("principal://{POOL}/subject/system:serviceaccount:ns:sa"),
                true,
            ),
            (
                format!("principal://{POOL}/subject/system:serviceaccount:ns:SA"),
                false,
            ),
            (
                format!("principalSet://{POOL}/attribute.namespace/ns"),
                true,
            ),
            (
                format!("principalSet://{POOL}/attribute.namespace/other"),
                false,
            ),
            (format!("principalSet://{POOL}/group/team"), true),
            (format!("principalSet://{POOL}/*"), true),
            (
                POOL.replace("pool-1", "pool-2")
                    .replace("iam", "principalSet://iam")
                    + "/*",
                false,
            ),
            ("serviceAccount:a@p.iam.gserviceaccount.com".into(), false),
            ("allUsers".into(), true),
            ("allAuthenticatedUsers".into(), false),
            ("group:g@example.com".into(), false),
        ] {
            let member = Member::parse(&text).unwrap();
            assert_eq!(member.to_string(), text);
            assert_eq!(member.includes(&caller), includes, "{text}");
        }
        let email = Caller::ServiceAccount("a@p.iam.gserviceaccount.com".into());
        let member = Member::parse("serviceAccount:A@p.iam.gserviceaccount.com").unwrap();
        assert!(member.includes(&email) && !member.includes(&caller));
        for bad in [
            "",
            "a@b",
            "principal://x/subject/y",
            "principalSet://iam.googleapis.com/projects/p-1/locations/global/workloadIdentityPools/pool-1/*",
            "robot:x",
        ] {
            assert!(Member::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn gke_has_an_older_form() {
        let member = Member::parse("serviceAccount:my-project.svc.id.goog[ns/sa]").unwrap();
        let caller = Caller::Federated {
            pool: Pool::new("1", "my-project.svc.id.goog").unwrap(),
            subject: "ns/ns/sa/sa".into(),
            attributes: vec![],
            groups: vec![],
        };
        assert!(member.includes(&caller));
        let pool = "iam.googleapis.com/projects/1/locations/global/workloadIdentityPools";
        let in_namespace = |of: &str| Caller::Federated {
            pool: Pool::new("1", of).unwrap(),
            subject: "ns/ns/sa/sa".into(),
            attributes: vec![("namespace".into(), "ns".into())],
            groups: vec![],
        };
        for (of, includes) in [("my-project.svc.id.goog", true), ("pool-1", false)] {
            let text = format!("principalSet://{pool}/{of}/namespace/ns");
            let member = Member::parse(&text).unwrap();
            assert_eq!(member.to_string(), text);
            assert_eq!(member.includes(&in_namespace(of)), includes, "{of}");
        }
        assert!(caller.principal().ends_with("/subject/ns/ns/sa/sa"));
    }
}
