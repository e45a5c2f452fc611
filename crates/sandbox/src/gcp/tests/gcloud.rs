//! The real gcloud as judge of IAM's administration, Resource Manager and Secret Manager: what an
//! administrator does in a day, and what Google would refuse.

use std::process::{Command, Output};

use super::*;
use crate::tls::Serving;

/// A cloud, and gcloud set up for it alone.
struct Desk {
    gcp: Gcp,
    home: tempfile::TempDir,
    serving: Serving,
    commands: std::sync::atomic::AtomicU32,
}

/// What gcloud said.
struct Said {
    ok: bool,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn ok(self) -> String {
        assert!(self.ok, "{}\n{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }

    /// It must fail, and show this text of ours.
    #[track_caller]
    fn refused(self, text: &str) {
        assert!(!self.ok, "{}", self.out);
        // gcloud breaks long lines.
        let flat = self.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(text), "{text:?} is not in: {flat}");
    }
}

impl Desk {
    async fn open() -> Self {
        let tls = Tls::with_names(&HOSTS).unwrap();
        let gcp = Gcp::new(GcpOptions::default());
        let serving = tls.serve(Tls::listen(0).await.unwrap(), gcp.router());
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("ca.pem"), tls.ca_pem()).unwrap();
        let desk = Self {
            gcp,
            home,
            serving,
            commands: std::sync::atomic::AtomicU32::default(),
        };
        desk.sign_in(&desk.gcp.administrator_token());
        desk
    }

    fn sign_in(&self, token: &str) {
        std::fs::write(self.home.path().join("token"), token).unwrap();
    }

    fn run(&self, words: &[&str]) -> Said {
        self.commands
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let home = self.home.path();
        let endpoint = format!("https://localhost:{}/", self.serving.address().port());
        let mut command = Command::new("gcloud");
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("CLOUDSDK_CONFIG", home.join("config"))
            .env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", home.join("token"))
            .env("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", home.join("ca.pem"))
            .env("CLOUDSDK_CORE_PROJECT", PROJECT)
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1")
            .env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "1");
        for service in ["IAM", "CLOUDRESOURCEMANAGER", "SECRETMANAGER"] {
            command.env(
                format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}"),
                &endpoint,
            );
        }
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Said {
            ok: status.success(),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// `gcloud iam workload-identity-pools …`, with the location.
    fn pools(&self, words: &[&str]) -> Said {
        let all = ["iam", "workload-identity-pools"].iter().chain(words);
        let all: Vec<&str> = all.copied().chain(["--location=global"]).collect();
        self.run(&all)
    }

    fn providers(&self, words: &[&str]) -> Said {
        let all = ["providers"].iter().chain(words).copied();
        let all: Vec<&str> = all.chain(["--workload-identity-pool=my-pool"]).collect();
        self.pools(&all)
    }
}

fn has_gcloud() -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join("gcloud").is_file())
}

const ISSUER: &str = "--issuer-uri=https://issuer.example";
const MAPPING: &str = "--attribute-mapping=google.subject=assertion.sub";

fn pools_live_and_die(desk: &Desk) {
    desk.pools(&["describe", "my-pool"]).refused("NOT_FOUND");
    desk.pools(&["create", "my-pool", "--display-name=Mine"])
        .ok();
    let shown = desk.pools(&["describe", "my-pool", "--format=json"]).json();
    assert_eq!(
        shown,
        json!({
            "name": format!("projects/{NUMBER}/locations/global/workloadIdentityPools/my-pool"),
            "displayName": "Mine", "state": "ACTIVE",
        })
    );
    desk.pools(&["create", "my-pool"])
        .refused("ALREADY_EXISTS: Requested entity already exists");
    desk.pools(&["update", "my-pool", "--description=ours", "--disabled"])
        .ok();
    let shown = desk.pools(&["list", "--format=json"]).json();
    assert_eq!(shown[0]["description"], "ours");
    assert_eq!(shown[0]["disabled"], true);
    desk.pools(&["update", "my-pool", "--no-disabled"]).ok();
    desk.pools(&["delete", "my-pool"]).ok();
    desk.pools(&["delete", "my-pool"])
        .refused("FAILED_PRECONDITION");
    assert_eq!(desk.pools(&["list", "--format=json"]).json(), json!([]));
    let gone = desk
        .pools(&["list", "--show-deleted", "--format=json"])
        .json();
    assert_eq!(gone[0]["state"], "DELETED");
    assert!(gone[0]["expireTime"].is_string(), "{gone}");
    desk.pools(&["create", "my-pool"])
        .refused("Requested entity already exists");
    desk.pools(&["update", "my-pool", "--no-disabled"])
        .refused("FAILED_PRECONDITION");
    desk.pools(&["undelete", "my-pool"]).ok();
    for (id, why) in [
        ("abc", "4 to 32 characters"),
        ("gcp-pool", "must not begin with gcp-"),
        ("My_pool", "4 to 32 characters"),
    ] {
        desk.pools(&["create", id]).refused(why);
    }
    desk.pools(&[
        "create",
        "long-named",
        &format!("--display-name={}", "a".repeat(33)),
    ])
    .refused("less than or equal to 32 characters");
}

