//! A diagnosis as text and as a page.

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
        out.push_str("\nnot looked at\n");
        for unseen in &diagnosis.unseen {
            let _ = writeln!(out, "  {}: {}", unseen.what, unseen.why);
        }
    }
    out
}

fn broken(out: &mut String, verdict: &Verdict) {
    let title = catalogue::row(verdict.code).map_or("", |row| row.title);
    let _ = writeln!(out, "     [{}] {title}", verdict.code);
    let _ = writeln!(out, "     about     {}", verdict.subject);
    if let Some(required) = &verdict.required {
        let _ = writeln!(out, "     required  {required}");
    }
    let _ = writeln!(out, "     fix       {}", verdict.fix);
    if let Some(place) = catalogue::place(verdict.code) {
        let _ = writeln!(out, "     see       {place}");
    }
}

/// One page that needs nothing else.
#[must_use]
pub fn html(diagnoses: &[Diagnosis]) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>keyless doctor</title><style>\n\
         body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1f24;background:#fff}\n\
         h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}\n\
         ol{list-style:none;padding:0;margin:0}li{display:grid;grid-template-columns:1.5rem 10rem 1fr;gap:.5rem;padding:.35rem .6rem;border-left:4px solid #c9d1d9}\n\
         li.holds{border-color:#2da44e}li.broken{border-color:#cf222e;background:#ffebe9}li.not-reached{color:#6e7781}\n\
         .mark{font-weight:700;text-align:center}.holds .mark{color:#1a7f37}.broken .mark{color:#cf222e}\n\
         dl{grid-column:1/-1;display:grid;grid-template-columns:7rem 1fr;margin:.4rem 0 0 2rem;gap:.2rem .5rem}dt{color:#57606a}dd{margin:0;overflow-wrap:anywhere}\n\
         .verdict{font-size:1.05rem;font-weight:600}code{font-family:ui-monospace,monospace;font-size:.9em}\n\
         @media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}li.broken{background:#3c1618}}\n\
         </style></head><body><h1>keyless doctor</h1>\n",
    );
    for diagnosis in diagnoses {
        section(&mut out, diagnosis);
    }
    out.push_str("</body></html>\n");
    out
}

fn section(out: &mut String, diagnosis: &Diagnosis) {
    let _ = writeln!(out, "<h2>{}</h2>", escape(&diagnosis.about));
    let verdict = match &diagnosis.broken {
        Some(broken) => format!(
            "Broken at {}: {} [{}]",
            broken.link,
            catalogue::row(broken.code).map_or("", |row| row.title),
            broken.code
        ),
        None if diagnosis.is_sound() => "Every link holds.".to_owned(),
        None => "No broken link found.".to_owned(),
    };
    let _ = writeln!(out, "<p class=\"verdict\">{}</p>", escape(&verdict));
    if let Some(identity) = &diagnosis.identity {
        let _ = writeln!(
            out,
            "<p><code>{}</code> for <code>{}</code>, to become {}</p>",
            escape(&identity.subject()),
            escape(&identity.audience),
            escape(&identity.becomes())
        );
    }
    out.push_str("<ol>\n");
    for step in &diagnosis.chain {
        let (class, mark) = match step.state {
            State::Holds => ("holds", "✓"),
            State::Broken => ("broken", "✗"),
            State::Unknown => ("unknown", "?"),
            State::NotReached => ("not-reached", "·"),
        };
        let evidence = if step.evidence.is_empty() {
            step.state.as_str()
        } else {
            step.evidence.as_str()
        };
        let _ = write!(
            out,
            "<li class=\"{class}\"><span class=\"mark\">{mark}</span><span>{}</span><span>{}</span>",
            step.link.as_str(),
            escape(evidence)
        );
        if let (State::Broken, Some(broken)) = (step.state, &diagnosis.broken) {
            out.push_str("<dl>");
            let required = broken.required.as_deref().unwrap_or_default();
            for (name, value) in [
                ("about", broken.subject.as_str()),
                ("required", required),
                ("fix", broken.fix.as_str()),
            ] {
                if !value.is_empty() {
                    let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", escape(value));
                }
            }
            out.push_str("</dl>");
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ol>\n");
    let further = diagnosis.further.iter();
    let further = further.map(|v| format!("[{}] {}: {}", v.code, v.subject, v.observed));
    list(out, "Beside it", further);
    let unseen = diagnosis
        .unseen
        .iter()
        .map(|u| format!("{}: {}", u.what, u.why));
    list(out, "Not looked at", unseen);
}

fn list(out: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "<h3>{title}</h3><ul>");
    for item in items {
        let _ = writeln!(
            out,
            "<li style=\"display:list-item;border:0\">{}</li>",
            escape(&item)
        );
    }
    out.push_str("</ul>\n");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
