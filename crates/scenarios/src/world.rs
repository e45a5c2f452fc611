//! What a scenario works with: its own namespace, its own corner of the AWS account, and verbs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_controller::preview::{self, Planned};
use keyless_controller::{Clients, LeaderElection, Options};
use keyless_identity::Environment;
use serde_json::{Value, json};

use crate::api::{Api, eventually, ready};
use crate::log::Log;
use crate::operator::{Running, Seen, Wish};
use crate::ring::{ACCOUNT, Kind, MALFORMED, Ring, RingClient};

mod aws;
mod cluster;
mod operators;

/// A scenario's place.
#[derive(Clone)]
pub struct World {
    /// The API as its administrator sees it.
    pub api: Api,
    /// The namespace that belongs to this scenario.
    pub ns: String,
    pub(crate) ring: &'static Ring,
    /// Cluster-scoped objects to remove at the end: kind and name.
    cluster_wide: Arc<std::sync::Mutex<Vec<(&'static str, String)>>>,
}

/// Counts of AWS calls at one moment, by `service:Api`.
#[derive(Clone, Debug)]
pub struct AwsCalls(BTreeMap<String, u64>);

impl AwsCalls {
    /// What was called after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(
            self.0
                .iter()
                .map(|(k, n)| (k.clone(), n - earlier.0.get(k).copied().unwrap_or_default()))
                .collect(),
        )
    }

    /// How often APIs were called whose `service:Api` begins with `api`: a read of one parameter
    /// may be a batch or not.
    #[must_use]
    pub fn of(&self, api: &str) -> u64 {
        self.0
            .iter()
            .filter(|(name, _)| name.starts_with(api))
            .map(|(_, n)| n)
            .sum()
    }
}

/// The operator's settings in scenarios: as in production, but for waiting times that a test
/// would only sit through.
#[must_use]
pub fn quick_options() -> Options {
    Options::default()
}

/// The role that the operator itself would assume.
#[must_use]
pub fn operator_role() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/operator")
}

