//! What the clouds' own tools print about their objects, held against the token that is meant.

use keyless_fault::Link;
use serde_json::Value;

use super::objects::Subject;
use super::{Described, Findings, Verdict};
use crate::aws::{
    Arn, Context, Decision, Failure, Policy, PolicyKind, Request, evaluate, federation,
};
use crate::catalogue;
use crate::lint::{Expect, File, Severity, lint};
use crate::plan::{Cloud, Identity, Place, Scope, Verb};
use crate::token::Claims;
use crate::trust::Issuer;

/// Mistakes of documents that let too much in break no chain.
const OPEN: [&str; 6] = ["A26", "V9", "L6", "L7", "L15", "O5"];

pub(super) fn judge(subject: &Subject<'_>, found: &mut Findings) {
    let Some(identity) = &subject.identity else {
        return;
    };
    let issuer = issuer(subject);
    let expect = Expect {
        issuer: issuer.clone(),
        subject: Some(identity.subject()),
        audience: (!identity.audience.is_empty()).then(|| identity.audience.clone()),
    };
    for described in &subject.facts.described {
        let before = found.proven.len();
        missing(identity, described, found);
        let role = described.document.pointer("/Role/AssumeRolePolicyDocument");
        let allowed = role
            .is_some_and(|policy| aws_trust(described, policy, identity, issuer.as_deref(), found));
        let permission = permission(described, identity, found);
        if !allowed && !permission && found.proven.len() == before {
            by_rules(described, &expect, found);
        }
        if found.proven.len() == before
            && let Some(link) = about(&described.document)
        {
            found.holds(link, format!("{} fits", described.name));
        }
    }
}

/// The issuer of the tokens that are presented.
fn issuer(subject: &Subject<'_>) -> Option<String> {
    let minted = subject
        .facts
        .tokens
        .iter()
        .find_map(|t| t.claims.get("iss")?.as_str());
    minted
        .or(subject.facts.issuer.as_deref())
        .map(str::to_owned)
}

/// Which link a document is about.
fn about(document: &Value) -> Option<Link> {
    let has = |pointer: &str| document.pointer(pointer).is_some();
    if has("/Role") {
        Some(Link::Identity)
    } else if has("/ClientIDList")
        || has("/oidc")
        || has("/0/issuer")
        || has("/issuer")
        || has("/data")
    {
        Some(Link::TrustObject)
    } else if has("/PolicyDocument") || has("/Statement") {
        Some(Link::Permission)
    } else {
        None
    }
}

/// What a tool printed in place of an object: it is not there.
fn missing(identity: &Identity, described: &Described, found: &mut Findings) {
    if let Some(text) = described.document.get("error").and_then(Value::as_str) {
        let code = match &identity.cloud {
            Cloud::Aws { .. } if text.contains("GetRole") => "A4",
            Cloud::Aws { .. } if text.contains("OpenIDConnectProvider") => "A1",
            Cloud::Google { .. } if text.contains("NOT_FOUND") => "G1",
            Cloud::Vault { .. } => "V2",
            _ => return,
        };
        found
            .proven
            .push(Verdict::new(code, described.name.clone(), text.to_owned()));
    }
    let empty = described.document.as_array().is_some_and(Vec::is_empty);
    if empty && matches!(identity.cloud, Cloud::Azure { .. }) {
        found.proven.push(Verdict::new(
            "Z5",
            described.name.clone(),
            "the identity has no federated credential",
        ));
    }
}

/// Whether the role lets the token in, by AWS's own rules; says what is in the way.
fn aws_trust(
    described: &Described,
    policy: &Value,
    identity: &Identity,
    issuer: Option<&str>,
    found: &mut Findings,
) -> bool {
    let arn = described
        .document
        .pointer("/Role/Arn")
        .and_then(Value::as_str);
    let (Some(Ok(role)), Some(Ok(issuer)), Ok(policy)) = (
        arn.map(Arn::parse_role),
        issuer.map(Issuer::parse),
        Policy::from_value(policy, PolicyKind::Trust),
    ) else {
        return false;
    };
    if let Cloud::Aws {
        role: Some(wanted), ..
    } = &identity.cloud
        && *wanted != role
    {
        found.proven.push(
            Verdict::new("A4", described.name.clone(), format!("role {wanted}"))
                .required(format!("role {role}")),
        );
        return false;
    }
    let claims = Claims {
        iss: issuer.as_str().to_owned(),
        sub: identity.subject(),
        aud: vec![identity.audience.clone()],
        azp: None,
        amr: Vec::new(),
        exp: 0,
        iat: 0,
        nbf: None,
        jti: None,
    };
    match federation::judge(&policy, &role, &issuer, &claims, &Context::new()) {
        Decision::Allowed { .. } => true,
        Decision::Denied { by } => {
            let observed = format!("{by} denies");
            found
                .proven
                .push(Verdict::new("A3", described.name.clone(), observed));
            false
        }
        Decision::NotAllowed { nearest } => {
            let Some(miss) = nearest else {
                return false;
            };
            let code = match miss.failed.first() {
                Some(Failure::Action { .. }) => "A5",
                Some(Failure::Principal { required, .. })
                    if !required.iter().any(|r| r.contains("oidc-provider/")) =>
                {
                    "A5"
                }
                _ => "A3",
            };
            let join = |part: fn(&Failure) -> String| {
                miss.failed.iter().map(part).collect::<Vec<_>>().join("; ")
            };
            found.proven.push(
                Verdict::new(code, described.name.clone(), join(Failure::observed))
                    .required(format!("{}: {}", miss.statement, join(Failure::required))),
            );
            false
        }
    }
}

