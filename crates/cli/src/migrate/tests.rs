use clap::Parser as _;
use serde_json::json;

use super::*;
use crate::args::{Cli, Command as Verb};

/// The report on manifests in a file.
fn check(manifests: &str, arguments: &[&str]) -> (String, Outcome) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), manifests).unwrap();
    let path = file.path().to_str().unwrap();
    let all = ["keyless", "migrate", "check", "-f", path];
    let parsed = Cli::try_parse_from(all.iter().chain(arguments)).unwrap();
    let Verb::Migrate(flags) = parsed.command else {
        panic!("another command")
    };
    let Command::Check(check) = &flags.command;
    perform(check).unwrap_or_else(|error| (String::new(), Outcome::from_error(error)))
}

/// Weight, path and message of what is found about one object.
fn found(object: &Value) -> Vec<(Weight, String, String)> {
    let findings = objects::look(object).into_iter();
    findings
        .map(|f| (f.weight, f.path.unwrap_or_default(), f.message))
        .collect()
}

fn object(kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"name": "a", "namespace": "apps"}, "spec": spec})
}

#[test]
fn what_works_alike_is_not_mentioned() {
    for (kind, spec) in [
        (
            "ExternalSecret",
            json!({"refreshInterval": "1h", "secretStoreRef": {"name": "s"}, "target": {"template": {"data": {"a": "{{ .a }}"}}},
                "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]}),
        ),
        (
            "SecretStore",
            json!({"provider": {"aws": {"region": "eu-central-1", "service": "ParameterStore"}}}),
        ),
        (
            "ClusterExternalSecret",
            json!({"namespaceSelectors": [{"matchLabels": {"a": "b"}}], "externalSecretSpec": {"secretStoreRef": {"name": "s"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]}}),
        ),
    ] {
        assert_eq!(found(&object(kind, &spec)), [], "{kind}");
    }
    // Neither are kinds that have nothing to do with it, whoever owns them.
    for other in [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [{"image": "nginx", "args": ["--client-qps=5"]}]}}}}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com", "annotations": {"meta.helm.sh/release-name": "x"}}, "spec": {"group": "example.com"}}),
    ] {
        assert_eq!(found(&other), []);
        assert!(!objects::matters(&other));
    }
}

