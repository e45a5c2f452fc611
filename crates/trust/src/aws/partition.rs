//! AWS's partitions: separate clouds with their own ARN prefix and domain.

use std::fmt;

/// One of AWS's partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Partition {
    /// The public regions.
    Aws,
    /// The regions in China.
    China,
    /// The United States government's regions.
    UsGov,
    /// The isolated regions (C2S).
    Iso,
    /// The isolated regions (SC2S).
    IsoB,
    /// The European sovereign cloud.
    Eusc,
}

impl Partition {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Aws,
        Self::China,
        Self::UsGov,
        Self::Iso,
        Self::IsoB,
        Self::Eusc,
    ];

    /// The second field of an ARN.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::UsGov => "aws-us-gov",
            Self::Iso => "aws-iso",
            Self::IsoB => "aws-iso-b",
            Self::Eusc => "aws-eusc",
        }
    }

    /// The domain that endpoints of this partition end in.
    #[must_use]
    pub const fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::UsGov => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
            Self::Iso => "c2s.ic.gov",
            Self::IsoB => "sc2s.sgov.gov",
            Self::Eusc => "amazonaws.eu",
        }
    }

    /// The partition whose ARNs carry `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == name)
    }

    /// The partition a region belongs to, by the region's prefix.
    #[must_use]
    pub fn of_region(region: &str) -> Self {
        match region.split('-').next() {
            Some("cn") => Self::China,
            Some("eusc") => Self::Eusc,
            _ if region.starts_with("us-gov-") => Self::UsGov,
            _ if region.starts_with("us-isob-") => Self::IsoB,
            _ if region.starts_with("us-iso-") => Self::Iso,
            _ => Self::Aws,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_names() {
        for (region, name) in [
            ("eu-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of_region(region).as_str(), name);
            assert_eq!(Partition::parse(name), Some(Partition::of_region(region)));
        }
        assert_eq!(Partition::parse("aws-moon"), None);
    }
}
