//! The ARN of an IAM role.

use std::fmt;

use crate::Error;

/// `arn:<partition>:iam::<account>:role/<path and name>`, checked before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(String);

impl RoleArn {
    /// Checks `text`; `place` says where it stands, for the message.
    ///
    /// # Errors
    /// When `text` is not a role's ARN (catalogue A4).
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        if well_formed(trimmed) {
            return Ok(Self(trimmed.to_owned()));
        }
        let shown: String = trimmed
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        Err(Error::Config {
            reason: format!("{place} is not the ARN of an IAM role: {shown:?}"),
            hint: Some(
                "Write arn:aws:iam::<12-digit account>:role/<path and name>, with the path".into(),
            ),
            code: "A4",
        })
    }

    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 12 digits of the account that owns the role.
    #[must_use]
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }

    /// `aws`, `aws-cn`, `aws-us-gov`…
    #[must_use]
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn well_formed(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = fields.as_slice() else {
        return false;
    };
    let name = resource.strip_prefix("role/").unwrap_or_default();
    text.len() <= 2048
        && *arn == "arn"
        && partition.starts_with("aws")
        && partition
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && *service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && !name.is_empty()
        && !name.ends_with('/')
        && name.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for good in [
            "arn:aws:iam::123456789012:role/app",
            "arn:aws-us-gov:iam::123456789012:role/eks/prod/app+x=,.@-_",
            " arn:aws-cn:iam::123456789012:role/app\n",
        ] {
            assert!(RoleArn::parse(good, "x").is_ok(), "{good}");
        }
        for bad in [
            "",
            "app",
            "arn:aws:iam::12345678901:role/app",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:user/app",
            "arn:aws:iam:eu-west-1:123456789012:role/app",
            "arn:aws:sts::123456789012:assumed-role/app/x",
            "arn:aws:iam::${ACCOUNT}:role/app",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(RoleArn::parse(bad, "x").is_err(), "{bad}");
        }
        let arn = RoleArn::parse("arn:aws-cn:iam::123456789012:role/app", "x").unwrap();
        assert_eq!((arn.account(), arn.partition()), ("123456789012", "aws-cn"));
    }
}
