use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::args::{Cli, Command};
use crate::sandbox::objects::ready;
use crate::sandbox::stage::Stage;
use crate::sandbox::tour::aws as tour;

const CANARY: &str = "canary-4711-hunter2";
const MANIFEST: &str = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: apps}
spec:
  secretStoreRef: {name: s}
  data:
    - {secretKey: a, remoteRef: {key: /a}}
    - {secretKey: b, remoteRef: {key: /b}}
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

    /// Output and outcome, with the file names in `arguments` taken from the folder. Nothing may
    /// ever say the canary.
    fn run(&self, arguments: &str, environment: Environment) -> (String, Outcome) {
        let arguments = arguments.split(' ').map(|word| {
            let file = self.0.path().join(word);
            if file.exists() {
                file.into_os_string()
            } else {
                word.into()
            }
        });
        let all = ["keyless".into(), "plan".into()]
            .into_iter()
            .chain(arguments);
        let Command::Plan(flags) = Cli::try_parse_from(all).unwrap().command else {
            panic!("another command")
        };
        let (text, outcome) = perform(&flags, environment)
            .unwrap_or_else(|error| (String::new(), Outcome::from_error(error)));
        assert!(
            !text.contains(CANARY) && !format!("{outcome:?}").contains(CANARY),
            "{text}"
        );
        (text, outcome)
    }

    fn offline(&self, arguments: &str) -> (String, Outcome) {
        self.run(arguments, Environment::default())
    }
}

#[test]
fn a_plan_is_read_by_people_and_programs() {
    let existing =
        "kind: Secret\nmetadata: {name: db, namespace: apps}\ndata: {old: eA==, b: Mg==}\n";
    let values = format!("a: {CANARY}\nb: '2'\n");
    let folder = Folder::new(&[("es", MANIFEST), ("values", &values), ("secret", existing)]);
    let (text, outcome) = folder.offline("-f es --values values --existing secret");
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    assert!(
        text.starts_with("ExternalSecret apps/db -> Secret apps/db: change, 1 key unchanged\n"),
        "{text}"
    );
    let signs: Vec<&str> = text
        .lines()
        .filter(|l| l.contains(" data "))
        .map(|l| &l[..3])
        .collect();
    assert_eq!(signs, ["  +", "  -"], "{text}");
    assert!(text.contains("19 bytes, hash "), "{text}");
    let (text, _) = folder.offline("-f es --values values --existing secret -o json");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["plans"][0]["action"], "change");
    assert_eq!(json["plans"][0]["changes"][0]["change"], "add");
    assert_eq!(json["plans"][0]["changes"][0]["to"]["length"], 19);
    let (text, _) = folder.offline("-f es --values values -o yaml");
    let yaml: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(yaml["plans"][0]["action"], "create");
}

#[test]
fn plans_can_be_compared_under_a_kept_key_only() {
    let values = format!("a: {CANARY}\nb: '2'\n");
    let folder = Folder::new(&[
        ("es", MANIFEST),
        ("values", &values),
        ("key", "0123456789abcdef0123456789abcdef"),
        ("short", "1234"),
    ]);
    let run = |arguments: &str| folder.offline(arguments).0;
    assert_ne!(run("-f es --values values"), run("-f es --values values"));
    let kept = "-f es --values values --hash-key key";
    assert_eq!(run(kept), run(kept));
    let (_, outcome) = folder.offline("-f es --values values --hash-key short");
    assert!(matches!(outcome, Outcome::WrongUse(_)), "{outcome:?}");
}

#[test]
fn outcomes_have_their_exit_codes() {
    let folder = Folder::new(&[
        ("es", MANIFEST),
        ("values", "b: '2'"),
        ("none", "kind: Deployment"),
    ]);
    let (text, outcome) = folder.offline("-f es --values values");
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    assert!(
        text.contains("would fail") && text.contains("spec.data[0]: no value"),
        "{text}"
    );
    let (_, outcome) = folder.offline("-f none --values values");
    assert!(matches!(outcome, Outcome::WrongUse(_)), "{outcome:?}");
    for arguments in [
        "-f missing --values values",
        "-f es --values es2",
        "-f es --kubeconfig nowhere",
    ] {
        let (_, outcome) = folder.offline(arguments);
        assert!(
            matches!(outcome, Outcome::CouldNotLook(_)),
            "{arguments}: {outcome:?}"
        );
    }
}

/// The whole way, with the operator of the tour beside it: before the sync it is a creation, after
/// it there is nothing to do, a changed parameter is a change, and broken trust cannot be seen
/// through.
#[test]
fn the_tours_objects_are_planned_as_they_are_synced() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(async {
        let stage = Stage::start(None).await.unwrap();
        stage.trust_everything().await.unwrap();
        stage
            .sandbox
            .aws
            .put_parameter("/path/to/key", CANARY)
            .unwrap();
        stage
    });
    let environment = || -> Environment {
        let role = crate::sandbox::stage::role_arn(&stage.sandbox);
        stage
            .sandbox
            .operator_environment(&stage.token, &role)
            .into_iter()
            .collect()
    };
    let folder = Folder::new(&[("store", tour::STORE), ("es", tour::EXTERNAL_SECRET)]);
    let arguments = format!(
        "-f store -f es --kubeconfig {} -o json",
        stage.kubeconfig.display()
    );
    let run = || {
        let (text, outcome) = folder.run(&arguments, environment());
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        (json["plans"][0].clone(), outcome)
    };
    let (plan, outcome) = run();
    assert_eq!(plan["action"], "create", "{plan} {outcome:?}");
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    let object =
        |text: &str| serde_saphyr::from_str::<Value>(&text.replace("v1beta1", "v1")).unwrap();
    runtime.block_on(async {
        stage
            .objects
            .apply(tour::STORE_PATH, &object(tour::STORE))
            .await
            .unwrap();
        stage
            .objects
            .apply(tour::ES_PATH, &object(tour::EXTERNAL_SECRET))
            .await
            .unwrap();
        let synced = |object: &Value| ready(object).0 == "True";
        let (synced, seen) = stage.objects.until(tour::ES_PATH, synced).await.unwrap();
        assert!(synced, "{seen}");
    });
    let (plan, outcome) = run();
    assert_eq!(plan["action"], "nothing", "{plan} {outcome:?}");
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    stage
        .sandbox
        .aws
        .put_parameter("/path/to/key", &format!("{CANARY}!"))
        .unwrap();
    let (plan, _) = run();
    assert_eq!(plan["action"], "change", "{plan}");
    assert_eq!(plan["changes"][0]["key"], "SOME_ENV_VAR");
    let (role, nobody) = (
        crate::sandbox::stage::ROLE,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity"}]}"#,
    );
    stage.sandbox.aws.update_trust_policy(role, nobody).unwrap();
    let (plan, outcome) = run();
    assert!(
        matches!(outcome, Outcome::CouldNotLook(_)),
        "{plan} {outcome:?}"
    );
    assert_eq!(plan["error"]["couldNotLook"], true);
    runtime.block_on(stage.stop()).unwrap();
}
