mod exchange;
mod house;
mod pods;
mod silent;

use std::time::{Duration, Instant};

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::args::{Cli, Command};
use crate::sandbox::objects::ready;
use crate::sandbox::stage::Stage;
use crate::sandbox::tour::aws as tour;

pub(super) fn run(program: &str, arguments: &[&str]) -> (String, Outcome) {
    run_in(program, arguments, &Environment::default())
}

fn run_in(program: &str, arguments: &[&str], environment: &Environment) -> (String, Outcome) {
    let all = [program, "doctor"]
        .into_iter()
        .chain(arguments.iter().copied());
    let Command::Doctor(flags) = Cli::try_parse_from(all).unwrap().command else {
        panic!("another command")
    };
    perform(&flags, environment).unwrap_or_else(|error| (String::new(), Outcome::from_error(error)))
}

pub(super) fn first(text: &str) -> Value {
    let json: Value = serde_json::from_str(text).unwrap();
    json["diagnoses"][0].clone()
}

/// A live chain without trust, then its bundle elsewhere; the value and the token are in neither.
#[test]
fn a_live_chain_and_its_bundle() {
    const CANARY: &str = "canary-4711-hunter2";
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(async {
        let stage = Stage::start(None).await.unwrap();
        stage
            .sandbox
            .aws
            .put_parameter("/path/to/key", CANARY)
            .unwrap();
        let document = |text| serde_saphyr::from_str::<Value>(text).unwrap();
        let beta = |path: &str| path.replace("/v1/", "/v1beta1/");
        let objects = &stage.objects;
        objects
            .apply(&beta(tour::STORE_PATH), &document(tour::STORE))
            .await
            .unwrap();
        objects
            .apply(&beta(tour::ES_PATH), &document(tour::EXTERNAL_SECRET))
            .await
            .unwrap();
        let refused = |o: &Value| ready(o).0 == "False";
        objects
            .require(tour::ES_PATH, "refused", refused)
            .await
            .unwrap();
        stage
    });
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (kubeconfig, ca) = (
        stage.kubeconfig.display().to_string(),
        stage.authority.display().to_string(),
    );
    let (facts, page) = (path("facts"), path("page"));
    let live = [
        "es",
        "hello",
        "-n",
        "default",
        "-o",
        "json",
        "--kubeconfig",
        &kubeconfig,
        "--ca",
        &ca,
        "--ca-is-public",
        "--collect",
        &facts,
        "--html",
        &page,
    ];
    // kubectl runs plugins by the name kubectl-keyless.
    let (text, outcome) = run("kubectl-keyless", &live);
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    let found = first(&text);
    assert_eq!(found["broken"]["code"], "A1", "{text}");
    assert_eq!(found["broken"]["link"], "trust-object");
    assert_eq!(found["broken"]["page"], "docs/errors/aws.md#a1");
    let state = |link: &str| {
        let chain = found["chain"].as_array().unwrap();
        let step = chain.iter().find(|s| s["link"] == link).unwrap();
        step["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (state("keys").as_str(), state("permission").as_str()),
        ("holds", "not reached")
    );
    let bundle = std::fs::read_to_string(&facts).unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    for text in [&text, &bundle, &html] {
        assert!(!text.contains(CANARY) && !text.contains("eyJ"), "{text}");
    }
    assert!(
        html.contains("Broken at trust-object") && !html.contains("<script"),
        "{html}"
    );
    let (elsewhere, _) = run("keyless", &["--bundle", &facts, "-o", "json"]);
    assert_eq!(first(&elsewhere), found);
    // With nothing asked, everything that is not ready.
    let (text, outcome) = run(
        "keyless",
        &["--kubeconfig", &kubeconfig, "--ca", &ca, "--ca-is-public"],
    );
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    assert!(
        text.contains("ExternalSecret default/hello") && text.contains("[A1]"),
        "{text}"
    );
    let (_, outcome) = run("keyless", &["es", "nobody", "--kubeconfig", &kubeconfig]);
    assert!(matches!(outcome, Outcome::WrongUse(_)), "{outcome:?}");
    // Trust is set up: the chain holds.
    runtime.block_on(async {
        stage.trust_everything().await.unwrap();
        let poke = serde_json::json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
        stage.objects.patch(tour::ES_PATH, &poke).await.unwrap();
        let synced = |o: &Value| ready(o).0 == "True";
        stage.objects.require(tour::ES_PATH, "ready", synced).await.unwrap();
    });
    let (text, outcome) = run("keyless", &live);
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}\n{text}");
    assert_eq!(first(&text)["sound"], true, "{text}");
    runtime.block_on(stage.stop()).unwrap();
}

#[test]
fn bad_bundles_are_refused_and_errors_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("facts");
    let path = file.display().to_string();
    std::fs::write(&file, "{\"objects\": 5}").unwrap();
    let (_, outcome) = run("keyless", &["--bundle", &path]);
    assert!(
        matches!(outcome, Outcome::CouldNotLook(ref why) if why.contains("no bundle")),
        "{outcome:?}"
    );
    std::fs::write(&file, "{\"about\": \"ExternalSecret a/b\"}").unwrap();
    let error = "AADSTS700213: No matching federated identity record found";
    let (text, outcome) = run("keyless", &["--bundle", &path, "--error", error]);
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    assert!(
        text.contains("[Z3]") && text.contains("docs/errors/azure.md#z3"),
        "{text}"
    );
}
