//! A rendered script, run by gcloud: from a Google Cloud that has secrets only to Secrets in the
//! cluster.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::run;
use crate::outcome::Outcome;
use crate::sandbox::objects::ready;
use crate::sandbox::stage::{NAMESPACE, SERVICE_ACCOUNT, Stage};

const GROUP: &str = "/apis/external-secrets.io/v1";
const EMAIL: &str = "secret-reader@my-gcp-project.iam.gserviceaccount.com";

/// gcloud on the PATH.
fn gcloud() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join("gcloud"))
        .find(|program| program.is_file())
}

/// A running sandbox, and a desk with gcloud on it.
struct Office {
    runtime: Runtime,
    stage: Stage,
    desk: tempfile::TempDir,
}

impl Office {
    fn open(gcloud: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let stage = runtime.block_on(Stage::start(None)).unwrap();
        let desk = tempfile::tempdir().unwrap();
        let token = stage.sandbox.gcp.administrator_token();
        std::fs::write(desk.path().join("token"), token).unwrap();
        // Counts what is called.
        let shim = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
            desk.path().join("calls").display(),
            gcloud.display()
        );
        let bin = desk.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("gcloud"), shim).unwrap();
        let mut chmod = Process::new("chmod");
        assert!(
            chmod
                .arg("755")
                .arg(bin.join("gcloud"))
                .status()
                .unwrap()
                .success()
        );
        Self {
            runtime,
            stage,
            desk,
        }
    }

    fn apply(&self, path: &str, object: &Value) {
        let applied = self.stage.objects.apply(path, object);
        self.runtime.block_on(applied).unwrap();
    }

    /// A service account, a SecretStore of that name, and an ExternalSecret of that name.
    fn chain(&self, name: &str, store: &Value, rest: &Value) {
        let meta = json!({"name": name, "namespace": "default"});
        self.apply(
            &format!("/api/v1/namespaces/default/serviceaccounts/{name}"),
            &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}),
        );
        self.apply(
            &format!("{GROUP}/namespaces/default/secretstores/{name}"),
            &json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": meta,
                "spec": {"provider": {"gcpsm": store}}}),
        );
        let mut spec = rest.clone();
        spec["secretStoreRef"] = json!({"name": name, "kind": "SecretStore"});
        self.apply(
            &external_secret(name),
            &json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                "metadata": meta, "spec": spec}),
        );
    }

    /// The script for what the cluster needs.
    fn render(&self, more: &str) -> String {
        let kubeconfig = self.stage.kubeconfig.display();
        let arguments = format!("render google -o shell --kubeconfig {kubeconfig}{more}");
        let (script, outcome) = run(&arguments);
        assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
        script
    }

    fn execute(&self, script: &str) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.desk.path().join("bin"))
            .chain(std::env::split_paths(&path).collect::<Vec<_>>());
        let file = |name: &str| self.desk.path().join(name);
        let environment = self.stage.sandbox.gcloud_environment(
            &file("token"),
            &self.stage.authority,
            &file("config"),
        );
        Process::new("sh")
            .arg("-c")
            .arg(script)
            .env_clear()
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("HOME", self.desk.path())
            .envs(environment)
            .output()
            .unwrap()
    }

    /// Runs the script, and says how many commands that were and how long they took.
    fn succeeds(&self, what: &str, script: &str) {
        let calls = self.desk.path().join("calls");
        let _ = std::fs::remove_file(&calls);
        let begun = Instant::now();
        let output = self.execute(script);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {err}\n{script}");
        let called = std::fs::read_to_string(&calls).unwrap();
        eprintln!(
            "{what}: gcloud ran {} commands of a rendered script in {:.1} s",
            called.lines().count(),
            begun.elapsed().as_secs_f64()
        );
    }

    /// The ExternalSecret of that name becomes Ready; its Secret's data.
    fn syncs(&self, name: &str, poke: &str) -> Value {
        self.runtime.block_on(async {
            let objects = &self.stage.objects;
            let poke =
                json!({"metadata": {"annotations": {"external-secrets.io/force-sync": poke}}});
            let stores = format!("{GROUP}/namespaces/default/secretstores/{name}");
            if objects.get(&stores).await.unwrap().is_some() {
                objects.patch(&stores, &poke).await.unwrap();
            }
            objects.patch(&external_secret(name), &poke).await.unwrap();
            let (synced, object) = objects
                .until(&external_secret(name), |o| ready(o).0 == "True")
                .await
                .unwrap();
            assert!(synced, "{name}: {:?}", ready(&object));
            let path = format!("/api/v1/namespaces/default/secrets/{name}");
            objects.get(&path).await.unwrap().unwrap()["data"].clone()
        })
    }

    fn close(self) {
        self.runtime.block_on(self.stage.stop()).unwrap();
    }
}

