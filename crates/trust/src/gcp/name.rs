//! Resource names: pools, their providers, secrets and versions.
//!
//! Owns: their forms. Refuses: asking whether something of that name exists.

use std::fmt;

/// The host under which pools and their members are named.
pub const IAM: &str = "iam.googleapis.com";

/// Why a text is no name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It does not have the form of such names.
    #[error("{text:?} is no {what}: it has the form {form}")]
    Form {
        /// The text.
        text: String,
        /// What it should be.
        what: &'static str,
        /// How such names look.
        form: &'static str,
    },
    /// A project's id where only its number is taken.
    #[error("{0:?} names a project by id; here only its number is taken")]
    ProjectId(String),
    /// A part with characters or a length that no such part has.
    #[error("{part} {text:?} must have {rule}")]
    Part {
        /// Which part.
        part: &'static str,
        /// The part.
        text: String,
        /// What it must have.
        rule: &'static str,
    },
}

/// A workload identity pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pool {
    /// The project's number.
    pub project: String,
    /// The pool's id; that of GKE is `PROJECT_ID.svc.id.goog`.
    pub id: String,
}

/// A provider of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolProvider {
    /// Its pool.
    pub pool: Pool,
    /// Its id.
    pub id: String,
}

const POOL_FORM: &str = "projects/NUMBER/locations/global/workloadIdentityPools/POOL";
const PROVIDER_FORM: &str = "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";

impl Pool {
    /// The pool `id` of the project with that number.
    ///
    /// # Errors
    /// When a part breaks its rule.
    pub fn new(project: &str, id: &str) -> Result<Self, NameError> {
        if project.is_empty() || !project.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NameError::ProjectId(project.to_owned()));
        }
        check_id("pool", id)?;
        Ok(Self {
            project: project.to_owned(),
            id: id.to_owned(),
        })
    }

    /// Reads `projects/NUMBER/locations/global/workloadIdentityPools/POOL`.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let [
            "projects",
            project,
            "locations",
            "global",
            "workloadIdentityPools",
            id,
        ] = parts.as_slice()
        else {
            return Err(NameError::Form {
                text: text.to_owned(),
                what: "workload identity pool",
                form: POOL_FORM,
            });
        };
        Self::new(project, id)
    }

    /// The member that names one subject of this pool.
    #[must_use]
    pub fn principal(&self, subject: &str) -> String {
        format!("principal://{IAM}/{self}/subject/{subject}")
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "projects/{}/locations/global/workloadIdentityPools/{}",
            self.project, self.id
        )
    }
}

impl PoolProvider {
    /// Reads the full resource name, as the token exchange takes it for `audience`.
    ///
    /// # Errors
    /// See [`NameError`]. A name with `https:` in front is none.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError::Form {
            text: text.to_owned(),
            what: "full name of a pool's provider",
            form: PROVIDER_FORM,
        };
        let rest = text
            .strip_prefix("//iam.googleapis.com/")
            .ok_or_else(wrong)?;
        let (pool, id) = rest.split_once("/providers/").ok_or_else(wrong)?;
        let pool = Pool::parse(pool).map_err(|error| match error {
            NameError::Form { .. } => wrong(),
            other => other,
        })?;
        check_id("provider", id)?;
        Ok(Self {
            pool,
            id: id.to_owned(),
        })
    }

    /// The audiences that a token may have when the provider lists none.
    #[must_use]
    pub fn default_audiences(&self) -> [String; 2] {
        [format!("https:{self}"), self.to_string()]
    }
}

impl fmt::Display for PoolProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "//{IAM}/{}/providers/{}", self.pool, self.id)
    }
}

/// Pools and providers have 4 to 32 small letters, digits and hyphens; those of GKE are longer and
/// have dots.
fn check_id(part: &'static str, text: &str) -> Result<(), NameError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let own = (4..=32).contains(&text.len()) && text.bytes().all(plain);
    let gke = text.strip_suffix(".svc.id.goog").is_some_and(is_project);
    if own || gke && part == "pool" {
        return Ok(());
    }
    Err(NameError::Part {
        part,
        text: text.to_owned(),
        rule: "4 to 32 small letters, digits and hyphens",
    })
}

/// Whether `text` can name a project: its number, or its id, which may have a domain in front.
#[must_use]
pub fn is_project(text: &str) -> bool {
    let plain =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b':');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    (1..=100).contains(&text.len())
        && text.bytes().all(plain)
        && edge(text.chars().next())
        && edge(text.chars().next_back())
}

