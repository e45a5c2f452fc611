//! The real clients: azure-identity with azure-keyvault-secrets, and az.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::judges;
use crate::tls::Serving;

const PACKAGES: [&str; 2] = ["azure-identity==1.27.0", "azure-keyvault-secrets==4.12.0"];

/// A running sandbox Azure, its files, and the environment of an injected pod.
struct Court {
    world: World,
    home: tempfile::TempDir,
    serving: Serving,
    metadata: tokio::task::JoinHandle<()>,
    metadata_url: String,
}

impl Court {
    async fn open() -> Self {
        let clock = Clock::default();
        let tls = Tls::new().unwrap();
        let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
        let azure = Azure::new(AzureOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            ..AzureOptions::default()
        })
        .unwrap();
        let identity = azure.create_managed_identity("web");
        let serving = tls.serve(Tls::listen(0).await.unwrap(), azure.router());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let metadata_url = format!("http://{}", listener.local_addr().unwrap());
        let router = azure.metadata_router();
        let metadata = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let world = World {
            azure,
            issuer,
            clock,
            identity,
        };
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("ca.pem"), tls.ca_pem()).unwrap();
        std::fs::write(home.path().join("token"), world.assertion()).unwrap();
        let mut other = world.claims();
        other["sub"] = json!("system:serviceaccount:shop:other");
        std::fs::write(home.path().join("other-token"), world.sign(&other)).unwrap();
        Self {
            world,
            home,
            serving,
            metadata,
            metadata_url,
        }
    }

    fn command(&self, python: &Path, script: &str) -> Command {
        let (azure, home) = (&self.world.azure, self.home.path());
        let app = azure.create_application("app");
        azure
            .add_client_secret(&app.client_id, "s3cret-of-app", None)
            .unwrap();
        let mut command = Command::new(python);
        command
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/judges")
                    .join(script),
            )
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("AZURE_CONFIG_DIR", home.join("azure"))
            .env("REQUESTS_CA_BUNDLE", home.join("ca.pem"))
            .env("AZURE_CLIENT_ID", &self.world.identity.client_id)
            .env("AZURE_TENANT_ID", azure.tenant())
            .env("AZURE_FEDERATED_TOKEN_FILE", home.join("token"))
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &self.metadata_url)
            .env(
                "KEYLESS_URL",
                format!("https://localhost:{}", self.serving.address().port()),
            )
            .env("KEYLESS_SUBSCRIPTION", azure.subscription())
            .env("KEYLESS_ADMIN", &azure.administrator().client_id)
            .env("KEYLESS_ADMIN_SECRET", &azure.administrator().secret)
            .env("KEYLESS_APP", &app.client_id)
            .env("KEYLESS_APP_SECRET", "s3cret-of-app")
            .env("KEYLESS_OTHER_TOKEN", home.join("other-token"))
            .env("KEYLESS_ISSUER", self.world.issuer.url());
        command
    }

    /// Allows what the judge then sees: the credential, the policy, and some secrets.
    fn trust(&self) {
        let (azure, id) = (&self.world.azure, &self.world.identity);
        azure
            .add_federated_credential(
                &id.client_id,
                "web",
                self.world.issuer.url(),
                SUBJECT,
                AUDIENCE,
            )
            .unwrap();
        azure
            .set_access_policy("my-keyvault", &id.object_id, [&["all"], &[], &[]])
            .unwrap();
        azure.assign_to_node(&id.client_id);
        azure.set_secret("my-keyvault", "gold", "value").unwrap();
        azure.set_secret("my-keyvault", "locked", "value").unwrap();
        azure
            .enable_secret("my-keyvault", "locked", None, false)
            .unwrap();
    }
}

impl Drop for Court {
    fn drop(&mut self) {
        self.metadata.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_identity_and_azure_keyvault() {
    let python = tokio::task::spawn_blocking(|| judges::python("python-azure", &PACKAGES)).await;
    let python = match python.unwrap() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("SKIPPED: azure-identity did not judge the sandbox: {reason}");
            return;
        }
    };
    let court = Court::open().await;
    court.trust();
    judges::verdict(
        "azure-identity and azure-keyvault-secrets",
        court.command(&python, "key_vault.py"),
    )
    .await;
    assert!(court.world.azure.calls("entra", "Token").total > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_azure_cli() {
    let python = tokio::task::spawn_blocking(judges::az).await;
    let python = match python.unwrap() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("SKIPPED: az did not judge the sandbox: {reason}");
            return;
        }
    };
    let court = Court::open().await;
    court.trust();
    judges::verdict("az", court.command(&python, "azure_cli.py")).await;
}
