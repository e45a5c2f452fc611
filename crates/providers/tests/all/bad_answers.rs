//! Answers that no correct peer gives, at the token endpoint and at the data plane of each cloud: an
//! end in bounded time, an error that names the link, nothing that looks like a value or like its
//! absence, no token carried elsewhere, and all well again afterwards.

use std::sync::Arc;
use std::time::Duration;

use keyless_api::SecretStoreSpec;
use keyless_fault::{Class, Fault, Link, explain};
use keyless_identity::{Cluster, Environment, Exchange, ExchangeOptions, HttpExchange, Overrides};
use keyless_providers::{Error, Find, Provider, Registry, RegistryOptions, Remote};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::cloud::Kube;
use crate::google::{AUDIENCE, EMAIL};
use crate::peer::{Peer, Reply};
use crate::stores::{key, read_one, spec, store};

/// Where every login at Google begins.
const STS: &str = "sts.googleapis.com";
/// What a token must never reach.
const ELSEWHERE: &str = "elsewhere.example";
/// Longest answer of one request; short, so that the slow cases end soon.
const TOTAL: Duration = Duration::from_secs(2);
/// By then every case has ended, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(90);

/// A cloud: where it is asked, and what it says when all is well.
struct Cloud {
    name: &'static str,
    token: &'static str,
    data: &'static str,
    store: fn() -> SecretStoreSpec,
    usual: fn(&Peer),
}

const CLOUDS: [Cloud; 3] = [
    Cloud {
        name: "Google",
        token: "sts.googleapis.com",
        data: "secretmanager.googleapis.com",
        store: || {
            spec(
                json!({"gcpsm": {"projectID": "p-1", "auth": {"workloadIdentityFederation":
                {"audience": AUDIENCE, "serviceAccountRef": {"name": "sa"}}}}}),
            )
        },
        usual: google,
    },
    Cloud {
        name: "Azure",
        token: "login.microsoftonline.com",
        data: "v.vault.azure.net",
        store: || {
            spec(
                json!({"azurekv": {"vaultUrl": "https://v.vault.azure.net", "tenantId": "tenant",
                "authType": "WorkloadIdentity", "serviceAccountRef": {"name": "sa"}}}),
            )
        },
        usual: |peer| {
            let token =
                r#"{"access_token":"canarybearer","token_type":"Bearer","expires_in":3600}"#;
            peer.usual("login.microsoftonline.com", "/token", Reply::json(token));
            let host = "v.vault.azure.net";
            let value =
                r#"{"value":"v","id":"https://v.vault.azure.net/secrets/x/1","attributes":{}}"#;
            peer.usual(host, "/secrets/x", Reply::json(value));
            let list = r#"{"value":[{"id":"https://v.vault.azure.net/secrets/x"}]}"#;
            peer.usual(host, "/secrets", Reply::json(list));
        },
    },
    // The same with one more stop on the way.
    Cloud {
        name: "Google by impersonation",
        token: "iamcredentials.googleapis.com",
        data: "secretmanager.googleapis.com",
        store: || {
            spec(
                json!({"gcpsm": {"projectID": "p-1", "auth": {"workloadIdentityFederation":
                {"audience": AUDIENCE, "serviceAccountRef": {"name": "sa"}, "gcpServiceAccountEmail": EMAIL}}}}),
            )
        },
        usual: |peer| {
            google(peer);
            let token = r#"{"accessToken":"canarybearer","expireTime":"2999-01-01T00:00:00Z"}"#;
            let host = "iamcredentials.googleapis.com";
            peer.usual(host, ":generateAccessToken", Reply::json(token));
        },
    },
];

/// Google when all is well.
fn google(peer: &Peer) {
    let token = r#"{"access_token":"canarybearer","token_type":"Bearer","expires_in":3600}"#;
    peer.usual("sts.googleapis.com", "/token", Reply::json(token));
    let host = "secretmanager.googleapis.com";
    // The letter v.
    let value = r#"{"name":"n","payload":{"data":"dg==","dataCrc32c":"88400052"}}"#;
    peer.usual(host, ":access", Reply::json(value));
    let list = r#"{"secrets":[{"name":"projects/1/secrets/x"}]}"#;
    peer.usual(host, "/secrets", Reply::json(list));
}

