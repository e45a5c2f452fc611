//! Addresses that a peer named by a tenant must not have.
//!
//! Owns: which addresses belong to the machine's own link or to a cloud's metadata service, and
//! a resolver that never answers with one. Refuses: private networks in general: that is where
//! honest endpoints live.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Overrides;

/// Metadata services outside the link-local ranges: Alibaba's, Azure's wire server, AWS over IPv6.
const SERVICES: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether `address` is link-local or a metadata service's, however it is written.
#[must_use]
pub fn is_metadata(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                // An IPv4 address in NAT64's well-known prefix or in 6to4.
                || embedded(v6).is_some_and(|v4| is_metadata(IpAddr::V4(v4)))
        }
    };
    local || SERVICES.contains(&address)
}

fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let of = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// Refuses a host that is such an address itself; names are judged when they are resolved.
pub(super) fn refuses(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(is_metadata)
}

/// The rules of whoever runs the operator, then the system's resolver without such addresses.
#[derive(Debug)]
pub(super) struct Guarded(pub(super) Arc<Overrides>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let overridden = self.0.find(name.as_str());
        Box::pin(async move {
            if let Some(address) = overridden {
                let addresses: Addrs = Box::new(std::iter::once(address));
                return Ok(addresses);
            }
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            let allowed: Vec<SocketAddr> = found
                .iter()
                .copied()
                .filter(|address| !is_metadata(address.ip()))
                .collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(
                    "its address is link-local or a metadata service's, which stores may not reach"
                        .into(),
                );
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_addresses_in_every_spelling() {
        for (text, out_of_reach) in [
            ("169.254.169.254", true),
            ("169.254.170.23", true),
            ("::ffff:169.254.169.254", true),
            ("64:ff9b::a9fe:a9fe", true),
            ("2002:a9fe:a9fe::1", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("100.100.100.200", true),
            ("168.63.129.16", true),
            ("0.0.0.0", true),
            ("::", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("192.168.1.1", false),
            ("203.0.113.1", false),
            ("::1", false),
            ("fd00::1", false),
        ] {
            assert_eq!(is_metadata(text.parse().unwrap()), out_of_reach, "{text}");
        }
        assert!(refuses("[fe80::1]") && refuses("169.254.169.254"));
        assert!(!refuses("example.com"));
    }

    #[tokio::test]
    async fn names_are_resolved_without_them() {
        let rules = Overrides::parse("in.house=169.254.1.1:80").unwrap();
        let guarded = Guarded(Arc::new(rules));
        let of = |name: &str| guarded.resolve(name.parse().unwrap());
        // Whoever runs the operator may say otherwise.
        assert_eq!(of("in.house").await.unwrap().count(), 1);
        assert!(of("localhost").await.unwrap().count() > 0);
        // A name that is an address is resolved to itself.
        assert!(of("169.254.169.254").await.is_err());
    }
}
