//! The registry over the network: against the sandbox's AWS with the tokens of its issuer, or
//! against any other endpoint with static keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::{Class, Link, ObjectRef};
use keyless_identity::{
    Cluster, Environment, Error, Exchange, ExchangeOptions, HttpExchange, ServiceAccount,
    SubjectToken,
};
use keyless_providers::{Provider, Registry, RegistryOptions};
use keyless_sandbox::issuer::{Issuer, Mint};
use keyless_sandbox::{Sandbox, SandboxOptions};
use keyless_secret::SecretBytes;
use serde_json::{Value, json};

use crate::cloud::REGION;
use crate::stores::{spec, store};

/// A cluster whose tokens are signed by a sandbox's issuer.
pub struct Kube {
    issuer: Option<Issuer>,
    accounts: Mutex<HashMap<(String, String), ServiceAccount>>,
    secrets: Mutex<HashMap<(String, String, String), SecretBytes>>,
    config_maps: Mutex<HashMap<(String, String, String), String>>,
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

type Key<'a> = (&'a str, &'a str, &'a str);

fn owned((namespace, name, key): Key<'_>) -> (String, String, String) {
    (namespace.into(), name.into(), key.into())
}

impl Kube {
    fn new(issuer: Option<Issuer>) -> Self {
        Self {
            issuer,
            accounts: Mutex::default(),
            secrets: Mutex::default(),
            config_maps: Mutex::default(),
        }
    }

    pub fn secret(&self, key: Key<'_>, value: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        secrets.insert(owned(key), value.into());
    }

    pub fn config_map(&self, key: Key<'_>, value: &str) {
        let mut maps = self.config_maps.lock().unwrap();
        maps.insert(owned(key), value.into());
    }
}

impl Cluster for Kube {
    fn service_account<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        async move {
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
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        async move {
            let ttl = Duration::from_secs(3600);
            let (token, _) = self
                .issuer
                .as_ref()
                .unwrap()
                .mint(Mint {
                    namespace,
                    service_account: name,
                    uid: "uid",
                    audiences,
                    ttl,
                    pod: None,
                    secret: None,
                })
                .unwrap();
            Ok(SubjectToken {
                token: token.as_str().into(),
                expires: SystemTime::now() + ttl,
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
            let found = secrets.get(&owned((namespace, name, key))).cloned();
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
            let found = maps.get(&owned((namespace, name, key))).cloned();
            found.ok_or_else(|| missing("ConfigMap", namespace, name))
        }
        .boxed()
    }
}

/// A registry and what it reaches.
pub struct Place {
    pub kube: Arc<Kube>,
    pub registry: Registry,
}

impl Place {
    fn new(kube: Kube, env: Environment) -> Self {
        let kube = Arc::new(kube);
        let exchange = Exchange::new(&ExchangeOptions::default()).unwrap();
        let registry = Registry::new(
            Arc::clone(&kube) as Arc<dyn Cluster>,
            Arc::new(exchange) as Arc<dyn HttpExchange>,
            env,
            RegistryOptions::default(),
        );
        Self { kube, registry }
    }

    /// At `url`, whoever serves it; the operator has the key `id`.
    pub fn with_keys(url: &str, id: &str, secret: &str) -> Self {
        let env = [
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        Self::new(Kube::new(None), env.into_iter().collect())
    }

    /// Opens the store `aws` for a reader in namespace `ns`.
    pub async fn open(&self, mut aws: Value) -> Arc<dyn Provider> {
        aws["region"] = json!(REGION);
        let spec = spec(json!({ "aws": aws }));
        self.registry.open(&spec, &store("ns")).await.unwrap()
    }
}

/// The sandbox and a registry that uses it.
pub struct Sand {
    pub sandbox: Sandbox,
    pub place: Place,
}

impl Sand {
    /// With `env` besides the endpoint.
    pub async fn with(env: impl FnOnce(&Sandbox) -> Vec<(String, String)>) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let mut all = vec![
            ("AWS_ENDPOINT_URL".to_owned(), sandbox.aws_url()),
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
        ];
        all.extend(env(&sandbox));
        let kube = Kube::new(Some(sandbox.issuer.clone()));
        let place = Place::new(kube, all.into_iter().collect());
        Self { sandbox, place }
    }

    pub async fn new() -> Self {
        Self::with(|_| Vec::new()).await
    }

    /// Role `name`, which service account `ns/name` may assume and which may do `statements`.
    pub fn role(&self, name: &str, statements: Value) -> String {
        let aws = &self.sandbox.aws;
        let issuer = self.sandbox.issuer.url();
        // It may be there already.
        let _ = aws.create_oidc_provider(issuer, &["sts.amazonaws.com"]);
        let host = issuer.trim_start_matches("https://");
        let provider = format!("arn:aws:iam::{}:oidc-provider/{host}", aws.account());
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider},
            "Condition": {"StringEquals": {format!("{host}:sub"): format!("system:serviceaccount:ns:{name}")}},
        }]});
        let role = aws.create_role(name, &trust.to_string()).unwrap();
        self.allow(name, statements);
        let annotations = [("eks.amazonaws.com/role-arn".to_owned(), role.clone())];
        self.place.kube.accounts.lock().unwrap().insert(
            ("ns".into(), name.into()),
            ServiceAccount {
                uid: name.into(),
                annotations: annotations.into(),
            },
        );
        role
    }

    /// Replaces what role `name` may do.
    pub fn allow(&self, name: &str, statements: Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let aws = &self.sandbox.aws;
        aws.put_role_policy(name, "p", &policy.to_string()).unwrap();
    }

    /// A Secrets Manager store that logs in as `ns/name`.
    pub async fn secrets(&self, name: &str) -> Arc<dyn Provider> {
        self.place.open(jwt("SecretsManager", name)).await
    }

    /// How often Secrets Manager's `api` was called.
    pub fn calls(&self, api: &str) -> u64 {
        self.sandbox.aws.calls("secretsmanager", api).total
    }
}

/// A store's spec without the region.
pub fn jwt(service: &str, account: &str) -> Value {
    json!({"service": service, "auth": {"jwt": {"serviceAccountRef": {"name": account}}}})
}

/// May do everything with secrets.
pub fn everything() -> Value {
    json!([{"Effect": "Allow", "Action": ["secretsmanager:*", "ssm:*", "kms:*"], "Resource": "*"}])
}

/// The SDK's own client at `url`, for setting things up.
pub fn secrets_client(url: &str, id: &str, secret: &str) -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(url)
        // The first answer of a peer that is still loading takes its time.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .http_client(sdk_http())
        .build();
    aws_sdk_secretsmanager::Client::from_conf(config)
}

/// As [`secrets_client`], for Systems Manager.
pub fn parameters_client(url: &str, id: &str, secret: &str) -> aws_sdk_ssm::Client {
    let config = aws_sdk_ssm::Config::builder()
        .behavior_version(aws_sdk_ssm::config::BehaviorVersion::latest())
        .region(aws_sdk_ssm::config::Region::new(REGION))
        .endpoint_url(url)
        .stalled_stream_protection(aws_sdk_ssm::config::StalledStreamProtectionConfig::disabled())
        .credentials_provider(aws_sdk_ssm::config::Credentials::new(
            id, secret, None, None, "test",
        ))
        .http_client(sdk_http())
        .build();
    aws_sdk_ssm::Client::from_conf(config)
}

fn sdk_http() -> keyless_identity::sdk::SdkHttp {
    let exchange = Exchange::new(&ExchangeOptions::default()).unwrap();
    keyless_identity::sdk::SdkHttp::new(Arc::new(exchange))
}
