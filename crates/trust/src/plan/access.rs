//! What may be read, and why.

use std::fmt;

use keyless_fault::ObjectRef;

/// A permission with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What is allowed.
    pub access: Access,
    /// The fields that need it.
    pub because: Vec<Why>,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Why {
    /// The object.
    pub object: ObjectRef,
    /// Path of the field, such as `spec.data[0]`.
    pub field: String,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.field)
    }
}

/// One permission in no cloud's language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Where.
    pub place: Place,
    /// What is done.
    pub verb: Verb,
    /// On which names.
    pub scope: Scope,
}

/// A service that keeps secrets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// AWS Parameter Store.
    ParameterStore {
        /// Its region.
        region: String,
    },
    /// AWS Secrets Manager.
    SecretsManager {
        /// Its region.
        region: String,
    },
    /// An Azure Key Vault.
    KeyVault {
        /// Its URL.
        url: String,
    },
    /// Google Secret Manager.
    SecretManager {
        /// The project, if the store names it.
        project: Option<String>,
        /// The region, for regional secrets.
        location: Option<String>,
    },
    /// A key-value engine of Vault.
    Kv {
        /// Where it is mounted.
        mount: String,
        /// Whether it has versions.
        versioned: bool,
        /// Vault namespace of the secrets.
        namespace: Option<String>,
    },
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// A value is read.
    Read,
    /// A public key is read (Key Vault).
    ReadKey,
    /// A certificate without its key is read (Key Vault).
    ReadCertificate,
    /// Tags, labels or other metadata are read.
    ReadMetadata,
    /// Names are listed.
    Search,
    /// Names are found by their tags, which some services allow for all of them only.
    SearchTags,
}

impl Verb {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadKey => "read key",
            Self::ReadCertificate => "read certificate",
            Self::ReadMetadata => "read metadata of",
            Self::Search => "list",
            Self::SearchTags => "list by tags",
        }
    }
}

/// Names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Exactly this one.
    Name(String),
    /// All that begin so.
    Below(String),
    /// All.
    Everything,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(prefix) => write!(f, "{prefix}*"),
            Self::Everything => f.write_str("everything"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParameterStore { region } => write!(f, "Parameter Store {region}"),
            Self::SecretsManager { region } => write!(f, "Secrets Manager {region}"),
            Self::KeyVault { url } => write!(f, "Key Vault {url}"),
            Self::SecretManager { project, location } => {
                let project = project.as_deref().unwrap_or("of the cluster");
                write!(f, "Secret Manager, project {project}")?;
                match location {
                    Some(location) => write!(f, ", {location}"),
                    None => Ok(()),
                }
            }
            Self::Kv {
                mount, namespace, ..
            } => match namespace {
                Some(namespace) => write!(f, "engine {namespace}/{mount}"),
                None => write!(f, "engine {mount}"),
            },
        }
    }
}
