//! Signature version 4 in its header form: what a client signs and how it is checked.
//!
//! Owns: canonical request, string to sign, key derivation, the time window, the refusals.
//! Refuses: presigned URLs and chunked bodies: no service here takes them, and every request
//! goes to `/`, so paths need no canonical form.

use aws_lc_rs::{digest, hmac};
use http::HeaderMap;

use super::credentials::AccessKey;
use super::protocol::{ApiError, Protocol, timestamp};

/// Seconds a request's time may be off.
const WINDOW: i64 = 300;

/// Where and when a signature is valid, and with which key.
#[derive(Clone, Debug)]
pub struct SigningKey<'a> {
    /// Access key id, secret and session token.
    pub key: &'a AccessKey,
    /// Region of the credential scope.
    pub region: &'a str,
    /// Service of the credential scope.
    pub service: &'a str,
    /// Seconds since 1970.
    pub time: i64,
}

/// The parts of a request that are signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub method: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// An `Authorization` header taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    pub access_key: String,
    pub date: String,
    pub region: String,
    pub service: String,
    pub signed_headers: Vec<String>,
    signature: String,
}

impl Authorization {
    /// Reads the header.
    ///
    /// # Errors
    /// Missing or incomplete authentication, in the protocol's words.
    pub fn parse(headers: &HeaderMap, protocol: Protocol) -> Result<Self, ApiError> {
        let Some(header) = headers.get(http::header::AUTHORIZATION) else {
            return Err(refuse(
                protocol,
                Refusal::Missing,
                "Missing Authentication Token",
            ));
        };
        let incomplete = |what: &str| refuse(protocol, Refusal::Incomplete, what);
        let text = header.to_str().unwrap_or_default();
        let Some(rest) = text.strip_prefix("AWS4-HMAC-SHA256") else {
            return Err(refuse(
                protocol,
                Refusal::Missing,
                "Missing Authentication Token",
            ));
        };
        let field = |name: &str| {
            rest.split(',')
                .filter_map(|part| part.trim().split_once('='))
                .find(|(n, _)| *n == name)
                .map(|(_, v)| v)
                .ok_or_else(|| {
                    incomplete(&format!(
                        "Authorization header requires '{name}' parameter."
                    ))
                })
        };
        let credential: Vec<&str> = field("Credential")?.split('/').collect();
        let [access_key, date, region, service, "aws4_request"] = credential.as_slice() else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term",
            ));
        };
        Ok(Self {
            access_key: (*access_key).to_owned(),
            date: (*date).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
            signed_headers: field("SignedHeaders")?
                .split(';')
                .map(str::to_owned)
                .collect(),
            signature: field("Signature")?.to_owned(),
        })
    }
}

/// Checks scope, time and signature of a request.
///
/// # Errors
/// What AWS answers, in the protocol's words.
pub(super) fn verify(
    request: Signed<'_>,
    auth: &Authorization,
    secret: &str,
    service: &str,
    now: i64,
    protocol: Protocol,
) -> Result<(), ApiError> {
    let mismatch = |text: String| refuse(protocol, Refusal::Mismatch, &text);
    if auth.service != service {
        return Err(mismatch(format!(
            "Credential should be scoped to correct service: '{service}'. "
        )));
    }
    let stamp = check_time(request.headers, auth, now, protocol)?;
    for required in ["host", "x-amz-target", "x-amz-security-token"] {
        let present = request.headers.contains_key(required);
        if present && !auth.signed_headers.iter().any(|h| h == required) {
            return Err(mismatch(format!(
                "'{required}' must be a 'SignedHeader' in the AWS Authorization."
            )));
        }
    }
    let text = string_to_sign(request, auth, stamp);
    let given = decode_hex(&auth.signature).unwrap_or_default();
    let key = hmac::Key::new(
        hmac::HMAC_SHA256,
        &derive(secret, &auth.date, &auth.region, service),
    );
    hmac::verify(&key, text.as_bytes(), &given).map_err(|_| {
        mismatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".to_owned(),
        )
    })
}

/// The request's time stamp, if it is within the window.
fn check_time<'a>(
    headers: &'a HeaderMap,
    auth: &Authorization,
    now: i64,
    protocol: Protocol,
) -> Result<&'a str, ApiError> {
    let mismatch = |text: String| refuse(protocol, Refusal::Mismatch, &text);
    let stamp = headers
        .get("x-amz-date")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let Some(time) = parse_stamp(stamp) else {
        return Err(refuse(
            protocol,
            Refusal::Incomplete,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ));
    };
    if stamp.get(..8) != Some(auth.date.as_str()) {
        return Err(mismatch(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{stamp}'",
            auth.date
        )));
    }
    let at = compact;
    if time < now - WINDOW {
        return Err(mismatch(format!(
            "Signature expired: {stamp} is now earlier than {} ({} - 5 min.)",
            at(now - WINDOW),
            at(now)
        )));
    }
    if time > now + WINDOW {
        return Err(mismatch(format!(
            "Signature not yet current: {stamp} is still later than {} ({} + 5 min.)",
            at(now + WINDOW),
            at(now)
        )));
    }
    Ok(stamp)
}

