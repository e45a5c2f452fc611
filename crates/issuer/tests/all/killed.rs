//! Processes that die in the middle of a publication: at each step in turn, and at any moment by
//! SIGKILL. Whoever reads afterwards finds a valid pair, and the next publication finishes it.
//!
//! The process that dies is this test binary, started again with `KEYLESS_TEST_DIES` set.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use keyless_issuer::documents::{Discovery, KeySet};
use keyless_issuer::effects::{Pass, Step, Steps};
use keyless_issuer::keygen::SigningKey;
use keyless_issuer::plan::Object;
use keyless_issuer::rules;
use keyless_issuer::target::directory::Directory;

use crate::publishing::Publication;
use crate::site::ISSUER;

pub const DIES: &str = "KEYLESS_TEST_DIES";
pub const FOLDER: &str = "KEYLESS_TEST_FOLDER";

/// Ends the process before its n-th step, without any clean-up.
#[derive(Debug)]
pub struct Dies(pub AtomicUsize);

impl Steps for Dies {
    fn before<'a>(&'a self, _: &'a Step) -> BoxFuture<'a, ()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 0 {
            std::process::abort();
        }
        Box::pin(std::future::ready(()))
    }
}

/// The keys of both processes come from files, so that both mean the same.
pub fn keys(folder: &Path) -> [SigningKey; 2] {
    ["old", "new"].map(|name| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.key"))).unwrap();
        SigningKey::from_pem(name, &text).unwrap()
    })
}

/// First one key, then both, then the other alone: every kind of write there is.
async fn rotate(folder: &Path, steps: Arc<dyn Steps>) {
    let [old, new] = keys(folder);
    let target = Directory::new(folder.join("site"), steps);
    for (servers, retire) in [
        (vec![&old], None),
        (vec![&old, &new], None),
        (vec![&new], Some(&old)),
    ] {
        let mut publication = Publication::of(&servers);
        publication.retire.extend(retire);
        publication.publish(&target).await.unwrap();
    }
}

/// Not a test of its own: what the killed process does.
#[test]
fn the_process_that_dies() {
    let (Ok(dies), Ok(folder)) = (std::env::var(DIES), std::env::var(FOLDER)) else {
        return;
    };
    let steps = Arc::new(Dies(AtomicUsize::new(dies.parse().unwrap())));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = Path::new(&folder);
    // Over and over, for the parent that kills at any moment.
    for _ in 0..if dies.len() > 6 { 10_000 } else { 1 } {
        let [old, _] = keys(folder);
        let target = Directory::new(folder.join("site"), steps.clone());
        runtime.block_on(async {
            Publication::of(&[&old]).publish(&target).await.unwrap();
            rotate(folder, steps.clone()).await;
        });
    }
}

fn spawn(folder: &Path, dies: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "killed::the_process_that_dies",
            "--test-threads=1",
        ])
        .env(DIES, dies.to_string())
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a reader finds: nothing yet, or a valid pair in which a key of ours is.
pub fn look(folder: &Path, at: &str) {
    let read = |object: Object| std::fs::read(folder.join("site").join(object.path())).ok();
    let keys =
        read(Object::Keys).map(|body| KeySet::parse(&body).unwrap_or_else(|e| panic!("{at}: {e}")));
    if let Some(keys) = &keys {
        assert_eq!(rules::keys::judge("u", keys), [], "{at}");
    }
    let Some(body) = read(Object::Discovery) else {
        return;
    };
    let document = Discovery::parse(&body).unwrap_or_else(|e| panic!("{at}: {e}"));
    assert_eq!(rules::discovery::judge("u", ISSUER, &document), [], "{at}");
    assert!(keys.is_some(), "{at}: a document that leads to no keys");
}

pub fn furnished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["old", "new"] {
        let key = SigningKey::generate(keyless_issuer::keygen::KeyKind::Rsa2048).unwrap();
        let text = key
            .private_pem(keyless_issuer::keygen::Format::Pkcs8)
            .unwrap();
        std::fs::write(folder.path().join(format!("{name}.key")), text).unwrap();
    }
    folder
}

async fn finish(folder: &Path) {
    rotate(folder, Arc::new(Pass)).await;
    let keys = std::fs::read(folder.join("site").join(Object::Keys.path())).unwrap();
    let [_, new] = self::keys(folder);
    assert_eq!(
        KeySet::parse(&keys).unwrap().names(),
        [new.jwk().kid.clone()]
    );
}

#[tokio::test]
async fn at_every_step() {
    let folder = furnished();
    let mut deaths = 0;
    for step in 0.. {
        let _ = std::fs::remove_dir_all(folder.path().join("site"));
        let ended = spawn(folder.path(), step).wait().unwrap();
        look(folder.path(), &format!("after {step} steps"));
        finish(folder.path()).await;
        if ended.success() {
            break;
        }
        deaths += 1;
    }
    // Seven writes of four steps each.
    assert!(deaths >= 28, "only {deaths} deaths");
}

#[tokio::test]
async fn at_any_moment() {
    let folder = furnished();
    for round in 0..40u64 {
        let mut child = spawn(folder.path(), 99_999_999);
        // Spread over the first moments of its work; how many writes that is does not matter.
        std::thread::sleep(Duration::from_millis(20 + (round * 37) % 150));
        child.kill().unwrap();
        child.wait().unwrap();
        look(folder.path(), &format!("round {round}"));
    }
    finish(folder.path()).await;
}
