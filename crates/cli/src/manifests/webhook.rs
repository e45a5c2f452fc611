//! The part `webhook`: the admission server with a service account of its own, which may read
//! service accounts and pods, and write one Secret and one webhook configuration.
//!
//! Owns: what API servers are told to ask, by cloud, and the least rights with which the server
//! works. Refuses: the operator's rights: none of them are needed here, nor the other way round.

use std::fmt::Write as _;

use keyless_admission::cloud::Cloud;

use crate::webhook::CloudName;

/// What the objects are made for.
pub struct Wish<'a> {
    /// Where everything is.
    pub namespace: &'a str,
    /// The server's image.
    pub image: &'a str,
    /// Who injects.
    pub clouds: &'a [CloudName],
    /// Azure's tenant.
    pub tenant: Option<&'a str>,
}

/// The objects, as YAML.
pub fn objects(wish: &Wish<'_>) -> String {
    let namespace = wish.namespace;
    let mut out = rights(namespace);
    out.push_str(&server(wish));
    out.push_str(&configuration(namespace, wish.clouds));
    out
}

fn rights(namespace: &str) -> String {
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata:
  name: keyless-webhook
  namespace: {namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: keyless-webhook
rules:
  # what service accounts ask for; only metadata is read
  - apiGroups: [\"\"]
    resources: [serviceaccounts]
    verbs: [get, list, watch]
  # pods that nobody injected are looked for, as far as the configuration's selectors say
  - apiGroups: [\"\"]
    resources: [pods, namespaces]
    verbs: [list]
  # they are told of on the pod
  - apiGroups: [\"\"]
    resources: [events]
    verbs: [create]
  # API servers must trust the certificate that the server made
  - apiGroups: [admissionregistration.k8s.io]
    resources: [mutatingwebhookconfigurations]
    resourceNames: [keyless-injection]
    verbs: [list, watch, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: keyless-webhook
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: keyless-webhook
subjects:
  - kind: ServiceAccount
    name: keyless-webhook
    namespace: {namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: keyless-webhook
  namespace: {namespace}
rules:
  # the certificate that all replicas share; the Secret is made below, so that no right to create any is needed
  - apiGroups: [\"\"]
    resources: [secrets]
    resourceNames: [keyless-webhook]
    verbs: [list, watch, update]
  # AWS roles by ConfigMap, with --watch-config-map
  - apiGroups: [\"\"]
    resources: [configmaps]
    resourceNames: [pod-identity-webhook]
    verbs: [list, watch]
  # which replica looks for pods that nobody injected
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    verbs: [create]
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    resourceNames: [keyless-missed-pods]
    verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: keyless-webhook
  namespace: {namespace}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: keyless-webhook
subjects:
  - kind: ServiceAccount
    name: keyless-webhook
    namespace: {namespace}
---
# filled and kept by the server; applying this again leaves what is in it
apiVersion: v1
kind: Secret
metadata:
  name: keyless-webhook
  namespace: {namespace}
type: Opaque
"
    )
}

fn server(wish: &Wish<'_>) -> String {
    let Wish {
        namespace, image, ..
    } = wish;
    let clouds: Vec<&str> = wish.clouds.iter().map(|name| name.0.as_str()).collect();
    let mut args = format!("webhook, \"--inject={}\"", clouds.join(","));
    if let Some(tenant) = wish.tenant {
        // Writing to a String cannot fail.
        let _ = write!(args, ", \"--azure-tenant-id={tenant}\"");
    }
    format!(
        "---
apiVersion: v1
kind: Service
metadata:
  name: keyless-webhook
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: keyless-webhook}}
spec:
  selector: {{app.kubernetes.io/name: keyless-webhook}}
  ports:
    - {{name: webhook, port: 443, targetPort: webhook, protocol: TCP}}
    - {{name: metrics, port: 8080, targetPort: metrics, protocol: TCP}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: keyless-webhook
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: keyless-webhook}}
spec:
  replicas: 2
  selector:
    matchLabels: {{app.kubernetes.io/name: keyless-webhook}}
  strategy:
    rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: keyless-webhook}}
    spec:
      serviceAccountName: keyless-webhook
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{app.kubernetes.io/name: keyless-webhook}}
      containers:
        - name: webhook
          image: {image}
          args: [{args}]
          ports:
            - {{name: webhook, containerPort: 10250, protocol: TCP}}
            - {{name: metrics, containerPort: 8080, protocol: TCP}}
            - {{name: health, containerPort: 8081, protocol: TCP}}
          livenessProbe:
            httpGet: {{path: /healthz, port: health}}
            periodSeconds: 10
            failureThreshold: 5
          readinessProbe:
            httpGet: {{path: /readyz, port: health}}
            periodSeconds: 5
          env:
            - name: POD_NAMESPACE
              valueFrom: {{fieldRef: {{fieldPath: metadata.namespace}}}}
          resources:
            requests: {{cpu: 10m, memory: 32Mi}}
            limits: {{memory: 128Mi}}
          securityContext:
            runAsNonRoot: true
            runAsUser: 1000
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
            seccompProfile: {{type: RuntimeDefault}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: keyless-webhook
  namespace: {namespace}
spec:
  minAvailable: 1
  selector:
    matchLabels: {{app.kubernetes.io/name: keyless-webhook}}
"
    )
}

/// What of a webhook differs by cloud, as the cloud's own webhook has it: whether pods wait for
/// it, and which pods it is asked about.
const fn of(cloud: Cloud) -> (&'static str, &'static str) {
    match cloud {
        Cloud::Aws => (
            "Ignore",
            "matchExpressions:\n        - {key: eks.amazonaws.com/skip-pod-identity-webhook, operator: DoesNotExist}",
        ),
        // Only pods that ask for it wait, so that the cluster lives without it.
        Cloud::Azure => (
            "Fail",
            "matchLabels: {azure.workload.identity/use: \"true\"}",
        ),
        Cloud::Google => ("Ignore", "matchLabels: {}"),
    }
}

fn configuration(namespace: &str, clouds: &[CloudName]) -> String {
    let mut out = String::from(
        "---
# the server keeps each caBundle
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: keyless-injection
webhooks:
",
    );
    for cloud in Cloud::ALL {
        if !clouds.contains(&CloudName(cloud)) {
            continue;
        }
        let (policy, selector) = of(cloud);
        let name = cloud.as_str();
        let _ = write!(
            out,
            "  - name: {name}.injection.keyless.dev
    clientConfig:
      service: {{name: keyless-webhook, namespace: {namespace}, path: /inject/{name}, port: 443}}
    rules:
      - {{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}}
    objectSelector:
      {selector}
    failurePolicy: {policy}
    matchPolicy: Equivalent
    # containers that another webhook adds later get their token too
    reinvocationPolicy: IfNeeded
    sideEffects: None
    timeoutSeconds: 5
    admissionReviewVersions: [v1, v1beta1]
"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn made(clouds: &[Cloud]) -> Vec<Value> {
        let clouds: Vec<CloudName> = clouds.iter().copied().map(CloudName).collect();
        let text = objects(&Wish {
            namespace: "ns",
            image: "image",
            clouds: &clouds,
            tenant: Some("tenant"),
        });
        let documents = text.split("\n---\n");
        documents
            .map(|d| serde_saphyr::from_str(d).unwrap())
            .collect()
    }

    fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
        objects.iter().find(|o| o["kind"] == kind).unwrap()
    }

    /// Whoever holds the token of this pod has no Secret but the server's own certificate, and no
    /// webhook configuration but its own.
    #[test]
    fn the_rights_are_bounded() {
        let objects = made(&Cloud::ALL);
        let roles = ["ClusterRole", "Role"].map(|kind| one(&objects, kind)["rules"].clone());
        let rules = roles.iter().flat_map(|rules| rules.as_array().unwrap());
        for rule in rules {
            let resources = rule["resources"].as_array().unwrap();
            let verbs: Vec<&str> = rule["verbs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_str().unwrap())
                .collect();
            for resource in resources {
                let named = rule["resourceNames"].is_array();
                match resource.as_str().unwrap() {
                    "secrets" | "configmaps" | "mutatingwebhookconfigurations" => {
                        assert!(named, "{rule}")
                    }
                    "leases" | "events" => assert!(named || verbs == ["create"], "{rule}"),
                    "serviceaccounts" => assert_eq!(verbs, ["get", "list", "watch"]),
                    "pods" | "namespaces" => assert_eq!(verbs, ["list"]),
                    other => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn each_cloud_is_asked_as_its_own_webhook_is() {
        for cloud in Cloud::ALL {
            let objects = made(&[cloud]);
            let hooks = &one(&objects, "MutatingWebhookConfiguration")["webhooks"];
            assert_eq!(hooks.as_array().unwrap().len(), 1);
            let path = hooks[0]["clientConfig"]["service"]["path"]
                .as_str()
                .unwrap();
            assert_eq!(path, format!("/inject/{}", cloud.as_str()));
            let fails = hooks[0]["failurePolicy"] == "Fail";
            assert_eq!(fails, cloud == Cloud::Azure);
            assert!(hooks[0]["objectSelector"].is_object());
        }
    }
}