/// The decoded data of a Secret; bytes that are no text are shown lossily.
#[must_use]
pub fn data(secret: &Value) -> BTreeMap<String, String> {
    let entries = secret
        .get("data")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    entries
        .map(|(key, value)| {
            let bytes = value
                .as_str()
                .and_then(|v| STANDARD.decode(v).ok())
                .unwrap_or_default();
            (key.clone(), String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

impl World {
    /// A fresh place for the scenario `name`.
    pub async fn new(ring: &'static Ring, name: &str) -> Result<Self> {
        let ns = name.replace('_', "-");
        ring.api.namespace(&ns, json!({"scenario": ns})).await?;
        Ok(Self {
            api: ring.api.clone(),
            ns,
            ring,
            cluster_wide: Arc::default(),
        })
    }

    /// Removes what would go on working beside other scenarios.
    pub async fn clear(&self) -> Result<()> {
        let owned = std::mem::take(
            &mut *self
                .cluster_wide
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        // Last made, first removed: what makes objects goes before they do.
        for (kind, name) in owned.iter().rev() {
            if *kind == "ClusterExternalSecret" || *kind == "Namespace" {
                let free = json!({"metadata": {"finalizers": null}});
                if self.api.get(kind, "", name).await?.is_some() {
                    self.api.patch(kind, "", name, &free).await?;
                }
            }
            self.api.delete(kind, "", name).await?;
        }
        for kind in ["ExternalSecret", "SecretStore"] {
            for object in self.api.list(kind, &self.ns).await? {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                self.api.delete(kind, &self.ns, name).await?;
            }
        }
        Ok(())
    }

    /// Remembers a cluster-scoped object that is to be removed at the end.
    pub fn owns(&self, kind: &'static str, name: &str) {
        self.cluster_wide
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push((kind, name.to_owned()));
    }

    /// The API server as a client of another cluster would be told of it: URL, and authorities as
    /// `caBundle` has them.
    #[must_use]
    pub fn api_server(&self) -> (String, String) {
        match &self.ring.config {
            RingClient::InProcess(_) => {
                let kube = &self.ring.sandbox.kube;
                (kube.url(), STANDARD.encode(kube.ca_pem()))
            }
            RingClient::Config(config) => {
                let own = keyless_controller::Own::of(config).server;
                let authorities = own.authorities.unwrap_or_default();
                (own.url, STANDARD.encode(authorities))
            }
        }
    }

    /// Lets this namespace's service account `name` do `verbs` on the Secrets of `namespace`.
    pub async fn allow_secrets(&self, name: &str, namespace: &str, verbs: Value) -> Result<()> {
        const GROUP: &str = "rbac.authorization.k8s.io";
        let metadata = json!({"name": name, "namespace": namespace});
        self.api
            .create(&json!({
                "apiVersion": format!("{GROUP}/v1"), "kind": "Role", "metadata": metadata,
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}],
            }))
            .await?;
        self.api
            .create(&json!({
                "apiVersion": format!("{GROUP}/v1"), "kind": "RoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.ns}],
            }))
            .await?;
        Ok(())
    }

    // --- Kubernetes ----------------------------------------------------------------------------

    /// Creates a service account.
    pub async fn service_account(&self, name: &str, annotations: Value) -> Result<()> {
        let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": self.ns, "annotations": annotations}});
        self.api.create(&object).await?;
        Ok(())
    }

    /// Creates a SecretStore.
    pub async fn store(&self, name: &str, spec: Value) -> Result<()> {
        let object = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": name, "namespace": self.ns}, "spec": spec});
        self.api.create(&object).await?;
        Ok(())
    }

    /// Creates a SecretStore of the fake provider and waits until it is Ready.
    pub async fn fake_store(&self, name: &str, entries: Value) -> Result<()> {
        self.store(name, json!({"provider": {"fake": {"data": entries}}}))
            .await?;
        self.api
            .until("SecretStore", &self.ns, name, "Ready", |s| {
                ready(s).0 == "True"
            })
            .await?;
        Ok(())
    }

    /// Creates a SecretStore that only operators of `class` handle.
    pub async fn store_of_class(&self, name: &str, class: &str, entries: Value) -> Result<()> {
        self.store(
            name,
            json!({"controller": class, "provider": {"fake": {"data": entries}}}),
        )
        .await
    }

    /// Creates a ClusterSecretStore; it is deleted at the end.
    pub async fn cluster_store(&self, name: &str, spec: Value) -> Result<()> {
        self.owns("ClusterSecretStore", name);
        self.api.create(&json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": name}, "spec": spec})).await?;
        Ok(())
    }

    /// An ExternalSecret's manifest.
    #[must_use]
    pub fn object(&self, name: &str, spec: Value) -> Value {
        json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": name, "namespace": self.ns}, "spec": spec})
    }

    /// Creates an ExternalSecret.
    pub async fn external_secret(&self, name: &str, spec: Value) -> Result<Value> {
        self.api.create(&self.object(name, spec)).await
    }

    /// What a sync of the ExternalSecret `name` with this spec would do, whether it is applied or
    /// not. Nothing is written, and neither a value nor a token is in what is said.
    pub async fn plan(&self, name: &str, spec: Value) -> Result<Planned> {
        let clients = match self.ring.config.clone() {
            RingClient::InProcess(client) => Clients::from(client),
            RingClient::Config(config) => keyless_controller::connect(&config).await?,
        };
        let environment = self
            .ring
            .sandbox
            .operator_environment(&self.ring.operator_token, &operator_role());
        let environment: Environment = environment.into_iter().collect();
        let cluster = preview::Cluster::new(&clients, environment, preview::Given::default())?;
        let subject = preview::Subject::read(&self.object(name, spec), None);
        let subject = subject.map_err(|finding| anyhow!("{finding}"))?;
        let subject = subject.context("no ExternalSecret")?;
        let facts = cluster.facts(&subject).await;
        Ok(preview::plan(&subject, facts, &preview::one_time_key(), 0))
    }

    /// Waits until the ExternalSecret is Ready.
    pub async fn until_ready(&self, name: &str) -> Result<Value> {
        self.api
            .until("ExternalSecret", &self.ns, name, "Ready", |o| {
                ready(o).0 == "True"
            })
            .await
    }

    /// Waits until the Ready condition has `reason`.
    pub async fn until_reason(&self, name: &str, reason: &str) -> Result<Value> {
        self.api
            .until("ExternalSecret", &self.ns, name, reason, |o| {
                ready(o).1 == reason
            })
            .await
    }

    /// Waits until the ExternalSecret is not Ready; returns the condition's message.
    pub async fn until_failed(&self, name: &str) -> Result<String> {
        Ok(ready(
            &self
                .api
                .until("ExternalSecret", &self.ns, name, "failed", |o| {
                    ready(o).0 == "False"
                })
                .await?,
        )
        .2)
    }

    /// Waits until the condition is False and its message contains `text`; returns the message.
    pub async fn until_message(&self, name: &str, text: &str) -> Result<String> {
        let what = format!("failed with {text:?}");
        let told = |o: &Value| {
            let (status, _, message) = ready(o);
            status == "False" && message.contains(text)
        };
        Ok(ready(
            &self
                .api
                .until("ExternalSecret", &self.ns, name, &what, told)
                .await?,
        )
        .2)
    }

    /// The Secret, if it exists.
    pub async fn secret(&self, name: &str) -> Result<Option<Value>> {
        self.api.get("Secret", &self.ns, name).await
    }

    /// The decoded data of a Secret that must exist.
    pub async fn secret_data(&self, name: &str) -> Result<BTreeMap<String, String>> {
        Ok(data(&self.secret(name).await?.with_context(|| {
            format!("Secret {name} does not exist")
        })?))
    }

    /// Waits for an event with `reason` about the ExternalSecret; returns all of its events.
    pub async fn until_event(&self, name: &str, reason: &str) -> Result<Vec<Value>> {
        eventually(&format!("an event {reason} about {name}"), || async {
            let about = |e: &Value| {
                e["involvedObject"]["kind"] == "ExternalSecret"
                    && e["involvedObject"]["name"] == name
            };
            let events: Vec<Value> = self
                .api
                .list("Event", &self.ns)
                .await?
                .into_iter()
                .filter(about)
                .collect();
            Ok(events
                .iter()
                .any(|e| e["reason"] == reason)
                .then_some(events))
        })
        .await
    }

    /// What the operator says about the object that was stored before its schema.
    pub async fn until_malformed_is_told(&self) -> Result<String> {
        self.until_relic_is_told("relic").await
    }

    /// The ExternalSecrets with forbidden templates that are older than the rules, and the
    /// namespace that they are in.
    #[must_use]
    pub fn forged(&self) -> (&'static str, Vec<&'static str>) {
        let names = crate::ring::forged().into_iter().map(|(name, _)| name);
        (MALFORMED, names.collect())
    }

    /// What the operator says about an object that is older than its schema: in its condition,
    /// or, where the API server takes no status for such an object, in an event.
    pub async fn until_relic_is_told(&self, name: &str) -> Result<String> {
        eventually(&format!("{name} being told about"), || async {
            let object = self
                .api
                .get("ExternalSecret", MALFORMED, name)
                .await?
                .unwrap_or_default();
            if ready(&object).0 == "False" {
                return Ok(Some(ready(&object).2));
            }
            let events = self.api.list("Event", MALFORMED).await?;
            let told = events
                .iter()
                .find(|e| e["involvedObject"]["name"] == name && e["type"] == "Warning");
            Ok(told.and_then(|e| e["message"].as_str()).map(str::to_owned))
        })
        .await
    }

    /// Waits as long as an operator that would do something wrong needs to do it: until a new
    /// object beside this one has been synced, and a moment more.
    pub async fn settle(&self) -> Result<()> {
        let name = format!("settle-{}", rand_suffix());
        self.store(
            &name,
            json!({"provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}}),
        )
        .await?;
        self.external_secret(&name, json!({"secretStoreRef": {"name": name}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})).await?;
        self.until_ready(&name).await?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok(())
    }

    // --- Metrics ---------------------------------------------------------------------------------

    /// The value of the series of metric `name` whose labels contain `label`, if there is one.
    pub async fn metric(&self, name: &str, label: &str) -> Result<Option<f64>> {
        Ok(series(&self.ring.metrics().await?, name, label))
    }

    /// How often the operator has worked on the ExternalSecret `name`.
    pub async fn reconciles(&self, name: &str) -> Result<u64> {
        let label = format!("name=\"{name}\",namespace=\"{}\"", self.ns);
        let count = self
            .metric("externalsecret_sync_calls_total", &label)
            .await?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(count.unwrap_or_default() as u64)
    }

    /// Waits until the operator watches `resource` because something depends on it, or until it
    /// does not any more.
    pub async fn until_watched(&self, resource: &str, watched: bool) -> Result<()> {
        let what = format!("the watch of {resource} being {watched}");
        eventually(&what, || async {
            let label = format!("resource=\"{resource}\"");
            let up = self.metric("keyless_dependency_watch_up", &label).await?;
            Ok((up == watched.then_some(1.0)).then_some(()))
        })
        .await
    }

    // --- Secrecy -------------------------------------------------------------------------------------

    /// Everything that the operator has said anywhere: (place, text).
    pub async fn everything_said(&self) -> Result<Vec<(&'static str, String)>> {
        let join = |list: Vec<Value>| list.iter().map(Value::to_string).collect::<String>();
        Ok(vec![
            ("the log", Log::global().text()),
            ("an event", join(self.api.list("Event", "").await?)),
            (
                "an ExternalSecret",
                join(self.api.list("ExternalSecret", "").await?),
            ),
            (
                "a SecretStore",
                join(
                    self.api
                        .list("SecretStore", &self.ns)
                        .await?
                        .into_iter()
                        .map(|s| s["status"].clone())
                        .collect(),
                ),
            ),
            ("a metric", self.ring.metrics().await?),
        ])
    }

    /// The projected tokens of the operator: nobody may ever say them.
    #[must_use]
    pub fn tokens_minted(&self) -> Vec<String> {
        [&self.ring.operator_token, &self.ring.azure_token]
            .into_iter()
            .filter_map(|file| std::fs::read_to_string(file).ok())
            .filter(|t| !t.is_empty())
            .collect()
    }
}

/// The metrics of an operator that a scenario started itself.
#[derive(Clone, Debug)]
pub struct OtherMetrics {
    address: String,
}

impl OtherMetrics {
    /// Waits until the series of metric `name` whose labels contain `label` has this value.
    pub async fn until(&self, name: &str, label: &str, value: f64) -> Result<()> {
        eventually(&format!("{name} {label} being {value}"), || async {
            // It may not serve yet.
            let text = crate::ring::metrics_at(&self.address).await.ok();
            let found = text.and_then(|text| series(&text, name, label));
            Ok((found == Some(value)).then_some(()))
        })
        .await
    }
}

/// The value of one series in Prometheus' text format.
pub(crate) fn series(text: &str, name: &str, label: &str) -> Option<f64> {
    let mut lines = text.lines();
    let line = lines.find(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '{'])) && line.contains(label)
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

fn rand_suffix() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    u32::try_from(RandomState::new().hash_one(0) & 0xffff).unwrap_or_default()
}

fn read_policy(parameters: &str, assume: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
            "Resource": [format!("arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter{parameters}"), format!("arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter{}", parameters.trim_end_matches("/*"))]},
        {"Effect": "Allow", "Action": "ssm:DescribeParameters", "Resource": "*"},
        {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:{}", parameters.trim_start_matches('/'))},
        {"Effect": "Allow", "Action": ["secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": assume},
    ]})
}
