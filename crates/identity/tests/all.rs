//! The operator's own AWS identity against an in-memory way out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Fault, Link, explain};
use keyless_identity::aws::{Credentials, Login, Logins, Region, Source};
use keyless_identity::{
    Cluster, Environment, Error, HttpError, HttpExchange, Limits, ServiceAccount, SubjectToken,
};
use keyless_secret::SecretBytes;

/// Answers by method and URL prefix, in order; the last one repeats.
#[derive(Default)]
struct Wire {
    answers: Mutex<BTreeMap<String, Vec<(u16, String)>>>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Clone)]
struct Asked {
    line: String,
    headers: http::HeaderMap,
    body: String,
    limits: Limits,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    fn on(&self, line: &str, status: u16, body: &str) {
        let mut answers = self.answers.lock().unwrap();
        let list = answers.entry(line.into()).or_default();
        list.insert(0, (status, body.into()));
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl HttpExchange for Wire {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        async move {
            let line = format!("{} {}", request.method(), request.uri());
            self.asked.lock().unwrap().push(Asked {
                line: line.clone(),
                headers: request.headers().clone(),
                body: String::from_utf8(request.body().to_vec()).unwrap(),
                limits: request.extensions().get().copied().unwrap_or_default(),
            });
            let mut answers = self.answers.lock().unwrap();
            let Some(list) = answers.get_mut(&line) else {
                return Err(HttpError::Connect {
                    host: request.uri().host().unwrap().into(),
                    reason: "no route".into(),
                });
            };
            let (status, body) = match list.as_slice() {
                [only] => only.clone(),
                _ => list.pop().unwrap(),
            };
            let answer = http::Response::builder()
                .status(status)
                .header("date", "Wed, 18 May 2033 03:33:20 GMT");
            Ok(answer.body(Bytes::from(body)).unwrap())
        }
        .boxed()
    }
}

struct NoCluster;

impl Cluster for NoCluster {
    fn service_account<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        panic!("the operator's own login asks the cluster nothing")
    }
    fn token<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a [String],
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        panic!("the operator's own login asks the cluster nothing")
    }
    fn secret_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        panic!("the operator's own login asks the cluster nothing")
    }
    fn config_map_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        panic!("the operator's own login asks the cluster nothing")
    }
}

async fn log_in(wire: &Arc<Wire>, env: &[(&str, &str)]) -> Result<Arc<Credentials>, Error> {
    let env: Environment = env.iter().copied().collect();
    let http = Arc::clone(wire) as Arc<dyn HttpExchange>;
    let logins = Logins::new(Arc::new(NoCluster), http, env);
    let login = Login {
        region: Region::parse("eu-central-1").unwrap(),
        source: Source::Operator,
        hops: Vec::new(),
    };
    logins.credentials(&login).await
}

const STS: &str = "POST https://sts.eu-central-1.amazonaws.com/";
const AGENT: &str = "GET http://169.254.170.23/v1/credentials";
const FULL_URI: (&str, &str) = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "http://169.254.170.23/v1/credentials",
);
const ROLE: (&str, &str) = ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/app");

fn sts_success(id: &str, expiration: &str) -> String {
    format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
}

fn sts_error(code: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>")
}

