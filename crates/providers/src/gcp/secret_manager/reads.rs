//! Reading payloads and descriptions by name.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use keyless_fault::{Class, Link};
use keyless_secret::SecretBytes;
use keyless_trust::gcp::name::{is_secret_id, is_version};
use serde::Deserialize;

use super::backend::Rates;
use super::calls::{Calls, PROVIDER};
use super::object::{self, Metadata, Unusable};
use crate::gcp::fault::Answer;
use crate::planner::{Api, Failure, Name, Reply};
use crate::rest::{Judge, Refused};
use crate::{Error, Ref};

/// The version that is read when none is named.
const LATEST: &str = "latest";
/// The most pages of versions that are looked through for an enabled one.
const PAGES: usize = 20;

/// One version of one secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) version: Option<String>,
    /// Without a version: the newest enabled one, should the newest be none.
    pub(super) enabled: bool,
}

impl Wanted {
    /// What `reference` names.
    ///
    /// # Errors
    /// When key or version are none that Secret Manager has.
    pub(super) fn of(reference: &Ref, enabled: bool) -> Result<Self, Error> {
        let version = reference.version.as_deref().filter(|v| !v.is_empty());
        if let Some(version) = version.filter(|version| !is_version(version)) {
            return Err(Error::Shape {
                reason: format!("{version:?} is no version of Google Secret Manager"),
                hint: Some("Set remoteRef.version to a number or an alias, or remove it".into()),
            });
        }
        Ok(Self {
            id: id(&reference.key)?.to_owned(),
            version: version.map(str::to_owned),
            enabled: enabled && version.is_none(),
        })
    }

    /// The newest version of a secret.
    pub(super) fn latest(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            version: None,
            enabled: false,
        }
    }
}

/// Checks the id of a secret.
pub(super) fn id(key: &str) -> Result<&str, Error> {
    if is_secret_id(key) {
        return Ok(key);
    }
    Err(Error::Shape {
        reason: format!(
            "{key:?} is no secret of Google Secret Manager: 1 to 255 letters, digits, hyphens and \
             underscores"
        ),
        hint: Some(
            "Write the secret's id alone; project and location are the store's, a version goes \
             into remoteRef.version"
                .into(),
        ),
    })
}

/// AccessSecretVersion: one at a time.
#[derive(Debug)]
pub(super) struct Payloads {
    calls: Arc<Calls>,
    rates: Arc<Rates>,
}

impl Api for Payloads {
    type Key = Wanted;
    type Value = Arc<SecretBytes>;

