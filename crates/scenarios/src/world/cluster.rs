//! What a scenario needs beyond its own namespace: more of them, what spans them, and the
//! operator that serves them all.

use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use super::World;
use crate::operator::{Notes, Running, Wish};

impl World {
    /// Creates a namespace whose name begins with this scenario's; returns the whole name.
    pub async fn namespace(&self, suffix: &str, labels: Value) -> Result<String> {
        let name = format!("{}-{suffix}", self.ns);
        self.owns("Namespace", &name);
        self.api.namespace(&name, labels).await?;
        Ok(name)
    }

    /// Creates a ClusterExternalSecret of this manifest; it is deleted at the end.
    pub async fn cluster_external_secret(&self, object: &Value) -> Result<Value> {
        self.owns(
            "ClusterExternalSecret",
            object["metadata"]["name"].as_str().unwrap_or_default(),
        );
        self.api.create(object).await
    }

    /// Stops the ring's own operator until the scenario ends, which must have the ring alone.
    pub async fn without_operator(&self) -> Result<()> {
        self.ring.stop_operator().await
    }

    /// Starts the ring's own operator again.
    pub fn with_operator(&self) -> Result<()> {
        self.ring.start_operator()
    }

    /// An operator that is killed before its change number `effects` on behalf of a
    /// ClusterExternalSecret. The ring's own must not run.
    pub async fn cluster_operator_that_dies_after(&self, effects: usize) -> Result<()> {
        let wish = Wish {
            dies_after: Some(effects),
            clusters_only: true,
            ..Wish::default()
        };
        Running::start(self.ring, wish)?.until_dead().await
    }

    /// An operator that notes what it changes on behalf of ClusterExternalSecrets.
    pub async fn noted_operator(&self) -> Result<(Running, Notes)> {
        let notes = Notes::default();
        let wish = Wish {
            notes: Some(Arc::clone(&notes)),
            ..Wish::default()
        };
        Ok((Running::start(self.ring, wish)?, notes))
    }

    /// What the ring's operator serves at /metrics.
    pub async fn metrics(&self) -> Result<String> {
        self.ring.metrics().await
    }
}
