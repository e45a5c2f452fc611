//! The operator's own identity: the AWS SDKs' default chain without its files.
//!
//! Owns: the order environment keys, web identity, container endpoint, metadata service.
//! Refuses: shared config files and SSO, which a pod does not have.

use std::sync::Arc;

use keyless_secret::SecretBytes;

use super::web_identity::Exchange;
use super::{Credentials, Region, RoleArn, StaticKeys, endpoint, imds, pod_identity};
use crate::{Environment, Error, HttpExchange, Leased};

/// The session name that trust policies written for this API may ask for.
pub(super) const SESSION: &str = "external-secrets-provider-aws";

/// Logs in as the operator itself.
pub(super) async fn operator(
    http: &Arc<dyn HttpExchange>,
    env: &Environment,
    region: &Region,
) -> Result<Leased<Arc<Credentials>>, Error> {
    if let Some(id) = env.get("AWS_ACCESS_KEY_ID") {
        return environment_keys(env, id);
    }
    let role = env.get("AWS_ROLE_ARN");
    match (role, env.get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        (Some(role), Some(path)) => return token_file(http, env, region, role, path).await,
        (None, Some(_)) => return Err(half_a_pair("AWS_ROLE_ARN")),
        (_, None) => {}
    }
    if let Some(endpoint) = pod_identity::endpoint(env)? {
        return pod_identity::fetch(http, env, &endpoint).await;
    }
    if role.is_some() {
        return Err(half_a_pair("AWS_WEB_IDENTITY_TOKEN_FILE"));
    }
    if imds::disabled(env) {
        return Err(Error::Config {
            reason: "the operator has no AWS identity: no environment, web identity or container \
                     credentials, and the metadata service is disabled"
                .into(),
            hint: Some(
                "Set auth.jwt.serviceAccountRef in the store, or give the operator's own service \
                 account a role"
                    .into(),
            ),
            code: "A13",
        });
    }
    imds::fetch(http, env).await
}

fn environment_keys(env: &Environment, id: &str) -> Result<Leased<Arc<Credentials>>, Error> {
    let secret = env
        .get("AWS_SECRET_ACCESS_KEY")
        .ok_or_else(|| half_a_pair("AWS_SECRET_ACCESS_KEY"))?;
    let session = env.get("AWS_SESSION_TOKEN").map(SecretBytes::from);
    Ok(Leased {
        value: StaticKeys::new(&id.into(), &secret.into(), session.as_ref()).credentials(),
        ttl: None,
    })
}

fn half_a_pair(missing: &str) -> Error {
    Error::Config {
        reason: format!("the operator's environment lacks {missing}"),
        hint: Some(format!(
            "Set {missing}, or remove the variable it belongs to"
        )),
        code: "A13",
    }
}

/// IRSA: the projected token is read anew each time, since the kubelet replaces it.
async fn token_file(
    http: &Arc<dyn HttpExchange>,
    env: &Environment,
    region: &Region,
    role: &str,
    path: &str,
) -> Result<Leased<Arc<Credentials>>, Error> {
    let token = tokio::fs::read(path).await.map_err(|error| Error::Config {
        reason: format!("cannot read {path:?} (AWS_WEB_IDENTITY_TOKEN_FILE): {error}"),
        hint: Some("Mount the projected service account token into the operator".into()),
        code: "K17",
    })?;
    Exchange {
        endpoint: &endpoint::sts(region, env)?,
        region,
        role: &RoleArn::parse(role, "AWS_ROLE_ARN")?,
        session: env.get("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION),
        token: &SecretBytes::new(token),
        bearer: "the operator's pod",
    }
    .run(http)
    .await
}
