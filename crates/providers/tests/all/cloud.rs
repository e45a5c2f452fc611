//! An AWS and a cluster in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Link, ObjectRef};
use keyless_identity::{
    Cluster, Environment, Error, HttpError, HttpExchange, ServiceAccount, StoredSecret,
    SubjectToken,
};
use keyless_providers::{Registry, RegistryOptions};
use keyless_secret::SecretBytes;
use serde_json::{Value, json};

pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "111122223333";

/// What the cloud holds, and what it was asked.
#[derive(Default)]
pub struct State {
    pub parameters: BTreeMap<String, Parameter>,
    /// Names that a GetParameter* for them is denied.
    pub denied: BTreeSet<String>,
    /// Operations that are denied altogether.
    pub denied_operations: BTreeSet<&'static str>,
    /// Token subject → error of STS: status, code, message.
    pub refused: HashMap<String, (u16, &'static str, &'static str)>,
    /// Access keys that the service does not know any more.
    pub expired: BTreeSet<String>,
    /// How many calls are throttled before one passes.
    pub throttle: usize,
    /// Every call: service, operation, access key id, body.
    pub calls: Vec<Call>,
    issued: usize,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub operation: String,
    pub access_key: String,
    pub body: String,
    pub host: String,
}

#[derive(Clone, Default)]
pub struct Parameter {
    pub versions: Vec<String>,
    pub labels: BTreeMap<String, usize>,
    pub tags: BTreeMap<String, String>,
}

#[derive(Default)]
pub struct Cloud(pub Mutex<State>);

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cloud")
    }
}

impl Cloud {
    pub fn put(&self, name: &str, value: &str) {
        let mut state = self.0.lock().unwrap();
        let parameter = state.parameters.entry(name.into()).or_default();
        parameter.versions.push(value.into());
    }

    pub fn edit(&self, edit: impl FnOnce(&mut State)) {
        edit(&mut self.0.lock().unwrap());
    }

    pub fn calls(&self, operation: &str) -> Vec<Call> {
        let state = self.0.lock().unwrap();
        let of = |call: &&Call| call.operation == operation;
        state.calls.iter().filter(of).cloned().collect()
    }
}

impl HttpExchange for Cloud {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (parts, body) = request.into_parts();
            let header = |name: &str| {
                let value = parts.headers.get(name)?;
                Some(value.to_str().ok()?.to_owned())
            };
            let access_key = header("authorization")
                .and_then(|value| {
                    Some(
                        value
                            .split("Credential=")
                            .nth(1)?
                            .split('/')
                            .next()?
                            .to_owned(),
                    )
                })
                .unwrap_or_default();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let host = parts.uri.host().unwrap_or_default().to_owned();
            let mut state = self.0.lock().unwrap();
            let target = header("x-amz-target")
                .and_then(|target| Some(target.split('.').nth(1)?.to_owned()));
            let form: BTreeMap<String, String> = form(&body);
            let operation = target
                .clone()
                .or_else(|| form.get("Action").cloned())
                .unwrap_or_else(|| parts.uri.path().to_owned());
            state.calls.push(Call {
                operation: operation.clone(),
                access_key: access_key.clone(),
                body: body.clone(),
                host,
            });
            let (status, text) = match target {
                Some(operation) => {
                    let (status, value) = state.ssm(&operation, &access_key, &body);
                    (status, value.to_string())
                }
                None => state.sts(&form),
            };
            Ok(http::Response::builder()
                .status(status)
                .header("x-amzn-requestid", "req-1")
                .body(Bytes::from(text))
                .unwrap())
        }
        .boxed()
    }
}

pub fn form(body: &str) -> BTreeMap<String, String> {
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| {
            let mut out = Vec::new();
            let mut bytes = value.bytes();
            while let Some(byte) = bytes.next() {
                match byte {
                    b'%' => {
                        let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                        let hex = std::str::from_utf8(&hex).unwrap().to_owned();
                        out.push(u8::from_str_radix(&hex, 16).unwrap());
                    }
                    b'+' => out.push(b' '),
                    other => out.push(other),
                }
            }
            (key.to_owned(), String::from_utf8(out).unwrap())
        })
        .collect()
}

