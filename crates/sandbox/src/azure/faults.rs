//! Faults on purpose: throttling, delays, errors of the server, answers that are none.
//!
//! Owns: which call is hit by which fault. Refuses: chance.

use std::time::Duration;

use super::answer::Answer;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// 429 with `Retry-After`, in seconds.
    Throttle {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The answer comes late.
    Latency {
        /// Delay.
        milliseconds: u64,
    },
    /// An error of the server.
    ServerError {
        /// 500 to 599.
        status: u16,
    },
    /// A page of something in between, with this status.
    Html {
        /// Any status, 200 included.
        status: u16,
    },
    /// A redirect to another place.
    Redirect {
        /// Where to.
        location: String,
    },
    /// The next page of a listing is in another place.
    ForeignPage {
        /// Where.
        link: String,
    },
    /// Half the answer, then the connection breaks.
    Truncate,
    /// The caller's address is not admitted.
    Firewall,
}

/// A fault and the calls it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `entra`, `imds`, `keyvault`, `arm` or `graph`; absent: every service.
    pub service: Option<String>,
    /// The API's name, e.g. `GetSecret`; absent: every API.
    pub api: Option<String>,
    /// Only calls of this vault.
    pub vault: Option<String>,
    /// What goes wrong.
    pub effect: Effect,
    /// How many calls are hit before the fault is used up; absent: it stays.
    pub times: Option<u32>,
}

impl Fault {
    /// A fault that hits every call of every API until cleared.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self {
            service: None,
            api: None,
            vault: None,
            effect,
            times: None,
        }
    }

    /// Only calls of `service`'s `api`.
    #[must_use]
    pub fn on(mut self, service: &str, api: &str) -> Self {
        self.service = Some(service.to_owned());
        self.api = Some(api.to_owned());
        self
    }

    /// Only calls of the vault `name`.
    #[must_use]
    pub fn of_vault(mut self, name: &str) -> Self {
        self.vault = Some(name.to_owned());
        self
    }

    /// Only the next `n` calls.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.times = Some(n);
        self
    }
}

/// What a call must suffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Suffering {
    pub delay: Duration,
    /// In place of the service's.
    pub answer: Option<Answer>,
    /// In place of JSON.
    pub html: bool,
    pub next_page: Option<String>,
    pub truncate: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn clear_of(&mut self, vault: &str) {
        self.0.retain(|fault| fault.vault.as_deref() != Some(vault));
    }

    /// The faults that hit a call; counted as used.
    pub fn strike(&mut self, service: &str, api: &str, vault: Option<&str>) -> Suffering {
        let mut out = Suffering::default();
        for fault in &mut self.0 {
            let meant =
                |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
            if !meant(&fault.service, service)
                || !meant(&fault.api, api)
                || !meant(&fault.vault, vault.unwrap_or_default())
                || fault.times == Some(0)
            {
                continue;
            }
            match &fault.effect {
                Effect::Throttle { retry_after } => {
                    out.answer = Some(
                        Answer::vault(
                            429,
                            "Throttled",
                            "VaultRequestTypeLimitReached",
                            "Request was not processed because too many requests were received.",
                        )
                        .with("retry-after", retry_after.to_string()),
                    );
                }
                Effect::Latency { milliseconds } => {
                    out.delay += Duration::from_millis(*milliseconds);
                }
                Effect::ServerError { status } => {
                    out.answer = Some(Answer::vault(
                        *status,
                        "InternalServerError",
                        "",
                        "An internal error occurred.",
                    ));
                }
                Effect::Html { status } => {
                    out.html = true;
                    out.answer = Some(Answer {
                        status: *status,
                        body: serde_json::Value::Null,
                        headers: Vec::new(),
                    });
                }
                Effect::Redirect { location } => {
                    out.answer = Some(
                        Answer::vault(302, "Found", "", "Object moved")
                            .with("location", location.clone()),
                    );
                }
                Effect::ForeignPage { link } => out.next_page = Some(link.clone()),
                Effect::Truncate => out.truncate = true,
                Effect::Firewall => {
                    out.answer = Some(Answer::vault(
                        403,
                        "Forbidden",
                        "ForbiddenByFirewall",
                        "Client address is not authorized and caller is not a trusted service.",
                    ));
                }
            }
            if let Some(left) = &mut fault.times {
                *left -= 1;
            }
        }
        self.0.retain(|fault| fault.times != Some(0));
        out
    }
}