fn external_secret(name: &str) -> String {
    format!("{GROUP}/namespaces/default/externalsecrets/{name}")
}

fn one(key: &str) -> Value {
    json!({"data": [{"secretKey": "v", "remoteRef": {"key": key}}]})
}

fn encoded(text: &str) -> Value {
    json!(STANDARD.encode(text))
}

/// The program, or a loud word that there is none.
fn program() -> Option<PathBuf> {
    let found = gcloud();
    if found.is_none() {
        eprintln!("SKIPPED: no gcloud to run the rendered script with");
    }
    found
}

/// A cluster with an issuer of its own: directly, by a Google service account, for a search, and
/// for a regional secret. Then the pool and its provider are deleted, and the script again.
#[test]
fn a_self_managed_cluster_syncs_after_the_script() {
    let Some(program) = program() else { return };
    let office = Office::open(&program);
    let gcp = &office.stage.sandbox.gcp;
    for (id, value) in [
        ("path-to-key", "direct"),
        ("acted-for", "impersonated"),
        ("team-a", "a"),
        ("team-b", "b"),
        ("other", "not yours"),
        ("my-gcp-project/europe-west3/local", "regional"),
    ] {
        gcp.set_secret(id, value.as_bytes()).unwrap();
    }
    let audience = format!(
        "//iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/keyless/providers/cluster",
        gcp.number()
    );
    let store = |name: &str, more: Value| {
        let mut federation = json!({"serviceAccountRef": {"name": name}, "audience": audience});
        if name == "impersonated" {
            federation["gcpServiceAccountEmail"] = json!(EMAIL);
        }
        let mut store = more;
        store["projectID"] = json!(gcp.project());
        store["auth"] = json!({"workloadIdentityFederation": federation});
        store
    };
    office.chain("direct", &store("direct", json!({})), &one("path-to-key"));
    office.chain(
        "impersonated",
        &store("impersonated", json!({})),
        &one("acted-for"),
    );
    office.chain(
        "found",
        &store("found", json!({})),
        &json!({"dataFrom": [{"find": {"name": {"regexp": "^team-"}}}]}),
    );
    office.chain(
        "regional",
        &store("regional", json!({"location": "europe-west3"})),
        &one("local"),
    );
    let script = office.render("");
    let wanted = [
        ("direct", json!({"v": encoded("direct")})),
        ("impersonated", json!({"v": encoded("impersonated")})),
        (
            "found",
            json!({"team-a": encoded("a"), "team-b": encoded("b")}),
        ),
        ("regional", json!({"v": encoded("regional")})),
    ];
    office.succeeds("self-managed, from nothing", &script);
    for (name, data) in &wanted {
        assert_eq!(office.syncs(name, "first"), *data, "{name}");
    }
    let before = gcp.all_calls();
    office.succeeds("self-managed, the second time", &script);
    let after = gcp.all_calls();
    for api in ["CreateWorkloadIdentityPool", "CreateServiceAccount"] {
        let name = format!("iam:{api}");
        assert_eq!(before.get(&name), after.get(&name), "{name}");
    }
    // Nothing more is allowed than what is read.
    office.chain("more", &store("direct", json!({})), &one("other"));
    office.runtime.block_on(async {
        let told = |o: &Value| ready(o).1.contains("[G12]");
        let objects = &office.stage.objects;
        let (refused, object) = objects.until(&external_secret("more"), told).await.unwrap();
        assert!(refused, "{:?}", ready(&object));
    });
    // What somebody deleted keeps its id; the script has it back.
    let pools = "gcloud iam workload-identity-pools";
    let place = format!("--location=global --project={} --quiet", gcp.project());
    office.succeeds(
        "an accident",
        &format!(
            "set -e\n{pools} providers delete cluster --workload-identity-pool=keyless {place}\n\
             {pools} delete keyless {place}\n"
        ),
    );
    gcp.revoke_tokens();
    let token = gcp.administrator_token();
    std::fs::write(office.desk.path().join("token"), token).unwrap();
    office.succeeds("self-managed, deleted softly", &script);
    for (name, data) in &wanted {
        gcp.set_secret("path-to-key", b"direct").unwrap();
        assert_eq!(office.syncs(name, "again"), *data, "{name}");
    }
    office.close();
}

