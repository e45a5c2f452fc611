//! A signed GetCallerIdentity as a subject token: Google sends it to AWS and believes the answer.
//!
//! Form: <https://cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds#aws>.

use keyless_secret::SecretBytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::{Error, aws};

/// Ties the signature to one provider, so that another one cannot use it.
const TARGET: &str = "x-goog-cloud-target-resource";

/// The token of `login` for the provider `audience`.
pub(super) async fn token(
    logins: &aws::Logins,
    login: &aws::Login,
    audience: &str,
) -> Result<SecretBytes, Error> {
    let url = format!(
        "https://sts.{}.{}/?Action=GetCallerIdentity&Version=2011-06-15",
        login.region,
        login.region.partition().dns_suffix
    );
    let signed = logins
        .signed_request(login, &url, (TARGET, audience))
        .await?;
    let headers: Vec<_> = signed
        .headers
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    let text = json!({"url": url, "method": "POST", "headers": headers}).to_string();
    Ok(utf8_percent_encode(&text, NON_ALPHANUMERIC)
        .to_string()
        .into())
}
