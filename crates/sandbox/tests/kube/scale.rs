//! Thousands of objects, as an operator meets them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::json;

use super::{CRDS, Cluster, SECRETS, WIDGETS, definition, secret, widget};

const OBJECTS: usize = 5_000;

/// Reads a watch until it has seen `wanted` lines.
async fn count(c: Arc<Cluster>, path: String, wanted: usize) -> Duration {
    let start = Instant::now();
    let request = http::Request::get(path)
        .body(axum::body::Body::empty())
        .unwrap();
    let mut stream = c.raw(request).await.into_body().into_data_stream();
    let mut seen = 0;
    while seen < wanted {
        let piece = stream
            .next()
            .await
            .expect("the watch ends too early")
            .unwrap();
        assert!(!piece.windows(14).any(|w| w == b"\"type\":\"ERROR\""));
        seen += piece.iter().filter(|&&b| b == b'\n').count();
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_objects_with_watchers() {
    let c = Arc::new(Cluster::new().await);
    c.post(CRDS, &definition()).await.ok();
    let watch = format!(
        "{WIDGETS}?watch=1&resourceVersion={}",
        c.get(WIDGETS).await.ok()["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
    );
    let watchers =
        [(); 3].map(|()| tokio::spawn(count(Arc::clone(&c), watch.clone(), 2 * OBJECTS)));
    let work = async {
        let start = Instant::now();
        for n in 0..OBJECTS {
            c.post(
                WIDGETS,
                &widget(&format!("w{n}"), json!({"size": 1, "tags": ["a", "b"]})),
            )
            .await
            .ok();
        }
        let created = start.elapsed();
        for n in 0..OBJECTS {
            let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}], "refreshTime": "2026-01-01T00:00:00Z", "syncedResourceVersion": format!("1-{n}")}});
            c.merge(&format!("{WIDGETS}/w{n}/status"), &status)
                .await
                .ok();
        }
        (created, start.elapsed() - created)
    };
    let (created, patched) = work.await;
    let mut last = Duration::ZERO;
    for watcher in watchers {
        last = last.max(watcher.await.unwrap());
    }
    let rate = |d: Duration| OBJECTS as f64 / d.as_secs_f64();
    let start = Instant::now();
    let list = c.get(WIDGETS).await.ok();
    assert_eq!(list["items"].as_array().unwrap().len(), OBJECTS);
    println!(
        "{:.0} creates/s, {:.0} status patches/s, 3 watchers done after {last:?}, list {:?}",
        rate(created),
        rate(patched),
        start.elapsed()
    );
    // A limit against quadratic surprises, not a measurement: a dev build on a busy machine.
    assert!(created + patched < Duration::from_secs(60));
}

#[tokio::test]
async fn a_cold_start_is_quick() {
    drop(Cluster::new().await);
    let start = Instant::now();
    let c = Cluster::new().await;
    c.post(SECRETS, &secret("x")).await.ok();
    let took = start.elapsed();
    println!("cold start with a first write: {took:?}");
    assert!(took < Duration::from_secs(2));
}
