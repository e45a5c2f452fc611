//! `keyless issuer inspect`: what the API servers say, whether clouds could trust it, and the flags
//! that would change that.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use keyless_issuer::cluster::ApiServer;
use keyless_issuer::facts::Server;
use keyless_issuer::fetch::unix_now;
use keyless_issuer::flags::{self as advice, Distribution};
use keyless_issuer::rules;
use keyless_issuer::rules::servers::{Judged, judge};
use keyless_issuer::verdict::{Answer, Verdict, verdicts};
use keyless_issuer::verify::key_rows;
use keyless_issuer::{Code, Finding, Party};
use serde_json::json;

use super::{Format, by_severity, print, servers, show};
use crate::outcome::Outcome;

/// Flags of `keyless issuer inspect`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(flatten)]
    servers: servers::Flags,
    /// The issuer that the cluster shall have, for the advice
    #[arg(long, value_name = "URL")]
    wanted: Option<String>,
    /// Give the advice for this distribution only
    #[arg(long, value_enum)]
    distribution: Option<Choice>,
    /// A file with the token of a running pod: whether API servers still take it after a change of the issuer
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    Kubeadm,
    K3s,
    Rke2,
    Talos,
    Kops,
    Plain,
}

impl Choice {
    const fn distribution(self) -> Distribution {
        match self {
            Self::Kubeadm => Distribution::Kubeadm,
            Self::K3s => Distribution::K3s,
            Self::Rke2 => Distribution::Rke2,
            Self::Talos => Distribution::Talos,
            Self::Kops => Distribution::Kops,
            Self::Plain => Distribution::Plain,
        }
    }
}

/// Looks and prints.
pub async fn run(flags: &Flags) -> Result<Outcome> {
    let account = flags.servers.account()?;
    let mut seen: Vec<Server> = Vec::new();
    let servers = servers::servers(&flags.servers).await?;
    for server in &servers {
        seen.push(server.look(Some(&account)).await);
    }
    if seen
        .iter()
        .all(|s| unheard(&s.discovery) && unheard(&s.keys))
    {
        let said = seen
            .first()
            .and_then(|s| s.discovery.as_ref().err())
            .map(|r| r.message.clone());
        return Ok(Outcome::CouldNotLook(format!(
            "no API server answers: {}",
            said.unwrap_or_default()
        )));
    }
    let mut judged = judge(&seen, unix_now());
    if let Some(file) = &flags.token {
        let refused = held(file, &servers, &judged).await?;
        judged.findings.extend(refused);
    }
    let mut sorted = judged.clone();
    sorted
        .findings
        .sort_by(|a, b| b.severity.cmp(&a.severity).then(a.code.cmp(&b.code)));
    let verdicts = verdicts(&sorted.findings);
    let changes = changes(flags, &sorted);
    print(&match flags.output {
        Format::Text => people(&sorted, &verdicts, &changes)?,
        Format::Json => program(&sorted, &verdicts, &changes)?,
    })?;
    Ok(by_severity(
        keyless_issuer::finding::worst(&sorted.findings),
        "the API servers",
    ))
}

/// What API servers say of a token that a pod holds.
async fn held(file: &Path, servers: &[ApiServer], judged: &Judged) -> Result<Vec<Finding>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let text = text.trim();
    let audiences = rules::old::audiences(text);
    let mut found = Vec::new();
    for (server, said) in servers.iter().zip(&judged.said) {
        let accepted = server.accepts(text, &audiences).await.map_err(|refused| {
            anyhow::anyhow!(
                "{} does not say whether it takes the token of {name} (it needs the verb create on tokenreviews): {}",
                said.name,
                refused.message
            )
        })?;
        if !accepted {
            found.extend(rules::old::refused(text, said, unix_now()));
        }
    }
    Ok(found)
}

fn unheard<T>(answer: &Result<T, keyless_issuer::facts::Refused>) -> bool {
    answer.as_ref().is_err_and(|r| r.status.is_none())
}

