//! Addresses for host names that no name server knows, or knows otherwise.
//!
//! Owns: the rules of `KEYLESS_RESOLVE`, by which a sandbox or a private endpoint stands in for a
//! cloud under the cloud's own name and certificate checks. Refuses: anything but the process's
//! environment as their source.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Host patterns and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(Vec<(String, SocketAddr)>);

impl Overrides {
    /// Reads `host=address:port` or `*.domain=address:port`, divided by commas. The port holds for
    /// URLs without one.
    ///
    /// # Errors
    /// The entry that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let rule = entry.split_once('=').and_then(|(host, address)| {
                let host = host.trim().to_ascii_lowercase();
                let address = address.trim().parse().ok()?;
                (!host.is_empty()).then_some((host, address))
            });
            rules.push(rule.ok_or_else(|| entry.to_owned())?);
        }
        Ok(Self(rules))
    }

    /// Where `host` is, if a rule says so; the first that fits counts.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<SocketAddr> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let fits = |pattern: &str| match pattern.strip_prefix('*') {
            Some(domain) => host.len() > domain.len() && host.ends_with(domain),
            None => host == pattern,
        };
        self.0
            .iter()
            .find(|(pattern, _)| fits(pattern))
            .map(|(_, address)| *address)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Asks the rules first, then the system.
pub(super) struct Resolver(pub(super) Arc<Overrides>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.0.find(name.as_str());
        Box::pin(async move {
            let addresses: Addrs = match found {
                Some(address) => Box::new(std::iter::once(address)),
                None => {
                    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                    Box::new(found.collect::<Vec<_>>().into_iter())
                }
            };
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let rules = Overrides::parse(
            "login.example=127.0.0.1:1, *.vault.example=127.0.0.1:2,x.vault.example=127.0.0.1:3,",
        )
        .unwrap();
        for (host, port) in [
            ("login.example", Some(1)),
            ("LOGIN.example.", Some(1)),
            ("a.vault.example", Some(2)),
            ("x.vault.example", Some(2)),
            ("vault.example", None),
            ("evilvault.example", None),
            ("a.login.example", None),
        ] {
            assert_eq!(rules.find(host).map(|a| a.port()), port, "{host}");
        }
        assert!(Overrides::parse("").unwrap().is_empty());
        for bad in ["x", "x=", "x=127.0.0.1", "=127.0.0.1:1"] {
            assert!(Overrides::parse(bad).is_err(), "{bad}");
        }
    }
}
