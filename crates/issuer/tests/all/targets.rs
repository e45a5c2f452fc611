//! Targets over HTTP: servers that keep objects with versions, in the dialect of each cloud.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use keyless_fault::Fault as _;
use keyless_identity::{Exchange, ExchangeOptions};
use keyless_issuer::plan::Object;
use keyless_issuer::publish::{PublishError, publish};
use keyless_issuer::target::authorize::{Anonymous, Authorize, TokenFile};
use keyless_issuer::target::config_map::{InConfigMap, key as config_map_key};
use keyless_issuer::target::object::{Dialect, Objects};
use keyless_issuer::target::{Seen, Target, TargetError};
use serde_json::{Value, json};

use crate::publishing::Publication;
use crate::site::{Authority, Leaf, Site, key};

/// Version and bytes by path.
type Kept = BTreeMap<String, (u64, Vec<u8>)>;

/// A server of objects.
#[derive(Clone, Default)]
struct Store {
    objects: Arc<Mutex<Kept>>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    refuses: Option<(u16, &'static str)>,
}

impl Store {
    fn router(&self, dialect: Dialect) -> Router {
        let store = self.clone();
        Router::new().fallback(move |request: Request| {
            let store = store.clone();
            async move { store.answer(dialect, request).await }
        })
    }

    async fn answer(&self, dialect: Dialect, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
        let header = |name: &str| {
            head.headers
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        for name in [
            "authorization",
            "cache-control",
            "content-type",
            "x-ms-blob-type",
            "x-amz-acl",
        ] {
            if let Some(value) = header(name) {
                self.seen.lock().unwrap().push((name.to_owned(), value));
            }
        }
        if let Some((status, code)) = self.refuses {
            let text = format!("<Error><Code>{code}</Code></Error>");
            return Response::builder()
                .status(status)
                .body(Body::from(text))
                .unwrap();
        }
        let mut objects = self.objects.lock().unwrap();
        let path = head.uri.path().to_owned();
        let present = objects.get(&path).map(|(version, _)| *version);
        let status = |status: u16| {
            Response::builder()
                .status(status)
                .body(Body::empty())
                .unwrap()
        };
        if head.method == "GET" {
            let Some((version, bytes)) = objects.get(&path) else {
                return status(404);
            };
            return Response::builder()
                .header("etag", format!("\"{version}\""))
                .header("x-goog-generation", version.to_string())
                .body(Body::from(bytes.clone()))
                .unwrap();
        }
        let fits = match dialect {
            Dialect::Gcs => {
                let wanted: u64 = header("x-goog-if-generation-match")
                    .expect("a condition")
                    .parse()
                    .unwrap();
                wanted == present.unwrap_or(0)
            }
            _ => match (header("if-match"), header("if-none-match")) {
                (Some(etag), None) => present.is_some_and(|v| etag == format!("\"{v}\"")),
                (None, Some(any)) => any == "*" && present.is_none(),
                other => panic!("no one condition: {other:?}"),
            },
        };
        if !fits {
            return status(412);
        }
        objects.insert(path, (present.unwrap_or(0) + 1, body));
        status(201)
    }

    fn get(&self, object: Object) -> Option<Vec<u8>> {
        let objects = self.objects.lock().unwrap();
        objects
            .get(&format!("/bucket/c/{}", object.path()))
            .map(|(_, bytes)| bytes.clone())
    }
}

async fn open(store: &Store, dialect: Dialect, login: Box<dyn Authorize>) -> (Site, Objects) {
    let public = Authority::new("public");
    let leaf = Leaf {
        names: vec!["localhost".into()],
        ..Leaf::default()
    };
    let site = Site::start(public.config(&leaf, &[]), store.router(dialect)).await;
    let http = Exchange::new(&ExchangeOptions {
        bundle: Some(public.pem.clone().into_bytes()),
        ..ExchangeOptions::default()
    });
    let base = format!("https://localhost:{}/bucket/c", site.address.port());
    (
        site,
        Objects::new("the bucket", &base, dialect, Arc::new(http.unwrap()), login),
    )
}

const DIALECTS: [Dialect; 4] = [Dialect::Plain, Dialect::S3, Dialect::Gcs, Dialect::Azure];

#[tokio::test]
async fn published_and_published_again() {
    for dialect in DIALECTS {
        let store = Store::default();
        let (_site, target) = open(&store, dialect, Box::new(Anonymous)).await;
        let done = Publication::of(&[key(0)]).publish(&target).await.unwrap();
        assert_eq!(done.written.len(), 3, "{dialect:?}");
        let done = Publication::of(&[key(0)]).publish(&target).await.unwrap();
        assert_eq!(done.written.len(), 0, "{dialect:?}");
        let done = Publication::of(&[key(0), key(1)])
            .publish(&target)
            .await
            .unwrap();
        assert_eq!(
            done.written,
            [Object::Keys.path(), Object::Marker.path()],
            "{dialect:?}"
        );
        assert!(store.get(Object::Discovery).is_some());
        let seen = store.seen.lock().unwrap().clone();
        let has = |name: &str, value: &str| seen.contains(&(name.to_owned(), value.to_owned()));
        assert!(
            has("content-type", "application/json") && has("cache-control", "public, max-age=300"),
            "{dialect:?}"
        );
        assert_eq!(
            has("x-ms-blob-type", "BlockBlob"),
            dialect == Dialect::Azure
        );
        assert!(
            !seen.iter().any(|(name, _)| name == "x-amz-acl"),
            "buckets of today take no ACL"
        );
    }
}

#[tokio::test]
async fn a_second_writer_is_never_overwritten() {
    for dialect in DIALECTS {
        let store = Store::default();
        let (_site, target) = open(&store, dialect, Box::new(Anonymous)).await;
        target
            .write(Object::Keys, b"one", Seen::Nothing)
            .await
            .unwrap();
        let seen = target.read(Object::Keys).await.unwrap().unwrap();
        target
            .write(Object::Keys, b"two", Seen::Version(&seen.version))
            .await
            .unwrap();
        for stale in [Seen::Version(&seen.version), Seen::Nothing] {
            let refused = target.write(Object::Keys, b"three", stale).await;
            assert!(
                matches!(refused, Err(TargetError::Conflict { .. })),
                "{dialect:?} {stale:?}"
            );
        }
        assert_eq!(
            target.read(Object::Keys).await.unwrap().unwrap().bytes,
            b"two"
        );
    }
}

#[tokio::test]
async fn refusals_have_a_row() {
    for (dialect, status, code, row) in [
        (Dialect::S3, 403, "AccessDenied", "P1"),
        (Dialect::S3, 400, "AccessControlListNotSupported", "P2"),
        (Dialect::Azure, 403, "AuthorizationPermissionMismatch", "P3"),
        (Dialect::Gcs, 403, "AccessDenied", "P4"),
        (Dialect::S3, 404, "NoSuchBucket", "P15"),
    ] {
        let store = Store {
            refuses: Some((status, code)),
            ..Store::default()
        };
        let (_site, target) = open(&store, dialect, Box::new(Anonymous)).await;
        let error = Publication::of(&[key(0)])
            .publish(&target)
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.provider_code()),
            (row, Some(code)),
            "{error:?}"
        );
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn a_token_in_a_file_is_read_each_time_and_never_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "canary-1\n").unwrap();
    let store = Store::default();
    let (_site, target) = open(&store, Dialect::Gcs, Box::new(TokenFile(file.clone()))).await;
    target.read(Object::Keys).await.unwrap();
    std::fs::write(&file, "canary-2").unwrap();
    target.read(Object::Keys).await.unwrap();
    let seen = store.seen.lock().unwrap().clone();
    let tokens: Vec<&str> = seen.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(tokens, ["Bearer canary-1", "Bearer canary-2"]);
    std::fs::write(&file, "canary\u{1}").unwrap();
    let error = target.read(Object::Keys).await.unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("canary"),
        "{error:?}"
    );
}

