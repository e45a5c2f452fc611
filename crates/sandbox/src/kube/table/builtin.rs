//! The columns of built-in kinds, as kube-apiserver v1.37 defines them.

use serde_json::{Value, json};

use super::age::age;

/// Makes the cells of one object; the second argument is the present time.
pub(super) type Cells = fn(&Value, &str) -> Vec<Value>;
/// Name, type and priority.
type Columns = &'static [(&'static str, &'static str, i64)];

const NAME: (&str, &str, i64) = ("Name", "string", 0);
const AGE: (&str, &str, i64) = ("Age", "string", 0);
const CREATED: (&str, &str, i64) = ("Created At", "date", 0);
const BINDING: Columns = &[
    NAME,
    ("Role", "string", 0),
    AGE,
    ("Users", "string", 1),
    ("Groups", "string", 1),
    ("ServiceAccounts", "string", 1),
];
const WORKLOAD: Columns = &[
    NAME,
    ("Ready", "string", 0),
    ("Up-to-date", "string", 0),
    ("Available", "string", 0),
    AGE,
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) fn table(group: &str, kind: &str) -> (Columns, Cells) {
    match (group, kind) {
        ("", "Secret") => (
            &[NAME, ("Type", "string", 0), ("Data", "string", 0), AGE],
            secret,
        ),
        ("", "ConfigMap") => (&[NAME, ("Data", "string", 0), AGE], config_map),
        ("", "Namespace") => (&[NAME, ("Status", "string", 0), AGE], namespace),
        ("", "ServiceAccount") => (&[NAME, AGE], name_and_age),
        ("", "Event") | ("events.k8s.io", "Event") => (
            &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Subobject", "string", 1),
                ("Source", "string", 1),
                ("Message", "string", 0),
                ("First Seen", "string", 1),
                ("Count", "string", 1),
                ("Name", "string", 1),
            ],
            event,
        ),
        ("", "Pod") => (
            &[
                NAME,
                ("Ready", "string", 0),
                ("Status", "string", 0),
                ("Restarts", "string", 0),
                AGE,
                ("IP", "string", 1),
                ("Node", "string", 1),
                ("Nominated Node", "string", 1),
                ("Readiness Gates", "string", 1),
            ],
            pod,
        ),
        ("", "Service") => (
            &[
                NAME,
                ("Type", "string", 0),
                ("Cluster-IP", "string", 0),
                ("External-IP", "string", 0),
                ("Port(s)", "string", 0),
                AGE,
                ("Selector", "string", 1),
            ],
            service,
        ),
        ("apps", "Deployment") => (WORKLOAD, deployment),
        ("coordination.k8s.io", "Lease") => (&[NAME, ("Holder", "string", 0), AGE], lease),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => (BINDING, binding),
        ("admissionregistration.k8s.io", _) => (&[NAME, ("Webhooks", "integer", 0), AGE], webhooks),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => (
            &[
                NAME,
                ("Scope", "string", 0),
                ("Versions", "string", 0),
                CREATED,
                ("Group", "string", 1),
                ("Kind", "string", 1),
                ("ShortNames", "string", 1),
                ("Established", "boolean", 1),
            ],
            definition,
        ),
        _ => (&[NAME, CREATED], name_and_creation),
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

fn size(object: &Value, field: &str) -> usize {
    object
        .get(field)
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len)
}

fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

