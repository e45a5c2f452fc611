//! Keeps every ClusterIssuerPublication published, verified and measured.
//!
//! Owns: the loop, the status it writes, and the figures behind the metrics. One process does it:
//! whoever starts this holds the lease. Refuses: pausing a rotation's rules; a rotation that is under
//! way is taken on here, as `keyless issuer rotate next` would.

mod metrics;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyless_identity::Environment;
use keyless_trust::Issuer;
use serde_json::{Value, json};

use crate::cluster::{Account, ApiServer};
use crate::effects::Pass;
use crate::fetch::{Look, Outlook, unix_now};
use crate::finding::{Finding, Parties, Severity};
use crate::plan::Wish;
use crate::publication::{GROUP, Outcome, PLURAL, Spec, VERSION, status};
use crate::publish::publish;
use crate::rotate::{Place, Rotator};
use crate::rules::servers::judge;
use crate::state::{InCluster, State};
use crate::target::place::{Opener, Place as Name};
use crate::verify::{Question, Sample, verify};

pub use metrics::{METRICS, metrics};

/// How often objects are listed.
const LIST: Duration = Duration::from_secs(5);
/// Seconds between two looks at one.
const INTERVAL: u32 = 300;
/// Seconds between two tries after a failure.
const RETRY: i64 = 30;
/// Seconds for which a key stays that no API server has.
const KEEP: u32 = 25 * 3600;

/// What was last found of each object, for metrics.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Outcome>>>);

impl Health {
    /// By object name.
    #[must_use]
    pub fn get(&self) -> BTreeMap<String, Outcome> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets objects that are gone.
    fn retain(&self, is: impl Fn(&str) -> bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|name, _| is(name));
    }

    fn set(&self, name: &str, outcome: Outcome) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), outcome);
    }
}

/// The keeper.
#[derive(Clone)]
pub struct Keeper {
    config: kube::Config,
    server: ApiServer,
    environment: Environment,
    health: Health,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// An object, as far as it matters.
struct Object {
    name: String,
    generation: i64,
    spec: Result<Spec, String>,
    status: Option<Value>,
}

impl Keeper {
    /// A keeper for the cluster of `config`.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn new(config: kube::Config, environment: Environment) -> Result<Self, String> {
        let name = config.cluster_url.to_string();
        let server = ApiServer::connect(name.trim_end_matches('/'), config.clone())
            .map_err(|r| r.message)?;
        Ok(Self {
            config,
            server,
            environment,
            health: Health::default(),
        })
    }

    /// What is known of each object.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Works until it is dropped.
    pub async fn run(&self) {
        let mut due: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        loop {
            match self.list().await {
                Err(reason) => tracing::warn!(reason, "cannot list {PLURAL}"),
                Ok(objects) => {
                    due.retain(|name, _| objects.iter().any(|o| o.name == *name));
                    self.health
                        .retain(|name| objects.iter().any(|o| o.name == name));
                    for object in objects {
                        let known = due.get(&object.name).copied();
                        if known.is_some_and(|(generation, at)| {
                            generation == object.generation && unix_now() < at
                        }) {
                            continue;
                        }
                        let next = self.one(&object).await;
                        due.insert(object.name.clone(), (object.generation, next));
                    }
                }
            }
            tokio::time::sleep(LIST).await;
        }
    }

    /// Works on one object; when to look again.
    async fn one(&self, object: &Object) -> i64 {
        let mut outcome = match &object.spec {
            Ok(spec) => self.keep(spec).await,
            Err(reason) => Outcome {
                failed: Some(reason.clone()),
                ..Outcome::default()
            },
        };
        let spec = object.spec.as_ref().ok();
        let interval = spec.and_then(|s| s.interval_seconds).unwrap_or(INTERVAL);
        outcome.interval = i64::from(interval);
        if let Some(before) = self.health.get().get(&object.name) {
            outcome.published = outcome.published.or(before.published);
            outcome.verified = outcome.verified.or(before.verified);
            // What could not be looked at now is as it was seen last.
            outcome.broken = outcome.broken.or(before.broken);
            outcome.certificate = outcome.certificate.or(before.certificate);
        }
        let (ready, reason, message) = outcome.ready();
        if !ready {
            tracing::warn!(
                publication = object.name,
                reason,
                message,
                "the issuer is not as it should be"
            );
        }
        let written = status(
            &outcome,
            object.generation,
            object.status.as_ref(),
            unix_now(),
        );
        let path = format!("/apis/{GROUP}/{VERSION}/{PLURAL}/{}/status", object.name);
        if let Err(refused) = self
            .server
            .merge_patch(&path, &json!({ "status": written }))
            .await
        {
            tracing::warn!(
                publication = object.name,
                reason = refused.message,
                "the status was not written"
            );
        }
        let interval = outcome.interval;
        self.health.set(&object.name, outcome);
        unix_now() + if ready { interval } else { interval.min(RETRY) }
    }

    async fn keep(&self, spec: &Spec) -> Outcome {
        let mut outcome = Outcome::default();
        if let Err(reason) = self.attempt(spec, &mut outcome).await {
            outcome.failed = Some(reason);
        }
        outcome
    }

