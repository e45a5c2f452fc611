//! How long the pure road takes for a typical ExternalSecret of ten keys, and how long Go's own
//! engine takes for the same ten templates, in one run.
//!
//! `cargo bench -p keyless-secret`. With Go on the `PATH` the program in
//! `testbed/oracle/template` is run between the rounds; machines drift, so the ratio counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark: it prints its figures, and stops where something is wrong"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use keyless_api::ExternalSecretSpec;
use keyless_gotemplate::{Engine as Templates, Template, Value};
use keyless_secret::SecretBytes;
use keyless_secret::pipeline::{self, Fetched};
use keyless_secret::render::{Context, Engine};
use keyless_secret::template::{self, Sources};
use keyless_secret::wanted::{Writer, wanted};
use serde_json::json;

const TYPICAL: &str = include_str!("../../../testbed/oracle/template/typical.json");
/// Rounds; keyless and Go take turns.
const ROUNDS: usize = 5;
/// How often each figure is taken in a round.
const TIMES: u32 = 4000;

#[derive(serde::Deserialize)]
struct Typical {
    data: BTreeMap<String, String>,
    templates: BTreeMap<String, String>,
}

fn main() {
    // `cargo test --benches` asks whether there are tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let typical: Typical = serde_json::from_str(TYPICAL).unwrap();
    let go = build_go();
    let mut rounds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (name, figure) in keyless(&typical) {
            rounds.entry(name).or_default().push(micros(figure));
        }
        if let Some(go) = &go {
            for (name, figure) in run_go(go) {
                rounds.entry(name).or_default().push(micros(figure));
            }
        }
    }
    println!("{:<44} {:>10} {:>10}", "microseconds", "median", "least");
    for (name, figures) in &mut rounds {
        figures.sort_by(f64::total_cmp);
        println!(
            "{name:<44} {:>10.1} {:>10.1}",
            median(figures),
            least(figures)
        );
    }
    for (name, ours, theirs) in [
        (
            "parse and execute",
            "templates: parse and execute",
            "templates: parse and execute, Go",
        ),
        ("execute", "templates: execute", "templates: execute, Go"),
    ] {
        match (rounds.get(ours), rounds.get(theirs)) {
            (Some(ours), Some(theirs)) => println!(
                "keyless / Go, {name}: {:.2} (medians), {:.2} (least)",
                median(ours) / median(theirs),
                least(ours) / least(theirs)
            ),
            _ => println!("keyless / Go, {name}: NOT RUN, there is no Go on the PATH"),
        }
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(sorted: &[f64]) -> f64 {
    sorted.first().copied().unwrap_or(f64::NAN)
}

fn each(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..TIMES {
        work();
    }
    start.elapsed() / TIMES
}

fn context() -> Context {
    Context::new(1_790_000_000, 0, |bytes: &mut [u8]| bytes.fill(7))
}

fn keyless(typical: &Typical) -> Vec<(&'static str, Duration)> {
    let templates = Templates::eso();
    let parsed: Vec<Template> = typical
        .templates
        .iter()
        .map(|(name, text)| templates.parse(name, text).unwrap())
        .collect();
    let root = Value::text_map(&typical.data);
    let mut clock = context();
    let values: BTreeMap<String, SecretBytes> = typical
        .data
        .iter()
        .map(|(key, value)| (key.clone(), SecretBytes::from(value.as_str())))
        .collect();
    let plain = spec(typical, false);
    let templated = spec(typical, true);
    let mut engine = Engine::new("", "", context());
    let fetched = || Fetched {
        data_from: Vec::new(),
        data: values.values().cloned().map(Some).collect(),
    };
    let labels = BTreeMap::from([("app".to_owned(), "typical".to_owned())]);
    let nothing = BTreeMap::new();
    let mut content = |spec: &ExternalSecretSpec| {
        let gathered = pipeline::gather(spec, fetched(), &mut engine).unwrap();
        let sources = Sources::new();
        template::content(
            spec,
            &labels,
            &nothing,
            gathered.data,
            &sources,
            &mut engine,
        )
        .unwrap()
    };
    let writer = Writer {
        namespace: "default".into(),
        name: "typical".into(),
        uid: "5f1d6f3e-0000-4000-8000-000000000000".into(),
    };
    vec![
        (
            "templates: parse and execute",
            each(|| {
                for (name, text) in &typical.templates {
                    let template = templates.parse(name, text).unwrap();
                    black_box(template.execute(&root, &mut clock).unwrap());
                }
            }),
        ),
        (
            "templates: execute",
            each(|| {
                for template in &parsed {
                    black_box(template.execute(&root, &mut clock).unwrap());
                }
            }),
        ),
        (
            "pipeline: ten keys, no template",
            each(|| {
                black_box(content(&plain));
            }),
        ),
        (
            "pipeline: ten keys, ten templates",
            each(|| {
                black_box(content(&templated));
            }),
        ),
        ("pipeline: and the hash of the data", {
            let done = content(&templated);
            each(|| {
                black_box(wanted(&writer, &templated, Some(done.clone()), None).unwrap());
            })
        }),
    ]
}

fn spec(typical: &Typical, templated: bool) -> ExternalSecretSpec {
    let data: Vec<_> = typical
        .data
        .keys()
        .map(|key| json!({"secretKey": key, "remoteRef": {"key": format!("/app/{key}")}}))
        .collect();
    let template = templated.then(|| json!({"data": typical.templates}));
    let spec =
        json!({"secretStoreRef": {"name": "aws"}, "data": data, "target": {"template": template}});
    keyless_api::decode(&spec).unwrap()
}

fn build_go() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/oracle/template");
    let built = Command::new("go")
        .current_dir(source)
        .args(["build", "-o"])
        .arg(folder.path().join("oracle"))
        .arg(".")
        .status();
    match built {
        Ok(status) if status.success() => Some(folder),
        Ok(_) => panic!("the Go program in testbed/oracle/template does not build"),
        Err(_) => None,
    }
}

fn run_go(folder: &tempfile::TempDir) -> Vec<(&'static str, Duration)> {
    let output = Command::new(folder.path().join("oracle"))
        .args(["bench", "-n", &TIMES.to_string()])
        .output()
        .unwrap();
    let figures: BTreeMap<String, u64> = serde_json::from_slice(&output.stdout).unwrap();
    let figure = |name: &str| Duration::from_nanos(*figures.get(name).unwrap());
    vec![
        (
            "templates: parse and execute, Go",
            figure("parse_and_execute_ns"),
        ),
        ("templates: execute, Go", figure("execute_ns")),
    ]
}