fn document(id: &str) -> String {
    format!(
        r#"{{"AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}}"#
    )
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, text).unwrap();
    (dir, path.to_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_order_is_keys_web_identity_container_metadata() {
    let (_dir, path) = file("header.claims.signature\n");
    let wire = Arc::new(Wire::default());
    wire.on(STS, 200, &sts_success("WEB", "2033-05-18T04:33:20Z"));
    wire.on(AGENT, 200, &document("AGENT"));
    let keys = [
        ("AWS_ACCESS_KEY_ID", "KEYS"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let web = [ROLE, ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str())];
    let container = [FULL_URI, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "raw")];
    let all: Vec<_> = keys.iter().chain(&web).chain(&container).copied().collect();
    for (from, expected) in [(0, "KEYS"), (2, "WEB"), (4, "AGENT")] {
        let found = log_in(&wire, &all[from..]).await.unwrap();
        assert_eq!(found.access_key_id, expected);
    }
    let asked = wire.asked();
    assert_eq!(asked.len(), 2);
    assert!(
        asked[0]
            .body
            .contains("WebIdentityToken=header.claims.signature&")
            || asked[0]
                .body
                .ends_with("WebIdentityToken=header.claims.signature")
    );
    assert!(
        asked[0]
            .body
            .contains("RoleSessionName=external-secrets-provider-aws")
    );
    assert!(!asked[0].limits.direct);
    assert_eq!(asked[1].headers["authorization"], "raw");
    assert!(
        asked[1].limits.direct,
        "the agent is never asked through a proxy"
    );
}

#[tokio::test(start_paused = true)]
async fn token_files_are_read_at_each_login() {
    let (_dir, path) = file("a.b.first");
    let wire = Arc::new(Wire::default());
    wire.on(STS, 200, &sts_success("WEB", "2033-05-18T04:33:20Z"));
    wire.on(AGENT, 200, &document("AGENT"));
    let web = [
        ROLE,
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str()),
        ("AWS_ROLE_SESSION_NAME", "mine"),
    ];
    let container = [
        FULL_URI,
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.as_str()),
    ];
    log_in(&wire, &web).await.unwrap();
    log_in(&wire, &container).await.unwrap();
    std::fs::write(&path, "a.b.second").unwrap();
    log_in(&wire, &web).await.unwrap();
    log_in(&wire, &container).await.unwrap();
    let asked = wire.asked();
    assert!(asked[0].body.contains("a.b.first") && asked[0].body.contains("RoleSessionName=mine"));
    assert_eq!(asked[1].headers["authorization"], "a.b.first");
    assert!(asked[2].body.contains("a.b.second"));
    assert_eq!(asked[3].headers["authorization"], "a.b.second");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_could_split_a_header_is_refused() {
    let (_dir, path) = file("a.b.c\r\nx-evil: canary");
    let wire = Arc::new(Wire::default());
    wire.on(AGENT, 200, &document("AGENT"));
    let env = [
        FULL_URI,
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.as_str()),
    ];
    let error = log_in(&wire, &env).await.unwrap_err();
    assert!(wire.asked().is_empty());
    assert!(!format!("{error:?} {}", explain(&error)).contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_token_file_is_named() {
    let wire = Arc::new(Wire::default());
    let env = [ROLE, ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")];
    let error = log_in(&wire, &env).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Config, "K17"));
    assert!(error.to_string().contains("/nowhere/token"));
    for half in [&env[..1], &env[1..], &[("AWS_ACCESS_KEY_ID", "x")]] {
        assert_eq!(
            log_in(&wire, half).await.unwrap_err().class(),
            Class::Config
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_decided_is_repeated_and_what_was_refused_is_not() {
    let (_dir, path) = file("a.b.c");
    let env = [ROLE, ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str())];
    for (status, code, asked, class) in [
        (400, "IDPCommunicationError", 3, Class::Unavailable),
        (503, "ServiceUnavailable", 3, Class::Unavailable),
        (400, "Throttling", 3, Class::Throttled),
        (403, "AccessDenied", 1, Class::Denied),
        (400, "InvalidIdentityToken", 1, Class::Denied),
        (400, "ValidationError", 1, Class::Config),
    ] {
        let wire = Arc::new(Wire::default());
        wire.on(STS, status, &sts_error(code));
        let error = log_in(&wire, &env).await.unwrap_err();
        assert_eq!(
            (wire.asked().len(), error.class()),
            (asked, class),
            "{code}"
        );
        assert_eq!(error.provider_code(), Some(code));
    }
    let wire = Arc::new(Wire::default());
    wire.on(STS, 500, &sts_error("InternalFailure"));
    wire.on(STS, 200, &sts_success("WEB", "2033-05-18T04:33:20Z"));
    assert_eq!(log_in(&wire, &env).await.unwrap().access_key_id, "WEB");
    let unreachable = Arc::new(Wire::default());
    let error = log_in(&unreachable, &env).await.unwrap_err();
    assert_eq!(
        (error.link(), unreachable.asked().len()),
        (Link::Network, 3)
    );
    assert!(explain(&error).contains("cannot connect to sts.eu-central-1.amazonaws.com"));
}

#[tokio::test(start_paused = true)]
async fn answers_that_make_no_sense_are_errors() {
    let (_dir, path) = file("a.b.c");
    let env = [ROLE, ("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str())];
    for (status, body, class) in [
        (200, "<html>canary</html>".to_owned(), Class::Bug),
        (200, String::new(), Class::Bug),
        // Over by the peer's own clock, whatever this machine's says.
        (200, sts_success("WEB", "2033-05-18T03:33:20Z"), Class::Bug),
        (403, "<html>canary</html>".to_owned(), Class::Denied),
        (302, String::new(), Class::Config),
    ] {
        let wire = Arc::new(Wire::default());
        wire.on(STS, status, &body);
        let error = log_in(&wire, &env).await.unwrap_err();
        assert_eq!(error.class(), class, "{status} {body}");
        assert!(!format!("{error:?} {}", explain(&error)).contains("canary"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_metadata_service_comes_last_and_only_in_version_2() {
    const BASE: &str = "http://169.254.169.254/latest";
    let wire = Arc::new(Wire::default());
    let list = format!("GET {BASE}/meta-data/iam/security-credentials/");
    wire.on(&format!("PUT {BASE}/api/token"), 200, "session");
    wire.on(&list, 200, "node-role\n");
    wire.on(&format!("{list}node-role"), 200, &document("NODE"));
    assert_eq!(log_in(&wire, &[]).await.unwrap().access_key_id, "NODE");
    let asked = wire.asked();
    assert_eq!(
        asked[0].headers["x-aws-ec2-metadata-token-ttl-seconds"],
        "21600"
    );
    for call in &asked[1..] {
        assert_eq!(call.headers["x-aws-ec2-metadata-token"], "session");
    }
    assert!(
        asked
            .iter()
            .all(|call| call.limits.direct && call.limits.total.unwrap() <= Duration::from_secs(2))
    );

    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    let before = wire.asked().len();
    assert_eq!(log_in(&wire, &disabled).await.unwrap_err().code(), "A13");
    assert_eq!(wire.asked().len(), before);
    let nothing = Arc::new(Wire::default());
    let error = log_in(&nothing, &[]).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Config, "A13"));
    assert!(
        nothing
            .asked()
            .iter()
            .all(|call| call.line.starts_with("PUT"))
    );

    let hostile = Arc::new(Wire::default());
    hostile.on(&format!("PUT {BASE}/api/token"), 200, "session");
    hostile.on(&list, 200, "../../user-data");
    assert_eq!(log_in(&hostile, &[]).await.unwrap_err().class(), Class::Bug);
    assert_eq!(hostile.asked().len(), 2);
}
