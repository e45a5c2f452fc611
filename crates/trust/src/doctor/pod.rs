//! The chain of a pod that logs in by itself: whether a token was injected, and whether its
//! containers can use it.
//!
//! Owns: who a pod logs in as, by its own variables before its service account's annotations,
//! and which links its chain has. Refuses: the rules of injection, which are the admission
//! server's: what they would do comes as a fact ([`super::InjectionFact`]).

mod hook;
mod injected;
mod read;
mod refused;
mod uses;

use std::collections::BTreeMap;

use keyless_fault::Link;
use serde_json::Value;

use super::objects::Subject;
use super::{Facts, Findings, Verdict};
use crate::aws::Arn;
use crate::gcp::PoolProvider;
use crate::plan::{Cloud, GoogleLogin, Identity};
use crate::trust::ServiceAccount;
pub(super) use read::Pod;
use read::text;

pub(super) const ROLE: &str = "eks.amazonaws.com/role-arn";
const AWS_SKIP: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
const CLIENT: &str = "azure.workload.identity/client-id";
const TENANT: &str = "azure.workload.identity/tenant-id";
const USE: &str = "azure.workload.identity/use";
const PROVIDER: &str = "cloud.google.com/workload-identity-provider";
const EMAIL: &str = "cloud.google.com/service-account-email";
const GKE: &str = "iam.gke.io/gcp-service-account";
/// What the names of injected token volumes begin with.
const AWS_VOLUME: &str = "aws-iam-token";
const AZURE_VOLUMES: [&str; 2] = ["azure-workload-identity-reserved-", "azure-identity-token"];
const GOOGLE_VOLUME: &str = "gcp-iam-token";
const IDENTITY_VOLUME: &str = "eks-pod-identity-token";

/// Links that a pod's chain has: it names no store, and nothing is made of what it reads.
pub(super) const CHAIN: [Link; 9] = [
    Link::Manifest,
    Link::Kubernetes,
    Link::Token,
    Link::IssuerDocument,
    Link::Keys,
    Link::TrustObject,
    Link::Identity,
    Link::Network,
    Link::Permission,
];

/// Whose webhook injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Aws,
    Azure,
    Google,
}

impl Provider {
    const ALL: [Self; 3] = [Self::Aws, Self::Azure, Self::Google];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Google => "google",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Google => "Google",
        }
    }
}

/// What is known around a pod.
struct Around<'a> {
    facts: &'a Facts,
    pod: &'a Pod<'a>,
    /// `Pod namespace/name`.
    about: String,
    /// Annotations of its service account, if that was seen.
    account: Option<BTreeMap<String, String>>,
}

