//! The issuer's name: K1, K2.

use crate::facts::is_private_host;
use crate::finding::{Code, Finding, Parties, Party, Severity};

/// The host of a URL, with brackets if it is an IPv6 address; empty if there is none.
#[must_use]
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => authority.get(..colon).unwrap_or_default(),
        _ => authority,
    }
}

/// The path of a URL, without a slash at its end; empty for a host alone.
#[must_use]
pub fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let start = rest.find('/').unwrap_or(rest.len());
    rest.get(start..).unwrap_or_default().trim_end_matches('/')
}

fn port(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (before, port) = authority.rsplit_once(':')?;
    (!port.is_empty() && !before.is_empty() && !port.ends_with(']')).then_some(port)
}

const FIX: &str = "Set --service-account-issuer to a public https URL that you publish at, keep the old one as a second --service-account-issuer while its tokens live, and set --service-account-jwks-uri below it";

/// Whether clouds could know an issuer of this name.
#[must_use]
pub fn judge(issuer: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let host = host(issuer);
    if !issuer.starts_with("https://") {
        found.push(
            Finding::new(Code::K1, issuer)
                .observed(format!("the issuer {issuer:?}"))
                .required("an issuer that begins with https://")
                .fix(FIX),
        );
        return found;
    }
    if is_private_host(host) {
        found.push(
            Finding::new(Code::K1, issuer)
                .observed(format!("the host {host:?}, which nobody outside can reach"))
                .required("a host with a public DNS name")
                .fix(FIX)
                .hurts(Parties::CLOUDS),
        );
    }
    let mut shape = |observed: String, required: &str, hurts: Parties, severity| {
        found.push(
            Finding::new(Code::K2, issuer)
                .observed(observed)
                .required(required)
                .fix("Choose another issuer before trust is built on this one; a change later is a migration")
                .hurts(hurts)
                .severity(severity),
        );
    };
    if issuer.contains(['?', '#']) {
        shape(
            "a query or fragment".into(),
            "host and path only (OpenID Connect Discovery 1.0, section 2)",
            Parties::ALL,
            Severity::Error,
        );
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        shape(
            format!("capital letters in the host {host:?}"),
            "a host in lower case: everyone compares byte for byte",
            Parties::ALL,
            Severity::Warning,
        );
    }
    if let Some(port) = port(issuer) {
        shape(
            format!("the port {port}"),
            "no port: AWS documents that an issuer should have none",
            Parties::only(Party::Aws)
                .and(Party::Entra)
                .and(Party::Google),
            Severity::Warning,
        );
    }
    if issuer.ends_with('/') {
        shape(
            "a slash at the end".into(),
            "none: it is part of the name, and tools that write trust often lose it",
            Parties::ALL,
            Severity::Warning,
        );
    }
    found
}

/// How two names of an issuer differ, if they name the same place.
#[must_use]
pub fn difference(one: &str, other: &str) -> Option<&'static str> {
    if one == other {
        return None;
    }
    let slash = |url: &str| url.trim_end_matches('/').to_owned();
    let plain = |url: &str| {
        let url = slash(url).to_ascii_lowercase();
        let url = url.replacen("http://", "https://", 1);
        url.strip_suffix(":443")
            .map_or_else(|| url.replacen(":443/", "/", 1), str::to_owned)
    };
    if slash(one) == slash(other) {
        Some("only by a slash at the end")
    } else if slash(one).eq_ignore_ascii_case(&slash(other)) {
        Some("only by capital letters")
    } else if plain(one) == plain(other) {
        Some("only by scheme or port")
    } else if host(one) == host(other) {
        Some("by their paths")
    } else if one.splitn(4, '/').nth(3) == other.splitn(4, '/').nth(3) {
        Some("by their hosts")
    } else {
        Some("altogether")
    }
}

/// Two sources that must say the same issuer do not.
#[must_use]
pub fn differs(subject: &str, observed: &str, required: &str) -> Option<Finding> {
    let how = difference(observed, required)?;
    Some(
        Finding::new(Code::K2, subject)
            .observed(format!("the issuer {observed:?}, which differs {how}"))
            .required(format!("{required:?}, byte for byte"))
            .fix("Use one spelling everywhere: in --service-account-issuer, in the published document and in every trust"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(issuer: &str) -> Vec<(Code, Severity)> {
        judge(issuer)
            .into_iter()
            .map(|f| (f.code, f.severity))
            .collect()
    }

    #[test]
    fn names() {
        use Severity::{Error, Warning};
        for (issuer, expected) in [
            ("https://issuer.example.com/c", vec![]),
            (
                "https://kubernetes.default.svc.cluster.local",
                vec![(Code::K1, Error)],
            ),
            (
                "https://10.0.0.1:6443",
                vec![(Code::K1, Error), (Code::K2, Warning)],
            ),
            ("http://issuer.example.com", vec![(Code::K1, Error)]),
            ("kubernetes/serviceaccount", vec![(Code::K1, Error)]),
            ("https://issuer.example.com/", vec![(Code::K2, Warning)]),
            ("https://Issuer.example.com", vec![(Code::K2, Warning)]),
            ("https://issuer.example.com?a=b", vec![(Code::K2, Error)]),
        ] {
            assert_eq!(codes(issuer), expected, "{issuer}");
        }
    }

    #[test]
    fn differences() {
        for (one, other, how) in [
            ("https://a.example", "https://a.example", None),
            (
                "https://a.example",
                "https://a.example/",
                Some("only by a slash at the end"),
            ),
            (
                "https://a.example/C",
                "https://a.example/c",
                Some("only by capital letters"),
            ),
            (
                "https://a.example:443/c",
                "https://a.example/c",
                Some("only by scheme or port"),
            ),
            (
                "http://a.example/c",
                "https://a.example/c",
                Some("only by scheme or port"),
            ),
            (
                "https://a.example/c",
                "https://a.example/d",
                Some("by their paths"),
            ),
            (
                "https://a.example/c",
                "https://b.example/c",
                Some("by their hosts"),
            ),
            (
                "https://a.example/c",
                "https://b.example/d",
                Some("altogether"),
            ),
        ] {
            assert_eq!(difference(one, other), how, "{one} {other}");
        }
    }

    #[test]
    fn hosts() {
        for (url, expected) in [
            ("https://a.example:8443/x", "a.example"),
            ("https://[::1]:8443", "[::1]"),
            ("https://[::1]", "[::1]"),
            ("a.example/x", "a.example"),
            ("", ""),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
