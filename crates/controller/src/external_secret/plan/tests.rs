//! Each test names the numbered rule of the API's reference behaviour that it holds.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_767_225_661_000;
const HOUR: i64 = 3_600_000;

/// An ExternalSecret that was synced `age` milliseconds ago and has a valid Secret.
struct Case {
    object: ExternalSecret,
    spec: ExternalSecretSpec,
    target: Target,
    lane: Lane,
    failing: bool,
    refetch: bool,
    rerender: bool,
    first_look: bool,
    foreign: bool,
    namespace_deleting: bool,
    pace: Pace,
}

const VALID: Target = Target {
    exists: true,
    owned: true,
    hashed: true,
    suspect: false,
};

impl Case {
    fn new(spec: &Value, age: Option<i64>) -> Self {
        let text = json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 1},
            "spec": spec,
        });
        let mut object = ExternalSecret::decode(&text.to_string()).unwrap();
        object.refresh_time = age.map(|age| NOW - age);
        object.synced = age.map(|_| object.fingerprint.clone());
        object.ready = age.map(|_| crate::object::Ready {
            status: "True".into(),
            reason: "SecretSynced".into(),
            message: "secret synced".into(),
            since: "".into(),
        });
        Self {
            spec: object.spec().unwrap(),
            object,
            target: VALID,
            lane: Lane::Event,
            failing: false,
            refetch: false,
            rerender: false,
            first_look: false,
            foreign: false,
            namespace_deleting: false,
            pace: Pace::default(),
        }
    }

    fn step(&self) -> Step {
        step(&Facts {
            object: &self.object,
            spec: &self.spec,
            now: NOW,
            lane: self.lane,
            refreshed: self.object.refresh_time,
            failing: self.failing,
            refetch: self.refetch,
            rerender: self.rerender,
            first_look: self.first_look,
            target: self.target,
            foreign: self.foreign,
            namespace_deleting: self.namespace_deleting,
            pace: self.pace,
        })
    }

    fn changed(mut self) -> Self {
        self.object.synced = Some("0-older".into());
        self
    }

    fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
}

fn fetches(case: &Case) -> bool {
    matches!(case.step(), Step::Fetch { .. })
}

const NEVER: Step = Step::Rest { until: None };

#[test]
fn a_new_object_is_read_whatever_its_policy() {
    for policy in ["Periodic", "CreatedOnce", "OnChange"] {
        let case = Case::new(&json!({"refreshPolicy": policy}), None).target(Target::default());
        assert!(fetches(&case), "{policy}");
    }
}

/// 2.1.4, 2.1.5: other classes and switched-off reconcilers; deletion is still honoured.
#[test]
fn foreign_objects_are_left_alone() {
    let mut case = Case::new(&json!({}), None);
    case.foreign = true;
    assert_eq!(case.step(), Step::Ignore);
    case.object.deleting = true;
    assert!(matches!(case.step(), Step::Cleanup { .. }));
}

