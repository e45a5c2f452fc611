use super::*;
use keyless_fault::{Class, Link};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A peer that answers a key with the number of its call, after 50 ms.
#[derive(Default)]
struct Peer {
    calls: Mutex<Vec<Vec<u32>>>,
    denied: HashSet<u32>,
    /// Names the culprit in its error.
    names: bool,
    /// Only calls for one key are allowed.
    single_only: bool,
    throttle: AtomicUsize,
    retry_after: Option<Duration>,
    panics: bool,
}

fn error(class: Class, retry_after: Option<Duration>) -> Error {
    Error::Provider {
        intent: "read".into(),
        service: "peer".into(),
        provider_code: class.as_str().into(),
        message: String::new(),
        request_id: None,
        link: match class {
            Class::Throttled | Class::Unavailable => Link::Network,
            _ => Link::Permission,
        },
        class,
        code: "",
        required: None,
        hint: None,
        retry_after,
    }
}

impl Api for Arc<Peer> {
    type Key = u32;
    type Value = usize;

    fn limit(&self) -> usize {
        10
    }

    fn call<'a>(&'a self, keys: &'a [u32]) -> BoxFuture<'a, Result<Vec<Reply<usize>>, Failure>> {
        Box::pin(async move {
            let number = {
                let mut calls = self.calls.lock().unwrap();
                calls.push(keys.to_vec());
                calls.len()
            };
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!self.panics, "peer");
            let throttled =
                self.throttle
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                        left.checked_sub(1)
                    });
            if throttled.is_ok() {
                return Err(error(Class::Throttled, self.retry_after).into());
            }
            let guilty = keys.iter().position(|key| self.denied.contains(key));
            if guilty.is_some() || self.single_only && keys.len() > 1 {
                return Err(Failure {
                    error: error(Class::Denied, None),
                    culprit: match guilty {
                        Some(place) => Some(place),
                        None => Some(0),
                    }
                    .filter(|_| self.names),
                });
            }
            Ok(keys.iter().map(|_| Reply::Value(number)).collect())
        })
    }

    fn weight(&self, _: &usize) -> usize {
        8
    }
}

struct Bench {
    peer: Arc<Peer>,
    planner: Planner<Arc<Peer>>,
    counters: Arc<Counters>,
    budget: Arc<Budget>,
}

fn bench(peer: Peer, rate: f64) -> Bench {
    let peer = Arc::new(peer);
    let counters = Arc::new(Counters::default());
    let budget = Arc::new(Budget::new(4 << 20));
    Bench {
        planner: Planner::new(
            Arc::clone(&peer),
            Arc::new(Bucket::new(rate)),
            Arc::clone(&budget),
            Arc::clone(&counters),
            Options::default(),
        ),
        peer,
        counters,
        budget,
    }
}

impl Bench {
    fn calls(&self) -> Vec<Vec<u32>> {
        self.peer.calls.lock().unwrap().clone()
    }