/// The flags to set, if they must be others.
fn changes(flags: &Flags, judged: &Judged) -> Vec<(&'static str, String)> {
    let wrong = [Code::K1, Code::K2, Code::K3, Code::K4, Code::K5];
    let needed = judged
        .findings
        .iter()
        .any(|f| wrong.contains(&f.code) && f.severity >= keyless_issuer::Severity::Error);
    if !needed && flags.wanted.is_none() {
        return Vec::new();
    }
    let wanted = flags
        .wanted
        .as_deref()
        .unwrap_or("https://ISSUER.EXAMPLE.COM/CLUSTER");
    let present = judged
        .issuer()
        .or_else(|| judged.said.iter().find_map(|s| s.token_issuer.as_deref()));
    let chosen: Vec<Distribution> = match flags.distribution {
        Some(choice) => vec![choice.distribution()],
        None => Distribution::ALL.to_vec(),
    };
    chosen
        .into_iter()
        .map(|d| (d.as_str(), advice::issuer(d, wanted, present)))
        .collect()
}

fn sentence(verdicts: &[Verdict]) -> String {
    let clouds = [Party::Aws, Party::Entra, Party::Google];
    let of = |answer: Answer| -> Vec<&str> {
        let found = verdicts
            .iter()
            .filter(|v| clouds.contains(&v.party) && v.answer == answer);
        found.map(|v| v.party.as_str()).collect()
    };
    let (no, yes) = (of(Answer::No), of(Answer::Yes));
    if no.len() == clouds.len() {
        "No cloud can trust this cluster today.".to_owned()
    } else if no.is_empty() && yes.len() == clouds.len() {
        "Every cloud could trust this cluster, once the documents are published: `keyless issuer publish`, then `verify`.".to_owned()
    } else if no.is_empty() {
        "Every cloud could trust this cluster, with the warnings above.".to_owned()
    } else {
        format!("{} cannot trust this cluster today.", no.join(" and "))
    }
}

fn people(
    judged: &Judged,
    verdicts: &[Verdict],
    changes: &[(&'static str, String)],
) -> Result<String> {
    let mut out = String::new();
    for said in &judged.said {
        writeln!(out, "API server {}", said.name)?;
        for (name, value) in [
            ("issuer", &said.issuer),
            ("jwks_uri", &said.jwks_uri),
            ("signs with", &said.signs_with),
            ("iss of a token", &said.token_issuer),
        ] {
            if let Some(value) = value {
                writeln!(out, "  {name:<15} {value}")?;
            }
        }
        if let Some(keys) = &said.keys {
            show::keys(&mut out, &key_rows(keys))?;
        }
    }
    out.push('\n');
    if !judged.findings.is_empty() {
        show::findings(&mut out, &judged.findings)?;
        out.push('\n');
    }
    show::verdicts(&mut out, verdicts)?;
    writeln!(out, "\n{}", sentence(verdicts))?;
    for (name, text) in changes {
        writeln!(out, "\n--- {name}\n{}", text.trim_end())?;
    }
    Ok(out)
}

fn program(
    judged: &Judged,
    verdicts: &[Verdict],
    changes: &[(&'static str, String)],
) -> Result<String> {
    let servers: Vec<_> = judged
        .said
        .iter()
        .map(|said| {
            json!({"name": said.name, "issuer": said.issuer, "jwksUri": said.jwks_uri,
                "signsWith": said.signs_with, "tokenIssuer": said.token_issuer,
                "keys": said.keys.as_ref().map(key_rows)})
        })
        .collect();
    let changes: serde_json::Map<String, serde_json::Value> = changes
        .iter()
        .map(|(name, text)| ((*name).to_owned(), json!(text)))
        .collect();
    let document = json!({"servers": servers, "findings": judged.findings, "verdicts": verdicts,
        "says": sentence(verdicts), "changes": changes});
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
