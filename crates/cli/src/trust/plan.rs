//! `keyless trust plan`: who logs in where, as what, and what each may read.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result};
use keyless_trust::plan::{Identity, Plan};
use serde_json::{Value, json};

use super::show::{self, Format};
use super::source::{self, Derived};
use crate::outcome::Outcome;

/// Flags of `keyless trust plan`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(flatten)]
    source: source::Flags,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Plans and prints.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let (text, outcome) = perform(flags)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(outcome)
}

/// The text for standard output, and how the command ends.
pub(super) fn perform(flags: &Flags) -> Result<(String, Outcome)> {
    match source::derive(&flags.source)? {
        Ok(derived) => Ok((text(&derived, flags.output)?, derived.outcome())),
        Err(outcome) => Ok((String::new(), outcome)),
    }
}

/// The plan in a format.
///
/// # Errors
/// Never in practice: a value that is no JSON.
fn text(derived: &Derived, format: Format) -> Result<String> {
    match format {
        Format::Text => people(&derived.plan),
        other => show::document(other, &program(derived)),
    }
}

fn people(plan: &Plan) -> Result<String> {
    let mut out = String::new();
    let issuer = plan.issuer.as_ref().map_or("not known", |i| i.as_str());
    writeln!(out, "issuer {issuer}")?;
    for identity in &plan.identities {
        let account = &identity.account;
        writeln!(
            out,
            "\n{} on {}: service account {}/{}",
            identity.name,
            identity.cloud.as_str(),
            account.namespace,
            account.name
        )?;
        writeln!(out, "  subject  {}", identity.subject())?;
        writeln!(out, "  audience {}", audience(identity))?;
        writeln!(out, "  becomes  {}", identity.becomes())?;
        for store in &identity.stores {
            writeln!(out, "  store    {store}")?;
        }
        for grant in &identity.grants {
            writeln!(
                out,
                "  {} {} in {}",
                grant.access.verb.as_str(),
                grant.access.scope,
                grant.access.place
            )?;
            for why in &grant.because {
                writeln!(out, "      for {why}")?;
            }
        }
    }
    if !plan.notes.is_empty() {
        writeln!(out, "\nnotes")?;
    }
    for note in &plan.notes {
        let code = if note.code.is_empty() {
            String::new()
        } else {
            format!(" [{}]", note.code)
        };
        writeln!(out, "  {}: {}{code}", note.object, note.text)?;
    }
    Ok(out)
}

fn audience(identity: &Identity) -> &str {
    match identity.audience.as_str() {
        "" => "the API server's own",
        other => other,
    }
}

fn program(derived: &Derived) -> Value {
    let plan = &derived.plan;
    let identities = plan.identities.iter().map(|identity| {
        let grants = identity.grants.iter().map(|grant| {
            json!({
                "verb": grant.access.verb.as_str(),
                "scope": grant.access.scope.to_string(),
                "place": grant.access.place.to_string(),
                "because": grant.because.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        json!({
            "name": identity.name,
            "cloud": identity.cloud.as_str(),
            "serviceAccount": {
                "namespace": identity.account.namespace,
                "name": identity.account.name,
            },
            "subject": identity.subject(),
            "audience": identity.audience,
            "becomes": identity.becomes(),
            "stores": identity.stores.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "grants": grants.collect::<Vec<_>>(),
        })
    });
    let notes = plan
        .notes
        .iter()
        .map(|note| json!({"code": note.code, "object": note.object, "text": note.text}));
    json!({
        "issuer": plan.issuer.as_ref().map(|i| i.as_str()),
        "identities": identities.collect::<Vec<_>>(),
        "notes": notes.collect::<Vec<_>>(),
        "unseen": derived.unseen,
        "leftOut": derived.wrong,
    })
}