    async fn one(&self, key: u32, max_age: Duration) -> Result<usize, Error> {
        self.planner.read_one(&key, max_age).await
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_thousand_names_take_a_hundred_calls() {
    let bench = bench(Peer::default(), 1000.0);
    let reads = (0..1000).map(|key| bench.one(key, Duration::ZERO));
    let values = futures::future::join_all(reads).await;
    assert!(values.iter().all(Result::is_ok));
    assert_eq!(bench.calls().len(), 100);
    assert!(bench.calls().iter().all(|keys| keys.len() == 10));
    assert_eq!(bench.counters.snapshot().batched, 900);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_that_come_one_by_one_take_a_hundred_calls() {
    let bench = Arc::new(bench(Peer::default(), 40.0));
    let mut tasks = Vec::new();
    for key in 0..1000 {
        let bench = Arc::clone(&bench);
        tasks.push(tokio::spawn(
            async move { bench.one(key, Duration::ZERO).await },
        ));
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(bench.calls().len(), 100);
}

/// The turn of one reader may take longer than the linger; then the clock says nothing of who is
/// about to come.
#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_those_whom_a_busy_runtime_let_not_come_yet() {
    let bench = Arc::new(bench(Peer::default(), 1000.0));
    let mut tasks = Vec::new();
    for key in 0..10 {
        let bench = Arc::clone(&bench);
        tasks.push(tokio::spawn(
            async move { bench.one(key, Duration::ZERO).await },
        ));
        tokio::task::yield_now().await;
        if key == 0 {
            tokio::time::advance(Options::default().linger * 2).await;
        }
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(bench.calls().len(), 1, "{:?}", bench.calls());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_of_one_name_take_one_call() {
    let bench = bench(Peer::default(), 40.0);
    let reads = (0..1000).map(|_| bench.one(7, Duration::ZERO));
    let values = futures::future::join_all(reads).await;
    assert!(values.iter().all(|value| *value.as_ref().unwrap() == 1));
    assert_eq!(bench.calls().len(), 1);
    assert_eq!(bench.counters.snapshot().coalesced, 999);
}

#[tokio::test(start_paused = true)]
async fn answers_keep_the_order_of_the_keys_and_repeated_ones_share() {
    let bench = bench(Peer::default(), 40.0);
    let keys: Vec<u32> = (0..25).chain(0..5).collect();
    let values = bench.planner.read(&keys, Duration::ZERO).await;
    let values: Vec<usize> = values.into_iter().map(Result::unwrap).collect();
    assert_eq!(bench.calls().len(), 3);
    for (key, value) in keys.iter().zip(&values) {
        assert!(bench.calls()[value - 1].contains(key));
    }
    assert!(bench.planner.read(&[], Duration::ZERO).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_planners_never_share() {
    let (a, b) = (bench(Peer::default(), 40.0), bench(Peer::default(), 40.0));
    let _ = tokio::join!(a.one(1, MINUTE), b.one(1, MINUTE));
    let _ = tokio::join!(a.one(1, MINUTE), b.one(1, MINUTE));
    assert_eq!((a.calls().len(), b.calls().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_first_waits_no_longer_than_the_linger() {
    let bench = bench(Peer::default(), 40.0);
    let start = Instant::now();
    bench.one(1, Duration::ZERO).await.unwrap();
    let took = start.elapsed();
    assert!((60..=62).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn age_zero_never_takes_a_call_that_started_earlier() {
    let bench = bench(Peer::default(), 40.0);
    let early = bench.one(1, Duration::ZERO);
    let later = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        tokio::join!(bench.one(1, Duration::ZERO), bench.one(1, MINUTE))
    };
    let (early, (fresh, young)) = tokio::join!(early, later);
    assert_eq!(early.unwrap(), 1);
    assert_eq!(fresh.unwrap(), 2);
    // The waiting call is as good as the one under way.
    assert_eq!(young.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_serves_whoever_accepts_its_age() {
    let bench = bench(Peer::default(), 40.0);
    let early = bench.one(1, Duration::ZERO);
    let later = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        bench.one(1, MINUTE).await
    };
    let (early, later) = tokio::join!(early, later);
    assert_eq!((early.unwrap(), later.unwrap()), (1, 1));
    assert_eq!(bench.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_serve_within_their_age_only() {
    let bench = bench(Peer::default(), 40.0);
    bench.one(1, MINUTE).await.unwrap();
    assert_eq!(bench.one(1, MINUTE).await.unwrap(), 1);
    assert_eq!(bench.counters.snapshot().cached, 1);
    assert_eq!(bench.one(1, Duration::ZERO).await.unwrap(), 2);
    tokio::time::sleep(MINUTE + Duration::from_secs(1)).await;
    assert_eq!(bench.one(1, MINUTE).await.unwrap(), 3);
    tokio::time::sleep(2 * MINUTE).await;
    bench.planner.sweep();
    assert_eq!(bench.budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_denied_key_fails_alone_and_is_remembered() {
    for (names, first, then) in [(true, 3, 2), (false, 9, 2)] {
        let bench = bench(
            Peer {
                denied: [3].into(),
                names,
                ..Peer::default()
            },
            1000.0,
        );
        let keys: Vec<u32> = (0..10).collect();
        for most in [first, then] {
            let before = bench.calls().len();
            let values = bench.planner.read(&keys, Duration::ZERO).await;
            for (key, value) in keys.iter().zip(&values) {
                assert_eq!(value.is_err(), *key == 3, "key {key}");
            }
            let calls = bench.calls().len() - before;
            assert!(calls <= most, "{calls} calls, named {names}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_denied_keys_fail_and_all_others_do_not() {
    let bench = bench(
        Peer {
            denied: [0, 4, 5, 9].into(),
            ..Peer::default()
        },
        1000.0,
    );
    let keys: Vec<u32> = (0..10).collect();
    let values = bench.planner.read(&keys, Duration::ZERO).await;
    for (key, value) in keys.iter().zip(&values) {
        assert_eq!(value.is_err(), bench.peer.denied.contains(key));
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_may_only_read_single_names_stops_trying_batches() {
    for names in [true, false] {
        let bench = bench(
            Peer {
                single_only: true,
                names,
                ..Peer::default()
            },
            1000.0,
        );
        let keys: Vec<u32> = (0..100).collect();
        let values = bench.planner.read(&keys, Duration::ZERO).await;
        assert!(values.iter().all(Result::is_ok));
        let before = bench.calls().len();
        let again: Vec<u32> = (100..200).collect();
        let values = bench.planner.read(&again, Duration::ZERO).await;
        assert!(values.iter().all(Result::is_ok));
        assert_eq!(bench.calls().len() - before, 100, "named {names}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_repeated_after_the_peers_wish() {
    let bench = bench(
        Peer {
            throttle: 2.into(),
            retry_after: Some(Duration::from_secs(7)),
            ..Peer::default()
        },
        40.0,
    );
    let start = Instant::now();
    assert_eq!(bench.one(1, Duration::ZERO).await.unwrap(), 3);
    assert!(start.elapsed() >= Duration::from_secs(14));
}

#[tokio::test(start_paused = true)]
async fn throttling_without_end_is_an_error_and_slows_only_its_own_identity() {
    let slow = bench(
        Peer {
            throttle: usize::MAX.into(),
            ..Peer::default()
        },
        40.0,
    );
    let other = bench(Peer::default(), 40.0);
    let found = slow.one(1, Duration::ZERO).await.unwrap_err();
    assert_eq!(keyless_fault::Fault::class(&found), Class::Throttled);
    assert_eq!(slow.calls().len(), 4);
    let start = Instant::now();
    other.one(1, Duration::ZERO).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_for_ten_thousand_reads() {
    let bench = bench(Peer::default(), 40.0);
    let start = Instant::now();
    let keys: Vec<u32> = (0..10_000).collect();
    let values = bench.planner.read(&keys, Duration::ZERO).await;
    assert!(values.iter().all(Result::is_ok));
    let seconds = start.elapsed().as_secs_f64();
    assert!((23.9..25.5).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_reader_takes_nobody_with_it() {
    let bench = bench(Peer::default(), 40.0);
    for after in [5, 30] {
        let cancelled =
            tokio::time::timeout(Duration::from_millis(after), bench.one(1, Duration::ZERO));
        let other = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            bench.one(1, Duration::ZERO).await
        };
        let (cancelled, other) = tokio::join!(cancelled, other);
        assert!(cancelled.is_err() && other.is_ok());
    }
    assert_eq!(bench.calls().len(), 2);
    assert!(bench.one(2, Duration::ZERO).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_call_is_an_error_for_its_readers_only() {
    let bench = bench(
        Peer {
            panics: true,
            ..Peer::default()
        },
        40.0,
    );
    assert!(bench.one(1, Duration::ZERO).await.is_err());
    assert!(bench.one(1, MINUTE).await.is_err());
    assert_eq!(bench.calls().len(), 2);
}
