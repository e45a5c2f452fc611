use proptest::prelude::*;

use super::*;
use crate::keygen::{KeyKind, SigningKey};

/// Keys made once: what they are does not matter here.
fn key(n: usize) -> Jwk {
    static KEYS: std::sync::LazyLock<Vec<Jwk>> = std::sync::LazyLock::new(|| {
        (0..8)
            .map(|_| SigningKey::generate(KeyKind::Es256).unwrap().jwk().clone())
            .collect()
    });
    Jwk {
        kid: format!("k{n}"),
        ..KEYS[n].clone()
    }
}

fn set(of: &[usize]) -> KeySet {
    KeySet::of(of.iter().map(|n| key(*n)))
}

struct Case {
    servers: Vec<KeySet>,
    complete: bool,
    announced: Vec<Jwk>,
    published: Option<KeySet>,
    marker: Option<Marker>,
    retire: BTreeSet<String>,
    keep_all: bool,
    now: i64,
}

impl Case {
    fn new(servers: &[&[usize]], published: &[usize]) -> Self {
        Self {
            servers: servers.iter().map(|s| set(s)).collect(),
            complete: true,
            announced: Vec::new(),
            published: Some(set(published)),
            marker: None,
            retire: BTreeSet::new(),
            keep_all: false,
            now: 1000,
        }
    }

    fn merge(&self) -> Result<Merged, Finding> {
        merge(&Sources {
            servers: &self.servers,
            complete: self.complete,
            announced: &self.announced,
            published: self.published.as_ref(),
            marker: self.marker.as_ref(),
            retire: &self.retire,
            keep: 100,
            keep_all: self.keep_all,
            now: self.now,
        })
    }

    /// Time goes on, and what was merged is what is published.
    fn then(&mut self, merged: &Merged, now: i64) {
        self.published = Some(KeySet::of(merged.keys.values().cloned()));
        self.marker = Some(Marker {
            keys: merged.records.clone(),
            ..Marker::default()
        });
        self.now = now;
    }
}

fn names(merged: &Merged) -> Vec<&str> {
    merged.keys.keys().map(String::as_str).collect()
}

#[test]
fn the_union_over_servers() {
    let merged = Case::new(&[&[0, 1], &[1, 2]], &[]).merge().unwrap();
    assert_eq!(names(&merged), ["k0", "k1", "k2"]);
    assert_eq!(merged.added, ["k0", "k1", "k2"]);
}

#[test]
fn a_key_that_went_stays_until_its_tokens_have_ended() {
    let mut case = Case::new(&[&[1]], &[0, 1]);
    let first = case.merge().unwrap();
    assert_eq!(names(&first), ["k0", "k1"]);
    assert_eq!(first.kept, [("k0".to_owned(), Some(1100))]);
    case.then(&first, 1099);
    let second = case.merge().unwrap();
    assert_eq!(second.kept, [("k0".to_owned(), Some(1100))]);
    case.then(&second, 1100);
    let third = case.merge().unwrap();
    assert_eq!(names(&third), ["k1"]);
    assert_eq!(third.removed, ["k0"]);
}

#[test]
fn a_key_that_came_back_starts_anew() {
    let mut case = Case::new(&[&[1]], &[0, 1]);
    let first = case.merge().unwrap();
    case.then(&first, 1050);
    case.servers = vec![set(&[0, 1])];
    let back = case.merge().unwrap();
    assert_eq!(back.records["k0"].missing, None);
    case.then(&back, 1100);
    case.servers = vec![set(&[1])];
    assert_eq!(case.merge().unwrap().kept, [("k0".to_owned(), Some(1200))]);
}

#[test]
fn nothing_goes_while_a_server_is_not_heard() {
    let mut case = Case::new(&[&[1]], &[0, 1]);
    let first = case.merge().unwrap();
    case.then(&first, 5000);
    case.complete = false;
    let merged = case.merge().unwrap();
    assert_eq!(names(&merged), ["k0", "k1"]);
    assert_eq!(merged.kept, [("k0".to_owned(), None)]);
}

#[test]
fn an_announced_key_waits_without_end_and_then_counts_as_any_other() {
    let mut case = Case::new(&[&[0]], &[0]);
    case.announced = vec![key(1)];
    let first = case.merge().unwrap();
    assert!(first.records["k1"].announced);
    case.announced.clear();
    case.then(&first, 90_000);
    let second = case.merge().unwrap();
    assert_eq!(second.kept, [("k1".to_owned(), None)]);
    case.then(&second, 90_001);
    case.servers = vec![set(&[0, 1])];
    let third = case.merge().unwrap();
    assert!(!third.records["k1"].announced);
}

#[test]
fn a_retired_key_goes_at_once_wherever_it_still_is() {
    let mut case = Case::new(&[&[0, 1]], &[0, 1, 2]);
    case.retire = ["k0".to_owned(), "k2".to_owned()].into();
    let merged = case.merge().unwrap();
    assert_eq!(names(&merged), ["k1"]);
    assert_eq!(merged.removed, ["k2", "k0"]);
    case.keep_all = true;
    assert_eq!(names(&case.merge().unwrap()), ["k0", "k1", "k2"]);
    case.keep_all = false;
    case.retire.insert("k1".into());
    assert_eq!(case.merge().unwrap_err().code, Code::P9);
}

#[test]
fn two_keys_of_one_name() {
    let mut other = key(1);
    other.kid = "k0".into();
    let mut case = Case::new(&[&[0]], &[]);
    case.servers.push(KeySet::of([other]));
    assert_eq!(case.merge().unwrap_err().code, Code::P13);
}

proptest! {
    /// Whatever the servers do, in whatever order and at whatever times: every key that a server
    /// has is published, and none that a server had goes before its time is over.
    #[test]
    fn no_key_goes_too_early(steps in proptest::collection::vec((proptest::collection::vec(proptest::collection::vec(0usize..6, 0..4), 1..3), any::<bool>(), 0i64..80), 1..25)) {
        let mut case = Case::new(&[&[7]], &[]);
        case.published = None;
        let mut last_seen: BTreeMap<usize, i64> = BTreeMap::new();
        let mut now = 1000;
        for (servers, complete, later) in steps {
            case.servers = servers.iter().map(|s| set(s)).collect();
            case.complete = complete;
            case.now = now;
            let Ok(merged) = case.merge() else { continue };
            for n in servers.into_iter().flatten() {
                last_seen.insert(n, now);
            }
            for (n, seen) in &last_seen {
                if now < seen + 100 {
                    prop_assert!(merged.keys.contains_key(&format!("k{n}")), "k{n} was seen at {seen}, now {now}");
                }
            }
            now += later;
            case.then(&merged, now);
        }
    }
}