fn providers_live_and_die(desk: &Desk) {
    let create = ["create-oidc", "cluster", ISSUER, MAPPING];
    let condition = "--attribute-condition=assertion.sub in [\"a,b\", \"c\"]";
    let audiences = "--allowed-audiences=^;^one,two;three";
    desk.providers(&[&create[..], &[condition, audiences]].concat())
        .ok();
    let shown = desk
        .providers(&["describe", "cluster", "--format=json"])
        .json();
    assert_eq!(shown["oidc"]["issuerUri"], "https://issuer.example");
    assert_eq!(
        shown["oidc"]["allowedAudiences"],
        json!(["one,two", "three"])
    );
    assert_eq!(
        shown["attributeCondition"],
        "assertion.sub in [\"a,b\", \"c\"]"
    );
    assert_eq!(
        shown["attributeMapping"],
        json!({"google.subject": "assertion.sub"})
    );
    desk.providers(&create)
        .refused("ALREADY_EXISTS: Requested entity already exists");
    let mapped = "--attribute-mapping=google.subject=assertion.sub.extract(\"system:{a}\")";
    desk.providers(&["update-oidc", "cluster", mapped, "--allowed-audiences="])
        .ok();
    let shown = desk
        .providers(&["describe", "cluster", "--format=json"])
        .json();
    assert!(shown["oidc"].get("allowedAudiences").is_none(), "{shown}");
    assert_eq!(
        shown["attributeMapping"]["google.subject"],
        "assertion.sub.extract(\"system:{a}\")"
    );
    desk.providers(&["delete", "cluster"]).ok();
    desk.providers(&create).refused("already exists");
    desk.providers(&["undelete", "cluster"]).ok();
    let listed = desk.providers(&["list", "--format=json"]).json();
    assert_eq!(listed[0]["state"], "ACTIVE");
    let many = format!("--allowed-audiences={}", ["a"; 11].join(","));
    for (wrong, why) in [
        (
            &["--issuer-uri=http://issuer.example", MAPPING][..],
            "https",
        ),
        (
            &[ISSUER, "--attribute-mapping=attribute.a=assertion.a"],
            "google.subject",
        ),
        (
            &[
                ISSUER,
                "--attribute-mapping=google.subject=assertion.sub,mine=assertion.a",
            ],
            "Invalid mapped attribute key: mine.",
        ),
        (
            &[ISSUER, "--attribute-mapping=google.subject=assertion."],
            "cannot be compiled",
        ),
        (
            &[ISSUER, MAPPING, "--attribute-condition=subject == 'a'"],
            "Undeclared reference",
        ),
        (
            &[ISSUER, MAPPING, "--attribute-condition=("],
            "cannot be compiled",
        ),
        (&[ISSUER, MAPPING, &many], "at most 10"),
    ] {
        desk.providers(&[&["create-oidc", "wrong"], wrong].concat())
            .refused(why);
    }
}

