//! EKS Pod Identity: the agent on a node and the service behind it.
//!
//! Owns: what the agent checks of a token, the associations, and the tags of a pod's session.
//! Refuses: a token that this cluster's issuer did not sign, and an address that is not the
//! agent's: the token is a secret, and a name may lead anywhere.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::extract::State as Shared;
use axum::routing::get;
use http::{HeaderMap, Response, StatusCode, Uri};
use keyless_trust::Issuer;
use keyless_trust::aws::Arn;
use keyless_trust::token::Token;
use serde_json::{Value, json};

use super::Aws;
use super::credentials::request_id;
use super::kms::Place;
use super::protocol::timestamp;
use super::sts::service::{Delegation, assume};

/// The audience of the tokens it takes.
pub const AUDIENCE: &str = "pods.eks.amazonaws.com";
/// The cluster's name in ARNs and tags.
const CLUSTER: &str = "sandbox";
/// Seconds that a pod's session lasts.
const LIFE: i64 = 6 * 3600;

/// Roles by namespace and service account.
pub(super) type Associations = BTreeMap<(String, String), Arn>;

#[derive(Clone)]
struct Agent {
    aws: Aws,
    issuer: String,
}

/// The agent of a cluster whose tokens `issuer` signs.
pub(super) fn router(aws: Aws, issuer: &str) -> axum::Router {
    axum::Router::new()
        .route("/v1/credentials", get(credentials))
        .with_state(Agent {
            aws,
            issuer: issuer.to_owned(),
        })
}

type Refused = (StatusCode, String);

async fn credentials(
    Shared(agent): Shared<Agent>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<String>, Refused> {
    let answer = agent.answer(&uri, &headers).await;
    agent
        .aws
        .state()
        .count("eks-auth", "AssumeRoleForPodIdentity", answer.is_err());
    let mut response = Response::new(answer?.to_string());
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

/// As the agent passes the service's refusals on.
fn upstream(status: StatusCode, code: &str, text: &str) -> Refused {
    let id = request_id();
    (status, format!("[{id}]: ({code}): {text}, fault: client"))
}

impl Agent {
    async fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Result<Value, Refused> {
        check_address(uri, headers)?;
        let text = headers
            .get(http::header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
        if text.is_empty() {
            return Err(bad("Service account token cannot be empty"));
        }
        let token =
            Token::parse(text).map_err(|_| bad("Service account token cannot be parsed"))?;
        let basic = || bad("Service account token failed basic claim validations");
        let claims = token.claims().map_err(|_| basic())?;
        let account = token.service_account().ok_or_else(basic)?;
        let now = self.aws.now();
        if claims.exp <= now
            || claims.nbf.unwrap_or(claims.iat) > now
            || !claims.aud.iter().any(|aud| aud == AUDIENCE)
        {
            return Err(basic());
        }
        self.verify(&token, text, &claims.iss, now).await?;
        self.session(&account.namespace, &account.name, now)
    }

    /// The signature, by the keys that the cluster's issuer publishes.
    async fn verify(
        &self,
        token: &Token,
        text: &str,
        issuer: &str,
        now: i64,
    ) -> Result<(), Refused> {
        let invalid = |text: &str| upstream(StatusCode::BAD_REQUEST, "InvalidTokenException", text);
        if issuer != self.issuer {
            return Err(invalid("The token is of another cluster"));
        }
        let issuer = Issuer::parse(issuer).map_err(|_| invalid("The issuer is no URL"))?;
        let kid = token.header.kid.as_deref();
        let keys = self.aws.0.issuers.keys(&issuer, kid, now).await;
        let keys = keys.map_err(|_| {
            upstream(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServerException",
                "The cluster's keys cannot be had",
            )
        })?;
        keys.verify(text, &token.header.alg, kid)
            .map_err(|_| invalid("The token's signature is invalid"))
    }

    fn session(&self, namespace: &str, account: &str, now: i64) -> Result<Value, Refused> {
        let mut state = self.aws.state();
        let key = (namespace.to_owned(), account.to_owned());
        let Some(role) = state.associations.get(&key).cloned() else {
            return Err(upstream(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                "Pod Identity association not found for the service account",
            ));
        };
        let place = Place {
            partition: super::Partition::of_region(self.aws.region()),
            account: self.aws.account(),
            region: self.aws.region(),
        };
        let cluster = place.arn("eks", &format!("cluster/{CLUSTER}"));
        let tags = [
            ("eks-cluster-arn", cluster.to_string()),
            ("eks-cluster-name", CLUSTER.to_owned()),
            ("kubernetes-namespace", namespace.to_owned()),
            ("kubernetes-service-account", account.to_owned()),
        ];
        let asked = Delegation {
            service: AUDIENCE,
            role: &role,
            session_name: format!("eks-{CLUSTER}-{}", request_id()),
            tags: tags.map(|(key, value)| (key.to_owned(), value)).into(),
            source: Some(cluster),
            duration: LIFE,
        };
        let Some((key, expires)) = assume(&mut state, asked, now) else {
            return Err(upstream(
                StatusCode::BAD_REQUEST,
                "AccessDeniedException",
                "Unauthorized Exception! EKS does not have permissions to assume the associated role.",
            ));
        };
        Ok(json!({
            "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.token,
            "AccountId": role.account, "Expiration": timestamp(expires),
        }))
    }
}

/// Only an address: the agent's own two, or loopback, where the sandbox stands for it.
fn check_address(uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
    let host = headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(|a| a.as_str()))
        .unwrap_or_default();
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let agents: [IpAddr; 2] = [
        [169, 254, 170, 23].into(),
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23].into(),
    ];
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() || agents.contains(&ip) => Ok(()),
        _ => Err((
            StatusCode::FORBIDDEN,
            format!(
                "Access Denied. Called agent through invalid address, please use either address 169.254.170.23 or [fd00:ec2::23] not {bare}"
            ),
        )),
    }
}
