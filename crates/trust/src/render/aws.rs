//! AWS: one OpenID Connect provider, and for each role its trust and its permission.

mod permission;
mod write;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{RenderError, Settings, Target};
use crate::aws::{Arn, Partition, Policy, federation};
use crate::plan::{Cloud, Identity, Place, Plan};
use crate::provider;
use crate::trust::{Issuer, Trust};

pub(super) use write::{hcl, json, shell};

/// Longest trust policy, white space left out.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const TRUST_LIMIT: usize = 2048;
/// Longest inline policies of a role together, white space left out.
const POLICY_LIMIT: usize = 10_240;
const POD_IDENTITY: &str = "pods.eks.amazonaws.com";

/// Everything that is created.
pub(super) struct Model<'a> {
    /// The provider and the audiences that it takes; none when all is Pod Identity.
    provider: Option<(Issuer, Arn, Vec<String>)>,
    roles: Vec<Role<'a>>,
    import: bool,
}

/// A role.
struct Role<'a> {
    arn: Arn,
    label: String,
    trust: Policy,
    /// Cluster, if it is by Pod Identity.
    cluster: Option<&'a str>,
    /// What the role itself may do.
    policy: Option<Value>,
    /// The role at the end of a chain, and what that may do.
    chained: Option<(Arn, Option<Value>)>,
    identities: Vec<&'a Identity>,
}

/// The model of what a plan needs.
pub(super) fn model<'a>(plan: &'a Plan, settings: &Settings<'a>) -> Result<Model<'a>, RenderError> {
    let aws = &settings.options.aws;
    let mut grouped: BTreeMap<Arn, Vec<&Identity>> = BTreeMap::new();
    for identity in Target::Aws.identities(plan) {
        grouped
            .entry(role_arn(identity, settings)?)
            .or_default()
            .push(identity);
    }
    let mut names = super::names::Names::default();
    let mut roles = Vec::new();
    let mut audiences = Vec::new();
    let mut account = None;
    for (arn, identities) in grouped {
        let operator = |i: &&&Identity| i.account == settings.options.operator;
        let cluster = aws.pod_identity.as_deref();
        let cluster = cluster.filter(|_| identities.iter().all(|i| operator(&i)));
        let trust = if cluster.is_some() {
            pod_identity_trust()
        } else {
            let issuer = super::issuer(plan)?;
            let mut trusts = Vec::new();
            for identity in &identities {
                audiences.push(identity.audience.clone());
                trusts.push(Trust {
                    issuer: issuer.clone(),
                    audience: identity.audience.clone(),
                    subject: identity.subject(),
                    target: crate::Target::AwsRole(arn.clone()),
                });
            }
            account = Some((arn.partition.clone(), arn.account.clone()));
            federation::trust_policy(&trusts)
        };
        let partition = Partition::parse(&arn.partition).unwrap_or(Partition::Aws);
        let (policy, chained) = policies(&arn, partition, &identities, settings)?;
        let role = Role {
            label: names.label(arn.role_name().unwrap_or("role")),
            trust,
            cluster,
            policy,
            chained,
            identities,
            arn,
        };
        limits(&role)?;
        roles.push(role);
    }
    audiences.sort();
    audiences.dedup();
    let provider = match account {
        Some((partition, account)) => {
            let issuer = super::issuer(plan)?.clone();
            let partition = Partition::parse(&partition).unwrap_or(Partition::Aws);
            let arn = provider::arn(&issuer, partition, &account);
            Some((issuer, arn, audiences))
        }
        None => None,
    };
    // One provider serves one account.
    let accounts = roles.iter().filter(|r| r.cluster.is_none());
    let foreign = accounts.map(|r| &r.arn.account).find(|a| {
        provider
            .as_ref()
            .is_some_and(|(_, arn, _)| arn.account != **a)
    });
    if let Some(other) = foreign {
        return Err(RenderError::Name {
            name: other.clone(),
            place: "of an account here",
            reason: "the plan has roles of several accounts: render them one by one, by the stores of each",
        });
    }
    Ok(Model {
        provider,
        roles,
        import: settings.import,
    })
}

