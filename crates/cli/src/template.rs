//! `keyless template`: the Secret that an ExternalSecret's templates make of given values,
//! with nothing contacted.

use std::path::PathBuf;

use anyhow::{Context, Result};
use keyless_controller::preview::{self, Values};
use keyless_secret::template::SourceKind;
use serde_json::{Value, json};

use crate::manifest_files::{self, Encoding, Manifests};
use crate::outcome::Outcome;

/// Flags of `keyless template`. Those with long names are esoctl's.
#[derive(clap::Args)]
pub struct Flags {
    /// Manifests of ExternalSecrets or PushSecrets; ConfigMaps and Secrets beside them are used
    /// by templateFrom; - is standard input
    #[arg(short, long, value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// The same for one file, under esoctl's name
    #[arg(long, value_name = "FILE")]
    source_templated_object: Option<PathBuf>,
    /// Fetched values by key: a map of strings in YAML or JSON, or the manifest of a Secret
    #[arg(long, value_name = "FILE", conflicts_with = "source_secret_data_file")]
    values: Option<PathBuf>,
    /// The same with values in base64, as esoctl reads them
    #[arg(long, value_name = "FILE")]
    source_secret_data_file: Option<PathBuf>,
    /// A ConfigMap that stands for every one that templateFrom names
    #[arg(long, value_name = "FILE")]
    template_from_config_map: Option<PathBuf>,
    /// A Secret that stands for every one that templateFrom names
    #[arg(long, value_name = "FILE")]
    template_from_secret: Option<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short, long)]
    namespace: Option<String>,
    /// Write the result to this file, for its owner only, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How the result is written
    #[arg(short = 'o', long, value_enum, default_value = "yaml")]
    format: Format,
}

/// How manifests are written.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Documents, separated by lines of ---
    Yaml,
    /// One object, or a List of them
    Json,
}

/// Renders all objects; those that fail are findings.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let mut files = flags.filename.clone();
    files.extend(flags.source_templated_object.clone());
    if files.is_empty() {
        return Ok(Outcome::WrongUse("no manifest given: use -f FILE".into()));
    }
    let is_format = |file: &PathBuf| ["yaml", "json"].iter().any(|f| file.as_os_str() == *f);
    if flags.output.as_ref().is_some_and(is_format) {
        let text = "--output takes a file, as esoctl's does; the format is -o yaml or -o json";
        return Ok(Outcome::WrongUse(text.into()));
    }
    let mut manifests = manifest_files::manifests(&files, flags.namespace.as_deref())?;
    for (file, kind) in [
        (&flags.template_from_config_map, SourceKind::ConfigMap),
        (&flags.template_from_secret, SourceKind::Secret),
    ] {
        let Some(file) = file else { continue };
        let mut documents = manifest_files::read(file)?.into_iter();
        let object = documents.next().unwrap_or_default();
        manifests.given.stand_in(kind, object);
    }
    let values = match (&flags.values, &flags.source_secret_data_file) {
        (Some(file), _) => manifest_files::values(file, Encoding::Plain)?,
        (None, Some(file)) => manifest_files::values(file, Encoding::Base64)?,
        (None, None) => Values::new(),
    };
    let (secrets, problems) = render(&manifests, &values);
    if !secrets.is_empty() {
        write(flags, &text(flags.format, secrets)?)?;
    }
    Ok(match problems.len() {
        0 if manifests.subjects.is_empty() => {
            Outcome::WrongUse("the files hold no ExternalSecret and no PushSecret".into())
        }
        0 => Outcome::Fine,
        _ => Outcome::Findings(problems.join("\nkeyless: ")),
    })
}

/// The Secrets, and what is wrong with the others. Notes go to standard error.
fn render(manifests: &Manifests, values: &Values) -> (Vec<Value>, Vec<String>) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    for other in &manifests.others {
        eprintln!("keyless: note: {other}");
    }
    let mut problems: Vec<String> = Vec::new();
    for (file, finding) in &manifests.wrong {
        problems.push(format!("{file}: {finding}"));
    }
    let mut secrets = Vec::new();
    for (file, subject) in &manifests.subjects {
        match preview::render(subject, values, &manifests.given, now) {
            Ok(rendered) => {
                for note in &rendered.notes {
                    eprintln!("keyless: note: {file}: {note}");
                }
                secrets.push(rendered.secret);
            }
            Err(finding) => problems.push(format!("{file}: {}: {finding}", subject.reference())),
        }
    }
    (secrets, problems)
}

