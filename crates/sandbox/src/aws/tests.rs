//! The emulated AWS against a real issuer over HTTPS. The world every test starts in, and the
//! ways to call the endpoint; the cases are in the modules.

use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::issuer::Issuer;
use crate::tls::Tls;

mod assume_role;
mod faults;
mod iam;
mod issuer_documents;
mod judges;
mod nodes;
mod parameters;
mod permission;
mod secrets;
mod sessions;
mod web_identity;
mod wire;

const ACCOUNT: &str = "111122223333";
const SUBJECT: &str = "system:serviceaccount:shop:web";
const AUDIENCE: &str = "sts.amazonaws.com";

const NO_KEY: &str = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";
const NO_JWT: &str = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
const DENIED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";

/// An issuer that serves its documents, an AWS that trusts it, and a role for `shop/web`.
struct World {
    aws: Aws,
    issuer: Issuer,
    clock: Clock,
    role: String,
    provider: String,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// The text of the first element `name`.
    fn tag(&self, name: &str) -> &str {
        let (_, rest) = self
            .body
            .split_once(&format!("<{name}>"))
            .unwrap_or_else(|| panic!("no <{name}> in {}", self.body));
        rest.split_once("</").unwrap().0
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// Status and code of an error in either protocol.
    fn error(&self) -> (u16, String) {
        let code = match self.body.starts_with('<') {
            true => self.tag("Code").to_owned(),
            false => self.json()["__type"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        };
        assert_eq!(self.headers["x-amzn-errortype"], code.as_str());
        (self.status, code)
    }

    fn message(&self) -> String {
        match self.body.starts_with('<') {
            true => self
                .tag("Message")
                .replace("&quot;", "\"")
                .replace("&amp;", "&"),
            false => {
                let json = self.json();
                json.get("message")
                    .or(json.get("Message"))
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            }
        }
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }
}

impl World {
    async fn new() -> Self {
        let clock = Clock::default();
        let tls = Tls::new().unwrap();
        let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
        let aws = Aws::new(AwsOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            ..AwsOptions::default()
        });
        let provider = aws.create_oidc_provider(issuer.url(), &[AUDIENCE]).unwrap();
        let role = aws
            .create_role("web", &trust(issuer.url(), &provider, SUBJECT))
            .unwrap();
        Self {
            aws,
            issuer,
            clock,
            role,
            provider,
        }
    }

    /// The claims of a good token.
    fn claims(&self) -> Value {
        let now = self.clock.unix();
        json!({"iss": self.issuer.url(), "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3600, "jti": "1",
            "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web", "uid": "u"}}})
    }

    fn token(&self) -> String {
        self.sign(&self.claims())
    }

    fn sign(&self, claims: &Value) -> String {
        self.issuer.sign(claims.to_string().as_bytes()).unwrap()
    }

    async fn exchange(&self, token: &str) -> Answer {
        self.exchange_with(&[("WebIdentityToken", token)]).await
    }

    /// `AssumeRoleWithWebIdentity` for the world's role, with `extra` over the usual parameters.
    async fn exchange_with(&self, extra: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", self.role.as_str()),
            ("RoleSessionName", "test"),
        ];
        for (name, value) in extra {
            fields.retain(|(n, _)| n != name);
            fields.push((name, value));
        }
        send(&self.aws, HeaderMap::new(), form(&fields)).await
    }

    /// A session of the world's role.
    async fn session(&self) -> AccessKey {
        let answer = self.exchange(&self.token()).await.ok();
        key_in(&answer)
    }

    fn admin(&self) -> &AccessKey {
        self.aws.admin_key()
    }

    async fn ssm(&self, key: &AccessKey, action: &str, input: Value) -> Answer {
        self.json("ssm", "AmazonSSM", key, action, input).await
    }

    async fn json(
        &self,
        service: &str,
        target: &str,
        key: &AccessKey,
        action: &str,
        input: Value,
    ) -> Answer {
        let body = input.to_string();
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-amz-target",
            HeaderValue::from_str(&format!("{target}.{action}")).unwrap(),
        );
        headers.insert(
            "content-type",
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        self.signed(service, key, headers, body).await
    }

    async fn query(&self, service: &str, key: &AccessKey, fields: &[(&str, &str)]) -> Answer {
        let version = if service == "iam" {
            "2010-05-08"
        } else {
            "2011-06-15"
        };
        let mut all = vec![("Version", version)];
        all.extend_from_slice(fields);
        self.signed(service, key, HeaderMap::new(), form(&all))
            .await
    }

    async fn signed(
        &self,
        service: &str,
        key: &AccessKey,
        mut headers: HeaderMap,
        body: String,
    ) -> Answer {
        headers.insert("host", HeaderValue::from_static("localhost"));
        let signing = SigningKey {
            key,
            region: "eu-central-1",
            service,
            time: self.clock.unix(),
        };
        sign(&signing, "POST", "", &mut headers, body.as_bytes());
        send(&self.aws, headers, body).await
    }
}

fn trust(issuer: &str, provider: &str, subject: &str) -> String {
    let host = issuer.strip_prefix("https://").unwrap();
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {format!("{host}:sub"): subject, format!("{host}:aud"): AUDIENCE}}}]})
    .to_string()
}

fn key_in(answer: &Answer) -> AccessKey {
    AccessKey {
        id: answer.tag("AccessKeyId").to_owned(),
        secret: answer.tag("SecretAccessKey").to_owned(),
        token: Some(answer.tag("SessionToken").to_owned()),
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn allow(actions: &[&str], resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": resource}}).to_string()
}

async fn send(aws: &Aws, headers: HeaderMap, body: String) -> Answer {
    let mut request = Request::post("/").body(Body::from(body)).unwrap();
    *request.headers_mut() = headers;
    let response = aws.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    assert!(parts.headers.contains_key("x-amzn-requestid"));
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// `header.claims.signature` of arbitrary parts.
fn jws(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// Asserts a refusal by the STS, down to the XML around it.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, message: &str) {
    assert_eq!(answer.error(), (status, code.to_owned()), "{}", answer.body);
    assert_eq!(answer.message(), message);
    assert_eq!(answer.tag("Type"), "Sender");
    assert!(
        answer
            .body
            .starts_with("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">")
    );
    assert_eq!(answer.headers["x-amzn-requestid"], answer.tag("RequestId"));
}
