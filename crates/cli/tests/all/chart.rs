//! What the chart makes of values, without any cluster.

use serde_json::{Value, json};

#[path = "chart/documents.rs"]
mod documents;
#[path = "chart/injection.rs"]
mod injection;
#[path = "chart/rights.rs"]
mod rights;

use crate::support::audit::granted;
use crate::support::helm::{Helm, find};
use crate::support::workspace;

const AWS: &str = "examples/aws-parameter-store/values.yaml";
const AZURE: &str = "examples/azure-key-vault/values.yaml";
const COMMON: &str = "crates/cli/tests/all/values/every-common-key.yaml";

/// The flag for a values file of the workspace.
fn with(values: &str) -> String {
    format!("--values={}", workspace(values).display())
}

#[test]
fn the_values_for_aws_and_azure_mean_what_they_mean_to_eso() {
    let Some(helm) = Helm::get() else { return };
    let aws = helm.template(&[&with(AWS)]).unwrap();
    assert!(!aws.iter().any(|o| o["kind"] == "ServiceAccount"));
    let pod = &find(&aws, "Deployment", "external-secrets")["spec"]["template"]["spec"];
    // Without a cluster to look at, as ESO's chart has it.
    assert_eq!(pod["serviceAccountName"], "default");
    let azure = helm.template(&[&with(AZURE)]).unwrap();
    let account = find(&azure, "ServiceAccount", "external-secrets");
    assert_eq!(
        account["metadata"]["annotations"]["azure.workload.identity/client-id"],
        "00000000-0000-0000-0000-000000000000"
    );
    let template = &find(&azure, "Deployment", "external-secrets")["spec"]["template"];
    assert_eq!(
        template["metadata"]["labels"]["azure.workload.identity/use"],
        "true"
    );
    for objects in [&aws, &azure] {
        let crds = objects
            .iter()
            .filter(|o| o["kind"] == "CustomResourceDefinition");
        let kept =
            crds.filter(|c| c["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep");
        assert_eq!(kept.count(), 4);
    }
}

/// One row for each value that users set: where its effect stands.
#[test]
fn every_common_key_has_its_effect() {
    let Some(helm) = Helm::get() else { return };
    let api = "--api-versions=monitoring.coreos.com/v1/ServiceMonitor";
    let objects = helm.template(&[&with(COMMON), api]).unwrap();
    let name = "external-secrets";
    let pod = "/spec/template/spec";
    let rows: &[(&str, &str, &str, Value)] = &[
        ("Deployment", name, "/spec/replicas", json!(2)),
        ("Deployment", name, "/spec/revisionHistoryLimit", json!(3)),
        (
            "Deployment",
            name,
            "/metadata/labels/cost-centre",
            json!("42"),
        ),
        (
            "Deployment",
            name,
            "/metadata/annotations/reloader.stakater.com~1auto",
            json!("true"),
        ),
        (
            "Deployment",
            name,
            "/spec/strategy/rollingUpdate/maxUnavailable",
            json!(0),
        ),
        (
            "Deployment",
            name,
            "/spec/template/metadata/labels/team",
            json!("platform"),
        ),
        (
            "Deployment",
            name,
            "/spec/template/metadata/labels/azure.workload.identity~1use",
            json!("true"),
        ),
        (
            "Deployment",
            name,
            "/spec/template/metadata/annotations/note",
            json!("yes"),
        ),
        (
            "Deployment",
            name,
            "/spec/template/metadata/annotations/prometheus.io~1scrape",
            json!("true"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/imagePullSecrets/0/name"),
            json!("registry"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/securityContext/fsGroup"),
            json!(2000),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/initContainers/0/name"),
            json!("wait"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/1/name"),
            json!("side"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/0/image"),
            json!("registry.example.com/mirror/keyless:v1.2.3-distroless"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/0/imagePullPolicy"),
            json!("Always"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/0/resources/limits/memory"),
            json!("1Gi"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/0/volumeMounts/0/mountPath"),
            json!("/etc/ca"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/0/env/1/name"),
            json!("HTTPS_PROXY"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/0/livenessProbe/timeoutSeconds"),
            json!(3),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/containers/0/livenessProbe/httpGet/path"),
            json!("/healthz"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/volumes/0/name"),
            json!("ca"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/nodeSelector/pool"),
            json!("system"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/tolerations/0/key"),
            json!("system"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/topologySpreadConstraints/0/maxSkew"),
            json!(1),
        ),
        (
            "Deployment",
            name,
            &format!(
                "{pod}/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/weight"
            ),
            json!(100),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/priorityClassName"),
            json!("system-cluster-critical"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/dnsConfig/options/0/name"),
            json!("ndots"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/hostAliases/0/ip"),
            json!("10.0.0.1"),
        ),
        (
            "Deployment",
            name,
            &format!("{pod}/terminationGracePeriodSeconds"),
            json!(20),
        ),
        (
            "ServiceAccount",
            name,
            "/metadata/annotations/iam.gke.io~1gcp-service-account",
            json!("reader@project.iam.gserviceaccount.com"),
        ),
        (
            "ServiceAccount",
            name,
            "/metadata/labels/azure.workload.identity~1use",
            json!("true"),
        ),
        (
            "Service",
            "external-secrets-metrics",
            "/spec/ipFamilyPolicy",
            json!("SingleStack"),
        ),
        (
            "Service",
            "external-secrets-metrics",
            "/metadata/annotations/a",
            json!("b"),
        ),
        (
            "ServiceMonitor",
            "external-secrets-metrics",
            "/metadata/labels/release",
            json!("prometheus"),
        ),
        (
            "ServiceMonitor",
            "external-secrets-metrics",
            "/spec/endpoints/0/interval",
            json!("60s"),
        ),
        (
            "PodDisruptionBudget",
            "external-secrets-pdb",
            "/spec/minAvailable",
            json!(1),
        ),
        (
            "NetworkPolicy",
            name,
            "/spec/egress/2/ports/0/port",
            json!(8200),
        ),
        (
            "ConfigMap",
            "external-secrets-dashboard",
            "/metadata/annotations/grafana_folder",
            json!("Secrets"),
        ),
        ("ConfigMap", "extra-external-secrets", "/data/a", json!("b")),
        (
            "ConfigMap",
            "second-external-secrets",
            "/kind",
            json!("ConfigMap"),
        ),
        (
            "ClusterRoleBinding",
            "external-secrets-auth-delegator",
            "/roleRef/name",
            json!("system:auth-delegator"),
        ),
        (
            "Role",
            "external-secrets-leaderelection",
            "/rules/0/resources/0",
            json!("leases"),
        ),
        (
            "CustomResourceDefinition",
            "externalsecrets.external-secrets.io",
            "/metadata/annotations/example.com~1owner",
            json!("platform"),
        ),
    ];
    for (kind, name, pointer, wanted) in rows {
        let object = find(&objects, kind, name);
        assert_eq!(
            object.pointer(pointer),
            Some(wanted),
            "{kind} {name} {pointer}"
        );
    }
    let args =
        &find(&objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]["args"];
    for wanted in [
        "controller",
        "--enable-leader-election=true",
        "--leader-election-id=external-secrets-controller",
        "--leader-election-lease-duration=15s",
        "--controller-class=default",
        "--enable-extended-metric-labels=true",
        "--store-requeue-interval=10m",
        "--unsafe-allow-generic-targets=true",
        "--concurrent=5",
        "--loglevel=debug",
        "--client-qps=100",
        "--enable-flood-gate=false",
        "--enable-extended-metric-labels",
    ] {
        assert!(
            args.as_array().unwrap().contains(&json!(wanted)),
            "{wanted} in {args}"
        );
    }
    let role = find(&objects, "ClusterRole", "external-secrets-controller");
    let rights = granted(std::iter::once(role));
    for (group, resource, verb) in [
        ("argoproj.io", "applications", "update"),
        ("", "configmaps", "create"),
        ("", "serviceaccounts/token", "create"),
    ] {
        assert!(
            rights.contains(&(group.into(), resource.into(), verb.into())),
            "{resource}"
        );
    }
    let view = find(&objects, "ClusterRole", "external-secrets-view");
    let admin = &view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"];
    assert!(admin.is_null());
}

#[test]
fn what_cannot_work_is_refused_with_a_reason() {
    let Some(helm) = Helm::get() else { return };
    for (set, reason) in [
        ("replicaCount=2", "leaderElect"),
        ("replicaCount=many", "replicaCount"),
        ("rbac.profile=most", "rbac"),
        ("rbac.profile=least", "rbac.namespaces"),
        (
            "serviceMonitor.enabled=true,serviceMonitor.renderMode=failIfMissing",
            "ServiceMonitors",
        ),
        ("serviceAccount.annotations.a=1", "annotations"),
    ] {
        let error = helm.template(&["--set", set]).unwrap_err();
        assert!(error.contains(reason), "{set}: {error}");
    }
}
