use proptest::prelude::*;

use super::*;

const TIMING: Timing = Timing {
    wait: 100,
    drain: 1000,
};

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|n| (*n).to_owned()).collect()
}

fn facts(published: &[&str], signing: &[&str], served: &[&str], now: i64) -> Facts {
    let server = |(n, s): (usize, &&str)| {
        (
            format!("server-{n}"),
            (!s.is_empty()).then(|| (*s).to_owned()),
        )
    };
    Facts {
        published: Some(names(published)),
        signing: signing.iter().enumerate().map(server).collect(),
        served: names(served),
        now,
    }
}

fn begun() -> Rotation {
    Rotation::begin(Kind::Key, names(&["old"]), "new".into(), TIMING, 0)
}

fn stay(advance: &Advance) -> (Phase, Option<i64>, Option<Todo>) {
    let stay = advance.stay.clone().unwrap();
    (advance.rotation.phase, stay.until, stay.todo)
}

#[test]
fn the_whole_way() {
    let both = &["new", "old"];
    let a = begun().advance(&facts(&["old"], &["old"], &["old"], 1), false);
    assert_eq!(stay(&a), (Phase::Announce, None, Some(Todo::Publish)));
    let a = a
        .rotation
        .advance(&facts(both, &["old"], &["old"], 10), false);
    assert_eq!(stay(&a), (Phase::Wait { since: 10 }, Some(110), None));
    let a = a
        .rotation
        .advance(&facts(both, &["old"], &["old"], 109), false);
    assert_eq!(
        (stay(&a), a.moved),
        ((Phase::Wait { since: 10 }, Some(110), None), false)
    );
    let a = a
        .rotation
        .advance(&facts(both, &["old", "old"], both, 110), false);
    assert_eq!(stay(&a), (Phase::Activate, None, Some(Todo::Switch)));
    let a = a
        .rotation
        .advance(&facts(both, &["new", "old"], both, 120), false);
    assert_eq!(stay(&a), (Phase::Activate, None, Some(Todo::Switch)));
    let a = a
        .rotation
        .advance(&facts(both, &["new", ""], both, 121), false);
    assert_eq!(stay(&a), (Phase::Activate, None, Some(Todo::Repair)));
    let a = a
        .rotation
        .advance(&facts(both, &["new", "new"], both, 130), false);
    assert_eq!(stay(&a), (Phase::Drain { since: 130 }, Some(1130), None));
    assert!(a.rotation.retired().is_empty());
    let a = a
        .rotation
        .advance(&facts(both, &["new", "new"], both, 1130), false);
    assert_eq!(stay(&a), (Phase::Retire, None, Some(Todo::Remove)));
    assert_eq!(a.rotation.retired(), names(&["old"]));
    let a = a
        .rotation
        .advance(&facts(both, &["new", "new"], &["new"], 1131), false);
    assert_eq!(stay(&a), (Phase::Retire, None, Some(Todo::Publish)));
    let a = a
        .rotation
        .advance(&facts(&["new"], &["new", "new"], &["new"], 1132), false);
    assert_eq!((a.rotation.phase, a.stay), (Phase::Done, None));
    assert_eq!(a.rotation.log.len(), 6);
}

#[test]
fn it_goes_back_when_the_ground_gives_way() {
    let both = &["new", "old"];
    let mut rotation = begun();
    rotation.phase = Phase::Wait { since: 0 };
    let a = rotation.advance(&facts(&["old"], &["old"], &["old"], 200), false);
    assert_eq!(a.rotation.phase, Phase::Announce);
    rotation.phase = Phase::Drain { since: 0 };
    let a = rotation.advance(&facts(both, &["old", "new"], both, 5000), false);
    assert_eq!(a.rotation.phase, Phase::Activate);
    let a = a
        .rotation
        .advance(&facts(both, &["new", "new"], both, 5001), false);
    assert_eq!(a.rotation.phase, Phase::Drain { since: 5001 });
}

#[test]
fn an_emergency_waits_for_nothing_but_still_looks() {
    let both = &["new", "old"];
    let a = begun().advance(&facts(both, &["old"], both, 5), true);
    assert_eq!(stay(&a), (Phase::Activate, None, Some(Todo::Switch)));
    let a = a.rotation.advance(&facts(both, &["new"], both, 6), true);
    assert_eq!(a.rotation.phase, Phase::Retire);
    assert_eq!(
        a.rotation.log.iter().filter(|e| e.note.is_some()).count(),
        2
    );
}

