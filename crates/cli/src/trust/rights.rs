//! `keyless trust rights`: the least rights that the operator needs in the cluster, as values of
//! the Helm chart.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result};
use keyless_trust::plan::{self, Namespaces, Reach};
use serde_json::{Value, json};

use super::objects;
use super::show::{self, Format};
use crate::outcome::Outcome;

/// The most objects that a comment names.
const SHOWN: usize = 3;

/// Flags of `keyless trust rights`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(flatten)]
    objects: objects::Flags,
    /// text: a values file for people, with the objects that need each line
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Looks and prints.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let (text, outcome) = perform(flags)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(outcome)
}

/// The text for standard output, and how the command ends.
pub(super) fn perform(flags: &Flags) -> Result<(String, Outcome)> {
    let read = flags.objects.read()?;
    if read.is_empty() {
        let text = "there is no store and no ExternalSecret that needs rights";
        return Ok((String::new(), Outcome::WrongUse(text.to_owned())));
    }
    let reach = plan::reach(&read.inventory);
    // The issuer is no matter of rights: that it is not known changes nothing here.
    let outcome = show::completeness(&read.unseen, &read.wrong);
    let text = match flags.output {
        Format::Text => values(&reach)?,
        other => show::document(other, &program(&reach))?,
    };
    Ok((text, outcome))
}

fn values(reach: &Reach) -> Result<String> {
    let mut out = String::from(
        "# The least rights for what is there. Objects in other namespaces are told that rights are\n\
         # missing: make this file anew when stores or ExternalSecrets come to a new namespace.\n\
         rbac:\n  profile: least\n",
    );
    list(&mut out, "namespaces", &reach.secrets)?;
    list(&mut out, "tokenNamespaces", &reach.tokens)?;
    // Without a list, Helm would look at the cluster by itself, and find the same or less.
    if reach.tokens.is_empty() {
        out.push_str("  serviceAccountTokenCreate: false\n");
    }
    writeln!(out, "processClusterStore: {}", reach.cluster_stores)?;
    writeln!(
        out,
        "processClusterExternalSecret: {}",
        reach.cluster_external_secrets
    )?;
    for (kind, objects) in &reach.targets {
        let who = named(objects);
        let text = format!("{who} writes {kind}: see genericTargets.resources in values.yaml");
        writeln!(out, "# {}", on_one_line(&text))?;
    }
    for note in &reach.notes {
        let text = format!("{}: {}", note.object, note.text);
        writeln!(out, "# {}", on_one_line(&text))?;
    }
    Ok(out)
}

fn list(out: &mut String, name: &str, namespaces: &Namespaces) -> Result<()> {
    if namespaces.is_empty() {
        writeln!(out, "  {name}: []")?;
        return Ok(());
    }
    writeln!(out, "  {name}:")?;
    for (namespace, objects) in namespaces {
        // A name such as `on` or `1` is no text without quotes.
        let quoted = serde_json::to_string(&on_one_line(namespace))?;
        writeln!(out, "    - {quoted} # {}", on_one_line(&named(objects)))?;
    }
    Ok(())
}

fn named(objects: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = objects.iter().take(SHOWN).map(String::as_str).collect();
    let more = objects.len().saturating_sub(SHOWN);
    let mut text = shown.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// What a manifest says, for a comment. Whoever may write an ExternalSecret chooses its words, and
/// the file goes to Helm: nothing that some reader of YAML takes for a line's end may be in it.
fn on_one_line(text: &str) -> String {
    let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    text.replace(ends, " ")
}

fn program(reach: &Reach) -> Value {
    json!({
        "secrets": reach.secrets,
        "tokens": reach.tokens,
        "clusterSecretStores": reach.cluster_stores,
        "clusterExternalSecrets": reach.cluster_external_secrets,
        "targets": reach.targets,
        "notes": reach.notes.iter().map(|n| json!({"object": n.object, "text": n.text})).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind may be any text, and a manifest any names.
    #[test]
    fn what_a_manifest_says_adds_no_value() {
        let hostile = "X\nimage: {repository: evil}\u{2028}a: b\u{85}c: d\r# ";
        let one = BTreeSet::from([hostile.to_owned()]);
        let reach = Reach {
            secrets: [(hostile.to_owned(), one.clone())].into(),
            tokens: [(hostile.to_owned(), one.clone())].into(),
            targets: [(hostile.to_owned(), one)].into(),
            notes: vec![plan::Note {
                code: "",
                object: hostile.to_owned(),
                text: hostile.to_owned(),
            }],
            ..Reach::default()
        };
        let text = values(&reach).unwrap();
        assert!(!text.contains(['\u{2028}', '\u{85}', '\r']), "{text:?}");
        let values: Value = serde_saphyr::from_str(&text).unwrap();
        let names: Vec<&String> = values.as_object().unwrap().keys().collect();
        let known = [
            "rbac",
            "processClusterStore",
            "processClusterExternalSecret",
        ];
        assert_eq!(names.len(), known.len(), "{text}");
        assert!(
            known.iter().all(|name| values.get(name).is_some()),
            "{text}"
        );
        assert_eq!(values["rbac"].as_object().unwrap().len(), 3, "{text}");
    }
}
