//! A rendered script, run by the AWS CLI.

use std::path::PathBuf;
use std::process::Command as Process;

use serde_json::Value;

use super::run;
use crate::outcome::Outcome;
use crate::sandbox::objects::ready;
use crate::sandbox::stage::Stage;
use crate::sandbox::tour::aws as tour;

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