#[test]
fn dangers_are_named() {
    let both = &["new", "old"];
    let a = begun().advance(&facts(both, &["new"], both, 5), false);
    assert_eq!(
        (a.findings[0].code, a.findings[0].severity),
        (Code::K7, Severity::Warning)
    );
    let a = begun().advance(&facts(&["old"], &["new"], both, 5), false);
    assert!(
        a.findings
            .iter()
            .any(|f| f.code == Code::K7 && f.severity == Severity::Error)
    );
    let mut rotation = begun();
    rotation.phase = Phase::Drain { since: 0 };
    let a = rotation.advance(&facts(&["new"], &["new"], &["new"], 5), false);
    assert_eq!(a.findings[0].code, Code::K9);
}

#[test]
fn giving_up_is_possible_until_it_signs() {
    let both = &["new", "old"];
    let rotation = begun()
        .advance(&facts(both, &["old"], both, 5), false)
        .rotation;
    let aborted = rotation.abort(&facts(both, &["old"], both, 6)).unwrap();
    assert_eq!(aborted.retired(), names(&["new"]));
    assert!(!aborted.announces());
    assert!(rotation.abort(&facts(both, &["new"], both, 6)).is_err());
}

#[test]
fn nothing_goes_on_blindly() {
    let blind = Facts {
        now: 10_000,
        ..Facts::default()
    };
    for phase in [
        Phase::Announce,
        Phase::Wait { since: 0 },
        Phase::Activate,
        Phase::Drain { since: 0 },
        Phase::Retire,
    ] {
        let rotation = Rotation { phase, ..begun() };
        let a = rotation.advance(&blind, false);
        assert!(!a.moved && a.stay.is_some(), "{phase}");
    }
}

#[test]
fn an_old_key_that_goes_before_its_tokens_is_foreseen() {
    let kept = |end| vec![("old".to_owned(), Some(end)), ("other".to_owned(), Some(1))];
    let mut rotation = begun();
    assert_eq!(rotation.goes_early(&kept(5)), None);
    rotation.phase = Phase::Activate;
    assert_eq!(rotation.goes_early(&kept(5)), Some(5));
    rotation.phase = Phase::Drain { since: 0 };
    assert_eq!(rotation.goes_early(&kept(999)), Some(999));
    assert_eq!(rotation.goes_early(&kept(1000)), None);
    rotation.phase = Phase::Retire;
    assert_eq!(rotation.goes_early(&kept(5)), None);
}

#[test]
fn an_issuer_that_goes_is_not_published_again() {
    let mut rotation = Rotation::begin(Kind::Issuer, names(&["old"]), "new".into(), TIMING, 0);
    let published = |r: &Rotation| ["old", "new"].map(|i| r.publishes(i));
    assert_eq!(published(&rotation), [true, true]);
    rotation.phase = Phase::Drain { since: 0 };
    assert_eq!(published(&rotation), [true, true]);
    rotation.phase = Phase::Retire;
    assert_eq!(published(&rotation), [false, true]);
    rotation.phase = Phase::Aborted;
    assert_eq!(published(&rotation), [true, false]);
}

#[test]
fn the_state_survives_its_text() {
    let rotation = begun()
        .advance(&facts(&["new", "old"], &["old"], &["old"], 10), false)
        .rotation;
    let text = serde_json::to_string(&rotation).unwrap();
    assert_eq!(serde_json::from_str::<Rotation>(&text).unwrap(), rotation);
}

proptest! {
    /// Whatever happens in whatever order, with a restart from the written state after each step:
    /// a token is never let to be signed with a key that has not been visible for the whole wait,
    /// and no key is retired before the drain since the last server was seen to sign with it.
    #[test]
    fn order_is_kept(steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0usize..3, 0usize..3, 1i64..400), 1..40)) {
        let mut rotation = begun();
        let mut now = 0;
        let (mut visible_since, mut old_last) = (None, 0);
        for (new_seen, old_seen, one, two, later) in steps {
            now += later;
            let mut published = vec![];
            if new_seen { published.push("new"); }
            if old_seen { published.push("old"); }
            let signs = |n: usize| ["old", "new", ""][n];
            let seen = facts(&published, &[signs(one), signs(two)], &published, now);
            if !new_seen { visible_since = None; } else { visible_since = visible_since.or(Some(now)); }
            if one == 0 || two == 0 { old_last = now; }
            let before = rotation.phase;
            let text = serde_json::to_string(&rotation).unwrap();
            rotation = serde_json::from_str::<Rotation>(&text).unwrap().advance(&seen, false).rotation;
            if rotation.phase == Phase::Activate && matches!(before, Phase::Announce | Phase::Wait { .. }) {
                prop_assert!(visible_since.is_some_and(|since| now - since >= TIMING.wait));
            }
            if rotation.phase == Phase::Retire && before != Phase::Retire {
                prop_assert!(now - old_last >= TIMING.drain);
            }
        }
    }
}
