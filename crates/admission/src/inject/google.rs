//! Injection for Google, drop-in for the workload identity federation webhook of clusters that
//! are not on Google.
//!
//! Owns: both of its modes (an init container that runs gcloud, or a credential configuration
//! from an annotation), and what it writes back into the pod's annotations.
//! Refuses: reading the provider's own list of audiences: what is asked for is injected.

mod account;
mod setup;

pub use account::Settings;

use serde_json::{Value, json};

use super::number::parse_int;
use super::{
    Injection, Mount, Subject, Verdict, add_env, audience, set_env, set_volume, token_volume,
    trimmed,
};
use crate::patch::{Place, PodEdit};
use account::{Account, Mode};

const TOKEN_VOLUME: &str = "gcp-iam-token";
const TOKEN_PATH: &str = "/var/run/secrets/sts.googleapis.com/serviceaccount";
const TOKEN: &str = "token";
const GCLOUD_VOLUME: &str = "gcloud-config";
const GCLOUD_PATH: &str = "/var/run/secrets/gcloud/config";
const DIRECT_VOLUME: &str = "external-credential-config";
const DIRECT_PATH: &str = "/var/run/secrets/workload-identity";
const FILE: &str = "federation.json";
const CREDENTIALS: &str = "external-credentials-json";
const SETUP: &str = "gcloud-setup";
/// The shortest life of a token, in seconds; shorter ones are raised to it.
const SHORTEST: i64 = 3600;

const TOKEN_MOUNT: Mount<'static> = Mount {
    volume: TOKEN_VOLUME,
    path: TOKEN_PATH,
    read_only: true,
};
const GCLOUD_MOUNT: Mount<'static> = Mount {
    volume: GCLOUD_VOLUME,
    path: GCLOUD_PATH,
    read_only: false,
};
const DIRECT_MOUNT: Mount<'static> = Mount {
    volume: DIRECT_VOLUME,
    path: DIRECT_PATH,
    read_only: true,
};

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
    let (Some(name), Some(annotations)) = (edit.service_account(), subject.account) else {
        return Ok(Injection::default());
    };
    let key = |name: &str| format!("{}/{name}", settings.annotation_prefix);
    let mut warnings = Vec::new();
    let source = format!("annotation {} of service account {name}", key("audience"));
    let account = Account::read(settings, annotations).map_err(Verdict::denied)?;
    let Some(account) = account else {
        return Ok(Injection::default());
    };
    let default = &settings.token_audience;
    let audience = audience(account.audience, default, &source, &mut warnings);
    let life = key("token-expiration");
    let on_pod = edit
        .annotation(&life)
        .map(|text| parse_int(text, 64).map_err(|why| account::not_a_number(&life, &why)));
    let seconds = on_pod.transpose().map_err(Verdict::denied)?;
    let seconds = seconds
        .or(account.seconds)
        .unwrap_or(settings.token_expiration);
    let seconds = seconds.max(SHORTEST);

    let mut annotate = |name: &str, text: &str| {
        edit.set_text("/metadata/annotations", &key(name), text);
    };
    annotate("workload-identity-provider", account.provider);
    annotate("service-account-email", account.email);
    annotate("audience", audience);
    annotate("token-expiration", &seconds.to_string());
    if account.mode == Mode::Direct {
        annotate(CREDENTIALS, &credentials(&account));
    }

    let mode = settings.token_default_mode;
    let token = token_volume(TOKEN_VOLUME, audience, seconds, TOKEN, Some(mode));
    set_volume(&mut edit, TOKEN_VOLUME, token);
    match account.mode {
        Mode::Direct => set_volume(
            &mut edit,
            DIRECT_VOLUME,
            direct_volume(&key(CREDENTIALS), mode),
        ),
        Mode::Gcloud => {
            let volume = json!({"name": GCLOUD_VOLUME, "emptyDir": {}});
            set_volume(&mut edit, GCLOUD_VOLUME, volume);
            setup::add(settings, &account, &mut edit);
        }
    }

    let mut skipped = trimmed(edit.annotation(&key("skip-containers")), ',');
    skipped.insert(SETUP.to_owned());
    let mounts = match account.mode {
        Mode::Direct => [TOKEN_MOUNT, DIRECT_MOUNT],
        Mode::Gcloud => [TOKEN_MOUNT, GCLOUD_MOUNT],
    };
    for container in edit.containers() {
        if skipped.contains(&container.name) {
            continue;
        }
        if let Some(taken) = mounts.iter().find_map(|m| m.taken(&edit, &container)) {
            warnings.push(taken);
            continue;
        }
        for mount in &mounts {
            mount.set(&mut edit, &container);
        }
        fill(settings, &account, &mut edit, &container);
    }
    Ok(Injection {
        patch: edit.into_operations(),
        warnings,
    })
}

fn fill(settings: &Settings, account: &Account<'_>, edit: &mut PodEdit, container: &Place) {
    let folder = match account.mode {
        Mode::Direct => DIRECT_PATH,
        Mode::Gcloud => GCLOUD_PATH,
    };
    let file = format!("{folder}/{FILE}");
    set_env(edit, container, "GOOGLE_APPLICATION_CREDENTIALS", &file);
    if account.mode == Mode::Gcloud {
        set_env(edit, container, "CLOUDSDK_CONFIG", GCLOUD_PATH);
    }
    for (name, value) in [
        ("CLOUDSDK_COMPUTE_REGION", settings.region.as_str()),
        ("CLOUDSDK_CORE_PROJECT", account.project()),
    ] {
        if !edit.has_env(container, name) {
            add_env(edit, container, name, value);
        }
    }
}

/// The credential configuration, in the order of fields that the webhook of old writes.
fn credentials(account: &Account<'_>) -> String {
    let text = |text: String| Value::String(text).to_string();
    let audience = text(format!("//iam.googleapis.com/{}", account.provider));
    let url = text(format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken",
        account.email
    ));
    format!(
        r#"{{"type":"external_account","audience":{audience},"subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token","service_account_impersonation_url":{url},"credential_source":{{"file":"{TOKEN_PATH}/{TOKEN}","format":{{"type":"text"}}}}}}"#
    )
}

fn direct_volume(annotation: &str, mode: i32) -> Value {
    json!({"name": DIRECT_VOLUME, "downwardAPI": {
        "defaultMode": mode,
        "items": [{
            "path": FILE,
            "fieldRef": {
                "apiVersion": "v1",
                "fieldPath": format!("metadata.annotations['{annotation}']"),
            },
        }],
    }})
}
