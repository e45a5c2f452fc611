//! `aws`: a signed GetCallerIdentity that Vault passes on to STS.
//!
//! Owns: what may be passed on, and the principals a role is bound to. Refuses: the `ec2` type.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::super::protocol::{Refusal, Request, texts};
use super::super::token::Params;
use super::jwt::glob;
use super::{Known, Method};

const SERVER_ID: &str = "x-vault-aws-iam-server-id";

fn text<'a>(document: &'a Map<String, Value>, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or("")
}

fn decoded(request: &Request, name: &str) -> Result<String, Refusal> {
    STANDARD
        .decode(request.text(name))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::bad(format!("missing {name}")))
}

pub(super) async fn log_in(method: &Method, request: &Request) -> Result<Known, Refusal> {
    let name = request.text("role");
    if name.is_empty() {
        return Err(Refusal::bad("missing role"));
    }
    let role = method
        .document(&format!("role/{name}"))
        .ok_or_else(|| Refusal::bad(format!("entry for role {name} not found")))?;
    let nothing = Map::new();
    let config = method.document("config/client").unwrap_or(&nothing);
    if request.text("iam_http_request_method") != "POST" {
        return Err(Refusal::bad(
            "invalid iam_http_request_method; currently only 'POST' is supported",
        ));
    }
    let body = decoded(request, "iam_request_body")?;
    let headers = headers(&decoded(request, "iam_request_headers")?)?;
    let url = decoded(request, "iam_request_url")?;
    if body != "Action=GetCallerIdentity&Version=2011-06-15" {
        return Err(Refusal::bad(
            "iam_request_body is not a GetCallerIdentity request",
        ));
    }
    let wanted = text(config, "iam_server_id_header_value");
    if !wanted.is_empty() {
        check_server_id(&headers, wanted)?;
    }
    let arn = caller(text(config, "sts_endpoint"), &url, &headers, body).await?;
    let principal = canonical(&arn);
    let bound = texts(role.get("bound_iam_principal_arn"));
    if !bound.is_empty() && !bound.iter().any(|one| glob(one, &principal)) {
        return Err(Refusal::bad(format!(
            "IAM Principal {principal:?} does not belong to the role {name:?}"
        )));
    }
    Ok(Known {
        params: Params::read(role)?,
        display_name: principal.clone(),
        meta: BTreeMap::from([
            ("auth_type".to_owned(), "iam".to_owned()),
            ("canonical_arn".to_owned(), principal),
            ("client_arn".to_owned(), arn),
        ]),
        policies: Vec::new(),
    })
}

type Headers = Vec<(String, String)>;

/// JSON of names and values, each one text or a list.
fn headers(json: &str) -> Result<Headers, Refusal> {
    let parsed: Map<String, Value> = serde_json::from_str(json)
        .map_err(|_| Refusal::bad("error parsing iam_request_headers"))?;
    let mut headers = Headers::new();
    for (name, value) in parsed {
        let values = match value {
            Value::String(text) => vec![text],
            Value::Array(_) => texts(Some(&value)),
            _ => Vec::new(),
        };
        let name = name.to_ascii_lowercase();
        headers.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Ok(headers)
}

fn check_server_id(headers: &Headers, wanted: &str) -> Result<(), Refusal> {
    let find = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    let refuse = |what: String| {
        Refusal::bad(format!(
            "error validating X-Vault-AWS-IAM-Server-ID header: {what}"
        ))
    };
    match find(SERVER_ID) {
        None => return Err(refuse(format!("missing header {SERVER_ID:?}"))),
        Some(is) if is != wanted => {
            return Err(refuse(format!("expected {wanted:?} but got {is:?}")));
        }
        Some(_) => {}
    }
    let signed = find("authorization")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let list = signed.split("signedheaders=").nth(1).unwrap_or_default();
    let list = list.split(',').next().unwrap_or_default();
    if list.trim().split(';').any(|name| name == SERVER_ID) {
        return Ok(());
    }
    Err(refuse("header wasn't signed".to_owned()))
}

/// Passes the request on to STS, which alone can check its signature.
async fn caller(
    endpoint: &str,
    signed_for: &str,
    headers: &Headers,
    body: String,
) -> Result<String, Refusal> {
    let failed = |what: String| Refusal::bad(format!("error making upstream request: {what}"));
    let url = match endpoint {
        "" => return Err(failed("no sts_endpoint is configured".to_owned())),
        url => url,
    };
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let host = url::Url::parse(signed_for)
        .ok()
        .and_then(|url| {
            let name = url.host_str()?.to_owned();
            Some(
                url.port()
                    .map_or(name.clone(), |port| format!("{name}:{port}")),
            )
        })
        .ok_or_else(|| failed("iam_request_url is no URL".to_owned()))?;
    // The host is part of the signature, whatever address STS is reached at.
    let mut request = client.post(url).header(http::header::HOST, host).body(body);
    for (name, value) in headers {
        if !matches!(name.as_str(), "content-length" | "host") {
            request = request.header(name, value);
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
        let code = between(&answer, "Code").unwrap_or("no code");
        return Err(Refusal::bad(format!(
            "error making upstream request: received error code {} from STS: {code}",
            status.as_u16()
        )));
    }
    between(&answer, "Arn")
        .map(str::to_owned)
        .ok_or_else(|| failed("no ARN in the answer".to_owned()))
}

fn between<'a>(xml: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once(&format!("</{tag}>"))?.0)
}

/// The role behind a session's ARN; any other ARN as it is.
fn canonical(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if let ["arn", partition, "sts", "", account, resource] = parts.as_slice()
        && let Some(("assumed-role", rest)) = resource.split_once('/')
        && let Some((role, _)) = rest.split_once('/')
    {
        return format!("arn:{partition}:iam::{account}:role/{role}");
    }
    arn.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_stand_for_their_role() {
        assert_eq!(
            canonical("arn:aws:sts::111122223333:assumed-role/app/session"),
            "arn:aws:iam::111122223333:role/app"
        );
        let user = "arn:aws:iam::111122223333:user/u";
        assert_eq!(canonical(user), user);
    }

    #[test]
    fn the_server_id_must_be_signed() {
        let with = |signed: &str| {
            vec![
                (SERVER_ID.to_owned(), "vault".to_owned()),
                (
                    "authorization".to_owned(),
                    format!("AWS4-HMAC-SHA256 Credential=a, SignedHeaders={signed}, Signature=b"),
                ),
            ]
        };
        assert!(check_server_id(&with("host;x-vault-aws-iam-server-id"), "vault").is_ok());
        assert!(check_server_id(&with("host"), "vault").is_err());
        assert!(check_server_id(&with("host;x-vault-aws-iam-server-id"), "other").is_err());
        assert!(check_server_id(&Vec::new(), "vault").is_err());
    }
}