fn texts(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn account<'a>(facts: &'a Facts, pod: &Pod<'_>) -> Option<&'a Value> {
    facts.objects.iter().find(|o| {
        text(o, "/kind") == "ServiceAccount"
            && text(o, "/metadata/namespace") == pod.namespace()
            && text(o, "/metadata/name") == pod.account()
    })
}

impl<'a> Around<'a> {
    fn of(facts: &'a Facts, pod: &'a Pod<'a>) -> Self {
        let account = account(facts, pod);
        Self {
            facts,
            pod,
            about: facts.about.clone(),
            account: account.map(|a| texts(a, "/metadata/annotations")),
        }
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        let value = self.account.as_ref()?.get(key).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The name of its service account in output.
    fn account_name(&self) -> String {
        format!(
            "ServiceAccount {}/{}",
            self.pod.namespace(),
            self.pod.account()
        )
    }

    /// Whether a token of `provider` reached the pod, by injection or by its own doing.
    fn has(&self, provider: Provider) -> bool {
        let pod = self.pod;
        match provider {
            Provider::Aws => {
                pod.has_volume(AWS_VOLUME) || pod.env("AWS_WEB_IDENTITY_TOKEN_FILE").is_some()
            }
            Provider::Azure => {
                AZURE_VOLUMES.iter().any(|v| pod.has_volume(v))
                    || pod.env("AZURE_FEDERATED_TOKEN_FILE").is_some()
            }
            Provider::Google => {
                pod.has_volume(GOOGLE_VOLUME) || pod.env("GOOGLE_APPLICATION_CREDENTIALS").is_some()
            }
        }
    }

    /// Whether anything asks for a token of `provider`: an annotation, or one that was meant.
    fn asks(&self, provider: Provider) -> bool {
        let set = |key| self.annotation(key).is_some();
        match provider {
            Provider::Aws => set(ROLE) || self.near_miss(ROLE).is_some(),
            Provider::Azure => self.pod.label(USE).is_some() || set(CLIENT),
            Provider::Google => set(PROVIDER) || set(EMAIL),
        }
    }

    /// An annotation of the service account that is almost `wanted`.
    fn near_miss(&self, wanted: &str) -> Option<&str> {
        let annotations = self.account.as_ref()?;
        if annotations.contains_key(wanted) {
            return None;
        }
        let end = wanted.rsplit('/').next().unwrap_or(wanted);
        let meant = |key: &str, value: &str| {
            crate::lint::almost(key, wanted)
                || key.rsplit('/').next() == Some(end) && value.starts_with("arn:")
        };
        let found = annotations.iter().find(|(k, v)| meant(k, v));
        found.map(|(key, _)| key.as_str())
    }

    /// Whether the pod uses a pod identity of EKS, which knows no issuer.
    fn has_pod_identity(&self) -> bool {
        self.pod.has_volume(IDENTITY_VOLUME)
            || self.pod.env("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some()
    }
}

/// Who the pod logs in as, if that can be told.
pub(super) fn identity(facts: &Facts, pod: &Pod<'_>) -> Option<Identity> {
    let around = Around::of(facts, pod);
    let wants = |provider| around.has(provider) || around.asks(provider);
    let value = |name: &str| pod.env(name).filter(|v| !v.is_empty()).map(str::to_owned);
    let annotated = |key: &str| around.annotation(key).map(str::to_owned);
    let (audience, cloud) = if wants(Provider::Aws) {
        let role = value("AWS_ROLE_ARN").or_else(|| annotated(ROLE));
        let cloud = Cloud::Aws {
            role: role.and_then(|role| Arn::parse_role(&role).ok()),
            chain: Vec::new(),
        };
        let asked = annotated("eks.amazonaws.com/audience");
        let asked = pod.audience(AWS_VOLUME).map(str::to_owned).or(asked);
        (asked.unwrap_or_else(|| "sts.amazonaws.com".into()), cloud)
    } else if around.has_pod_identity() {
        return None;
    } else if wants(Provider::Azure) {
        let cloud = Cloud::Azure {
            client: value("AZURE_CLIENT_ID").or_else(|| annotated(CLIENT)),
            tenant: value("AZURE_TENANT_ID").or_else(|| annotated(TENANT)),
        };
        let asked = AZURE_VOLUMES.iter().find_map(|v| pod.audience(v));
        (asked.unwrap_or("api://AzureADTokenExchange").into(), cloud)
    } else if around.asks(Provider::Google) || pod.has_volume(GOOGLE_VOLUME) {
        let provider = annotated(PROVIDER);
        let provider = provider.map(|name| format!("//iam.googleapis.com/{name}"));
        let cloud = Cloud::Google {
            by: GoogleLogin::Pool(provider.and_then(|name| PoolProvider::parse(&name).ok())),
            impersonates: annotated(EMAIL),
        };
        let asked = annotated("cloud.google.com/audience");
        let asked = pod.audience(GOOGLE_VOLUME).map(str::to_owned).or(asked);
        (asked.unwrap_or_else(|| "sts.googleapis.com".into()), cloud)
    } else {
        let email = annotated(GKE)?;
        let project = email
            .split_once('@')
            .and_then(|(_, host)| host.split_once('.'));
        let cloud = Cloud::Google {
            by: GoogleLogin::Gke {
                project: project.map(|(project, _)| project.to_owned()),
            },
            impersonates: Some(email),
        };
        // The metadata server asks for the token; the pod has none.
        (String::new(), cloud)
    };
    Some(Identity {
        name: text(pod.object, "/metadata/name").to_owned(),
        account: ServiceAccount::new(pod.namespace(), pod.account()),
        audience,
        cloud,
        grants: Vec::new(),
        stores: std::collections::BTreeSet::new(),
    })
}

/// What was said of the pod where it could not be created or started, the last first.
pub(super) fn messages(facts: &Facts) -> Vec<&str> {
    const REASONS: [&str; 2] = ["FailedCreate", "FailedMount"];
    let events = facts.objects.iter().filter(|o| text(o, "/kind") == "Event");
    let mut told: Vec<(&str, &str)> = events
        .filter(|e| REASONS.contains(&text(e, "/reason")))
        .map(|e| (text(e, "/lastTimestamp"), text(e, "/message")))
        .filter(|(_, message)| !message.is_empty())
        .collect();
    told.sort_unstable_by(|a, b| b.cmp(a));
    told.into_iter().map(|(_, message)| message).collect()
}

pub(super) fn judge(subject: &Subject<'_>, found: &mut Findings) {
    let facts = subject.facts;
    refused::judge(facts, found);
    let Some(pod) = &subject.pod else {
        return;
    };
    let around = Around::of(facts, pod);
    let before = found.proven.len();
    account_judged(&around, found);
    injected::judge(&around, found);
    uses::judge(&around, found);
    let proven = found.proven.get(before..).unwrap_or_default();
    let fine = |link| !proven.iter().any(|v| v.link == link);
    let (manifest, kubernetes) = (fine(Link::Manifest), fine(Link::Kubernetes));
    let all = Provider::ALL.into_iter();
    let has: Vec<&str> = all
        .filter(|p| around.has(*p))
        .map(Provider::title)
        .collect();
    if kubernetes && !has.is_empty() {
        found.holds(
            Link::Kubernetes,
            format!("{} token injected", has.join(", ")),
        );
    }
    let evidence = match (&subject.identity, around.account.is_some()) {
        (Some(_), true) => "pod and service account fit together",
        (None, true) if !around.has_pod_identity() => {
            "neither the pod nor its service account asks for a cloud's identity"
        }
        _ => return,
    };
    if manifest {
        found.holds(Link::Manifest, evidence);
    }
}

/// The service account itself: whether it is there, and whether it is the one that is meant.
fn account_judged(around: &Around<'_>, found: &mut Findings) {
    let name = around.account_name();
    if around.facts.absent.contains(&name) {
        found
            .proven
            .push(Verdict::new("K19", name, "it does not exist").at(Link::Token));
        return;
    }
    let Some(annotations) = &around.account else {
        return;
    };
    let keys = [ROLE, CLIENT, PROVIDER, GKE];
    let asks =
        Provider::ALL.into_iter().any(|p| around.asks(p)) || around.annotation(GKE).is_some();
    let plain = !annotations.keys().any(|k| keys.contains(&k.as_str()));
    let by_hand = Provider::ALL.into_iter().any(|p| around.has(p));
    let wants = around.pod.label(USE).is_some() || by_hand || !asks;
    if !plain || !wants || around.pod.account() != "default" || around.has_pod_identity() {
        return;
    }
    let other = around.facts.objects.iter().find(|o| {
        text(o, "/kind") == "ServiceAccount"
            && text(o, "/metadata/namespace") == around.pod.namespace()
            && texts(o, "/metadata/annotations")
                .keys()
                .any(|k| keys.contains(&k.as_str()))
    });
    let Some(other) = other else {
        return;
    };
    let verdict = Verdict::new(
        "K18",
        around.about.clone(),
        "it runs as service account default",
    )
    .required(format!(
        "serviceAccountName: {}, which is annotated",
        text(other, "/metadata/name")
    ));
    // A pod that asks for nothing may well want nothing.
    if around.pod.label(USE).is_some() || by_hand {
        found.proven.push(verdict.at(Link::Manifest));
    } else {
        found.further.push(verdict.at(Link::Manifest));
    }
}
