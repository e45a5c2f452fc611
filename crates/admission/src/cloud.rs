//! The clouds that pods get tokens for, and who of them looks at which pod.
//!
//! Owns: names, the paths of the three webhooks of old and our own, opt-in and opt-out by label
//! where one path serves several clouds, and running one cloud's rules after another's.
//! Refuses: the rules themselves ([`crate::inject`]), and looking anything up.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::inject::{Injection, Subject, Verdict, aws, azure, google};
use crate::patch::{Operation, apply};

/// A cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Google,
}

impl Cloud {
    /// All of them, in the order in which their rules run.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Azure, Self::Google];

    /// The name in paths, flags and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Google => "google",
        }
    }

    /// The cloud of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "aws" => Some(Self::Aws),
            "azure" => Some(Self::Azure),
            "google" | "gcp" => Some(Self::Google),
            _ => None,
        }
    }

    /// Whether the labels of a pod let this cloud look at it: what the configuration of the
    /// cloud's own webhook selects by.
    #[must_use]
    pub fn selects(self, labels: Option<&Value>) -> bool {
        let label = |key: &str| labels.and_then(|labels| labels.get(key));
        match self {
            Self::Aws => label(aws::SKIP_LABEL).is_none(),
            Self::Azure => label(azure::USE_LABEL).and_then(Value::as_str) == Some("true"),
            Self::Google => true,
        }
    }
}

/// What injects, by cloud.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injectors {
    /// AWS, if it is switched on.
    pub aws: Option<aws::Settings>,
    /// Azure.
    pub azure: Option<azure::Settings>,
    /// Google.
    pub google: Option<google::Settings>,
}

impl Injectors {
    /// The clouds that are switched on, in the order in which their rules run.
    pub fn clouds(&self) -> impl Iterator<Item = Cloud> {
        let on = [
            self.aws.is_some(),
            self.azure.is_some(),
            self.google.is_some(),
        ];
        let clouds = Cloud::ALL.into_iter().zip(on);
        clouds.filter_map(|(cloud, on)| on.then_some(cloud))
    }

    /// Whether a service account's annotation is worth remembering.
    #[must_use]
    pub fn reads(&self, key: &str) -> bool {
        let below = |prefix: &str| {
            let rest = key.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        self.aws
            .as_ref()
            // A key that was meant as the role's is worth a warning.
            .is_some_and(|of| below(&of.annotation_prefix) || key.ends_with("/role-arn"))
            || self.azure.is_some() && below(azure::PREFIX)
            || self
                .google
                .as_ref()
                .is_some_and(|of| below(&of.annotation_prefix))
    }

    /// The service account whose annotations `cloud` wants to know for `pod`.
    #[must_use]
    pub fn account(&self, cloud: Cloud, pod: &Value) -> Option<String> {
        let name = pod.pointer("/spec/serviceAccountName");
        let name = name.and_then(Value::as_str).filter(|name| !name.is_empty());
        match cloud {
            Cloud::Azure => Some(name.unwrap_or("default").to_owned()),
            Cloud::Aws | Cloud::Google => name.map(str::to_owned),
        }
    }

    /// What `cloud` does with `subject`; nothing if it is switched off.
    #[must_use]
    pub fn inject(&self, cloud: Cloud, subject: &Subject<'_>, random: u64) -> Verdict {
        match cloud {
            Cloud::Aws => self
                .aws
                .as_ref()
                .map(|settings| aws::inject(settings, subject, random)),
            Cloud::Azure => self
                .azure
                .as_ref()
                .map(|settings| azure::inject(settings, subject)),
            Cloud::Google => self
                .google
                .as_ref()
                .map(|settings| google::inject(settings, subject)),
        }
        .unwrap_or_else(Verdict::untouched)
    }
}

/// Who answers at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// These, in this order.
    pub clouds: Vec<Cloud>,
    /// Whether the pod's labels say who of them is concerned: at a path of one cloud the webhook
    /// configuration has asked them already.
    pub by_labels: bool,
}

impl Route {
    /// The route of `path`: those of the webhooks of old (`/mutate` of AWS, `/mutate-v1-pod` of
    /// Azure and of Google), `/inject/CLOUD`, and `/inject` for all that are switched on.
    #[must_use]
    pub fn of(path: &str, injectors: &Injectors) -> Option<Self> {
        let on = |wanted: &[Cloud]| -> Vec<Cloud> {
            let clouds = injectors.clouds();
            clouds.filter(|cloud| wanted.contains(cloud)).collect()
        };
        let clouds = match path {
            "/inject" => on(&Cloud::ALL),
            "/mutate" => on(&[Cloud::Aws]),
            "/mutate-v1-pod" => on(&[Cloud::Azure, Cloud::Google]),
            _ => on(&[Cloud::parse(path.strip_prefix("/inject/")?)?]),
        };
        (!clouds.is_empty()).then(|| Self {
            by_labels: path == "/inject" || clouds.len() > 1,
            clouds,
        })
    }
}

/// What came of a pod with one cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It was changed.
    Injected,
    /// It was left as it is.
    Untouched,
    /// It was refused.
    Denied,
}

impl Outcome {
    /// The label used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Untouched => "untouched",
            Self::Denied => "denied",
        }
    }
}

/// What is known of the service accounts that a pod's clouds ask for, by name.
pub type Accounts = BTreeMap<String, Option<std::sync::Arc<BTreeMap<String, String>>>>;

/// How often the clouds have their turn: one may add a container that another fills.
const ROUNDS: usize = 4;

/// Runs the clouds of a route over `pod`, each on what the one before left, until none changes
/// anything; a refusal ends it.
#[must_use]
pub fn run(
    injectors: &Injectors,
    route: &Route,
    pod: &Value,
    namespace: &str,
    accounts: &Accounts,
    random: u64,
) -> (Verdict, BTreeMap<Cloud, Outcome>) {
    let mut changed: Option<Value> = None;
    let mut all = Injection::default();
    let mut outcomes = BTreeMap::new();
    for _ in 0..ROUNDS {
        let before = all.patch.len();
        for cloud in route.clouds.iter().copied() {
            let now = changed.as_ref().unwrap_or(pod);
            if route.by_labels && !cloud.selects(now.pointer("/metadata/labels")) {
                continue;
            }
            let account = injectors.account(cloud, now);
            let account = account.and_then(|name| accounts.get(&name)?.as_deref());
            let subject = Subject {
                pod: now,
                namespace,
                account,
            };
            let injection = match injectors.inject(cloud, &subject, random) {
                Verdict::Allowed(injection) => injection,
                denied @ Verdict::Denied { .. } => {
                    outcomes.insert(cloud, Outcome::Denied);
                    return (denied, outcomes);
                }
            };
            if injection.patch.is_empty() {
                outcomes.entry(cloud).or_insert(Outcome::Untouched);
            } else {
                outcomes.insert(cloud, Outcome::Injected);
                if route.clouds.len() > 1 {
                    changed = Some(apply(now, &injection.patch));
                }
            }
            all.patch.extend(injection.patch);
            for warning in injection.warnings {
                if !all.warnings.contains(&warning) {
                    all.warnings.push(warning);
                }
            }
        }
        // Each cloud's own rules are done in one go.
        if route.clouds.len() < 2 || all.patch.len() == before {
            break;
        }
    }
    (Verdict::Allowed(all), outcomes)
}

/// Whether `patch` gives the pod a token that it has not: a volume is added.
#[must_use]
pub fn adds_volume(patch: &[Operation]) -> bool {
    patch.iter().any(
        |operation| matches!(operation, Operation::Add { path, .. } if path.starts_with("/spec/volumes")),
    )
}
