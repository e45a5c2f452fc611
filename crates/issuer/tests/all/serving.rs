//! The issuer's own server: what it answers, and what happens when files change under it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyless_issuer::effects::Pass;
use keyless_issuer::plan::Object;
use keyless_issuer::serve::{Options, Serving};
use keyless_issuer::target::directory::Directory;
use keyless_issuer::verify::{Question, verify};
use keyless_trust::Issuer;
use rcgen::{CertificateParams, KeyPair};

use crate::publishing::{Publication, folder};
use crate::site::{HOST, ISSUER, key, outlook};

/// A certificate that signed itself plays its own authority.
fn certificate(folder: &Path) -> String {
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&pair).unwrap();
    let issuer = rcgen::Issuer::new(params, pair);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![HOST.to_owned()])
        .unwrap()
        .signed_by(&leaf_key, &issuer)
        .unwrap();
    std::fs::write(folder.join("tls.key"), leaf_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), leaf.pem()).unwrap();
    authority.pem()
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..300 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn served_and_changed_while_it_serves() {
    let (files, target) = folder();
    let tls = tempfile::tempdir().unwrap();
    let first = certificate(tls.path());
    Publication::of(&[key(0)]).publish(&target).await.unwrap();
    let serving = Serving::bind(Options {
        issuer: Issuer::parse(ISSUER).unwrap(),
        from: Box::new(Directory::new(files.path(), Arc::new(Pass))),
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: tls.path().join("tls.crt"),
        key: tls.path().join("tls.key"),
    })
    .await
    .unwrap();
    let address = serving.address;
    tokio::spawn(serving.run());
    let question = Question {
        issuer: ISSUER.into(),
        ..Question::default()
    };
    let report = verify(&outlook(address, &first, true), &question).await;
    assert_eq!(report.findings, []);
    assert_eq!(
        report.fetched[0].cache_control.as_deref(),
        Some("public, max-age=300")
    );

    // Nothing else is served: no listing, no record, no dot file.
    let look = outlook(address, &first, true);
    for path in [
        "",
        "/",
        "/.well-known/",
        "/keyless-publication.json",
        "/../tls.key",
        "/openid/v1/jwks/",
    ] {
        let keyless_issuer::facts::Reach::Answered(answer) =
            look.get(&format!("{ISSUER}{path}")).await.reach
        else {
            panic!("{path}");
        };
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{path}");
    }
    methods(address, &first).await;

    // A new key is served; damaged documents are not.
    Publication::of(&[key(0), key(1)])
        .publish(&target)
        .await
        .unwrap();
    until("the new key", async || {
        verify(&look, &question).await.keys.len() == 2
    })
    .await;
    std::fs::write(files.path().join(Object::Keys.path()), "<html>").unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(verify(&look, &question).await.findings, []);

    // A new certificate is shown without a restart.
    let second = certificate(tls.path());
    let look = outlook(address, &second, true);
    until("the new certificate", async || {
        verify(&look, &question).await.findings.is_empty()
    })
    .await;
}

async fn methods(address: std::net::SocketAddr, pem: &str) {
    use http_body_util::BodyExt as _;
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let ask = async |method: &str, etag: Option<&str>| {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config.clone()));
        let stream = connector
            .connect(HOST.try_into().unwrap(), stream)
            .await
            .unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::builder()
            .method(method)
            .uri("/c/openid/v1/jwks")
            .header("host", HOST);
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let body = http_body_util::Empty::<bytes::Bytes>::new();
        let response = sender
            .send_request(request.body(body).unwrap())
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        (head, body.collect().await.unwrap().to_bytes().len())
    };
    let (head, length) = ask("GET", None).await;
    let declared = head.headers["content-length"].to_str().unwrap().to_owned();
    assert_eq!(
        (head.status.as_u16(), declared.as_str()),
        (200, length.to_string().as_str())
    );
    assert_eq!(head.headers["access-control-allow-origin"], "*");
    let etag = head.headers["etag"].to_str().unwrap().to_owned();
    let (head, length) = ask("HEAD", None).await;
    assert_eq!((head.status.as_u16(), length), (200, 0));
    assert_eq!(head.headers["content-length"], declared.as_str());
    assert_eq!(ask("GET", Some(&etag)).await.0.status, 304);
    assert_eq!(ask("OPTIONS", None).await.0.status, 204);
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(method, None).await.0.status, 405, "{method}");
    }
}
