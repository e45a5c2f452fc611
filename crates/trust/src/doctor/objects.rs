//! What the objects in the cluster say: which identity is meant, and whether they fit together.

use std::collections::BTreeMap;

use keyless_api::SecretStoreSpec;
use keyless_fault::Link;
use serde_json::{Value, json};

use super::pod::{self, Pod};
use super::{Facts, Findings, LoginFact, Verdict};
use crate::plan::{self, Cloud, Identity, Inventory, Options, Plan};
use crate::trust::{Issuer, ServiceAccount};

const ROLE: &str = "eks.amazonaws.com/role-arn";
const CLIENT: &str = "azure.workload.identity/client-id";
const TENANT: &str = "azure.workload.identity/tenant-id";

/// The object under diagnosis and what belongs to it.
pub(super) struct Subject<'a> {
    pub(super) facts: &'a Facts,
    /// The ExternalSecret, if it is about one.
    pub(super) external: Option<&'a Value>,
    /// The store, if it is there.
    pub(super) store: Option<&'a Value>,
    /// The pod, if it is about one that is there.
    pub(super) pod: Option<Pod<'a>>,
    /// Kind and name of the store that is named.
    named: Option<(String, String)>,
    plan: Plan,
    pub(super) identity: Option<Identity>,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// `Kind namespace/name`.
fn name_of(object: &Value) -> String {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

/// The Ready condition's status and message.
fn ready(object: &Value) -> Option<(&str, &str)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let condition = conditions.iter().find(|c| text(c, "/type") == "Ready")?;
    Some((text(condition, "/status"), text(condition, "/message")))
}