fn bindings_are_added_and_removed(desk: &Desk) {
    let member = format!(
        "--member=principal://iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools/my-pool/subject/{SUBJECT}"
    );
    let email = format!("app-reader@{PROJECT}.iam.gserviceaccount.com");
    let accounts = |words: &[&str]| desk.run(&[&["iam", "service-accounts"], words].concat());
    accounts(&["describe", &email]).refused("NOT_FOUND: Unknown service account");
    accounts(&["create", "app-reader", "--display-name=Reader"]).ok();
    accounts(&["create", "app-reader"]).refused("already exists within project");
    // gcloud itself would refuse an id that is too short.
    let listed = accounts(&["list", "--format=json"]).json();
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .any(|a| a["email"] == email),
        "{listed}"
    );
    let user = "--role=roles/iam.workloadIdentityUser";
    let none = "--condition=None";
    let full = format!("projects/-/serviceAccounts/{email}");
    accounts(&["add-iam-policy-binding", &full, user, &member, none]).ok();
    let policy = accounts(&["get-iam-policy", &email, "--format=json"]).json();
    assert_eq!(
        policy["bindings"][0]["role"],
        "roles/iam.workloadIdentityUser"
    );
    let accessor = "--role=roles/secretmanager.secretAccessor";
    accounts(&["add-iam-policy-binding", &full, accessor, &member, none])
        .refused("is not supported for this resource");
    let pool = member.replace("my-pool", "no-such-pool");
    accounts(&["add-iam-policy-binding", &full, user, &pool, none])
        .refused("Identity Pool does not exist (no-such-pool)");
    accounts(&["remove-iam-policy-binding", &full, user, &member, none]).ok();

    let secret = |words: &[&str]| desk.run(&[&["secrets"], words].concat());
    secret(&["add-iam-policy-binding", "gold", accessor, &member, none])
        .refused("Status code: 404. Secret [projects/123456789012/secrets/gold] not found");
    secret(&["create", "gold"]).ok();
    secret(&["add-iam-policy-binding", "gold", accessor, &member, none]).ok();
    let place = "--location=europe-west3";
    secret(&["create", "silver", place]).ok();
    secret(&[
        "add-iam-policy-binding",
        "silver",
        accessor,
        &member,
        none,
        place,
    ])
    .ok();
    let policy = secret(&["get-iam-policy", "silver", place, "--format=json"]).json();
    assert_eq!(
        policy["bindings"][0]["role"],
        "roles/secretmanager.secretAccessor"
    );
    let nobody = "--member=serviceAccount:nobody@my-gcp-project.iam.gserviceaccount.com";
    secret(&["add-iam-policy-binding", "gold", accessor, nobody, none]).refused("does not exist");
    secret(&[
        "add-iam-policy-binding",
        "gold",
        "--role=roles/none",
        &member,
        none,
    ])
    .refused("is not supported for this resource");

    let project = |words: &[&str]| desk.run(&[&["projects"], words].concat());
    let number = project(&["describe", PROJECT, "--format=value(projectNumber)"]).ok();
    assert_eq!(number.trim(), NUMBER);
    project(&["describe", "no-such-project"]).refused("PERMISSION_DENIED");
    let condition = format!(
        "--condition=expression=resource.name.startsWith(\"projects/{NUMBER}/secrets/team-\"),title=names"
    );
    let add = ["add-iam-policy-binding", PROJECT, accessor, &member];
    project(&[&add[..], &[&condition]].concat()).ok();
    // Now that there is a condition, gcloud wants to be told each time.
    project(&add).refused("--condition=None");
    project(
        &[
            &add[..],
            &["--condition=expression=subject == 'a',title=names"],
        ]
        .concat(),
    )
    .refused("Condition expression compilation failed");
    let policy = project(&["get-iam-policy", PROJECT, "--format=json"]).json();
    let bindings = policy["bindings"].as_array().unwrap();
    assert_eq!(bindings.len(), 2, "{policy}");
    assert!(
        bindings.iter().any(|b| b["condition"]["title"] == "names"),
        "{policy}"
    );
    project(&[
        "remove-iam-policy-binding",
        PROJECT,
        accessor,
        &member,
        &condition,
    ])
    .ok();
}

fn others_are_refused(desk: &Desk) {
    desk.sign_in("ya29.nobody");
    desk.pools(&["list"]).refused("UNAUTHENTICATED");
    let mut state = desk.gcp.state();
    let reader = format!("app-reader@{PROJECT}.iam.gserviceaccount.com");
    let grant = super::super::token::Grant {
        principal: keyless_trust::gcp::Caller::ServiceAccount(reader.clone()),
        scopes: vec![CLOUD_PLATFORM.to_owned()],
        expires: i64::MAX,
    };
    let token = super::super::token::issue(&mut state, grant, 0);
    drop(state);
    desk.sign_in(&token);
    desk.pools(&["create", "other-pool"])
        .refused("PERMISSION_DENIED: Permission 'iam.workloadIdentityPools.create' denied");
    desk.run(&["projects", "describe", PROJECT])
        .refused("PERMISSION_DENIED");
    let member = format!("serviceAccount:{reader}");
    desk.gcp
        .bind_on_project(PROJECT, "roles/viewer", &member, None)
        .unwrap();
    desk.pools(&["describe", "my-pool"]).ok();
    desk.pools(&["delete", "my-pool"])
        .refused("PERMISSION_DENIED");
}

/// Runs `cases` on a new cloud; where there is no gcloud, says so.
async fn judge(what: &str, cases: fn(&Desk), called: &[(&str, &str)]) {
    if !has_gcloud() {
        eprintln!("SKIPPED: gcloud did not judge {what}: it is not on PATH");
        return;
    }
    let desk = Desk::open().await;
    let begun = std::time::Instant::now();
    let desk = tokio::task::spawn_blocking(move || {
        cases(&desk);
        desk
    });
    let desk = desk.await.unwrap();
    eprintln!(
        "gcloud on {what}: {} commands end as they should, in {:.0} s",
        desk.commands.load(std::sync::atomic::Ordering::Relaxed),
        begun.elapsed().as_secs_f64()
    );
    for (service, api) in called {
        assert!(desk.gcp.calls(service, api).total > 0, "{service}:{api}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gcloud_administers_pools() {
    let cases = |desk: &Desk| {
        pools_live_and_die(desk);
        providers_live_and_die(desk);
    };
    let called = [
        ("iam", "CreateWorkloadIdentityPool"),
        ("iam", "UndeleteWorkloadIdentityPoolProvider"),
    ];
    judge("pools", cases, &called).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gcloud_administers_policies() {
    let cases = |desk: &Desk| {
        desk.gcp.create_pool(PROJECT, "my-pool").unwrap();
        bindings_are_added_and_removed(desk);
        others_are_refused(desk);
    };
    let called = [
        ("iam", "SetIamPolicy"),
        ("cloudresourcemanager", "SetIamPolicy"),
        ("secretmanager", "SetIamPolicy"),
    ];
    judge("policies", cases, &called).await;
}
