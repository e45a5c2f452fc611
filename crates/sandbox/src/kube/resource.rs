//! Which resources are served, under which names: the built-in table and those that CRDs add.
//!
//! Owns: the registry that paths are looked up in. Refuses: objects.

mod custom;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

pub use custom::{Custom, resources};
use serde_json::Value;

use super::openapi;
use super::store::Bucket;
use super::table::Table;

/// Verbs of an ordinary resource, in the order discovery lists them.
pub const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
/// Verbs of a review: something that is only ever asked.
pub const REVIEW_VERBS: &[&str] = &["create"];

/// One resource in one version.
#[derive(Clone, Debug)]
pub struct Resource {
    /// API group, empty for core.
    pub group: Arc<str>,
    /// Version.
    pub version: Arc<str>,
    /// Plural name, as in paths.
    pub plural: Arc<str>,
    /// Singular name.
    pub singular: String,
    /// Kind.
    pub kind: String,
    /// Kind of a list.
    pub list_kind: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Names that kubectl accepts.
    pub short_names: Vec<String>,
    /// Groups of resources that kubectl accepts.
    pub categories: Vec<String>,
    /// What can be done.
    pub verbs: &'static [&'static str],
    /// Whether `/status` is separate.
    pub status: bool,
    /// Whether `metadata.generation` counts changes of the spec.
    pub generation: bool,
    /// Where the objects are kept.
    pub bucket: Bucket,
    /// The apiVersion under which they are kept.
    pub stored_as: Arc<str>,
    /// What `kubectl get` shows.
    pub table: Arc<Table>,
    /// What a CRD adds.
    pub custom: Option<Arc<Custom>>,
}

impl Resource {
    /// `group/version`, or `version` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        group_version(&self.group, &self.version)
    }

    /// Whether this is `plural` of `group`.
    #[must_use]
    pub fn is(&self, group: &str, plural: &str) -> bool {
        &*self.group == group && &*self.plural == plural
    }
}

/// `group/version`, or `version` for the core group.
#[must_use]
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

struct BuiltIn {
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
    traits: &'static [Trait],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trait {
    /// `/status` is separate.
    Status,
    /// Generation counts.
    Generation,
    /// Only created, never kept.
    Review,
    /// Member of the category `all`.
    All,
    /// Member of the category `api-extensions`.
    Extension,
}

use Trait::{All, Extension, Generation, Review, Status};

const fn row(
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
    traits: &'static [Trait],
) -> BuiltIn {
    BuiltIn {
        group,
        version: "v1",
        plural,
        kind,
        namespaced,
        short,
        traits,
    }
}

const AUTHN: &str = "authentication.k8s.io";
const AUTHZ: &str = "authorization.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

