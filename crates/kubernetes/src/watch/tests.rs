//! The loop against a scripted API server: each request is matched with what a real one answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::*;

/// The answers still to give, and the queries already seen.
#[derive(Default)]
struct Script {
    answers: VecDeque<(u16, String)>,
    queries: Vec<String>,
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Script>>);

impl Server {
    fn answering(script: &[(u16, &str)]) -> Self {
        let answers = script.iter().map(|(s, b)| (*s, (*b).to_owned())).collect();
        let queries = Vec::new();
        Self(Arc::new(Mutex::new(Script { answers, queries })))
    }

    fn queries(&self) -> Vec<String> {
        self.0.lock().unwrap().queries.clone()
    }
}

async fn serve(State(server): State<Server>, RawQuery(query): RawQuery) -> Response {
    let next = {
        let mut state = server.0.lock().unwrap();
        state.queries.push(query.unwrap_or_default());
        state.answers.pop_front()
    };
    match next {
        Some((status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        None => std::future::pending().await,
    }
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Seen {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }
}

/// Name and resourceVersion.
fn named(object: &str) -> (String, String) {
    let object: serde_json::Value = serde_json::from_str(object).unwrap();
    let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
    (text("name"), text("resourceVersion"))
}

impl Sink for Seen {
    fn begin(&self) {
        self.note("begin");
    }
    fn upsert(&self, object: &str, initial: bool) {
        let (name, version) = named(object);
        let initial = if initial { " initial" } else { "" };
        self.note(format!("{name} {version}{initial}"));
    }
    fn delete(&self, object: &str) {
        self.note(format!("-{}", named(object).0));
    }
    fn synced(&self) {
        self.note("synced");
    }
    fn failing(&self, _: &Error) {
        self.note("failing");
    }
}

fn event(kind: &str, name: &str, version: u32) -> String {
    format!(
        "{{\"type\":\"{kind}\",\"object\":{{\"metadata\":{{\"name\":\"{name}\",\"resourceVersion\":\"{version}\"}}}}}}\n"
    )
}

fn end(version: u32) -> String {
    format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"metadata\":{{\"resourceVersion\":\"{version}\",\"annotations\":{{\"k8s.io/initial-events-end\":\"true\"}}}}}}}}\n"
    )
}

/// Runs the loop until the script is used up; gives the queries and what the sink saw.
async fn watched(script: &[(u16, &str)]) -> (Vec<String>, Vec<String>) {
    let server = Server::answering(script);
    let router = Router::new().fallback(serve).with_state(server.clone());
    let client = kube::Client::new(router, "default");
    let resource = Resource {
        plural: "things".into(),
        path: "/apis/x/v1/things".into(),
        selector: "a=b",
        fields: "".into(),
        metadata_only: false,
        optional: false,
    };
    let seen = Seen::default();
    let running = run(client, resource, &seen);
    let done = async {
        while server.queries().len() <= script.len() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = running => {}
        () = done => {}
    }
    (server.queries(), seen.0.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn after_the_bookmark_it_resumes_from_the_newest_version() {
    let list = event("ADDED", "a", 3) + &end(7) + &event("MODIFIED", "a", 9);
    let more = event("DELETED", "a", 12);
    let (queries, seen) = watched(&[(200, &list), (200, &more)]).await;
    assert!(
        queries[0].contains("sendInitialEvents=true&")
            || queries[0].ends_with("sendInitialEvents=true")
    );
    assert!(
        queries[0].contains("resourceVersion=0&") && queries[0].contains("labelSelector=a%3Db")
    );
    assert!(queries[1].ends_with("&resourceVersion=9"), "{}", queries[1]);
    assert!(
        queries[2].ends_with("&resourceVersion=12"),
        "{}",
        queries[2]
    );
    assert_eq!(seen, ["begin", "a 3 initial", "synced", "a 9", "-a"]);
}

/// Initial events are not in the order of their versions: resuming from one loses others.
#[tokio::test(start_paused = true)]
async fn before_the_bookmark_it_starts_again() {
    let half = event("ADDED", "a", 900);
    let whole = event("ADDED", "b", 3) + &end(901);
    let (queries, seen) = watched(&[(200, &half), (200, &whole)]).await;
    assert!(queries[1].contains("sendInitialEvents=true"));
    assert_eq!(
        seen,
        ["begin", "a 900 initial", "begin", "b 3 initial", "synced"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_starts_the_list_again() {
    let gone = "{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old\"}}\n";
    let (queries, seen) = watched(&[(200, &end(7)), (200, gone), (200, &end(9))]).await;
    assert!(queries[1].ends_with("resourceVersion=7"));
    assert!(queries[2].contains("sendInitialEvents=true"));
    assert_eq!(seen, ["begin", "synced", "begin", "synced"]);
    let (queries, _) = watched(&[(200, &end(7)), (410, "{}"), (200, &end(9))]).await;
    assert!(queries[2].contains("sendInitialEvents=true"));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streaming_lists_is_listed_in_pages() {
    let page = |name: &str, more: &str| {
        format!(
            "{{\"metadata\":{{\"resourceVersion\":\"5\",\"continue\":\"{more}\"}},\"items\":[{{\"metadata\":{{\"name\":\"{name}\",\"resourceVersion\":\"2\"}}}}]}}"
        )
    };
    for refusal in [400, 422] {
        let script = [
            (refusal, "{}".to_owned()),
            (200, page("a", "next/1")),
            (200, page("b", "")),
            (200, event("ADDED", "c", 6)),
        ];
        let script: Vec<_> = script.iter().map(|(s, b)| (*s, b.as_str())).collect();
        let (queries, seen) = watched(&script).await;
        assert!(queries[1].starts_with("limit=500"));
        assert!(queries[2].ends_with("continue=next%2F1"), "{}", queries[2]);
        assert!(queries[3].ends_with("resourceVersion=5"));
        assert_eq!(
            seen,
            [
                "begin",
                "begin",
                "a 2 initial",
                "b 2 initial",
                "synced",
                "c 6"
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_tried_again_with_pauses() {
    let start = tokio::time::Instant::now();
    let (_, seen) = watched(&[(500, "x"), (403, "{}"), (404, "{}"), (200, &end(1))]).await;
    assert_eq!(seen.iter().filter(|s| *s == "failing").count(), 3);
    assert_eq!(seen.last().unwrap(), "synced");
    assert!(
        start.elapsed() >= Duration::from_millis(1400),
        "{:?}",
        start.elapsed()
    );
}

/// A server that ends each watch at once is not asked in a loop.
#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_paused() {
    let start = tokio::time::Instant::now();
    let list = end(1);
    let script: Vec<(u16, &str)> = std::iter::once((200, list.as_str()))
        .chain([(200, ""); 6])
        .collect();
    watched(&script).await;
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
