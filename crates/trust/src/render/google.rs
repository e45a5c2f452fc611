//! Google: one pool with one provider for the cluster's issuer (GKE has its own), and for each
//! service account exactly the secrets that it reads, directly or by impersonation.

mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::{RenderError, Settings, Target};
use crate::gcp::name::is_secret_id;
use crate::gcp::provider::MAX_SUBJECT;
use crate::gcp::{Pool, PoolProvider};
use crate::plan::{Cloud, GoogleLogin, Identity, Place, Plan, Scope, Verb};
use crate::trust::{Issuer, ServiceAccount};

pub(super) use write::{hcl, json, shell};

/// Everything that is created.
pub(super) struct Model<'a> {
    /// Project of the pool.
    project: String,
    /// Its number.
    number: Option<String>,
    /// Whether the number is that of a pool which a store names, and the project only that of
    /// its secrets: then the two may not belong together.
    guessed: bool,
    pool: Option<PoolSide>,
    principals: Vec<Principal<'a>>,
    import: bool,
}

/// The pool and its provider.
struct PoolSide {
    issuer: Issuer,
    pool: String,
    provider: String,
    /// Audiences beside the provider's own name.
    audiences: Vec<String>,
    subjects: BTreeSet<String>,
    /// Whether `google.subject` leaves out `system:serviceaccount:`.
    short: bool,
}

/// Who is granted something.
struct Principal<'a> {
    identity: &'a Identity,
    /// The pool of GKE's clusters, or the one above.
    gke: Option<String>,
    subject: String,
    impersonates: Option<&'a str>,
    grants: BTreeSet<Binding>,
}

/// A role on a secret, or on a project's secrets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Binding {
    project: String,
    location: Option<String>,
    role: &'static str,
    on: On,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum On {
    Secret(String),
    /// All secrets whose id begins so.
    Prefix(String),
    Project,
}

const ACCESSOR: &str = "roles/secretmanager.secretAccessor";
const VIEWER: &str = "roles/secretmanager.viewer";
const IMPERSONATOR: &str = "roles/iam.workloadIdentityUser";

pub(super) fn model<'a>(plan: &'a Plan, settings: &Settings<'a>) -> Result<Model<'a>, RenderError> {
    let google = &settings.options.google;
    let mut sides: BTreeMap<(String, String), PoolSide> = BTreeMap::new();
    let mut number = google.number.clone();
    let mut drafts = Vec::new();
    for identity in Target::Google.identities(plan) {
        let Cloud::Google { by, impersonates } = &identity.cloud else {
            continue;
        };
        let gke = match by {
            GoogleLogin::Gke { project } => {
                let project = project.clone().or_else(|| google.project.clone());
                Some(project.ok_or_else(|| project_missing(identity))?)
            }
            GoogleLogin::Pool(provider) => {
                let ids = ids(
                    provider.as_ref(),
                    google.pool.as_deref(),
                    google.provider.as_deref(),
                )?;
                if let Some(PoolProvider { pool, .. }) = provider {
                    number.get_or_insert_with(|| pool.project.clone());
                }
                let issuer = super::issuer(plan)?.clone();
                let side = sides.entry(ids.clone()).or_insert_with(|| PoolSide {
                    issuer,
                    pool: ids.0,
                    provider: ids.1,
                    audiences: Vec::new(),
                    subjects: BTreeSet::new(),
                    short: false,
                });
                let own = identity.audience.contains("/workloadIdentityPools/")
                    || identity.audience.is_empty();
                if !own && !side.audiences.contains(&identity.audience) {
                    side.audiences.push(identity.audience.clone());
                }
                side.subjects.insert(identity.subject());
                None
            }
        };
        drafts.push((identity, gke, impersonates.as_deref()));
    }
    let mut sides: Vec<PoolSide> = sides.into_values().collect();
    if sides.len() > 1 {
        return Err(RenderError::Name {
            name: sides
                .iter()
                .map(|s| s.pool.clone())
                .collect::<Vec<_>>()
                .join(", "),
            place: "of one pool",
            reason: "the stores name several providers: render them one by one",
        });
    }
    let mut pool = sides.pop();
    if let Some(side) = &mut pool {
        shorten(side)?;
    }
    let short = pool.as_ref().is_some_and(|side| side.short);
    let mut principals = Vec::new();
    for (identity, gke, impersonates) in drafts {
        let ServiceAccount { namespace, name } = &identity.account;
        let subject = match (&gke, short) {
            (Some(_), _) => format!("ns/{namespace}/sa/{name}"),
            (None, true) => format!("{namespace}:{name}"),
            (None, false) => identity.subject(),
        };
        principals.push(Principal {
            grants: bindings(identity, google.project.as_deref())?,
            identity,
            gke,
            subject,
            impersonates,
        });
    }
    let project = google.project.clone().or_else(|| {
        let of = |p: &Principal<'_>| {
            p.gke
                .clone()
                .or_else(|| p.grants.first().map(|b| b.project.clone()))
        };
        principals.iter().find_map(of)
    });
    if pool.is_some() && project.is_none() {
        return Err(RenderError::Missing {
            what: "the project of the pool".into(),
            flag: "--google-project",
        });
    }
    Ok(Model {
        guessed: google.project.is_none(),
        project: project.unwrap_or_default(),
        number,
        pool,
        principals,
        import: settings.import,
    })
}

