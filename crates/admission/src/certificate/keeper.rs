//! Keeps the server's certificate in a Secret, which all replicas share, and its authorities in
//! the webhook configurations.
//!
//! Owns: one step at a time, each written with the resourceVersion that it was decided on, so
//! that of several replicas one wins and the others follow; it may be killed anywhere.
//! Refuses: deciding what is due ([`super::plan`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_kubernetes::request::{Requests, Verb};
use keyless_kubernetes::{Error, request::escape};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::material::Material;
use super::plan::{self, Lives, Step};
use super::{CertificateError, Served};
use crate::watched::{Seen, Watched};

/// How often it is looked at without any news: clocks move, and an event may be lost.
const LOOK: Duration = Duration::from_secs(60);
/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// Who writes the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// This program.
    Own,
    /// Somebody else, such as cert-manager: it is only read.
    Other,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// What the API server calls the server by.
    pub names: Vec<String>,
    /// Who writes the Secret.
    pub maker: Maker,
    /// How long everything lasts.
    pub lives: Lives,
}

/// Keeps the certificate.
#[derive(Debug)]
pub struct Keeper {
    requests: Requests,
    place: Place,
    secret: Arc<Watched>,
    configurations: Vec<Arc<Watched>>,
    served: Arc<Served>,
    news: Arc<Notify>,
    /// Since when every configuration has been seen to trust this authority.
    trusted: Option<(String, Instant)>,
    counters: Arc<Counters>,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Authorities made.
    pub authorities: AtomicU64,
    /// Certificates made.
    pub certificates: AtomicU64,
    /// Configurations whose authorities were corrected.
    pub bundles: AtomicU64,
    /// Steps that failed.
    pub failures: AtomicU64,
}

enum Failure {
    Api(Error),
    Certificate(CertificateError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Api(error)
    }
}

impl From<CertificateError> for Failure {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl Keeper {
    /// A keeper; `news` is what the watches of the Secret and of the configurations tell.
    #[must_use]
    pub fn new(
        requests: Requests,
        place: Place,
        secret: Arc<Watched>,
        configurations: Vec<Arc<Watched>>,
        served: Arc<Served>,
        news: Arc<Notify>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            requests,
            place,
            secret,
            configurations,
            served,
            news,
            trusted: None,
            counters,
        }
    }