fn text(format: Format, mut secrets: Vec<Value>) -> Result<String> {
    Ok(match format {
        Format::Yaml => {
            let documents: Vec<String> = secrets.iter().map(keyless_api::to_yaml).collect();
            documents.join("---\n")
        }
        Format::Json => {
            let document = match (secrets.pop(), secrets.is_empty()) {
                (Some(only), true) => only,
                (last, _) => {
                    secrets.extend(last);
                    json!({"apiVersion": "v1", "kind": "List", "items": secrets})
                }
            };
            serde_json::to_string_pretty(&document)? + "\n"
        }
    })
}

fn write(flags: &Flags, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let Some(file) = &flags.output else {
        return std::io::stdout()
            .write_all(text.as_bytes())
            .context("cannot write to standard output");
    };
    // What is written holds secrets.
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    const MANIFESTS: &str = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: one}
spec:
  data: [{secretKey: user, remoteRef: {key: /user}}]
  target:
    template:
      data: {greeting: 'hello {{ .user }}'}
      templateFrom: [{configMap: {name: anything, items: [{key: k, templateAs: KeysAndValues}]}}]
---
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: two, namespace: apps}
spec:
  data: [{secretKey: user, remoteRef: {key: /user}}]
---
kind: Deployment
apiVersion: apps/v1
";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                std::fs::write(folder.path().join(name), text).unwrap();
            }
            Self(folder)
        }

        /// Runs with the file names in `arguments` taken from the folder; the outcome and what
        /// was written to `out`.
        fn run(&self, arguments: &str) -> (Outcome, String) {
            let arguments = arguments.split(' ').map(|word| {
                let file = self.0.path().join(word);
                if file.exists() || word == "out" {
                    file.into_os_string()
                } else {
                    word.into()
                }
            });
            let all = ["keyless".into(), "template".into()]
                .into_iter()
                .chain(arguments);
            let Command::Template(flags) = Cli::try_parse_from(all).unwrap().command else {
                panic!("another command")
            };
            let outcome = run(&flags).unwrap_or_else(Outcome::from_error);
            let written = std::fs::read_to_string(self.0.path().join("out"));
            (outcome, written.unwrap_or_default())
        }
    }

    #[test]
    fn esoctls_flags_and_kubectls_habits_give_the_same() {
        let folder = Folder::new(&[
            ("es.yaml", MANIFESTS),
            ("values.yaml", "user: ada"),
            ("b64.yaml", "user: YWRh"),
            (
                "map.yaml",
                "kind: ConfigMap\nmetadata: {name: m}\ndata: {k: 'x: \"1\"'}",
            ),
        ]);
        let (outcome, ours) = folder.run(
            "-f es.yaml --values values.yaml --template-from-config-map map.yaml --output out",
        );
        assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
        let (outcome, esoctl) = folder.run(
            "--source-templated-object es.yaml --source-secret-data-file b64.yaml --template-from-config-map map.yaml --output out",
        );
        assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
        assert_eq!(ours, esoctl);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&ours).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(
            documents[0]["data"],
            json!({"greeting": "aGVsbG8gYWRh", "x": "MQ=="})
        );
        assert_eq!(documents[0]["metadata"].get("namespace"), None);
        assert_eq!(documents[1]["metadata"]["namespace"], "apps");
        assert_eq!(documents[1]["data"], json!({"user": "YWRh"}));
        let (_, list) = folder.run(
            "-f es.yaml --values values.yaml --template-from-config-map map.yaml -o json --output out",
        );
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["kind"], "List");
        assert_eq!(list["items"][1]["data"], json!({"user": "YWRh"}));
    }

    #[test]
    fn outcomes_have_their_exit_codes() {
        let folder = Folder::new(&[
            ("es.yaml", MANIFESTS),
            ("values.yaml", "user: ada"),
            ("none.yaml", "kind: Deployment"),
            ("broken.yaml", "a: ["),
        ]);
        // The ConfigMap is missing: one object fails, the other is still rendered.
        let (outcome, out) = folder.run("-f es.yaml --values values.yaml --output out");
        let Outcome::Findings(text) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            text.contains("es.yaml: ExternalSecret one: spec.target.template.templateFrom[0]"),
            "{text}"
        );
        assert!(
            out.contains("name: two") && !out.contains("name: one"),
            "{out}"
        );
        for arguments in [
            "--values values.yaml",
            "-f none.yaml",
            "-f es.yaml --output yaml",
        ] {
            let (outcome, _) = folder.run(arguments);
            assert!(
                matches!(outcome, Outcome::WrongUse(_)),
                "{arguments}: {outcome:?}"
            );
        }
        for arguments in ["-f missing.yaml", "-f broken.yaml"] {
            let (outcome, _) = folder.run(arguments);
            assert!(
                matches!(outcome, Outcome::CouldNotLook(_)),
                "{arguments}: {outcome:?}"
            );
        }
    }
}
