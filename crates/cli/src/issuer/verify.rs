//! `keyless issuer verify`: the published documents as a cloud sees them.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use keyless_issuer::verify::{Question, Report, Sample, verify};

use super::{Format, by_severity, outlook, print, servers, show};
use crate::outcome::Outcome;

/// Flags of `keyless issuer verify`.
#[derive(clap::Args)]
pub struct Flags {
    /// The issuer, exactly as tokens have it
    issuer: String,
    #[command(flatten)]
    outlook: outlook::Flags,
    /// A file with a token that must be good; - is standard input; may be repeated
    #[arg(long, value_name = "FILE")]
    token: Vec<PathBuf>,
    /// The audience that the tokens must be for
    #[arg(long)]
    audience: Option<String>,
    /// The subject that the tokens must be of, such as system:serviceaccount:NAMESPACE:NAME
    #[arg(long)]
    subject: Option<String>,
    /// Mint a fresh token at every API server of this kubeconfig, and hold it against the documents
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; may be repeated
    #[arg(long, value_name = "NAME")]
    context: Vec<String>,
    /// The key set that was uploaded to a Google provider (jwks_json)
    #[arg(long, value_name = "FILE")]
    google_jwks: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Looks and prints.
pub async fn run(flags: &Flags) -> Result<Outcome> {
    let outlook = outlook::outlook(&flags.outlook)?;
    let mut question = Question {
        issuer: flags.issuer.clone(),
        ..Question::default()
    };
    let sample = |name: String, text: String, audience: Option<String>, seconds| Sample {
        name,
        text,
        audience,
        subject: flags.subject.clone(),
        seconds,
    };
    let mut blind = Vec::new();
    for file in &flags.token {
        match read(file) {
            Ok(text) => question.tokens.push(sample(
                file.display().to_string(),
                text,
                flags.audience.clone(),
                None,
            )),
            Err(error) => blind.push(unreadable(file, &error)),
        }
    }
    if flags.kubeconfig.is_some() || !flags.context.is_empty() {
        let chosen = servers::Flags::of(
            flags.kubeconfig.clone(),
            flags.context.clone(),
            flags.audience.as_deref(),
        );
        let account = chosen.account()?;
        for server in servers::servers(&chosen).await? {
            let minted = server.mint(&account).await.map_err(|refused| {
                anyhow::anyhow!("{} mints no token: {}", server.name(), refused.message)
            })?;
            question.tokens.push(Sample {
                subject: None,
                ..sample(
                    server.name().to_owned(),
                    minted.token,
                    Some(minted.audience),
                    Some(minted.seconds),
                )
            });
        }
    }
    if let Some(file) = &flags.google_jwks {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        question.inline = Some(bytes);
    }
    let mut report = verify(&outlook, &question).await;
    report.findings.splice(0..0, blind);
    report
        .findings
        .sort_by_key(|f| std::cmp::Reverse(f.severity));
    print(&match flags.output {
        Format::Text => people(&report)?,
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    })?;
    Ok(by_severity(report.worst(), &flags.issuer))
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}

fn unreadable(file: &Path, error: &std::io::Error) -> keyless_issuer::Finding {
    use keyless_issuer::{Code, Finding, Parties};
    Finding::new(Code::K17, file.display().to_string())
        .observed(error.to_string())
        .required("a token file that this user may read")
        .fix("Set fsGroup in the pod's securityContext, or run as the user that the token was projected for")
        .hurts(Parties::NONE)
}

fn people(report: &Report) -> Result<String> {
    let mut out = String::new();
    for row in &report.fetched {
        let status = row.status.map_or("no answer".to_owned(), |s| s.to_string());
        let mut line = format!("{}  {status}", row.url);
        if let (Some(bytes), Some(milliseconds)) = (row.bytes, row.milliseconds) {
            write!(line, "  {bytes} bytes  {milliseconds} ms")?;
        }
        for text in [&row.content_type, &row.cache_control]
            .into_iter()
            .flatten()
        {
            write!(line, "  {text}")?;
        }
        writeln!(out, "{line}")?;
    }
    show::keys(&mut out, &report.keys)?;
    out.push('\n');
    if !report.findings.is_empty() {
        show::findings(&mut out, &report.findings)?;
        out.push('\n');
    }
    show::verdicts(&mut out, &report.verdicts)?;
    Ok(out)
}
