//! Publishing into a directory that is served over HTTPS, and looking at it from outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyless_issuer::documents::KeySet;
use keyless_issuer::effects::Pass;
use keyless_issuer::fetch::unix_now;
use keyless_issuer::keygen::SigningKey;
use keyless_issuer::plan::{Object, Wish};
use keyless_issuer::publish::{PublishError, Published, publish};
use keyless_issuer::target::directory::Directory;
use keyless_issuer::target::{Seen, Target, TargetError};
use keyless_issuer::verdict::Answer;
use keyless_issuer::verify::{Question, Sample, verify};
use keyless_issuer::{Code, Party, Severity};
use keyless_trust::Issuer;

use crate::site::{Authority, ISSUER, Leaf, Site, claims, directory, key, outlook, set};

pub struct Publication<'a> {
    pub owner: &'a str,
    pub servers: Vec<KeySet>,
    pub complete: bool,
    pub retire: Vec<&'a SigningKey>,
}

impl<'a> Publication<'a> {
    pub fn of(keys: &[&SigningKey]) -> Self {
        Self {
            owner: "cluster-1",
            servers: vec![set(keys)],
            complete: true,
            retire: Vec::new(),
        }
    }

    pub async fn publish(&self, target: &dyn Target) -> Result<Published, PublishError> {
        self.publish_as(target, ISSUER).await
    }

    pub async fn publish_as(
        &self,
        target: &dyn Target,
        issuer: &str,
    ) -> Result<Published, PublishError> {
        let issuer = Issuer::parse(issuer).unwrap();
        let retire: BTreeSet<String> = self.retire.iter().map(|k| k.jwk().kid.clone()).collect();
        let wish = Wish {
            issuer: &issuer,
            owner: self.owner,
            servers: &self.servers,
            complete: self.complete,
            announced: &[],
            retire: &retire,
            keep: 3600,
            adopt: false,
            self_federated: false,
            now: unix_now(),
        };
        publish(target, &wish).await
    }
}

pub fn folder() -> (tempfile::TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let target = Directory::new(folder.path(), Arc::new(Pass));
    (folder, target)
}

fn question(token: String) -> Question {
    Question {
        issuer: ISSUER.into(),
        tokens: vec![Sample {
            name: "token".into(),
            text: token,
            audience: Some("cloud".into()),
            subject: None,
            seconds: None,
        }],
        ..Question::default()
    }
}

#[tokio::test]
async fn published_served_and_verified() {
    let (folder, target) = folder();
    let done = Publication::of(&[key(0)]).publish(&target).await.unwrap();
    assert_eq!(done.written.len(), 3);
    let public = Authority::new("public");
    let site = Site::start(
        public.config(&Leaf::default(), &[]),
        directory(folder.path(), "/c"),
    )
    .await;
    let token = key(0).sign(&claims(ISSUER)).unwrap();
    let report = verify(&site.outlook(&public.pem), &question(token.clone())).await;
    assert_eq!(report.findings, []);
    assert!(
        report.verdicts.iter().all(|v| v.answer == Answer::Yes),
        "{:?}",
        report.verdicts
    );
    assert_eq!(report.keys[0].kid, key(0).jwk().kid);
    // With authorities of one's own only those trust it who can be given them.
    let report = verify(&outlook(site.address, &public.pem, false), &question(token)).await;
    assert_eq!(report.worst(), Some(Severity::Warning));
    assert_eq!(report.verdict(Party::Entra).unwrap().answer, Answer::AtRisk);
    assert_eq!(report.verdict(Party::Vault).unwrap().answer, Answer::Yes);
    // A key that is not published yet is named.
    let early = key(1).sign(&claims(ISSUER)).unwrap();
    let report = verify(&site.outlook(&public.pem), &question(early)).await;
    assert!(report.has(Code::K7));
}

