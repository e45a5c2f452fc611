//! Regions and the partitions they belong to.

use std::fmt;

use crate::Error;

/// A checked region name: it becomes part of a host name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

/// A group of regions with its own DNS suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As it stands in ARNs.
    pub id: &'static str,
    /// Of its endpoints.
    pub dns_suffix: &'static str,
}

/// By prefix of the region; what matches none is in `aws`.
const PARTITIONS: &[(&str, Partition)] = &[
    (
        "cn-",
        Partition {
            id: "aws-cn",
            dns_suffix: "amazonaws.com.cn",
        },
    ),
    (
        "us-gov-",
        Partition {
            id: "aws-us-gov",
            dns_suffix: "amazonaws.com",
        },
    ),
    (
        "us-iso-",
        Partition {
            id: "aws-iso",
            dns_suffix: "c2s.ic.gov",
        },
    ),
    (
        "us-isob-",
        Partition {
            id: "aws-iso-b",
            dns_suffix: "sc2s.sgov.gov",
        },
    ),
    (
        "eu-isoe-",
        Partition {
            id: "aws-iso-e",
            dns_suffix: "cloud.adc-e.uk",
        },
    ),
    (
        "us-isof-",
        Partition {
            id: "aws-iso-f",
            dns_suffix: "csp.hci.ic.gov",
        },
    ),
    (
        "eusc-",
        Partition {
            id: "aws-eusc",
            dns_suffix: "amazonaws.eu",
        },
    ),
];

impl Region {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it is empty (catalogue A12) or no region name.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::Config {
                reason: "the store names no AWS region".into(),
                hint: Some("Set spec.provider.aws.region, e.g. eu-central-1".into()),
                code: "A12",
            });
        }
        let label = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !label || text.len() > 63 || text.starts_with('-') || text.ends_with('-') {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(Error::Config {
                reason: format!("{shown:?} is not the name of an AWS region"),
                hint: Some("Set spec.provider.aws.region, e.g. eu-central-1".into()),
                code: "A12",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition it belongs to.
    #[must_use]
    pub fn partition(&self) -> Partition {
        PARTITIONS
            .iter()
            .find(|(prefix, _)| self.0.starts_with(prefix))
            .map_or(
                Partition {
                    id: "aws",
                    dns_suffix: "amazonaws.com",
                },
                |(_, partition)| *partition,
            )
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_cannot_name_another_host() {
        for bad in [
            "",
            " ",
            "evil.com#",
            "a/b",
            "eu.west",
            "-a",
            "a-",
            "EU-WEST-1",
            "a@b",
        ] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn partitions() {
        let suffix = |region| Region::parse(region).unwrap().partition();
        assert_eq!(suffix("eu-central-1").dns_suffix, "amazonaws.com");
        assert_eq!(suffix("cn-north-1").dns_suffix, "amazonaws.com.cn");
        assert_eq!(suffix("us-gov-west-1").id, "aws-us-gov");
        assert_eq!(suffix("us-isob-east-1").id, "aws-iso-b");
    }
}
