//! The issuer's documents as a cloud would fetch them, judged by the issuer's own rules.

use std::time::Duration;

use keyless_issuer::finding::Severity;
use keyless_issuer::verify::{Question, verify};
use keyless_trust::doctor::{OutsideFacts, OutsideFinding};

use crate::doctor::Flags;
use crate::doctor::patience::{Patience, within};
use crate::issuer::outlook;

/// How long one document may take: there are two, one after the other.
const FETCH: Duration = Duration::from_secs(3);

/// What is seen of `issuer`.
///
/// # Errors
/// In words.
pub async fn look(flags: &Flags, issuer: &str, patience: Patience) -> Result<OutsideFacts, String> {
    let outlook = outlook::outlook_within(&flags.outlook, FETCH).map_err(|e| format!("{e:#}"))?;
    let question = Question {
        issuer: issuer.to_owned(),
        ..Question::default()
    };
    let report = within(patience.asked(), verify(&outlook, &question)).await?;
    let findings = report.findings.iter().map(|f| OutsideFinding {
        code: f.code.to_string(),
        subject: f.subject.clone(),
        observed: f.observed.clone(),
        required: f.required.clone(),
        fix: f.fix.clone(),
        warning: f.severity < Severity::Error,
    });
    let keys: Vec<String> = report.keys.iter().map(|k| k.kid.clone()).collect();
    Ok(OutsideFacts {
        issuer: issuer.to_owned(),
        findings: findings.collect(),
        keys: (!keys.is_empty()).then_some(keys),
    })
}
