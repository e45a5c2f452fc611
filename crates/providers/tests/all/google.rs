//! A Google in memory: token services, metadata server and Secret Manager, as far as their wire
//! formats go. Nothing is verified here; that is the sandbox's work.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Response};
use keyless_identity::{Cluster, Environment, HttpError, HttpExchange, Peer};
use keyless_providers::{Registry, RegistryOptions};
use serde_json::{Value, json};

use crate::cloud::{Kube, form};

pub const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/providers/prov-1";
pub const EMAIL: &str = "app@p.iam.gserviceaccount.com";
/// The time by this Google's clock.
const DATE: &str = "Wed, 18 May 2033 03:33:20 GMT";

#[derive(Default)]
pub struct State {
    /// By `[locations/L/]secrets/ID`.
    pub secrets: BTreeMap<String, Secret>,
    /// What comes next from a host, instead of what it would say.
    pub answers: BTreeMap<String, VecDeque<Response<Bytes>>>,
    /// Every call: `HOST METHOD path?query`, its token, its body.
    pub calls: Vec<Call>,
    /// Tokens that Secret Manager does not take any more.
    pub ended: Vec<String>,
    /// Whether a metadata server is there.
    pub metadata: bool,
    issued: usize,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub host: String,
    pub line: String,
    pub token: String,
    pub body: String,
    /// `x-goog-user-project`.
    pub quota: Option<String>,
    pub guarded: bool,
}

#[derive(Clone, Default)]
pub struct Secret {
    pub about: Value,
    pub versions: Vec<(Vec<u8>, &'static str)>,
    pub aliases: BTreeMap<String, usize>,
}

#[derive(Clone)]
pub struct Google {
    pub state: Arc<Mutex<State>>,
    guarded: bool,
}

impl std::fmt::Debug for Google {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Google")
    }
}

pub fn answer(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let builder = Response::builder().status(status).header("date", DATE);
    builder.body(body.into()).unwrap()
}

/// An error as Google's APIs write one.
pub fn error(status: u16, code: &str, message: &str, reason: &str) -> Response<Bytes> {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    let error = json!({"code": status, "status": code, "message": message, "details": details});
    answer(status, json!({ "error": error }).to_string())
}

impl Google {
    pub fn put(&self, path: &str, value: &str) {
        let mut state = self.state.lock().unwrap();
        let secret = state.secrets.entry(path.into()).or_default();
        if secret.about.is_null() {
            secret.about = json!({});
        }
        secret.versions.push((value.into(), "ENABLED"));
    }

    pub fn edit(&self, edit: impl FnOnce(&mut State)) {
        edit(&mut self.state.lock().unwrap());
    }

    /// What `host` says next, whatever it is asked.
    pub fn next(&self, host: &str, answer: Response<Bytes>) {
        let mut state = self.state.lock().unwrap();
        state
            .answers
            .entry(host.into())
            .or_default()
            .push_back(answer);
    }

    pub fn calls(&self, part: &str) -> Vec<Call> {
        let state = self.state.lock().unwrap();
        let of = |call: &&Call| format!("{} {}", call.host, call.line).contains(part);
        state.calls.iter().filter(of).cloned().collect()
    }
}

impl HttpExchange for Google {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        async move {
            let (parts, body) = request.into_parts();
            let host = parts.uri.host().unwrap().to_owned();
            let text = parts.uri.path_and_query().unwrap().as_str();
            let header = |name: &str| {
                let value = parts.headers.get(name)?;
                Some(value.to_str().ok()?.to_owned())
            };
            let token = header("authorization").unwrap_or_default();
            let token = token.trim_start_matches("Bearer ").to_owned();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let mut state = self.state.lock().unwrap();
            state.calls.push(Call {
                host: host.clone(),
                line: format!("{} {text}", parts.method),
                token: token.clone(),
                body: body.clone(),
                quota: header("x-goog-user-project"),
                guarded: self.guarded,
            });
            if let Some(next) = state.answers.get_mut(&host).and_then(VecDeque::pop_front) {
                return Ok(next);
            }
            let gone = || HttpError::Connect {
                host: host.clone(),
                reason: "no route".into(),
            };
            match host.as_str() {
                "sts.googleapis.com" => Ok(state.exchange(&form(&body))),
                "securetoken.googleapis.com" => {
                    Ok(state.exchange(&serde_json::from_str(&body).unwrap()))
                }
                "oauth2.googleapis.com" => Ok(state.issue("key")),
                "iamcredentials.googleapis.com" => Ok(account(text, &token, &body)),
                "metadata.google.internal" if state.metadata => Ok(state.machine(text)),
                host if host.starts_with("secretmanager.") => {
                    let call = (&parts.method, parts.uri.path(), parts.uri.query());
                    Ok(state.secret_manager(call, &token, &body))
                }
                "vault.example" => Ok(answer(
                    200,
                    r#"{"auth":{"client_token":"canary","lease_duration":3600,"renewable":true},"data":{}}"#,
                )),
                "tokens.example" => Ok(answer(200, r#"{"jwt":"a.b.canarysubject"}"#)),
                _ => Err(gone()),
            }
        }
        .boxed()
    }

