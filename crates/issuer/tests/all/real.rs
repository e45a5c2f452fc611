//! A real kube-apiserver on both sides: as the cluster whose issuer is published, and as a stranger
//! that trusts the published issuer (AuthenticationConfiguration; it reads documents with go-oidc).
//!
//! Needs `KEYLESS_TESTBED`; says so loudly and passes without it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use keyless_controlplane::{Replicas, Signing};
use keyless_issuer::Code;
use keyless_issuer::cluster::{Account, ApiServer};
use keyless_issuer::documents::KeySet;
use keyless_issuer::effects::Pass;
use keyless_issuer::fetch::unix_now;
use keyless_issuer::keygen::{Format, KeyKind, SigningKey, write_new};
use keyless_issuer::rotate::{Place, Rotator};
use keyless_issuer::rotation::{Kind, Phase, Rotation, Timing};
use keyless_issuer::rules::old;
use keyless_issuer::rules::servers::judge;
use keyless_issuer::state::InCluster;
use keyless_issuer::target::directory::Directory;
use keyless_issuer::verdict::{Answer, verdicts};
use keyless_issuer::verify::{Question, Sample, verify};
use keyless_trust::Issuer;
use serde_json::{Value, json};

use crate::publishing::Publication;
use crate::site::{Authority, Leaf, Site, directory, outlook};

const DEFAULT: &str = "https://kubernetes.default.svc.cluster.local";

fn bin() -> Option<PathBuf> {
    let bin = std::env::var_os("KEYLESS_TESTBED").map(PathBuf::from);
    if bin.is_none() {
        eprintln!(
            "!!! NOT RUN: the issuer on a real kube-apiserver: KEYLESS_TESTBED is not set, run `cargo xtask test`"
        );
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    bin
}

/// Makes a key and its two files.
pub fn key_files(folder: &Path, name: &str) -> (SigningKey, PathBuf, PathBuf) {
    let key = SigningKey::generate(KeyKind::Rsa2048).unwrap();
    let (private, public) = (
        folder.join(format!("{name}.key")),
        folder.join(format!("{name}.pub")),
    );
    write_new(
        &private,
        0o600,
        &key.private_pem(Format::Traditional).unwrap(),
    )
    .unwrap();
    write_new(&public, 0o644, &key.public_pem()).unwrap();
    (key, private, public)
}

/// API server `n` as this crate sees it.
pub async fn server(replicas: &Replicas, n: usize) -> ApiServer {
    let kubeconfig = kube::config::Kubeconfig::read_from(replicas.kubeconfig().unwrap()).unwrap();
    let options = kube::config::KubeConfigOptions {
        context: Some(format!("server-{n}")),
        ..Default::default()
    };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    ApiServer::connect(format!("server-{n}"), config).unwrap()
}

pub fn account() -> Account {
    Account {
        namespace: "default".into(),
        name: "default".into(),
        audience: "cloud".into(),
        seconds: 600,
    }
}

/// A client that speaks plain JSON to an API server, as `token`.
pub async fn call(
    replicas: &Replicas,
    n: usize,
    token: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let ca = reqwest_ca(replicas.ca_pem(n));
    let url = format!("{}{path}", replicas.url(n));
    let mut config = kube::Config::new(url.parse().unwrap());
    config.root_cert = Some(ca);
    config.auth_info.token = Some(token.to_owned().into());
    config.cluster_url = replicas.url(n).parse().unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let bytes = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(kube::client::Body::from(bytes))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn reqwest_ca(pem: &[u8]) -> Vec<Vec<u8>> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem)
        .map(|c| c.unwrap().to_vec())
        .collect()
}

pub async fn default_account(replicas: &Replicas) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}});
    let path = "/api/v1/namespaces/default/serviceaccounts";
    for _ in 0..300 {
        let (status, _) = call(
            replicas,
            0,
            replicas.admin_token(),
            "POST",
            path,
            Some(account.clone()),
        )
        .await;
        if status == 201 || status == 409 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("no service account can be made");
}

fn signing(issuers: &[&str], publics: &[&Path], private: &Path) -> Signing {
    Signing {
        issuers: issuers.iter().map(|i| (*i).to_owned()).collect(),
        jwks_uri: issuers
            .first()
            .filter(|i| **i != DEFAULT)
            .map(|i| format!("{i}/openid/v1/jwks")),
        key_files: publics.iter().map(|p| (*p).to_owned()).collect(),
        signing_key: private.to_owned(),
        more: Vec::new(),
    }
}

