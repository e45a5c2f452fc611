use std::path::PathBuf;
use std::process::Command as Process;

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::args::{Cli, Command};
use crate::outcome::Outcome;
use crate::sandbox::objects::ready;
use crate::sandbox::stage::Stage;
use crate::sandbox::tour::aws as tour;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// Output and outcome; EXAMPLES in a word is the folder of that name.
fn run(arguments: &str) -> (String, Outcome) {
    let words = arguments
        .split(' ')
        .map(|w| w.replace("EXAMPLES", EXAMPLES));
    let all = ["keyless".to_owned(), "trust".to_owned()]
        .into_iter()
        .chain(words);
    let Command::Trust(flags) = Cli::try_parse_from(all).unwrap().command else {
        panic!("another command")
    };
    let performed = match &flags.verb {
        Verb::Plan(flags) => plan::perform(flags),
        Verb::Render(flags) => render::perform(flags),
        Verb::Lint(flags) => lint::perform(flags),
    };
    performed.unwrap_or_else(|error| (String::new(), Outcome::from_error(error)))
}

#[test]
fn outcomes_have_their_exit_codes() {
    let (text, outcome) = run("lint EXAMPLES/with-mistakes");
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    assert!(text.contains("azure.tf:37: error L1: "), "{text}");
    let (text, _) = run("lint EXAMPLES/with-mistakes/azure.tf -o json");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["findings"][0]["page"], "docs/errors/written.md#l3");
    let (_, outcome) = run("lint EXAMPLES/vault/policy.hcl");
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    let (_, outcome) = run("lint EXAMPLES/vault/nothing.json");
    assert!(matches!(outcome, Outcome::CouldNotLook(_)), "{outcome:?}");
    let files = "-f EXAMPLES/aws-secrets-manager/cluster-secret-store.yaml -f EXAMPLES/aws-secrets-manager/external-secret.yaml";
    let (text, outcome) = run(&format!("plan {files} -o json"));
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let grant = &json["identities"][0]["grants"][0];
    assert_eq!(grant["scope"], "path/to/database");
    assert_eq!(grant["because"].as_array().unwrap().len(), 2);
    let (_, outcome) = run(&format!("render aws {files}"));
    assert!(
        matches!(outcome, Outcome::WrongUse(ref why) if why.contains("--aws-account")),
        "{outcome:?}"
    );
    let (_, outcome) = run(&format!("render azure {files}"));
    assert!(matches!(outcome, Outcome::WrongUse(_)), "{outcome:?}");
}

/// The AWS CLI of the judges, which the sandbox's own test installs.
fn aws_cli() -> Option<PathBuf> {
    let cache = std::env::var_os("KEYLESS_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/keyless"));
    let folder = cache.or(home)?.join("python/bin");
    folder.join("aws").exists().then_some(folder)
}

/// From nothing to a synced Secret: the plan of a live cluster, rendered as a script, run by the
/// AWS CLI against an AWS that knows nothing yet.
#[test]
fn a_rendered_script_leaves_a_chain_that_syncs() {
    let Some(folder) = aws_cli() else {
        eprintln!("SKIPPED: no AWS CLI to run the rendered script with");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(async {
        let stage = Stage::start(None).await.unwrap();
        let aws = &stage.sandbox.aws;
        aws.put_parameter("/path/to/key", "from nothing").unwrap();
        let document = |text| serde_saphyr::from_str::<Value>(text).unwrap();
        let beta = tour::STORE_PATH.replace("/v1/", "/v1beta1/");
        stage
            .objects
            .apply(&beta, &document(tour::STORE))
            .await
            .unwrap();
        let beta = tour::ES_PATH.replace("/v1/", "/v1beta1/");
        stage
            .objects
            .apply(&beta, &document(tour::EXTERNAL_SECRET))
            .await
            .unwrap();
        stage
    });
    let arguments = format!(
        "render aws -o shell --kubeconfig {} --aws-account {}",
        stage.kubeconfig.display(),
        stage.sandbox.aws.account()
    );
    let (script, outcome) = run(&arguments);
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    assert!(script.contains(stage.sandbox.issuer.url()), "{script}");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let admin = stage.sandbox.aws.admin_key();
    // Twice: what exists already is no reason to fail.
    for round in 0..2 {
        let output = Process::new("sh")
            .arg("-c")
            .arg(&script)
            .env_clear()
            .env("PATH", &path)
            .env("HOME", stage.authority.parent().unwrap())
            .env("AWS_ENDPOINT_URL", stage.sandbox.aws_url())
            .env("AWS_CA_BUNDLE", &stage.authority)
            .env("AWS_DEFAULT_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", &admin.id)
            .env("AWS_SECRET_ACCESS_KEY", &admin.secret)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "round {round}: {err}\n{script}");
    }
    runtime.block_on(async {
        let poke = serde_json::json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
        stage.objects.patch(tour::ES_PATH, &poke).await.unwrap();
        let synced = |o: &Value| ready(o).0 == "True";
        stage.objects.require(tour::ES_PATH, "ready", synced).await.unwrap();
        let secret = stage.objects.get("/api/v1/namespaces/default/secrets/hello").await.unwrap();
        assert_eq!(secret.unwrap()["data"]["SOME_ENV_VAR"], "ZnJvbSBub3RoaW5n");
        stage.stop().await.unwrap();
    });
    eprintln!(
        "the aws CLI ran {} commands of a rendered script, and the example synced",
        script
            .lines()
            .filter(|l| l.trim_start().starts_with("aws "))
            .count()
    );
}
