//! What of an object a diagnosis needs. Everything else stays out of bundles: values of
//! variables, command lines, headers, data of stores.

use serde_json::{Map, Value, json};

use super::collect::text;

/// Variables whose values are names, paths and regions, and no secrets.
const SHOWN: [&str; 19] = [
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "CLOUDSDK_COMPUTE_REGION",
    "CLOUDSDK_CORE_PROJECT",
];
/// Addresses of agents and metadata services, which alone are kept of NO_PROXY.
const AGENTS: [&str; 4] = [
    "169.254.170.23",
    "169.254.169.254",
    "169.254.170.2",
    "[fd00:ec2::23]",
];
/// Annotations of pods that injection reads or writes.
const ANNOTATIONS: [&str; 4] = [
    "eks.amazonaws.com/",
    "azure.workload.identity/",
    "cloud.google.com/",
    "iam.gke.io/",
];

/// An object of the custom resources, a service account or a namespace.
pub fn object(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    // A fake store's data and a webhook's headers are values.
    if let Some(provider) = object
        .pointer_mut("/spec/provider")
        .and_then(Value::as_object_mut)
    {
        for (name, spec) in provider.iter_mut() {
            if !matches!(
                name.as_str(),
                "aws" | "azurekv" | "gcpsm" | "vault" | "kubernetes"
            ) {
                *spec = json!({});
            } else if let Some(spec) = spec.as_object_mut() {
                spec.remove("headers");
            }
        }
    }
    if let Some(target) = object
        .pointer_mut("/spec/target")
        .and_then(Value::as_object_mut)
    {
        target.remove("template");
    }
}

fn kept(object: &Value, names: &[&str]) -> Map<String, Value> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A pod.
pub fn pod(pod: &Value) -> Value {
    let nothing = Value::Null;
    let metadata = pod.get("metadata").unwrap_or(&nothing);
    let mut slim = kept(
        metadata,
        &[
            "name",
            "namespace",
            "uid",
            "labels",
            "creationTimestamp",
            "ownerReferences",
        ],
    );
    let annotations = metadata.get("annotations").and_then(Value::as_object);
    let read = |key: &str| {
        key == "kubernetes.io/config.mirror" || ANNOTATIONS.iter().any(|p| key.starts_with(p))
    };
    let annotations: Map<String, Value> = annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| read(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    slim.insert("annotations".into(), Value::Object(annotations));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": slim,
        "spec": spec(pod.get("spec").unwrap_or(&nothing)),
    })
}

/// The controller of a pod: its template.
pub fn owner(owner: &Value, kind: &str) -> Value {
    let metadata = owner.get("metadata").unwrap_or(&Value::Null);
    let template = owner.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    json!({
        "apiVersion": owner.get("apiVersion"),
        "kind": kind,
        "metadata": kept(metadata, &["name", "namespace", "uid"]),
        "spec": {"template": {"spec": spec(template)}},
    })
}

fn spec(spec: &Value) -> Value {
    let mut slim = kept(
        spec,
        &[
            "serviceAccountName",
            "hostNetwork",
            "nodeName",
            "nodeSelector",
            "os",
        ],
    );
    if let Some(context) = spec.get("securityContext") {
        slim.insert("securityContext".into(), users(context));
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        if let Some(containers) = spec.get(list).and_then(Value::as_array) {
            let containers: Vec<Value> = containers.iter().map(container).collect();
            slim.insert(list.into(), json!(containers));
        }
    }
    let volumes = spec.get("volumes").and_then(Value::as_array);
    let volumes: Vec<Value> = volumes.into_iter().flatten().map(volume).collect();
    slim.insert("volumes".into(), json!(volumes));
    Value::Object(slim)
}

fn users(context: &Value) -> Value {
    json!(kept(context, &["runAsUser", "runAsNonRoot", "fsGroup"]))
}

/// Of fields that no rule reads the name stays, without its value: a webhook may lose fields.
fn container(container: &Value) -> Value {
    let fields = container.as_object().into_iter().flatten();
    let slim: Map<String, Value> = fields
        .map(|(name, value)| {
            let value = match name.as_str() {
                "name" => value.clone(),
                "env" => json!(entries(value).filter_map(variable).collect::<Vec<_>>()),
                "volumeMounts" => {
                    let mounts =
                        entries(value).map(|m| kept(m, &["name", "mountPath", "readOnly"]));
                    json!(mounts.collect::<Vec<_>>())
                }
                "securityContext" => users(value),
                _ => Value::Null,
            };
            (name.clone(), value)
        })
        .collect();
    Value::Object(slim)
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn variable(entry: &Value) -> Option<Value> {
    let name = text(entry, "/name");
    let upper = name.to_ascii_uppercase();
    let known = ["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_"];
    if upper == "NO_PROXY" {
        let hosts = text(entry, "/value").split(',').map(str::trim);
        let hosts: Vec<&str> = hosts.filter(|host| AGENTS.contains(host)).collect();
        return Some(json!({"name": name, "value": hosts.join(",")}));
    }
    if SHOWN.contains(&name) {
        return Some(json!({"name": name, "value": text(entry, "/value")}));
    }
    let told = known.iter().any(|p| name.starts_with(p)) || upper.ends_with("_PROXY");
    told.then(|| json!({"name": name}))
}

fn volume(volume: &Value) -> Value {
    let mut slim = kept(volume, &["name"]);
    if let Some(projected) = volume.get("projected") {
        let mut inner = kept(projected, &["defaultMode"]);
        let sources = projected.get("sources").unwrap_or(&Value::Null);
        let sources: Vec<Value> = entries(sources)
            .map(|s| json!(kept(s, &["serviceAccountToken"])))
            .collect();
        inner.insert("sources".into(), json!(sources));
        slim.insert("projected".into(), Value::Object(inner));
    } else if let Some(secret) = volume.get("secret") {
        slim.insert("secret".into(), json!(kept(secret, &["secretName"])));
    }
    Value::Object(slim)
}

/// A webhook configuration: of its authorities only that there are some.
pub fn configuration(configuration: &Value) -> Value {
    let webhooks = configuration.get("webhooks").unwrap_or(&Value::Null);
    let webhooks: Vec<Value> = entries(webhooks)
        .map(|webhook| {
            let mut slim = kept(
                webhook,
                &[
                    "name",
                    "failurePolicy",
                    "reinvocationPolicy",
                    "namespaceSelector",
                    "objectSelector",
                    "admissionReviewVersions",
                ],
            );
            let client = webhook.get("clientConfig").unwrap_or(&Value::Null);
            let mut inner = kept(client, &["service"]);
            if !text(client, "/caBundle").is_empty() {
                inner.insert("caBundle".into(), json!("present"));
            }
            slim.insert("clientConfig".into(), Value::Object(inner));
            Value::Object(slim)
        })
        .collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": text(configuration, "/metadata/name")},
        "webhooks": webhooks,
    })
}