static BUILT_IN: &[BuiltIn] = &[
    row("", "configmaps", "ConfigMap", true, &["cm"], &[]),
    row("", "endpoints", "Endpoints", true, &["ep"], &[]),
    row("", "events", "Event", true, &["ev"], &[]),
    row("", "namespaces", "Namespace", false, &["ns"], &[Status]),
    row("", "pods", "Pod", true, &["po"], &[Status, Generation, All]),
    row("", "secrets", "Secret", true, &[], &[]),
    row("", "serviceaccounts", "ServiceAccount", true, &["sa"], &[]),
    row("", "services", "Service", true, &["svc"], &[Status, All]),
    row(
        ADMISSION,
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
        &[],
        &[Generation, Extension],
    ),
    row(
        ADMISSION,
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        &[],
        &[Generation, Extension],
    ),
    row(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
        &["crd", "crds"],
        &[Status, Generation, Extension],
    ),
    row(
        "apps",
        "deployments",
        "Deployment",
        true,
        &["deploy"],
        &[Status, Generation, All],
    ),
    row(
        AUTHN,
        "selfsubjectreviews",
        "SelfSubjectReview",
        false,
        &[],
        &[Review],
    ),
    row(AUTHN, "tokenreviews", "TokenReview", false, &[], &[Review]),
    row(
        AUTHZ,
        "localsubjectaccessreviews",
        "LocalSubjectAccessReview",
        true,
        &[],
        &[Review],
    ),
    row(
        AUTHZ,
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        false,
        &[],
        &[Review],
    ),
    row(
        AUTHZ,
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        false,
        &[],
        &[Review],
    ),
    row(
        AUTHZ,
        "subjectaccessreviews",
        "SubjectAccessReview",
        false,
        &[],
        &[Review],
    ),
    row("coordination.k8s.io", "leases", "Lease", true, &[], &[]),
    row(
        "discovery.k8s.io",
        "endpointslices",
        "EndpointSlice",
        true,
        &[],
        &[Generation],
    ),
    row("events.k8s.io", "events", "Event", true, &["ev"], &[]),
    row(
        RBAC,
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
        &[],
        &[],
    ),
    row(RBAC, "clusterroles", "ClusterRole", false, &[], &[]),
    row(RBAC, "rolebindings", "RoleBinding", true, &[], &[]),
    row(RBAC, "roles", "Role", true, &[], &[]),
];

impl BuiltIn {
    fn resource(&self) -> Resource {
        let has = |t| self.traits.contains(&t);
        // Both event APIs show one set of objects.
        let home = if self.plural == "events" {
            ""
        } else {
            self.group
        };
        let categories = [(All, "all"), (Extension, "api-extensions")];
        Resource {
            group: self.group.into(),
            version: self.version.into(),
            plural: self.plural.into(),
            singular: self.kind.to_lowercase(),
            kind: self.kind.to_owned(),
            list_kind: format!("{}List", self.kind),
            namespaced: self.namespaced,
            short_names: self.short.iter().map(|&s| s.to_owned()).collect(),
            categories: categories
                .iter()
                .filter(|(t, _)| has(*t))
                .map(|(_, c)| (*c).to_owned())
                .collect(),
            verbs: if has(Review) { REVIEW_VERBS } else { ALL_VERBS },
            status: has(Status),
            generation: has(Generation),
            bucket: Bucket::new(home, self.plural),
            stored_as: group_version(home, self.version).into(),
            table: Arc::new(Table::builtin(self.group, self.kind)),
            custom: None,
        }
    }
}

type Version = (Arc<str>, Arc<str>);

/// OpenAPI documents, made when first asked for.
#[derive(Debug, Default)]
struct Documents {
    index: OnceLock<Arc<Value>>,
    made: Mutex<BTreeMap<String, Arc<Value>>>,
}

/// All served resources, as of one moment.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Group and version, then plural.
    versions: BTreeMap<Version, BTreeMap<Arc<str>, Arc<Resource>>>,
    /// Per group of a CRD, its versions by priority.
    orders: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    documents: Documents,
}

impl Catalogue {
    fn built_in() -> Self {
        let mut all = Self::default();
        for entry in BUILT_IN {
            all.add(entry.resource());
        }
        all
    }