#[tokio::test]
async fn only_changed_bytes_are_written() {
    let (folder, target) = folder();
    let publication = Publication::of(&[key(0), key(1)]);
    publication.publish(&target).await.unwrap();
    let when = |object: Object| {
        std::fs::metadata(folder.path().join(object.path()))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = Object::ALL.map(when);
    let done = publication.publish(&target).await.unwrap();
    assert_eq!((done.written.len(), done.added.len()), (0, 0));
    assert_eq!(Object::ALL.map(when), before);
    let done = Publication::of(&[key(0), key(1), key(2)])
        .publish(&target)
        .await
        .unwrap();
    assert_eq!(done.written, [Object::Keys.path(), Object::Marker.path()]);
    assert_eq!(when(Object::Discovery), before[2]);
}

#[tokio::test]
async fn another_cluster_is_kept_out() {
    let (folder, target) = folder();
    Publication::of(&[key(0)]).publish(&target).await.unwrap();
    let before = std::fs::read(folder.path().join(Object::Keys.path())).unwrap();
    let other = Publication {
        owner: "cluster-2",
        ..Publication::of(&[key(1)])
    };
    let Err(PublishError::Forbidden(findings)) = other.publish(&target).await else {
        panic!("two clusters share a place");
    };
    assert_eq!(findings[0].code, Code::K20);
    assert_eq!(
        std::fs::read(folder.path().join(Object::Keys.path())).unwrap(),
        before
    );
}

#[tokio::test]
async fn one_server_with_another_key_and_one_that_is_silent() {
    let (_folder, target) = folder();
    let mut publication = Publication::of(&[key(0)]);
    publication.servers.push(set(&[key(1)]));
    let done = publication.publish(&target).await.unwrap();
    assert_eq!(done.keys.len(), 2);
    publication.servers.pop();
    publication.complete = false;
    let done = publication.publish(&target).await.unwrap();
    assert_eq!((done.keys.len(), done.written.len()), (2, 0));
    assert_eq!(done.kept[0].1, None);
}

#[tokio::test]
async fn nothing_heard_leaves_everything() {
    let (folder, target) = folder();
    Publication::of(&[key(0)]).publish(&target).await.unwrap();
    let read = || std::fs::read(folder.path().join(Object::Keys.path())).unwrap();
    let before = read();
    let silent = Publication {
        servers: vec![],
        complete: false,
        ..Publication::of(&[])
    };
    let done = silent.publish(&target).await.unwrap();
    assert_eq!((done.written.len(), read()), (0, before));
}

#[tokio::test]
async fn a_second_writer_in_between_is_noticed() {
    let (folder, target) = folder();
    Publication::of(&[key(0)]).publish(&target).await.unwrap();
    let seen = target.read(Object::Keys).await.unwrap().unwrap();
    std::fs::write(folder.path().join(Object::Keys.path()), b"someone else").unwrap();
    let refused = target
        .write(Object::Keys, b"ours", Seen::Version(&seen.version))
        .await;
    assert!(matches!(refused, Err(TargetError::Conflict { .. })));
    let refused = target.write(Object::Keys, b"ours", Seen::Nothing).await;
    assert!(matches!(refused, Err(TargetError::Conflict { .. })));
}

/// Many publishers of one cluster at once: none undoes another's work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_at_once() {
    let (folder, _) = folder();
    let mut all = tokio::task::JoinSet::new();
    for n in 0..4 {
        let root = folder.path().to_owned();
        all.spawn(async move {
            let target = Directory::new(root, Arc::new(Pass));
            for _ in 0..10 {
                let publication = Publication {
                    complete: false,
                    ..Publication::of(&[key(n)])
                };
                match publication.publish(&target).await {
                    Ok(_)
                    | Err(PublishError::Target {
                        source: TargetError::Conflict { .. },
                        ..
                    }) => {}
                    // Before the first record is there, keys of others look like another cluster's.
                    Err(PublishError::Forbidden(f)) if f[0].code == Code::K20 => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    all.join_all().await;
    let keys = std::fs::read(folder.path().join(Object::Keys.path())).unwrap();
    assert_eq!(KeySet::parse(&keys).unwrap().names().len(), 4);
}