    async fn attempt(&self, spec: &Spec, outcome: &mut Outcome) -> Result<(), String> {
        let servers = self.servers(spec).await?;
        let account = Account {
            namespace: spec.service_account.namespace.clone(),
            name: spec.service_account.name.clone(),
            audience: "keyless-issuer-check".into(),
            seconds: 600,
        };
        let mut seen = Vec::new();
        for server in &servers {
            seen.push(server.look(Some(&account)).await);
        }
        let judged = judge(&seen, unix_now());
        let theirs = judged
            .issuer()
            .ok_or("the API servers do not agree on an issuer, or none answers")?;
        let issuer = spec.issuer.as_deref().unwrap_or(theirs);
        if issuer != theirs {
            return Err(format!(
                "the API servers' issuer is {theirs}, not {issuer} [K2]"
            ));
        }
        issuer.clone_into(&mut outcome.issuer);
        let issuer = Issuer::parse(issuer).map_err(|e| e.to_string())?;
        let owner = self.server.cluster_uid().await.map_err(|r| r.message)?;
        let name = Name::parse(&spec.to)?;
        let opener = Opener {
            environment: self.environment.clone(),
            server: Some(self.server.clone()),
            token_file: None,
            steps: Arc::new(Pass),
        };
        let open = || opener.open(&name).map_err(|e| keyless_fault::explain(&e));
        let outlook = Outlook::new(&Look {
            authorities: spec.ca_bundle.clone().map(String::into_bytes),
            ..Look::default()
        })
        .map_err(|e| e.to_string())?;
        let keep = i64::from(spec.keep_seconds.unwrap_or(KEEP));
        let state = InCluster {
            server: self.server.clone(),
            namespace: "kube-system".into(),
            name: "keyless-issuer-rotation".into(),
        };
        let under_way = state
            .load()
            .await
            .map_err(|e| e.to_string())?
            .filter(|k| !k.rotation.phase.is_over());
        if under_way.is_some_and(|k| k.rotation.kind == crate::rotation::Kind::Key) {
            let rotator = Rotator {
                state: Box::new(state),
                places: vec![Place {
                    issuer: issuer.clone(),
                    target: open()?,
                }],
                outlook: outlook.clone(),
                servers: servers.clone(),
                account: account.clone(),
                owner,
                keep,
                steps: Arc::new(Pass),
            };
            let progress = rotator.advance(false).await.map_err(|e| e.to_string())?;
            outcome.rotation = Some(progress.rotation.phase.to_string());
            outcome.goes_early = progress.rotation.goes_early(&progress.kept);
            outcome.findings.extend(progress.findings);
        } else {
            let sets: Vec<_> = judged.said.iter().filter_map(|s| s.keys.clone()).collect();
            let retire = std::collections::BTreeSet::new();
            let wish = Wish {
                issuer: &issuer,
                owner: &owner,
                servers: &sets,
                complete: judged.complete(),
                announced: &[],
                retire: &retire,
                keep,
                adopt: false,
                self_federated: false,
                now: unix_now(),
            };
            let done = publish(open()?.as_ref(), &wish)
                .await
                .map_err(|e| keyless_fault::explain(&e))?;
            outcome.findings.extend(done.findings);
        }
        outcome.published = Some(unix_now());
        let tokens = seen
            .iter()
            .filter_map(|s| s.token.as_ref()?.as_ref().ok().map(|t| (s, t)));
        let question = Question {
            issuer: issuer.as_str().to_owned(),
            tokens: tokens
                .map(|(server, minted)| Sample {
                    name: server.name.clone(),
                    text: minted.token.clone(),
                    audience: Some(minted.audience.clone()),
                    subject: None,
                    seconds: Some(minted.seconds),
                })
                .collect(),
            ..Question::default()
        };
        let report = verify(&outlook, &question).await;
        outcome.keys = report.keys.iter().map(|k| k.kid.clone()).collect();
        let broken = report
            .findings
            .iter()
            .any(|f| f.severity >= Severity::Error && f.hurts == Parties::ALL);
        outcome.verified = (!broken).then(unix_now);
        outcome.findings.extend(report.findings);
        // What the API servers have in disorder among themselves is told as well.
        let own = judged
            .findings
            .into_iter()
            .filter(|f| f.code == crate::Code::K8 || f.code == crate::Code::K3);
        outcome.findings.extend(own);
        outcome.certificate = report
            .fetched
            .iter()
            .filter_map(|f| f.certificate_ends)
            .min();
        let all = |f: &Finding| f.severity >= Severity::Error && f.hurts == Parties::ALL;
        outcome.broken = Some(outcome.findings.iter().any(all));
        Ok(())
    }

    async fn servers(&self, spec: &Spec) -> Result<Vec<ApiServer>, String> {
        if !spec.all_servers.unwrap_or(true) {
            return Ok(vec![self.server.clone()]);
        }
        let listed = self
            .server
            .endpoints()
            .await
            .map_err(|r| format!("the API servers cannot be listed: {}", r.message))?;
        if listed.is_empty() {
            return Ok(vec![self.server.clone()]);
        }
        listed
            .into_iter()
            .map(|address| {
                let mut config = self.config.clone();
                let url = format!("https://{address}");
                config.cluster_url = url.parse().map_err(|_| format!("{url:?} is no URL"))?;
                // The name that every API server's certificate is made for.
                config.tls_server_name = Some("kubernetes.default.svc".into());
                ApiServer::connect(url, config).map_err(|r| r.message)
            })
            .collect()
    }

    async fn list(&self) -> Result<Vec<Object>, String> {
        let list = self
            .server
            .read(&format!("/apis/{GROUP}/{VERSION}/{PLURAL}"))
            .await;
        let list = list.map_err(|r| r.message)?;
        let items = list
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        Ok(items
            .into_iter()
            .filter_map(|item| {
                let spec = item.get("spec").cloned().unwrap_or_default();
                Some(Object {
                    name: item.pointer("/metadata/name")?.as_str()?.to_owned(),
                    generation: item
                        .pointer("/metadata/generation")
                        .and_then(Value::as_i64)
                        .unwrap_or_default(),
                    spec: serde_json::from_value(spec)
                        .map_err(|e| format!("the spec cannot be read: {e}")),
                    status: item.get("status").cloned(),
                })
            })
            .collect())
    }
}