fn role_arn(identity: &Identity, settings: &Settings<'_>) -> Result<Arn, RenderError> {
    if let Cloud::Aws {
        role: Some(role), ..
    } = &identity.cloud
    {
        return Ok(role.clone());
    }
    let account = settings.options.aws.account.as_deref();
    let account = account.ok_or_else(|| RenderError::Missing {
        what: format!("the account of the role for {}", identity.subject()),
        flag: "--aws-account",
    })?;
    let regions = identity
        .grants
        .iter()
        .filter_map(|g| match &g.access.place {
            Place::ParameterStore { region } | Place::SecretsManager { region } => Some(region),
            _ => None,
        });
    let partition = regions.map(|r| Partition::of_region(r)).next();
    let name = super::names::slug(&identity.name, "+=,.@_-", 64);
    Ok(Arn::iam(
        partition.unwrap_or(Partition::Aws),
        account,
        &format!("role/{name}"),
    ))
}

type Policies = (Option<Value>, Option<(Arn, Option<Value>)>);

/// What the role may do by itself, and what the role at the end of its chain may.
fn policies(
    arn: &Arn,
    partition: Partition,
    identities: &[&Identity],
    settings: &Settings<'_>,
) -> Result<Policies, RenderError> {
    let keys = &settings.options.aws.keys;
    let chain = identities.iter().find_map(|i| match &i.cloud {
        Cloud::Aws { chain, .. } if !chain.is_empty() => Some(chain),
        _ => None,
    });
    let direct: Vec<&Identity> = identities
        .iter()
        .copied()
        .filter(|i| matches!(&i.cloud, Cloud::Aws { chain, .. } if chain.is_empty()))
        .collect();
    let through: Vec<&Identity> = identities
        .iter()
        .copied()
        .filter(|i| matches!(&i.cloud, Cloud::Aws { chain, .. } if !chain.is_empty()))
        .collect();
    let first = chain.and_then(|c| c.first());
    let own = permission::policy(partition, &arn.account, &direct, keys, first)?;
    let last = match chain.and_then(|c| c.last()) {
        Some(last) => {
            let partition = Partition::parse(&last.partition).unwrap_or(partition);
            let policy = permission::policy(partition, &last.account, &through, keys, None)?;
            Some((last.clone(), policy))
        }
        None => None,
    };
    Ok((own, last))
}

fn pod_identity_trust() -> Policy {
    let json = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": {"Service": POD_IDENTITY},
    }]});
    Policy::from_value(&json, crate::aws::PolicyKind::Trust).unwrap_or(Policy {
        variables: true,
        id: None,
        statements: Vec::new(),
    })
}

fn limits(role: &Role<'_>) -> Result<(), RenderError> {
    let name = role.arn.to_string();
    let too_much = |what, size, limit, fix| RenderError::TooMuch {
        what,
        name: name.clone(),
        size,
        unit: "characters",
        limit,
        fix,
    };
    let length = |json: &Value| {
        json.to_string()
            .chars()
            .filter(|c| !c.is_whitespace())
            .count()
    };
    let trust = length(&role.trust.to_json());
    if trust > TRUST_LIMIT {
        let fix = "give the service accounts roles of their own";
        return Err(too_much("the trust policy", trust, TRUST_LIMIT, fix));
    }
    let chained = role
        .chained
        .as_ref()
        .and_then(|(_, policy)| policy.as_ref());
    for policy in role.policy.iter().chain(chained) {
        let size = length(policy);
        if size > POLICY_LIMIT {
            let fix = "name secrets under a common path, or split them between service accounts";
            return Err(too_much("the permission policy", size, POLICY_LIMIT, fix));
        }
    }
    Ok(())
}