fn project_missing(identity: &Identity) -> RenderError {
    RenderError::Missing {
        what: format!("the Google project for {}", identity.subject()),
        flag: "--google-project",
    }
}

/// Ids of pool and provider: what a store names, else what was given.
fn ids(
    named: Option<&PoolProvider>,
    pool: Option<&str>,
    provider: Option<&str>,
) -> Result<(String, String), RenderError> {
    if let Some(named) = named {
        return Ok((named.pool.id.clone(), named.id.clone()));
    }
    let (pool, provider) = (pool.unwrap_or("keyless"), provider.unwrap_or("cluster"));
    // The name is refused here as Google would.
    let wrong = |_| RenderError::Name {
        name: format!("{pool}/{provider}"),
        place: "of a pool and its provider",
        reason: "ids have 4 to 32 small letters, digits and hyphens and do not begin with gcp-",
    };
    Pool::new("1", pool).map_err(wrong)?;
    let full = format!(
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
    );
    PoolProvider::parse(&full).map_err(wrong)?;
    Ok((pool.to_owned(), provider.to_owned()))
}

/// Google takes subjects of 127 bytes; those of Kubernetes may have more with their prefix.
fn shorten(side: &mut PoolSide) -> Result<(), RenderError> {
    side.short = side.subjects.iter().any(|s| s.len() > MAX_SUBJECT);
    let prefix = "system:serviceaccount:".len();
    let longest = side.subjects.iter().max_by_key(|s| s.len());
    match longest.filter(|s| s.len() - prefix.min(s.len()) > MAX_SUBJECT) {
        None => Ok(()),
        Some(subject) => Err(RenderError::TooMuch {
            what: "the subject",
            name: subject.clone(),
            size: subject.len() - prefix,
            unit: "bytes without its prefix",
            limit: MAX_SUBJECT,
            fix: "use shorter names of namespace and service account",
        }),
    }
}

fn bindings(identity: &Identity, default: Option<&str>) -> Result<BTreeSet<Binding>, RenderError> {
    let mut out = BTreeSet::new();
    for grant in &identity.grants {
        let Place::SecretManager { project, location } = &grant.access.place else {
            continue;
        };
        let project = project.as_deref().or(default);
        let project = project.ok_or_else(|| project_missing(identity))?.to_owned();
        let role = match grant.access.verb {
            Verb::Read => ACCESSOR,
            _ => VIEWER,
        };
        let on = match &grant.access.scope {
            Scope::Name(name) | Scope::Below(name) if !is_secret_id(name) => {
                return Err(RenderError::Name {
                    name: name.clone(),
                    place: "of a secret at Google",
                    reason: "ids have 1 to 255 letters, digits, hyphens and underscores",
                });
            }
            Scope::Name(name) => On::Secret(name.clone()),
            Scope::Below(prefix) => On::Prefix(prefix.clone()),
            Scope::Everything => On::Project,
        };
        out.insert(Binding {
            project,
            location: location.clone(),
            role,
            on,
        });
    }
    // A role on all secrets makes the same role on one of them idle.
    let all: Vec<Binding> = out
        .iter()
        .filter(|b| b.on == On::Project)
        .cloned()
        .collect();
    out.retain(|b| {
        b.on == On::Project
            || !all
                .iter()
                .any(|a| a.project == b.project && a.role == b.role)
    });
    Ok(out)
}

/// A text as a literal of CEL.
fn cel(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
