//! What was seen, before anyone judges it: answers of web servers, of API servers, tokens.
//!
//! Owns: plain data that the effects fill and the rules read, so that every rule can be tested
//! without a network. Refuses: judging.

use std::net::IpAddr;
use std::time::Duration;

use keyless_trust::token::{Claims, Header};
use serde::Serialize;

/// One document asked for from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The URL asked for.
    pub url: String,
    /// What its host stands for; empty if that was given and not looked up.
    pub addresses: Vec<IpAddr>,
    /// How far it went.
    pub reach: Reach,
}

/// How far a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The URL is none, or not https.
    Url(String),
    /// The host has no address.
    Dns(String),
    /// No connection.
    Connect(String),
    /// No TLS session that the given roots stand for.
    Tls(TlsFault),
    /// No answer in time.
    Timeout(Duration),
    /// An answer that broke off.
    Broken(String),
    /// An answer.
    Answered(Answer),
}

/// Why a TLS session failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// The kind of failure.
    pub kind: TlsKind,
    /// What the TLS library said.
    pub said: String,
}

/// Kinds of TLS failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsKind {
    /// Past its end.
    Expired(String),
    /// Before its beginning.
    NotYetValid(String),
    /// For other names.
    Name(Vec<String>),
    /// Signed by itself.
    SelfSigned,
    /// The server sent its own certificate and nothing that leads to an authority.
    MissingIntermediate(String),
    /// An authority that the given roots do not hold.
    Authority(String),
    /// The peer does not speak TLS.
    NotTls,
    /// No common version or cipher: TLS 1.2 is the least.
    Old,
    /// Something else.
    Other,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers that matter, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body, cut at the reader's limit.
    pub body: Vec<u8>,
    /// Whether it was cut.
    pub cut: bool,
    /// From the look-up of the host to the last byte.
    pub took: Duration,
    /// Seconds by which the server's clock is ahead of ours.
    pub ahead: Option<i64>,
    /// When the first certificate of the chain that was sent ends, seconds since 1970.
    pub certificate: Option<i64>,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The media type, without parameters.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        let kind = value.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }
}

/// Whom the fetch trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The public authorities, as clouds do.
    Public,
    /// Authorities that were given; only relying parties that can be given them trust the issuer.
    Given,
    /// Authorities that play the public ones: in a sandbox.
    PlayPublic,
}

/// A place where a document was found instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// RFC 8414 inserts the well-known path before the issuer's path.
    Inserted,
    /// The issuer's path was left out.
    WithoutPath,
    /// `oidc-configuration`.
    OtherName,
    /// `well-known` without its dot: the host drops dot folders.
    WithoutDot,
    /// `oauth-authorization-server`, RFC 8414's own name.
    OAuth,
}

/// Everything seen from outside.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The issuer that was asked about.
    pub issuer: String,
    /// Whom the fetch trusted.
    pub roots: Roots,
    /// The discovery document.
    pub discovery: Fetched,
    /// Where else it was found, if it was not where it should be.
    pub misplaced: Option<(Misplaced, String)>,
    /// The key set, if the discovery document says where it is.
    pub keys: Option<Fetched>,
}

/// What a token says, without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Header.
    pub header: Header,
    /// Claims, or which one is missing.
    pub claims: Result<Claims, String>,
    /// The issuer alone, for tokens without the other claims.
    pub issuer: Option<String>,
}

/// What one API server said.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address or context.
    pub name: String,
    /// `/.well-known/openid-configuration`.
    pub discovery: Result<Vec<u8>, Refused>,
    /// `/openid/v1/jwks`.
    pub keys: Result<Vec<u8>, Refused>,
    /// A token it minted, if one was asked for.
    pub token: Option<Result<Minted, Refused>>,
    /// Seconds by which its clock is ahead of ours.
    pub ahead: Option<i64>,
}

/// A request that an API server refused, or never got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The status; absent if there was no answer.
    pub status: Option<u16>,
    /// What was said.
    pub message: String,
}

/// A token and what was asked for.
#[derive(Clone)]
pub struct Minted {
    /// The token itself: never shown.
    pub token: String,
    /// The audience asked for.
    pub audience: String,
    /// The seconds asked for.
    pub seconds: i64,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// Whether an address cannot be reached from outside: loopback, link-local, private (RFC 1918,
/// RFC 6598, RFC 4193).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || a == 100 && (64..128).contains(&b)
        }
        IpAddr::V6(v6) => {
            let first = v6.segments().first().copied().unwrap_or_default();
            v6.is_loopback()
                || v6.is_unspecified()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || v6
                    .to_ipv4_mapped()
                    .is_some_and(|v4| is_private(IpAddr::V4(v4)))
        }
    }
}

/// Whether a host's name means something inside a cluster or network only.
#[must_use]
pub fn is_private_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return is_private(address);
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.contains('.')
        || matches!(
            last,
            "local" | "localhost" | "svc" | "internal" | "lan" | "intranet" | "home"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_hosts() {
        for host in [
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "kubernetes",
            "localhost",
            "10.0.0.1",
            "100.64.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "[fd00::1]",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "api.corp.internal",
            "A.LOCAL.",
        ] {
            assert!(is_private_host(host), "{host}");
        }
        for host in [
            "issuer.example.com",
            "8.8.8.8",
            "100.128.0.1",
            "[2001:db8::1]",
            "localhost.example.com",
        ] {
            assert!(!is_private_host(host), "{host}");
        }
    }
}
