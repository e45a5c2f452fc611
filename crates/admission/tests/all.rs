//! The server over TLS: what strangers may send, what is answered, and certificates that change.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use keyless_admission::certificate::files::Files;
use keyless_admission::cloud::Injectors;
use keyless_admission::inject::aws;
use keyless_admission::{CertificateSource, Measured, Options, TlsVersion, Webhook};
use keyless_kubernetes::Clients;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An API server whose watches bring nothing, and which knows one service account.
async fn api(uri: Uri) -> Response {
    if uri.query().is_some_and(|query| query.contains("watch=1")) {
        return std::future::pending().await;
    }
    let annotations = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"});
    match uri.path() {
        "/api/v1/namespaces/shop/serviceaccounts/buyer" => {
            let account = json!({"metadata": {"namespace": "shop", "name": "buyer", "annotations": annotations}});
            account.to_string().into_response()
        }
        "/api/v1/namespaces/shop/serviceaccounts/unreadable" => {
            StatusCode::FORBIDDEN.into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

struct Server {
    address: SocketAddr,
    folder: tempfile::TempDir,
    measured: Measured,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<Result<(), keyless_kubernetes::Error>>,
}

/// Writes a certificate for the loopback address; what clients are to trust.
fn certify(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

fn options(folder: &Path) -> Options {
    Options {
        address: String::new(),
        certificate: CertificateSource::Files(Files {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
        }),
        tls: TlsVersion::V12,
        injectors: Injectors {
            aws: Some(aws::Settings::default()),
            ..Injectors::default()
        },
        validate: true,
        namespace: "ns".into(),
        aws_config_map: false,
        aws_identities: None,
        mutating: vec![],
        validating: vec![],
        sweep: None,
        election: None,
        drain: Duration::ZERO,
    }
}

impl Server {
    async fn start() -> (Self, reqwest::Client) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let client = client(&certify(folder.path()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = kube::Client::new(Router::new().fallback(api), "default");
        let webhook = Webhook::new(Clients::from(api), options(folder.path()));
        let measured = webhook.measured();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(webhook.run_on(listener, async {
            let _ = stopped.await;
        }));
        let server = Self {
            address,
            folder,
            measured,
            stop: Some(stop),
            task,
        };
        (server, client)
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        let ended = tokio::time::timeout(PATIENCE, &mut self.task).await;
        ended.unwrap().unwrap().unwrap();
    }
}

fn client(authority: &str) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([authority]);
    builder.timeout(PATIENCE).build().unwrap()
}

fn review(account: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
        "object": {"metadata": {"name": "p"}, "spec": {"serviceAccountName": account, "containers": [{"name": "app"}]}},
    }})
}

#[tokio::test]
async fn strangers_get_a_clear_answer() {
    let (server, client) = Server::start().await;
    let json = "application/json";
    let good = review("buyer").to_string();
    for (method, path, kind, body, status, wanted) in [
        ("POST", "/mutate", json, good.clone(), 200, "\"patch\""),
        (
            "POST",
            "/inject/aws?timeout=10s",
            json,
            good.clone(),
            200,
            "\"patch\"",
        ),
        (
            "POST",
            "/mutate",
            "application/json; charset=utf-8",
            good.clone(),
            200,
            "\"patch\"",
        ),
        (
            "POST",
            "/mutate",
            json,
            review("nobody").to_string(),
            200,
            "\"allowed\":true",
        ),
        (
            "POST",
            "/mutate",
            json,
            review("unreadable").to_string(),
            500,
            "cannot read ServiceAccount shop/unreadable",
        ),
        ("POST", "/mutate", json, "hunter2".into(), 400, "not JSON"),
        ("POST", "/mutate", json, String::new(), 400, "ends too soon"),
        (
            "POST",
            "/mutate",
            json,
            "{\"kind\":\"Pod\"}".into(),
            400,
            "no AdmissionReview",
        ),
        (
            "POST",
            "/mutate",
            "text/plain",
            good.clone(),
            415,
            "application/json",
        ),
        ("GET", "/mutate", json, String::new(), 405, "POST"),
        (
            "POST",
            "/mutate-v1-pod",
            json,
            good.clone(),
            404,
            "nothing is served",
        ),
        (
            "POST",
            "/inject/azure",
            json,
            good.clone(),
            404,
            "nothing is served",
        ),
        (
            "POST",
            "/../etc/passwd",
            json,
            good.clone(),
            404,
            "nothing is served",
        ),
        ("GET", "/healthz", json, String::new(), 200, "ok"),
        (
            "POST",
            "/mutate",
            json,
            " ".repeat((7 << 20) + 1),
            413,
            "more than",
        ),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = client
            .request(method, server.url(path))
            .header("content-type", kind);
        let answer = request.body(body).send().await.unwrap();
        let (got, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(got, status, "{path}: {text}");
        assert!(
            text.contains(wanted) && !text.contains("hunter2"),
            "{path}: {text}"
        );
    }
    let text = server.measured.render();
    for line in [
        "keyless_injection_reviews_total{cloud=\"aws\",outcome=\"injected\"} 3",
        "keyless_injection_reviews_total{cloud=\"aws\",outcome=\"failed\"} 1",
        "controller_runtime_webhook_requests_total{webhook=\"/mutate\",code=\"413\"} 1",
        "controller_runtime_webhook_requests_in_flight 0",
        "keyless_webhook_unknown_paths_total 3",
        "keyless_injection_account_reads_total{result=\"missing\"} 1",
        "pod_identity_webhook_used 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn custom_resources_are_validated_at_the_paths_of_old() {
    let (server, client) = Server::start().await;
    for (kind, operation, spec, allowed) in [
        (
            "externalsecret",
            "CREATE",
            json!({"secretStoreRef": {"name": "s"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]}),
            true,
        ),
        (
            "externalsecret",
            "CREATE",
            json!({"secretStoreRef": {"name": "s"}}),
            false,
        ),
        (
            "externalsecret",
            "UPDATE",
            json!({"refreshInterval": "1d"}),
            false,
        ),
        ("externalsecret", "DELETE", json!({}), true),
        (
            "secretstore",
            "CREATE",
            json!({"provider": {"fake": {"data": []}}}),
            true,
        ),
        (
            "clustersecretstore",
            "CREATE",
            json!({"provider": {}, "conditions": [{"namespaceRegexes": ["("]}]}),
            false,
        ),
    ] {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": operation, "namespace": "shop", "object": {"spec": spec}}});
        let url = server.url(&format!("/validate-external-secrets-io-v1-{kind}"));
        let answer = client
            .post(url)
            .body(review.to_string())
            .send()
            .await
            .unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(
            answer["response"]["allowed"], allowed,
            "{kind} {spec}: {answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn slow_and_broken_connections_hold_nobody_up() {
    let (server, client) = Server::start().await;
    // Neither a handshake nor a request.
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(
            tokio::net::TcpStream::connect(server.address)
                .await
                .unwrap(),
        );
    }
    let mut garbage = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, garbage.read_to_end(&mut rest))
        .await
        .unwrap();
    let good = review("buyer").to_string();
    let answer = client
        .post(server.url("/mutate"))
        .body(good)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        server
            .measured
            .render()
            .contains("keyless_webhook_handshake_failures_total 1")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let (server, old) = Server::start().await;
    assert_eq!(
        old.get(server.url("/healthz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    // One that is unusable leaves the last good one in place.
    std::fs::write(server.folder.path().join("tls.key"), "nonsense").unwrap();
    let new = client(&certify(server.folder.path()));
    let begin = std::time::Instant::now();
    while new.get(server.url("/healthz")).send().await.is_err() {
        assert!(
            begin.elapsed() < PATIENCE,
            "the new certificate is not served"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_at_the_end() {
    let (mut server, client) = Server::start().await;
    let url = server.url("/mutate");
    assert_eq!(
        client
            .get(server.url("/healthz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    // A body that comes in two parts, with the end of the server between them.
    let body = review("buyer").to_string();
    let (first, second) = body.split_at(20);
    let (send, receive) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(2);
    send.send(Ok(first.to_owned())).await.unwrap();
    let stream = futures::stream::unfold(receive, |mut receive| async {
        let part = receive.recv().await?;
        let frame = part.map(|text| hyper::body::Frame::data(bytes::Bytes::from(text)));
        Some((frame, receive))
    });
    let request = client
        .post(url)
        .body(reqwest::Body::wrap(http_body_util::StreamBody::new(stream)));
    let answer = tokio::spawn(request.send());
    let begin = std::time::Instant::now();
    while !server.measured.render().contains("requests_in_flight 1") {
        assert!(begin.elapsed() < PATIENCE, "the request did not begin");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = server.stop.take().unwrap().send(());
    tokio::time::sleep(Duration::from_millis(200)).await;
    send.send(Ok(second.to_owned())).await.unwrap();
    drop(send);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let ended = tokio::time::timeout(PATIENCE, &mut server.task).await;
    ended.unwrap().unwrap().unwrap();
}
