//! `keyless issuer rotate` as a program: who goes on ahead of time is refused, with the time left.
//!
//! The host of the documents is `keyless issuer serve`; the API server is a few answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use keyless_issuer::documents::KeySet;
use keyless_issuer::fetch::unix_now;
use keyless_issuer::keygen::{KeyKind, SigningKey};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

const HOST: &str = "issuer.example.com";
const ISSUER: &str = "https://issuer.example.com/c";

/// A program that ends with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn keyless(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyless"));
    command.current_dir(folder).arg("issuer");
    command
}

/// An authority, and a certificate of it for the host, as files.
fn certificates(folder: &Path) {
    let (mut ca, ca_key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    std::fs::write(folder.join("ca.pem"), pem).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    std::fs::write(folder.join("tls.crt"), leaf.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
}

/// Serves the folder's documents; the address.
fn serve(folder: &Path) -> (Serving, String) {
    let mut child = keyless(folder)
        .args(["serve", "--issuer", ISSUER, "--from", "site"])
        .args(["--listen", "127.0.0.1:0"])
        .args(["--tls-cert", "tls.crt", "--tls-key", "tls.key"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let serving = Serving(child);
    let mut lines = errors.lines().map(Result::unwrap);
    let line = lines.find(|l| l.contains("serving")).unwrap();
    // What it says later is of no interest, but it must be able to say it.
    std::thread::spawn(move || lines.for_each(drop));
    let address = line.rsplit(' ').next().unwrap().to_owned();
    (serving, address)
}

/// An API server that signs with `key`; its URL.
fn api_server(key: SigningKey) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = answer(&mut stream.unwrap(), &key);
        }
    });
    url
}

fn answer(stream: &mut TcpStream, key: &SigningKey) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        head.push(line.to_ascii_lowercase());
    }
    let length = head.iter().find_map(|l| l.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |l| l.trim().parse().unwrap());
    reader.read_exact(&mut vec![0; length])?;
    let path = head.first().and_then(|l| l.split(' ').nth(1));
    let now = unix_now();
    let body = match path.unwrap_or_default() {
        "/.well-known/openid-configuration" => {
            json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/openid/v1/jwks")})
        }
        "/openid/v1/jwks" => {
            serde_json::from_slice(&KeySet::of([key.jwk().clone()]).to_bytes()).unwrap()
        }
        path if path.ends_with("/token") => {
            let claims = json!({"iss": ISSUER, "sub": "system:serviceaccount:default:default",
                "aud": ["cloud"], "iat": now, "nbf": now, "exp": now + 600});
            json!({"status": {"token": key.sign(&claims).unwrap()}})
        }
        _ => json!({}),
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn ahead_of_time_it_refuses_with_the_time_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [old, new] = [0, 1].map(|_| SigningKey::generate(KeyKind::Rsa2048).unwrap());
    std::fs::write(folder.join("new.pub"), new.public_pem()).unwrap();
    certificates(folder);
    let served = KeySet::of([old.jwk().clone()]).to_bytes();
    std::fs::write(folder.join("old.json"), served).unwrap();
    let published = keyless(folder)
        .args([
            "publish", "--to", "site", "--issuer", ISSUER, "--owner", "c",
        ])
        .args(["--jwks", "old.json", "--announce", "new.pub"])
        .output();
    assert!(published.unwrap().status.success());
    let (_serving, address) = serve(folder);
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": api_server(old)}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
    std::fs::write(folder.join("kubeconfig"), kubeconfig.to_string()).unwrap();
    let rotate = |verb: &str, more: &[&str]| -> Output {
        keyless(folder)
            .args(["rotate", verb, "--kubeconfig", "kubeconfig"])
            .args(["--to", "site", "--owner", "c", "--state-file", "state.json"])
            .args(["--audience", "cloud", "--ca", "ca.pem", "--ca-is-public"])
            .args(["--resolve", &format!("{HOST}={address}"), "-o", "json"])
            .args(more)
            .output()
            .unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let phase = |output: &Output| -> Value {
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["rotation"]["phase"].clone()
    };

    let begun = rotate("start", &["--new-public-key", "new.pub"]);
    assert_eq!(begun.status.code(), Some(0), "{}", said(&begun));
    assert_eq!(phase(&begun)["name"], "wait");
    let kept = std::fs::read_to_string(folder.join("state.json")).unwrap();

    let refused = rotate("next", &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert_eq!(phase(&refused), phase(&begun));
    let document: Value = serde_json::from_slice(&refused.stdout).unwrap();
    let since = phase(&begun)["since"].as_i64().unwrap();
    assert_eq!(document["stay"]["until"], since + 24 * 3600);
    let text = said(&refused);
    assert!(
        text.contains("stays in phase wait") && text.contains("; 2") && text.contains("m left"),
        "{text}"
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("state.json")).unwrap(),
        kept,
        "nothing moved"
    );
    let again = rotate("start", &["--new-public-key", "new.pub"]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));

    // Whoever must, can; and it is written down.
    let forced = rotate("next", &["--emergency"]);
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));
    assert_eq!(phase(&forced)["name"], "activate");
    let kept = std::fs::read_to_string(folder.join("state.json")).unwrap();
    assert!(kept.contains("emergency"), "{kept}");
}
