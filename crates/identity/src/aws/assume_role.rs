//! Role chaining through the official SDK.
//!
//! Owns: one AssumeRole with external id and tags, and the sense of its errors. Refuses:
//! retries of a refusal.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sts::config::{BehaviorVersion, Builder, IdentityCache, StalledStreamProtectionConfig};
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::types::Tag;
use keyless_fault::{Class, Link, Verdict};

use super::refusal::{PolicyLayer, by_status, policy_layer};
use super::web_identity::STS;
use super::{Credentials, Hop, Region, endpoint};
use crate::claims::scrub;
use crate::sdk::{SdkHttp, retries};
use crate::{Environment, Error, HttpError, HttpExchange, Leased};

/// Assumes `hop` with the credentials `base`.
pub(super) async fn assume(
    http: &Arc<dyn HttpExchange>,
    env: &Environment,
    region: &Region,
    base: &Credentials,
    hop: &Hop,
) -> Result<Leased<Arc<Credentials>>, Error> {
    let url = endpoint::sts(region, env)?;
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_sdk_sts::config::Region::new(region.as_str().to_owned()))
        .endpoint_url(url.as_str().trim_end_matches('/'))
        .http_client(SdkHttp::new(Arc::clone(http)))
        .credentials_provider(base.for_sdk())
        .identity_cache(IdentityCache::no_cache())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(retries(None, None))
        .build();
    let tag = |(key, value): &(String, String)| {
        Tag::builder()
            .key(key)
            .value(value)
            .build()
            .map_err(|_| malformed("a session tag lacks its key"))
    };
    let tags: Vec<Tag> = hop.tags.iter().map(tag).collect::<Result<_, _>>()?;
    let some = |list: Vec<Tag>| (!list.is_empty()).then_some(list);
    let answer = aws_sdk_sts::Client::from_conf(config)
        .assume_role()
        .role_arn(hop.role.as_str())
        .role_session_name(session())
        .set_external_id(hop.external_id.clone())
        .set_tags(some(tags))
        .set_transitive_tag_keys((!hop.transitive.is_empty()).then(|| hop.transitive.clone()))
        .send()
        .await
        .map_err(|error| judge(hop, &error))?;
    let found = answer.credentials.ok_or_else(|| Error::Answer {
        identity: hop.role.to_string(),
        service: STS,
        reason: "it holds no credentials".into(),
    })?;
    let expires = SystemTime::try_from(found.expiration).ok();
    let ttl = expires.and_then(|expires| expires.duration_since(SystemTime::now()).ok());
    Ok(Leased {
        value: Arc::new(Credentials {
            access_key_id: found.access_key_id,
            secret_access_key: found.secret_access_key.into(),
            session_token: Some(found.session_token.into()),
            expires,
        }),
        // A life that this clock takes for over is still good for the call at hand.
        ttl: Some(ttl.unwrap_or(Duration::from_secs(60))),
    })
}

/// The form that trust policies written for this API may match: `aws-go-sdk-<nanoseconds>`.
fn session() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    format!("aws-go-sdk-{}", now.unwrap_or_default().as_nanos())
}

fn malformed(reason: &str) -> Error {
    Error::Config {
        reason: reason.to_owned(),
        hint: None,
        code: "",
    }
}

fn judge(
    hop: &Hop,
    error: &SdkError<AssumeRoleError, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
) -> Error {
    let identity = hop.role.to_string();
    let Some(service) = error.as_service_error() else {
        return match cause(error) {
            Some(source) => Error::Http { identity, source },
            None => Error::Answer {
                identity,
                service: STS,
                reason: "it is neither a success nor an error of AssumeRole".into(),
            },
        };
    };
    let status = error
        .raw_response()
        .map_or(0, |answer| answer.status().as_u16());
    let code = service.code().unwrap_or("Unknown");
    let message = service.message().unwrap_or_default();
    let verdict = verdict(hop, status, code, message);
    Error::Refused {
        identity,
        service: STS,
        status,
        provider_code: scrub(code),
        message: scrub(message),
        request_id: error.request_id().map(str::to_owned),
        link: verdict.link,
        class: verdict.class,
        code: verdict.code,
        observed: None,
        required: verdict.required,
        hint: verdict.hint,
        retry_after: None,
    }
}

