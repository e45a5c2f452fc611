use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt as _;
use http::Request;
use serde_json::{Value, json};

use super::{CONFIG_MAPS, Cluster, config_map, version};

/// An open watch, read line by line.
struct Lines {
    stream: BodyDataStream,
    rest: Vec<u8>,
}

impl Lines {
    async fn open(c: &Cluster, path: &str) -> Self {
        Self::open_as(c, path, "application/json").await
    }

    async fn open_as(c: &Cluster, path: &str, accept: &str) -> Self {
        let response = c
            .raw(
                Request::get(path)
                    .header("accept", accept)
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(response.status(), 200);
        Self {
            stream: response.into_body().into_data_stream(),
            rest: Vec::new(),
        }
    }

    /// The next event; `None` at the end or after a moment of silence.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.rest.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let mut event: Value = serde_json::from_slice(&line).unwrap();
                return Some((
                    event["type"].as_str().unwrap().to_owned(),
                    event["object"].take(),
                ));
            }
            let piece = tokio::time::timeout(Duration::from_millis(150), self.stream.next())
                .await
                .ok()??;
            self.rest.extend_from_slice(&piece.unwrap());
        }
    }

    async fn names(&mut self, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..count {
            let (verb, object) = self.next().await.unwrap();
            all.push(format!(
                "{verb} {}",
                object["metadata"]["name"].as_str().unwrap_or("-")
            ));
        }
        all
    }
}

fn labelled(name: &str, value: &str) -> Value {
    let mut object = config_map(name);
    object["metadata"]["labels"] = json!({"l": value});
    object
}