    fn add(&mut self, resource: Resource) {
        let version = (Arc::clone(&resource.group), Arc::clone(&resource.version));
        let order = self.orders.entry(Arc::clone(&resource.group)).or_default();
        if !order.contains(&resource.version) {
            order.push(Arc::clone(&resource.version));
            order.sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| a.cmp(b)));
        }
        self.versions
            .entry(version)
            .or_default()
            .insert(Arc::clone(&resource.plural), Arc::new(resource));
    }

    /// The resource at a path.
    #[must_use]
    pub fn get(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.in_version(group, version)?.get(plural).cloned()
    }

    /// The resources of a group and version; `None` when it is not served.
    #[must_use]
    pub fn in_version(
        &self,
        group: &str,
        version: &str,
    ) -> Option<&BTreeMap<Arc<str>, Arc<Resource>>> {
        self.versions.get(&(group.into(), version.into()))
    }

    /// Groups but the core one, with their versions, preferred first.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Vec<Arc<str>>)> {
        self.orders.iter().filter(|(g, _)| !g.is_empty())
    }

    /// Any version of the resource kept in `bucket`.
    #[must_use]
    pub fn by_bucket(&self, bucket: &Bucket) -> Option<Arc<Resource>> {
        let order = self.orders.get(&bucket.group)?;
        order
            .iter()
            .find_map(|v| self.get(&bucket.group, v, &bucket.plural))
    }

    fn described(&self) -> Vec<openapi::Resource> {
        let all = self.versions.values().flat_map(BTreeMap::values);
        all.map(|r| openapi::Resource {
            group: r.group.to_string(),
            version: r.version.to_string(),
            kind: r.kind.clone(),
            plural: r.plural.to_string(),
            singular: r.singular.clone(),
            namespaced: r.namespaced,
            verbs: r.verbs.iter().map(|&v| v.to_owned()).collect(),
            schema: r.custom.as_ref().map(|c| c.raw.clone()),
            subresources: if r.status {
                vec!["status".to_owned()]
            } else {
                Vec::new()
            },
        })
        .collect()
    }

    /// The OpenAPI v3 index.
    pub fn openapi(&self) -> Arc<Value> {
        let make = || Arc::new(openapi::index(&self.described()));
        Arc::clone(self.documents.index.get_or_init(make))
    }

    /// The OpenAPI v3 document of a group and version.
    pub fn document(&self, group: &str, version: &str) -> Option<Arc<Value>> {
        let key = group_version(group, version);
        let mut made = self
            .documents
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = made.get(&key) {
            return Some(Arc::clone(document));
        }
        let document = Arc::new(openapi::document(&self.described(), group, version)?);
        made.insert(key, Arc::clone(&document));
        Some(document)
    }
}

/// Kubernetes' order of versions: stable, beta, alpha, then anything else; higher numbers first.
fn priority(version: &str) -> (u8, u32, u32) {
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0);
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (major, suffix) = rest.split_at(digits);
    let Ok(major) = major.parse() else {
        return (0, 0, 0);
    };
    let minor = |text: &str| text.parse().unwrap_or(0);
    match suffix {
        "" => (3, major, 0),
        s if s.starts_with("beta") => (2, major, minor(s.trim_start_matches("beta"))),
        s if s.starts_with("alpha") => (1, major, minor(s.trim_start_matches("alpha"))),
        _ => (0, 0, 0),
    }
}

/// The catalogue that requests see; replaced whole when a CRD changes.
#[derive(Debug)]
pub struct Registry {
    built_in: Arc<Catalogue>,
    now: RwLock<Arc<Catalogue>>,
}

impl Default for Registry {
    fn default() -> Self {
        let built_in = Arc::new(Catalogue::built_in());
        Self {
            now: RwLock::new(Arc::clone(&built_in)),
            built_in,
        }
    }
}

impl Registry {
    /// The present catalogue.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves the built-in resources and these.
    pub fn replace(&self, custom: Vec<Resource>) {
        let mut all = Catalogue {
            versions: self.built_in.versions.clone(),
            orders: self.built_in.orders.clone(),
            documents: Documents::default(),
        };
        custom.into_iter().for_each(|r| all.add(r));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
    }
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn versions_are_ordered_as_kubectl_expects() {
        let mut all = [
            "v1alpha1",
            "v1beta1",
            "v2",
            "v1",
            "foo",
            "v1beta2",
            "v11alpha2",
        ];
        all.sort_by_key(|v| std::cmp::Reverse(priority(v)));
        assert_eq!(
            all,
            [
                "v2",
                "v1",
                "v1beta2",
                "v1beta1",
                "v11alpha2",
                "v1alpha1",
                "foo"
            ]
        );
    }
}
