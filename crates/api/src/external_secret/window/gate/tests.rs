use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::SyncWindow;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn gate(kind: &str, windows: &[(&str, &str)]) -> RefreshGate {
    let kind = serde_json::from_value(json!(kind)).unwrap();
    let windows = windows.iter().map(|(schedule, duration)| SyncWindow {
        schedule: (*schedule).to_owned(),
        duration: (*duration).to_owned(),
    });
    let windows = windows.collect();
    SyncWindows { kind, windows }.gate()
}

#[test]
fn the_start_belongs_to_a_window_and_the_end_does_not() {
    let night = [("0 2 * * *", "1h")];
    let (allow, deny) = (gate("allow", &night), gate("deny", &night));
    for (at, inside) in [
        (2 * HOUR - 1, false),
        (2 * HOUR, true),
        (3 * HOUR - 1, true),
        (3 * HOUR, false),
    ] {
        assert_eq!(allow.is_open(at), inside, "{at}");
        assert_eq!(deny.is_open(at), !inside, "{at}");
    }
    assert_eq!(allow.next_open(2 * HOUR - 1), Some(2 * HOUR));
    assert_eq!(allow.next_open(2 * HOUR + 5), Some(2 * HOUR + 5));
    assert_eq!(allow.next_open(3 * HOUR), Some(26 * HOUR));
    assert_eq!(deny.next_open(2 * HOUR), Some(3 * HOUR));
    assert_eq!(deny.next_open(3 * HOUR), Some(3 * HOUR));
    assert!(allow.remarks().is_empty() && deny.remarks().is_empty());
}

/// The other operator looks only at the earliest firing and finds a second of pause in each.
#[test]
fn overlapping_windows_have_no_hole() {
    let always = gate("allow", &[("* * * * *", "2m")]);
    let touching = gate("allow", &[("* * * * *", "1m")]);
    for at in (0..5 * MINUTE).step_by(250) {
        assert!(always.is_open(at) && touching.is_open(at), "{at}");
    }
    let long = gate("deny", &[("0 22 * * *", "30h")]);
    assert!((DAY..2 * DAY).step_by(600_000).all(|at| !long.is_open(at)));
}

#[test]
fn every_counts_from_the_epoch() {
    let gate = gate("allow", &[("@every 6h", "30m")]);
    assert!(gate.is_open(6 * HOUR) && gate.is_open(6 * HOUR + 30 * MINUTE - 1));
    assert!(!gate.is_open(6 * HOUR + 30 * MINUTE));
    assert_eq!(gate.next_open(7 * HOUR), Some(12 * HOUR));
}

#[test]
fn several_windows_count_together() {
    let windows = [
        ("0 1 * * *", "1h"),
        ("30 1 * * *", "1h"),
        ("0 12 * * *", "1h"),
    ];
    let deny = gate("deny", &windows);
    assert_eq!(deny.next_open(HOUR), Some(2 * HOUR + 30 * MINUTE));
    assert_eq!(gate("allow", &windows).next_open(3 * HOUR), Some(12 * HOUR));
}

#[test]
fn windows_that_cannot_be_read_are_left_out_and_told() {
    let some = gate("allow", &[("99 99 * * *", "1h"), ("0 2 * * *", "1h")]);
    assert_eq!(some.next_open(0), Some(2 * HOUR));
    assert_eq!(
        some.remarks(),
        [
            "spec.syncWindows.windows[0].schedule \"99 99 * * *\" is ignored: minute 99 is not in 0-59"
        ]
    );
    let none = gate(
        "allow",
        &[
            ("99 99 * * *", "1h"),
            ("0 0 30 2 *", "1h"),
            ("@daily", "0s"),
            ("@daily", "1d"),
        ],
    );
    assert_eq!((none.is_open(0), none.next_open(0)), (false, None));
    assert_eq!(
        none.remarks()[1..],
        [
            "spec.syncWindows.windows[1] never opens",
            "spec.syncWindows.windows[2] never opens",
            "spec.syncWindows.windows[3].duration is ignored: time: unknown unit \"d\" in duration \"1d\"",
            "no window ever opens, so no periodic refresh happens",
        ]
    );
    let deny = gate("deny", &[("99 99 * * *", "1h")]);
    assert_eq!((deny.is_open(0), deny.next_open(0)), (true, Some(0)));
    assert_eq!(deny.remarks().len(), 1);
    let many = gate("allow", &[("x", "1h"); 4096]);
    assert_eq!(many.remarks().len(), 9, "as much as fits in a condition");
}

/// Denying windows without end: a bounded search, and a moment to look again.
#[test]
fn hostile_windows_cost_little() {
    let always = gate("deny", &[("* * * * *", "2m")]);
    let again = always.next_open(0).unwrap();
    assert!(again > DAY && !always.is_open(again - 1));
    let staggered: Vec<_> = (0..4096).map(|_| ("* * * * *", "1m1ns")).collect();
    let many = gate("deny", &staggered);
    assert!(many.next_open(0).unwrap() > MINUTE);
    let forever = gate("deny", &[("0 0 29 2 *", "2562047h47m16.854775807s")]);
    let end = forever.next_open(4_000_000_000_000).unwrap();
    assert!(end > 4_000_000_000_000 + 200 * 365 * DAY);
    let leap = gate("allow", &[("0 0 29 2 *", "1h")]);
    assert_eq!(leap.next_open(0), Some((365 * 2 + 31 + 28) * DAY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a scan: a moment is inside if some minute of the past opened a window over it.
    #[test]
    fn equals_a_scan_of_minutes(
        windows in prop::collection::vec((0u32..60, prop::option::of(0u32..24), 1i64..200), 1..4),
        allow: bool,
        at in 10_000i64..20_000_000,
        offset in 0i64..MINUTE,
    ) {
        let texts: Vec<(String, String)> = windows
            .iter()
            .map(|(minute, hour, length)| {
                let hour = hour.map_or("*".to_owned(), |h| h.to_string());
                (format!("{minute} {hour} * * *"), format!("{length}m"))
            })
            .collect();
        let pairs: Vec<(&str, &str)> = texts.iter().map(|(s, d)| (s.as_str(), d.as_str())).collect();
        let gate = gate(if allow { "allow" } else { "deny" }, &pairs);
        let inside = |minute: i64| windows.iter().any(|(m, h, length)| {
            (0..*length).any(|back| {
                let opened = minute - back;
                opened % 60 == i64::from(*m) && h.is_none_or(|h| opened / 60 % 24 == i64::from(h))
            })
        });
        let moment = at * MINUTE + offset;
        prop_assert_eq!(gate.is_open(moment), inside(at) == allow);
        let expected = (at..at + 2 * 1440).find(|minute| inside(*minute) == allow);
        let found = gate.next_open(moment);
        match expected {
            Some(minute) => prop_assert_eq!(found, Some((minute * MINUTE).max(moment))),
            None => prop_assert!(found.is_none_or(|t| t >= (at + 2 * 1440) * MINUTE)),
        }
    }

    #[test]
    fn the_next_opening_is_open_and_nothing_before_it_is(
        minute in 0u32..60, hour in 0u32..24, length in 1i64..3000, allow: bool, at in 0i64..4_000_000_000_000,
    ) {
        let gate = gate(if allow { "allow" } else { "deny" }, &[(&format!("{minute} {hour} * * *"), &format!("{length}m"))]);
        if let Some(open) = gate.next_open(at) {
            prop_assert!(open >= at);
            prop_assert!(open == at || !gate.is_open(open - 1));
            if allow || length < 1440 {
                prop_assert!(gate.is_open(open));
            }
        }
    }
}
