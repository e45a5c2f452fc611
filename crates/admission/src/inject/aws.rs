//! Injection for AWS, drop-in for the EKS pod identity webhook.
//!
//! Owns: which of its three sources says what a pod gets (the list of pod identities, the
//! service account's annotations, the map in a ConfigMap, in this order), and the environment,
//! mount and volume of each container.
//! Refuses: the opt-out label, which the webhook configuration's selector honours.

mod settings;

pub use settings::{
    Associations, Mapped, PodIdentities, PodIdentity, Settings, SettingsError, associations,
    pod_identities,
};

use std::collections::BTreeSet;

use super::number::{parse_bool, parse_int};
use super::{Injection, Mount, Subject, Verdict, add_env, audience, csv, token_volume};
use crate::patch::{Place, PodEdit};

/// The longest life of a token, and the default.
const LONGEST: i64 = 86_400;
/// The shortest life that the API server grants.
const SHORTEST: i64 = 600;
/// The shortest life that replaces the default of a pod identity, so that a fleet that started
/// together does not renew together.
const JITTERED: i64 = 79_200;
/// The label of a pod that this webhook is to leave alone.
pub const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
/// The label that a pod with a pod identity gets.
const IDENTITY_LABEL: &str = "eks.amazonaws.com/pod-identity";
const REGIONAL: &str = "AWS_STS_REGIONAL_ENDPOINTS";
const REGIONS: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

/// Everything that decides what one pod gets.
struct Plan<'a> {
    variables: [(&'static str, String); 2],
    audience: &'a str,
    seconds: i64,
    regional: bool,
    mount: Mount<'a>,
    token: &'a str,
    identity: bool,
}

/// What the webhook does with `subject`. `random` decides the life of a pod identity's token
/// where it is the default.
#[must_use]
pub fn inject(settings: &Settings, subject: &Subject<'_>, random: u64) -> Verdict {
    let mut edit = match PodEdit::new(subject.pod) {
        Ok(edit) => edit,
        Err(error) => return error.into(),
    };
    let mut warnings = Vec::new();
    let Some(mut plan) = plan(settings, subject, &edit, random, &mut warnings) else {
        let patch = Vec::new();
        return Verdict::Allowed(Injection { patch, warnings });
    };
    let file = format!("{}/{}", plan.mount.path.trim_end_matches('/'), plan.token);
    if let Some((_, value)) = plan.variables.last_mut() {
        *value = if edit.selects_windows() {
            format!("C:{}", file.replace('/', "\\"))
        } else {
            file
        };
    }
    let skipped = skipped(settings, &edit);
    for container in edit.containers() {
        if skipped.contains(&container.name) {
            continue;
        }
        if let Some(taken) = plan.mount.taken(&edit, &container) {
            warnings.push(taken);
            continue;
        }
        fill(settings, &plan, &mut edit, &container);
    }
    if plan.identity {
        edit.set_text("/metadata/labels", IDENTITY_LABEL, "enabled");
    }
    if edit.volume(plan.mount.volume).is_none() {
        let volume = token_volume(
            plan.mount.volume,
            plan.audience,
            plan.seconds,
            plan.token,
            None,
        );
        // In front, where the webhook of old put it.
        edit.insert("/spec/volumes", 0, volume);
    }
    Verdict::Allowed(Injection {
        patch: edit.into_operations(),
        warnings,
    })
}

fn plan<'a>(
    settings: &'a Settings,
    subject: &Subject<'a>,
    edit: &PodEdit,
    random: u64,
    warnings: &mut Vec<String>,
) -> Option<Plan<'a>> {
    let key = |name: &str| format!("{}/{name}", settings.annotation_prefix);
    let annotation = |name: &str| {
        let annotations = subject.account?;
        annotations.get(&key(name)).map(String::as_str)
    };
    let name = edit.service_account()?;
    let seconds_on_pod = edit.annotation(&key("token-expiration"));
    let seconds_on_pod = seconds_on_pod.and_then(|text| parse_int(text, 64).ok());
    let seconds_on_pod = seconds_on_pod.map(|seconds| seconds.max(SHORTEST));
    let default = settings.token_expiration.max(SHORTEST);
    let of_account = || {
        let regional = annotation("sts-regional-endpoints").and_then(parse_bool);
        let seconds = annotation("token-expiration").and_then(|text| parse_int(text, 64).ok());
        (
            regional.unwrap_or(settings.sts_regional_endpoint),
            seconds.map_or(default, |seconds| seconds.max(SHORTEST)),
        )
    };
    let of_map = |mapped: &Mapped| {
        let seconds = Some(mapped.token_expiration).filter(|seconds| *seconds != 0);
        (mapped.use_regional_sts, seconds.unwrap_or(default))
    };
    let exact = settings.associations.get(subject.namespace, name);
    let identity = &settings.pod_identity;
    if settings.pod_identities.contains(subject.namespace, name) {
        let (regional, seconds) = match (subject.account, exact) {
            (Some(_), _) => of_account(),
            (None, Some(mapped)) => of_map(mapped),
            (None, None) => (false, LONGEST),
        };
        let seconds = seconds_on_pod.unwrap_or(seconds);
        return Some(Plan {
            variables: [
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    identity.full_uri.clone(),
                ),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", String::new()),
            ],
            audience: &identity.audience,
            seconds: if seconds == LONGEST {
                jittered(random)
            } else {
                seconds
            },
            regional,
            mount: mount(&identity.volume_name, &identity.mount_path),
            token: &identity.token_path,
            identity: true,
        });
    }
    let role = annotation("role-arn").filter(|role| !role.is_empty());
    let (role, asked, source, (regional, seconds)) = match role {
        Some(role) => {
            let source = format!("annotation {} of service account {name}", key("audience"));
            (
                settings.role(role),
                annotation("audience"),
                source,
                of_account(),
            )
        }
        None => {
            let every = || settings.associations.get("*", name);
            let Some(mapped) = exact.or_else(every).filter(|m| !m.role_arn.is_empty()) else {
                warnings.extend(subject.account.and_then(|a| near_miss(settings, a, name)));
                return None;
            };
            let source = format!("Audience of service account {name} in the webhook's ConfigMap");
            let asked = Some(mapped.audience.as_str());
            (mapped.role_arn.clone(), asked, source, of_map(mapped))
        }
    };
    Some(Plan {
        variables: [
            ("AWS_ROLE_ARN", role),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", String::new()),
        ],
        audience: audience(asked, &settings.token_audience, &source, warnings),
        seconds: seconds_on_pod.unwrap_or(seconds),
        regional,
        mount: mount("aws-iam-token", &settings.token_mount_path),
        token: "token",
        identity: false,
    })
}