/// Flags by which an API server trusts `issuer`; a local address may stand for its host.
fn trusting(folder: &Path, issuer: &str, ca: &str) -> Vec<String> {
    let file = folder.join("authentication.yaml");
    let document = json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {"url": issuer, "audiences": ["cloud"], "certificateAuthority": ca},
            "claimMappings": {"username": {"claim": "sub", "prefix": "federated:"}},
        }],
    });
    std::fs::write(&file, document.to_string()).unwrap();
    vec![format!("--authentication-config={}", file.display())]
}

/// Whether the stranger takes the token, and as whom.
async fn stranger(replicas: &Replicas, token: &str) -> Option<String> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (status, body) = call(replicas, 0, token, "POST", path, Some(review)).await;
    (status == 201).then(|| {
        body["status"]["userInfo"]["username"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    })
}

async fn until_stranger_takes(replicas: &Replicas, token: &str) {
    // The authenticator fetches the documents in the background after a start.
    for _ in 0..300 {
        if stranger(replicas, token).await.is_some() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!(
        "the stranger does not take the token; its log ends:\n{}",
        replicas
            .log(0)
            .lines()
            .rev()
            .take(20)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_default_issuer_to_a_change_of_keys() {
    let Some(bin) = bin() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (old, old_key, old_pub) = key_files(folder.path(), "old");
    let (new, new_key, new_pub) = key_files(folder.path(), "new");
    // The issuer's URL has a port, because the stranger looks its host up itself.
    let public = Authority::new("public");
    let root = folder.path().join("site");
    let leaf = Leaf {
        names: vec!["localhost".into()],
        ..Leaf::default()
    };
    let site = Site::start(public.config(&leaf, &[]), directory(&root, "/c")).await;
    let issuer = format!("https://localhost:{}/c", site.address.port());

    // 1. The default issuer: no cloud can trust it.
    let mut cluster = Replicas::start(&bin, &[signing(&[DEFAULT], &[&old_pub], &old_key)])
        .await
        .unwrap();
    default_account(&cluster).await;
    let look = |server: ApiServer| async move {
        judge(&[server.look(Some(&account())).await], unix_now())
    };
    let judged = look(server(&cluster, 0).await).await;
    let codes: BTreeSet<Code> = judged.findings.iter().map(|f| f.code).collect();
    assert!(
        codes.contains(&Code::K1) && codes.contains(&Code::K4),
        "{:#?}",
        judged.findings
    );
    let clouds = verdicts(&judged.findings).into_iter().take(3);
    assert!(clouds.into_iter().all(|v| v.answer == Answer::No));

    // 2. Flags changed, first without a thought for the pods that run: K10.
    let held = server(&cluster, 0).await;
    let held = held.mint(&account()).await.unwrap().token;
    let takes = async |cluster: &Replicas| {
        let server = server(cluster, 0).await;
        server.accepts(&held, &old::audiences(&held)).await.unwrap()
    };
    assert!(takes(&cluster).await);
    cluster
        .restart(0, &signing(&[&issuer], &[&old_pub], &old_key))
        .await
        .unwrap();
    assert!(!takes(&cluster).await);
    let judged = look(server(&cluster, 0).await).await;
    let finding = old::refused(&held, &judged.said[0], unix_now()).unwrap();
    assert_eq!(finding.code, Code::K10, "{finding}");

    // Then with the old issuer still accepted.
    cluster
        .restart(0, &signing(&[&issuer, DEFAULT], &[&old_pub], &old_key))
        .await
        .unwrap();
    assert!(takes(&cluster).await);
    let judged = look(server(&cluster, 0).await).await;
    assert_eq!(judged.issuer(), Some(issuer.as_str()));
    assert!(judged.complete(), "{judged:#?}");

    // 3. Published, and trusted by a stranger.
    let owner = server(&cluster, 0).await.cluster_uid().await.unwrap();
    let heard: Vec<KeySet> = judged.said.iter().filter_map(|s| s.keys.clone()).collect();
    let target = Directory::new(&root, Arc::new(Pass));
    let publication = Publication {
        owner: &owner,
        servers: heard,
        ..Publication::of(&[])
    };
    publication.publish_as(&target, &issuer).await.unwrap();
    let outlook = outlook(
        SocketAddr::from(([127, 0, 0, 1], site.address.port())),
        &public.pem,
        true,
    );
    let minted = server(&cluster, 0)
        .await
        .mint(&account())
        .await
        .unwrap()
        .token;
    let question = Question {
        issuer: issuer.clone(),
        tokens: vec![Sample {
            name: "fresh".into(),
            text: minted.clone(),
            audience: Some("cloud".into()),
            subject: None,
            seconds: Some(600),
        }],
        ..Question::default()
    };
    let report = verify(&outlook, &question).await;
    // The port is a warning; nothing else is wrong.
    let codes: BTreeSet<Code> = report.findings.iter().map(|f| f.code).collect();
    assert!(
        codes.iter().all(|c| [Code::K1, Code::K2].contains(c)),
        "{:#?}",
        report.findings
    );
    let relying = Signing {
        more: trusting(folder.path(), &issuer, &public.pem),
        ..signing(&["https://relying.example.com"], &[&old_pub], &old_key)
    };
    let relying = Arc::new(Replicas::start(&bin, &[relying]).await.unwrap());
    until_stranger_takes(&relying, &minted).await;
    assert_eq!(
        stranger(&relying, &minted).await.unwrap(),
        "federated:system:serviceaccount:default:default"
    );
    // What is broken is refused by the stranger and by us alike.
    for broken in broken_tokens(&old, &new, &issuer) {
        assert_eq!(stranger(&relying, &broken).await, None);
        let keys = KeySet::of([old.jwk().clone()]);
        let expected = keyless_issuer::token::Expected {
            issuer: &issuer,
            audience: Some("cloud"),
            now: unix_now(),
        };
        assert!(keyless_issuer::token::verify(&broken, &keys, expected).is_err());
    }

    // 4. The key changes, with a steady load of logins at the stranger.
    let load = Load::start(&relying, &minted);
    let rotator = Rotator {
        state: Box::new(InCluster {
            server: server(&cluster, 0).await,
            namespace: "kube-system".into(),
            name: "keyless-issuer".into(),
        }),
        places: vec![Place {
            issuer: Issuer::parse(&issuer).unwrap(),
            target: Box::new(Directory::new(&root, Arc::new(Pass))),
        }],
        outlook: outlook.clone(),
        servers: vec![server(&cluster, 0).await],
        account: account(),
        owner: owner.clone(),
        keep: 3600,
        steps: Arc::new(Pass),
    };
    let mut rotation = Rotation::begin(
        Kind::Key,
        [old.jwk().kid.clone()].into(),
        new.jwk().kid.clone(),
        Timing { wait: 2, drain: 2 },
        unix_now(),
    );
    rotation.public_key = Some(new.public_pem());
    rotator.begin(&rotation).await.unwrap();
    let progress = rotator.advance(false).await.unwrap();
    assert!(
        matches!(progress.rotation.phase, Phase::Wait { .. }),
        "{progress:?}"
    );
    assert!(
        progress.stay.unwrap().until.is_some(),
        "going ahead is refused with the time left"
    );
    until(&rotator, |p| matches!(p, Phase::Activate)).await;
    assert!(stranger(&relying, &minted).await.is_some());
    cluster
        .restart(
            0,
            &signing(&[&issuer, DEFAULT], &[&old_pub, &new_pub], &new_key),
        )
        .await
        .unwrap();
    let fresh = server(&cluster, 0)
        .await
        .mint(&account())
        .await
        .unwrap()
        .token;
    // Not one login fails: neither with the old token nor with the first of the new key.
    assert!(
        stranger(&relying, &fresh).await.is_some(),
        "the first token of the new key is refused"
    );
    assert!(
        stranger(&relying, &minted).await.is_some(),
        "an old token is refused"
    );
    load.also(&fresh);
    until(&rotator, |p| matches!(p, Phase::Retire)).await;
    cluster
        .restart(0, &signing(&[&issuer], &[&new_pub], &new_key))
        .await
        .unwrap();
    until(&rotator, |p| p == Phase::Done).await;
    assert!(stranger(&relying, &fresh).await.is_some());
    let (logins, refused) = load.stop().await;
    assert!(
        logins > 20 && refused == 0,
        "{refused} of {logins} logins were refused"
    );
    let report = verify(&outlook, &question).await;
    assert!(
        report.has(Code::K9),
        "an old token is told from one of an unknown key: {:#?}",
        report.findings
    );

    // 5. The same without the waiting steps is called out.
    let (_third, third_key, third_pub) = key_files(folder.path(), "third");
    cluster
        .restart(0, &signing(&[&issuer], &[&third_pub], &third_key))
        .await
        .unwrap();
    let hasty = server(&cluster, 0)
        .await
        .mint(&account())
        .await
        .unwrap()
        .token;
    assert!(stranger(&relying, &hasty).await.is_none());
    let question = Question {
        tokens: vec![Sample {
            name: "hasty".into(),
            text: hasty,
            audience: None,
            subject: None,
            seconds: None,
        }],
        ..question
    };
    assert!(verify(&outlook, &question).await.has(Code::K7));
}

/// Logs in at the stranger without a pause, with every token that it was given.
struct Load {
    tokens: Arc<Mutex<Vec<String>>>,
    stop: tokio::sync::watch::Sender<bool>,
    task: tokio::task::JoinHandle<(usize, usize)>,
}

impl Load {
    fn start(relying: &Arc<Replicas>, token: &str) -> Self {
        let tokens = Arc::new(Mutex::new(vec![token.to_owned()]));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (relying, all) = (Arc::clone(relying), Arc::clone(&tokens));
        let task = tokio::spawn(async move {
            let (mut logins, mut refused) = (0, 0);
            while !*stopped.borrow() {
                let tokens = all.lock().unwrap().clone();
                for token in &tokens {
                    logins += 1;
                    refused += usize::from(stranger(&relying, token).await.is_none());
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            (logins, refused)
        });
        Self { tokens, stop, task }
    }

    fn also(&self, token: &str) {
        self.tokens.lock().unwrap().push(token.to_owned());
    }

    async fn stop(self) -> (usize, usize) {
        let _ = self.stop.send(true);
        self.task.await.unwrap()
    }
}

/// Goes on until the phase is there.
async fn until(rotator: &Rotator, is: impl Fn(Phase) -> bool) {
    for _ in 0..300 {
        let progress = rotator.advance(false).await.unwrap();
        assert_eq!(progress.findings, [], "{progress:?}");
        if is(progress.rotation.phase) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("{:?}", rotator.status().await);
}

/// Tokens that no relying party may take.
pub fn broken_tokens(ours: &SigningKey, other: &SigningKey, issuer: &str) -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let now = unix_now();
    let with = |name: &str, value: Value| {
        let mut claims = crate::site::claims(issuer);
        claims[name] = value;
        claims
    };
    let good = ours.sign(&crate::site::claims(issuer)).unwrap();
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = part(&json!({"alg": "none", "kid": ours.jwk().kid}));
    let symmetric = part(&json!({"alg": "HS256", "kid": ours.jwk().kid}));
    vec![
        ours.sign(&with("iss", json!(format!("{issuer}/"))))
            .unwrap(),
        ours.sign(&with("aud", json!(["another"]))).unwrap(),
        ours.sign(&with("exp", json!(now - 3600))).unwrap(),
        ours.sign(&with("nbf", json!(now + 3600))).unwrap(),
        other.sign(&crate::site::claims(issuer)).unwrap(),
        format!(
            "{head}.{}.{signature}",
            part(&with(
                "sub",
                json!("system:serviceaccount:kube-system:admin")
            ))
        ),
        format!("{none}.{rest}"),
        format!("{none}.{}.", part(&crate::site::claims(issuer))),
        format!("{symmetric}.{rest}"),
    ]
}

/// The cluster's own object: published, verified, its status told, and a second time nothing written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_by_an_object() {
    let Some(bin) = bin() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, private, public_key) = key_files(folder.path(), "sa");
    let public = Authority::new("public");
    let root = folder.path().join("site");
    let leaf = Leaf {
        names: vec!["localhost".into()],
        ..Leaf::default()
    };
    let site = Site::start(public.config(&leaf, &[]), directory(&root, "/c")).await;
    let issuer = format!("https://localhost:{}/c", site.address.port());
    let replicas = Replicas::start(&bin, &[signing(&[&issuer], &[&public_key], &private)])
        .await
        .unwrap();
    default_account(&replicas).await;
    let admin = replicas.admin_token();
    let crd = keyless_issuer::publication::crd();
    let (status, said) = call(
        &replicas,
        0,
        admin,
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        Some(crd),
    )
    .await;
    assert_eq!(status, 201, "{said}");
    let collection = "/apis/keyless.dev/v1alpha1/clusterissuerpublications";
    let object = json!({"apiVersion": "keyless.dev/v1alpha1", "kind": "ClusterIssuerPublication", "metadata": {"name": "main"},
        "spec": {"to": root, "allServers": false, "intervalSeconds": 10, "caBundle": public.pem}});
    let mut status = 0;
    for _ in 0..300 {
        (status, _) = call(
            &replicas,
            0,
            admin,
            "POST",
            collection,
            Some(object.clone()),
        )
        .await;
        if status == 201 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(status, 201);
    // What makes no sense is refused by the schema.
    let mut senseless = object.clone();
    senseless["metadata"]["name"] = json!("senseless");
    senseless["spec"]["intervalSeconds"] = json!(1);
    assert_eq!(
        call(&replicas, 0, admin, "POST", collection, Some(senseless))
            .await
            .0,
        422
    );
    let mut config = kube::Config::new(replicas.url(0).parse().unwrap());
    config.root_cert = Some(reqwest_ca(replicas.ca_pem(0)));
    config.auth_info.token = Some(admin.to_owned().into());
    let keeper =
        keyless_issuer::keep::Keeper::new(config, keyless_identity::Environment::default())
            .unwrap();
    let health = keeper.health();
    let task = tokio::spawn(async move { keeper.run().await });
    let until = async |what: &str, is: fn(&Value) -> bool| {
        for _ in 0..600 {
            let (_, object) = call(
                &replicas,
                0,
                admin,
                "GET",
                &format!("{collection}/main"),
                None,
            )
            .await;
            if is(&object) {
                return object;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let (_, object) = call(
            &replicas,
            0,
            admin,
            "GET",
            &format!("{collection}/main"),
            None,
        )
        .await;
        panic!("never {what}: {object:#}");
    };
    let ready = until("ready", |o| {
        o["status"]["conditions"][0]["status"] == "True"
    })
    .await;
    assert_eq!(ready["status"]["issuer"], issuer.as_str());
    assert_eq!(ready["status"]["keyCount"], 1);
    assert_eq!(ready["status"]["trust"]["Vault"], "yes", "{ready:#}");
    assert_eq!(
        ready["status"]["trust"]["AWS"], "no",
        "loopback is no place that a cloud could reach"
    );
    let text = keyless_issuer::keep::metrics(&health);
    assert!(
        text.contains("keyless_issuer_ready{name=\"main\""),
        "{text}"
    );
    assert!(
        text.contains("keyless_issuer_key_info{name=\"main\",kid="),
        "{text}"
    );
    let left = |limit: &str| {
        let text = keyless_issuer::keep::metrics(&health);
        let start =
            format!("keyless_issuer_time_until_unsafe_seconds{{name=\"main\",limit=\"{limit}\"}} ");
        let found = text.lines().find_map(|l| l.strip_prefix(&start));
        found.map(|n| n.parse::<f64>().unwrap())
    };
    assert!(left("verification").unwrap() > 0.0 && left("finding").is_none());
    // The site's certificate ends in 2049.
    assert!(left("certificate").unwrap() > 24.0 * 3600.0);
    assert_eq!(ready["status"]["safeUntilLimit"], "verification");
    // The site goes down: the object says so, and the published files stay.
    drop(site);
    let broken = until("broken", |o| {
        o["status"]["conditions"][0]["status"] == "False"
    })
    .await;
    assert_eq!(
        broken["status"]["conditions"][0]["reason"], "NotVerified",
        "{broken:#}"
    );
    assert!(
        broken["status"]["lastVerified"].is_string(),
        "when it was last good is kept"
    );
    assert_eq!(broken["status"]["safeUntilLimit"], "finding");
    assert_eq!(left("finding"), Some(0.0));
    assert!(root.join("openid/v1/jwks").exists());
    task.abort();
}