/// A secret, in a project or in one region of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName {
    /// The project's id or number.
    pub project: String,
    /// The region, for a regional secret.
    pub location: Option<String>,
    /// The secret's id.
    pub id: String,
}

impl SecretName {
    /// Reads `projects/P/secrets/S` or `projects/P/locations/L/secrets/S`.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (project, location, id) = match parts.as_slice() {
            ["projects", project, "secrets", id] => (*project, None, *id),
            ["projects", project, "locations", location, "secrets", id] => {
                (*project, Some(*location), *id)
            }
            _ => {
                return Err(NameError::Form {
                    text: text.to_owned(),
                    what: "name of a secret",
                    form: "projects/PROJECT/secrets/SECRET",
                });
            }
        };
        if !is_project(project) {
            return Err(NameError::Part {
                part: "project",
                text: project.to_owned(),
                rule: "small letters, digits and hyphens",
            });
        }
        if let Some(location) = location.filter(|location| !is_location(location)) {
            return Err(NameError::Part {
                part: "location",
                text: location.to_owned(),
                rule: "small letters, digits and hyphens",
            });
        }
        if !is_secret_id(id) {
            return Err(NameError::Part {
                part: "secret",
                text: id.to_owned(),
                rule: "1 to 255 letters, digits, hyphens and underscores",
            });
        }
        Ok(Self {
            project: project.to_owned(),
            location: location.map(str::to_owned),
            id: id.to_owned(),
        })
    }

    /// What it lies in: the parent of searches and new secrets.
    #[must_use]
    pub fn parent(&self) -> String {
        match &self.location {
            Some(location) => format!("projects/{}/locations/{location}", self.project),
            None => format!("projects/{}", self.project),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/secrets/{}", self.parent(), self.id)
    }
}

/// Whether `text` can be a secret's id.
#[must_use]
pub fn is_secret_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=255).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether `text` can name a version: a number, `latest`, or an alias.
#[must_use]
pub fn is_version(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=63).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether `text` can be a region.
#[must_use]
pub fn is_location(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/my-pool/providers/my-provider";

    #[test]
    fn providers() {
        let found = PoolProvider::parse(GOOD).unwrap();
        assert_eq!(found.to_string(), GOOD);
        assert_eq!(found.pool.project, "123");
        assert_eq!(
            found.pool.principal("system:serviceaccount:ns:sa"),
            "principal://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/my-pool/subject/system:serviceaccount:ns:sa"
        );
        let by_id = GOOD.replace("123", "my-project");
        assert_eq!(
            PoolProvider::parse(&by_id),
            Err(NameError::ProjectId("my-project".into()))
        );
        for bad in [
            format!("https:{GOOD}"),
            GOOD.replace("//iam", "iam"),
            GOOD.replace("global", "europe-west1"),
            GOOD.replace("/providers/my-provider", ""),
            GOOD.replace("my-pool", "My_Pool"),
            format!("{GOOD}/x"),
            String::new(),
        ] {
            assert!(PoolProvider::parse(&bad).is_err(), "{bad}");
        }
        let gke = "projects/1/locations/global/workloadIdentityPools/my-project.svc.id.goog";
        assert_eq!(Pool::parse(gke).unwrap().to_string(), gke);
    }

    #[test]
    fn secrets() {
        for (text, parent) in [
            ("projects/p-1/secrets/my_Secret", "projects/p-1"),
            (
                "projects/123/locations/europe-west3/secrets/s",
                "projects/123/locations/europe-west3",
            ),
            ("projects/example.com:p/secrets/s", "projects/example.com:p"),
        ] {
            let name = SecretName::parse(text).unwrap();
            assert_eq!(
                (name.to_string().as_str(), name.parent().as_str()),
                (text, parent)
            );
        }
        for bad in [
            "s",
            "projects/p/secrets/",
            "projects/p/secrets/a/b",
            "projects/../secrets/a",
            "projects/p/secrets/a.b",
            "projects/p/locations/-/secrets/a",
            "projects/P/secrets/a",
        ] {
            assert!(SecretName::parse(bad).is_err(), "{bad}");
        }
        assert!(is_version("12") && is_version("latest") && !is_version("a/b") && !is_version(""));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(text in "(//iam.googleapis.com/)?projects/[a-z0-9]{0,3}/[a-zA-Z/.-]{0,60}") {
            if let Ok(found) = PoolProvider::parse(&text) {
                prop_assert_eq!(found.to_string(), text.clone());
            }
            if let Ok(found) = SecretName::parse(&text) {
                prop_assert_eq!(found.to_string(), text);
            }
        }
    }
}
