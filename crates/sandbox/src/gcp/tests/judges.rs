//! The real clients: google-auth with google-cloud-secret-manager over its REST transport.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::aws::{Aws, AwsOptions};
use crate::judges;
use crate::tls::Serving;

const PACKAGES: [&str; 3] = [
    "google-auth==2.63.0",
    "google-cloud-secret-manager==2.32.0",
    "requests==2.34.2",
];

/// A running cloud with everything that the judge then sees, and its files.
struct Court {
    world: World,
    home: tempfile::TempDir,
    serving: Serving,
    metadata: String,
    aws: Aws,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

async fn serve(router: axum::Router) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    (address, task)
}

impl Court {
    async fn open() -> Self {
        let clock = Clock::default();
        let tls = Tls::with_names(&HOSTS).unwrap();
        let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
        let aws = Aws::new(AwsOptions {
            clock: clock.clone(),
            ..AwsOptions::default()
        });
        let (aws_address, aws_task) = serve(aws.router()).await;
        let gcp = Gcp::new(GcpOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            aws_sts: Some(format!("http://{aws_address}")),
            ..GcpOptions::default()
        });
        gcp.create_pool(PROJECT, "my-pool").unwrap();
        let serving = tls.serve(Tls::listen(0).await.unwrap(), gcp.router());
        let (metadata, metadata_task) = serve(gcp.metadata_router()).await;
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("ca.pem"), tls.ca_pem()).unwrap();
        let world = World { gcp, issuer, clock };
        Self {
            world,
            home,
            serving,
            metadata,
            aws,
            tasks: vec![aws_task, metadata_task],
        }
    }

    /// Writes an external account configuration whose token has `claims`.
    fn config(&self, name: &str, audience: &str, claims: &Value, account: Option<&str>) {
        let token = self.home.path().join(format!("{name}.token"));
        std::fs::write(&token, self.world.sign(claims)).unwrap();
        let mut config = json!({
            "type": "external_account", "audience": audience, "subject_token_type": JWT,
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": token},
        });
        if let Some(account) = account {
            config["service_account_impersonation_url"] = json!(format!(
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
            ));
        }
        let file = self.home.path().join(format!("{name}.json"));
        std::fs::write(file, config.to_string()).unwrap();
    }

    /// The provider, the permissions, the secrets and the files of the judge.
    fn furnish(&self) {
        let world = &self.world;
        let gcp = &world.gcp;
        world.provider(OidcProvider {
            condition: Some("assertion.sub != 'system:serviceaccount:shop:banned'".to_owned()),
            ..world.provider_of_issuer()
        });
        let with = |field: &str, value: Value| {
            let mut claims = world.claims();
            claims[field] = value;
            claims
        };
        let audience = world.audience();
        let subject = |name: &str| json!(format!("system:serviceaccount:shop:{name}"));
        let now = world.clock.unix();
        let account = gcp.create_service_account(PROJECT, "reader").unwrap();
        let none = "none@my-gcp-project.iam.gserviceaccount.com";
        let by_id = audience.replace(NUMBER, PROJECT);
        let unknown = audience.replace("cluster", "other");
        for (name, audience, claims, account) in [
            ("direct", &audience, world.claims(), None),
            ("admin", &audience, with("sub", subject("admin")), None),
            ("subject", &audience, with("sub", subject("other")), None),
            ("condition", &audience, with("sub", subject("banned")), None),
            ("audience", &audience, with("aud", json!("other")), None),
            (
                "issuer",
                &audience,
                with("iss", json!("https://other.example")),
                None,
            ),
            ("expired", &audience, with("exp", json!(now - 100)), None),
            ("unknown", &unknown, world.claims(), None),
            ("by-id", &by_id, world.claims(), None),
            ("impersonate", &audience, world.claims(), Some(&*account)),
            ("impersonate-none", &audience, world.claims(), Some(none)),
        ] {
            self.config(name, audience, &claims, account);
        }
        std::fs::write(
            self.home.path().join("key.json"),
            gcp.create_key(&account).unwrap(),
        )
        .unwrap();
        gcp.bind_on_account(
            &account,
            "roles/iam.workloadIdentityUser",
            &world.principal(),
        )
        .unwrap();
        let admin = gcp
            .pool_principal(PROJECT, "my-pool", "system:serviceaccount:shop:admin")
            .unwrap();
        gcp.bind_on_project(PROJECT, "roles/secretmanager.admin", &admin, None)
            .unwrap();
        let accessor = "roles/secretmanager.secretAccessor";
        gcp.bind_on_project(PROJECT, accessor, &world.principal(), None)
            .unwrap();
        for (name, value) in [
            ("gold", "value"),
            ("locked", "value"),
            ("throttled", "v"),
            ("of-account", "account"),
        ] {
            gcp.set_secret(name, value.as_bytes()).unwrap();
        }
        gcp.set_version_state("locked", "1", VersionState::Disabled)
            .unwrap();
        gcp.add_fault(Fault::new(Effect::Throttle { retry_after: 0 }).about("secrets/throttled/"));
        let member = format!("serviceAccount:{account}");
        gcp.bind_on_secret("of-account", accessor, &member, None)
            .unwrap();
        self.on_gke();
        self.trust_aws();
    }

    fn on_gke(&self) {
        let gcp = &self.world.gcp;
        super::metadata::on_gke(&self.world, None);
        let pod = gcp.gke_principal(PROJECT, "shop", "web").unwrap();
        gcp.bind_on_secret("gold", "roles/secretmanager.secretAccessor", &pod, None)
            .unwrap();
    }

    /// Two providers for AWS accounts: that of the key, and another.
    fn trust_aws(&self) {
        let gcp = &self.world.gcp;
        for (id, account) in [("amazon", self.aws.account()), ("amazon-2", "999999999999")] {
            let provider = AwsProvider {
                account: account.to_owned(),
                ..AwsProvider::default()
            };
            gcp.create_aws_provider(PROJECT, "my-pool", id, &provider)
                .unwrap();
        }
        let config = json!({
            "type": "external_account",
            "audience": gcp.provider_audience(PROJECT, "my-pool", "amazon").unwrap(),
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {
                "environment_id": "aws1",
                "regional_cred_verification_url":
                    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
            },
        });
        std::fs::write(self.home.path().join("aws.json"), config.to_string()).unwrap();
        // The default mapping of such a provider: who signed, by ARN.
        let user = format!("arn:aws:iam::{}:user/admin", self.aws.account());
        let session = gcp.pool_principal(PROJECT, "my-pool", &user).unwrap();
        gcp.bind_on_secret("gold", "roles/secretmanager.secretAccessor", &session, None)
            .unwrap();
    }

    fn command(&self, python: &Path) -> Command {
        let home = self.home.path();
        let key = self.aws.admin_session();
        let mut command = Command::new(python);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/secret_manager.py"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("REQUESTS_CA_BUNDLE", home.join("ca.pem"))
            .env("AWS_ACCESS_KEY_ID", &key.id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret)
            .env("AWS_REGION", self.aws.region())
            .env("KEYLESS_PROJECT", PROJECT)
            .env("KEYLESS_PORT", self.serving.address().port().to_string())
            .env("KEYLESS_METADATA", &self.metadata);
        if let Some(token) = &key.token {
            command.env("AWS_SESSION_TOKEN", token);
        }
        command
    }
}

impl Drop for Court {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_auth_and_google_cloud_secret_manager() {
    let python = tokio::task::spawn_blocking(|| judges::python("python-google", &PACKAGES)).await;
    let python = match python.unwrap() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("SKIPPED: google-auth did not judge the sandbox: {reason}");
            return;
        }
    };
    let court = Court::open().await;
    court.furnish();
    judges::verdict(
        "google-auth and google-cloud-secret-manager",
        court.command(&python),
    )
    .await;
    let gcp = &court.world.gcp;
    for (service, api) in [
        ("sts", "ExchangeToken"),
        ("iamcredentials", "GenerateAccessToken"),
        ("oauth2", "Token"),
        ("metadata", "Token"),
        ("secretmanager", "AccessSecretVersion"),
    ] {
        assert!(gcp.calls(service, api).total > 0, "{service}:{api}");
    }
}
