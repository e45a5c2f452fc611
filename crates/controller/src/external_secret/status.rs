//! The status of an ExternalSecret: what it is to say, and whether that is worth a write.

use std::time::Duration;

use keyless_api::constants::{condition, message, reason};
use keyless_api::{ExternalSecretSpec, SyncWindows};
use serde_json::{Value, json};

use super::problem::Failed;
use crate::clock::rfc3339;
use crate::object::{ExternalSecret, Ready};

/// How a sync ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The Secret is as wanted.
    Synced,
    /// Nothing found, Secret kept.
    Retained,
    /// Nothing found, Secret deleted.
    Deleted,
    /// No Secret to merge with.
    Missing,
    /// It failed.
    Failed(Failed),
}

/// The word for the target in the reasons of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetWord {
    /// A Secret, or nothing that could be anything else.
    Secret,
    /// An object of another kind.
    Resource,
}

impl Outcome {
    /// Status, reason and message of the Ready condition of an object with such a target.
    #[must_use]
    pub fn condition(&self, target: TargetWord) -> (&'static str, &'static str, &str) {
        let (status, of_secret, of_resource) = match self {
            Self::Synced | Self::Retained => {
                ("True", reason::SECRET_SYNCED, reason::RESOURCE_SYNCED)
            }
            Self::Deleted => ("True", reason::SECRET_DELETED, reason::RESOURCE_DELETED),
            Self::Missing => ("True", reason::SECRET_MISSING, reason::RESOURCE_MISSING),
            Self::Failed(_) => (
                "False",
                reason::SECRET_SYNCED_ERROR,
                reason::RESOURCE_SYNCED_ERROR,
            ),
        };
        let message = match (self, target) {
            (Self::Synced, _) => message::SECRET_SYNCED,
            (Self::Retained, _) => message::SECRET_RETAINED,
            (Self::Deleted, _) => message::SECRET_DELETED,
            (Self::Missing, TargetWord::Secret) => message::SECRET_MISSING,
            (Self::Missing, TargetWord::Resource) => message::RESOURCE_MISSING,
            (Self::Failed(failed), _) => &failed.message,
        };
        match target {
            TargetWord::Secret => (status, of_secret, message),
            TargetWord::Resource => (status, of_resource, message),
        }
    }
}

/// The new status.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The Ready condition.
    pub ready: Ready,
    /// `refreshTime` in milliseconds.
    pub refresh_time: Option<i64>,
    /// `syncedResourceVersion`.
    pub synced: Option<Box<str>>,
    /// `binding.name`.
    pub binding: Option<Box<str>>,
}

/// What is worth telling about a spec that was synced nevertheless; empty if nothing is.
#[must_use]
pub fn remark(spec: &ExternalSecretSpec) -> String {
    let gate = spec.sync_windows.as_ref().map(SyncWindows::gate);
    gate.map_or_else(String::new, |gate| gate.remarks().join("; "))
}

/// What the status is to be after `outcome` at `now`. `binding` is the target's name if a write
/// to it was attempted or found unneeded; `remark` is told behind a success.
#[must_use]
pub fn wanted(
    object: &ExternalSecret,
    outcome: &Outcome,
    target: TargetWord,
    binding: Option<&str>,
    remark: &str,
    now: i64,
) -> Status {
    let (status, reason, message) = outcome.condition(target);
    let failed = matches!(outcome, Outcome::Failed(_));
    let message: Box<str> = match remark {
        "" => message.into(),
        _ if failed => message.into(),
        remark => format!("{message}; {remark}").into(),
    };
    let old = object.ready.as_ref();
    let since = match old.filter(|r| &*r.status == status && !r.since.is_empty()) {
        Some(ready) => ready.since.clone(),
        None => rfc3339(now).into(),
    };
    Status {
        ready: Ready {
            status: status.into(),
            reason: reason.into(),
            message,
            since,
        },
        refresh_time: if failed {
            object.refresh_time
        } else {
            Some(now)
        },
        synced: if failed {
            object.synced.clone()
        } else {
            Some(object.fingerprint.clone())
        },
        binding: binding.map(Into::into).or_else(|| object.binding.clone()),
    }
}