/// 2.1.2: only deletionPolicy Delete deletes, and only what is owned; our finalizer goes.
#[test]
fn deletion() {
    let cleanup = |policy: &str, owned: bool, finalizers: &[&str]| {
        let spec = json!({"target": {"deletionPolicy": policy}});
        let mut case = Case::new(&spec, Some(0)).target(Target { owned, ..VALID });
        case.object.deleting = true;
        case.object.finalizers = finalizers.iter().map(|f| (*f).into()).collect();
        match case.step() {
            Step::Cleanup {
                delete_secret,
                remove_finalizer,
            } => (delete_secret, remove_finalizer),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        cleanup("Delete", true, &[finalizer::EXTERNAL_SECRET]),
        (true, true)
    );
    assert_eq!(cleanup("Delete", false, &["other"]), (false, false));
    assert_eq!(
        cleanup("Retain", true, &["other", finalizer::EXTERNAL_SECRET]),
        (false, true)
    );
    assert_eq!(cleanup("Merge", true, &[]), (false, false));
}

#[test]
fn nothing_is_made_in_a_namespace_that_goes() {
    let mut case = Case::new(&json!({}), None);
    case.namespace_deleting = true;
    assert_eq!(case.step(), NEVER);
}

/// 2.2.2.
#[test]
fn periodic() {
    let hourly = json!({"refreshInterval": "1h"});
    // (b) a change of spec, labels or annotations.
    assert!(fetches(&Case::new(&hourly, Some(1000)).changed()));
    // (c) no refreshTime, or one in the future.
    let mut case = Case::new(&hourly, Some(1000));
    case.object.refresh_time = None;
    assert!(fetches(&case));
    assert!(fetches(&Case::new(&hourly, Some(-60_000))));
    // (d) the interval has passed.
    assert!(fetches(&Case::new(&hourly, Some(HOUR))));
    let Step::Rest { until: Some(until) } = Case::new(&hourly, Some(0)).step() else {
        panic!("just read")
    };
    assert!(until > NOW && until <= NOW + HOUR);
    // The default interval is an hour.
    assert!(fetches(&Case::new(&json!({}), Some(HOUR))));
}

/// 2.2.2a: an interval of zero or less reads once, and never again, changed or not.
#[test]
fn an_interval_of_nothing_means_once() {
    for interval in ["0", "0s", "-1h"] {
        let spec = json!({"refreshInterval": interval});
        assert_eq!(
            Case::new(&spec, Some(HOUR * 100)).step(),
            NEVER,
            "{interval}"
        );
        assert_eq!(
            Case::new(&spec, Some(0)).changed().step(),
            NEVER,
            "{interval}"
        );
        assert!(fetches(&Case::new(&spec, None)), "{interval}");
    }
}

/// 2.2.3.
#[test]
fn created_once() {
    let spec = json!({"refreshPolicy": "CreatedOnce", "refreshInterval": "1s"});
    assert_eq!(Case::new(&spec, Some(HOUR)).step(), NEVER);
    assert_eq!(Case::new(&spec, Some(HOUR)).changed().step(), NEVER);
    let mut case = Case::new(&spec, Some(HOUR));
    case.object.refresh_time = None;
    assert!(fetches(&case));
}

/// 2.2.4.
#[test]
fn on_change() {
    let spec = json!({"refreshPolicy": "OnChange", "refreshInterval": "1s"});
    assert_eq!(Case::new(&spec, Some(HOUR)).step(), NEVER);
    assert!(fetches(&Case::new(&spec, Some(HOUR)).changed()));
}

/// 2.2.7, 2.2.8: a Secret that is gone or has no hash is made anew, whatever the policy.
#[test]
fn an_invalid_secret_is_read_anew() {
    for spec in [
        json!({"refreshPolicy": "CreatedOnce"}),
        json!({"refreshPolicy": "OnChange"}),
        json!({"refreshInterval": "0"}),
        json!({"target": {"creationPolicy": "Merge"}}),
        json!({"target": {"creationPolicy": "CreateOrMerge"}}),
        // 2.2.9: there never is a Secret.
        json!({"target": {"creationPolicy": "None"}}),
    ] {
        for target in [
            Target::default(),
            Target {
                hashed: false,
                ..VALID
            },
        ] {
            let step = Case::new(&spec, Some(0)).target(target).step();
            assert_eq!(
                step,
                Step::Fetch {
                    max_age: Duration::ZERO
                },
                "{spec}"
            );
        }
        let suspect = Target {
            suspect: true,
            ..VALID
        };
        assert_eq!(
            Case::new(&spec, Some(0)).target(suspect).step(),
            Step::Verify,
            "{spec}"
        );
    }
}

/// 2.2.7: Orphan is always valid.
#[test]
fn an_orphan_is_never_repaired() {
    let spec = json!({"target": {"creationPolicy": "Orphan"}, "refreshPolicy": "OnChange"});
    for target in [
        Target::default(),
        Target {
            suspect: true,
            ..VALID
        },
    ] {
        assert_eq!(Case::new(&spec, Some(0)).target(target).step(), NEVER);
    }
}

#[test]
fn a_failed_sync_is_tried_again_and_a_changed_store_read_again() {
    let once = json!({"refreshInterval": "0"});
    let hourly = json!({"refreshInterval": "1h"});
    let with = |spec: &Value, failing, refetch| {
        let mut case = Case::new(spec, Some(0));
        case.failing = failing;
        case.refetch = refetch;
        fetches(&case)
    };
    assert!(with(&hourly, true, false));
    assert!(with(&once, true, false));
    assert!(with(&hourly, false, true));
    assert!(!with(&once, false, true), "once means once");
    assert!(!with(&hourly, false, false));
}

#[test]
fn what_is_overdue_at_start_is_spread_but_changes_are_not() {
    let start = |case: Case| {
        let mut case = case.lane(Lane::Periodic);
        case.first_look = true;
        case.step()
    };
    let hourly = json!({"refreshInterval": "1h"});
    let Step::Rest { until: Some(until) } = start(Case::new(&hourly, Some(2 * HOUR))) else {
        panic!("not spread")
    };
    assert!((NOW..=NOW + 60_000).contains(&until));
    for urgent in [
        Case::new(&hourly, Some(2 * HOUR)).changed(),
        Case::new(&hourly, Some(2 * HOUR)).target(Target::default()),
        Case::new(&hourly, None),
    ] {
        assert!(matches!(start(urgent), Step::Fetch { .. }));
    }
}

#[test]
fn answers_may_be_as_old_as_nobody_minds() {
    let age = |interval: &str, lane: Lane| {
        let spec = json!({"refreshInterval": interval});
        match Case::new(&spec, None)
            .target(Target::default())
            .lane(lane)
            .step()
        {
            Step::Fetch { max_age } => max_age,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(age("1h", Lane::User), Duration::ZERO);
    assert_eq!(age("1h", Lane::Event), Duration::from_secs(30));
    assert_eq!(age("10s", Lane::Periodic), Duration::from_secs(5));
    assert_eq!(age("1h", Lane::Retry), Duration::from_secs(5));
}

/// 2.5, with what keyless does on purpose: a Secret that is not owned is never deleted.
#[test]
fn nothing_found() {
    let judge = |creation: &str, deletion: &str, target: Target| {
        let spec = json!({"target": {"creationPolicy": creation, "deletionPolicy": deletion}});
        empty(&Case::new(&spec, None).spec, 0, &target)
    };
    let foreign = Target {
        owned: false,
        ..VALID
    };
    for (creation, deletion, target, expected) in [
        ("Owner", "Delete", VALID, Empty::Delete),
        ("Owner", "Delete", Target::default(), Empty::Absent),
        ("Owner", "Delete", foreign, Empty::NotOwner),
        ("Orphan", "Delete", VALID, Empty::NotOwner),
        ("Merge", "Delete", VALID, Empty::NotOwner),
        ("Owner", "Retain", VALID, Empty::Retain),
        ("Owner", "Merge", VALID, Empty::Merge),
        ("Orphan", "Merge", foreign, Empty::Merge),
    ] {
        assert_eq!(
            judge(creation, deletion, target),
            expected,
            "{creation} {deletion}"
        );
    }
    let spec = Case::new(&json!({"target": {"deletionPolicy": "Delete"}}), None).spec;
    assert_eq!(empty(&spec, 1, &VALID), Empty::No);
}

/// 2.2.6. NOW is 1 January 2026, 00:01:01 UTC.
#[test]
fn sync_windows_hold_back_what_is_due_by_time() {
    let spec = |kind: &str, schedule: &str, duration: &str| {
        json!({"refreshInterval": "1s", "syncWindows": {"kind": kind,
            "windows": [{"schedule": schedule, "duration": duration}]}})
    };
    let two = NOW - 61_000 + 2 * HOUR;
    let night = spec("allow", "0 2 * * *", "1h");
    let until = |until| Step::Rest { until: Some(until) };
    assert_eq!(Case::new(&night, Some(HOUR)).step(), until(two));
    let midnight = spec("deny", "0 0 * * *", "2h");
    assert_eq!(Case::new(&midnight, Some(HOUR)).step(), until(two));
    assert!(fetches(&Case::new(
        &spec("allow", "0 0 * * *", "2h"),
        Some(HOUR)
    )));
    assert!(fetches(&Case::new(
        &spec("deny", "0 2 * * *", "1h"),
        Some(HOUR)
    )));
    // Exactly the ends: open since 00:01:01 would be too fine for cron, so the end is moved.
    assert_eq!(
        Case::new(&spec("allow", "0 0 * * *", "1m1s"), Some(HOUR)).step(),
        until(NOW - 61_000 + 24 * HOUR)
    );
    assert!(fetches(&Case::new(
        &spec("allow", "0 0 * * *", "1m1.001s"),
        Some(HOUR)
    )));
    // No window ever opens: it sleeps and does not spin.
    for schedule in ["99 99 * * *", "0 0 30 2 *"] {
        assert_eq!(
            Case::new(&spec("allow", schedule, "1h"), Some(HOUR)).step(),
            NEVER
        );
        assert!(fetches(&Case::new(
            &spec("deny", schedule, "1h"),
            Some(HOUR)
        )));
    }
    // A retry and a changed store only repeat or anticipate.
    let mut case = Case::new(&night, Some(HOUR));
    case.failing = true;
    assert_eq!(case.step(), until(two));
    case.failing = false;
    case.refetch = true;
    assert_eq!(case.step(), until(two));
    // What is not due by time passes.
    for urgent in [
        Case::new(&night, None),
        Case::new(&night, Some(HOUR)).changed(),
        Case::new(&night, Some(HOUR)).target(Target::default()),
    ] {
        assert!(fetches(&urgent));
    }
    let next = |spec: &Value| {
        let case = Case::new(spec, Some(0));
        next_refresh(&case.object, &case.spec, NOW)
    };
    assert_eq!(next(&night), Some(two));
    assert_eq!(next(&spec("allow", "0 0 30 2 *", "1h")), None);
    assert!(next(&spec("allow", "@hourly", "1h")).is_some_and(|t| t <= NOW + 1000));
}

/// Work that is spread after a start stays inside its window.
#[test]
fn a_spread_start_misses_no_window() {
    for (duration, spread) in [("24h", true), ("1m1.001s", false)] {
        let spec = json!({"refreshInterval": "1h", "syncWindows": {"kind": "allow",
            "windows": [{"schedule": "0 0 * * *", "duration": duration}]}});
        let mut case = Case::new(&spec, Some(2 * HOUR)).lane(Lane::Periodic);
        case.first_look = true;
        assert_eq!(
            matches!(case.step(), Step::Rest { .. }),
            spread,
            "{duration}"
        );
    }
}

proptest! {
    /// Nothing rests for ever that has an interval, and nothing rests beyond it.
    #[test]
    fn a_periodic_object_is_looked_at_within_its_interval(seconds in 1i64..100_000, age in 0i64..200_000_000) {
        let spec = json!({"refreshInterval": format!("{seconds}s")});
        match Case::new(&spec, Some(age)).step() {
            Step::Fetch { .. } => {}
            Step::Rest { until: Some(until) } => {
                prop_assert!(until > NOW && until <= NOW - age + seconds * 1000);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

/// A changed template is taken up by what is refreshed, and by what follows its own changes.
#[test]
fn a_changed_template_is_rendered_unless_the_object_is_never_touched_again() {
    let minute = 60_000;
    for (spec, follows) in [
        (json!({"refreshInterval": "1h"}), true),
        (
            json!({"refreshInterval": "1h", "refreshPolicy": "Periodic"}),
            true,
        ),
        (json!({"refreshPolicy": "OnChange"}), true),
        (json!({"refreshPolicy": "CreatedOnce"}), false),
        (json!({"refreshInterval": "0"}), false),
    ] {
        let mut case = Case::new(&spec, Some(minute));
        assert!(matches!(case.step(), Step::Rest { .. }), "{spec}");
        case.rerender = true;
        assert_eq!(matches!(case.step(), Step::Fetch { .. }), follows, "{spec}");
        case.first_look = true;
        case.lane = Lane::Periodic;
        assert_eq!(matches!(case.step(), Step::Fetch { .. }), follows, "{spec}");
    }
}

/// A fight: neither the Secret nor the values are read before the pause is over, and an object at
/// rest rests on.
#[test]
fn a_fight_is_paused() {
    let hot = (0..9).fold(Pace::default(), |pace, _| pace.after_write(NOW));
    let with = |mut case: Case| {
        case.pace = hot;
        case.step()
    };
    let spec = json!({});
    let pause = |seconds: i64| Step::Pause {
        until: NOW + seconds * 1000,
    };
    let suspect = Target {
        suspect: true,
        ..VALID
    };
    assert_eq!(with(Case::new(&spec, Some(0)).target(suspect)), pause(8));
    let gone = Target::default();
    assert_eq!(with(Case::new(&spec, Some(0)).target(gone)), pause(8));
    assert_eq!(with(Case::new(&spec, Some(0)).changed()), pause(5));
    assert_eq!(with(Case::new(&spec, Some(3 * HOUR))), pause(8));
    assert!(matches!(
        with(Case::new(&spec, Some(0))),
        Step::Rest { until: Some(_) }
    ));
    let mut deleting = Case::new(&spec, Some(0));
    deleting.object.deleting = true;
    assert!(matches!(with(deleting), Step::Cleanup { .. }));
}

/// A change that had to wait gets the present value, as one that had not.
#[test]
fn a_paused_change_reads_the_present_value() {
    let case = Case::new(&json!({}), Some(0)).changed().lane(Lane::Event);
    let now = Step::Fetch {
        max_age: Duration::ZERO,
    };
    assert_eq!(case.step(), now);
}