/// A ConfigMap in an API server that keeps one, with versions.
#[tokio::test]
async fn in_a_config_map() {
    let stored: Arc<Mutex<Option<Value>>> = Arc::default();
    let kept = Arc::clone(&stored);
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let kept = Arc::clone(&kept);
        async move {
            let method = request.method().clone();
            let bytes = http_body_util::BodyExt::collect(request.into_body())
                .await
                .unwrap()
                .to_bytes();
            let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let mut kept = kept.lock().unwrap();
            let (status, answer) = match (method.as_str(), kept.as_mut()) {
                ("GET", Some(map)) => (200, map.clone()),
                ("GET", None) => (404, json!({})),
                ("POST", None) => {
                    let mut map = body.clone();
                    map["metadata"]["resourceVersion"] = json!("1");
                    *kept = Some(map.clone());
                    (201, map)
                }
                ("PATCH", Some(map))
                    if body["metadata"]["resourceVersion"]
                        == map["metadata"]["resourceVersion"] =>
                {
                    for (name, value) in body["data"].as_object().unwrap() {
                        map["data"][name] = value.clone();
                    }
                    let version: u64 = map["metadata"]["resourceVersion"]
                        .as_str()
                        .unwrap()
                        .parse()
                        .unwrap();
                    map["metadata"]["resourceVersion"] = json!((version + 1).to_string());
                    (200, map.clone())
                }
                _ => (409, json!({"message": "conflict"})),
            };
            let response = http::Response::builder().status(status);
            Ok::<_, std::convert::Infallible>(
                response
                    .body(kube::client::Body::from(answer.to_string().into_bytes()))
                    .unwrap(),
            )
        }
    });
    let server =
        keyless_issuer::cluster::ApiServer::new("server", kube::Client::new(service, "default"));
    let target = InConfigMap::new(server, "kube-system", "issuer");
    let done = Publication::of(&[key(0)]).publish(&target).await.unwrap();
    assert_eq!(done.written.len(), 3);
    assert_eq!(
        Publication::of(&[key(0)])
            .publish(&target)
            .await
            .unwrap()
            .written
            .len(),
        0
    );
    let before = target.read(Object::Keys).await.unwrap().unwrap();
    stored.lock().unwrap().as_mut().unwrap()["data"][config_map_key(Object::Keys)] =
        json!("someone else");
    let refused = target
        .write(Object::Keys, b"ours", Seen::Version(&before.version))
        .await;
    assert!(matches!(refused, Err(TargetError::Conflict { .. })));
}

/// Names are imported for their messages alone.
#[tokio::test]
async fn a_target_that_is_not_there() {
    let http = Exchange::new(&ExchangeOptions::default()).unwrap();
    let target = Objects::new(
        "nowhere",
        "https://issuer.invalid/c",
        Dialect::Plain,
        Arc::new(http),
        Box::new(Anonymous),
    );
    let issuer = keyless_trust::Issuer::parse(crate::site::ISSUER).unwrap();
    let retire = std::collections::BTreeSet::new();
    let wish = keyless_issuer::plan::Wish {
        issuer: &issuer,
        owner: "o",
        servers: &[],
        complete: true,
        announced: &[],
        retire: &retire,
        keep: 0,
        adopt: false,
        self_federated: false,
        now: 0,
    };
    let Err(PublishError::Target { source, .. }) = publish(&target, &wish).await else {
        panic!("published nowhere");
    };
    assert_eq!(source.class(), keyless_fault::Class::Unavailable);
}
