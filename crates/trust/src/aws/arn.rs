//! Amazon Resource Names: six fields divided by colons, the last of which may hold more.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Partition;

/// Why a text is not an ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Fewer than six fields, or it does not begin with `arn`.
    #[error("{0:?} is not an ARN (arn:partition:service:region:account:resource)")]
    Shape(String),
    /// The ARN names something other than a role.
    #[error("{0} is not the ARN of an IAM role (arn:aws:iam::123456789012:role/NAME)")]
    NotARole(String),
}

/// An ARN's fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    /// `aws`, `aws-cn`, ….
    pub partition: String,
    /// `iam`, `ssm`, ….
    pub service: String,
    /// Region, empty for global services.
    pub region: String,
    /// Twelve digits, or empty.
    pub account: String,
    /// Everything after the fifth colon.
    pub resource: String,
}

impl Arn {
    /// Splits `text` into its fields; wildcards stay as they are.
    ///
    /// # Errors
    /// [`ArnError::Shape`].
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let mut fields = text.splitn(6, ':');
        match (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) {
            (Some("arn"), Some(p), Some(s), Some(r), Some(a), Some(rest)) if !rest.is_empty() => {
                Ok(Self {
                    partition: p.to_owned(),
                    service: s.to_owned(),
                    region: r.to_owned(),
                    account: a.to_owned(),
                    resource: rest.to_owned(),
                })
            }
            _ => Err(ArnError::Shape(text.to_owned())),
        }
    }

    /// Reads the ARN of a role, with its path if it has one.
    ///
    /// # Errors
    /// [`ArnError`] when `text` is no ARN or names no role.
    pub fn parse_role(text: &str) -> Result<Self, ArnError> {
        let arn = Self::parse(text)?;
        let digits = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
        let known = Partition::parse(&arn.partition).is_some();
        match arn.role_name() {
            Some(name) if known && digits && arn.region.is_empty() && !name.is_empty() => Ok(arn),
            _ => Err(ArnError::NotARole(text.to_owned())),
        }
    }

    /// An IAM ARN: no region.
    #[must_use]
    pub fn iam(partition: Partition, account: &str, resource: &str) -> Self {
        Self {
            partition: partition.as_str().to_owned(),
            service: "iam".to_owned(),
            region: String::new(),
            account: account.to_owned(),
            resource: resource.to_owned(),
        }
    }

    /// The role's name without its path; `None` when this is no role.
    #[must_use]
    pub fn role_name(&self) -> Option<&str> {
        if self.service != "iam" {
            return None;
        }
        let rest = self.resource.strip_prefix("role/")?;
        rest.rsplit('/').next()
    }

    /// The role behind an assumed-role session (`arn:…:sts::…:assumed-role/NAME/SESSION`) as
    /// an IAM ARN. The session's ARN leaves out the role's path, so the result may too.
    #[must_use]
    pub fn session_role(&self) -> Option<Self> {
        let rest = self.resource.strip_prefix("assumed-role/")?;
        let name = rest.split('/').next().filter(|n| !n.is_empty())?;
        (self.service == "sts").then(|| Self {
            service: "iam".to_owned(),
            resource: format!("role/{name}"),
            ..self.clone()
        })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl TryFrom<String> for Arn {
    type Error = ArnError;
    fn try_from(text: String) -> Result<Self, ArnError> {
        Self::parse(&text)
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_a_round_trip() {
        for text in [
            "arn:aws:iam::111122223333:role/eks/web",
            "arn:aws:ssm:eu-central-1:111122223333:parameter/a:b/c",
            "arn:aws:s3:::bucket",
        ] {
            assert_eq!(Arn::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "arn:aws:iam", "arn:aws:iam:::", "urn:aws:iam::1:role/x"] {
            assert!(Arn::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn roles() {
        let arn = Arn::parse_role("arn:aws-cn:iam::111122223333:role/eks/prod/web").unwrap();
        assert_eq!(arn.role_name(), Some("web"));
        for text in [
            "arn:aws:iam::11112222333:role/x",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:iam:eu-west-1:111122223333:role/x",
            "arn:moon:iam::111122223333:role/x",
            "arn:aws:iam::111122223333:role/",
        ] {
            assert!(
                matches!(Arn::parse_role(text), Err(ArnError::NotARole(_))),
                "{text}"
            );
        }
        let session = Arn::parse("arn:aws:sts::111122223333:assumed-role/web/me").unwrap();
        assert_eq!(
            session.session_role().unwrap().to_string(),
            "arn:aws:iam::111122223333:role/web"
        );
    }
}