fn own_age(object: &Value, now: &str) -> String {
    age(text(object, "/metadata/creationTimestamp"), now)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

/// Texts at a pointer of every item, joined with commas.
fn joined(items: &[Value], pointer: &str) -> String {
    items
        .iter()
        .map(|item| text(item, pointer))
        .collect::<Vec<_>>()
        .join(",")
}

fn labels(object: &Value, pointer: &str) -> String {
    let pairs: Vec<String> = object
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    or_none(&pairs.join(",")).to_owned()
}

fn name_and_age(object: &Value, now: &str) -> Vec<Value> {
    vec![json!(name(object)), json!(own_age(object, now))]
}

fn name_and_creation(object: &Value, _: &str) -> Vec<Value> {
    vec![
        json!(name(object)),
        json!(text(object, "/metadata/creationTimestamp")),
    ]
}

fn secret(object: &Value, now: &str) -> Vec<Value> {
    vec![
        json!(name(object)),
        json!(text(object, "/type")),
        json!(size(object, "data")),
        json!(own_age(object, now)),
    ]
}

fn config_map(object: &Value, now: &str) -> Vec<Value> {
    let entries = size(object, "data") + size(object, "binaryData");
    vec![
        json!(name(object)),
        json!(entries),
        json!(own_age(object, now)),
    ]
}

fn namespace(object: &Value, now: &str) -> Vec<Value> {
    vec![
        json!(name(object)),
        json!(text(object, "/status/phase")),
        json!(own_age(object, now)),
    ]
}

fn lease(object: &Value, now: &str) -> Vec<Value> {
    vec![
        json!(name(object)),
        json!(text(object, "/spec/holderIdentity")),
        json!(own_age(object, now)),
    ]
}

fn webhooks(object: &Value, now: &str) -> Vec<Value> {
    vec![
        json!(name(object)),
        json!(list(object, "/webhooks").len()),
        json!(own_age(object, now)),
    ]
}

fn binding(object: &Value, now: &str) -> Vec<Value> {
    let of = |kind: &str| {
        let names: Vec<String> = list(object, "/subjects")
            .iter()
            .filter(|subject| text(subject, "/kind") == kind)
            .map(|subject| match (kind, text(subject, "/name")) {
                ("ServiceAccount", name) => format!("{}/{name}", text(subject, "/namespace")),
                (_, name) => name.to_owned(),
            })
            .collect();
        names.join(", ")
    };
    let role = format!(
        "{}/{}",
        text(object, "/roleRef/kind"),
        text(object, "/roleRef/name")
    );
    vec![
        json!(name(object)),
        json!(role),
        json!(own_age(object, now)),
        json!(of("User")),
        json!(of("Group")),
        json!(of("ServiceAccount")),
    ]
}

fn definition(object: &Value, _: &str) -> Vec<Value> {
    let versions: Vec<String> = list(object, "/spec/versions")
        .iter()
        .filter(|version| version.get("served").and_then(Value::as_bool) != Some(false))
        .map(|version| {
            let stored = version.get("storage").and_then(Value::as_bool) == Some(true);
            format!(
                "{}{}",
                text(version, "/name"),
                if stored { "(storage)" } else { "" }
            )
        })
        .collect();
    let established = list(object, "/status/conditions").iter().any(|condition| {
        text(condition, "/type") == "Established" && text(condition, "/status") == "True"
    });
    let short: Vec<&str> = list(object, "/spec/names/shortNames")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    vec![
        json!(name(object)),
        json!(text(object, "/spec/scope")),
        json!(versions.join(",")),
        json!(text(object, "/metadata/creationTimestamp")),
        json!(text(object, "/spec/group")),
        json!(text(object, "/spec/names/kind")),
        json!(short.join(",")),
        json!(established),
    ]
}

fn event(object: &Value, now: &str) -> Vec<Value> {
    let first_of = |pointers: &[&str]| {
        pointers
            .iter()
            .map(|pointer| text(object, pointer))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
            .to_owned()
    };
    let first = first_of(&["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"]);
    let last = first_of(&[
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
        "/firstTimestamp",
    ]);
    let object_ref = if object.get("regarding").is_some() {
        "/regarding"
    } else {
        "/involvedObject"
    };
    let involved = format!(
        "{}/{}",
        text(object, &format!("{object_ref}/kind")).to_lowercase(),
        text(object, &format!("{object_ref}/name"))
    );
    let component = first_of(&[
        "/source/component",
        "/deprecatedSource/component",
        "/reportingComponent",
        "/reportingController",
    ]);
    let host = first_of(&[
        "/source/host",
        "/deprecatedSource/host",
        "/reportingInstance",
    ]);
    let source = if host.is_empty() {
        component
    } else {
        format!("{component}, {host}")
    };
    let count = ["/series/count", "/count", "/deprecatedCount"]
        .iter()
        .map(|pointer| number(object, pointer))
        .find(|count| *count > 0)
        .unwrap_or(1);
    vec![
        json!(age(&last, now)),
        json!(text(object, "/type")),
        json!(text(object, "/reason")),
        json!(involved),
        json!(text(object, &format!("{object_ref}/fieldPath"))),
        json!(source),
        json!(first_of(&["/message", "/note"]).trim()),
        json!(age(&first, now)),
        json!(count),
        json!(name(object)),
    ]
}

fn pod(object: &Value, now: &str) -> Vec<Value> {
    let containers = list(object, "/spec/containers");
    let statuses = list(object, "/status/containerStatuses");
    let ready = statuses
        .iter()
        .filter(|status| status.get("ready").and_then(Value::as_bool) == Some(true))
        .count();
    let restarts: i64 = statuses
        .iter()
        .map(|status| number(status, "/restartCount"))
        .sum();
    let waiting = statuses
        .iter()
        .flat_map(|status| {
            [
                text(status, "/state/waiting/reason"),
                text(status, "/state/terminated/reason"),
            ]
        })
        .find(|reason| !reason.is_empty());
    let phase = [
        waiting.unwrap_or_default(),
        text(object, "/status/reason"),
        text(object, "/status/phase"),
    ]
    .into_iter()
    .find(|text| !text.is_empty())
    .unwrap_or_default();
    let status = if text(object, "/metadata/deletionTimestamp").is_empty() {
        phase
    } else {
        "Terminating"
    };
    vec![
        json!(name(object)),
        json!(format!("{ready}/{}", containers.len())),
        json!(status),
        json!(restarts.to_string()),
        json!(own_age(object, now)),
        json!(or_none(text(object, "/status/podIP"))),
        json!(or_none(text(object, "/spec/nodeName"))),
        json!(or_none(text(object, "/status/nominatedNodeName"))),
        json!("<none>"),
    ]
}

fn service(object: &Value, now: &str) -> Vec<Value> {
    let ports: Vec<String> = list(object, "/spec/ports")
        .iter()
        .map(|port| {
            let node = number(port, "/nodePort");
            let node = if node > 0 {
                format!(":{node}")
            } else {
                String::new()
            };
            let protocol = text(port, "/protocol");
            let protocol = if protocol.is_empty() { "TCP" } else { protocol };
            format!("{}{node}/{protocol}", number(port, "/port"))
        })
        .collect();
    vec![
        json!(name(object)),
        json!(text(object, "/spec/type")),
        json!(or_none(text(object, "/spec/clusterIP"))),
        json!(or_none(text(object, "/spec/externalName"))),
        json!(or_none(&ports.join(","))),
        json!(own_age(object, now)),
        json!(labels(object, "/spec/selector")),
    ]
}

fn deployment(object: &Value, now: &str) -> Vec<Value> {
    let containers = list(object, "/spec/template/spec/containers");
    let wanted = object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    vec![
        json!(name(object)),
        json!(format!(
            "{}/{wanted}",
            number(object, "/status/readyReplicas")
        )),
        json!(number(object, "/status/updatedReplicas")),
        json!(number(object, "/status/availableReplicas")),
        json!(own_age(object, now)),
        json!(joined(containers, "/name")),
        json!(joined(containers, "/image")),
        json!(labels(object, "/spec/selector/matchLabels")),
    ]
}
