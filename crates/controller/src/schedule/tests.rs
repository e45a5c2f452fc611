use proptest::prelude::*;

use super::*;

type Test = Scheduler<u32, u8>;

const fn s(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn drain(scheduler: &mut Test, now: Moment) -> Vec<u32> {
    let mut out = Vec::new();
    while let Some((key, _)) = scheduler.pop(now) {
        scheduler.done(&key, None);
        out.push(key);
    }
    out
}

#[test]
fn users_go_before_the_backlog_but_do_not_starve_it() {
    let mut scheduler = Test::default();
    for key in 0..100 {
        scheduler.wake(&key, &0, Lane::Event, s(0));
    }
    for key in 100..120 {
        scheduler.wake(&key, &0, Lane::User, s(0));
    }
    let order = drain(&mut scheduler, s(0));
    let backlog_first = order.iter().position(|k| *k < 100).unwrap();
    assert_eq!(backlog_first, 8);
    let last_user = order.iter().rposition(|k| *k >= 100).unwrap();
    assert!(
        last_user <= 22,
        "20 user keys and 2 exceptions: {last_user}"
    );
}

#[test]
fn every_lane_moves_under_load() {
    let mut scheduler = Test::default();
    for key in 0..400 {
        let lane = Lane::ALL[(key % 4) as usize];
        scheduler.wake(&key, &0, lane, s(0));
    }
    let order = drain(&mut scheduler, s(0));
    for lane in 0..4 {
        assert!(order.iter().take(60).any(|k| k % 4 == lane));
    }
}

#[test]
fn groups_take_turns() {
    let mut scheduler = Test::default();
    for key in 0..50 {
        scheduler.wake(&key, &0, Lane::Periodic, s(0));
    }
    scheduler.wake(&99, &1, Lane::Periodic, s(0));
    let order = drain(&mut scheduler, s(0));
    assert!(order.iter().position(|k| *k == 99).unwrap() <= 1);
}

#[test]
fn due_times_order_the_waiting() {
    let mut scheduler = Test::default();
    scheduler.schedule(&1, &0, Lane::Periodic, s(20));
    scheduler.schedule(&2, &0, Lane::Retry, s(10));
    assert_eq!(scheduler.next_due(), Some(s(10)));
    assert!(drain(&mut scheduler, s(9)).is_empty());
    assert_eq!(drain(&mut scheduler, s(10)), [2]);
    scheduler.schedule(&1, &0, Lane::Periodic, s(5));
    assert_eq!(drain(&mut scheduler, s(10)), [1]);
    assert_eq!(scheduler.next_due(), None);
}

#[test]
fn a_running_key_is_not_given_twice_and_a_wake_is_not_lost() {
    let mut scheduler = Test::default();
    scheduler.wake(&1, &0, Lane::User, s(0));
    assert_eq!(scheduler.pop(s(0)), Some((1, Lane::User)));
    scheduler.wake(&1, &0, Lane::Event, s(1));
    assert_eq!(scheduler.pop(s(1)), None);
    scheduler.done(&1, Some((Lane::Periodic, s(3600))));
    assert_eq!(scheduler.pop(s(1)), Some((1, Lane::Event)));
}

#[test]
fn a_forgotten_key_stays_forgotten() {
    let mut scheduler = Test::default();
    scheduler.wake(&1, &0, Lane::User, s(0));
    assert!(scheduler.pop(s(0)).is_some());
    scheduler.forget(&1);
    scheduler.done(&1, Some((Lane::Periodic, s(1))));
    assert!(drain(&mut scheduler, s(100)).is_empty());
    scheduler.schedule(&2, &0, Lane::Periodic, s(1));
    scheduler.forget(&2);
    assert_eq!(scheduler.next_due(), None);
}

#[test]
fn the_watchdog_sees_the_oldest() {
    let mut scheduler = Test::default();
    assert_eq!(scheduler.oldest_overdue(s(5)), s(0));
    scheduler.schedule(&1, &0, Lane::Periodic, s(10));
    scheduler.wake(&2, &0, Lane::Event, s(12));
    assert_eq!(scheduler.oldest_overdue(s(15)), s(5));
    scheduler.pop(s(15));
    scheduler.pop(s(15));
    assert_eq!(scheduler.oldest_overdue(s(15)), s(0));
}

#[test]
fn rescheduling_does_not_grow_the_heap() {
    let mut scheduler = Test::default();
    for n in 0..10_000 {
        scheduler.schedule(&(n % 10), &0, Lane::Periodic, s(u64::from(n)));
    }
    assert!(scheduler.heap.len() < 100, "{}", scheduler.heap.len());
}

#[derive(Clone, Debug)]
enum Step {
    Wake(u32, u8, usize),
    Schedule(u32, u8, usize, u64),
    Pop,
    Done(usize, Option<u64>),
    Forget(u32),
    Tick(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..12u32, 0..3u8, 0..4usize).prop_map(|(k, g, l)| Step::Wake(k, g, l)),
        (0..12u32, 0..3u8, 0..4usize, 0..50u64).prop_map(|(k, g, l, d)| Step::Schedule(k, g, l, d)),
        Just(Step::Pop),
        (0..4usize, proptest::option::of(0..20u64)).prop_map(|(n, d)| Step::Done(n, d)),
        (0..12u32).prop_map(Step::Forget),
        (0..10u64).prop_map(Step::Tick),
    ]
}

