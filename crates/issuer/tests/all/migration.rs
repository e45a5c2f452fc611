//! A change of the issuer: old and new URL side by side, through the machine that changes keys.
//! Whoever goes on has nothing but the state's file, and may have been stopped before any step.
//!
//! The cluster is a value: which issuer each API server signs for, and which ones it accepts.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use keyless_issuer::cluster::{Account, ApiServer};
use keyless_issuer::effects::{Pass, Step, Steps};
use keyless_issuer::fetch::{Outlook, unix_now};
use keyless_issuer::plan::Object;
use keyless_issuer::rotate::{Place, Progress, RotateError, Rotator};
use keyless_issuer::rotation::{Kind, Phase, Rotation, Timing, Todo};
use keyless_issuer::rules::old;
use keyless_issuer::rules::servers::judge;
use keyless_issuer::state::{InFile, State};
use keyless_issuer::target::directory::Directory;
use keyless_issuer::verify::{Question, Sample, verify};
use keyless_issuer::{Code, Severity};
use keyless_trust::Issuer;
use keyless_trust::token::Token;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::site::{Authority, ISSUER as OLD, Leaf, Site, claims, directory, key, set};

const NEW: &str = "https://issuer.example.com/d";

/// One API server's flags: what it signs for comes first.
type Issuers = Arc<Mutex<Vec<&'static str>>>;

fn api_server(name: &str, issuers: &Issuers) -> ApiServer {
    let issuers = Arc::clone(issuers);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let issuers = issuers.lock().unwrap().clone();
        async move {
            let path = request.uri().path().to_owned();
            let body = http_body_util::BodyExt::collect(request.into_body()).await;
            let asked = serde_json::from_slice(&body.unwrap().to_bytes()).unwrap_or_default();
            let answer = answer(&issuers, &path, &asked);
            let status = if answer.is_some() { 200 } else { 404 };
            let body = Body::from(answer.unwrap_or_default().into_bytes());
            let response = http::Response::builder().status(status).body(body);
            Ok::<_, std::convert::Infallible>(response.unwrap())
        }
    });
    ApiServer::new(name, kube::Client::new(service, "default"))
}

fn answer(issuers: &[&str], path: &str, asked: &Value) -> Option<String> {
    let issuer = issuers[0];
    let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks")});
    match path {
        "/.well-known/openid-configuration" => Some(document.to_string()),
        "/openid/v1/jwks" => String::from_utf8(set(&[key(0)]).to_bytes()).ok(),
        "/apis/authentication.k8s.io/v1/tokenreviews" => {
            let token = Token::parse(asked["spec"]["token"].as_str()?).ok()?;
            let accepted = issuers.contains(&token.issuer()?);
            Some(json!({"status": {"authenticated": accepted}}).to_string())
        }
        path if path.ends_with("/token") => {
            let token = key(0).sign(&claims(issuer)).unwrap();
            Some(json!({"status": {"token": token}}).to_string())
        }
        _ => None,
    }
}

/// Everything that outlives the one who rotates.
struct World {
    folder: tempfile::TempDir,
    servers: [Issuers; 2],
    outlook: Outlook,
    _site: Site,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let public = Authority::new("public");
        let router = directory(folder.path().join("site"), "");
        let site = Site::start(public.config(&Leaf::default(), &[]), router).await;
        Self {
            servers: [0, 1].map(|_| Arc::new(Mutex::new(vec![OLD]))),
            outlook: site.outlook(&public.pem),
            folder,
            _site: site,
        }
    }

    fn site(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("site").join(name)
    }

    fn state(&self) -> InFile {
        InFile(self.folder.path().join("state.json"))
    }

    /// All or some API servers get other flags.
    fn flags(&self, servers: std::ops::Range<usize>, issuers: &[&'static str]) {
        for server in &self.servers[servers] {
            *server.lock().unwrap() = issuers.to_vec();
        }
    }

    fn api(&self) -> Vec<ApiServer> {
        let named = self.servers.iter().enumerate();
        named
            .map(|(n, s)| api_server(&format!("server-{n}"), s))
            .collect()
    }

    /// Someone who goes on, with nothing but what is kept.
    fn rotator(&self, steps: &Arc<dyn Steps>) -> Rotator {
        let place = |issuer: &str, root: &Path| Place {
            issuer: Issuer::parse(issuer).unwrap(),
            target: Box::new(Directory::new(root, Arc::clone(steps))),
        };
        Rotator {
            state: Box::new(self.state()),
            places: vec![place(OLD, &self.site("c")), place(NEW, &self.site("d"))],
            outlook: self.outlook.clone(),
            servers: self.api(),
            account: Account {
                namespace: "default".into(),
                name: "default".into(),
                audience: "cloud".into(),
                seconds: 600,
            },
            owner: "cluster".into(),
            keep: 3600,
            steps: Arc::clone(steps),
        }
    }

    async fn next(&self) -> Progress {
        let steps: Arc<dyn Steps> = Arc::new(Pass);
        self.rotator(&steps).advance(false).await.unwrap()
    }

    /// The time of the present phase passes.
    async fn wait(&self, seconds: i64) {
        let kept = self.state().load().await.unwrap().unwrap();
        let mut rotation = kept.rotation;
        match &mut rotation.phase {
            Phase::Wait { since } | Phase::Drain { since } => *since -= seconds,
            other => panic!("{other}"),
        }
        let saved = self.state().save(&rotation, Some(&kept.version)).await;
        saved.unwrap();
    }

    /// Whether the world takes tokens of the issuer.
    async fn trusted(&self, issuer: &str) -> bool {
        let question = Question {
            issuer: issuer.to_owned(),
            tokens: vec![Sample {
                name: "pod".into(),
                text: key(0).sign(&claims(issuer)).unwrap(),
                audience: Some("cloud".into()),
                subject: None,
                seconds: None,
            }],
            ..Question::default()
        };
        let report = verify(&self.outlook, &question).await;
        report.worst() < Some(Severity::Error)
    }
}

