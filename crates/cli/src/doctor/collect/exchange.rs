//! A login as the operator would do it, tried now with a token of the service account.
//!
//! Owns: doing it once, and saying what came of it as the operator would. Refuses: any login but
//! one by a service account's token (the identity of whoever runs the command is nobody's
//! business here), reading Secrets for it, and keeping what it got.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use keyless_api::SecretStoreSpec;
use keyless_controller::ClusterReader;
use keyless_fault::{Fault as _, ObjectRef, explain};
use keyless_identity::{
    Cluster, Consumer, Environment, Error, Exchange, ExchangeOptions, Resolved, ServiceAccount,
    SubjectToken, Tokens as _, aws, azure, gcp, vault,
};
use keyless_secret::SecretBytes;
use keyless_trust::doctor::{self, Facts, LoginFact, Unseen};
use keyless_trust::plan;
use kube::Client;
use serde_json::Value;
use tokio::time::Instant;

use super::{text, unseen};
use crate::doctor::patience::within;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(3);

/// The cluster, without its Secrets.
struct Open(ClusterReader);

impl Cluster for Open {
    fn service_account<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        self.0.service_account(namespace, name)
    }

    fn token<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        audiences: &'a [String],
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        self.0.token(namespace, name, audiences, ttl)
    }

    fn secret_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        ready(Err(Error::Config {
            reason: format!("{UNREAD} Secret {namespace}/{name}"),
            hint: None,
            code: "",
        }))
        .boxed()
    }

    fn config_map_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        self.0.config_map_key(namespace, name, key)
    }
}

/// Begins the text of a login that needs what is not read.
const UNREAD: &str = "the doctor does not read";

/// What is to be tried.
enum Login {
    Aws(aws::Login),
    Azure(azure::Login),
    Google(gcp::Login),
    Vault(Box<vault::Login>),
}

impl Login {
    fn describe(&self) -> String {
        match self {
            Self::Aws(login) => login.describe(),
            Self::Azure(login) => login.describe(),
            Self::Google(login) => login.describe(),
            Self::Vault(login) => login.describe(),
        }
    }

    /// Whether a service account's token is all that it takes.
    fn is_by_token(&self) -> bool {
        match self {
            Self::Aws(login) => matches!(login.source, aws::Source::WebIdentity { .. }),
            Self::Azure(login) => matches!(login.source, azure::Source::ServiceAccount { .. }),
            Self::Google(login) => matches!(
                login.source,
                gcp::Source::Federated {
                    subject: gcp::Subject::ServiceAccount { .. },
                    ..
                }
            ),
            Self::Vault(login) => matches!(
                login.method,
                vault::Method::Jwt {
                    subject: vault::Subject::Account { .. },
                    ..
                } | vault::Method::Kubernetes {
                    subject: vault::Subject::Account { .. },
                    ..
                }
            ),
        }
    }
}

/// What became of the login of `facts`; nothing where there is none.
pub async fn try_login(
    client: &Client,
    facts: &Facts,
    environment: &Environment,
    until: Instant,
) -> Option<Result<LoginFact, Unseen>> {
    let identity = doctor::diagnose(facts).identity?;
    let what = format!("a login as {}", identity.becomes());
    let cluster = Arc::new(Open(ClusterReader::new(client.clone())));
    let resolved = match store_of(facts) {
        Some((spec, consumer)) => {
            let work = resolve(cluster.as_ref(), environment, &spec, &consumer);
            match within(until, work).await {
                Ok(resolved) => resolved,
                Err(why) => return Some(Err(unseen(what, why))),
            }
        }
        None => match of_pod(facts, &identity) {
            Some(login) => Ok(Resolved::To(login)),
            None => {
                return Some(Err(unseen(
                    what,
                    "not tried: a pod's login cannot be repeated from here",
                )));
            }
        },
    };
    let login = match resolved {
        Ok(Resolved::To(login)) => login,
        Ok(Resolved::Referent(why)) => return Some(Err(unseen(what, why))),
        Err(error) => {
            let text = explain(&error);
            if text.contains(UNREAD) {
                return Some(Err(unseen(what, text)));
            }
            return Some(Ok(refused(identity.becomes(), &error)));
        }
    };
    if !login.is_by_token() {
        let why = "not tried: it takes more than a token of a service account";
        return Some(Err(unseen(format!("a login as {}", login.describe()), why)));
    }
    let options = ExchangeOptions {
        connect: CONNECT,
        total: ANSWER,
        ..ExchangeOptions::from_environment(environment)
    };
    let http = match Exchange::new(&options) {
        Ok(http) => Arc::new(http),
        Err(error) => return Some(Err(unseen(what, error.to_string()))),
    };
    let name = login.describe();
    match within(until, perform(cluster, http, environment.clone(), &login)).await {
        Err(why) => Some(Err(unseen(format!("a login as {name}"), why))),
        Ok(Err(error)) => Some(Ok(refused(name, &error))),
        Ok(Ok(())) => Some(Ok(LoginFact {
            identity: name,
            ..LoginFact::default()
        })),
    }
}