/// The example as it is on GKE, by the operator's own identity, and a store that names the cluster
/// and a service account which impersonates.
#[test]
fn a_cluster_of_gke_syncs_after_the_script() {
    let Some(program) = program() else { return };
    let office = Office::open(&program);
    let sandbox = &office.stage.sandbox;
    let gcp = &sandbox.gcp;
    sandbox.run_on_gke(NAMESPACE, SERVICE_ACCOUNT, None);
    gcp.set_secret("path-to-key", b"from GKE").unwrap();
    gcp.set_secret("named", b"by name").unwrap();
    let document = |text| serde_saphyr::from_str::<Value>(text).unwrap();
    let beta = GROUP.replace("/v1", "/v1beta1");
    office.apply(
        &format!("{beta}/clustersecretstores/gcp-secret-manager"),
        &document(include_str!(
            "../../../../../examples/gcp-secret-manager/cluster-secret-store.yaml"
        )),
    );
    office.apply(
        &format!("{beta}/namespaces/default/externalsecrets/hello"),
        &document(include_str!(
            "../../../../../examples/gcp-secret-manager/external-secret.yaml"
        )),
    );
    let workload = json!({
        "serviceAccountRef": {"name": "named"}, "clusterName": "main",
        "clusterLocation": "europe-west3", "clusterProjectID": gcp.project(),
    });
    office.chain(
        "named",
        &json!({"projectID": gcp.project(), "auth": {"workloadIdentity": workload}}),
        &one("named"),
    );
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "named", "namespace": "default",
            "annotations": {"iam.gke.io/gcp-service-account": EMAIL}},
    });
    office.apply("/api/v1/namespaces/default/serviceaccounts/named", &account);
    let issuer = format!(
        "https://container.googleapis.com/v1/projects/{}/locations/europe-west3/clusters/main",
        gcp.project()
    );
    let script = office.render(&format!(" --issuer {issuer}"));
    assert!(!script.contains("workload-identity-pools"), "{script}");
    for round in ["GKE, from nothing", "GKE, the second time"] {
        office.succeeds(round, &script);
    }
    let data = office.syncs("hello", "first");
    assert_eq!(data, json!({"SOME_ENV_VAR": encoded("from GKE")}));
    assert_eq!(
        office.syncs("named", "first"),
        json!({"v": encoded("by name")})
    );
    office.close();
}

/// A project that is not the pool's stops the script before anything is made.
#[test]
fn a_number_of_another_project_stops_the_script() {
    let Some(program) = program() else { return };
    let office = Office::open(&program);
    let audience = "//iam.googleapis.com/projects/999/locations/global/workloadIdentityPools/keyless/providers/cluster";
    let federation = json!({"serviceAccountRef": {"name": "direct"}, "audience": audience});
    office.chain(
        "direct",
        &json!({"projectID": "my-gcp-project", "auth": {"workloadIdentityFederation": federation}}),
        &one("path-to-key"),
    );
    let output = office.execute(&office.render(""));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{err}");
    assert!(err.contains("--google-project"), "{err}");
    let calls = office
        .stage
        .sandbox
        .gcp
        .calls("iam", "CreateWorkloadIdentityPool");
    assert_eq!(calls.total, 0);
    office.close();
}
