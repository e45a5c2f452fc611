//! One client of one vault under one identity.
//!
//! Owns: the vault's URLs, and what error texts say of it. Refuses: any place but the vault that
//! the store names: no page of a listing is read elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use keyless_identity::azure::Logins;
use url::Url;

use super::backend::Settings;
use crate::Error;
use crate::azure::fault::{Answer, Attempt};
use crate::planner::Counters;
use crate::rest::{Call, Dropped, Judge, Refused, Rest};

/// As the API's metrics name it.
pub(super) const PROVIDER: &str = "Azure/KeyVault";
/// Served by every cloud.
const VERSION: &str = "7.4";
/// Largest answer that is read, in bytes: a secret has 25 KiB at most.
const LARGEST: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Calls {
    vault: Url,
    rest: Rest<Logins>,
    service: String,
    caller: String,
}

impl Calls {
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        Self {
            service: format!(
                "Azure Key Vault {}",
                settings.vault.host_str().unwrap_or_default()
            ),
            caller: settings.token.login().describe(),
            vault: settings.vault.clone(),
            rest: Rest {
                provider: PROVIDER,
                http: Arc::clone(&settings.http),
                token: settings.token.clone(),
                counters,
                attempts: settings.retries,
                interval: settings.interval,
                header: None,
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
            permission,
            caller: &self.caller,
            key,
        }
    }

    /// The vault's name, for commands in hints.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// The URL of `path` in the vault. Names in it were checked.
    pub(super) fn url(&self, path: &str, query: &str) -> Url {
        let mut url = self.vault.clone();
        url.set_path(path);
        url.set_query(Some(&format!("api-version={VERSION}{query}")));
        url
    }

    /// The next page of a listing, exactly as the vault names it.
    ///
    /// # Errors
    /// When it is in another place.
    pub(super) fn next(&self, link: &str, attempt: &Attempt<'_>) -> Result<Url, Error> {
        let url = Url::parse(link).ok();
        url.filter(|url| {
            url.scheme() == self.vault.scheme()
                && url.host_str() == self.vault.host_str()
                && url.port_or_known_default() == self.vault.port_or_known_default()
                && url.username().is_empty()
        })
        .ok_or_else(|| attempt.unreadable("its next page is in another place than the vault"))
    }

    /// A request of the vault.
    pub(super) fn call(method: Method, url: Url, body: Option<Bytes>) -> Call {
        Call {
            method,
            url,
            body,
            largest: LARGEST,
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