fn verdict(hop: &Hop, status: u16, code: &str, message: &str) -> Verdict {
    let (class, row, hint) = match code {
        "AccessDenied" | "AccessDeniedException" => {
            let (row, hint) = denied(hop, message);
            (Class::Denied, row, hint)
        }
        "ExpiredToken" | "ExpiredTokenException" => (
            Class::Denied,
            "K12",
            "Compare the operator's clock with true time".into(),
        ),
        "InvalidClientTokenId" | "UnrecognizedClientException" => (
            Class::Denied,
            "A11",
            "Check that the access key exists, and that the region is enabled in its account"
                .into(),
        ),
        "RegionDisabledException" => (
            Class::Config,
            "A11",
            format!(
                "Activate STS for this region in account {}",
                hop.role.account()
            ),
        ),
        "ValidationError" if message.contains("MaxSessionDuration") => (
            Class::Config,
            "A10",
            format!("Raise the maximum session duration of role {}", hop.role),
        ),
        _ => return by_status(status, code),
    };
    Verdict {
        link: Link::Identity,
        class,
        code: row,
        required: None,
        hint: Some(hint),
    }
}

fn denied(hop: &Hop, message: &str) -> (&'static str, String) {
    match policy_layer(message) {
        Some(PolicyLayer::Organisation) => (
            "A6",
            format!(
                "Let the control policies allow sts:AssumeRole on {}",
                hop.role
            ),
        ),
        Some(PolicyLayer::VpcEndpoint) => (
            "A25",
            "Let the policy of the STS VPC endpoint allow this role".into(),
        ),
        _ => {
            let id = if hop.external_id.is_some() {
                " with this external id"
            } else {
                ""
            };
            let tags = if hop.tags.is_empty() {
                ""
            } else {
                " and sts:TagSession"
            };
            let role = &hop.role;
            let hint = format!(
                "Let the caller's policies allow sts:AssumeRole on {role}, and the role's trust \
                 policy allow the caller{id}{tags}"
            );
            ("", hint)
        }
    }
}

/// The exchange's own error inside an SDK error.
fn cause<E: std::error::Error + 'static, R: std::fmt::Debug + 'static>(
    error: &SdkError<E, R>,
) -> Option<HttpError> {
    let mut next = error.source();
    while let Some(inner) = next {
        if let Some(found) = inner.downcast_ref::<HttpError>() {
            return Some(found.clone());
        }
        next = inner.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::RoleArn;

    #[test]
    fn every_code_has_its_row() {
        let hop = Hop {
            role: RoleArn::parse("arn:aws:iam::111122223333:role/last", "x").unwrap(),
            external_id: Some("canary".into()),
            tags: vec![("k".into(), "v".into())],
            transitive: Vec::new(),
        };
        for (status, code, message, class, row, hint) in [
            (
                403,
                "AccessDenied",
                "User: u is not authorized to perform: sts:AssumeRole on resource: r",
                Class::Denied,
                "",
                "sts:AssumeRole on arn:aws:iam::111122223333:role/last, and the role's trust policy allow the caller with this external id and sts:TagSession",
            ),
            (
                403,
                "AccessDenied",
                "x with an explicit deny in a service control policy",
                Class::Denied,
                "A6",
                "control policies",
            ),
            (
                403,
                "AccessDenied",
                "x because no VPC endpoint policy allows it",
                Class::Denied,
                "A25",
                "VPC endpoint",
            ),
            (403, "ExpiredToken", "", Class::Denied, "K12", "clock"),
            (
                403,
                "InvalidClientTokenId",
                "",
                Class::Denied,
                "A11",
                "access key",
            ),
            (
                403,
                "RegionDisabledException",
                "",
                Class::Config,
                "A11",
                "account 111122223333",
            ),
            (
                400,
                "ValidationError",
                "exceeds the MaxSessionDuration",
                Class::Config,
                "A10",
                "maximum session duration",
            ),
        ] {
            let found = verdict(&hop, status, code, message);
            assert_eq!(
                (found.link, found.class, found.code),
                (Link::Identity, class, row),
                "{code}"
            );
            assert!(found.hint.unwrap().contains(hint), "{code}");
        }
        assert_eq!(
            verdict(&hop, 503, "ServiceUnavailable", "").class,
            Class::Unavailable
        );
    }
}
