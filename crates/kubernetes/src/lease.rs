//! Leader election by a Lease, by client-go's rules.
//!
//! Owns: taking the lease with the resourceVersion it was seen at (two can never win), expiry by
//! the time since *this* process saw the record change (other nodes' clocks do not matter),
//! renewing, giving back on shutdown, and the demand to stop when it is lost.
//! Refuses: deciding what a leader does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::request::{Requests, Verb, escape};
use crate::{Error, LeaderElection};

/// One process's view of the lease.
#[derive(Debug)]
pub struct Lease {
    requests: Requests,
    election: LeaderElection,
    /// The Lease as last seen, and when this process saw it change.
    seen: Option<(Value, Instant)>,
}

/// Gives the lease back.
#[derive(Debug)]
pub struct Held(Arc<Mutex<Lease>>);

impl Lease {
    /// A candidate.
    #[must_use]
    pub const fn new(requests: Requests, election: LeaderElection) -> Self {
        Self {
            requests,
            election,
            seen: None,
        }
    }

    /// Waits until this process leads.
    pub async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => {
                    tracing::info!(lease = %self.name(), "leading");
                    return;
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(lease = %self.name(), %error, "cannot try for the lease")
                }
            }
            // Candidates that started together must not try together for ever.
            let spread = rand::random_range(1.0..1.2);
            tokio::time::sleep(self.election.retry_period.mul_f64(spread)).await;
        }
    }

    /// The handle that gives the lease back, and the task that renews it.
    pub fn keep(
        self,
    ) -> (
        Held,
        impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let lease = Arc::new(Mutex::new(self));
        (Held(Arc::clone(&lease)), renew(lease))
    }

    fn name(&self) -> String {
        format!("{}/{}", self.election.namespace, self.election.id)
    }

    fn collection(&self) -> String {
        format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
            escape(&self.election.namespace)
        )
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), escape(&self.election.id))
    }

    /// One try to take or renew. False if someone else holds it.
    async fn attempt(&mut self) -> Result<bool, Error> {
        let name = self.name();
        let body = match self
            .requests
            .get(&self.path(), &format!("read Lease {name}"))
            .await
        {
            Ok(body) => body,
            Err(error) if error.is_not_found() => return self.create(&name).await,
            Err(error) => return Err(error),
        };
        let lease: Value = serde_json::from_slice(&body).map_err(|error| Error::Answer {
            intent: format!("read Lease {name}"),
            reason: error.to_string(),
        })?;
        let now = Instant::now();
        let record = |lease: &Value| lease.get("spec").cloned();
        let changed = self
            .seen
            .as_ref()
            .is_none_or(|(old, _)| record(old) != record(&lease));
        let since = match &self.seen {
            Some((_, since)) if !changed => *since,
            _ => now,
        };
        self.seen = Some((lease.clone(), since));
        let holder = holder(&lease);
        let ours = holder == self.election.identity;
        if !ours && !holder.is_empty() && now < since + self.patience(&lease) {
            return Ok(false);
        }
        self.replace(&name, lease, ours).await
    }

    /// How long a silent holder is waited for: what it promised, at least our own setting.
    fn patience(&self, lease: &Value) -> Duration {
        let promised = lease
            .pointer("/spec/leaseDurationSeconds")
            .and_then(Value::as_u64);
        self.election
            .lease_duration
            .max(Duration::from_secs(promised.unwrap_or_default()))
    }

    fn spec(&self, transitions: u64, acquired: &str) -> Value {
        json!({
            "holderIdentity": self.election.identity,
            "leaseDurationSeconds": self.election.lease_duration.as_secs().max(1),
            "acquireTime": acquired,
            "renewTime": micro_time(),
            "leaseTransitions": transitions,
        })
    }

    async fn create(&mut self, name: &str) -> Result<bool, Error> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.election.id, "namespace": self.election.namespace},
            "spec": self.spec(0, &micro_time()),
        });
        let path = self.collection();
        self.send(Verb::Post, &path, &lease, &format!("create Lease {name}"))
            .await
    }

    async fn replace(&mut self, name: &str, mut lease: Value, ours: bool) -> Result<bool, Error> {
        let transitions = lease
            .pointer("/spec/leaseTransitions")
            .and_then(Value::as_u64);
        let transitions = transitions.unwrap_or_default() + u64::from(!ours);
        let acquired = lease.pointer("/spec/acquireTime").and_then(Value::as_str);
        let acquired = acquired
            .filter(|_| ours)
            .map_or_else(micro_time, str::to_owned);
        let spec = self.spec(transitions, &acquired);
        if let Some(object) = lease.as_object_mut() {
            object.insert("spec".into(), spec);
        }
        let path = self.path();
        self.send(Verb::Put, &path, &lease, &format!("take Lease {name}"))
            .await
    }

    /// True if the write won; false if someone else's write came first.
    async fn send(
        &mut self,
        verb: Verb,
        path: &str,
        lease: &Value,
        intent: &str,
    ) -> Result<bool, Error> {
        let body = lease.to_string().into();
        match self.requests.exchange(verb, path, body, intent).await {
            Ok(body) => {
                let lease = serde_json::from_slice(&body).unwrap_or_default();
                self.seen = Some((lease, Instant::now()));
                Ok(true)
            }
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Renews until that has failed for the deadline, or someone else holds the lease.
async fn renew(lease: Arc<Mutex<Lease>>) -> Result<(), Error> {
    let (name, deadline, period) = {
        let lease = lease.lock().await;
        (
            lease.name(),
            lease.election.renew_deadline,
            lease.election.retry_period,
        )
    };
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(period).await;
        let mut lease = lease.lock().await;
        let left = (renewed + deadline).saturating_duration_since(Instant::now());
        let reason = match tokio::time::timeout(left, lease.attempt()).await {
            Ok(Ok(true)) => {
                renewed = Instant::now();
                continue;
            }
            Ok(Ok(false)) => {
                let seen = lease.seen.as_ref();
                let holder = seen.map(|(lease, _)| holder(lease)).unwrap_or_default();
                if !holder.is_empty() && holder != lease.election.identity {
                    return Err(Error::LeaderLost {
                        lease: name,
                        reason: format!("{holder} holds it"),
                    });
                }
                "someone else wrote it first".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if renewed.elapsed() >= deadline {
            return Err(Error::LeaderLost {
                lease: name,
                reason: format!("not renewed for {deadline:?}: {reason}"),
            });
        }
        tracing::warn!(lease = %name, reason, "the lease was not renewed, trying again");
    }
}

impl Held {
    /// Gives the lease back, so that the next process need not wait for its end.
    pub async fn release(self) {
        let lease = self.0.lock().await;
        let Some((mut object, _)) = lease.seen.clone() else {
            return;
        };
        if holder(&object) != lease.election.identity {
            return;
        }
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("holderIdentity".into(), json!(""));
            spec.insert("leaseDurationSeconds".into(), json!(1));
            spec.insert("renewTime".into(), json!(micro_time()));
        }
        let intent = format!("release Lease {}", lease.name());
        let body = object.to_string().into();
        if let Err(error) = lease
            .requests
            .exchange(Verb::Put, &lease.path(), body, &intent)
            .await
        {
            tracing::warn!(%error, "the lease was not given back; it ends by itself");
        }
    }
}

fn holder(lease: &Value) -> String {
    let holder = lease
        .pointer("/spec/holderIdentity")
        .and_then(Value::as_str);
    holder.unwrap_or_default().to_owned()
}

/// Kubernetes' MicroTime. Others only compare it for change.
fn micro_time() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests;