impl State {
    fn sts(&mut self, form: &BTreeMap<String, String>) -> (u16, String) {
        let subject = form
            .get("WebIdentityToken")
            .map(|token| token.rsplit('.').next().unwrap().to_owned())
            .unwrap_or_default();
        if let Some((status, code, message)) = self.refused.get(&subject) {
            return (
                *status,
                format!(
                    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
                     <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                     <RequestId>r</RequestId></ErrorResponse>"
                ),
            );
        }
        self.issued += 1;
        let (number, action) = (self.issued, &form["Action"]);
        (
            200,
            format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
                 <Credentials><SessionToken>canarysession{number}</SessionToken>\
                 <Expiration>2099-01-01T00:00:00Z</Expiration>\
                 <SecretAccessKey>canarysecret{number}</SecretAccessKey>\
                 <AccessKeyId>ASIA{number:016}</AccessKeyId></Credentials>\
                 <AssumedRoleUser><Arn>{}/s</Arn><AssumedRoleId>x</AssumedRoleId></AssumedRoleUser>\
                 </{action}Result></{action}Response>",
                form["RoleArn"]
            ),
        )
    }

    fn ssm(&mut self, operation: &str, access_key: &str, body: &str) -> (u16, Value) {
        if self.throttle > 0 {
            self.throttle -= 1;
            return fault("ThrottlingException", "Rate exceeded");
        }
        if self.expired.contains(access_key) {
            return fault(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            );
        }
        let input: Value = serde_json::from_str(body).unwrap();
        if self.denied_operations.contains(operation) {
            return denied(operation, "*");
        }
        match operation {
            "GetParameter" => self.get_parameter(input["Name"].as_str().unwrap()),
            "GetParameters" => self.get_parameters(&input),
            "GetParametersByPath" => self.by_path(&input),
            "DescribeParameters" => self.describe(&input),
            "ListTagsForResource" => {
                let name = input["ResourceId"].as_str().unwrap();
                let tags = &self.parameters[name].tags;
                let list: Vec<Value> = tags
                    .iter()
                    .map(|(k, v)| json!({"Key": k, "Value": v}))
                    .collect();
                (200, json!({"TagList": list}))
            }
            other => panic!("{other}"),
        }
    }

    /// Name, version text or label → the wire form, or the error's code.
    fn look(&self, name: &str) -> Result<Value, &'static str> {
        let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter");
        let local = name.strip_prefix(&arn).unwrap_or(name);
        let (base, selector) = match local.split_once(':') {
            Some((base, selector)) => (base, Some(selector)),
            None => (local, None),
        };
        let parameter = self.parameters.get(base).ok_or("ParameterNotFound")?;
        let version = match selector {
            None => parameter.versions.len(),
            Some(selector) => match parameter.labels.get(selector) {
                Some(version) => *version,
                None => selector.parse().map_err(|_| "ParameterVersionNotFound")?,
            },
        };
        let value = version
            .checked_sub(1)
            .and_then(|index| parameter.versions.get(index))
            .ok_or("ParameterVersionNotFound")?;
        let mut out = json!({
            "Name": base, "Type": "SecureString", "Value": value, "Version": version,
            "ARN": format!("{arn}{}{base}", if base.starts_with('/') { "" } else { "/" }),
        });
        if let Some(selector) = selector {
            out["Selector"] = json!(format!(":{selector}"));
        }
        Ok(out)
    }

    fn get_parameter(&self, name: &str) -> (u16, Value) {
        if self.denied.contains(name) {
            return denied("GetParameter", name);
        }
        match self.look(name) {
            Ok(parameter) => (200, json!({"Parameter": parameter})),
            Err(code) => fault(code, ""),
        }
    }

    fn get_parameters(&self, input: &Value) -> (u16, Value) {
        let names: Vec<&str> = input["Names"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_str().unwrap())
            .collect();
        assert!(names.len() <= 10 && input["WithDecryption"] == json!(true));
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        if let Some(name) = names.iter().find(|name| self.denied.contains(**name)) {
            return denied("GetParameters", name);
        }
        let mut found = Vec::new();
        let mut invalid = Vec::new();
        for name in names.iter().rev() {
            match self.look(name) {
                Ok(parameter) => found.push(parameter),
                Err(_) => invalid.push(json!(name)),
            }
        }
        (
            200,
            json!({"Parameters": found, "InvalidParameters": invalid}),
        )
    }

    fn by_path(&self, input: &Value) -> (u16, Value) {
        assert!(input["Recursive"] == json!(true) && input["WithDecryption"] == json!(true));
        let path = input["Path"].as_str().unwrap().trim_end_matches('/');
        let below = format!("{path}/");
        let names: Vec<&String> = self
            .parameters
            .keys()
            .filter(|name| name.starts_with(&below))
            .collect();
        let start: usize = input["NextToken"]
            .as_str()
            .map_or(0, |token| token.parse().unwrap());
        let page: Vec<Value> = names
            .iter()
            .skip(start)
            .take(10)
            .map(|name| self.look(name).unwrap())
            .collect();
        let mut out = json!({"Parameters": page});
        if names.len() > start + 10 {
            out["NextToken"] = json!((start + 10).to_string());
        }
        (200, out)
    }

    fn describe(&self, input: &Value) -> (u16, Value) {
        let filters = input["ParameterFilters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let matches = |name: &str, parameter: &Parameter| {
            filters.iter().all(|filter| {
                let key = filter["Key"].as_str().unwrap();
                let value = filter["Values"][0].as_str().unwrap();
                match key.strip_prefix("tag:") {
                    Some(tag) => parameter.tags.get(tag).is_some_and(|found| found == value),
                    None => name.starts_with(&format!("{}/", value.trim_end_matches('/'))),
                }
            })
        };
        let found: Vec<Value> = self
            .parameters
            .iter()
            .filter(|(name, parameter)| matches(name, parameter))
            .map(|(name, _)| json!({"Name": name}))
            .collect();
        (200, json!({"Parameters": found}))
    }
}

