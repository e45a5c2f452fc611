//! Workload Identity Federation for GKE: every cluster of a project trusts into the one pool
//! `PROJECT.svc.id.goog`, where subjects are `ns/NAMESPACE/sa/NAME`.

use keyless_trust::ServiceAccount;
use keyless_trust::gcp::{Caller, OidcProvider, Pool, PoolProvider};
use serde_json::Value;

use super::super::Gcp;
use super::{Refusal, oidc, refuse};

/// The API's host in the name of a cluster.
const CONTAINER: &str = "https://container.googleapis.com/v1/";

/// A cluster and its pool, as an exchange names them.
#[derive(Clone, Debug)]
pub(in super::super) struct Workload {
    /// `projects/P/locations/L/clusters/C`.
    pub cluster: String,
    /// `PROJECT.svc.id.goog`.
    pub pool: String,
}

impl Workload {
    /// `POOL:https://container.googleapis.com/v1/projects/P/locations/L/clusters/C`.
    fn parse(text: &str) -> Option<Self> {
        let (pool, provider) = text.split_once(':')?;
        Some(Self {
            cluster: provider.strip_prefix(CONTAINER)?.to_owned(),
            pool: pool.to_owned(),
        })
    }

    /// The audience of an exchange.
    pub fn audience(&self) -> String {
        format!(
            "identitynamespace:{}:{CONTAINER}{}",
            self.pool, self.cluster
        )
    }
}

/// `audience` is what follows `identitynamespace:`.
pub(super) async fn identity(gcp: &Gcp, audience: &str, text: &str) -> Result<Caller, Refusal> {
    let invalid = || {
        refuse(
            "invalid_request",
            "Invalid value for \"audience\". This value should be the full resource name of the \
             Identity Provider.",
        )
    };
    let workload = Workload::parse(audience).ok_or_else(invalid)?;
    let project = workload.pool.strip_suffix(".svc.id.goog");
    let (number, issuer) = {
        let state = gcp.state();
        let project = project.and_then(|id| state.projects.get(id));
        let there = state.has_gke_pool(&workload.pool);
        let Some(project) = project.filter(|_| there) else {
            return Err(refuse(
                "invalid_target",
                format!(
                    "Identity Pool does not exist ({}). Please check that you specified a valid \
                     resource name as returned in the `name` attribute in the configuration API.",
                    workload.pool
                ),
            ));
        };
        let cluster = state.clusters.get(&workload.cluster).ok_or_else(|| {
            refuse(
                "invalid_target",
                "The target service indicated by the \"audience\" parameters is invalid.",
            )
        })?;
        (project.number.clone(), cluster.issuer.clone())
    };
    let pool = Pool::new(&number, &workload.pool).map_err(|_| invalid())?;
    let name = PoolProvider {
        pool: pool.clone(),
        id: workload.cluster.clone(),
    };
    let rules = OidcProvider::new(name, &issuer, vec![workload.pool.clone()])
        .map_err(|error| refuse("invalid_grant", error.to_string()))?;
    let claims = oidc::verify(gcp, text, &rules, None).await?;
    let account = claims
        .get("sub")
        .and_then(Value::as_str)
        .and_then(ServiceAccount::from_subject)
        .ok_or_else(|| refuse("invalid_grant", "The subject is no service account."))?;
    let (namespace, name) = (account.namespace, account.name);
    let cluster = format!("{CONTAINER}{}", workload.cluster);
    let mut attributes = vec![
        ("namespace".to_owned(), namespace.clone()),
        ("kubernetes.cluster".to_owned(), cluster),
    ];
    let uid = claims
        .pointer("/kubernetes.io/serviceaccount/uid")
        .and_then(Value::as_str);
    attributes.extend(uid.map(|uid| ("kubernetes.serviceaccount.uid".to_owned(), uid.to_owned())));
    Ok(Caller::Federated {
        pool,
        subject: format!("ns/{namespace}/sa/{name}"),
        attributes,
        groups: Vec::new(),
    })
}
