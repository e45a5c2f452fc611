use super::*;
use crate::Sealed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A peer that answers every connection with the same bytes.
async fn peer(answer: &'static [u8]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0u8; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer).await;
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        }
    });
    format!("http://{address}/path?token=canary")
}

fn get(url: &str, limits: Limits) -> http::Request<Bytes> {
    http::Request::get(url)
        .extension(limits)
        .body(Bytes::new())
        .unwrap()
}

fn exchange() -> Exchange {
    Exchange::new(&ExchangeOptions::default()).unwrap()
}

const DIRECT: Limits = Limits {
    total: None,
    answer: None,
    direct: true,
};

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let url = peer(b"HTTP/1.1 302 Found\r\nlocation: http://example.invalid/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let answer = exchange().send(get(&url, DIRECT)).await.unwrap();
    assert_eq!(answer.status(), 302);
}

/// For peers that compare bytes, as those written against Go's clients may.
#[tokio::test]
async fn header_names_are_written_as_go_writes_them() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let head = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let mut request = get(&url, DIRECT);
    request
        .headers_mut()
        .insert("x-vault-kind", http::HeaderValue::from_static("json"));
    exchange().send(request).await.unwrap();
    let head = head.await.unwrap();
    assert!(head.contains("\r\nX-Vault-Kind: json\r\n"), "{head}");
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_refused_and_names_no_query() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n0123456789"[..],
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789",
    ] {
        let url = peer(answer).await;
        let limits = Limits {
            answer: Some(9),
            ..DIRECT
        };
        let error = exchange().send(get(&url, limits)).await.unwrap_err();
        assert!(matches!(error, HttpError::Body { .. }), "{error}");
        assert!(!error.to_string().contains("canary"));
        let limits = Limits {
            answer: Some(10),
            ..DIRECT
        };
        let body = exchange().send(get(&url, limits)).await.unwrap();
        assert_eq!(body.body().as_ref(), b"0123456789");
    }
}

#[tokio::test]
async fn silence_ends_at_the_limit_and_names_no_query() {
    let url = peer(b"").await;
    let limits = Limits {
        total: Some(Duration::from_millis(80)),
        ..DIRECT
    };
    let error = exchange().send(get(&url, limits)).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error_without_query() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/?token=canary");
    let error = exchange().send(get(&url, DIRECT)).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()));
    assert!(!format!("{error} {error:?}").contains("canary"));
}

/// A TLS peer named `localhost` with its own authority: URL and the authority's PEM.
async fn tls_peer() -> (String, Vec<u8>) {
    tls_peer_that_asks(None).await
}

/// The same, which asks for a certificate of `authority` (PEM).
async fn tls_peer_that_asks(authority: Option<&[u8]>) -> (String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match authority {
        None => config.with_no_client_auth(),
        Some(pem) => config.with_client_cert_verifier(
            rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots::roots(Some(pem), &[]).unwrap()),
                provider,
            )
            .build()
            .unwrap(),
        ),
    };
    let config = config
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0u8; 4096];
            let _ = stream.read(&mut buffer).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    let url = format!("https://localhost:{port}/?token=canary");
    (url, made.cert.pem().into_bytes())
}

#[tokio::test]
async fn only_a_trusted_authority_is_talked_to() {
    let (url, pem) = tls_peer().await;
    let stranger = exchange().send(get(&url, DIRECT)).await.unwrap_err();
    assert!(matches!(stranger, HttpError::Connect { .. }), "{stranger}");
    assert!(stranger.to_string().contains("certificate"), "{stranger}");
    assert!(!stranger.to_string().contains("canary"));
    for options in [
        ExchangeOptions {
            bundle: Some(pem.clone()),
            ..ExchangeOptions::default()
        },
        ExchangeOptions {
            extra: vec![pem.clone()],
            ..ExchangeOptions::default()
        },
    ] {
        let exchange = Exchange::new(&options).unwrap();
        let answer = exchange.send(get(&url, DIRECT)).await.unwrap();
        assert_eq!(answer.body().as_ref(), b"ok");
    }
}

#[tokio::test]
async fn a_peer_has_its_own_authorities_and_sees_our_certificate() {
    let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let (url, authorities) = tls_peer_that_asks(Some(made.cert.pem().as_bytes())).await;
    let certificate = ClientCertificate {
        chain: made.cert.pem().into_bytes(),
        key: Sealed::new(made.signing_key.serialize_pem().into()),
    };
    let to = |authorities, certificate| {
        exchange().to_peer(&Peer {
            authorities,
            certificate,
            ..Peer::default()
        })
    };
    let known = to(Some(authorities.clone()), Some(certificate.clone())).unwrap();
    let answer = known.send(get(&url, DIRECT)).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"ok");
    let unknown = to(Some(authorities.clone()), None).unwrap();
    assert!(unknown.send(get(&url, DIRECT)).await.is_err());
    let stranger = to(None, Some(certificate.clone())).unwrap();
    assert!(stranger.send(get(&url, DIRECT)).await.is_err());
    for broken in [
        ClientCertificate {
            chain: b"canary".to_vec(),
            ..certificate.clone()
        },
        ClientCertificate {
            key: Sealed::new("canary".into()),
            ..certificate
        },
    ] {
        let error = to(None, Some(broken)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

#[test]
fn an_unreadable_ssl_cert_file_leaves_the_public_authorities() {
    let env = [("SSL_CERT_FILE", "/nowhere/ca.pem")].into_iter().collect();
    let options = ExchangeOptions::from_environment(&env);
    assert!(options.bundle.is_none() && Exchange::new(&options).is_ok());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, "pem").unwrap();
    let env = [("SSL_CERT_FILE", path.to_str().unwrap())]
        .into_iter()
        .collect();
    assert_eq!(
        ExchangeOptions::from_environment(&env).bundle.as_deref(),
        Some(&b"pem"[..])
    );
}

#[tokio::test]
async fn a_host_is_where_the_override_says() {
    let url = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi").await;
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    let exchange = Exchange::new(&ExchangeOptions {
        overrides: Overrides::parse(&format!("*.cloud.invalid={address}")).unwrap(),
        ..ExchangeOptions::default()
    })
    .unwrap();
    let answer = exchange
        .send(get("http://a.cloud.invalid/", Limits::default()))
        .await
        .unwrap();
    assert_eq!(answer.body().as_ref(), b"hi");
}

#[tokio::test]
async fn a_guarded_way_reaches_no_metadata_service() {
    let way = exchange()
        .to_peer(&Peer {
            guarded: true,
            ..Peer::default()
        })
        .unwrap();
    for host in ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"] {
        let request = http::Request::get(format!("http://{host}/latest/meta-data"));
        let error = way
            .send(request.body(Bytes::new()).unwrap())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("out of reach"),
            "{host}: {error}"
        );
    }
}