/// Signs a request to `/`: adds `x-amz-date`, the session token and `Authorization` to
/// `headers`, which must already have `host`. All headers present are signed.
pub fn sign(key: &SigningKey<'_>, method: &str, query: &str, headers: &mut HeaderMap, body: &[u8]) {
    let stamp = compact(key.time);
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put("x-amz-date", &stamp);
    if let Some(token) = &key.key.token {
        put("x-amz-security-token", token);
    }
    let mut signed_headers: Vec<String> = headers.keys().map(|n| n.as_str().to_owned()).collect();
    signed_headers.sort_unstable();
    let date = stamp.get(..8).unwrap_or_default().to_owned();
    let auth = Authorization {
        access_key: key.key.id.clone(),
        date,
        region: key.region.to_owned(),
        service: key.service.to_owned(),
        signed_headers,
        signature: String::new(),
    };
    let text = string_to_sign(
        Signed {
            method,
            query,
            headers,
            body,
        },
        &auth,
        &stamp,
    );
    let signing = derive(&key.key.secret, &auth.date, key.region, key.service);
    let signature = hex(&mac(&signing, text.as_bytes()));
    let header = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}/{}/{}/aws4_request, SignedHeaders={}, Signature={signature}",
        auth.access_key,
        auth.date,
        auth.region,
        auth.service,
        auth.signed_headers.join(";"),
    );
    if let Ok(value) = http::HeaderValue::from_str(&header) {
        headers.insert(http::header::AUTHORIZATION, value);
    }
}

fn string_to_sign(request: Signed<'_>, auth: &Authorization, stamp: &str) -> String {
    let canonical = canonical_request(request, &auth.signed_headers);
    format!(
        "AWS4-HMAC-SHA256\n{stamp}\n{}/{}/{}/aws4_request\n{}",
        auth.date,
        auth.region,
        auth.service,
        hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    )
}

fn canonical_request(request: Signed<'_>, signed_headers: &[String]) -> String {
    let mut out = format!(
        "{}\n/\n{}\n",
        request.method,
        canonical_query(request.query)
    );
    for name in signed_headers {
        let values: Vec<String> = request
            .headers
            .get_all(name)
            .iter()
            .map(|v| {
                String::from_utf8_lossy(v.as_bytes())
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        out.push_str(name);
        out.push(':');
        out.push_str(&values.join(","));
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&signed_headers.join(";"));
    out.push('\n');
    out.push_str(&hex(digest::digest(&digest::SHA256, request.body).as_ref()));
    out
}

/// Decoded, encoded again with only the unreserved characters left, and sorted.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (encode(name), encode(value))
        })
        .collect();
    pairs.sort_unstable();
    pairs
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect::<Vec<_>>()
        .join("&")
}

fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in decode_percent(text) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn decode_percent(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let rest = bytes.clone();
        let digits: Vec<u8> = rest.take(2).collect();
        match (b, decode_hex(&String::from_utf8_lossy(&digits)).as_deref()) {
            (b'%', Some([value])) => {
                out.push(*value);
                bytes.nth(1);
            }
            _ => out.push(b),
        }
    }
    out
}

fn derive(secret: &str, date: &str, region: &str, service: &str) -> Vec<u8> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [date, region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    key
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
        .as_ref()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect()
}

/// `20261124T220000Z`.
fn compact(seconds: i64) -> String {
    timestamp(seconds).replace(['-', ':'], "")
}

fn parse_stamp(stamp: &str) -> Option<i64> {
    let (date, time) = stamp.split_once('T')?;
    let time = time.strip_suffix('Z')?;
    let part = |s: &str, from: usize, to: usize| s.get(from..to).map(str::to_owned);
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(date, 0, 4)?,
        part(date, 4, 6)?,
        part(date, 6, 8)?,
        part(time, 0, 2)?,
        part(time, 2, 4)?,
        part(time, 4, 6)?,
    );
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_second)
}

/// The ways authentication fails; each protocol has its own code for them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    Missing,
    Incomplete,
    Mismatch,
    UnknownKey,
    Expired,
}

pub(super) fn refuse(protocol: Protocol, refusal: Refusal, text: &str) -> ApiError {
    let (status, code) = match (protocol, refusal) {
        (Protocol::Query(_), Refusal::Missing) => (403, "MissingAuthenticationToken"),
        (Protocol::Query(_), Refusal::Incomplete) => (400, "IncompleteSignature"),
        (Protocol::Query(_), Refusal::Mismatch) => (403, "SignatureDoesNotMatch"),
        (Protocol::Query(_), Refusal::UnknownKey) => (403, "InvalidClientTokenId"),
        (Protocol::Query(_), Refusal::Expired) => (403, "ExpiredToken"),
        (Protocol::Json, Refusal::Missing) => (400, "MissingAuthenticationTokenException"),
        (Protocol::Json, Refusal::Incomplete) => (400, "IncompleteSignatureException"),
        (Protocol::Json, Refusal::Mismatch) => (400, "InvalidSignatureException"),
        (Protocol::Json, Refusal::UnknownKey) => (400, "UnrecognizedClientException"),
        (Protocol::Json, Refusal::Expired) => (400, "ExpiredTokenException"),
    };
    ApiError::new(status, code, text)
}

#[cfg(test)]
mod tests;
