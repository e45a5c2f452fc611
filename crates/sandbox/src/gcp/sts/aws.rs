//! A signed request of AWS in place of a token: STS passes it on, and AWS' answer tells who
//! signed it. See <https://google.aip.dev/auth/4117>.
//!
//! Owns: what may be passed on. Refuses: any other request than `GetCallerIdentity` for AWS' own
//! STS, and one that is meant for another target.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::super::Gcp;
use super::{Exchange, Refusal, grant_error};
use crate::federation::issuers;

const TARGET: &str = "x-goog-cloud-target-resource";

#[derive(Deserialize)]
struct Signed {
    url: String,
    method: String,
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    key: String,
    value: String,
}

impl Signed {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.key.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }
}

/// The caller's identity: `arn`, `account`, `userid`. The texts are ours: no reports of Google's
/// were found.
pub(super) async fn verify(
    gcp: &Gcp,
    exchange: &Exchange,
    account: &str,
) -> Result<Value, Refusal> {
    let text = percent_decode_str(&exchange.subject_token).decode_utf8_lossy();
    let signed: Signed = serde_json::from_str(&text)
        .map_err(|_| grant_error("The AWS subject token is not a serialised request."))?;
    let url = Url::parse(&signed.url)
        .ok()
        .filter(is_sts)
        .ok_or_else(|| grant_error("The AWS subject token is not for AWS STS."))?;
    let asks = url
        .query_pairs()
        .any(|(name, value)| name == "Action" && value == "GetCallerIdentity");
    if !asks || signed.method != "POST" {
        return Err(grant_error(
            "The AWS subject token is not a GetCallerIdentity request.",
        ));
    }
    // That the header is signed is recommended only; Google's own clients do not sign it.
    if signed.header(TARGET) != Some(&exchange.audience) {
        return Err(grant_error(format!(
            "The header {TARGET} of the AWS subject token does not match the audience."
        )));
    }
    let caller = ask(gcp, &signed, &url).await?;
    if caller.get("account").and_then(Value::as_str) != Some(account) {
        return Err(grant_error(format!(
            "The AWS account of the subject token does not match the expected account {account}."
        )));
    }
    Ok(caller)
}

fn is_sts(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        && (host == "sts.amazonaws.com"
            || host
                .strip_prefix("sts.")
                .and_then(|rest| rest.strip_suffix(".amazonaws.com"))
                .is_some_and(|region| !region.contains('.')))
}

async fn ask(gcp: &Gcp, signed: &Signed, url: &Url) -> Result<Value, Refusal> {
    let failed = |reason: String| {
        tracing::info!(%reason, "AWS STS did not tell who signed");
        grant_error("The AWS subject token was rejected by AWS STS.")
    };
    let endpoint = gcp.0.options.aws_sts.as_deref();
    let endpoint = endpoint.ok_or_else(|| failed("no endpoint".to_owned()))?;
    let tls = issuers::tls(&gcp.0.options.roots).map_err(failed)?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let target = format!("{endpoint}/?{}", url.query().unwrap_or_default());
    // The host is part of the signature, whatever address STS is reached at.
    let mut request = client
        .post(target)
        .header(http::header::HOST, url.host_str().unwrap_or_default());
    for header in &signed.headers {
        let name = header.key.to_ascii_lowercase();
        if !matches!(&*name, "host" | "content-length") {
            request = request.header(name, &header.value);
        }
    }
    let response = request
        .send()
        .await
        .map_err(|error| failed(error.without_url().to_string()))?;
    let status = response.status();
    let answer = response
        .text()
        .await
        .map_err(|error| failed(error.without_url().to_string()))?;
    if !status.is_success() {
        return Err(failed(format!("status {status}")));
    }
    let field = |tag: &str| {
        let (_, rest) = answer.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
    };
    Ok(json!({
        "arn": field("Arn"),
        "account": field("Account"),
        "userid": field("UserId"),
    }))
}
