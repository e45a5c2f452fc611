//! A rotation whose process dies before each of its steps in turn. The next one takes the state and
//! goes on; at the end the new key alone is published, and at no time was there an invalid pair.
//!
//! The cluster is a file: which keys its API server serves and which one signs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use keyless_issuer::cluster::{Account, ApiServer};
use keyless_issuer::documents::KeySet;
use keyless_issuer::effects::{Pass, Steps};
use keyless_issuer::fetch::unix_now;
use keyless_issuer::keygen::SigningKey;
use keyless_issuer::plan::Object;
use keyless_issuer::rotate::{Place, RotateError, Rotator};
use keyless_issuer::rotation::{Kind, Phase, Rotation, Timing, Todo};
use keyless_issuer::state::InFile;
use keyless_issuer::target::directory::Directory;
use keyless_trust::Issuer;
use kube::client::Body;
use serde_json::{Value, json};

use crate::killed::{DIES, Dies, FOLDER, furnished, keys, look};
use crate::site::{Authority, ISSUER, Leaf, Site, claims, directory, outlook, set};

const PLACE: &str = "KEYLESS_TEST_PLACE";

/// The API server of a cluster that is a file.
fn api_server(folder: &Path) -> ApiServer {
    let folder = folder.to_owned();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let body = answer(&folder, request.uri().path());
        async move {
            let status = if body.is_some() { 200 } else { 404 };
            let body = Body::from(body.unwrap_or_default().into_bytes());
            let response = http::Response::builder().status(status).body(body);
            Ok::<_, std::convert::Infallible>(response.unwrap())
        }
    });
    ApiServer::new("server", kube::Client::new(service, "default"))
}

fn cluster(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("cluster.json")).unwrap()).unwrap()
}

fn set_cluster(folder: &Path, served: &[&str], signs: &str) {
    let text = json!({"served": served, "signs": signs}).to_string();
    std::fs::write(folder.join("cluster.new"), text).unwrap();
    std::fs::rename(folder.join("cluster.new"), folder.join("cluster.json")).unwrap();
}

fn answer(folder: &Path, path: &str) -> Option<String> {
    let cluster = cluster(folder);
    let [old, new] = keys(folder);
    let named = |name: &Value| if name == "old" { &old } else { &new };
    match path {
        "/.well-known/openid-configuration" => Some(
            json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/openid/v1/jwks")}).to_string(),
        ),
        "/openid/v1/jwks" => {
            let served: Vec<&SigningKey> = cluster["served"]
                .as_array()
                .unwrap()
                .iter()
                .map(named)
                .collect();
            Some(String::from_utf8(set(&served).to_bytes()).unwrap())
        }
        path if path.ends_with("/token") => {
            let token = named(&cluster["signs"]).sign(&claims(ISSUER)).unwrap();
            Some(json!({"status": {"token": token}}).to_string())
        }
        _ => None,
    }
}

fn rotator(folder: &Path, place: SocketAddr, pem: &str, steps: Arc<dyn Steps>) -> Rotator {
    Rotator {
        state: Box::new(InFile(folder.join("state.json"))),
        places: vec![Place {
            issuer: Issuer::parse(ISSUER).unwrap(),
            target: Box::new(Directory::new(folder.join("site"), steps.clone())),
        }],
        outlook: outlook(place, pem, true),
        servers: vec![api_server(folder)],
        account: Account {
            namespace: "default".into(),
            name: "default".into(),
            audience: "cloud".into(),
            seconds: 600,
        },
        owner: "cluster".into(),
        keep: 3600,
        steps,
    }
}

/// Begins if nothing was begun, and goes on to the end, changing the cluster when it is asked to.
async fn to_the_end(rotator: &Rotator, folder: &Path) {
    let [old, new] = keys(folder);
    let timing = Timing { wait: 0, drain: 0 };
    let mut rotation = Rotation::begin(
        Kind::Key,
        [old.jwk().kid.clone()].into(),
        new.jwk().kid.clone(),
        timing,
        unix_now(),
    );
    rotation.public_key = Some(new.public_pem());
    match rotator.begin(&rotation).await {
        Ok(()) | Err(RotateError::UnderWay(_)) => {}
        Err(error) => panic!("{error}"),
    }
    for _ in 0..20 {
        let progress = rotator.advance(false).await.unwrap();
        match progress.stay.and_then(|s| s.todo) {
            _ if progress.rotation.phase == Phase::Done => return,
            Some(Todo::Switch) => set_cluster(folder, &["old", "new"], "new"),
            Some(Todo::Remove) => set_cluster(folder, &["new"], "new"),
            _ => {}
        }
    }
    panic!("{:?}", rotator.status().await);
}

/// Not a test of its own: what the killed process does.
#[test]
fn the_process_that_dies() {
    let (Ok(dies), Ok(folder), Ok(place)) = (
        std::env::var(DIES),
        std::env::var(FOLDER),
        std::env::var(PLACE),
    ) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let steps = Arc::new(Dies(AtomicUsize::new(dies.parse().unwrap())));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pem = std::fs::read_to_string(folder.join("ca.pem")).unwrap();
    runtime.block_on(async {
        let rotator = rotator(&folder, place.parse().unwrap(), &pem, steps);
        to_the_end(&rotator, &folder).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_step() {
    let folder = furnished();
    let folder = folder.path();
    let public = Authority::new("public");
    std::fs::write(folder.join("ca.pem"), &public.pem).unwrap();
    let site = Site::start(
        public.config(&Leaf::default(), &[]),
        directory(folder.join("site"), "/c"),
    )
    .await;
    let mut deaths = 0;
    for step in 0.. {
        let _ = std::fs::remove_dir_all(folder.join("site"));
        let _ = std::fs::remove_file(folder.join("state.json"));
        set_cluster(folder, &["old"], "old");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "killed_rotation::the_process_that_dies",
                "--test-threads=1",
            ])
            .env(DIES, step.to_string())
            .env(FOLDER, folder)
            .env(PLACE, site.address.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap())
            .await
            .unwrap();
        look(folder, &format!("after {step} steps"));
        let next = rotator(folder, site.address, &public.pem, Arc::new(Pass));
        // It may have died after its last step.
        let done = next.status().await.map(|p| p.rotation.phase);
        if !matches!(done, Ok(Phase::Done)) {
            to_the_end(&next, folder).await;
        }
        let [_, new] = keys(folder);
        let body = std::fs::read(folder.join("site").join(Object::Keys.path())).unwrap();
        assert_eq!(
            KeySet::parse(&body).unwrap().names(),
            [new.jwk().kid.clone()],
            "after {step} steps"
        );
        if ended.success() {
            break;
        }
        deaths += 1;
    }
    // Three phases' publications of four steps a write, and two steps for each state.
    assert!(deaths >= 30, "only {deaths} deaths");
}
