//! A server on loopback that speaks TLS for any name and says what it is told to, well or badly.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

/// What comes back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole answer: status, headers, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The same, whose connection ends after half of the body.
    Half(Vec<u8>),
    /// A byte now and then, for ever.
    Drip,
}

impl Reply {
    pub fn json(body: &str) -> Self {
        let kind = ("content-type", "application/json".to_owned());
        Self::Whole(200, vec![kind], body.into())
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub host: String,
    pub authorization: Option<String>,
}

#[derive(Default)]
struct State {
    /// What each host says when nothing else is set: by the end of a path.
    usual: BTreeMap<(String, String), Reply>,
    /// What a host says instead, so often; the last repeats for ever if `None` is left.
    bad: BTreeMap<String, VecDeque<Reply>>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
pub struct Peer {
    state: Arc<Mutex<State>>,
    pub address: SocketAddr,
    /// The authority that its certificate comes from, in PEM.
    pub authority: String,
}

impl Peer {
    /// Listens with a certificate for `names`.
    pub async fn open(names: &[&str]) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let params = rcgen::CertificateParams::new(names).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            state: Arc::default(),
            address: listener.local_addr().unwrap(),
            authority: certificate.pem(),
        };
        let serving = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, peer) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move { peer.serve(acceptor, stream).await });
            }
        });
        peer
    }

    /// What `host` says to a request whose path, without its query, ends with `end`.
    pub fn usual(&self, host: &str, end: &str, reply: Reply) {
        let mut state = self.state.lock().unwrap();
        state.usual.insert((host.into(), end.into()), reply);
    }

    /// What `host` says from now on, whatever it is asked; `None` ends that.
    pub fn says(&self, host: &str, reply: Option<Reply>) {
        let mut state = self.state.lock().unwrap();
        match reply {
            Some(reply) => state.bad.insert(host.into(), [reply].into()),
            None => state.bad.remove(host),
        };
    }

    pub fn asked(&self, host: &str) -> Vec<Asked> {
        let state = self.state.lock().unwrap();
        let of = |asked: &&Asked| asked.host == host;
        state.asked.iter().filter(of).cloned().collect()
    }

    async fn serve(self, acceptor: TlsAcceptor, stream: TcpStream) -> Option<()> {
        let mut stream = acceptor.accept(stream).await.ok()?;
        let mut bytes = Vec::new();
        let mut buffer = [0_u8; 8192];
        let head = loop {
            let read = stream.read(&mut buffer).await.ok()?;
            if read == 0 {
                return None;
            }
            bytes.extend_from_slice(&buffer[..read]);
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break String::from_utf8(bytes[..end].to_vec()).ok()?;
            }
        };
        let header = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.eq_ignore_ascii_case(name)).then(|| value.trim().to_owned())
            })
        };
        let length: usize = header("content-length").map_or(0, |n| n.parse().unwrap());
        let mut left = length.saturating_sub(bytes.len() - head.len() - 4);
        while left > 0 {
            left = left.saturating_sub(stream.read(&mut buffer).await.ok()?);
        }
        let line = head.lines().next()?.to_owned();
        let host = header("host")?;
        let path = line.split(' ').nth(1)?.split('?').next()?.to_owned();
        let reply = self.reply(
            Asked {
                host: host.clone(),
                authorization: header("authorization"),
            },
            &path,
        );
        let start = |status: u16, length: usize| {
            format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n")
        };
        match reply {
            Reply::Whole(status, headers, body) => {
                let mut head = start(status, body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                stream
                    .write_all(format!("{head}\r\n").as_bytes())
                    .await
                    .ok()?;
                stream.write_all(&body).await.ok()?;
            }
            Reply::Half(body) => {
                let head = start(200, body.len());
                stream
                    .write_all(format!("{head}\r\n").as_bytes())
                    .await
                    .ok()?;
                stream.write_all(&body[..body.len() / 2]).await.ok()?;
            }
            Reply::Drip => {
                let head = start(200, 1 << 20);
                stream
                    .write_all(format!("{head}\r\n").as_bytes())
                    .await
                    .ok()?;
                loop {
                    stream.write_all(b" ").await.ok()?;
                    stream.flush().await.ok()?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        stream.shutdown().await.ok()
    }

    fn reply(&self, asked: Asked, path: &str) -> Reply {
        let mut state = self.state.lock().unwrap();
        let host = asked.host.clone();
        state.asked.push(asked);
        if let Some(bad) = state.bad.get(&host).and_then(VecDeque::front) {
            return bad.clone();
        }
        let fits = |(of, end): &(String, String)| *of == host && path.ends_with(end);
        let usual = state.usual.iter().find(|(key, _)| fits(key));
        usual.map_or_else(
            || Reply::Whole(404, Vec::new(), b"nothing here".to_vec()),
            |(_, reply)| reply.clone(),
        )
    }
}
