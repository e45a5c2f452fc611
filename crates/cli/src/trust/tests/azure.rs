//! A rendered script, run by the Azure CLI: from a sandbox whose vaults hold secrets and nobody
//! may read them to Secrets in the cluster, by roles and by access policies.

use std::path::Path;
use std::process::Command as Process;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_sandbox::azure::{Access, GROUP};
use keyless_sandbox::judges;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::run;
use crate::outcome::Outcome;
use crate::sandbox::objects::ready;
use crate::sandbox::stage::{AZURE_AUDIENCE, NAMESPACE, SERVICE_ACCOUNT, Stage};

const STORE: &str =
    include_str!("../../../../../examples/azure-key-vault/cluster-secret-store.yaml");
const EXTERNAL_SECRET: &str =
    include_str!("../../../../../examples/azure-key-vault/external-secret.yaml");
const API: &str = "/apis/external-secrets.io/v1";
const BLUE: &str = "blue-vault";

/// A running sandbox, and a desk with az on it that the administrator is logged in at.
struct Office {
    runtime: Runtime,
    stage: Stage,
    desk: tempfile::TempDir,
}

impl Office {
    fn open(python: &Path, access: Access) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let stage = runtime.block_on(Stage::start(None)).unwrap();
        let desk = tempfile::tempdir().unwrap();
        // Counts what is called.
        let shim = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\nexec '{}' -m azure.cli \"$@\"\n",
            desk.path().join("calls").display(),
            python.display()
        );
        let az = desk.path().join("az");
        std::fs::write(&az, shim).unwrap();
        let mut chmod = Process::new("chmod");
        assert!(chmod.arg("755").arg(&az).status().unwrap().success());
        let office = Self {
            runtime,
            stage,
            desk,
        };
        let azure = &office.stage.sandbox.azure;
        let admin = azure.administrator();
        let (url, tenant) = (office.stage.sandbox.azure_url(), azure.tenant());
        // What `keyless sandbox` prints.
        let login = format!(
            "az config set core.instance_discovery=false core.collect_telemetry=false &&\n\
             az cloud register -n keyless --endpoint-resource-manager {url} &&\n\
             az cloud set -n keyless &&\n\
             az login --service-principal -u {} -p {} --tenant {tenant}",
            admin.client_id, admin.secret
        );
        let (ended, text) = office.shell(&login);
        assert!(ended, "{text}");
        office.furnish(access);
        office
    }

    /// Two vaults, the example's objects for the operator's own identity, and a store of a service
    /// account that reads a secret, a key, a certificate, and what a search finds.
    fn furnish(&self, access: Access) {
        let azure = &self.stage.sandbox.azure;
        azure.create_vault(azure.default_vault(), access);
        azure.create_vault(BLUE, access);
        azure
            .set_secret(azure.default_vault(), "path-to-key", "from nothing")
            .unwrap();
        for (name, value) in [("gold", "Au"), ("app-one", "1"), ("app-two", "2")] {
            azure.set_secret(BLUE, name, value).unwrap();
        }
        let key = json!({"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ", "d": "ZA"});
        azure.import_key(BLUE, "signing", &key).unwrap();
        let made = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap();
        let pem = made.cert.pem() + &made.signing_key.serialize_pem();
        azure.import_certificate(BLUE, "tls", &pem).unwrap();

        let document = |text| serde_saphyr::from_str::<Value>(text).unwrap();
        let beta = API.replace("/v1", "/v1beta1");
        self.apply(
            &format!("{beta}/clustersecretstores/azure-keyvault"),
            &document(STORE),
        );
        self.apply(
            &format!("{beta}/namespaces/default/externalsecrets/hello"),
            &document(EXTERNAL_SECRET),
        );
        let meta = json!({"name": "reader", "namespace": "default"});
        self.apply(
            "/api/v1/namespaces/default/serviceaccounts/reader",
            &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}),
        );
        self.apply(
            &format!("{API}/namespaces/default/secretstores/reader"),
            &json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                "metadata": meta, "spec": {"provider": {"azurekv": {
                "authType": "WorkloadIdentity", "vaultUrl": format!("https://{BLUE}.vault.azure.net"),
                "tenantId": azure.tenant(), "serviceAccountRef": {"name": "reader"}}}}}),
        );
        let read =
            |key: &str, remote: &str| json!({"secretKey": key, "remoteRef": {"key": remote}});
        self.apply(
            &format!("{API}/namespaces/default/externalsecrets/reader"),
            &json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                "metadata": meta, "spec": {
                "secretStoreRef": {"kind": "SecretStore", "name": "reader"},
                "data": [read("gold", "gold"), read("key", "key/signing"), read("cert", "cert/tls")],
                "dataFrom": [{"find": {"name": {"regexp": "^app-"}}}]}}),
        );
    }

    fn apply(&self, path: &str, object: &Value) {
        let applied = self.stage.objects.apply(path, object);
        self.runtime.block_on(applied).unwrap();
    }

    /// Whether a script ended well, and everything that it said.
    fn shell(&self, script: &str) -> (bool, String) {
        let path = std::env::var("PATH").unwrap();
        let output = Process::new("sh")
            .arg("-c")
            .arg(script)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.desk.path().display()))
            .env("HOME", self.desk.path())
            .env("AZURE_CONFIG_DIR", self.desk.path().join("azure"))
            .env("REQUESTS_CA_BUNDLE", &self.stage.authority)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    fn calls(&self) -> usize {
        let calls = std::fs::read_to_string(self.desk.path().join("calls")).unwrap();
        calls.lines().count()
    }

    /// The script for the cluster as it is now.
    fn render(&self, more: &str) -> String {
        let (script, outcome) = run(&format!(
            "render azure -o shell --kubeconfig {} --azure-resource-group {GROUP} \
             --azure-location westeurope --azure-tenant {}{more}",
            self.stage.kubeconfig.display(),
            self.stage.sandbox.azure.tenant()
        ));
        assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
        script
    }

    /// Renders the script, runs it, and says how long that took.
    fn render_and_run(&self, mode: &str, more: &str) -> String {
        let script = self.render(more);
        let (begin, before) = (Instant::now(), self.calls());
        let (ended, text) = self.shell(&script);
        assert!(ended, "{text}\n{script}");
        eprintln!(
            "{mode}: az ran {} commands of a rendered script in {:.1} s",
            self.calls() - before,
            begin.elapsed().as_secs_f64()
        );
        text
    }

    /// Does what the script says is left to do in the cluster.
    fn annotate(&self, said: &str) -> Vec<String> {
        let mut clients = Vec::new();
        for line in said.lines().filter(|l| l.starts_with("kubectl annotate ")) {
            let words: Vec<&str> = line.split(' ').collect();
            let [
                "kubectl",
                "annotate",
                "--overwrite",
                "serviceaccount",
                "--namespace",
                namespace,
                name,
                annotation,
            ] = words.as_slice()
            else {
                panic!("{line}");
            };
            let (key, value) = annotation.split_once('=').unwrap();
            assert_eq!(key, "azure.workload.identity/client-id");
            clients.push(value.to_owned());
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
            let patch = json!({"metadata": {"annotations": {key: value}}});
            let patched = self.stage.objects.patch(&path, &patch);
            self.runtime.block_on(patched).unwrap();
        }
        clients
    }

    /// What a Secret holds once its ExternalSecret is ready.
    fn synced(&self, name: &str) -> Value {
        let path = format!("{API}/namespaces/default/externalsecrets/{name}");
        let poke = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
        let objects = &self.stage.objects;
        self.runtime.block_on(async {
            objects.patch(&path, &poke).await.unwrap();
            let is_ready = |o: &Value| ready(o).0 == "True";
            objects.require(&path, "ready", is_ready).await.unwrap();
            let secret = format!("/api/v1/namespaces/default/secrets/{name}");
            objects.get(&secret).await.unwrap().unwrap()["data"].take()
        })
    }

    /// The script creates what is missing, and once more it changes nothing; then all is synced.
    fn story(self, mode: &str, more: &str) {
        let azure = &self.stage.sandbox.azure;
        let operator = &self.stage.identity;
        let said = self.render_and_run(mode, more);
        let clients = self.annotate(&said);
        // The operator's identity was there: it is taken as it is, in its own region.
        let [reader, own] = clients.as_slice() else {
            panic!("{said}");
        };
        assert_eq!(own, &operator.client_id);
        let state = || {
            (
                azure.credentials_of(own),
                azure.credentials_of(reader),
                azure.roles_of(&operator.object_id),
            )
        };
        let before = state();
        assert_eq!(before.1.len(), 1, "{before:?}");
        // Now the objects name both identities by their client ids.
        let said = self.render_and_run(&format!("{mode}, again"), more);
        assert_eq!(self.annotate(&said), Vec::<String>::new());
        assert_eq!(state(), before);
        let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        let text = |value: &Value| String::from_utf8(bytes(value)).unwrap();
        assert_eq!(text(&self.synced("hello")["SOME_ENV_VAR"]), "from nothing");
        let data = self.synced("reader");
        assert_eq!(text(&data["gold"]), "Au");
        assert_eq!(text(&data["app-one"]) + &text(&data["app-two"]), "12");
        assert!(text(&data["key"]).contains("P-256"), "{data}");
        // A certificate in DER, without its key.
        assert_eq!(bytes(&data["cert"]).first(), Some(&0x30), "{data}");
        self.runtime.block_on(self.stage.stop()).unwrap();
    }
}