impl<'a> Subject<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        if facts.about.starts_with("Pod ") {
            return Self::of_pod(facts);
        }
        let is =
            |kinds: &'static [&'static str]| move |o: &&Value| kinds.contains(&text(o, "/kind"));
        let asked = facts.objects.iter().find(|o| name_of(o) == facts.about);
        let externals = || facts.objects.iter().filter(is(&["ExternalSecret"]));
        let stores = || {
            facts
                .objects
                .iter()
                .filter(is(&["SecretStore", "ClusterSecretStore"]))
        };
        let sick = |o: &&Value| ready(o).is_some_and(|(status, _)| status != "True");
        let store_asked = asked.filter(is(&["SecretStore", "ClusterSecretStore"]));
        let external = match asked {
            Some(object) if text(object, "/kind") == "ExternalSecret" => Some(object),
            Some(_) => None,
            None if facts.about.is_empty() => externals().find(sick).or_else(|| externals().next()),
            None => None,
        };
        let named = external.map(|e| {
            let kind = match text(e, "/spec/secretStoreRef/kind") {
                "" => "SecretStore",
                kind => kind,
            };
            (
                kind.to_owned(),
                text(e, "/spec/secretStoreRef/name").to_owned(),
            )
        });
        let namespace = external.map_or("default", |e| text(e, "/metadata/namespace"));
        let store = store_asked.or_else(|| match &named {
            Some((kind, name)) => stores().find(|s| {
                let fits =
                    kind == "ClusterSecretStore" || text(s, "/metadata/namespace") == namespace;
                text(s, "/kind") == kind && text(s, "/metadata/name") == name && fits
            }),
            None => stores().find(sick).or_else(|| stores().next()),
        });
        let plan = plan_for(facts, external, store);
        let identity = plan.identities.first().cloned();
        Self {
            facts,
            external,
            store,
            pod: None,
            named,
            plan,
            identity,
        }
    }

    fn of_pod(facts: &'a Facts) -> Self {
        let object = facts.objects.iter().find(|o| name_of(o) == facts.about);
        let pod = object.map(Pod::read);
        let identity = pod.as_ref().and_then(|pod| pod::identity(facts, pod));
        Self {
            facts,
            external: None,
            store: None,
            pod,
            named: None,
            plan: Plan::default(),
            identity,
        }
    }

    /// The namespace from which a store is used.
    pub(super) fn namespace(&self) -> &'a str {
        let object = self.external.or(self.store);
        object.map_or("", |o| text(o, "/metadata/namespace"))
    }

    /// Whether it is about a pod, be it there or not.
    pub(super) fn is_pod(&self) -> bool {
        self.facts.about.starts_with("Pod ")
    }

    pub(super) fn name(&self) -> String {
        let object = self.external.or(self.store);
        object.map_or_else(|| self.facts.about.clone(), name_of)
    }

    pub(super) fn is_ready(&self) -> bool {
        let object = self.external.or(self.store);
        object
            .and_then(ready)
            .is_some_and(|(status, _)| status == "True")
    }

    /// What the operator last said, the object first, then its store.
    ///
    /// What a login says that was tried now goes before all of it.
    pub(super) fn messages(&self) -> Vec<&'a str> {
        let tried = self
            .facts
            .logins
            .iter()
            .filter_map(|l| l.refused.as_deref());
        let mut all: Vec<&str> = tried.collect();
        if self.is_pod() {
            all.extend(pod::messages(self.facts));
            return all;
        }
        let objects = [self.external, self.store];
        let said = objects.into_iter().flatten().filter_map(ready);
        let said = said.filter(|(status, message)| *status != "True" && !message.is_empty());
        all.extend(said.map(|(_, message)| message));
        all
    }

    /// A login that was refused now, and the link that this is about.
    pub(super) fn refused_login(&self) -> Option<(&'a LoginFact, Link)> {
        let link = |login: &LoginFact| {
            let named = login.link.as_deref()?;
            super::CHAIN.into_iter().find(|link| link.as_str() == named)
        };
        let mut refused = self.facts.logins.iter().filter(|l| l.refused.is_some());
        refused.find_map(|login| Some((login, link(login)?)))
    }

    /// What a login became that was tried now.
    pub(super) fn logged_in(&self) -> Option<&'a str> {
        let mut fine = self.facts.logins.iter().filter(|l| l.refused.is_none());
        fine.next().map(|login| login.identity.as_str())
    }

    pub(super) fn account(&self) -> Option<&ServiceAccount> {
        self.identity.as_ref().map(|i| &i.account)
    }

    /// The annotations of the account, if it was seen.
    fn annotations(&self) -> Option<BTreeMap<String, String>> {
        let account = self.account()?;
        let object = self.facts.objects.iter().find(|o| {
            text(o, "/kind") == "ServiceAccount"
                && text(o, "/metadata/namespace") == account.namespace
                && text(o, "/metadata/name") == account.name
        })?;
        let map = object
            .pointer("/metadata/annotations")
            .and_then(Value::as_object);
        let texts = map.into_iter().flatten();
        Some(
            texts
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect(),
        )
    }

    fn is_absent(&self, name: &str) -> bool {
        self.facts.absent.iter().any(|a| a == name)
    }
}

/// The plan for this object alone. A store that nothing reads from is asked for some name, so that
/// its login is known; what it may read is then of no interest.
fn plan_for(facts: &Facts, external: Option<&Value>, store: Option<&Value>) -> Plan {
    let mut inventory = Inventory::default();
    for object in &facts.objects {
        if text(object, "/kind") != "ExternalSecret" {
            let _ = inventory.add(object, "default");
        }
    }
    match (external, store) {
        (Some(external), _) => {
            let _ = inventory.add(external, "default");
        }
        (None, Some(store)) => {
            let asking = json!({
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": {"name": "any", "namespace": text(store, "/metadata/namespace")},
                "spec": {
                    "secretStoreRef": {"kind": text(store, "/kind"), "name": text(store, "/metadata/name")},
                    "data": [{"secretKey": "any", "remoteRef": {"key": "any/any"}}],
                },
            });
            let _ = inventory.add(&asking, "default");
        }
        _ => {}
    }
    let minted = facts
        .tokens
        .iter()
        .find_map(|t| t.claims.get("iss")?.as_str());
    let issuer = facts.issuer.as_deref().or(minted);
    let options = Options {
        issuer: issuer.and_then(|i| Issuer::parse(i).ok()),
        ..Options::default()
    };
    plan::plan(&inventory, &options)
}