    fn to_peer(&self, peer: &Peer) -> Result<Arc<dyn HttpExchange>, HttpError> {
        Ok(Arc::new(Self {
            state: Arc::clone(&self.state),
            guarded: peer.guarded,
        }))
    }
}

/// IAM Credentials.
fn account(path: &str, token: &str, body: &str) -> Response<Bytes> {
    assert!(token.starts_with("canarytoken"), "{token}");
    let (email, method) = path.rsplit('/').next().unwrap().split_once(':').unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    if method == "signJwt" {
        let payload: Value = serde_json::from_str(body["payload"].as_str().unwrap()).unwrap();
        let sub = payload["sub"].as_str().unwrap();
        let signed = format!("signed.{}.{sub}", payload["aud"].as_str().unwrap());
        return answer(200, json!({"keyId": "k", "signedJwt": signed}).to_string());
    }
    assert_eq!(body["lifetime"], "3600s");
    let token = json!({"accessToken": format!("canarytoken-as-{email}"), "expireTime": "2033-05-18T04:33:20Z"});
    answer(200, token.to_string())
}

impl State {
    fn exchange(&mut self, form: &BTreeMap<String, String>) -> Response<Bytes> {
        assert_eq!(
            form["grant_type"],
            "urn:ietf:params:oauth:grant-type:token-exchange"
        );
        let audience = form["audience"].rsplit('/').next().unwrap().to_owned();
        self.issue(&audience)
    }

