//! One client of one project under one identity.
//!
//! Owns: the project's URLs, and what error texts say of it. Refuses: deciding when to call.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use keyless_identity::gcp::Logins;
use url::Url;

use super::backend::{Place, Settings};
use crate::gcp::fault::{Answer, Attempt};
use crate::planner::Counters;
use crate::rest::{Call, Dropped, Refused, Rest};

/// As the API's metrics name it.
pub(super) const PROVIDER: &str = "GCP/SecretManager";
/// Largest answer that is read, in bytes: a payload has 64 KiB at most.
const LARGEST: usize = 1 << 20;
/// The same for a page of a listing: annotations take up to 16 KiB of each secret.
const LARGEST_PAGE: usize = 8 << 20;
/// Whose quota is used, and who is billed.
const QUOTA: HeaderName = HeaderName::from_static("x-goog-user-project");

#[derive(Debug)]
pub(super) struct Calls {
    place: Place,
    rest: Rest<Logins>,
    service: String,
    caller: String,
}

impl Calls {
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        let place = &settings.place;
        let login = settings.token.login();
        let quota = login.quota_project.as_deref();
        let quota = quota.and_then(|project| HeaderValue::from_str(project).ok());
        Self {
            service: match &place.location {
                Some(region) => format!(
                    "Google Secret Manager (project {}, {region})",
                    place.project
                ),
                None => format!("Google Secret Manager (project {})", place.project),
            },
            caller: login.member().unwrap_or_else(|| login.describe()),
            place: place.clone(),
            rest: Rest {
                provider: PROVIDER,
                http: Arc::clone(&settings.http),
                token: settings.token.clone(),
                counters,
                attempts: settings.retries,
                interval: settings.interval,
                header: quota.map(|project| (QUOTA, project)),
                dropped: Dropped::default(),
            },
        }
    }

    /// What is tried, for error texts.
    pub(super) fn attempt<'a>(
        &'a self,
        intent: String,
        permission: &'static str,
        key: Option<&'a str>,
    ) -> Attempt<'a> {
        Attempt {
            intent,
            service: &self.service,
            project: &self.place.project,
            permission,
            caller: &self.caller,
            key,
        }
    }

    /// The service's name, for messages.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// Whether secrets lie in one region.
    pub(super) fn is_regional(&self) -> bool {
        self.place.location.is_some()
    }

    /// How often an undecided read is repeated.
    pub(super) fn attempts(&self) -> u32 {
        self.rest.attempts
    }

    /// The URL of `path` below the parent of all secrets. Names in it were checked.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.place.base.clone();
        url.set_path(&format!("/v1/{}/{path}", self.place.parent()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// A request.
    pub(super) fn call(method: Method, url: Url, body: Option<Bytes>) -> Call {
        Call {
            method,
            url,
            body,
            largest: LARGEST,
        }
    }

    /// A request for a page of a listing.
    pub(super) fn page(url: Url) -> Call {
        Call {
            largest: LARGEST_PAGE,
            ..Self::call(Method::GET, url, None)
        }
    }

    /// Makes `call`, named as in the metrics: see [`Rest::make`].
    pub(super) async fn make(
        &self,
        name: &'static str,
        attempt: &Attempt<'_>,
        call: &Call,
    ) -> Result<Bytes, Refused<Answer>> {
        self.rest.make(name, attempt, call).await
    }
}