#[tokio::test]
async fn a_watch_resumes_from_any_remembered_version() {
    let c = Cluster::new().await;
    let first = c.post(CONFIG_MAPS, &config_map("a")).await.ok();
    c.merge(&format!("{CONFIG_MAPS}/a"), &json!({"data": {"a": "c"}}))
        .await
        .ok();
    c.delete(&format!("{CONFIG_MAPS}/a")).await.ok();
    let mut lines = Lines::open(
        &c,
        &format!("{CONFIG_MAPS}?watch=1&resourceVersion={}", version(&first)),
    )
    .await;
    assert_eq!(lines.names(2).await, ["MODIFIED a", "DELETED a"]);
    c.post(CONFIG_MAPS, &config_map("b")).await.ok();
    let (verb, object) = lines.next().await.unwrap();
    assert_eq!(
        (verb.as_str(), &object["data"]["a"], &object["kind"]),
        ("ADDED", &json!("b"), &json!("ConfigMap"))
    );
    assert!(lines.next().await.is_none());
    // Another namespace's events are not seen here.
    c.post(
        "/api/v1/namespaces/kube-public/configmaps",
        &config_map("z"),
    )
    .await
    .ok();
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn initial_state_and_bookmarks() {
    let c = Cluster::new().await;
    c.post(CONFIG_MAPS, &labelled("a", "1")).await.ok();
    c.post(CONFIG_MAPS, &labelled("b", "1")).await.ok();
    for query in ["", "&resourceVersion=0"] {
        let mut lines = Lines::open(
            &c,
            &format!("{CONFIG_MAPS}?watch=true&labelSelector=l{query}"),
        )
        .await;
        assert_eq!(lines.names(2).await, ["ADDED a", "ADDED b"]);
        assert!(lines.next().await.is_none());
    }
    let streaming = "watch=1&labelSelector=l&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut lines = Lines::open(&c, &format!("{CONFIG_MAPS}?{streaming}")).await;
    assert_eq!(lines.names(2).await, ["ADDED a", "ADDED b"]);
    let (verb, mark) = lines.next().await.unwrap();
    assert_eq!(verb, "BOOKMARK");
    assert_eq!(
        mark["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(mark["kind"], "ConfigMap");
    let end = version(&mark);
    c.post(CONFIG_MAPS, &labelled("c", "1")).await.ok();
    let (_, object) = lines.next().await.unwrap();
    assert!(version(&object) > end);
    let mut none = Lines::open(&c, "/apis/coordination.k8s.io/v1/leases?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true").await;
    assert_eq!(
        none.names(1).await,
        ["BOOKMARK -"],
        "an empty list has an end too"
    );
    c.get(&format!("{CONFIG_MAPS}?watch=1&sendInitialEvents=true"))
        .await
        .refused(422);
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let c = Cluster::new().await;
    c.post(CONFIG_MAPS, &labelled("a", "1")).await.ok();
    let mut lines = Lines::open(&c, &format!("{CONFIG_MAPS}?watch=1&labelSelector=l%3D1")).await;
    assert_eq!(lines.names(1).await, ["ADDED a"]);
    let left = c
        .merge(
            &format!("{CONFIG_MAPS}/a"),
            &json!({"metadata": {"labels": {"l": "2"}}}),
        )
        .await
        .ok();
    let (verb, object) = lines.next().await.unwrap();
    assert_eq!(
        (verb.as_str(), &object["metadata"]["labels"]["l"]),
        ("DELETED", &json!("1"))
    );
    assert_eq!(
        version(&object),
        version(&left),
        "the leaving has the version of the change"
    );
    c.merge(
        &format!("{CONFIG_MAPS}/a"),
        &json!({"metadata": {"labels": {"x": "2"}}}),
    )
    .await
    .ok();
    c.merge(
        &format!("{CONFIG_MAPS}/a"),
        &json!({"metadata": {"labels": {"l": "1"}}}),
    )
    .await
    .ok();
    assert_eq!(lines.names(1).await, ["ADDED a"]);
    let mut named = Lines::open(
        &c,
        &format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Db"),
    )
    .await;
    c.post(CONFIG_MAPS, &config_map("b")).await.ok();
    assert_eq!(named.names(1).await, ["ADDED b"]);
}

#[tokio::test]
async fn an_outdated_version_is_gone() {
    let c = Cluster::with(|o| o.ring = 3).await;
    let first = c.post(CONFIG_MAPS, &config_map("a")).await.ok();
    for n in 0..5 {
        c.merge(
            &format!("{CONFIG_MAPS}/a"),
            &json!({"data": {"n": n.to_string()}}),
        )
        .await
        .ok();
    }
    let mut lines = Lines::open(
        &c,
        &format!("{CONFIG_MAPS}?watch=1&resourceVersion={}", version(&first)),
    )
    .await;
    let (verb, status) = lines.next().await.unwrap();
    assert_eq!(
        (verb.as_str(), &status["code"], &status["reason"]),
        ("ERROR", &json!(410), &json!("Expired"))
    );
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .starts_with("too old resource version: ")
    );
    let list = c.get(CONFIG_MAPS).await.ok();
    let mut lines = Lines::open(
        &c,
        &format!("{CONFIG_MAPS}?watch=1&resourceVersion={}", version(&list)),
    )
    .await;
    assert!(lines.next().await.is_none());
    c.server.compact();
    c.merge(&format!("{CONFIG_MAPS}/a"), &json!({"data": {"n": "x"}}))
        .await
        .ok();
    assert_eq!(
        lines.names(1).await,
        ["MODIFIED a"],
        "an open watch that was up to date goes on"
    );
}

#[tokio::test]
async fn metadata_watches_and_time_limits() {
    let c = Cluster::new().await;
    c.post(CONFIG_MAPS, &labelled("a", "1")).await.ok();
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let mut lines = Lines::open_as(
        &c,
        &format!("{CONFIG_MAPS}?watch=1&timeoutSeconds=1&labelSelector=l"),
        accept,
    )
    .await;
    let (_, object) = lines.next().await.unwrap();
    assert_eq!(object["kind"], "PartialObjectMetadata");
    assert!(object.get("data").is_none());
    let ended = tokio::time::timeout(Duration::from_secs(3), lines.stream.next()).await;
    assert!(matches!(ended, Ok(None)), "the watch ends after its time");
}

#[tokio::test]
async fn a_stop_ends_watches() {
    let c = Cluster::new().await;
    let mut lines = Lines::open(&c, "/api/v1/secrets?watch=1&resourceVersion=5").await;
    while lines.next().await.is_some() {}
    let stream = &mut lines.stream;
    c.server.stop().await;
    assert!(matches!(
        tokio::time::timeout(Duration::from_secs(2), stream.next()).await,
        Ok(None)
    ));
}