/// One row for each rule: the object, and the weight, path and a part of the message.
#[test]
fn each_difference_is_named_with_its_field() {
    use Weight::{Differs, Step, Stops};
    let es = |spec| object("ExternalSecret", &spec);
    let store = |provider: Value| object("SecretStore", &json!({"provider": provider}));
    let deployment = |args: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "external-secrets", "namespace": "x"},
        "spec": {"template": {"spec": {"containers": [{"image": "ghcr.io/external-secrets/external-secrets:v2.9.0", "args": args}]}}}})
    };
    let crd = |extra: Value| {
        let mut crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "externalsecrets.external-secrets.io"}, "spec": {"group": "external-secrets.io"}});
        for (key, value) in extra.as_object().unwrap() {
            for (name, value) in value.as_object().unwrap() {
                crd[key][name] = value.clone();
            }
        }
        crd
    };
    let rows = [
        (
            es(
                json!({"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}]}),
            ),
            Stops,
            "spec.dataFrom.sourceRef.generatorRef",
            "not acted upon",
        ),
        (es(json!({"refreshInterval": "1h"})), Stops, "spec", "data"),
        (es(json!({"data": "x"})), Stops, "spec.data", "expected"),
        (
            es(
                json!({"secretStoreRef": {"name": "s"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}], "target": {"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}}),
            ),
            Step,
            "spec.target.manifest",
            "genericTargets.enabled",
        ),
        (
            es(
                json!({"secretStoreRef": {"name": "s"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}], "target": {"deletionPolicy": "Delete"}}),
            ),
            Differs,
            "spec.target.deletionPolicy",
            "owns",
        ),
        (
            store(json!({"gitlab": {"url": "https://x"}})),
            Stops,
            "spec.provider.gitlab",
            "not supported",
        ),
        (
            store(json!({"aws": {"region": "r", "service": "CertificateManager"}})),
            Stops,
            "spec.provider.aws.service",
            "CertificateManager",
        ),
        (
            store(
                json!({"aws": {"region": "r", "service": "ParameterStore", "auth": {"jwt": {"serviceAccountRef": {"name": "reader"}}}}}),
            ),
            Step,
            "spec.provider",
            "apps/reader",
        ),
        (
            store(json!({"gcpsm": {"projectID": "p"}})),
            Differs,
            "spec.provider.gcpsm",
            "service perimeter",
        ),
        (
            object("PushSecret", &json!({})),
            Stops,
            "",
            "controller class",
        ),
        (
            json!({"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "Password", "metadata": {"name": "p", "namespace": "apps"}}),
            Stops,
            "",
            "generators",
        ),
        (
            json!({"apiVersion": "external-secrets.io/v1alpha1", "kind": "SecretStore", "metadata": {"name": "p"}, "spec": {"provider": {"fake": {"data": []}}}}),
            Stops,
            "apiVersion",
            "external-secrets.io/v1",
        ),
        (
            deployment(json!(["webhook", "--port=10250"])),
            Differs,
            "",
            "CRDs carry the rules",
        ),
        (
            deployment(json!(["certcontroller"])),
            Differs,
            "",
            "certificate",
        ),
        (
            deployment(json!(["--concurrent", "5", "--client-qps=50"])),
            Differs,
            "spec.template.spec.containers.args",
            "--client-qps has no effect",
        ),
        (
            deployment(json!(["--enable-leader-election", "--make-coffee=true"])),
            Stops,
            "spec.template.spec.containers.args",
            "--make-coffee",
        ),
        (
            crd(json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "eso"}}})),
            Step,
            "metadata.annotations",
            "helm.sh/resource-policy=keep",
        ),
        (
            crd(json!({"status": {"storedVersions": ["v1alpha1", "v1"]}})),
            Stops,
            "status.storedVersions",
            "v1alpha1",
        ),
        (
            crd(json!({"spec": {"conversion": {"strategy": "Webhook"}}})),
            Step,
            "spec.conversion",
            "webhook",
        ),
        (
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "secretstore-validate", "labels": {"external-secrets.io/component": "webhook"}}}),
            Differs,
            "",
            "delete it",
        ),
    ];
    for (object, weight, path, message) in rows {
        let found = found(&object);
        let told = found
            .iter()
            .any(|(w, p, m)| *w == weight && p == path && m.contains(message));
        assert!(told, "{weight:?} {path} {message}: {found:?} in {object}");
        // One thing is told once, and by its greatest weight only.
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

#[test]
fn a_finalizer_is_a_difference() {
    let mut es = object(
        "ExternalSecret",
        &json!({"secretStoreRef": {"name": "s"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]}),
    );
    es["metadata"]["finalizers"] =
        json!(["externalsecrets.external-secrets.io/externalsecret-cleanup"]);
    assert_eq!(found(&es).len(), 1);
    es["metadata"]["finalizers"] = json!(["example.com/mine"]);
    assert_eq!(found(&es), []);
}

const MIXED: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: old, namespace: apps}
spec: {provider: {gitlab: {url: 'https://x'}}}
---
apiVersion: v1
kind: List
items:
- apiVersion: external-secrets.io/v1beta1
  kind: ExternalSecret
  metadata: {name: db, namespace: apps}
  spec:
    secretStoreRef: {name: old}
    data: [{secretKey: a, remoteRef: {key: /a}}]
- apiVersion: external-secrets.io/v1
  kind: SecretStore
  metadata: {name: other, namespace: elsewhere}
  spec: {provider: {vault: {server: 'https://v', auth: {jwt: {path: jwt, role: r, kubernetesServiceAccountToken: {serviceAccountRef: {name: app}}}}}}}
";

#[test]
fn the_report_is_read_by_people_and_programs() {
    let (text, outcome) = check(MIXED, &[]);
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    assert!(
        text.contains("SecretStore apps/old\n  stops    spec.provider.gitlab: "),
        "{text}"
    );
    assert!(
        text.contains("Looked at: 1 ExternalSecret, 2 SecretStore."),
        "{text}"
    );
    assert!(
        text.contains("1 would stop, 1 to do before the switch, 1 differ"),
        "{text}"
    );
    let (text, _) = check(MIXED, &["-o", "json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["stops"], 1);
    assert_eq!(json["findings"][0]["object"]["namespace"], "apps");
    assert_eq!(json["findings"][0]["weight"], "stops");
    assert_eq!(json["findings"][2]["compatibility"], "Vault: login");
    let (text, _) = check(MIXED, &["-o", "yaml"]);
    let yaml: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(yaml, json);
}

#[test]
fn the_end_says_how_it_went() {
    let (text, outcome) = check(MIXED, &["-n", "nobody"]);
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    assert!(text.contains("Nothing would differ."), "{text}");
    let (_, outcome) = check(MIXED, &["-n", "elsewhere"]);
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    let (_, outcome) = check("a: [", &[]);
    assert!(matches!(outcome, Outcome::CouldNotLook(_)), "{outcome:?}");
    let blind = Report {
        unseen: vec!["pushsecrets: forbidden".into()],
        ..Report::default()
    };
    assert!(matches!(super::outcome(&blind), Outcome::CouldNotLook(_)));
    let text = show::text(Format::Text, &blind).unwrap();
    assert!(text.contains("Could not look at pushsecrets"), "{text}");
}