/// An event.
pub fn event(event: &Value) -> Value {
    let time = [
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    let time = time
        .iter()
        .map(|at| text(event, at))
        .find(|t| !t.is_empty());
    let involved = event.get("involvedObject").unwrap_or(&Value::Null);
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": text(event, "/metadata/name"),
            "namespace": text(event, "/metadata/namespace"),
        },
        "involvedObject": kept(involved, &["kind", "name"]),
        "reason": text(event, "/reason"),
        "message": text(event, "/message"),
        "lastTimestamp": time,
    })
}

/// Name and labels alone.
pub fn labelled(object: &Value, kind: &str) -> Value {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    json!({"apiVersion": "v1", "kind": kind, "metadata": kept(metadata, &["name", "labels"])})
}

/// Name and annotations alone.
pub fn account(account: &Value) -> Value {
    let metadata = account.get("metadata").unwrap_or(&Value::Null);
    let mut slim = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": kept(metadata, &["name", "namespace", "annotations"]),
    });
    object(&mut slim);
    slim
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing of a pod that could be a secret is kept; what the rules read is.
    #[test]
    fn pods_keep_no_values() {
        const CANARY: &str = "canary-4711-hunter2";
        let fat = json!({
            "metadata": {"name": "p", "namespace": "n", "annotations": {"a/b": CANARY, "eks.amazonaws.com/skip-containers": "x"},
                "managedFields": [{"x": CANARY}]},
            "spec": {
                "containers": [{
                    "name": "c", "image": CANARY, "command": [CANARY], "args": [CANARY], "envFrom": [{"secretRef": {"name": CANARY}}],
                    "env": [
                        {"name": "AWS_SECRET_ACCESS_KEY", "value": CANARY},
                        {"name": "AWS_ACCESS_KEY_ID", "value": CANARY},
                        {"name": "AZURE_CLIENT_SECRET", "value": CANARY},
                        {"name": "GOOGLE_CREDENTIALS", "value": CANARY},
                        {"name": "PASSWORD", "value": CANARY},
                        {"name": "HTTP_PROXY", "value": CANARY},
                        {"name": "no_proxy", "value": format!("{CANARY}, 169.254.170.23")},
                        {"name": "AWS_ROLE_ARN", "value": "arn"},
                        {"name": "AWS_REGION", "valueFrom": {"configMapKeyRef": {"name": CANARY}}},
                    ],
                    "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": CANARY}],
                }],
                "volumes": [
                    {"name": "v", "csi": {"volumeAttributes": {"x": CANARY}}},
                    {"name": "t", "projected": {"defaultMode": 288, "sources": [
                        {"serviceAccountToken": {"audience": "a", "path": "token"}}, {"secret": {"name": CANARY}}]}},
                ],
            },
            "status": {"message": CANARY},
        });
        let slim = pod(&fat);
        let written = slim.to_string();
        assert!(!written.contains(CANARY), "{written}");
        let env = slim.pointer("/spec/containers/0/env").unwrap();
        let names: Vec<&str> = entries(env).map(|e| text(e, "/name")).collect();
        let kept = [
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AZURE_CLIENT_SECRET",
            "GOOGLE_CREDENTIALS",
            "HTTP_PROXY",
            "no_proxy",
            "AWS_ROLE_ARN",
            "AWS_REGION",
        ];
        assert_eq!(names, kept);
        assert_eq!(text(env, "/5/value"), "169.254.170.23");
        assert_eq!(text(env, "/6/value"), "arn");
        let container = slim.pointer("/spec/containers/0").unwrap();
        assert_eq!(container.get("command"), Some(&Value::Null));
        assert!(
            slim.pointer("/metadata/annotations/eks.amazonaws.com~1skip-containers")
                .is_some()
        );
        assert_eq!(
            slim.pointer("/spec/volumes/1/projected/sources/0/serviceAccountToken/audience"),
            Some(&json!("a"))
        );
    }
}
