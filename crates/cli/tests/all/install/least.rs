//! The profile `least`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{Installed, USER};
use crate::support::audit;
use crate::support::until;

/// What `keyless trust rights` prints for these manifests.
fn rights(manifests: &str) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyless"));
    command.args(["trust", "rights", "-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(manifests.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// With rights on the Secrets of two namespaces only, these two are served and nothing is asked for
/// elsewhere; an object in a third one says what is missing.
#[test]
fn the_profile_least_is_enough_where_it_is_given() {
    let Some(installed) = Installed::begin() else {
        return;
    };
    let cluster = &installed.cluster;
    for namespace in ["team-a", "team-b"] {
        cluster.kubectl(&["create", "namespace", namespace]);
    }
    let objects = |namespace: &str| {
        format!(
            "
apiVersion: v1
kind: ConfigMap
metadata: {{name: template, namespace: {namespace}}}
data: {{greeting: 'hello {{{{ .a }}}}'}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: shaped, namespace: {namespace}}}
spec:
  secretStoreRef: {{name: fake, kind: ClusterSecretStore}}
  target:
    template: {{templateFrom: [{{configMap: {{name: template, items: [{{key: greeting}}]}}}}]}}
  data: [{{secretKey: a, remoteRef: {{key: k}}}}]
"
        )
    };
    let store = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: fake}
spec: {provider: {fake: {data: [{key: k, value: first}]}}}
";
    // Before the installation there are manifests only: the rights are made from them.
    let used = [store, &objects("default"), &objects("team-a")].join("---");
    let values = cluster.folder.path().join("rights.yaml");
    std::fs::write(&values, rights(&used)).unwrap();
    let values = values.to_str().unwrap();
    installed.helm("install", &["--create-namespace", "--values", values]);
    cluster.apply(store);
    let operator = installed.operator("least.log");
    for namespace in ["default", "team-a"] {
        cluster.apply(&objects(namespace));
        installed.until_secret(namespace, "shaped", "greeting", "hello first");
        // Drift is seen, so the watch of this namespace is up.
        let stolen = r#"{"data":{"greeting":"eA=="}}"#;
        cluster.kubectl(&["patch", "secret", "shaped", "-n", namespace, "-p", stolen]);
        installed.until_secret(namespace, "shaped", "greeting", "hello first");
        // And a changed template, so that of ConfigMaps is.
        let change = r#"{"data":{"greeting":"good day {{ .a }}"}}"#;
        cluster.kubectl(&[
            "patch",
            "configmap",
            "template",
            "-n",
            namespace,
            "-p",
            change,
        ]);
        installed.until_secret(namespace, "shaped", "greeting", "good day first");
    }
    let asked = audit::asked(cluster.audit_log(), USER);
    assert!(asked.denied.is_empty(), "denied: {:#?}", asked.denied);
    cluster.apply(&objects("team-b"));
    let message = until("what is missing being told", || {
        let object = cluster.get("externalsecret", "team-b", "shaped")?;
        let message = object["status"]["conditions"][0]["message"].as_str()?;
        message.contains("forbidden").then(|| message.to_owned())
    });
    assert!(message.contains("configmaps"), "{message}");
    operator.stop();
}
