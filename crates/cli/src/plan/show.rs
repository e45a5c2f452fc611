//! Plans for people and for programs.

use std::fmt::Write as _;

use anyhow::Result;
use keyless_controller::preview::{Action, Finding, Planned};
use keyless_secret::diff::{Change, Shown};
use serde_json::{Value, json};

/// How plans are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// All plans, each with its file, and the objects that cannot be read.
///
/// # Errors
/// Never in practice: a value that is no JSON.
pub fn text(
    format: Format,
    planned: &[(String, Planned)],
    wrong: &[(String, Finding)],
) -> Result<String> {
    if format == Format::Text {
        return people(planned, wrong);
    }
    let plans: Vec<Value> = planned
        .iter()
        .map(|(file, planned)| program(file, planned))
        .collect();
    let unreadable = wrong.iter();
    let unreadable = unreadable.map(|(file, error)| json!({"file": file, "error": fault(error)}));
    let document = json!({"plans": plans, "unreadable": unreadable.collect::<Vec<_>>()});
    Ok(match format {
        Format::Json => serde_json::to_string_pretty(&document)? + "\n",
        _ => keyless_api::to_yaml(&document),
    })
}

fn people(planned: &[(String, Planned)], wrong: &[(String, Finding)]) -> Result<String> {
    let mut out = String::new();
    for (_, plan) in planned {
        writeln!(out, "{} -> {}: {}", plan.object, plan.target, summary(plan))?;
        table(&mut out, plan)?;
        for orphan in &plan.orphans {
            writeln!(out, "  - {orphan}, written under an earlier target name")?;
        }
        if let Some(finding) = &plan.finding {
            writeln!(out, "  ! {finding}")?;
        }
        for note in &plan.notes {
            writeln!(out, "  note: {note}")?;
        }
    }
    for (file, finding) in wrong {
        writeln!(out, "{file}: {finding}")?;
    }
    Ok(out)
}

fn summary(plan: &Planned) -> String {
    let what = match plan.action {
        Action::Nothing => "nothing to do",
        Action::Create => "create",
        Action::Change => "change",
        Action::Delete => "delete",
        Action::Fail => "would fail",
    };
    match plan.changes.unchanged {
        0 => what.to_owned(),
        1 => format!("{what}, 1 key unchanged"),
        n => format!("{what}, {n} keys unchanged"),
    }
}

fn table(out: &mut String, plan: &Planned) -> Result<()> {
    let shown = |value: &Option<Shown>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
    let rows: Vec<[String; 4]> = plan
        .changes
        .changes
        .iter()
        .map(|c| {
            [
                c.part.as_str().to_owned(),
                c.key.clone(),
                shown(&c.from),
                shown(&c.to),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let heads = ["PART", "KEY", "NOW", "THEN"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows
            .iter()
            .chain([&heads])
            .filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut line = |sign: char, row: &[String; 4]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "  {sign} {}", cells.join("  ").trim_end())
    };
    line(' ', &heads)?;
    for (change, row) in plan.changes.changes.iter().zip(&rows) {
        line(change.sign(), row)?;
    }
    Ok(())
}

fn program(file: &str, plan: &Planned) -> Value {
    let reference = |object: &keyless_fault::ObjectRef| json!({"kind": object.kind, "namespace": object.namespace, "name": object.name});
    json!({
        "file": file,
        "object": reference(&plan.object),
        "target": reference(&plan.target),
        "action": plan.action.as_str(),
        "changes": plan.changes.changes.iter().map(change).collect::<Vec<_>>(),
        "unchanged": plan.changes.unchanged,
        "orphans": plan.orphans.iter().map(reference).collect::<Vec<_>>(),
        "notes": plan.notes,
        "error": plan.finding.as_ref().map(fault),
    })
}

fn change(change: &Change) -> Value {
    let shown = |value: &Option<Shown>| match value {
        None => Value::Null,
        Some(Shown::Word(word)) => json!({"word": word}),
        Some(Shown::Fingerprint { length, hash }) => json!({"length": length, "hash": hash}),
    };
    let what = match change.sign() {
        '+' => "add",
        '-' => "remove",
        _ => "change",
    };
    json!({
        "part": change.part.as_str(), "key": change.key, "change": what,
        "from": shown(&change.from), "to": shown(&change.to),
    })
}

fn fault(finding: &Finding) -> Value {
    json!({
        "path": finding.path,
        "line": finding.place.map(|place| place.line),
        "column": finding.place.and_then(|place| place.column),
        "message": finding.message,
        "link": finding.link.as_str(),
        "class": finding.class.as_str(),
        "couldNotLook": finding.is_blind(),
    })
}
