//! AWS counts calls by account and region, whoever makes them.
//!
//! Owns: one bucket for each account, region and group of APIs. Refuses: telling accounts apart
//! that it cannot see: an identity whose account is unknown has buckets of its own.

use std::sync::Arc;

use keyless_identity::aws::{Login, Region};

use crate::planner::Bucket;
use crate::weak_map::WeakMap;

/// The buckets of all accounts.
#[derive(Debug, Default)]
pub struct Rates(WeakMap<Key, Bucket>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    account: Arc<str>,
    region: Region,
    apis: &'static str,
}

/// The buckets of one identity's account in one region.
#[derive(Clone, Debug)]
pub struct Pace {
    rates: Arc<Rates>,
    account: Option<Arc<str>>,
    region: Region,
}

impl Pace {
    /// Of `login`'s account, or of the login alone when its account is not known. `operator` is
    /// the account of the operator's own identity, if known.
    #[must_use]
    pub fn new(rates: &Arc<Rates>, login: &Login, operator: Option<&str>) -> Self {
        Self {
            rates: Arc::clone(rates),
            account: login.account().or(operator).map(Into::into),
            region: login.region.clone(),
        }
    }

    /// The bucket of the APIs `apis`, which share `rate` calls per second. The first who asks
    /// sets the rate.
    #[must_use]
    pub fn bucket(&self, apis: &'static str, rate: f64) -> Arc<Bucket> {
        let Some(account) = &self.account else {
            return Arc::new(Bucket::new(rate));
        };
        let key = Key {
            account: Arc::clone(account),
            region: self.region.clone(),
            apis,
        };
        self.rates.0.of(&key, || Bucket::new(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyless_identity::aws::{RoleArn, Source};

    fn login(account: &str, name: &str) -> Login {
        let role = format!("arn:aws:iam::{account}:role/{name}");
        Login {
            region: Region::parse("eu-central-1").unwrap(),
            source: Source::WebIdentity {
                namespace: "ns".into(),
                service_account: name.into(),
                uid: "u".into(),
                role: RoleArn::parse(&role, "test").unwrap(),
                audiences: Vec::new(),
            },
            hops: Vec::new(),
        }
    }

    #[test]
    fn an_account_has_one_bucket_whoever_calls() {
        let rates = Arc::default();
        let bucket = |login: &Login, apis| Pace::new(&rates, login, None).bucket(apis, 40.0);
        let (first, second) = (login("111122223333", "a"), login("111122223333", "b"));
        let kept = bucket(&first, "ssm:Get");
        assert!(Arc::ptr_eq(&kept, &bucket(&second, "ssm:Get")));
        assert!(!Arc::ptr_eq(&kept, &bucket(&second, "ssm:Put")));
        assert!(!Arc::ptr_eq(
            &kept,
            &bucket(&login("444455556666", "a"), "ssm:Get")
        ));
        let mut elsewhere = login("111122223333", "a");
        elsewhere.region = Region::parse("eu-west-1").unwrap();
        assert!(!Arc::ptr_eq(&kept, &bucket(&elsewhere, "ssm:Get")));
    }

    #[test]
    fn unknown_accounts_share_nothing() {
        let rates = Arc::default();
        let operator = Login {
            source: Source::Operator,
            ..login("111122223333", "a")
        };
        let bucket = |account| Pace::new(&rates, &operator, account).bucket("ssm:Get", 40.0);
        assert!(!Arc::ptr_eq(&bucket(None), &bucket(None)));
        let kept = bucket(Some("111122223333"));
        assert!(Arc::ptr_eq(&kept, &bucket(Some("111122223333"))));
    }
}
