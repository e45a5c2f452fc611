//! Injection for Azure, drop-in for the azure-workload-identity webhook.
//!
//! Owns: client, tenant and token file of each container, the token volume, the custom token
//! endpoint (identity bindings of AKS), and the proxy that plays IMDS for old SDKs.
//! Refuses: the label that opts a pod in, which the webhook configuration's selector honours.

mod proxy;
mod settings;

pub use settings::{AuthorityError, Settings, TokenEndpoint, authority};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::number::parse_int;
use super::{Injection, Mount, Subject, Verdict, add_env, set_volume, token_volume, trimmed};
use crate::patch::{Place, PodEdit};

/// What the keys of all labels and annotations begin with.
pub const PREFIX: &str = "azure.workload.identity";
/// The label that opts a pod in, with the value `true`.
pub const USE_LABEL: &str = "azure.workload.identity/use";
const MOUNT_PATH: &str = "/var/run/secrets/azure/wi";
const TOKEN: &str = "token/azure-identity-token";
const AUTHORITY: &str = "ca-cert/ca.crt";
/// Lives of a token that the webhook accepts, in seconds.
const LIVES: std::ops::RangeInclusive<i64> = 3600..=86_400;
/// What the token volume's name begins with.
const RESERVED: &str = "azure-workload-identity-reserved-";
/// The longest name of a volume.
const NAME: usize = 63;

/// What the webhook does with `subject`.
#[must_use]
pub fn inject(settings: &Settings, subject: &Subject<'_>) -> Verdict {
    match changed(settings, subject) {
        Ok(injection) => Verdict::Allowed(injection),
        Err(denied) => denied,
    }
}

fn changed(settings: &Settings, subject: &Subject<'_>) -> Result<Injection, Verdict> {
    let mut edit = PodEdit::new(subject.pod)?;
    let key = |name: &str| format!("{PREFIX}/{name}");
    let name = edit.service_account().unwrap_or("default").to_owned();
    let Some(account) = subject.account else {
        return Err(Verdict::denied(format!(
            "serviceaccounts {name:?} not found"
        )));
    };
    let of_account = |name: &str| account.get(&key(name)).map(String::as_str);
    if edit.annotation(&key("inject-proxy-sidecar")).is_some() {
        proxy::add(settings, &mut edit)?;
    }
    let life = "service-account-token-expiration";
    let life = edit
        .annotation(&key(life))
        .filter(|text| !text.is_empty())
        .or_else(|| of_account(life).filter(|text| !text.is_empty()));
    let seconds = life.map_or(Ok(*LIVES.start()), |text| parse_int(text, 64));
    let seconds = seconds.map_err(Verdict::denied)?;
    if !LIVES.contains(&seconds) {
        return Err(Verdict::denied(format!(
            "token expiration {seconds} not valid. Expected value to be between {} and {}",
            LIVES.start(),
            LIVES.end()
        )));
    }
    let endpoint = settings.token_endpoint.as_ref();
    let endpoint = endpoint.filter(|endpoint| {
        let asked = edit.annotation(&key(&format!("use-{}", endpoint.annotation_suffix)));
        asked.is_some_and(|asked| asked.eq_ignore_ascii_case("true"))
    });
    let tenant = of_account("tenant-id").unwrap_or(&settings.tenant_id);
    let variables = variables(settings, of_account("client-id"), tenant, endpoint);
    let skipped = trimmed(edit.annotation(&key("skip-containers")), ';');
    let volume = volume_name(subject.pod);
    let mount = Mount {
        volume: &volume,
        path: MOUNT_PATH,
        read_only: true,
    };
    let mut warnings = Vec::new();
    for container in edit.containers() {
        if skipped.contains(&container.name) {
            continue;
        }
        if let Some(taken) = mount.taken(&edit, &container) {
            warnings.push(taken);
            continue;
        }
        fill(&variables, &mut edit, &container);
        mount.set(&mut edit, &container);
    }
    let audience = endpoint.map_or(&settings.audience, |endpoint| &endpoint.audience);
    let token = token_volume(&volume, audience, seconds, TOKEN, None);
    set_volume(&mut edit, &volume, with_authority(token, endpoint));
    Ok(Injection {
        patch: edit.into_operations(),
        warnings,
    })
}

/// The variables of each container; those without a value are left out.
fn variables(
    settings: &Settings,
    client: Option<&str>,
    tenant: &str,
    endpoint: Option<&TokenEndpoint>,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("AZURE_CLIENT_ID", client.unwrap_or_default().to_owned()),
        ("AZURE_TENANT_ID", tenant.to_owned()),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            format!("{MOUNT_PATH}/{TOKEN}"),
        ),
        ("AZURE_AUTHORITY_HOST", settings.authority_host.clone()),
    ];
    if let Some(endpoint) = endpoint {
        let file = format!("{MOUNT_PATH}/{AUTHORITY}");
        variables.extend([
            ("AZURE_KUBERNETES_TOKEN_PROXY", endpoint.proxy.clone()),
            ("AZURE_KUBERNETES_SNI_NAME", endpoint.sni_name.clone()),
            ("AZURE_KUBERNETES_CA_FILE", file),
            ("AZURE_KUBERNETES_CA_DATA", endpoint.ca_data.clone()),
        ]);
    }
    variables.retain(|(_, value)| !value.is_empty());
    variables
}

fn fill(variables: &[(&'static str, String)], edit: &mut PodEdit, container: &Place) {
    for (name, value) in variables {
        if !edit.has_env(container, name) {
            add_env(edit, container, name, value);
        }
    }
}

/// The endpoint's authority beside the token, in the same volume.
fn with_authority(mut volume: Value, endpoint: Option<&TokenEndpoint>) -> Value {
    let sources = volume.pointer_mut("/projected/sources");
    let (Some(endpoint), Some(Value::Array(sources))) = (endpoint, sources) else {
        return volume;
    };
    if !endpoint.ca_config_map.is_empty() {
        sources.push(json!({"configMap": {
            "name": endpoint.ca_config_map,
            "items": [{"key": "ca.crt", "path": AUTHORITY}],
            "optional": false,
        }}));
    }
    if !endpoint.ca_signer.is_empty() {
        let mut bundle = json!({
            "signerName": endpoint.ca_signer,
            "path": AUTHORITY,
            "optional": false,
        });
        if let (Some(selector), Some(fields)) = (&endpoint.ca_selector, bundle.as_object_mut()) {
            fields.insert("labelSelector".into(), selector.clone());
        }
        sources.push(json!({ "clusterTrustBundle": bundle }));
    }
    volume
}

/// Whether a pod has a token volume of this webhook, or of versions before 1.6, whatever the pod
/// was called when it was made.
#[must_use]
pub fn has_token_volume(pod: &Value) -> bool {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().any(|volume| {
        let name = volume.get("name").and_then(Value::as_str);
        name.is_some_and(|name| name.starts_with(RESERVED) || name == "azure-identity-token")
    })
}

/// The token volume's name: it tells one pod's from another's, but pods of one controller share
/// it, because the API server names them after admission.
fn volume_name(pod: &Value) -> String {
    let text = |field: &str| {
        let metadata = pod.get("metadata").and_then(|m| m.get(field));
        metadata.and_then(Value::as_str).unwrap_or_default()
    };
    let name = match text("name") {
        "" => format!("{} (prefix)", text("generateName")),
        name => name.to_owned(),
    };
    let hash = digest(&SHA256, name.as_bytes());
    let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let length = NAME - RESERVED.len();
    format!("{RESERVED}{}", hex.get(..length).unwrap_or(&hex))
}
