//! Findings, keys and verdicts for people.

use std::fmt::Write as _;

use anyhow::Result;
use keyless_issuer::Finding;
use keyless_issuer::verdict::Verdict;
use keyless_issuer::verify::KeyRow;

/// A finding on a few lines.
pub fn findings(out: &mut String, findings: &[Finding]) -> Result<()> {
    for finding in findings {
        writeln!(
            out,
            "{} {} {}",
            finding.severity,
            finding.code,
            finding.code.title()
        )?;
        writeln!(out, "  at        {}", finding.subject)?;
        for (name, text) in [
            ("observed", &finding.observed),
            ("required", &finding.required),
            ("fix", &finding.fix),
        ] {
            if !text.is_empty() {
                writeln!(out, "  {name:<9} {text}")?;
            }
        }
    }
    Ok(())
}

/// The keys, a line each.
pub fn keys(out: &mut String, keys: &[KeyRow]) -> Result<()> {
    for key in keys {
        writeln!(out, "key  {}  {}  {} bits", key.kid, key.alg, key.bits)?;
    }
    Ok(())
}

/// Who would trust it, a line each.
pub fn verdicts(out: &mut String, verdicts: &[Verdict]) -> Result<()> {
    for verdict in verdicts {
        let because: Vec<&str> = verdict.because.iter().map(|c| c.as_str()).collect();
        let line = format!(
            "{:<14} {:<8} {}",
            verdict.party.as_str(),
            verdict.answer.as_str(),
            because.join(" ")
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
