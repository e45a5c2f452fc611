//! A way to the clouds' own host names for programs that cannot be told an address: an HTTP proxy
//! that knows `CONNECT` only.
//!
//! Owns: where a host name leads. Refuses: every other host, so that nothing leaves the machine,
//! and looking into what it carries.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A longer head of a request is refused.
const MAX_HEAD: usize = 8 * 1024;

/// Carries connections to `hosts` until the task ends.
pub(crate) fn serve(listener: TcpListener, hosts: BTreeMap<String, SocketAddr>) -> JoinHandle<()> {
    let hosts = Arc::new(hosts);
    tokio::spawn(async move {
        // An accept error ends this part of the sandbox only.
        while let Ok((client, _)) = listener.accept().await {
            let hosts = Arc::clone(&hosts);
            tokio::spawn(async move {
                if let Err(error) = carry(client, &hosts).await {
                    tracing::debug!(%error, "a proxied connection ended");
                }
            });
        }
    })
}

async fn carry(mut client: TcpStream, hosts: &BTreeMap<String, SocketAddr>) -> std::io::Result<()> {
    let head = head(&mut client).await?;
    let Some(address) = target(&head).and_then(|host| hosts.get(host)) else {
        let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await;
    };
    let mut server = TcpStream::connect(address).await?;
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The request up to its empty line. Read byte by byte: what follows belongs to the other side.
async fn head(client: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The host of `CONNECT host:443 HTTP/1.1`.
fn target(head: &str) -> Option<&str> {
    let rest = head.strip_prefix("CONNECT ")?;
    let (authority, _) = rest.split_once(' ')?;
    authority.strip_suffix(":443")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = head(&mut stream).await.unwrap();
        (head, stream)
    }

    #[tokio::test]
    async fn known_hosts_are_reached_and_no_other() {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = server.local_addr().unwrap();
        let echo = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut got = [0; 4];
            stream.read_exact(&mut got).await.unwrap();
            stream.write_all(&got).await.unwrap();
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = BTreeMap::from([("iam.example".to_owned(), at)]);
        let proxy = serve(listener, hosts);
        for request in [
            "CONNECT other.example:443 HTTP/1.1\r\n\r\n",
            "CONNECT iam.example:80 HTTP/1.1\r\n\r\n",
            "GET http://iam.example/ HTTP/1.1\r\n\r\n",
        ] {
            let (head, _) = ask(address, request).await;
            assert!(head.starts_with("HTTP/1.1 403"), "{request}: {head}");
        }
        let request = "CONNECT iam.example:443 HTTP/1.1\r\nhost: iam.example:443\r\n\r\n";
        let (head, mut stream) = ask(address, request).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ping");
        echo.await.unwrap();
        proxy.abort();
    }
}