    /// Works until dropped.
    pub async fn run(mut self) {
        loop {
            let wait = match self.step().await {
                Ok(wait) => wait.min(LOOK),
                // Another replica was first: the watch brings what it wrote.
                Err(Failure::Api(error)) if error.is_conflict() => RETRY,
                Err(failure) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    match failure {
                        Failure::Api(error) => {
                            tracing::warn!(%error, "the webhook's certificate could not be kept");
                        }
                        Failure::Certificate(error) => {
                            tracing::error!(%error, "the webhook's certificate could not be kept");
                        }
                    }
                    // Replicas that failed together must not try together for ever.
                    RETRY.mul_f64(rand::random_range(1.0..2.0))
                }
            };
            tokio::select! {
                () = self.news.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One look, and at most one write to the Secret.
    async fn step(&mut self) -> Result<Duration, Failure> {
        let (object, material) = match self.secret.seen() {
            Seen::Unknown => return Ok(RETRY),
            Seen::Absent => (None, Material::default()),
            Seen::Present(object) => {
                let material = Material::read(&decoded(&object));
                (Some(object), material)
            }
        };
        let own = self.place.maker == Maker::Own;
        match material.serve(&self.secret.what) {
            Ok((certificate, expires)) => self.served.set(certificate, expires),
            Err(error) if !own => return Err(error.into()),
            // It is about to be made.
            Err(_) => {}
        }
        if !own {
            return Ok(LOOK);
        }
        let trusted = self.spread(&material).await?;
        let now = jiff::Timestamp::now().as_second();
        let facts = material.facts(&self.place.names);
        let lives = &self.place.lives;
        let next = match plan::next(&facts, now, trusted, lives) {
            Step::Wait(seconds) => {
                return Ok(Duration::from_secs(
                    u64::try_from(seconds).unwrap_or_default(),
                ));
            }
            Step::Authority => material.with_authority(now, lives.authority)?,
            Step::Certificate => {
                material.with_certificate(now, lives.certificate, &self.place.names)?
            }
            Step::Fresh => material
                .with_authority(now, lives.authority)?
                .with_certificate(now, lives.certificate, &self.place.names)?,
            Step::Drop(places) => material.without(&places),
        };
        self.write(object.as_deref(), &next).await?;
        self.count(&material, &next);
        Ok(RETRY)
    }

    /// Brings the authorities into the configurations; says how long all have trusted the newest.
    async fn spread(&mut self, material: &Material) -> Result<Option<Duration>, Failure> {
        let bundle = material.bundle();
        if bundle.is_empty() {
            return Ok(None);
        }
        let encoded = STANDARD.encode(&bundle);
        let mut all = true;
        for configuration in &self.configurations {
            let object = match configuration.seen() {
                Seen::Present(object) => object,
                // Nobody calls by it.
                Seen::Absent => continue,
                Seen::Unknown => {
                    all = false;
                    continue;
                }
            };
            let patch = correction(&object, &encoded);
            if patch.is_empty() {
                continue;
            }
            all = false;
            let name = text(&object, "/metadata/name");
            let path = configuration.path(name);
            let intent = format!("set the authorities of {}", configuration.what);
            let body = Value::Array(patch).to_string();
            self.requests
                .write(Verb::JsonPatch, &path, body.into(), &intent)
                .await?;
            tracing::info!(configuration = %configuration.what, "its authorities were set");
            self.counters.bundles.fetch_add(1, Ordering::Relaxed);
        }
        if !all {
            self.trusted = None;
            return Ok(None);
        }
        let since = match &self.trusted {
            Some((known, since)) if *known == bundle => *since,
            _ => Instant::now(),
        };
        self.trusted = Some((bundle, since));
        Ok(Some(since.elapsed()))
    }

    async fn write(&self, present: Option<&Value>, material: &Material) -> Result<(), Failure> {
        let namespace = &self.place.namespace;
        let name = &self.place.secret;
        let collection = format!("/api/v1/namespaces/{}/secrets", escape(namespace));
        let mut object = present.and_then(Value::as_object).cloned();
        let object = object.get_or_insert_with(|| {
            let metadata = json!({"name": name, "namespace": namespace});
            let parts = [
                ("type".into(), json!("Opaque")),
                ("metadata".into(), metadata),
            ];
            parts.into_iter().collect()
        });
        // Items of a list have neither.
        object.insert("apiVersion".into(), json!("v1"));
        object.insert("kind".into(), json!("Secret"));
        // What else is kept in it stays.
        let data = object.get("data").and_then(Value::as_object);
        let mut data = data.cloned().unwrap_or_default();
        let entries = material.data().into_iter();
        data.extend(entries.map(|(key, text)| (key.to_owned(), json!(STANDARD.encode(text)))));
        object.insert("data".into(), Value::Object(data));
        let (verb, path, intent) = if present.is_some() {
            let path = format!("{collection}/{}", escape(name));
            (Verb::Put, path, "update")
        } else {
            (Verb::Post, collection, "create")
        };
        let intent = format!("{intent} {}", self.secret.what);
        let body = serde_json::to_vec(object).unwrap_or_default().into();
        self.requests.write(verb, &path, body, &intent).await?;
        Ok(())
    }

    fn count(&self, before: &Material, after: &Material) {
        let (before, after) = (before.data(), after.data());
        let changed = |key| before.get(key) != after.get(key);
        if changed(super::material::AUTHORITY_KEY) {
            tracing::info!(secret = %self.secret.what, "a new authority of the webhook's certificates");
            self.counters.authorities.fetch_add(1, Ordering::Relaxed);
        } else if changed(super::material::CERTIFICATE) {
            tracing::info!(secret = %self.secret.what, "a new certificate of the webhook");
        } else {
            tracing::info!(secret = %self.secret.what, "an old authority has ended");
        }
        if changed(super::material::CERTIFICATE) {
            self.counters.certificates.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The operations that make every webhook of `configuration` trust `bundle`; none if all do.
fn correction(configuration: &Value, bundle: &str) -> Vec<Value> {
    let webhooks = configuration.get("webhooks").and_then(Value::as_array);
    let wrong: Vec<Value> = webhooks
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, webhook)| text(webhook, "/clientConfig/caBundle") != bundle)
        .map(|(place, _)| {
            let path = format!("/webhooks/{place}/clientConfig/caBundle");
            json!({"op": "add", "path": path, "value": bundle})
        })
        .collect();
    if wrong.is_empty() {
        return wrong;
    }
    let version = text(configuration, "/metadata/resourceVersion");
    let mut patch = vec![json!({
        "op": "test", "path": "/metadata/resourceVersion", "value": version,
    })];
    patch.extend(wrong);
    patch
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

/// The decoded data of a Secret.
fn decoded(secret: &Value) -> BTreeMap<String, Vec<u8>> {
    let data = secret.get("data").and_then(Value::as_object);
    let entries = data.into_iter().flatten();
    entries
        .filter_map(|(key, value)| {
            let bytes = STANDARD.decode(value.as_str()?).ok()?;
            Some((key.clone(), bytes))
        })
        .collect()
}