/// Whether it is a permission policy of AWS: then it is held against what is read.
fn permission(described: &Described, identity: &Identity, found: &mut Findings) -> bool {
    let document = &described.document;
    let json = ["/PolicyDocument", "/PolicyVersion/Document"]
        .iter()
        .find_map(|pointer| document.pointer(pointer));
    let json = json.or_else(|| {
        let resource = document.pointer("/Statement/0/Resource").is_some();
        resource.then_some(document)
    });
    let Some(json) = json else {
        return false;
    };
    let Ok(policy) = Policy::from_value(json, PolicyKind::Identity) else {
        return false;
    };
    let account = match &identity.cloud {
        Cloud::Aws {
            role: Some(role), ..
        } => role.account.clone(),
        _ => "*".to_owned(),
    };
    for grant in &identity.grants {
        let Some((action, resource)) = request(
            &grant.access.place,
            grant.access.verb,
            &grant.access.scope,
            &account,
        ) else {
            continue;
        };
        let context = Context::new();
        let request = Request {
            caller: None,
            action,
            resource: Some(&resource),
            context: &context,
        };
        let decision = evaluate(&[&policy], &request);
        if decision.is_allowed() {
            continue;
        }
        let federated = |f: &Failure| matches!(f, Failure::Condition { key, .. } if key.ends_with(":sub") || key.ends_with(":aud"));
        let by_condition = matches!(&decision, Decision::NotAllowed { nearest: Some(miss) } if miss.failed.iter().any(federated));
        let verdict = if by_condition {
            Verdict::new(
                "A19",
                described.name.clone(),
                format!("{action} on {resource} only under a condition on the federation"),
            )
        } else {
            Verdict::new("A18", described.name.clone(), "no statement allows it")
                .required(format!("{action} on {resource}"))
        };
        found.proven.push(verdict);
        break;
    }
    true
}

fn request(
    place: &Place,
    verb: Verb,
    scope: &Scope,
    account: &str,
) -> Option<(&'static str, String)> {
    let Scope::Name(name) = scope else {
        return None;
    };
    let partition = |region: &str| crate::aws::Partition::of_region(region);
    match (place, verb) {
        (Place::ParameterStore { region }, Verb::Read) => {
            let name = name.strip_prefix('/').unwrap_or(name);
            let partition = partition(region);
            Some((
                "ssm:GetParameter",
                format!("arn:{partition}:ssm:{region}:{account}:parameter/{name}"),
            ))
        }
        (Place::SecretsManager { region }, Verb::Read) => {
            let partition = partition(region);
            Some((
                "secretsmanager:GetSecretValue",
                format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-AbCdEf"),
            ))
        }
        _ => None,
    }
}

/// The linter's rules, with the token's own parts as what is expected.
fn by_rules(described: &Described, expect: &Expect, found: &mut Findings) {
    let text = described.document.to_string();
    let file = File {
        name: &described.name,
        text: &text,
    };
    for finding in lint(&[file], expect).findings {
        let Some(row) = catalogue::row(finding.code) else {
            continue;
        };
        let link = match finding.code {
            // A policy that cannot be read is of its own link.
            "L5" | "L4" | "L13" if described.document.get("Role").is_some() => Link::Identity,
            _ => row.link,
        };
        let mut verdict = Verdict::new(row.code, described.name.clone(), finding.observed).at(link);
        verdict.required = finding.required;
        if finding.severity == Severity::Error && !OPEN.contains(&row.code) {
            found.proven.push(verdict);
        } else {
            found.further.push(verdict);
        }
    }
}
