//! The proxy that answers for the instance metadata service, for SDKs that know no federation.
//!
//! Owns: its two containers, in the place where each works. Refuses: their identity, which they
//! get like any other container.

use serde_json::{Value, json};

use super::super::Verdict;
use super::super::number::parse_int;
use super::{PREFIX, Settings};
use crate::patch::{PodEdit, entry_named};

const PROXY: &str = "azwi-proxy";
const REDIRECT: &str = "azwi-proxy-init";
const PORT: i64 = 8000;

/// Adds both containers, unless there are ones of their names.
///
/// # Errors
/// The port is no number, or the pod shares the network of its node, which would be redirected
/// as a whole.
pub(super) fn add(settings: &Settings, edit: &mut PodEdit) -> Result<(), Verdict> {
    if edit.pod().pointer("/spec/hostNetwork") == Some(&Value::Bool(true)) {
        return Err(Verdict::denied(
            "hostNetwork is set to true, cannot inject proxy sidecar",
        ));
    }
    let port = edit.annotation(&format!("{PREFIX}/proxy-sidecar-port"));
    let port = port.map_or(Ok(PORT), |text| parse_int(text, 32));
    let port =
        port.map_err(|why| Verdict::denied(format!("failed to parse proxy sidecar port: {why}")))?;
    // The redirection comes last, so that the pod's own init containers still reach the world.
    missing(edit, "/spec/initContainers", REDIRECT, |edit, list| {
        edit.append(list, redirect(settings, port));
    });
    let list = if settings.native_sidecar {
        "/spec/initContainers"
    } else {
        "/spec/containers"
    };
    missing(edit, list, PROXY, |edit, list| {
        edit.insert(list, 0, proxy(settings, port));
    });
    Ok(())
}

fn missing(edit: &mut PodEdit, list: &str, name: &str, add: impl FnOnce(&mut PodEdit, &str)) {
    if entry_named(edit.pod().pointer(list), name).is_none() {
        add(edit, list);
    }
}

fn redirect(settings: &Settings, port: i64) -> Value {
    json!({
        "name": REDIRECT,
        "image": settings.proxy_init_image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "privileged": true,
            "runAsNonRoot": false,
            "runAsUser": 0,
        },
        "env": [{"name": "PROXY_PORT", "value": port.to_string()}],
    })
}

fn proxy(settings: &Settings, port: i64) -> Value {
    let (port_flag, level) = (format!("--proxy-port={port}"), "--log-level=info");
    let mut container = json!({
        "name": PROXY,
        "image": settings.proxy_image,
        "imagePullPolicy": "IfNotPresent",
        "args": [port_flag, level],
        "ports": [{"containerPort": port}],
        "lifecycle": {"postStart": {"exec": {
            "command": ["/proxy", port_flag, "--probe", level],
        }}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
        },
    });
    if settings.native_sidecar
        && let Some(fields) = container.as_object_mut()
    {
        fields.insert("restartPolicy".into(), json!("Always"));
    }
    container
}
