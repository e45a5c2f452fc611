use super::*;
use keyless_fault::{Class, Link};
use std::sync::atomic::AtomicUsize;

#[derive(Clone, Debug, thiserror::Error)]
#[error("no")]
struct No(Class, Option<Duration>);

impl Fault for No {
    fn link(&self) -> Link {
        Link::Identity
    }
    fn class(&self) -> Class {
        self.0
    }
    fn retry_after(&self) -> Option<Duration> {
        self.1
    }
}

type TestCache = Cache<&'static str, usize, No>;

/// A peer that counts how often it is asked.
#[derive(Default)]
struct Peer {
    asked: AtomicUsize,
    refuse: std::sync::atomic::AtomicBool,
    class: Option<Class>,
}

impl Peer {
    async fn login(&self, ttl: u64) -> Result<Leased<usize>, No> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if self.refuse.load(Ordering::SeqCst) {
            return Err(No(self.class.unwrap_or(Class::Denied), None));
        }
        Ok(Leased {
            value: number,
            ttl: Some(Duration::from_secs(ttl)),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn secs(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_make_one_login() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    let calls = (0..1000).map(|_| cache.get(&"a", || peer.login(3600)));
    let values = futures::future::join_all(calls).await;
    assert!(values.iter().all(|value| *value.as_ref().unwrap() == 1));
    assert_eq!(peer.asked(), 1);
    assert_eq!(cache.stats().logins, 1);
    assert_eq!(cache.stats().hits, 999);
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_share() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    let a = cache.get(&"a", || peer.login(3600)).await.unwrap();
    let b = cache.get(&"b", || peer.login(3600)).await.unwrap();
    assert_ne!(a, b);
}

#[tokio::test(start_paused = true)]
async fn the_first_after_the_refresh_point_refreshes_and_others_keep_the_old() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    assert_eq!(cache.get(&"a", || peer.login(3600)).await.unwrap(), 1);
    secs(3600 - 15 * 60 - 360 - 5).await;
    assert_eq!(cache.get(&"a", || peer.login(3600)).await.unwrap(), 1);
    secs(370).await;
    let (leader, follower) = tokio::join!(
        cache.get(&"a", || peer.login(3600)),
        cache.get(&"a", || peer.login(3600)),
    );
    assert_eq!((leader.unwrap(), follower.unwrap()), (2, 1));
    assert_eq!(peer.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_keeps_the_old_until_its_end_and_is_not_hammered() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    cache.get(&"a", || peer.login(3600)).await.unwrap();
    secs(3000).await;
    peer.refuse.store(true, Ordering::SeqCst);
    for _ in 0..100 {
        assert_eq!(cache.get(&"a", || peer.login(3600)).await.unwrap(), 1);
    }
    assert_eq!(peer.asked(), 2);
    secs(580).await;
    assert!(cache.get(&"a", || peer.login(3600)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_asked_again_only_after_its_back_off() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    peer.refuse.store(true, Ordering::SeqCst);
    let mut asked_at = Vec::new();
    let start = Instant::now();
    // Ten objects that retry every second for twenty minutes.
    for _ in 0..1200 {
        for _ in 0..10 {
            let before = peer.asked();
            cache.get(&"a", || peer.login(3600)).await.unwrap_err();
            if peer.asked() > before {
                asked_at.push(start.elapsed().as_secs());
            }
        }
        secs(1).await;
    }
    let gaps: Vec<u64> = asked_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, least) in gaps.iter().zip([5, 10, 20, 40, 80, 160, 300, 300]) {
        assert!(*gap >= least && *gap <= least * 11 / 10 + 2, "{gaps:?}");
    }
    assert_eq!(cache.stats().denied, asked_at.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn waiters_of_a_failed_login_do_not_repeat_it_one_after_the_other() {
    for class in [Class::Denied, Class::Unavailable, Class::Throttled] {
        let cache = TestCache::new(8);
        let peer = Peer {
            class: Some(class),
            ..Peer::default()
        };
        peer.refuse.store(true, Ordering::SeqCst);
        let calls = (0..200).map(|_| cache.get(&"a", || peer.login(3600)));
        let outcomes = futures::future::join_all(calls).await;
        assert!(outcomes.iter().all(Result::is_err));
        assert_eq!(peer.asked(), 1, "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalidation_asks_at_once() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    peer.refuse.store(true, Ordering::SeqCst);
    cache.get(&"a", || peer.login(3600)).await.unwrap_err();
    peer.refuse.store(false, Ordering::SeqCst);
    cache.get(&"a", || peer.login(3600)).await.unwrap_err();
    cache.invalidate(&"a");
    assert_eq!(cache.get(&"a", || peer.login(3600)).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_forgiven_failure_asks_at_once_and_a_value_stays() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    peer.refuse.store(true, Ordering::SeqCst);
    cache.get(&"a", || peer.login(3600)).await.unwrap_err();
    peer.refuse.store(false, Ordering::SeqCst);
    cache.forgive(&"a");
    assert_eq!(cache.get(&"a", || peer.login(3600)).await.unwrap(), 2);
    cache.forgive(&"a");
    assert_eq!(cache.get(&"a", || peer.login(3600)).await.unwrap(), 2);
    assert_eq!(cache.invalidate_if(|key| *key == "a"), [2]);
    assert!(cache.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_peers_wish_lengthens_the_back_off() {
    let cache = TestCache::new(8);
    let asked = AtomicUsize::new(0);
    let login = || async {
        asked.fetch_add(1, Ordering::SeqCst);
        Err(No(Class::Throttled, Some(Duration::from_secs(60))))
    };
    cache.get(&"a", login).await.unwrap_err();
    secs(59).await;
    cache.get(&"a", login).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    secs(2).await;
    cache.get(&"a", login).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_leader_hands_over() {
    let (cache, peer) = (TestCache::new(8), Peer::default());
    let leader = tokio::time::timeout(
        Duration::from_millis(50),
        cache.get(&"a", || peer.login(3600)),
    );
    let (leader, follower) = tokio::join!(leader, cache.get(&"a", || peer.login(3600)));
    assert!(leader.is_err());
    assert_eq!(follower.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_leader_hands_over() {
    let cache = Arc::new(TestCache::new(8));
    let leader = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move {
            cache
                .get(&"a", || async {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    panic!("leader")
                })
                .await
        }
    });
    tokio::task::yield_now().await;
    let peer = Peer::default();
    assert_eq!(cache.get(&"a", || peer.login(3600)).await.unwrap(), 1);
    assert!(leader.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_number_of_keys_is_bounded_and_the_used_ones_stay() {
    let cache: Cache<usize, usize, No> = Cache::new(64);
    let peer = Peer::default();
    for key in 0..1000 {
        cache.get(&0, || peer.login(36000)).await.unwrap();
        cache.get(&key, || peer.login(36000)).await.unwrap();
        assert!(cache.len() <= 64);
    }
    let before = peer.asked();
    cache.get(&0, || peer.login(36000)).await.unwrap();
    assert_eq!(peer.asked(), before);
}