    fn issue(&mut self, whose: &str) -> Response<Bytes> {
        self.issued += 1;
        let token = format!("canarytoken-{whose}-{}", self.issued);
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600});
        answer(200, body.to_string())
    }

    fn machine(&mut self, path: &str) -> Response<Bytes> {
        let path = path.strip_prefix("/computeMetadata/v1/").unwrap();
        let mut found = match path.split('?').next().unwrap() {
            "project/project-id" => answer(200, "operator-project"),
            "instance/attributes/cluster-name" => answer(200, "cluster-1"),
            "instance/attributes/cluster-location" => answer(200, "europe-west3"),
            "instance/service-accounts/default/token" => self.issue("machine"),
            "instance/service-accounts/default/identity" => answer(200, format!("machine.{path}")),
            other => panic!("{other}"),
        };
        let google = http::HeaderValue::from_static("Google");
        found.headers_mut().insert("metadata-flavor", google);
        found
    }

    fn secret_manager(
        &mut self,
        (method, path, query): (&Method, &str, Option<&str>),
        token: &str,
        body: &str,
    ) -> Response<Bytes> {
        if self.ended.iter().any(|ended| ended == token) || token.is_empty() {
            return error(
                401,
                "UNAUTHENTICATED",
                "invalid authentication credentials",
                "",
            );
        }
        let query = form(query.unwrap_or_default());
        let path = path.strip_prefix("/v1/projects/p-1/").unwrap_or(path);
        let (path, action) = path.split_once(':').unwrap_or((path, ""));
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        match (method.as_str(), path.rsplit_once("/versions"), action) {
            ("GET", Some((secret, version)), "access") => {
                self.access(secret, version.trim_start_matches('/'))
            }
            ("GET", Some((secret, "")), "") => self.versions(secret, &query),
            ("POST", None, "addVersion") => {
                let data = body["payload"]["data"].as_str().unwrap();
                assert!(body["payload"]["dataCrc32c"].is_string());
                let secret = self.secrets.get_mut(path).unwrap();
                secret
                    .versions
                    .push((STANDARD.decode(data).unwrap(), "ENABLED"));
                answer(200, "{}")
            }
            ("POST", None, "") => {
                let id = &query["secretId"];
                let secret = Secret {
                    about: body,
                    ..Secret::default()
                };
                self.secrets.insert(format!("{path}/{id}"), secret);
                answer(200, "{}")
            }
            ("PATCH", None, "") => {
                let secret = self.secrets.get_mut(path).unwrap();
                for field in query["updateMask"].split(',') {
                    secret.about[field] = body[field].clone();
                }
                answer(200, "{}")
            }
            ("DELETE", None, "") => {
                self.secrets.remove(path).unwrap();
                answer(200, "{}")
            }
            ("GET", None, "") if path.ends_with("secrets") => self.list(path, &query),
            ("GET", None, "") => match self.secrets.get(path) {
                None => missing(&format!("Secret [projects/1/{path}] not found.")),
                Some(secret) => answer(200, described(path, secret).to_string()),
            },
            other => panic!("{other:?} {path}"),
        }
    }

    fn access(&self, path: &str, version: &str) -> Response<Bytes> {
        let secret = self
            .secrets
            .get(path)
            .filter(|secret| !secret.versions.is_empty());
        let Some(secret) = secret else {
            return missing(&format!(
                "Secret [projects/1/{path}] not found or has no versions."
            ));
        };
        let number = match version {
            "latest" => secret.versions.len(),
            other => match secret.aliases.get(other) {
                Some(number) => *number,
                None => other.parse().unwrap_or(0),
            },
        };
        let found = number
            .checked_sub(1)
            .and_then(|index| secret.versions.get(index));
        let name = format!("projects/1/{path}/versions/{version}");
        match found {
            None => missing(&format!("Secret Version [{name}] not found.")),
            Some((value, "ENABLED")) => {
                let sum = crc(value).to_string();
                let payload = json!({"data": STANDARD.encode(value), "dataCrc32c": sum});
                answer(200, json!({"name": name, "payload": payload}).to_string())
            }
            Some((_, state)) => {
                let text = format!("Secret Version [{name}] is in {state} state.");
                error(400, "FAILED_PRECONDITION", &text, "")
            }
        }
    }

    fn versions(&self, path: &str, query: &BTreeMap<String, String>) -> Response<Bytes> {
        assert_eq!(query["filter"], "state:ENABLED");
        let versions = self.secrets[path].versions.iter().enumerate().rev();
        let versions: Vec<Value> = versions
            .filter(|(_, (_, state))| *state == "ENABLED")
            .map(|(i, (_, state))| json!({"name": format!("projects/1/{path}/versions/{}", i + 1), "state": state}))
            .collect();
        answer(200, json!({ "versions": versions }).to_string())
    }

    /// Two a page; an empty list is an empty object.
    fn list(&self, path: &str, query: &BTreeMap<String, String>) -> Response<Bytes> {
        let filter = query.get("filter").cloned().unwrap_or_default();
        let fits = |path: &str, secret: &Secret| {
            filter.split_whitespace().all(|term| {
                if let Some(name) = term.strip_prefix("name:") {
                    return path.contains(name);
                }
                let (label, value) = term
                    .strip_prefix("labels.")
                    .unwrap()
                    .split_once('=')
                    .unwrap();
                secret.about["labels"][label] == value
            })
        };
        let below = format!("{path}/");
        let all: Vec<_> = self
            .secrets
            .iter()
            .filter(|(path, secret)| path.starts_with(&below) && fits(path, secret))
            .collect();
        let start: usize = query
            .get("pageToken")
            .map_or(0, |token| token.parse().unwrap());
        let page: Vec<Value> = all
            .iter()
            .skip(start)
            .take(2)
            .map(|(path, secret)| described(path, secret))
            .collect();
        let mut out = json!({});
        if !page.is_empty() {
            out["secrets"] = json!(page);
        }
        if all.len() > start + 2 {
            out["nextPageToken"] = json!((start + 2).to_string());
        }
        answer(200, out.to_string())
    }
}

fn described(path: &str, secret: &Secret) -> Value {
    let mut about = secret.about.clone();
    about["name"] = json!(format!("projects/1/{path}"));
    about["etag"] = json!("\"1\"");
    about
}

fn missing(message: &str) -> Response<Bytes> {
    error(404, "NOT_FOUND", message, "")
}

/// CRC32C, bit by bit: not the way of the code under test.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

pub struct World {
    pub google: Google,
    pub kube: Arc<Kube>,
    pub registry: Arc<Registry>,
}

pub fn world(env: &[(&str, &str)]) -> World {
    let google = Google {
        state: Arc::default(),
        guarded: false,
    };
    let kube = Arc::new(Kube::default());
    let env: Environment = env.iter().copied().collect();
    let registry = Registry::new(
        Arc::clone(&kube) as Arc<dyn Cluster>,
        Arc::new(google.clone()),
        env,
        RegistryOptions::default(),
    );
    World {
        google,
        kube,
        registry: Arc::new(registry),
    }
}
