//! Diagnoses as one page that needs nothing else: no script, no font, no request.
//!
//! The first thing that is read is which link is broken and what to do; a text that others wrote
//! cannot push that out of sight, however long it is, and cannot become markup.

use std::fmt::Write as _;

use super::{Diagnosis, State, Verdict};
use crate::catalogue;

const STYLE: &str = include_str!("page.css");

/// The page. Broken chains come first.
#[must_use]
pub fn html(diagnoses: &[Diagnosis]) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>keyless doctor</title><style>\n",
    );
    out.push_str(STYLE);
    out.push_str("</style></head><body>\n<header><h1>keyless doctor</h1>");
    summary(&mut out, diagnoses);
    out.push_str("</header>\n<main>\n");
    let mut order: Vec<&Diagnosis> = diagnoses.iter().collect();
    order.sort_by_key(|d| (d.broken.is_none(), d.is_sound()));
    if order.len() > 1 {
        contents(&mut out, &order);
    }
    for (at, diagnosis) in order.into_iter().enumerate() {
        section(&mut out, at, diagnosis);
    }
    out.push_str("</main>\n</body></html>\n");
    out
}

/// How a diagnosis ends, as a class and in words.
fn end(diagnosis: &Diagnosis) -> (&'static str, &'static str) {
    match &diagnosis.broken {
        Some(_) => ("broken", "broken"),
        None if diagnosis.is_sound() => ("holds", "sound"),
        None => ("unknown", "not known whole"),
    }
}

fn summary(out: &mut String, diagnoses: &[Diagnosis]) {
    let count = |class: &str| diagnoses.iter().filter(|d| end(d).0 == class).count();
    out.push_str("<p class=\"summary\">");
    for (class, word) in [
        ("broken", "broken"),
        ("unknown", "not known whole"),
        ("holds", "sound"),
    ] {
        let count = count(class);
        if count > 0 {
            let _ = write!(out, "<span class=\"tag {class}\">{count} {word}</span> ");
        }
    }
    out.push_str("</p>");
}

/// The way to each of several chains.
fn contents(out: &mut String, order: &[&Diagnosis]) {
    out.push_str("<nav><ul>\n");
    for (at, diagnosis) in order.iter().enumerate() {
        let (class, word) = end(diagnosis);
        let code = diagnosis.broken.as_ref().map_or(word, |b| b.code);
        let code = if code.is_empty() { word } else { code };
        let _ = writeln!(
            out,
            "<li><span class=\"tag {class}\">{code}</span> <a href=\"#d{at}\">{}</a></li>",
            escape(&diagnosis.about)
        );
    }
    out.push_str("</ul></nav>\n");
}

fn section(out: &mut String, at: usize, diagnosis: &Diagnosis) {
    let (class, _) = end(diagnosis);
    let _ = write!(
        out,
        "<article id=\"d{at}\" class=\"{class}\">\n<h2 class=\"long\">{}</h2>\n",
        escape(&diagnosis.about)
    );
    strip(out, diagnosis);
    match &diagnosis.broken {
        Some(broken) => verdict(out, broken),
        None if diagnosis.is_sound() => {
            out.push_str("<p class=\"verdict\">Every link holds.</p>\n")
        }
        None => out.push_str("<p class=\"verdict\">No broken link found.</p>\n"),
    }
    if !diagnosis.unseen.is_empty() {
        let _ = writeln!(
            out,
            "<p class=\"partial\">Partial: {} could not be looked at; see below.</p>",
            match diagnosis.unseen.len() {
                1 => "one thing".to_owned(),
                n => format!("{n} things"),
            }
        );
    }
    if let Some(identity) = &diagnosis.identity {
        let _ = writeln!(
            out,
            "<p class=\"identity long\"><code>{}</code> with a token for <code>{}</code> becomes {}</p>",
            escape(&identity.subject()),
            escape(&identity.audience),
            escape(&identity.becomes())
        );
    }
    chain(out, diagnosis);
    let further = diagnosis.further.iter();
    let further = further.map(|v| (format!("{} {}", v.code, v.subject), v.observed.clone()));
    list(out, "Beside it", further);
    let unseen = diagnosis.unseen.iter();
    let unseen = unseen.map(|u| (u.what.clone(), u.why.clone()));
    list(out, "Not looked at", unseen);
    out.push_str("</article>\n");
}

fn class_of(state: State) -> &'static str {
    match state {
        State::Holds => "holds",
        State::Broken => "broken",
        State::Unknown => "unknown",
        State::NotReached => "not-reached",
    }
}

/// The whole chain in one line, for the eye.
fn strip(out: &mut String, diagnosis: &Diagnosis) {
    out.push_str("<div class=\"strip\" aria-hidden=\"true\">");
    for step in &diagnosis.chain {
        let _ = write!(out, "<i class=\"{}\"></i>", class_of(step.state));
    }
    out.push_str("</div>\n");
}

fn verdict(out: &mut String, broken: &Verdict) {
    let _ = write!(
        out,
        "<section class=\"card\"><p class=\"verdict\">Broken at {}",
        broken.link
    );
    if let Some(row) = catalogue::row(broken.code) {
        let _ = write!(
            out,
            ": {} <span class=\"code\">{}</span>",
            escape(row.title),
            row.code
        );
    }
    out.push_str("</p>\n<dl>");
    let row = |out: &mut String, name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(
                out,
                "<dt>{name}</dt><dd class=\"{name} long\">{}</dd>",
                commands(value)
            );
        }
    };
    row(out, "fix", &broken.fix);
    row(out, "observed", &broken.observed);
    row(
        out,
        "required",
        broken.required.as_deref().unwrap_or_default(),
    );
    row(out, "about", &broken.subject);
    if let Some(place) = catalogue::place(broken.code) {
        row(out, "see", &place);
    }
    out.push_str("</dl></section>\n");
}

fn chain(out: &mut String, diagnosis: &Diagnosis) {
    out.push_str("<ol class=\"chain\">\n");
    for step in &diagnosis.chain {
        let mark = match step.state {
            State::Holds => "✓",
            State::Broken => "✗",
            State::Unknown => "?",
            State::NotReached => "·",
        };
        let evidence = match (step.state, step.evidence.as_str()) {
            (State::Broken, _) => "broken here",
            (State::Unknown, "") => "nothing is known of it",
            (state, "") => state.as_str(),
            (_, evidence) => evidence,
        };
        let _ = writeln!(
            out,
            "<li class=\"{}\"><span class=\"mark\">{mark}</span><span class=\"name\">{}</span><span class=\"evidence long\">{}</span></li>",
            class_of(step.state),
            step.link.as_str(),
            escape(evidence)
        );
    }
    out.push_str("</ol>\n");
}

fn list(out: &mut String, title: &str, items: impl Iterator<Item = (String, String)>) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "<h3>{title}</h3>\n<ul class=\"notes\">");
    for (name, text) in items {
        let _ = writeln!(
            out,
            "<li class=\"long\"><b>{}</b>: {}</li>",
            escape(&name),
            escape(&text)
        );
    }
    out.push_str("</ul>\n");
}

/// What stands between backticks is to be typed.
fn commands(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let mut out = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        let part = escape(part);
        if !at.is_multiple_of(2) {
            let _ = write!(out, "<code>{part}</code>");
        } else {
            out.push_str(&part);
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A text in another direction must not turn what is around it.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