/// One bad answer and what becomes of it: at the token endpoint and at the data plane.
struct Case {
    name: &'static str,
    reply: fn() -> Reply,
    token: (Link, Class),
    data: (Link, Class),
}

const CASES: [Case; 12] = [
    Case {
        name: "truncated JSON",
        reply: || {
            Reply::json(r#"{"value":"canary","access_token":"canary","payload":{"data":"Y2F"#)
        },
        token: (Link::Identity, Class::Bug),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "a page of a proxy",
        reply: || html(200),
        token: (Link::Identity, Class::Bug),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "nothing at all",
        reply: || Reply::json(""),
        token: (Link::Identity, Class::Bug),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "an empty list",
        reply: || Reply::json("[]"),
        token: (Link::Identity, Class::Bug),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "success with an error in it",
        reply: || {
            Reply::json(r#"{"error":{"code":403,"message":"canary","status":"PERMISSION_DENIED"}}"#)
        },
        token: (Link::Identity, Class::Bug),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "ten megabytes",
        reply: || Reply::json(&format!("{{\"value\":\"{}\"}}", "canary".repeat(10 << 18))),
        token: (Link::Network, Class::Unavailable),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "an answer that breaks off",
        reply: || Reply::Half(vec![b' '; 4000]),
        token: (Link::Network, Class::Unavailable),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "a byte now and then",
        reply: || Reply::Drip,
        token: (Link::Network, Class::Unavailable),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "a redirect to another host",
        reply: || {
            let place = ("location", format!("https://{ELSEWHERE}/x"));
            Reply::Whole(307, vec![place], Vec::new())
        },
        token: (Link::Network, Class::Config),
        data: (Link::Network, Class::Config),
    },
    Case {
        name: "throttling without end",
        reply: || {
            let wait = ("retry-after", "1".to_owned());
            Reply::Whole(
                429,
                vec![wait],
                br#"{"error":{"code":"429","status":"RESOURCE_EXHAUSTED","message":"slow down"}}"#
                    .to_vec(),
            )
        },
        token: (Link::Network, Class::Throttled),
        data: (Link::Network, Class::Throttled),
    },
    Case {
        name: "an outage",
        reply: || html(503),
        token: (Link::Network, Class::Unavailable),
        data: (Link::Network, Class::Unavailable),
    },
    Case {
        name: "a proxy's 404",
        reply: || html(404),
        token: (Link::Identity, Class::NotFound),
        data: (Link::Network, Class::Unavailable),
    },
];

fn html(status: u16) -> Reply {
    let kind = ("content-type", "text/html".to_owned());
    Reply::Whole(status, vec![kind], b"<html>canary</html>".to_vec())
}

struct World {
    registry: Registry,
    peer: Peer,
}

impl World {
    async fn new(cloud: &Cloud, names: &[&str]) -> Self {
        let peer = Peer::open(names).await;
        (cloud.usual)(&peer);
        let rules: Vec<String> = [STS, cloud.token, cloud.data, ELSEWHERE]
            .iter()
            .map(|host| format!("{host}={}", peer.address))
            .collect();
        let http = Exchange::new(&ExchangeOptions {
            bundle: Some(peer.authority.clone().into_bytes()),
            total: TOTAL,
            overrides: Overrides::parse(&rules.join(",")).unwrap(),
            ..ExchangeOptions::default()
        });
        let kube = Arc::new(Kube::default());
        let client = ("azure.workload.identity/client-id", "client");
        kube.account("a", "sa", &[client]);
        let options = RegistryOptions::default();
        let options = RegistryOptions {
            planner: keyless_providers::planner::Options {
                retries: 0,
                ..options.planner
            },
            ..options
        };
        let registry = Registry::new(
            kube as Arc<dyn Cluster>,
            Arc::new(http.unwrap()) as Arc<dyn HttpExchange>,
            Environment::default(),
            options,
        );
        Self { registry, peer }
    }

    async fn provider(&self, cloud: &Cloud) -> Arc<dyn Provider> {
        let spec = (cloud.store)();
        self.registry.open(&spec, &store("a")).await.unwrap()
    }

    async fn read(&self, cloud: &Cloud) -> Result<String, Error> {
        let provider = self.provider(cloud).await;
        let read = read_one(&provider, key("x"));
        timeout(PATIENCE, read).await.expect("no end")
    }
}

fn judge(error: &Error, expected: (Link, Class), what: &str) {
    let text = explain(error);
    assert_eq!((error.link(), error.class()), expected, "{what}: {text}");
    assert!(
        !format!("{text} {error:?}").contains("canary"),
        "{what}: {text}"
    );
    assert!(!error.is_no_secret(), "{what}: {text}");
}

#[tokio::test]
async fn at_the_data_plane() {
    let clouds = CLOUDS.iter().take(2).map(|cloud| async move {
        let world = World::new(cloud, &[STS, cloud.token, cloud.data, ELSEWHERE]).await;
        let all = Find {
            name: Some(".".into()),
            ..Find::default()
        };
        for case in &CASES {
            let what = format!("{} at {}", case.name, cloud.data);
            let asked = world.peer.asked(cloud.data).len();
            world.peer.says(cloud.data, Some((case.reply)()));
            let begun = Instant::now();
            judge(&world.read(cloud).await.unwrap_err(), case.data, &what);
            let provider = world.provider(cloud).await;
            // A search that cannot be answered has found nothing out: it is no empty one.
            let find = timeout(PATIENCE, provider.find(&all, Duration::ZERO));
            judge(&find.await.expect(&what).unwrap_err(), case.data, &what);
            let there = Remote {
                key: "x".into(),
                property: None,
            };
            let exists = timeout(PATIENCE, provider.exists(&there));
            judge(&exists.await.expect(&what).unwrap_err(), case.data, &what);
            assert!(begun.elapsed() < PATIENCE, "{what}");
            let calls = world.peer.asked(cloud.data).len() - asked;
            assert!(calls <= 15, "{what}: {calls} calls");
            world.peer.says(cloud.data, None);
            assert_eq!(world.read(cloud).await.unwrap(), "v", "{what}");
        }
        assert!(world.peer.asked(ELSEWHERE).is_empty(), "{}", cloud.name);
        let carried = world.peer.asked(cloud.data);
        let bearer = Some("Bearer canarybearer");
        assert!(
            carried
                .iter()
                .all(|asked| asked.authorization.as_deref() == bearer)
        );
    });
    futures::future::join_all(clouds).await;
}

#[tokio::test]
async fn at_the_token_endpoint() {
    let clouds = CLOUDS.iter().map(|cloud| async move {
        for case in &CASES {
            let world = World::new(cloud, &[STS, cloud.token, cloud.data, ELSEWHERE]).await;
            let what = format!("{} at {}", case.name, cloud.token);
            world.peer.says(cloud.token, Some((case.reply)()));
            judge(&world.read(cloud).await.unwrap_err(), case.token, &what);
            // Whoever asks meanwhile leaves the peer in peace.
            let calls = world.peer.asked(cloud.token).len();
            assert!(calls <= 3, "{what}: {calls} calls");
            assert!(world.peer.asked(cloud.data).is_empty(), "{what}");
            world.peer.says(cloud.token, None);
            world.registry.forget(&store("a").store);
            assert_eq!(world.read(cloud).await.unwrap(), "v", "{what}");
            assert!(world.peer.asked(ELSEWHERE).is_empty(), "{what}");
        }
    });
    futures::future::join_all(clouds).await;
}

#[tokio::test]
async fn a_certificate_of_another_name() {
    for cloud in CLOUDS.iter().take(2) {
        for (names, right) in [
            (vec![cloud.token, ELSEWHERE], true),
            (vec![ELSEWHERE], false),
        ] {
            let world = World::new(cloud, &names).await;
            let error = world.read(cloud).await.unwrap_err();
            judge(&error, (Link::Network, Class::Unavailable), cloud.name);
            let text = explain(&error);
            assert!(text.contains("certificate"), "{text}");
            // Nothing was said to whoever it was.
            assert!(world.peer.asked(cloud.data).is_empty(), "{}", cloud.name);
            assert_eq!(world.peer.asked(cloud.token).len(), usize::from(right));
        }
    }
}