fn refused(identity: String, error: &Error) -> LoginFact {
    LoginFact {
        identity,
        refused: Some(explain(error)),
        link: Some(error.link().as_str().to_owned()),
    }
}

/// The store of an object, and for whom it is used.
fn store_of(facts: &Facts) -> Option<(SecretStoreSpec, Consumer)> {
    let store = facts
        .objects
        .iter()
        .find(|o| text(o, "/kind").ends_with("SecretStore"))?;
    let spec = keyless_api::decode(store.get("spec")?).ok()?;
    let about = facts.about.split_once(' ').map_or("", |(_, name)| name);
    let namespace = about
        .split_once('/')
        .map(|(namespace, _)| namespace.to_owned());
    let consumer = Consumer {
        store: ObjectRef::new(
            text(store, "/kind"),
            text(store, "/metadata/namespace"),
            text(store, "/metadata/name"),
        ),
        namespace,
    };
    Some((spec, consumer))
}

async fn resolve(
    cluster: &dyn Cluster,
    env: &Environment,
    spec: &SecretStoreSpec,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    fn map<T>(resolved: Resolved<T>, to: impl FnOnce(T) -> Login) -> Resolved<Login> {
        match resolved {
            Resolved::To(login) => Resolved::To(to(login)),
            Resolved::Referent(why) => Resolved::Referent(why),
        }
    }
    let provider = &spec.provider;
    if let Some(spec) = &provider.aws {
        return Ok(map(
            aws::resolve(cluster, spec, consumer).await?,
            Login::Aws,
        ));
    }
    if let Some(spec) = &provider.azurekv {
        let login = azure::resolve(cluster, env, spec, consumer).await?;
        return Ok(map(login, Login::Azure));
    }
    if let Some(spec) = &provider.gcpsm {
        let login = gcp::resolve(cluster, env, spec, consumer).await?;
        return Ok(map(login, Login::Google));
    }
    if let Some(spec) = &provider.vault {
        let product = vault::Product::Vault;
        let login = vault::resolve(cluster, env, product, spec, consumer).await?;
        return Ok(map(login, |login| Login::Vault(Box::new(login))));
    }
    Ok(Resolved::Referent("not tried: no cloud is asked".into()))
}

/// A pod's login, as its variables describe it.
fn of_pod(facts: &Facts, identity: &plan::Identity) -> Option<Login> {
    let plan::Cloud::Aws {
        role: Some(role), ..
    } = &identity.cloud
    else {
        return None;
    };
    let pod = facts.objects.iter().find(|o| text(o, "/kind") == "Pod")?;
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let mut variables = containers
        .into_iter()
        .flatten()
        .filter_map(|c| c.get("env")?.as_array())
        .flatten();
    let region = variables.find(|v| {
        matches!(text(v, "/name"), "AWS_REGION" | "AWS_DEFAULT_REGION")
            && !text(v, "/value").is_empty()
    });
    Some(Login::Aws(aws::Login {
        region: aws::Region::parse(text(region?, "/value")).ok()?,
        source: aws::Source::WebIdentity {
            namespace: identity.account.namespace.clone(),
            service_account: identity.account.name.clone(),
            uid: String::new(),
            role: aws::RoleArn::parse(&role.to_string(), "AWS_ROLE_ARN").ok()?,
            audiences: vec![identity.audience.clone()],
        },
        hops: Vec::new(),
    }))
}

/// Logs in, and forgets what came of it; what can be ended is ended.
async fn perform(
    cluster: Arc<Open>,
    http: Arc<Exchange>,
    env: Environment,
    login: &Login,
) -> Result<(), Error> {
    let aws = Arc::new(aws::Logins::new(cluster.clone(), http.clone(), env.clone()));
    let gcp = || gcp::Logins::new(cluster.clone(), http.clone(), env.clone(), Arc::clone(&aws));
    match login {
        Login::Aws(login) => aws.credentials(login).await.map(drop),
        Login::Azure(login) => {
            let logins = azure::Logins::new(cluster, http, env);
            logins.token(login).await.map(drop)
        }
        Login::Google(login) => gcp().token(login).await.map(drop),
        Login::Vault(login) => {
            let observer = vault::Observer::new(|_, _, _| {});
            let gcp = Arc::new(gcp());
            let logins = vault::Logins::new(cluster, http, aws, gcp, observer);
            let session = logins.session(login).await;
            logins.close(CONNECT).await;
            session.map(drop)
        }
    }
}
