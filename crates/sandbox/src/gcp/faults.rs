//! Faults on purpose: throttling, delays, errors of the server, answers that are none.
//!
//! Owns: which call is hit by which fault. Refuses: chance.

use std::time::Duration;

use serde_json::json;

use super::answer::Answer;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// 429 `RESOURCE_EXHAUSTED`; Google gives no `Retry-After` here, which 0 stands for.
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
    /// Half the answer, then the connection breaks.
    Truncate,
    /// A payload whose checksum does not fit.
    Corrupt,
    /// The caller is outside a perimeter of VPC Service Controls.
    Perimeter,
}

/// A fault and the calls it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first label of a service's host name, or `metadata`; absent: every service.
    pub service: Option<String>,
    /// The API's name, e.g. `AccessSecretVersion`; absent: every API.
    pub api: Option<String>,
    /// Only calls with this text in path or body.
    pub about: Option<String>,
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
            about: None,
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

    /// Only calls with `text` in path or body.
    #[must_use]
    pub fn about(mut self, text: &str) -> Self {
        self.about = Some(text.to_owned());
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
    pub truncate: bool,
    pub corrupt: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn clear_about(&mut self, text: &str) {
        self.0.retain(|fault| fault.about.as_deref() != Some(text));
    }

    /// The faults that hit a call; counted as used.
    pub fn strike(&mut self, service: &str, api: &str, text: &str) -> Suffering {
        let mut out = Suffering::default();
        for fault in &mut self.0 {
            let meant =
                |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
            let about = fault.about.as_deref().is_none_or(|w| text.contains(w));
            if !meant(&fault.service, service)
                || !meant(&fault.api, api)
                || !about
                || fault.times == Some(0)
            {
                continue;
            }
            suffer(&fault.effect, service, &mut out);
            if let Some(left) = &mut fault.times {
                *left -= 1;
            }
        }
        self.0.retain(|fault| fault.times != Some(0));
        out
    }
}

fn suffer(effect: &Effect, service: &str, out: &mut Suffering) {
    match effect {
        Effect::Throttle { retry_after } => out.answer = Some(throttled(service, *retry_after)),
        Effect::Latency { milliseconds } => out.delay += Duration::from_millis(*milliseconds),
        Effect::ServerError { status } => {
            let kind = if *status == 503 {
                "UNAVAILABLE"
            } else {
                "INTERNAL"
            };
            let mut answer = Answer::error(kind, "Internal error encountered.");
            answer.status = *status;
            out.answer = Some(answer);
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
            let mut answer = Answer::ok(json!({})).with("location", location.clone());
            answer.status = 302;
            out.answer = Some(answer);
        }
        Effect::Truncate => out.truncate = true,
        Effect::Corrupt => out.corrupt = true,
        Effect::Perimeter => {
            out.answer = Some(
                Answer::error(
                    "PERMISSION_DENIED",
                    "Request is prohibited by organization's policy. \
                     vpcServiceControlsUniqueIdentifier: q3Zb0sYd3w",
                )
                .because(
                    "SECURITY_POLICY_VIOLATED",
                    "googleapis.com",
                    json!({"uid": "q3Zb0sYd3w", "service": format!("{service}.googleapis.com")}),
                ),
            );
        }
    }
}

fn throttled(service: &str, retry_after: u64) -> Answer {
    if matches!(service, "sts" | "securetoken" | "oauth2") {
        return Answer::oauth(429, "quota_exceeded", "Quota exceeded for token exchanges.");
    }
    let answer = Answer::error(
        "RESOURCE_EXHAUSTED",
        format!(
            "Quota exceeded for quota metric 'Access requests' and limit 'Access requests per \
             minute' of service '{service}.googleapis.com' for consumer \
             'project_number:123456789012'."
        ),
    )
    .because(
        "RATE_LIMIT_EXCEEDED",
        "googleapis.com",
        json!({"service": format!("{service}.googleapis.com"), "quota_limit": "AccessRequestsPerMinutePerProject"}),
    );
    match retry_after {
        0 => answer,
        seconds => answer.with("retry-after", seconds.to_string()),
    }
}