fn fault(code: &str, message: &str) -> (u16, Value) {
    (
        400,
        json!({"__type": format!("com.amazonaws.ssm#{code}"), "message": message}),
    )
}

fn denied(operation: &str, name: &str) -> (u16, Value) {
    let resource = match name {
        "*" => format!("arn:aws:ssm:{REGION}:{ACCOUNT}:*"),
        name => format!(
            "arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{}",
            name.trim_start_matches('/')
        ),
    };
    fault(
        "AccessDeniedException",
        &format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/app/s is not authorized to perform: ssm:{operation} \
             on resource: {resource} because no identity-based policy allows the ssm:{operation} action"
        ),
    )
}

/// A cluster in memory. A token is `header.claims.subject`, enough for the cloud above.
#[derive(Default)]
pub struct Kube {
    pub accounts: Mutex<HashMap<(String, String), ServiceAccount>>,
    pub secrets: Mutex<HashMap<(String, String, String), SecretBytes>>,
    pub config_maps: Mutex<HashMap<(String, String, String), String>>,
    pub tokens: Mutex<Vec<(String, String, Vec<String>)>>,
    pub account_reads: Mutex<usize>,
}

impl Kube {
    pub fn account(&self, namespace: &str, name: &str, annotations: &[(&str, &str)]) {
        let mut accounts = self.accounts.lock().unwrap();
        let uid = format!("uid-{}", accounts.len());
        let annotations = annotations
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        accounts.insert(
            (namespace.into(), name.into()),
            ServiceAccount { uid, annotations },
        );
    }