fn change(timing: Timing) -> Rotation {
    Rotation::begin(
        Kind::Issuer,
        [OLD.to_owned()].into(),
        NEW.to_owned(),
        timing,
        unix_now(),
    )
}

fn stays(progress: &Progress) -> (Phase, bool, Option<Todo>) {
    let stay = progress.stay.as_ref().unwrap();
    let phase = progress.rotation.phase;
    (phase, stay.until.is_some(), stay.todo)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_are_trusted_until_the_old_one_has_ended() {
    let world = World::new().await;
    let steps: Arc<dyn Steps> = Arc::new(Pass);
    let timing = Timing {
        wait: 7200,
        drain: 90_000,
    };
    world.rotator(&steps).begin(&change(timing)).await.unwrap();
    let again = world.rotator(&steps).begin(&change(timing)).await;
    assert!(matches!(again, Err(RotateError::UnderWay(to)) if to == NEW));

    // Announced at both; nobody goes on before the time, however often it is tried.
    let first = world.next().await;
    let (Phase::Wait { since }, true, None) = stays(&first) else {
        panic!("{first:?}");
    };
    assert_eq!(first.stay.unwrap().until, Some(since + 7200));
    assert!(world.trusted(OLD).await && world.trusted(NEW).await);
    let second = world.next().await;
    assert!(!second.moved, "{second:?}");
    assert_eq!(stays(&second), (Phase::Wait { since }, true, None));
    // An API server that did not wait is named.
    world.flags(0..1, &[NEW, OLD]);
    let hasty = world.next().await;
    assert!(!hasty.moved && hasty.findings.iter().any(|f| f.code == Code::K7));
    world.flags(0..1, &[OLD]);

    // Activated one server after the other.
    world.wait(7200).await;
    assert_eq!(
        stays(&world.next().await),
        (Phase::Activate, false, Some(Todo::Switch))
    );
    world.flags(0..1, &[NEW, OLD]);
    let half = world.next().await;
    assert_eq!(stays(&half), (Phase::Activate, false, Some(Todo::Switch)));
    let reason = half.stay.unwrap().reason;
    assert!(
        reason.contains("server-1") && !reason.contains("server-0"),
        "{reason}"
    );
    world.flags(1..2, &[NEW, OLD]);
    let drains = world.next().await;
    assert!(matches!(stays(&drains), (Phase::Drain { .. }, true, None)));
    assert!(
        world.trusted(OLD).await && world.trusted(NEW).await,
        "tokens of both live"
    );
    let rotator = world.rotator(&steps);
    let late = rotator.abort().await.unwrap();
    assert!(
        late.is_err(),
        "tokens of the new one live: it cannot be given up"
    );

    // An API server that accepts the new one alone refuses the pods of before.
    let held = key(0).sign(&claims(OLD)).unwrap();
    for (issuers, expected) in [(vec![NEW, OLD], None), (vec![NEW], Some(Code::K10))] {
        world.flags(0..2, &issuers);
        let server = &world.api()[0];
        let judged = judge(&[server.look(None).await], unix_now());
        let accepted = server.accepts(&held, &old::audiences(&held)).await;
        let finding = match accepted.unwrap() {
            true => None,
            false => old::refused(&held, &judged.said[0], unix_now()),
        };
        assert_eq!(finding.map(|f| f.code), expected);
        // One that has ended, or of a key that nobody has, is refused for another reason.
        let mut ended = claims(OLD);
        ended["exp"] = json!(unix_now() - 1);
        let ended = key(0).sign(&ended).unwrap();
        let foreign = key(1).sign(&claims(OLD)).unwrap();
        for other in [ended, foreign, key(0).sign(&claims(NEW)).unwrap()] {
            assert_eq!(old::refused(&other, &judged.said[0], unix_now()), None);
        }
    }
    world.flags(0..2, &[NEW, OLD]);

    // Back to the old one at one server: the drain starts anew.
    world.flags(1..2, &[OLD, NEW]);
    assert_eq!(world.next().await.rotation.phase, Phase::Activate);
    world.flags(1..2, &[NEW, OLD]);
    assert!(matches!(
        stays(&world.next().await),
        (Phase::Drain { .. }, true, None)
    ));

    // What goes is not written again, and the change ends when it cannot be seen.
    world.wait(90_000).await;
    let over = world.next().await;
    assert_eq!(stays(&over), (Phase::Retire, false, Some(Todo::Publish)));
    std::fs::remove_dir_all(world.site("c")).unwrap();
    let done = world.next().await;
    assert_eq!(done.rotation.phase, Phase::Done, "{done:?}");
    assert!(done.stay.is_none() && !world.next().await.moved);
    assert!(!world.site("c").exists());
    assert!(!world.trusted(OLD).await && world.trusted(NEW).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_up_in_time() {
    let world = World::new().await;
    let steps: Arc<dyn Steps> = Arc::new(Pass);
    let timing = Timing {
        wait: 7200,
        drain: 90_000,
    };
    world.rotator(&steps).begin(&change(timing)).await.unwrap();
    let _ = world.next().await;
    let aborted = world.rotator(&steps).abort().await.unwrap().unwrap();
    assert_eq!(aborted.phase, Phase::Aborted);
    assert!(world.trusted(OLD).await, "the old one is as it was");
}

/// Lets so many steps pass, and stops the one who works for ever.
#[derive(Debug)]
struct Stops {
    left: AtomicUsize,
    stopped: Notify,
}

impl Steps for Stops {
    fn before<'a>(&'a self, _: &'a Step) -> BoxFuture<'a, ()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.stopped.notify_one();
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(()))
    }
}

/// Begins if nothing was begun, and goes on to the end, doing what it is asked for.
async fn to_the_end(world: &World, steps: &Arc<dyn Steps>) {
    let rotator = world.rotator(steps);
    match rotator.begin(&change(Timing { wait: 0, drain: 0 })).await {
        Ok(()) | Err(RotateError::UnderWay(_)) => {}
        Err(error) => panic!("{error}"),
    }
    for _ in 0..20 {
        let progress = rotator.advance(false).await.unwrap();
        match progress.stay.as_ref().and_then(|s| s.todo) {
            _ if progress.rotation.phase == Phase::Done => return,
            Some(Todo::Switch) => world.flags(0..2, &[NEW, OLD]),
            Some(Todo::Publish) if progress.rotation.phase == Phase::Retire => {
                let _ = std::fs::remove_dir_all(world.site("c"));
            }
            _ => {}
        }
    }
    panic!("{:?}", rotator.status().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_before_every_step() {
    let world = World::new().await;
    let mut stops = 0;
    loop {
        for path in ["c", "d"] {
            let _ = std::fs::remove_dir_all(world.site(path));
        }
        let _ = std::fs::remove_file(world.folder.path().join("state.json"));
        world.flags(0..2, &[OLD]);
        let halts = Arc::new(Stops {
            left: AtomicUsize::new(stops),
            stopped: Notify::new(),
        });
        let steps: Arc<dyn Steps> = halts.clone();
        let ended = tokio::select! {
            () = to_the_end(&world, &steps) => true,
            () = halts.stopped.notified() => false,
        };
        // Whatever API servers sign is trusted, wherever it stopped.
        let announced = world.site("c").join(Object::Discovery.path()).exists();
        let signs = world.servers[0].lock().unwrap()[0];
        if announced || signs == NEW {
            assert!(world.trusted(signs).await, "after {stops} steps");
        }
        if ended {
            break;
        }
        let done = world.state().load().await.unwrap();
        if done.is_none_or(|k| k.rotation.phase != Phase::Done) {
            let steps: Arc<dyn Steps> = Arc::new(Pass);
            to_the_end(&world, &steps).await;
        }
        assert!(
            world.trusted(NEW).await && !world.site("c").exists(),
            "after {stops} steps"
        );
        stops += 1;
    }
    // Two places of three files, and the state of each phase.
    assert!(stops >= 16, "only {stops} stops");
}
