//! A release of External Secrets Operator is taken over in place, and given back.

use std::process::Command;

use serde_json::Value;

use crate::install::Installed;
use crate::support::until;
use crate::support::workspace;

const OBJECTS: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: default}
spec: {provider: {fake: {data: [{key: k, value: v}]}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: elsewhere, namespace: default}
spec: {provider: {gitlab: {url: 'https://gitlab.example.com'}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: db
  namespace: default
  finalizers: [externalsecrets.external-secrets.io/externalsecret-cleanup]
spec:
  refreshInterval: 1h
  secretStoreRef: {kind: SecretStore, name: fake}
  target: {creationPolicy: Owner, deletionPolicy: Retain}
  data: [{secretKey: a, remoteRef: {key: k}}]
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: out, namespace: default}
spec: {secretStoreRefs: [{name: fake}], selector: {secret: {name: x}}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: external-secrets-controller, namespace: external-secrets}
spec: {holderIdentity: eso-pod_1, leaseDurationSeconds: 15, leaseTransitions: 3}
";

/// `keyless migrate check` on the cluster: its JSON and exit code.
fn migrate_check(installed: &Installed) -> (Value, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_keyless"))
        .args(["migrate", "check", "-o", "json", "--kubeconfig"])
        .arg(&installed.cluster.plane.kubeconfig)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (report, output.status.code())
}

/// Whether something is found about this object.
fn found(report: &Value, weight: &str, kind: &str, name: &str) -> bool {
    report["findings"].as_array().unwrap().iter().any(|f| {
        f["weight"] == weight && f["object"]["kind"] == kind && f["object"]["name"] == name
    })
}

#[test]
fn a_release_of_eso_is_taken_over_in_place_and_given_back() {
    let Some(installed) = Installed::begin() else {
        return;
    };
    let cluster = &installed.cluster;
    let eso = workspace("crates/cli/tests/all/takeover/eso");
    let eso = eso.to_str().unwrap();
    let helm = |arguments: &[&str]| {
        let all: Vec<&str> = arguments
            .iter()
            .chain(&["--namespace", "external-secrets"])
            .copied()
            .collect();
        installed.helm.run(&all)
    };
    helm(&[
        "install",
        "external-secrets",
        eso,
        "--create-namespace",
        "--set=webhooks=false",
    ])
    .unwrap();
    cluster.apply(OBJECTS);
    helm(&["upgrade", "external-secrets", eso, "--set=webhooks=true"]).unwrap();
    let uid = |kind: &str, namespace: &str, name: &str| {
        let object = cluster.get(kind, namespace, name)?;
        Some(object["metadata"]["uid"].as_str()?.to_owned())
    };
    let deployment = uid("deployment", "external-secrets", "external-secrets");
    let object = uid("externalsecret", "default", "db");

    // What would differ.
    let (report, code) = migrate_check(&installed);
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(
        report["couldNotLookAt"],
        serde_json::json!([]),
        "{report:#}"
    );
    for (weight, kind, name) in [
        ("stops", "SecretStore", "elsewhere"),
        ("stops", "PushSecret", "out"),
        ("differs", "ExternalSecret", "db"),
        (
            "todo",
            "CustomResourceDefinition",
            "pushsecrets.external-secrets.io",
        ),
        ("differs", "Deployment", "external-secrets-webhook"),
        ("differs", "Deployment", "external-secrets"),
        (
            "differs",
            "ValidatingWebhookConfiguration",
            "externalsecret-validate",
        ),
    ] {
        assert!(
            found(&report, weight, kind, name),
            "{weight} {kind} {name} in {report:#}"
        );
    }

    // An upgrade that would delete definitions is refused, and says what to do.
    let chart = workspace("charts/keyless");
    let upgrade = [
        "upgrade",
        "external-secrets",
        chart.to_str().unwrap(),
        "--set=leaderElect=true",
    ];
    let refusal = helm(&upgrade).unwrap_err();
    let command = refusal
        .lines()
        .map(str::trim)
        .find(|l| l.starts_with("kubectl annotate crd "));
    let command = command.unwrap_or_else(|| panic!("no command in {refusal}"));
    assert!(
        command.contains("pushsecrets.external-secrets.io"),
        "{command}"
    );
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    cluster.kubectl(&words);
    helm(&upgrade).unwrap();

    // In place: the same Deployment, and nothing is lost but what has no successor.
    assert_eq!(
        uid("deployment", "external-secrets", "external-secrets"),
        deployment
    );
    assert_eq!(uid("externalsecret", "default", "db"), object);
    assert!(cluster.get("pushsecret", "default", "out").is_some());
    for (kind, namespace, name) in [
        ("deployment", "external-secrets", "external-secrets-webhook"),
        (
            "deployment",
            "external-secrets",
            "external-secrets-cert-controller",
        ),
        (
            "validatingwebhookconfiguration",
            "",
            "externalsecret-validate",
        ),
    ] {
        assert!(
            cluster.get(kind, namespace, name).is_none(),
            "{kind} {name}"
        );
    }
    // The leader's lease is waited for, then taken over.
    let operator = installed.operator("takeover.log");
    installed.until_secret("default", "db", "a", "v");
    let lease = cluster
        .get("lease", "external-secrets", "external-secrets-controller")
        .unwrap();
    assert_eq!(lease["spec"]["leaseTransitions"], 4, "{lease:#}");
    operator.stop();
    let secret = uid("secret", "default", "db");
    let (report, _) = migrate_check(&installed);
    assert!(!found(
        &report,
        "differs",
        "Deployment",
        "external-secrets-webhook"
    ));

    // And back: the release's earlier revision.
    helm(&["rollback", "external-secrets", "2"]).unwrap();
    assert_eq!(
        uid("deployment", "external-secrets", "external-secrets"),
        deployment
    );
    assert_eq!(uid("externalsecret", "default", "db"), object);
    assert_eq!(uid("secret", "default", "db"), secret);
    assert!(cluster.get("pushsecret", "default", "out").is_some());
    for (kind, namespace, name) in [
        ("deployment", "external-secrets", "external-secrets-webhook"),
        (
            "validatingwebhookconfiguration",
            "",
            "externalsecret-validate",
        ),
    ] {
        until("what ESO needs being back", || {
            cluster.get(kind, namespace, name)
        });
    }
    let container = cluster
        .get("deployment", "external-secrets", "external-secrets")
        .unwrap();
    let container = &container["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["image"],
        "ghcr.io/external-secrets/external-secrets:v2.9.0"
    );
    assert_eq!(container["args"][0], "--concurrent=1");
}
