//! `keyless trust` as a user calls it. What a cloud's own tool then does with a script is in a file
//! of that cloud's name.

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::args::{Cli, Command};
use crate::outcome::Outcome;

mod aws;
mod azure;
mod google;
mod terraform;
mod vault;

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
        Verb::Rights(flags) => rights::perform(flags),
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

/// What is printed is a values file: the chart's test gives it to Helm.
#[test]
fn the_least_rights_are_a_values_file() {
    let (text, outcome) = run(
        "rights -f EXAMPLES/vault/secret-store-jwt.yaml -f EXAMPLES/vault/external-secret.yaml",
    );
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(values["rbac"]["profile"], "least");
    assert_eq!(values["rbac"]["namespaces"], serde_json::json!(["default"]));
    assert_eq!(
        values["rbac"]["tokenNamespaces"],
        serde_json::json!(["default"])
    );
    assert_eq!(values["processClusterStore"], false);
    assert!(
        text.contains("- \"default\" # ExternalSecret default/app-db, SecretStore default/vault\n"),
        "{text}"
    );
}
