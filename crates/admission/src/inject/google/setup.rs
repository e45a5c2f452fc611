//! The init container that writes gcloud's configuration.
//!
//! Owns: what it runs and as whom. Refuses: anything for other containers.

use serde_json::{Value, json};

use super::super::env;
use super::account::Account;
use super::{GCLOUD_MOUNT, GCLOUD_PATH, SETUP, Settings, TOKEN, TOKEN_MOUNT, TOKEN_PATH};
use crate::patch::{PodEdit, entry_named};

const INIT: &str = "/spec/initContainers";

/// Puts it first, or in the place of the one that is there.
pub(super) fn add(settings: &Settings, account: &Account<'_>, edit: &mut PodEdit) {
    let container = container(settings, account);
    let list = edit.pod().pointer(INIT);
    match entry_named(list, SETUP) {
        // What others have added to it since stays.
        Some(index)
            if list
                .and_then(|list| list.get(index))
                .is_some_and(|present| covers(present, &container)) => {}
        Some(index) => edit.replace(format!("{INIT}/{index}"), container),
        None => edit.insert(INIT, 0, container),
    }
}

/// Whether `present` has all that `wanted` has, and perhaps more.
fn covers(present: &Value, wanted: &Value) -> bool {
    match (present, wanted) {
        (Value::Object(present), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| present.get(key).is_some_and(|now| covers(now, wanted))),
        (Value::Array(present), Value::Array(wanted))
            if wanted.iter().all(|entry| entry.get("name").is_some()) =>
        {
            wanted.iter().all(|wanted| present.contains(wanted))
        }
        (present, wanted) => present == wanted,
    }
}

fn container(settings: &Settings, account: &Account<'_>) -> Value {
    // The kubelet expands $(NAME); the file's folder is the one that all containers share.
    let script = format!(
        "gcloud iam workload-identity-pools create-cred-config \\\n  $(GCP_WORKLOAD_IDENTITY_PROVIDER) \\\n  --service-account=$(GCP_SERVICE_ACCOUNT) \\\n  --output-file=$(CLOUDSDK_CONFIG)/federation.json \\\n  --credential-source-file={TOKEN_PATH}/{TOKEN}\ngcloud auth login --cred-file=$(CLOUDSDK_CONFIG)/federation.json\n"
    );
    let mut security = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
    });
    if let (Some(user), Some(fields)) = (account.user, security.as_object_mut()) {
        fields.insert("runAsUser".into(), json!(user));
    }
    let mut container = json!({
        "name": SETUP,
        "image": settings.gcloud_image,
        "command": ["sh", "-c", script],
        "env": [
            env("GCP_WORKLOAD_IDENTITY_PROVIDER", account.provider),
            env("GCP_SERVICE_ACCOUNT", account.email),
            env("CLOUDSDK_CONFIG", GCLOUD_PATH),
            env("CLOUDSDK_CORE_PROJECT", account.project()),
        ],
        "securityContext": security,
        "volumeMounts": [TOKEN_MOUNT.value(), GCLOUD_MOUNT.value()],
    });
    if let (Some(resources), Some(fields)) = (&settings.setup_resources, container.as_object_mut())
    {
        fields.insert("resources".into(), resources.clone());
    }
    container
}