pub(super) fn judge(subject: &Subject<'_>, found: &mut Findings) {
    if subject.is_pod() {
        pod::judge(subject, found);
        return;
    }
    let before = found.proven.len();
    manifest(subject, found);
    store(subject, found);
    if subject.store.is_some() && found.proven.len() == before {
        found.holds(Link::Store, "it is there, and may be used");
    }
    account(subject, found);
    if found.proven.len() == before && subject.external.is_some() {
        found.holds(Link::Manifest, "it can be read");
    }
}

fn manifest(subject: &Subject<'_>, found: &mut Findings) {
    for object in [subject.external, subject.store].into_iter().flatten() {
        let version = text(object, "/apiVersion");
        let served = &subject.facts.served;
        let version_only = version.rsplit('/').next().unwrap_or_default();
        if !served.is_empty() && !served.iter().any(|v| v == version_only) {
            found.proven.push(
                Verdict::new("O4", name_of(object), format!("apiVersion {version}"))
                    .required(format!("one of {}", served.join(", "))),
            );
        }
        let mut inventory = Inventory::default();
        if let Err(error) = inventory.add(object, "default") {
            found
                .proven
                .push(Verdict::new("L13", name_of(object), error.to_string()).at(Link::Manifest));
        }
    }
}

fn store(subject: &Subject<'_>, found: &mut Findings) {
    if let Some((kind, name)) = &subject.named
        && subject.store.is_none()
    {
        let namespace = subject
            .external
            .map_or("", |e| text(e, "/metadata/namespace"));
        let full = match kind.as_str() {
            "ClusterSecretStore" => format!("{kind} {name}"),
            _ => format!("{kind} {namespace}/{name}"),
        };
        if subject.is_absent(&full) {
            let other = subject.facts.objects.iter().find(|o| {
                text(o, "/kind").ends_with("SecretStore") && text(o, "/metadata/name") == name
            });
            let verdict = Verdict::new("O6", full, "it does not exist");
            found.proven.push(match other {
                Some(other) => verdict.required(format!("secretStoreRef to {}", name_of(other))),
                None => verdict,
            });
        }
        return;
    }
    let Some(store) = subject.store else {
        return;
    };
    for note in &subject.plan.notes {
        if note.code == "O7" && note.text.contains("does not admit") {
            found
                .proven
                .push(Verdict::new("O7", name_of(store), note.text.clone()));
        }
    }
    fields(&name_of(store), &Fields::of_document(store), found);
}

/// The fields of a store that rules look at, taken from its document or from its typed spec.
pub(super) struct Fields<'a> {
    /// Region of AWS.
    region: Option<&'a str>,
    /// URL of a Key Vault.
    vault: Option<&'a str>,
    /// The audience of a pool's provider.
    audience: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn of_document(store: &'a Value) -> Self {
        let provider = store.pointer("/spec/provider");
        let spec = |name: &str| provider.and_then(|p| p.get(name));
        Self {
            region: spec("aws").map(|aws| text(aws, "/region")),
            vault: spec("azurekv").map(|azure| text(azure, "/vaultUrl")),
            audience: spec("gcpsm")
                .map(|google| text(google, "/auth/workloadIdentityFederation/audience")),
        }
    }

    pub(super) fn of_spec(spec: &'a SecretStoreSpec) -> Self {
        let provider = &spec.provider;
        let google = provider.gcpsm.as_ref().and_then(|g| g.auth.as_ref());
        let pool = google.and_then(|auth| auth.workload_identity_federation.as_ref());
        Self {
            region: provider.aws.as_ref().map(|aws| aws.region.as_str()),
            vault: provider.azurekv.as_ref().map(|a| a.vault_url.as_str()),
            audience: pool.and_then(|pool| pool.audience.as_deref()),
        }
    }
}

/// What a store's own fields show.
pub(super) fn fields(name: &str, fields: &Fields<'_>, found: &mut Findings) {
    if fields.region == Some("") {
        found.proven.push(
            Verdict::new("A12", name, "region is empty").required("region, such as eu-central-1"),
        );
    }
    if let Some(url) = fields.vault
        && !url.starts_with("https://")
    {
        found.proven.push(
            Verdict::new("Z22", name, format!("vaultUrl {url:?}"))
                .at(Link::Store)
                .required("https://NAME.vault.azure.net"),
        );
    }
    google_audience(name, fields.audience.unwrap_or_default(), found);
}

