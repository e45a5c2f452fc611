//! Who would trust the issuer as it stands.

use serde::Serialize;

use crate::finding::{Code, Finding, Party, Severity};

/// The answer for one party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The party.
    pub party: Party,
    /// The answer.
    pub answer: Answer,
    /// The findings that decide it, by code.
    pub because: Vec<Code>,
}

/// Would it?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// Today, or for most tokens.
    AtRisk,
    /// No.
    No,
}

impl Answer {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::AtRisk => "at risk",
            Self::No => "no",
        }
    }
}

/// One verdict for each party.
#[must_use]
pub fn verdicts(findings: &[Finding]) -> Vec<Verdict> {
    Party::ALL
        .into_iter()
        .map(|party| verdict(party, findings))
        .collect()
}

fn verdict(party: Party, findings: &[Finding]) -> Verdict {
    let hurting = |least: Severity| -> Vec<Code> {
        let mut codes: Vec<Code> = findings
            .iter()
            .filter(|f| f.hurts.has(party) && f.severity >= least)
            .map(|f| f.code)
            .collect();
        codes.sort();
        codes.dedup();
        codes
    };
    let refusing = hurting(Severity::Error);
    if !refusing.is_empty() {
        return Verdict {
            party,
            answer: Answer::No,
            because: refusing,
        };
    }
    let warning = hurting(Severity::Warning);
    let answer = if warning.is_empty() {
        Answer::Yes
    } else {
        Answer::AtRisk
    };
    Verdict {
        party,
        answer,
        because: warning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parties;

    #[test]
    fn the_worst_decides_for_each() {
        let findings = [
            Finding::new(Code::K6, "x").hurts(Parties::only(Party::Entra)),
            Finding::new(Code::P10, "x")
                .severity(Severity::Warning)
                .hurts(Parties::CLOUDS),
            Finding::new(Code::P8, "x").severity(Severity::Note),
        ];
        let answers: Vec<_> = verdicts(&findings)
            .into_iter()
            .map(|v| (v.party, v.answer, v.because))
            .collect();
        assert_eq!(
            answers,
            [
                (Party::Aws, Answer::AtRisk, vec![Code::P10]),
                (Party::Entra, Answer::No, vec![Code::K6]),
                (Party::Google, Answer::AtRisk, vec![Code::P10]),
                (Party::Vault, Answer::Yes, vec![]),
                (Party::KubeApiserver, Answer::Yes, vec![]),
            ]
        );
    }
}
