//! A signed GetCallerIdentity for somebody else to send: Vault and Google prove by it who we are.
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

/// A signed request without a body.
pub struct SignedRequest {
    /// Its headers, signature included.
    pub headers: Vec<(String, String)>,
}

impl std::fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedRequest(…)")
    }
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
        for_vault(
            &credentials,
            &login.region,
            &url,
            server_id,
            SystemTime::now(),
        )
    }

    /// A POST of `login` to STS at `url`, whose query says everything, with `extra` as a header that
    /// is signed as well.
    ///
    /// # Errors
    /// When the login fails, or the request cannot be signed.
    pub async fn signed_request(
        &self,
        login: &Login,
        url: &str,
        (name, value): (&str, &str),
    ) -> Result<SignedRequest, Error> {
        let credentials = self.credentials(login).await?;
        let headers = http::Request::post(url).header(name, value);
        let wish = Wish {
            region: &login.region,
            url,
            body: "",
        };
        Ok(SignedRequest {
            headers: wish.signed(&credentials, headers, SystemTime::now())?,
        })
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

fn for_vault(
    credentials: &Credentials,
    region: &Region,
    url: &str,
    server_id: Option<&str>,
    now: SystemTime,
) -> Result<CallerIdentity, Error> {
    let mut request = http::Request::post(url).header(http::header::CONTENT_TYPE, CONTENT_TYPE);
    if let Some(id) = server_id.filter(|id| !id.is_empty()) {
        request = request.header(SERVER_ID, id);
    }
    let wish = Wish {
        region,
        url,
        body: BODY,
    };
    let headers: BTreeMap<String, String> = wish
        .signed(credentials, request, now)?
        .into_iter()
        .collect();
    let headers = serde_json::to_string(&headers).map_err(|_| failed())?;
    Ok(CallerIdentity {
        url: url.to_owned(),
        headers: headers.into(),
        body: BODY,
    })
}

/// The cause may hold parts of the credentials.
fn failed() -> Error {
    Error::Config {
        reason: "the identity at AWS cannot be proved: the request cannot be signed".into(),
        hint: Some("Correct the region, and the name that the proof is for".into()),
        code: "",
    }
}

/// A POST to STS.
struct Wish<'a> {
    region: &'a Region,
    url: &'a str,
    body: &'static str,
}

impl Wish<'_> {
    /// The headers of `request` and its host, and the signature over all of them.
    fn signed(
        &self,
        credentials: &Credentials,
        request: http::request::Builder,
        now: SystemTime,
    ) -> Result<Vec<(String, String)>, Error> {
        let uri: http::Uri = self.url.parse().map_err(|_| failed())?;
        let host = uri.authority().ok_or_else(failed)?.as_str();
        let mut request = request
            .header(http::header::HOST, host)
            .body(())
            .map_err(|_| failed())?;
        let identity = Identity::from(credentials.for_sdk());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_str())
            .name("sts")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| failed())?
            .into();
        let headers: Vec<(String, String)> = text(request.headers());
        let signable = SignableRequest::new(
            "POST",
            self.url,
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
            SignableBody::Bytes(self.body.as_bytes()),
        )
        .map_err(|_| failed())?;
        let (instructions, _) = sign(signable, &params).map_err(|_| failed())?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(text(request.headers()))
    }
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
            let found = for_vault(&credentials, &region, &url, id, SystemTime::UNIX_EPOCH).unwrap();
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
    fn a_header_for_somebody_else_is_signed() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "canary-secret".into(),
            session_token: None,
            expires: None,
        };
        let region = Region::parse("eu-central-1").unwrap();
        let wish = Wish {
            region: &region,
            url: "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            body: "",
        };
        let request = http::Request::post(wish.url).header("x-goog-cloud-target-resource", "p");
        let headers: BTreeMap<String, String> = wish
            .signed(&credentials, request, SystemTime::UNIX_EPOCH)
            .unwrap()
            .into_iter()
            .collect();
        let signed = &headers["authorization"];
        assert!(signed.contains("SignedHeaders=host;x-amz-date;x-goog-cloud-target-resource"));
        assert_eq!(headers["host"], "sts.eu-central-1.amazonaws.com");
        assert!(!headers.values().any(|text| text.contains("canary")));
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