/// Whether the condition says something new: worth an event.
#[must_use]
pub fn is_news(object: &ExternalSecret, status: &Status) -> bool {
    object.ready.as_ref() != Some(&status.ready)
}

/// Whether the status is worth a write: it says something new, or the stored refreshTime has
/// become older than both the refresh interval and `patience`.
#[must_use]
pub fn worth_writing(
    object: &ExternalSecret,
    status: &Status,
    interval: Option<Duration>,
    patience: Duration,
) -> bool {
    if is_news(object, status) || object.synced != status.synced || object.binding != status.binding
    {
        return true;
    }
    match (object.refresh_time, status.refresh_time) {
        (Some(old), Some(new)) if old == new => false,
        (Some(old), Some(new)) => {
            let limit = if patience.is_zero() {
                Duration::ZERO
            } else {
                patience.max(interval.unwrap_or_default())
            };
            let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            new < old || new.saturating_sub(old) >= limit
        }
        (old, new) => old != new,
    }
}

/// The merge patch that writes it. The uid keeps it off a namesake made meanwhile.
#[must_use]
pub fn patch(object: &ExternalSecret, status: &Status) -> String {
    let others = object.other_conditions.iter();
    let mut conditions: Vec<Value> = others
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
    conditions.push(json!({
        "type": condition::READY,
        "status": status.ready.status,
        "reason": status.ready.reason,
        "message": status.ready.message,
        "lastTransitionTime": status.ready.since,
    }));
    // What is null here is absent in the stored status too.
    let body = json!({
        "conditions": conditions,
        "refreshTime": status.refresh_time.map(rfc3339),
        "syncedResourceVersion": status.synced,
        "binding": status.binding.as_ref().map(|name| json!({"name": name})),
    });
    json!({"metadata": {"uid": object.uid}, "status": body}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::external_secret::problem::Problem;

    use super::TargetWord::Secret;

    const NOW: i64 = 1_767_225_661_234;

    fn object(status: &str) -> ExternalSecret {
        ExternalSecret::decode(&format!(
            r#"{{"metadata":{{"name":"a","namespace":"n","uid":"u","generation":1}},"spec":{{}},"status":{status}}}"#
        ))
        .unwrap()
    }

    fn synced() -> ExternalSecret {
        let fingerprint = object("{}").fingerprint;
        object(&format!(
            r#"{{"refreshTime":"2026-01-01T00:00:00Z","syncedResourceVersion":"{fingerprint}","binding":{{"name":"a"}},
            "conditions":[{{"type":"Ready","status":"True","reason":"SecretSynced","message":"secret synced","lastTransitionTime":"2026-01-01T00:00:00Z"}}]}}"#
        ))
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failed::data(&Problem::Spec("x".into())))
    }

    #[test]
    fn conditions_are_as_the_api_knows_them() {
        for (outcome, status, reason, message) in [
            (Outcome::Synced, "True", "SecretSynced", "secret synced"),
            (
                Outcome::Retained,
                "True",
                "SecretSynced",
                "secret retained due to DeletionPolicy=Retain",
            ),
            (
                Outcome::Deleted,
                "True",
                "SecretDeleted",
                "secret deleted due to DeletionPolicy=Delete",
            ),
            (
                Outcome::Missing,
                "True",
                "SecretMissing",
                "secret will not be created due to CreationPolicy=Merge",
            ),
            (
                failed(),
                "False",
                "SecretSyncedError",
                "could not get secret data from provider: x",
            ),
        ] {
            assert_eq!(
                outcome.condition(TargetWord::Secret),
                (status, reason, message)
            );
            let (_, other, _) = outcome.condition(TargetWord::Resource);
            assert_eq!(other, reason.replacen("Secret", "Resource", 1));
        }
    }

    #[test]
    fn a_failure_keeps_the_last_success() {
        let old = synced();
        let status = wanted(&old, &failed(), Secret, None, "", NOW);
        assert_eq!(status.refresh_time, old.refresh_time);
        assert_eq!(status.synced, old.synced);
        assert_eq!(&*status.ready.since, "2026-01-01T00:01:01Z");
        assert!(is_news(&old, &status));
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let status = wanted(&synced(), &Outcome::Retained, Secret, None, "", NOW);
        assert_eq!(&*status.ready.since, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn an_unchanged_refresh_is_written_only_now_and_then() {
        let old = synced();
        let minutes = |m: i64| {
            wanted(
                &old,
                &Outcome::Synced,
                Secret,
                Some("a"),
                "",
                old.refresh_time.unwrap() + m * 60_000,
            )
        };
        let patience = Duration::from_secs(300);
        let every = |s| Some(Duration::from_secs(s));
        assert!(!worth_writing(&old, &minutes(4), every(10), patience));
        assert!(worth_writing(&old, &minutes(5), every(10), patience));
        assert!(!worth_writing(&old, &minutes(59), every(3600), patience));
        assert!(worth_writing(&old, &minutes(60), every(3600), patience));
        assert!(worth_writing(
            &old,
            &minutes(1),
            every(3600),
            Duration::ZERO
        ));
    }

    #[test]
    fn news_is_always_written() {
        let old = synced();
        let mut status = wanted(&old, &Outcome::Synced, Secret, Some("a"), "", NOW);
        status.synced = Some("other".into());
        assert!(worth_writing(&old, &status, None, Duration::MAX));
        let status = wanted(&old, &Outcome::Synced, Secret, Some("renamed"), "", NOW);
        assert!(worth_writing(&old, &status, None, Duration::MAX));
        let fresh = object("{}");
        assert!(worth_writing(
            &fresh,
            &wanted(&fresh, &failed(), Secret, None, "", NOW),
            None,
            Duration::MAX
        ));
    }

    #[test]
    fn a_repeated_failure_is_not_written_again() {
        let mut object = synced();
        let first = wanted(&object, &failed(), Secret, None, "", NOW);
        object.ready = Some(first.ready.clone());
        let second = wanted(&object, &failed(), Secret, None, "", NOW + 60_000);
        assert!(!worth_writing(
            &object,
            &second,
            None,
            Duration::from_secs(300)
        ));
    }

    #[test]
    fn a_remark_follows_a_success_and_hides_no_failure() {
        let spec = keyless_api::decode(&json!({"syncWindows": {"kind": "allow",
            "windows": [{"schedule": "99 99 * * *", "duration": "1h"}]}}))
        .unwrap();
        let remark = remark(&spec);
        let synced = wanted(&synced(), &Outcome::Synced, Secret, None, &remark, NOW);
        assert_eq!(
            &*synced.ready.message,
            "secret synced; spec.syncWindows.windows[0].schedule \"99 99 * * *\" is ignored: \
             minute 99 is not in 0-59; no window ever opens, so no periodic refresh happens"
        );
        let failed = wanted(&object("{}"), &failed(), Secret, None, &remark, NOW);
        assert!(!failed.ready.message.contains("window"));
        assert_eq!(super::remark(&ExternalSecretSpec::default()), "");
    }

    #[test]
    fn conditions_of_other_types_survive() {
        let object = object(r#"{"conditions":[{"type":"Mine","status":"True"}]}"#);
        let status = wanted(&object, &Outcome::Synced, Secret, Some("a"), "", NOW);
        let patch: Value = serde_json::from_str(&patch(&object, &status)).unwrap();
        assert_eq!(patch["status"]["conditions"][0]["type"], "Mine");
        assert_eq!(patch["status"]["conditions"][1]["type"], "Ready");
        assert_eq!(patch["metadata"]["uid"], "u");
        assert_eq!(patch["status"]["refreshTime"], "2026-01-01T00:01:01Z");
    }
}
