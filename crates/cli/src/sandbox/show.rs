//! What the sandbox prints: progress on standard error, results on standard output.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use serde_json::json;

use super::Format;
use super::stage::{Stage, role_arn};
use super::tour::Step;

/// The printer.
pub struct Show {
    format: Format,
    colour: bool,
}

impl Show {
    /// Prints in `format`; colour only on a terminal, and never against `NO_COLOR`.
    pub fn new(format: Format) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { format, colour }
    }

    fn progress(&self, line: &str) {
        // Progress that cannot be shown is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    fn result(&self, line: &str) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Before anything runs.
    pub fn starting(&self) {
        self.progress(
            "keyless sandbox: starting Kubernetes, its issuer, AWS, Azure, Google, Vault and the operator on loopback",
        );
    }

    /// All is up.
    pub fn started(&self, stage: &Stage) {
        if self.format == Format::Json {
            return;
        }
        self.result(&format!("  Kubernetes  {}", stage.sandbox.kube.url()));
        self.result(&format!("  issuer      {}", stage.sandbox.issuer.url()));
        self.result(&format!(
            "  AWS         {}  account {}, {}",
            stage.sandbox.aws_url(),
            stage.sandbox.aws.account(),
            stage.sandbox.aws.region()
        ));
        self.result(&format!(
            "  Azure       {}  tenant {}, subscription {}, vault {}",
            stage.sandbox.azure_url(),
            stage.sandbox.azure.tenant(),
            stage.sandbox.azure.subscription(),
            stage.sandbox.azure.default_vault()
        ));
        self.result(&format!(
            "  Google      {}  project {}, number {}",
            stage.sandbox.gcp_url(),
            stage.sandbox.gcp.project(),
            stage.sandbox.gcp.number()
        ));
        self.result(&format!("  Vault       {}", stage.sandbox.vault_url()));
    }

    /// A step begins.
    pub fn step(&self, title: &str) {
        if self.format == Format::Json {
            self.progress(&format!("… {title}"));
        }
    }

    /// A step has ended.
    pub fn step_ended(&self, step: &Step) {
        if self.format == Format::Json {
            return;
        }
        let mark = if step.ok {
            self.paint("32", "✓")
        } else {
            self.paint("31", "✗")
        };
        self.result(&format!(
            "\n{mark} {}  ({:.1} s)",
            self.paint("1", &format!("{}: {}", step.cloud, step.title)),
            step.seconds
        ));
        self.result(&format!("    {}", step.did));
        self.result(&format!("    {}", step.observed));
        if !step.ok {
            self.result(&format!(
                "    {}",
                self.paint("31", &format!("expected: {}", step.expected))
            ));
        }
    }

    /// The tour is over: addresses and what to try, or the one JSON document.
    pub fn ended(&self, stage: &Stage, steps: &[Step], once: bool) -> Result<()> {
        let environment = [
            ("AWS_ENDPOINT_URL", stage.sandbox.aws_url()),
            ("AWS_DEFAULT_REGION", stage.sandbox.aws.region().to_owned()),
            ("AWS_REGION", stage.sandbox.aws.region().to_owned()),
            ("AWS_ROLE_ARN", role_arn(&stage.sandbox)),
            (
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                stage.token.display().to_string(),
            ),
            ("AZURE_AUTHORITY_HOST", stage.sandbox.azure_url()),
            ("AZURE_CLIENT_ID", stage.identity.client_id.clone()),
            ("AZURE_TENANT_ID", stage.sandbox.azure.tenant().to_owned()),
            (
                "AZURE_FEDERATED_TOKEN_FILE",
                stage.azure_token.display().to_string(),
            ),
            ("REQUESTS_CA_BUNDLE", stage.authority.display().to_string()),
            ("GCE_METADATA_HOST", stage.sandbox.gcp_metadata_host()),
            ("VAULT_ADDR", stage.sandbox.vault_url()),
            ("VAULT_CACERT", stage.authority.display().to_string()),
        ];
        if self.format == Format::Json {
            let mut administrators = json!({"AWS_ACCESS_KEY_ID": stage.sandbox.aws.admin_key().id, "AWS_SECRET_ACCESS_KEY": stage.sandbox.aws.admin_key().secret, "VAULT_TOKEN": stage.sandbox.vault.root_token(), "AZURE_CLIENT_ID": stage.sandbox.azure.administrator().client_id, "AZURE_CLIENT_SECRET": stage.sandbox.azure.administrator().secret, "AZURE_SUBSCRIPTION_ID": stage.sandbox.azure.subscription()});
            if let Some(fields) = administrators.as_object_mut() {
                let gcloud = stage.gcloud.iter();
                fields.extend(gcloud.map(|(name, value)| (name.clone(), json!(value))));
            }
            let document = json!({
                "kubernetes": stage.sandbox.kube.url(),
                "kubeconfig": stage.kubeconfig,
                "issuer": stage.sandbox.issuer.url(),
                "environment": environment.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect::<serde_json::Map<_, _>>(),
                "admin": administrators,
                "steps": steps,
                "ok": steps.iter().all(|s| s.ok),
            });
            let text = serde_json::to_string_pretty(&document).context("cannot write JSON")?;
            self.result(&text);
            return Ok(());
        }
        if once {
            return Ok(());
        }
        self.result(&format!("\n{}", self.paint("1", "It is yours now.")));
        self.result(&format!(
            "  export KUBECONFIG={}",
            stage.kubeconfig.display()
        ));
        for (name, value) in &environment {
            self.result(&format!("  export {name}={value}"));
        }
        let admin = stage.sandbox.aws.admin_key();
        self.result("\nThe administrators, for changing trust and permissions:");
        self.result(&format!(
            "  AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
            admin.id, admin.secret
        ));
        self.result(&format!(
            "  VAULT_TOKEN={}",
            stage.sandbox.vault.root_token()
        ));
        let admin = stage.sandbox.azure.administrator();
        self.result(&format!(
            "  az login --service-principal -u {} -p {} --tenant {}",
            admin.client_id,
            admin.secret,
            stage.sandbox.azure.tenant()
        ));
        let gcloud = stage.gcloud.iter();
        let gcloud: Vec<String> = gcloud
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        self.result(&format!("  {}", gcloud.join(" ")));
        self.result("\nWorth trying:");
        self.result("  kubectl get externalsecrets,clustersecretstores,secrets -A");
        self.result("  kubectl describe externalsecret hello");
        self.result("  aws ssm get-parameter --name /path/to/key --with-decryption");
        self.result("  vault kv get -mount=secret app/db");
        self.result(&format!(
            "  gcloud projects get-iam-policy {}",
            stage.sandbox.gcp.project()
        ));
        let url = stage.sandbox.azure_url();
        self.result(&format!(
            "  az config set core.instance_discovery=false && az cloud register -n keyless \
             --endpoint-resource-manager {url} && az cloud set -n keyless"
        ));
        self.result(
            "  az login --service-principal -u $AZURE_CLIENT_ID --tenant $AZURE_TENANT_ID \
             --federated-token \"$(cat $AZURE_FEDERATED_TOKEN_FILE)\" --allow-no-subscriptions",
        );
        self.result(&format!(
            "  az keyvault secret show --id {url}/secrets/path-to-key"
        ));
        self.result(&format!(
            "  python: SecretClient({url:?}, WorkloadIdentityCredential(authority={url:?}, \
             disable_instance_discovery=True), verify_challenge_resource=False)"
        ));
        let url = stage.sandbox.gcp_url();
        self.result(&format!(
            "  python: SecretManagerServiceClient(credentials=compute_engine.Credentials(), \
             transport=\"rest\", client_options={{\"api_endpoint\": {url:?}}})"
        ));
        self.result("\nCtrl-C ends it.");
        Ok(())
    }

    /// Ctrl-C was pressed.
    pub fn stopping(&self) {
        self.progress("keyless sandbox: stopping");
    }
}
