//! The status of a store: what it is to say, and whether that is worth a write.

use keyless_api::Condition;
use keyless_api::constants::condition;
use keyless_kubernetes::request::with;
use serde_json::json;

use super::plan::Verdict;
use crate::clock::rfc3339;
use crate::object::Store;

/// The Ready condition for `verdict` at `now`.
#[must_use]
pub fn wanted(store: &Store, verdict: &Verdict, now: i64) -> Condition {
    let status = if verdict.ready { "True" } else { "False" };
    let old = store.ready().filter(|c| c.status == status);
    let since = old.and_then(|c| c.last_transition_time.clone());
    Condition {
        kind: condition::READY.into(),
        status: status.into(),
        reason: Some(verdict.reason.into()),
        message: Some(verdict.message.clone()),
        last_transition_time: Some(since.unwrap_or_else(|| rfc3339(now))),
    }
}

/// Whether the condition says something new: worth an event.
#[must_use]
pub fn is_news(store: &Store, ready: &Condition) -> bool {
    store.ready() != Some(ready)
}

/// Whether anything stored differs.
#[must_use]
pub fn worth_writing(store: &Store, ready: &Condition, verdict: &Verdict) -> bool {
    let capabilities = store.status.capabilities.as_deref();
    is_news(store, ready)
        || verdict
            .capabilities
            .is_some_and(|c| capabilities != Some(c))
}

/// The merge patch that writes it. The uid keeps it off a namesake made meanwhile.
#[must_use]
pub fn patch(store: &Store, ready: &Condition, verdict: &Verdict) -> String {
    let others = store.status.conditions.iter();
    let mut conditions: Vec<&Condition> = others.filter(|c| c.kind != condition::READY).collect();
    conditions.push(ready);
    let capabilities = verdict.capabilities.map(Into::into);
    let status = with(
        json!({"conditions": conditions}),
        "capabilities",
        capabilities,
    );
    json!({"metadata": {"uid": store.uid}, "status": status}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::facts::Found;
    use crate::store::plan::verdict;
    use keyless_providers::Capabilities;
    use std::time::Duration;

    fn store(status: &str) -> Store {
        Store::decode(&format!(r#"{{"metadata":{{"name":"s","namespace":"n","uid":"u"}},"spec":{{}},"status":{status}}}"#)).unwrap()
    }

    fn valid(store: &Store) -> Verdict {
        verdict(
            store,
            Found::Valid(Capabilities::ReadWrite),
            Duration::from_secs(1),
        )
    }

    #[test]
    fn an_unchanged_store_is_not_written() {
        let fresh = store("{}");
        let verdict = valid(&fresh);
        let ready = wanted(&fresh, &verdict, 0);
        assert!(worth_writing(&fresh, &ready, &verdict));
        let patch: serde_json::Value =
            serde_json::from_str(&patch(&fresh, &ready, &verdict)).unwrap();
        assert_eq!(patch["status"]["capabilities"], "ReadWrite");
        let stored = store(&patch["status"].to_string());
        let later = wanted(&stored, &valid(&stored), 60_000);
        assert!(!worth_writing(&stored, &later, &valid(&stored)));
        assert_eq!(
            later.last_transition_time.as_deref(),
            Some("1970-01-01T00:00:00Z")
        );
    }
}
