//! A diagnosis as text.

use std::fmt::Write as _;

use super::{Diagnosis, State, Verdict};
use crate::catalogue;

/// The chain for people.
#[must_use]
pub fn text(diagnosis: &Diagnosis) -> String {
    let mut out = format!("{}\n", diagnosis.about);
    if let Some(identity) = &diagnosis.identity {
        let _ = writeln!(
            out,
            "  {} for {:?}, to become {}",
            identity.subject(),
            identity.audience,
            identity.becomes()
        );
    }
    out.push('\n');
    for step in &diagnosis.chain {
        let sign = match step.state {
            State::Holds => "ok",
            State::Broken => "XX",
            State::Unknown => " ?",
            State::NotReached => "  ",
        };
        let evidence = match step.state {
            State::NotReached => "not reached",
            State::Unknown => "not known",
            _ => step.evidence.as_str(),
        };
        let _ = writeln!(out, "  {sign} {:<16} {evidence}", step.link.as_str());
        if let (State::Broken, Some(broken)) = (step.state, &diagnosis.broken) {
            self::broken(&mut out, broken);
        }
    }
    if diagnosis.broken.is_none() {
        let end = if diagnosis.is_sound() {
            "every link holds"
        } else {
            "no broken link found"
        };
        let _ = writeln!(out, "\n{end}");
    }
    if !diagnosis.further.is_empty() {
        out.push_str("\nbeside it\n");
        for verdict in &diagnosis.further {
            let _ = writeln!(
                out,
                "  [{}] {}: {}",
                verdict.code, verdict.subject, verdict.observed
            );
        }
    }
    if !diagnosis.unseen.is_empty() {
        out.push_str("\npartial: not looked at\n");
        for unseen in &diagnosis.unseen {
            let _ = writeln!(out, "  {}: {}", unseen.what, unseen.why);
        }
    }
    out
}

fn broken(out: &mut String, verdict: &Verdict) {
    if let Some(row) = catalogue::row(verdict.code) {
        let _ = writeln!(out, "     [{}] {}", row.code, row.title);
    }
    let _ = writeln!(out, "     about     {}", verdict.subject);
    if let Some(required) = &verdict.required {
        let _ = writeln!(out, "     required  {required}");
    }
    let _ = writeln!(out, "     fix       {}", verdict.fix);
    if let Some(place) = catalogue::place(verdict.code) {
        let _ = writeln!(out, "     see       {place}");
    }
}
