//! What a validation means for the store: condition, capabilities, readiness, next look.

use std::time::Duration;

use keyless_api::constants::{message, reason};
use keyless_fault::Class;

use super::facts::Found;
use crate::object::Store;

/// The verdict on a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether ExternalSecrets may use it.
    pub ready: bool,
    /// The condition's reason, and the event's.
    pub reason: &'static str,
    /// The condition's message.
    pub message: String,
    /// The event's text.
    pub note: String,
    /// What is written as capabilities; `None` leaves them as they are.
    pub capabilities: Option<&'static str>,
    /// When to validate again after a success.
    pub interval: Duration,
    /// The failure, if it is one.
    pub failure: Option<(Class, Option<Duration>)>,
}

/// Judges what was found. A store that only its consumers can log in with counts as valid.
#[must_use]
pub fn verdict(store: &Store, found: Found, default_interval: Duration) -> Verdict {
    let interval = store.spec.as_ref().ok();
    let interval = interval.and_then(|s| s.refresh_interval().ok().flatten());
    let interval = interval
        .and_then(|i| i.positive())
        .unwrap_or(default_interval);
    match found {
        Found::Valid(capabilities) | Found::Referent(capabilities) => Verdict {
            ready: true,
            reason: reason::STORE_VALID,
            message: message::STORE_VALIDATED.into(),
            note: message::STORE_VALIDATED.into(),
            capabilities: Some(capabilities.as_str()),
            interval,
            failure: None,
        },
        Found::Undetermined(reason) => Verdict {
            ready: true,
            reason: reason::STORE_VALIDATION_UNKNOWN,
            message: format!("{}: {reason}", message::STORE_UNKNOWN),
            note: reason,
            capabilities: None,
            interval,
            failure: None,
        },
        Found::Failed {
            sentence,
            detail,
            class,
            retry_after,
        } => Verdict {
            ready: false,
            reason: reason::STORE_INVALID_PROVIDER_CONFIG,
            message: format!("{sentence}: {detail}"),
            note: detail,
            capabilities: None,
            interval,
            failure: Some((class, retry_after)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyless_providers::Capabilities;

    const DEFAULT: Duration = Duration::from_secs(300);

    fn store(spec: &str) -> Store {
        Store::decode(&format!(
            r#"{{"metadata":{{"name":"s","namespace":"n"}},"spec":{spec}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn valid_and_referent_stores_are_ready() {
        let store = store(r#"{"provider":{"fake":{"data":[]}}}"#);
        for found in [
            Found::Valid(Capabilities::ReadOnly),
            Found::Referent(Capabilities::ReadOnly),
        ] {
            let verdict = verdict(&store, found, DEFAULT);
            assert!(verdict.ready && verdict.failure.is_none());
            assert_eq!(
                (verdict.reason, &*verdict.message),
                ("Valid", "store validated")
            );
            assert_eq!(
                (verdict.capabilities, verdict.interval),
                (Some("ReadOnly"), DEFAULT)
            );
        }
    }

    #[test]
    fn a_backend_that_would_not_say_leaves_the_store_usable() {
        let found = Found::Undetermined("no permission to look".into());
        let verdict = verdict(&store("{}"), found, DEFAULT);
        assert!(verdict.ready && verdict.failure.is_none());
        assert_eq!(
            (verdict.reason, &*verdict.message, verdict.capabilities),
            (
                "ValidationUnknown",
                "could not determine validation status: no permission to look",
                None
            )
        );
    }

    #[test]
    fn a_failure_says_why_and_keeps_the_capabilities() {
        let found = Found::Failed {
            sentence: message::STORE_NOT_VALIDATED,
            detail: "cannot log in".into(),
            class: Class::Denied,
            retry_after: None,
        };
        let verdict = verdict(&store("{}"), found, DEFAULT);
        assert!(!verdict.ready);
        assert_eq!(verdict.reason, "InvalidProviderConfig");
        assert_eq!(verdict.message, "unable to validate store: cannot log in");
        assert_eq!(verdict.capabilities, None);
    }

    #[test]
    fn the_store_may_say_how_often_it_is_validated() {
        for (text, seconds) in [("30", 30), ("\"1h\"", 3600), ("0", 300)] {
            let spec =
                format!(r#"{{"provider":{{"fake":{{"data":[]}}}},"refreshInterval":{text}}}"#);
            let verdict = verdict(&store(&spec), Found::Valid(Capabilities::ReadOnly), DEFAULT);
            assert_eq!(verdict.interval, Duration::from_secs(seconds), "{text}");
        }
    }
}
