//! A server, and everything that makes the way to it different.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use url::Url;

use crate::{Error, Peer, Sealed};

/// Which of the two products a store names; for messages only, the protocol is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// HashiCorp Vault.
    Vault,
    /// OpenBao.
    OpenBao,
}

impl Product {
    /// The name as messages have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vault => "Vault",
            Self::OpenBao => "OpenBao",
        }
    }
}

/// A server as a store names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// For messages.
    pub product: Product,
    /// Authorities and client certificate.
    pub peer: Peer,
    url: String,
    /// Values may be credentials of a gateway.
    headers: Vec<(String, Sealed)>,
}

/// Headers that a store must not set: they are the protocol's own.
const OWN: [&str; 4] = [
    "x-vault-token",
    "x-vault-namespace",
    "x-vault-request",
    "host",
];

impl Server {
    /// Checks `url` and `headers`.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(
        product: Product,
        url: &str,
        headers: &BTreeMap<String, String>,
        peer: Peer,
    ) -> Result<Self, Error> {
        let config = |reason: String, hint: &str| Error::Config {
            reason,
            hint: Some(hint.to_owned()),
            code: "",
        };
        let parsed = Url::parse(url.trim()).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        let Some(parsed) = parsed else {
            return Err(config(
                format!("server {url:?} is not an http or https URL"),
                "Set server to a URL such as https://vault.example.com:8200",
            ));
        };
        let mut checked = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
            let usable = HeaderName::from_bytes(name.as_bytes()).is_ok()
                && HeaderValue::from_str(value).is_ok();
            if own || !usable {
                return Err(config(
                    format!("headers has an entry {name:?} that cannot be sent"),
                    "Remove it; token and namespace have their own fields",
                ));
            }
            checked.push((
                name.to_ascii_lowercase(),
                Sealed::new(value.as_str().into()),
            ));
        }
        Ok(Self {
            product,
            peer,
            url: parsed.as_str().trim_end_matches('/').to_owned(),
            headers: checked,
        })
    }

    /// The address without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn headers(&self) -> &[(String, Sealed)] {
        &self.headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, headers: &[(&str, &str)]) -> Result<Server, Error> {
        let headers = headers
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Server::new(Product::Vault, url, &headers, Peer::default())
    }

    #[test]
    fn urls_are_checked_and_lose_their_last_slash() {
        for (url, expected) in [
            ("https://v:8200/", Some("https://v:8200")),
            (" http://v/a/ ", Some("http://v/a")),
            ("v:8200", None),
            ("vault", None),
            ("https://u:p@v", None),
            ("https://v?x=1", None),
            ("", None),
        ] {
            let found = server(url, &[]).ok();
            assert_eq!(found.as_ref().map(Server::url), expected, "{url}");
        }
    }

    #[test]
    fn headers_of_the_protocol_and_broken_ones_are_refused() {
        assert!(server("https://v", &[("CF-Access-Client-Id", "x")]).is_ok());
        for header in [
            ("X-Vault-Token", "x"),
            ("host", "x"),
            ("a b", "x"),
            ("a", "x\ny"),
        ] {
            assert!(server("https://v", &[header]).is_err(), "{header:?}");
        }
        let canary = server("https://v", &[("a", "canary")]).unwrap();
        assert!(!format!("{canary:?}").contains("canary"));
    }
}