proptest! {
    /// Whatever happens: a key is never given while it runs, and every key that was wanted
    /// and not forgotten is given in the end.
    #[test]
    fn nothing_is_doubled_and_nothing_is_lost(steps in proptest::collection::vec(step(), 0..200)) {
        let mut scheduler = Test::default();
        let mut now = s(0);
        let mut running: Vec<u32> = Vec::new();
        let mut wanted: std::collections::HashSet<u32> = std::collections::HashSet::new();
        for step in steps {
            match step {
                Step::Wake(k, g, l) => { scheduler.wake(&k, &g, Lane::ALL[l], now); wanted.insert(k); }
                Step::Schedule(k, g, l, d) => {
                    scheduler.schedule(&k, &g, Lane::ALL[l], now + s(d));
                    if !running.contains(&k) { wanted.insert(k); }
                }
                Step::Pop => if let Some((k, _)) = scheduler.pop(now) {
                    prop_assert!(!running.contains(&k));
                    wanted.remove(&k);
                    running.push(k);
                },
                Step::Done(n, d) => if n < running.len() {
                    let k = running.remove(n);
                    scheduler.done(&k, d.map(|d| (Lane::Retry, now + s(d))));
                    running.retain(|r| *r != k);
                },
                Step::Forget(k) => {
                    scheduler.forget(&k);
                    wanted.remove(&k);
                }
                Step::Tick(d) => now += s(d),
            }
        }
        for k in running { scheduler.done(&k, None); }
        let given: std::collections::HashSet<u32> = drain(&mut scheduler, now + s(1000)).into_iter().collect();
        prop_assert!(wanted.is_subset(&given), "wanted {wanted:?}, given {given:?}");
        prop_assert_eq!(scheduler.oldest_overdue(now + s(1000)), s(0));
    }
}

const fn pace(later: bool) -> Pace {
    Pace { every: s(5), later }
}

/// What changes each second wakes its dependents once at first, and then once per pace.
#[test]
fn nudges_are_bounded_and_the_last_one_is_never_lost() {
    let mut scheduler = Test::default();
    let mut runs = Vec::new();
    for second in 0..60 {
        if second <= 30 {
            scheduler.nudge(&1, &0, Lane::Event, s(second), pace(false));
        }
        while let Some((key, _)) = scheduler.pop(s(second)) {
            runs.push(second);
            scheduler.done(&key, Some((Lane::Periodic, s(3600))));
        }
    }
    assert_eq!(runs, [0, 5, 10, 15, 20, 25, 30]);
    scheduler.nudge(&1, &0, Lane::Event, s(70), pace(false));
    assert_eq!(drain(&mut scheduler, s(70)), [1], "after a rest at once");
}

#[test]
fn a_nudge_never_delays_and_an_own_wish_never_swallows_it() {
    let mut scheduler = Test::default();
    scheduler.nudge(&1, &0, Lane::Event, s(0), pace(true));
    assert!(drain(&mut scheduler, s(4)).is_empty());
    scheduler.wake(&1, &0, Lane::User, s(4));
    let (key, lane) = scheduler.pop(s(4)).unwrap();
    assert_eq!(lane, Lane::User);
    scheduler.nudge(&1, &0, Lane::Event, s(4), pace(false));
    scheduler.done(&key, Some((Lane::Periodic, s(3600))));
    assert_eq!(
        drain(&mut scheduler, s(5)),
        [1],
        "it was announced for then"
    );
    scheduler.schedule(&2, &0, Lane::Periodic, s(7));
    scheduler.nudge(&2, &0, Lane::Event, s(6), pace(true));
    assert_eq!(drain(&mut scheduler, s(7)), [2]);
}

proptest! {
    #[test]
    fn nudges_never_exceed_their_bound(steps in proptest::collection::vec((0u64..4, any::<bool>()), 1..80)) {
        let mut scheduler = Test::default();
        let (mut now, mut runs, mut after) = (0, Vec::new(), 0);
        for (pause, later) in steps {
            now += pause;
            scheduler.nudge(&1, &0, Lane::Event, s(now), pace(later));
            after = now;
            for _ in drain(&mut scheduler, s(now)) {
                runs.push(now);
            }
        }
        prop_assert!(runs.len() as u64 <= 1 + now / 5, "{runs:?}");
        let last = drain(&mut scheduler, s(after + 5));
        let seen = runs.last() == Some(&after);
        prop_assert!(seen || last == [1], "the last change is seen: {runs:?}");
    }
}