/// The audience of a pool's provider has a form that can be looked at.
fn google_audience(store: &str, audience: &str, found: &mut Findings) {
    if audience.is_empty() {
        return;
    }
    let form = "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";
    let observed = format!("audience {audience}");
    match crate::gcp::PoolProvider::parse(audience) {
        Ok(_) => {}
        Err(crate::gcp::NameError::ProjectId(_)) => found
            .proven
            .push(Verdict::new("G1", store, observed).required("the project's number, not its id")),
        Err(_) => found
            .proven
            .push(Verdict::new("G2", store, observed).required(form)),
    }
}

fn account(subject: &Subject<'_>, found: &mut Findings) {
    let (Some(identity), Some(account)) = (&subject.identity, subject.account()) else {
        return;
    };
    let name = format!("ServiceAccount {}/{}", account.namespace, account.name);
    if subject.is_absent(&name) {
        found
            .proven
            .push(Verdict::new("K19", name, "it does not exist").at(Link::Token));
        return;
    }
    if let Some(annotations) = subject.annotations() {
        annotated(identity, subject.names_account(), &annotations, found);
    }
}

/// What the annotations of the service account show, which the store names (`named`) or which is
/// the operator's.
pub(super) fn annotated(
    identity: &Identity,
    named: bool,
    annotations: &BTreeMap<String, String>,
    found: &mut Findings,
) {
    let ServiceAccount { namespace, name } = &identity.account;
    let name = format!("ServiceAccount {namespace}/{name}");
    let set = |key: &str| annotations.get(key).filter(|v| !v.is_empty());
    let wanted: &[&str] = match &identity.cloud {
        Cloud::Aws { .. } => &[ROLE],
        Cloud::Azure { .. } => &[CLIENT],
        _ => &[],
    };
    for key in wanted {
        if let Some(value) = set(key) {
            if *key == ROLE
                && let Err(error) = crate::aws::Arn::parse_role(value)
            {
                found.proven.push(
                    Verdict::new("A4", name.clone(), error.to_string())
                        .at(Link::Manifest)
                        .required("arn:PARTITION:iam::ACCOUNT:role/NAME"),
                );
            }
            continue;
        }
        // The operator's own account may have its role by other means.
        let near = annotations.keys().find(|k| near_miss(k, key));
        match (near, *key) {
            (Some(near), _) => found.proven.push(
                Verdict::new("L14", name.clone(), format!("annotation {near}"))
                    .at(Link::Manifest)
                    .required(format!("annotation {key}")),
            ),
            (None, ROLE) if named => found.proven.push(
                Verdict::new("O1", name.clone(), format!("no annotation {key}"))
                    .required(format!("annotation {key}")),
            ),
            (None, _) if named => found.proven.push(
                Verdict::new("O2", name.clone(), format!("no annotation {key}"))
                    .required(format!("annotation {key}")),
            ),
            _ => {}
        }
    }
    if let Cloud::Azure { tenant: None, .. } = &identity.cloud
        && named
        && set(TENANT).is_none()
        && set(CLIENT).is_some()
    {
        found.proven.push(
            Verdict::new("Z16", name, "no tenant in annotation or store")
                .required(format!("annotation {TENANT}, or tenantId in the store")),
        );
    }
}

/// Whether a key is almost another one, as `eks.amazon.com` is.
fn near_miss(key: &str, wanted: &str) -> bool {
    key != wanted && crate::lint::almost(key, wanted)
}

impl Subject<'_> {
    /// Whether the store names its service account, rather than using the operator's.
    pub(super) fn names_account(&self) -> bool {
        let provider = self.store.and_then(|s| s.pointer("/spec/provider"));
        provider.is_some_and(|p| {
            [
                "/aws/auth/jwt/serviceAccountRef",
                "/azurekv/serviceAccountRef",
                "/gcpsm/auth/workloadIdentity/serviceAccountRef",
                "/gcpsm/auth/workloadIdentityFederation/serviceAccountRef",
                "/vault/auth/kubernetes/serviceAccountRef",
                "/vault/auth/jwt/kubernetesServiceAccountToken/serviceAccountRef",
            ]
            .iter()
            .any(|pointer| p.pointer(pointer).is_some())
        })
    }
}
