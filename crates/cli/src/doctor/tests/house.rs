//! A sandbox without an operator: what is asked of a cloud there, the doctor has asked.

use std::path::PathBuf;

use keyless_identity::Environment;
use keyless_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::run_in;
use crate::outcome::Outcome;
use crate::sandbox::objects::Objects;

pub struct House {
    pub runtime: Runtime,
    pub sandbox: Sandbox,
    pub environment: Environment,
    kubeconfig: PathBuf,
    authority: PathBuf,
    objects: Objects,
    _folder: TempDir,
}

impl House {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let sandbox = runtime
            .block_on(Sandbox::start(SandboxOptions { data: None }))
            .unwrap();
        // The client has a worker of its own.
        let context = runtime.enter();
        let objects = Objects::new(kube::Client::new(sandbox.kube.router(), "default"));
        drop(context);
        std::fs::write(file("config"), sandbox.kube.kubeconfig("admin").unwrap()).unwrap();
        std::fs::write(file("ca"), sandbox.tls.ca_pem()).unwrap();
        let authority = file("ca").display().to_string();
        let environment = [
            ("AWS_ENDPOINT_URL".to_owned(), sandbox.aws_url()),
            ("SSL_CERT_FILE".to_owned(), authority),
            sandbox.resolve(),
        ];
        let house = Self {
            environment: environment.into_iter().collect(),
            kubeconfig: file("config"),
            authority: file("ca"),
            runtime,
            sandbox,
            objects,
            _folder: folder,
        };
        for crd in keyless_api::crds() {
            let name = crd["metadata"]["name"].as_str().unwrap();
            let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
            house.apply(&path, &crd);
            let established = |c: &Value| {
                let all = c["status"]["conditions"].as_array();
                all.is_some_and(|all| all.iter().any(|c| c["type"] == "Established"))
            };
            let wait = house.objects.require(&path, "established", established);
            house.runtime.block_on(wait).unwrap();
        }
        house
    }

    pub fn apply(&self, path: &str, object: &Value) -> Value {
        self.runtime
            .block_on(self.objects.apply(path, object))
            .unwrap()
    }

    /// An annotated service account of namespace default.
    pub fn account(&self, name: &str, annotations: &Value) {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": "default", "annotations": annotations}});
        self.apply(
            &format!("/api/v1/namespaces/default/serviceaccounts/{name}"),
            &account,
        );
    }

    /// A store of namespace default.
    pub fn store(&self, name: &str, provider: &Value) {
        let store = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": name, "namespace": "default"}, "spec": {"provider": provider}});
        let path = format!("/apis/external-secrets.io/v1/namespaces/default/secretstores/{name}");
        self.apply(&path, &store);
    }

    pub fn doctor(&self, arguments: &[&str]) -> (String, Outcome) {
        let (config, ca) = (
            self.kubeconfig.display().to_string(),
            self.authority.display().to_string(),
        );
        let mut all = arguments.to_vec();
        all.extend(["--kubeconfig", &config, "--ca", &ca, "--ca-is-public"]);
        run_in("keyless", &all, &self.environment)
    }

    /// The first diagnosis.
    pub fn first(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["-n", "default", "-o", "json"]);
        let (text, outcome) = self.doctor(&all);
        assert!(!text.is_empty(), "{outcome:?}");
        assert!(!text.contains("eyJ"), "{text}");
        super::first(&text)
    }
}

/// What a diagnosis says of a link.
pub fn state<'a>(diagnosis: &'a Value, link: &str) -> &'a str {
    let mut chain = diagnosis["chain"].as_array().unwrap().iter();
    let step = chain.find(|s| s["link"] == link).unwrap();
    step["state"].as_str().unwrap()
}
