//! Operators beside the one that serves every scenario: of another class, candidates for the lease,
//! with a clock of their own, or killed between two effects.

use super::*;

impl World {
    /// Another operator, for stores of `class`.
    pub async fn operator_of_class(&self, class: &str) -> Result<Running> {
        Running::start(
            self.ring,
            Wish {
                class: Some(class.to_owned()),
                ..Wish::default()
            },
        )
    }

    /// Another operator, for stores of `class` in this namespace, whose clock shows `unix_millis`
    /// when it starts.
    pub async fn operator_at(&self, class: &str, unix_millis: i64) -> Result<Running> {
        Running::start(
            self.ring,
            Wish {
                class: Some(class.to_owned()),
                namespace: Some(self.ns.clone()),
                clock: Some(unix_millis),
                ..Wish::default()
            },
        )
    }

    /// Another operator, for stores of `class` in this namespace, that only writes Secrets.
    pub async fn operator_without_generic_targets(&self, class: &str) -> Result<Running> {
        Running::start(
            self.ring,
            Wish {
                class: Some(class.to_owned()),
                namespace: Some(self.ns.clone()),
                secrets_only: true,
                ..Wish::default()
            },
        )
    }

    /// Another operator, for stores of `class` in this namespace, with the rights of its service
    /// account `account`.
    pub async fn operator_as(&self, class: &str, account: &str) -> Result<Running> {
        let token = self.api.token(&self.ns, account).await?;
        Running::start(
            self.ring,
            Wish {
                class: Some(class.to_owned()),
                namespace: Some(self.ns.clone()),
                token: Some(token),
                ..Wish::default()
            },
        )
    }

    /// Another operator, for stores of `class`, that may do everything but list and watch
    /// ConfigMaps; and where it serves its metrics.
    pub async fn operator_without_config_map_watch(
        &self,
        class: &str,
    ) -> Result<(Running, OtherMetrics)> {
        let user = format!("limited-{}", self.ns);
        let all = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": [
            all("external-secrets.io", &["*"], &["*"]),
            all("", &["secrets", "namespaces", "events", "serviceaccounts"], &["*"]),
            all("", &["configmaps"], &["get"]),
        ]});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]});
        self.api.create(&role).await?;
        self.api.create(&binding).await?;
        let address = crate::ring::free_address()?;
        let wish = Wish {
            class: Some(class.to_owned()),
            user: Some(user),
            metrics_addr: Some(address.clone()),
            ..Wish::default()
        };
        Ok((Running::start(self.ring, wish)?, OtherMetrics { address }))
    }

    /// Another operator, for stores of `class` in this namespace, whose changes are noted.
    pub async fn watched_operator(&self, class: &str) -> Result<(Running, Arc<Seen>)> {
        let seen = Arc::new(Seen::default());
        let wish = Wish {
            class: Some(class.to_owned()),
            namespace: Some(self.ns.clone()),
            seen: Some(Arc::clone(&seen)),
            ..Wish::default()
        };
        Ok((Running::start(self.ring, wish)?, seen))
    }

    /// Another operator, for stores of `class`, that leaves ClusterSecretStores alone.
    pub async fn operator_without_cluster_stores(&self, class: &str) -> Result<Running> {
        let wish = Wish {
            class: Some(class.to_owned()),
            no_cluster_stores: true,
            ..Wish::default()
        };
        Running::start(self.ring, wish)
    }

    /// Another operator, for stores of `class` in this namespace, whose environment differs from the
    /// ring's in these variables; `None` takes one away.
    pub async fn operator_with(
        &self,
        class: &str,
        environment: Vec<(&'static str, Option<String>)>,
    ) -> Result<Running> {
        Running::start(
            self.ring,
            Wish {
                class: Some(class.to_owned()),
                namespace: Some(self.ns.clone()),
                environment,
                ..Wish::default()
            },
        )
    }

    /// Changes the data of the fake store `name`.
    pub async fn fake_data(&self, name: &str, entries: Value) -> Result<()> {
        let patch = json!({"spec": {"provider": {"fake": {"data": entries}}}});
        self.api
            .patch("SecretStore", &self.ns, name, &patch)
            .await?;
        Ok(())
    }

    /// Changes the ExternalSecret `name` by a merge patch.
    pub async fn change(&self, name: &str, patch: Value) -> Result<Value> {
        self.api
            .patch("ExternalSecret", &self.ns, name, &patch)
            .await
    }

    /// An operator for `class` that is killed before the effect of index `effects`; one that has
    /// nothing left to do by then is killed when it is done.
    pub async fn operator_that_dies_after(&self, class: &str, effects: usize) -> Result<()> {
        Running::start(
            self.ring,
            Wish {
                class: Some(class.to_owned()),
                dies_after: Some(effects),
                ..Wish::default()
            },
        )?
        .until_dead()
        .await
    }

    /// An operator that wants to lead.
    pub async fn candidate(&self, class: &str, identity: &str) -> Result<Running> {
        let election = LeaderElection {
            id: "lead".into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_millis(200),
            ..LeaderElection::new(self.ns.clone(), identity)
        };
        Running::start(
            self.ring,
            Wish {
                class: Some(class.to_owned()),
                election: Some(election),
                ..Wish::default()
            },
        )
    }

    /// Waits until the Lease is held by `identity`.
    pub async fn until_leader(&self, identity: &str) -> Result<()> {
        self.api
            .until(
                "Lease",
                &self.ns,
                "lead",
                &format!("held by {identity}"),
                |l| l["spec"]["holderIdentity"] == identity,
            )
            .await?;
        Ok(())
    }
}
