use std::sync::Mutex as StdMutex;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use axum::{Json, Router};

use super::*;

/// One Lease and optimistic concurrency: all that an election needs of an API server.
#[derive(Clone, Default)]
struct Fake(Arc<StdMutex<(Option<Value>, u64, bool)>>);

impl Fake {
    fn requests(&self) -> Requests {
        let router = Router::new().fallback(serve).with_state(self.clone());
        Requests::new(kube::Client::new(router, "default"))
    }

    fn holder(&self) -> String {
        self.0
            .lock()
            .unwrap()
            .0
            .as_ref()
            .map(holder)
            .unwrap_or_default()
    }

    fn set_holder(&self, name: &str) {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let version = state.1.to_string();
        let lease = state.0.as_mut().unwrap();
        lease["spec"]["holderIdentity"] = json!(name);
        lease["metadata"]["resourceVersion"] = json!(version);
    }

    fn down(&self, down: bool) {
        self.0.lock().unwrap().2 = down;
    }
}

async fn serve(
    State(fake): State<Fake>,
    method: Method,
    body: axum::body::Bytes,
) -> axum::response::Response {
    let mut state = fake.0.lock().unwrap();
    if state.2 {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if method == Method::GET {
        return match &state.0 {
            Some(lease) => Json(lease.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let mut lease: Value = serde_json::from_slice(&body).unwrap();
    let stale = match &state.0 {
        Some(old) => {
            method == Method::POST
                || old["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]
        }
        None => method == Method::PUT,
    };
    if stale {
        return StatusCode::CONFLICT.into_response();
    }
    state.1 += 1;
    lease["metadata"]["resourceVersion"] = json!(state.1.to_string());
    state.0 = Some(lease.clone());
    Json(lease).into_response()
}

fn candidate(fake: &Fake, identity: &str) -> Lease {
    Lease::new(fake.requests(), LeaderElection::new("n", identity))
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_the_second_waits_until_it_falls_silent() {
    let fake = Fake::default();
    let mut first = candidate(&fake, "a");
    assert!(first.attempt().await.unwrap());
    let mut second = candidate(&fake, "b");
    assert!(!second.attempt().await.unwrap());
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert!(first.attempt().await.unwrap(), "renewed");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(
        !second.attempt().await.unwrap(),
        "it changed since it was seen"
    );
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert!(second.attempt().await.unwrap());
    assert_eq!(fake.holder(), "b");
    let transitions =
        fake.0.lock().unwrap().0.as_ref().unwrap()["spec"]["leaseTransitions"].clone();
    assert_eq!(transitions, 1);
}

#[tokio::test(start_paused = true)]
async fn two_never_win_the_same_version() {
    let fake = Fake::default();
    let (mut a, mut b) = (candidate(&fake, "a"), candidate(&fake, "b"));
    let (a, b) = tokio::join!(a.attempt(), b.attempt());
    assert!(a.unwrap() ^ b.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_once() {
    let fake = Fake::default();
    let mut first = candidate(&fake, "a");
    first.acquire().await;
    let (held, _renewing) = first.keep();
    held.release().await;
    assert_eq!(fake.holder(), "");
    assert!(candidate(&fake, "b").attempt().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_lost_the_lease_must_stop() {
    let fake = Fake::default();
    let mut first = candidate(&fake, "a");
    first.acquire().await;
    let (_held, renewing) = first.keep();
    fake.set_holder("b");
    let error = renewing.await.unwrap_err();
    assert!(error.to_string().contains("b holds it"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_others_may_start() {
    let fake = Fake::default();
    let mut first = candidate(&fake, "a");
    first.acquire().await;
    let (_held, renewing) = first.keep();
    fake.down(true);
    let start = Instant::now();
    assert!(matches!(renewing.await, Err(Error::LeaderLost { .. })));
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_costs_nothing() {
    let fake = Fake::default();
    let mut first = candidate(&fake, "a");
    first.acquire().await;
    let (_held, renewing) = first.keep();
    let task = tokio::spawn(renewing);
    fake.down(true);
    tokio::time::sleep(Duration::from_secs(5)).await;
    fake.down(false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!task.is_finished());
    assert_eq!(fake.holder(), "a");
}