const fn mount<'a>(volume: &'a str, path: &'a str) -> Mount<'a> {
    Mount {
        volume,
        path,
        read_only: true,
    }
}

fn jittered(random: u64) -> i64 {
    let span = u64::try_from(LONGEST - JITTERED + 1).unwrap_or(1);
    JITTERED + i64::try_from(random % span).unwrap_or(0)
}

fn fill(settings: &Settings, plan: &Plan<'_>, edit: &mut PodEdit, container: &Place) {
    let has = |names: &[&str]| names.iter().any(|name| edit.has_env(container, name));
    let pair = has(&plan.variables.each_ref().map(|(name, _)| *name));
    let region = has(&REGIONS);
    let regional = has(&[REGIONAL]);
    if pair && region && regional {
        return;
    }
    if plan.regional && !regional {
        add_env(edit, container, REGIONAL, "regional");
    }
    if let Some(value) = settings.region.as_deref().filter(|_| !region) {
        for name in REGIONS {
            add_env(edit, container, name, value);
        }
    }
    if !pair {
        for (name, value) in &plan.variables {
            add_env(edit, container, name, value);
        }
    }
    plan.mount.add(edit, container);
}

fn skipped(settings: &Settings, edit: &PodEdit) -> BTreeSet<String> {
    let key = format!("{}/skip-containers", settings.annotation_prefix);
    let record = edit.annotation(&key).and_then(csv::first_record);
    record.into_iter().flatten().collect()
}

/// A key that somebody meant as the role's: accepted silently, it costs hours.
fn near_miss(
    settings: &Settings,
    annotations: &std::collections::BTreeMap<String, String>,
    account: &str,
) -> Option<String> {
    let meant = format!("{}/role-arn", settings.annotation_prefix);
    let found = annotations.iter().find(|(key, value)| {
        **key != meant && key.ends_with("/role-arn") && value.starts_with("arn:")
    });
    let (key, _) = found?;
    Some(format!(
        "service account {account} has annotation {key}, which nobody reads: {meant} is meant"
    ))
}
