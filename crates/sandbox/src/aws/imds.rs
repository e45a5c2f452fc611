//! The EC2 instance metadata service, version 2: the credentials of a node.
//!
//! Owns: the session token that every read needs, and the instance's role. Refuses: version 1
//! (reads without a token) and requests that came through a proxy.

use std::collections::BTreeMap;

use axum::extract::{Path, State as Shared};
use axum::routing::{get, put};
use http::{HeaderMap, StatusCode};
use keyless_trust::aws::Arn;
use serde_json::json;

use super::Aws;
use super::credentials::unique_id;
use super::protocol::timestamp;
use super::sts::service::{Delegation, assume};

/// The name of the instance's sessions.
const INSTANCE: &str = "i-0123456789abcdef0";
/// Seconds that a session lasts.
const LIFE: i64 = 6 * 3600;
/// Longest life of a session token, in seconds.
const LONGEST: i64 = 21_600;

/// The instance.
#[derive(Debug, Default)]
pub(super) struct Instance {
    pub role: Option<Arn>,
    /// Session tokens and their ends.
    tokens: BTreeMap<String, i64>,
}

pub(super) fn router(aws: Aws) -> axum::Router {
    const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";
    axum::Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/meta-data/placement/region", get(region))
        .route("/latest/meta-data/instance-id", get(instance))
        .route(CREDENTIALS, get(role))
        .route(&format!("{CREDENTIALS}{{role}}"), get(credentials))
        .with_state(aws)
}

async fn token(Shared(aws): Shared<Aws>, headers: HeaderMap) -> Result<String, StatusCode> {
    if headers.contains_key("x-forwarded-for") {
        return Err(StatusCode::FORBIDDEN);
    }
    let ttl = headers
        .get("x-aws-ec2-metadata-token-ttl-seconds")
        .and_then(|ttl| ttl.to_str().ok()?.parse::<i64>().ok())
        .filter(|ttl| (1..=LONGEST).contains(ttl))
        .ok_or(StatusCode::BAD_REQUEST)?;
    let token = format!("{}==", unique_id("AQAE", 50));
    let now = aws.now();
    let mut state = aws.state();
    state.instance.tokens.retain(|_, end| *end > now);
    state.instance.tokens.insert(token.clone(), now + ttl);
    Ok(token)
}

/// Every read is made in a session.
fn check(aws: &Aws, headers: &HeaderMap) -> Result<(), StatusCode> {
    let token = headers
        .get("x-aws-ec2-metadata-token")
        .and_then(|token| token.to_str().ok())
        .unwrap_or_default();
    let now = aws.now();
    match aws.state().instance.tokens.get(token) {
        Some(end) if *end > now => Ok(()),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

async fn region(Shared(aws): Shared<Aws>, headers: HeaderMap) -> Result<String, StatusCode> {
    check(&aws, &headers)?;
    Ok(aws.region().to_owned())
}

async fn instance(Shared(aws): Shared<Aws>, headers: HeaderMap) -> Result<String, StatusCode> {
    check(&aws, &headers)?;
    Ok(INSTANCE.to_owned())
}

async fn role(Shared(aws): Shared<Aws>, headers: HeaderMap) -> Result<String, StatusCode> {
    check(&aws, &headers)?;
    let state = aws.state();
    let name = state.instance.role.as_ref().and_then(Arn::role_name);
    name.map(str::to_owned).ok_or(StatusCode::NOT_FOUND)
}

async fn credentials(
    Shared(aws): Shared<Aws>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    check(&aws, &headers)?;
    let now = aws.now();
    let mut state = aws.state();
    let role = state
        .instance
        .role
        .clone()
        .filter(|role| role.role_name() == Some(&name))
        .ok_or(StatusCode::NOT_FOUND)?;
    let asked = Delegation {
        service: "ec2.amazonaws.com",
        role: &role,
        session_name: INSTANCE.to_owned(),
        tags: BTreeMap::new(),
        source: None,
        duration: LIFE,
    };
    let Some((key, expires)) = assume(&mut state, asked, now) else {
        // The service answers, and says that it has nothing.
        let text = "EC2 cannot assume the role. Please see documentation.";
        return Ok(json!({"Code": "AssumeRoleUnauthorizedAccess", "Message": text, "LastUpdated": timestamp(now)}).to_string());
    };
    Ok(json!({
        "Code": "Success", "LastUpdated": timestamp(now), "Type": "AWS-HMAC", "AccessKeyId": key.id,
        "SecretAccessKey": key.secret, "Token": key.token, "Expiration": timestamp(expires),
    })
    .to_string())
}
