//! The real OpenTofu or Terraform, with the real AWS provider, applies what is rendered to an AWS
//! that knows nothing yet: the example syncs, a second plan finds nothing to do, import blocks take
//! over what is there, and all of it can be destroyed again.
//!
//! `KEYLESS_TERRAFORM` names the program, else `tofu` or `terraform` on the path is taken;
//! `KEYLESS_TERRAFORM_PLUGINS` is a folder of unpacked providers, laid out as a mirror of files.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command as Process;

use serde_json::Value;
use tempfile::TempDir;

use super::run;
use crate::outcome::Outcome;
use crate::sandbox::objects::ready;
use crate::sandbox::stage::Stage;
use crate::sandbox::tour::aws as tour;

fn program() -> Option<OsString> {
    let named = std::env::var_os("KEYLESS_TERRAFORM");
    let works = |program: &OsString| {
        let output = Process::new(program).arg("version").output();
        output.is_ok_and(|o| o.status.success())
    };
    let known = ["tofu", "terraform"].map(OsString::from);
    named.into_iter().chain(known).find(works)
}

/// The program, its configuration, and a folder for modules.
struct Judge {
    program: OsString,
    folder: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl Judge {
    fn find(stage: &Stage) -> Option<Self> {
        let plugins = std::env::var_os("KEYLESS_TERRAFORM_PLUGINS").map(PathBuf::from)?;
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.tfrc");
        let mirror = keyless_trust::hcl::write::quote(&plugins.display().to_string());
        let text = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let admin = stage.sandbox.aws.admin_key();
        let environment = vec![
            ("PATH", std::env::var_os("PATH").unwrap()),
            ("HOME", folder.path().into()),
            ("TF_CLI_CONFIG_FILE", config.into()),
            ("TF_IN_AUTOMATION", "1".into()),
            ("CHECKPOINT_DISABLE", "1".into()),
            ("AWS_ENDPOINT_URL", stage.sandbox.aws_url().into()),
            ("AWS_CA_BUNDLE", stage.authority.clone().into()),
            ("AWS_REGION", "eu-central-1".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_ACCESS_KEY_ID", admin.id.clone().into()),
            ("AWS_SECRET_ACCESS_KEY", admin.secret.clone().into()),
        ];
        Some(Self {
            program,
            folder,
            environment,
        })
    }

    /// A new module with nothing in its state.
    fn module(&self, name: &str, text: &str) -> Module<'_> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("main.tf"), text).unwrap();
        let module = Module {
            judge: self,
            folder,
        };
        module.run(&["init", "-input=false"]);
        module
    }
}

struct Module<'a> {
    judge: &'a Judge,
    folder: PathBuf,
}

impl Module<'_> {
    /// What it says; it must end well.
    fn run(&self, arguments: &[&str]) -> String {
        let output = Process::new(&self.judge.program)
            .args(arguments)
            .arg("-no-color")
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.judge.environment.iter().cloned())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {err}\n{out}");
        out.into_owned()
    }

    fn apply(&self) -> String {
        self.run(&["apply", "-auto-approve", "-input=false"])
    }

    /// The exit code says that nothing differs.
    fn plans_nothing(&self) {
        self.run(&["plan", "-detailed-exitcode", "-input=false"]);
    }
}

#[test]
fn rendered_hcl_is_applied_and_the_example_syncs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(async {
        let stage = Stage::start(None).await.unwrap();
        let aws = &stage.sandbox.aws;
        aws.put_parameter("/path/to/key", "from nothing").unwrap();
        let document = |text| serde_saphyr::from_str::<Value>(text).unwrap();
        for (path, text) in [
            (tour::STORE_PATH, tour::STORE),
            (tour::ES_PATH, tour::EXTERNAL_SECRET),
        ] {
            let beta = path.replace("/v1/", "/v1beta1/");
            stage.objects.apply(&beta, &document(text)).await.unwrap();
        }
        stage
    });
    let Some(judge) = Judge::find(&stage) else {
        eprintln!(
            "SKIPPED: no tofu and no terraform, or KEYLESS_TERRAFORM_PLUGINS is not set: nobody applies rendered HCL"
        );
        runtime.block_on(stage.stop()).unwrap();
        return;
    };
    let arguments = format!(
        "render aws --kubeconfig {} --aws-account {}",
        stage.kubeconfig.display(),
        stage.sandbox.aws.account()
    );
    let (text, outcome) = run(&arguments);
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    let module = judge.module("new", &text);
    let said = module.apply();
    assert!(
        said.contains("Resources: 3 added, 0 changed, 0 destroyed"),
        "{said}"
    );
    runtime.block_on(async {
        let poke = serde_json::json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
        stage.objects.patch(tour::ES_PATH, &poke).await.unwrap();
        let synced = |o: &Value| ready(o).0 == "True";
        stage.objects.require(tour::ES_PATH, "ready", synced).await.unwrap();
        let secret = stage.objects.get("/api/v1/namespaces/default/secrets/hello").await.unwrap();
        assert_eq!(secret.unwrap()["data"]["SOME_ENV_VAR"], "ZnJvbSBub3RoaW5n");
    });
    let said = module.run(&["destroy", "-auto-approve", "-input=false"]);
    assert!(said.contains("Resources: 3 destroyed"), "{said}");
    taken_over(&stage, &judge);
    runtime.block_on(stage.stop()).unwrap();
}

/// With an issuer such as AWS takes, one without a port: what was applied is what was meant, and
/// someone whose state knows nothing of it takes it over as it is.
fn taken_over(stage: &Stage, judge: &Judge) {
    let arguments = format!(
        "render aws -f EXAMPLES/aws-parameter-store/cluster-secret-store.yaml \
         -f EXAMPLES/aws-parameter-store/external-secret.yaml \
         --issuer https://oidc.example.com/c1 --aws-account {}",
        stage.sandbox.aws.account()
    );
    let rendered = |arguments: &str| {
        let (text, outcome) = run(arguments);
        assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
        text
    };
    let first = judge.module("first", &rendered(&arguments));
    first.apply();
    first.plans_nothing();
    let other = judge.module("other", &rendered(&format!("{arguments} --import")));
    let said = other.apply();
    assert!(
        said.contains("Resources: 2 imported, 1 added, 0 changed, 0 destroyed"),
        "{said}"
    );
    other.plans_nothing();
    let said = other.run(&["destroy", "-auto-approve", "-input=false"]);
    assert!(said.contains("Resources: 3 destroyed"), "{said}");
}
