//! A signed GetCallerIdentity for somebody else to send: Vault proves by it who we are.
//!
//! Owns: the request and its signature. Refuses: sending it, and the process environment.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use keyless_secret::SecretBytes;

use super::{Credentials, Login, Logins, Region, Service, endpoint};
use crate::{Environment, Error};

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// Ties the signature to one Vault, so that another one cannot use it.
const SERVER_ID: &str = "x-vault-aws-iam-server-id";

/// The parts of the request. Whoever has them is that identity for a quarter of an hour.
pub struct CallerIdentity {
    /// Address of STS that was signed for.
    pub url: String,
    /// The headers as a JSON object, signature included.
    pub headers: SecretBytes,
    /// The body.
    pub body: &'static str,
}

impl Logins {
    /// A signed GetCallerIdentity of `login`, for the server that calls itself `server_id`.
    ///
    /// # Errors
    /// When the login fails, or the request cannot be signed.
    pub async fn caller_identity(
        &self,
        login: &Login,
        server_id: Option<&str>,
    ) -> Result<CallerIdentity, Error> {
        let credentials = self.credentials(login).await?;
        let url = address(&login.region, self.env())?;
        signed(
            &credentials,
            &login.region,
            &url,
            server_id,
            SystemTime::now(),
        )
    }
}

/// STS as Vault knows it when nothing else is configured there: the global endpoint for
/// us-east-1, else the regional one.
fn address(region: &Region, env: &Environment) -> Result<String, Error> {
    if endpoint::override_of(Service::Sts, env)?.is_none() && region.as_str() == "us-east-1" {
        return Ok("https://sts.amazonaws.com/".to_owned());
    }
    Ok(endpoint::sts(region, env)?.to_string())
}

fn signed(
    credentials: &Credentials,
    region: &Region,
    url: &str,
    server_id: Option<&str>,
    now: SystemTime,
) -> Result<CallerIdentity, Error> {
    // The cause may hold parts of the credentials.
    let failed = || Error::Config {
        reason: "the identity at AWS cannot be proved: the request cannot be signed".into(),
        hint: Some("Correct region and vaultAwsIamServerID of auth.iam".into()),
        code: "",
    };
    let uri: http::Uri = url.parse().map_err(|_| failed())?;
    let host = uri.authority().ok_or_else(failed)?.as_str();
    let mut request = http::Request::post(url)
        .header(http::header::HOST, host)
        .header(http::header::CONTENT_TYPE, CONTENT_TYPE);
    if let Some(id) = server_id.filter(|id| !id.is_empty()) {
        request = request.header(SERVER_ID, id);
    }
    let mut request = request.body(()).map_err(|_| failed())?;
    let identity = Identity::from(credentials.for_sdk());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region.as_str())
        .name("sts")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| failed())?
        .into();
    let headers: Vec<(String, String)> = text(request.headers());
    let signable = SignableRequest::new(
        "POST",
        url,
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Bytes(BODY.as_bytes()),
    )
    .map_err(|_| failed())?;
    let (instructions, _) = sign(signable, &params).map_err(|_| failed())?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    let headers: BTreeMap<String, String> = text(request.headers()).into_iter().collect();
    let headers = serde_json::to_string(&headers).map_err(|_| failed())?;
    Ok(CallerIdentity {
        url: url.to_owned(),
        headers: headers.into(),
        body: BODY,
    })
}

fn text(headers: &http::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_name_is_part_of_the_signature() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "canary-secret".into(),
            session_token: Some("canary-session".into()),
            expires: None,
        };
        let region = Region::parse("us-east-1").unwrap();
        let sign = |id| {
            let url = address(&region, &Environment::default()).unwrap();
            let found = signed(&credentials, &region, &url, id, SystemTime::UNIX_EPOCH).unwrap();
            let headers: BTreeMap<String, String> =
                serde_json::from_slice(found.headers.expose()).unwrap();
            (found.url, headers)
        };
        let (url, headers) = sign(Some("vault.example"));
        assert_eq!(url, "https://sts.amazonaws.com/");
        assert_eq!(headers["host"], "sts.amazonaws.com");
        assert_eq!(headers["x-amz-date"], "19700101T000000Z");
        assert_eq!(headers["x-amz-security-token"], "canary-session");
        assert_eq!(headers[SERVER_ID], "vault.example");
        assert!(headers["authorization"].contains(SERVER_ID));
        assert!(headers["authorization"].contains("19700101/us-east-1/sts/aws4_request"));
        let (_, other) = sign(Some("another.example"));
        assert_ne!(headers["authorization"], other["authorization"]);
        let (_, without) = sign(None);
        assert!(!without["authorization"].contains(SERVER_ID));
        for text in headers.values() {
            assert!(!text.contains("canary-secret"));
        }
    }

    #[test]
    fn other_regions_have_their_own_address() {
        let region = Region::parse("eu-central-1").unwrap();
        assert_eq!(
            address(&region, &Environment::default()).unwrap(),
            "https://sts.eu-central-1.amazonaws.com/"
        );
        let env = [("AWS_STS_ENDPOINT", "http://sts.local:4566")]
            .into_iter()
            .collect();
        let region = Region::parse("us-east-1").unwrap();
        assert_eq!(address(&region, &env).unwrap(), "http://sts.local:4566/");
    }
}