    pub fn config_map(&self, namespace: &str, name: &str, key: &str, value: &str) {
        let key = (namespace.into(), name.into(), key.into());
        self.config_maps.lock().unwrap().insert(key, value.into());
    }

    pub fn secret(&self, namespace: &str, name: &str, key: &str, value: &str) {
        let key = (namespace.into(), name.into(), key.into());
        self.secrets.lock().unwrap().insert(key, value.into());
    }
}

fn missing(kind: &str, namespace: &str, name: &str) -> Error {
    Error::Cluster {
        intent: "read",
        object: ObjectRef::new(kind, namespace, name),
        link: Link::Store,
        class: Class::NotFound,
        reason: "not found".into(),
        hint: None,
    }
}

impl Cluster for Kube {
    fn service_account<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        async move {
            *self.account_reads.lock().unwrap() += 1;
            let accounts = self.accounts.lock().unwrap();
            let found = accounts.get(&(namespace.into(), name.into())).cloned();
            found.ok_or_else(|| missing("ServiceAccount", namespace, name))
        }
        .boxed()
    }

    fn token<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        audiences: &'a [String],
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        async move {
            assert!(ttl.is_none_or(|ttl| ttl >= Duration::from_secs(600)));
            let entry = (namespace.to_owned(), name.to_owned(), audiences.to_vec());
            self.tokens.lock().unwrap().push(entry);
            // {"alg":"RS256","kid":"k1"} and {"iss":"https://issuer.example/c1","sub":
            // "system:serviceaccount:ns:sa","aud":["sts.amazonaws.com"]}
            let token = format!(
                "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlL2MxIiwi\
                 c3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50Om5zOnNhIiwiYXVkIjpbInN0cy5hbWF6b25hd3MuY29tIl19.\
                 canarytoken-{namespace}-{name}"
            );
            Ok(SubjectToken {
                token: token.into(),
                expires: SystemTime::now() + Duration::from_secs(3600),
            })
        }
        .boxed()
    }

    fn secret_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        async move {
            let secrets = self.secrets.lock().unwrap();
            let found = secrets
                .get(&(namespace.into(), name.into(), key.into()))
                .cloned();
            found.ok_or_else(|| missing("Secret", namespace, name))
        }
        .boxed()
    }

    fn config_map_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        async move {
            let maps = self.config_maps.lock().unwrap();
            let found = maps
                .get(&(namespace.into(), name.into(), key.into()))
                .cloned();
            found.ok_or_else(|| missing("ConfigMap", namespace, name))
        }
        .boxed()
    }

    fn secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<StoredSecret, Error>> {
        async move {
            let secrets = self.secrets.lock().unwrap();
            let of = |((ns, n, key), value): (&(String, String, String), &SecretBytes)| {
                (ns == namespace && n == name).then(|| (key.clone(), value.clone()))
            };
            let data: BTreeMap<String, SecretBytes> = secrets.iter().filter_map(of).collect();
            if data.is_empty() {
                return Err(missing("Secret", namespace, name));
            }
            Ok(StoredSecret {
                data,
                ..StoredSecret::default()
            })
        }
        .boxed()
    }
}

/// The subject by which [`State::refused`] knows a service account.
pub fn subject(namespace: &str, name: &str) -> String {
    format!("canarytoken-{namespace}-{name}")
}

pub struct World {
    pub cloud: Arc<Cloud>,
    pub kube: Arc<Kube>,
    pub registry: Arc<Registry>,
}

pub fn world() -> World {
    world_with(&[])
}

pub fn world_with(env: &[(&str, &str)]) -> World {
    let cloud = Arc::new(Cloud::default());
    let kube = Arc::new(Kube::default());
    let env: Environment = env.iter().copied().collect();
    let registry = Registry::new(
        Arc::clone(&kube) as Arc<dyn Cluster>,
        Arc::clone(&cloud) as Arc<dyn HttpExchange>,
        env,
        RegistryOptions::default(),
    );
    World {
        cloud,
        kube,
        registry: Arc::new(registry),
    }
}