    fn name(&self) -> Name {
        (PROVIDER, "AccessSecretVersion")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [Wanted],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for wanted in keys {
                replies.push(Reply::Value(Arc::new(self.read(wanted).await?)));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.len() + 64
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Versions {
    versions: Vec<Version>,
    next_page_token: String,
}

#[derive(Deserialize)]
struct Version {
    name: String,
    #[serde(default)]
    state: String,
}

impl Payloads {
    pub(super) fn new(calls: Arc<Calls>, rates: Arc<Rates>) -> Self {
        Self { calls, rates }
    }

    async fn read(&self, wanted: &Wanted) -> Result<SecretBytes, Error> {
        let version = wanted.version.as_deref().unwrap_or(LATEST);
        let refused = match self.access(wanted, version).await {
            Ok(value) => return Ok(value),
            Err(refused) => refused,
        };
        let inactive = refused
            .answer
            .as_ref()
            .is_some_and(|answer| answer.is_inactive());
        if !(wanted.enabled && inactive) {
            return Err(refused.error);
        }
        match self.newest_enabled(wanted).await? {
            Some(version) => {
                let found = self.access(wanted, &version).await;
                found.map_err(|refused| refused.error)
            }
            // None is enabled: what the service says about the newest is the truth.
            None => Err(refused.error),
        }
    }

    /// The payload of one version.
    pub(super) async fn access(
        &self,
        wanted: &Wanted,
        version: &str,
    ) -> Result<SecretBytes, Refused<Answer>> {
        let intent = match version {
            LATEST => format!("read secret {:?}", wanted.id),
            version => format!("read version {version} of secret {:?}", wanted.id),
        };
        let attempt = self
            .calls
            .attempt(intent, "secretmanager.versions.access", Some(&wanted.id));
        let path = format!("secrets/{}/versions/{version}:access", wanted.id);
        let call = Calls::call(Method::GET, self.calls.url(&path, &[]), None);
        let mut left = self.calls.attempts();
        loop {
            let made = self
                .calls
                .make("AccessSecretVersion", &attempt, &call)
                .await;
            let body = match made {
                Ok(body) => body,
                // A missing version of a secret that exists is no missing secret: whoever pins a
                // version does not ask for the Secret's deletion.
                Err(refused)
                    if refused.error.is_no_secret()
                        && version != LATEST
                        && refused.answer.as_ref().is_some_and(|a| a.is_of_version()) =>
                {
                    return Err(self.no_version(wanted, version).into());
                }
                Err(refused) => return Err(refused),
            };
            match object::payload(&body) {
                Ok(value) => return Ok(value),
                Err(Unusable::Form(reason)) => return Err(attempt.unreadable(reason).into()),
                // The next one may come through whole.
                Err(Unusable::Checksum) if left > 0 => left -= 1,
                Err(Unusable::Checksum) => return Err(attempt.corrupted().into()),
            }
        }
    }

    fn no_version(&self, wanted: &Wanted, version: &str) -> Error {
        Error::Provider {
            intent: format!("read version {version} of secret {:?}", wanted.id),
            service: self.calls.service().to_owned(),
            provider_code: "NOT_FOUND".into(),
            message: format!("secret {} has no such version", wanted.id),
            request_id: None,
            link: Link::Secret,
            class: Class::NotFound,
            code: "G13",
            required: None,
            hint: Some("Correct remoteRef.version: a number, or an alias of the secret".into()),
            retry_after: None,
        }
    }

    /// The highest number among the enabled versions.
    async fn newest_enabled(&self, wanted: &Wanted) -> Result<Option<String>, Error> {
        let attempt = self.calls.attempt(
            format!("list versions of secret {:?}", wanted.id),
            "secretmanager.versions.list",
            Some(&wanted.id),
        );
        let path = format!("secrets/{}/versions", wanted.id);
        let mut next = String::new();
        for _ in 0..PAGES {
            self.rates.reads.take().await;
            let mut query = vec![("filter", "state:ENABLED"), ("pageSize", "100")];
            if !next.is_empty() {
                query.push(("pageToken", next.as_str()));
            }
            let call = Calls::page(self.calls.url(&path, &query));
            let made = self.calls.make("ListSecretVersions", &attempt, &call).await;
            let body = made.map_err(|refused| {
                self.rates.reads.judged(&refused.error);
                refused.error
            })?;
            let page: Versions = object::document(&body)
                .ok_or_else(|| attempt.unreadable("it is no list of versions in JSON"))?;
            // Newest first, so that the first page with one has the newest.
            let newest = page
                .versions
                .iter()
                .filter(|version| version.state == "ENABLED")
                .filter_map(|version| version.name.rsplit('/').next()?.parse::<u64>().ok())
                .max();
            if let Some(newest) = newest {
                return Ok(Some(newest.to_string()));
            }
            if page.next_page_token.is_empty() {
                break;
            }
            next = page.next_page_token;
        }
        Ok(None)
    }
}

/// GetSecret: labels and annotations.
#[derive(Debug)]
pub(super) struct Secrets(pub(super) Arc<Calls>);

impl Api for Secrets {
    type Key = String;
    type Value = Arc<Metadata>;

    fn name(&self) -> Name {
        (PROVIDER, "GetSecret")
    }

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for id in keys {
                replies.push(Reply::Value(Arc::new(self.get(id).await?)));
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        let all = value.labels.iter().chain(&value.annotations);
        all.map(|(k, v)| k.len() + v.len() + 48).sum::<usize>() + 64
    }
}

impl Secrets {
    async fn get(&self, id: &str) -> Result<Metadata, Error> {
        let attempt = self.0.attempt(
            format!("describe secret {id:?}"),
            "secretmanager.secrets.get",
            Some(id),
        );
        let url = self.0.url(&format!("secrets/{id}"), &[]);
        let call = Calls::call(Method::GET, url, None);
        let made = self.0.make("GetSecret", &attempt, &call).await;
        let body = made.map_err(|refused| refused.error)?;
        Metadata::read(&body).map_err(|reason| attempt.unreadable(reason))
    }
}