fn office(access: Access) -> Option<Office> {
    match judges::az() {
        Ok(python) => Some(Office::open(&python, access)),
        Err(reason) => {
            eprintln!("SKIPPED: no az to run the rendered script with: {reason}");
            None
        }
    }
}

#[test]
fn az_gives_roles() {
    let Some(office) = office(Access::Roles) else {
        return;
    };
    let azure = &office.stage.sandbox.azure;
    let id = &office.stage.identity;
    // What another cluster's operator was given stays.
    let other = "system:serviceaccount:external-secrets:of-another-cluster";
    let issuer = office.stage.sandbox.issuer.url();
    azure
        .add_federated_credential(&id.client_id, "other", issuer, other, AZURE_AUDIENCE)
        .unwrap();
    office.story("roles", "");
}

#[test]
fn az_sets_access_policies() {
    let Some(office) = office(Access::Policies) else {
        return;
    };
    let azure = &office.stage.sandbox.azure;
    let id = &office.stage.identity;
    // The same trust by hand, under another name: Azure would refuse it once more.
    let subject = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
    let issuer = office.stage.sandbox.issuer.url();
    azure
        .add_federated_credential(&id.client_id, "by-hand", issuer, &subject, AZURE_AUDIENCE)
        .unwrap();
    // Roles in such a vault would have no effect: that is found before they are assigned.
    let (ended, text) = office.shell(&office.render(""));
    let why = "uses access policies: render with --azure-access-policies";
    assert!(!ended && text.contains(why), "{text}");
    office.story("access policies", " --azure-access-policies");
}
