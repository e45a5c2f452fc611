//! Faults on purpose: throttling, quotas, delays, errors of the server, broken answers, a wrong
//! clock.
//!
//! Owns: which call is hit by which fault. Refuses: chance: a share of calls is counted out
//! evenly, so that a test sees the same every time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::protocol::ApiError;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Effect {
    /// `ThrottlingException`, "Rate exceeded".
    Throttle,
    /// Calls beyond a rate are throttled, those within it pass.
    Quota {
        /// Calls per second.
        per_second: f64,
        /// Calls that may come at once.
        burst: f64,
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
    /// Half the answer, then the connection breaks.
    Truncate,
    /// The service's clock is off by this much when it checks a signature.
    ClockSkew {
        /// Positive: the service is ahead.
        seconds: i64,
    },
}

/// A fault and the calls it hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// `ssm`, `secretsmanager`, `sts`, `iam` or `kms`; absent: every service.
    #[serde(default)]
    pub service: Option<String>,
    /// The API's name, e.g. `GetParameter`; absent: every API.
    #[serde(default)]
    pub api: Option<String>,
    /// What goes wrong.
    pub effect: Effect,
    /// How many calls are hit before the fault is used up; absent: it stays.
    #[serde(default)]
    pub times: Option<u32>,
    /// Hits one call in this many; absent or 0: each.
    #[serde(default)]
    pub one_in: Option<u32>,
}

impl Fault {
    /// A fault that hits every call of every API until cleared.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self {
            service: None,
            api: None,
            effect,
            times: None,
            one_in: None,
        }
    }

    /// Only calls of `service`'s `api`.
    #[must_use]
    pub fn on(mut self, service: &str, api: &str) -> Self {
        self.service = Some(service.to_owned());
        self.api = Some(api.to_owned());
        self
    }

    /// Only the next `n` calls.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.times = Some(n);
        self
    }
}

#[derive(Clone, Debug)]
struct Armed {
    fault: Fault,
    seen: u32,
    /// Tokens and the time they were counted, for a quota.
    bucket: Option<(f64, f64)>,
}

/// What a call must suffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Suffering {
    pub delay: Duration,
    pub error: Option<ApiError>,
    pub truncate: bool,
    pub skew: i64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Armed>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(Armed {
            fault,
            seen: 0,
            bucket: None,
        });
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn list(&self) -> Vec<Fault> {
        self.0.iter().map(|a| a.fault.clone()).collect()
    }

    /// The faults that hit a call at `now` (seconds); counted as used.
    pub fn strike(&mut self, service: &str, api: &str, now: f64, throttling: &str) -> Suffering {
        let mut out = Suffering::default();
        let rate_exceeded = || Some(ApiError::bad(throttling, "Rate exceeded"));
        for armed in &mut self.0 {
            let f = &armed.fault;
            let meant =
                |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
            if !meant(&f.service, service) || !meant(&f.api, api) || f.times == Some(0) {
                continue;
            }
            armed.seen = armed.seen.wrapping_add(1);
            if f.one_in
                .is_some_and(|n| n > 1 && !armed.seen.is_multiple_of(n))
            {
                continue;
            }
            match f.effect {
                Effect::Throttle => out.error = rate_exceeded(),
                Effect::Quota { per_second, burst } => {
                    let (tokens, since) = armed.bucket.unwrap_or((burst, now));
                    let tokens = (tokens + (now - since).max(0.0) * per_second).min(burst);
                    let passes = tokens >= 1.0;
                    armed.bucket = Some((if passes { tokens - 1.0 } else { tokens }, now));
                    if passes {
                        continue;
                    }
                    out.error = rate_exceeded();
                }
                Effect::Latency { milliseconds } => {
                    out.delay += Duration::from_millis(milliseconds)
                }
                Effect::ServerError { status } => {
                    let code = if status == 503 {
                        "ServiceUnavailable"
                    } else {
                        "InternalServerError"
                    };
                    out.error = Some(ApiError::new(
                        status,
                        code,
                        "The request processing has failed because of an unknown error, exception or failure.",
                    ));
                }
                Effect::Truncate => out.truncate = true,
                Effect::ClockSkew { seconds } => out.skew += seconds,
            }
            if let Some(left) = &mut armed.fault.times {
                *left -= 1;
            }
        }
        self.0.retain(|a| a.fault.times != Some(0));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_is_used_up() {
        let mut faults = Faults::default();
        faults.add(
            Fault::new(Effect::Throttle)
                .on("ssm", "GetParameter")
                .times(2),
        );
        let hits = |f: &mut Faults, api| {
            f.strike("ssm", api, 0.0, "ThrottlingException")
                .error
                .is_some()
        };
        assert!(!hits(&mut faults, "GetParameters"));
        assert_eq!(
            [(); 3].map(|()| hits(&mut faults, "GetParameter")),
            [true, true, false]
        );
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_quota_refills() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Effect::Quota {
            per_second: 2.0,
            burst: 2.0,
        }));
        let mut hit = |t| faults.strike("ssm", "X", t, "T").error.is_some();
        assert_eq!(
            [0.0, 0.0, 0.0, 0.5, 0.5, 10.0, 10.0, 10.0].map(&mut hit),
            [false, false, true, false, true, false, false, true]
        );
    }

    #[test]
    fn a_share_is_even() {
        let mut faults = Faults::default();
        faults.add(Fault {
            one_in: Some(3),
            ..Fault::new(Effect::ServerError { status: 503 })
        });
        let hits: Vec<bool> = (0..6)
            .map(|_| faults.strike("a", "b", 0.0, "T").error.is_some())
            .collect();
        assert_eq!(hits, [false, false, true, false, false, true]);
    }

    #[test]
    fn the_json_form() {
        let fault: Fault = serde_json::from_str(
            r#"{"service":"ssm","effect":{"kind":"quota","perSecond":40,"burst":40}}"#,
        )
        .unwrap();
        assert_eq!(
            fault.effect,
            Effect::Quota {
                per_second: 40.0,
                burst: 40.0
            }
        );
        assert!(serde_json::from_str::<Fault>(r#"{"efect":{}}"#).is_err());
    }
}
