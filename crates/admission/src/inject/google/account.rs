//! What an annotated service account asks for.
//!
//! Owns: its annotations and the texts that refuse wrong ones, which users of the webhook of old
//! know. Refuses: the pod.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::number::parse_int;

/// The flags of the webhook of old that change what a pod gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `--annotation-prefix`.
    pub annotation_prefix: String,
    /// `--token-audience`.
    pub token_audience: String,
    /// `--token-expiration`, in seconds.
    pub token_expiration: i64,
    /// `--gcp-default-region`; empty if not given.
    pub region: String,
    /// `--gcloud-image`.
    pub gcloud_image: String,
    /// `--token-default-mode`.
    pub token_default_mode: i32,
    /// `--setup-container-resources`, a ResourceRequirements object.
    pub setup_resources: Option<Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            annotation_prefix: "cloud.google.com".into(),
            token_audience: "sts.googleapis.com".into(),
            token_expiration: 86_400,
            region: String::new(),
            gcloud_image: "gcr.io/google.com/cloudsdktool/google-cloud-cli:stable".into(),
            token_default_mode: 0o440,
            setup_resources: None,
        }
    }
}

/// How containers get their credential configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// An init container writes it.
    Gcloud,
    /// It lies in an annotation.
    Direct,
}

/// What a service account asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    pub provider: &'a str,
    pub email: &'a str,
    pub audience: Option<&'a str>,
    pub seconds: Option<i64>,
    pub user: Option<i64>,
    pub mode: Mode,
}

impl<'a> Account<'a> {
    /// `None` if it asks for nothing.
    ///
    /// # Errors
    /// The text that refuses the pod. Numbers and mode are looked at even where nothing is
    /// asked for, as the webhook of old does.
    pub fn read(
        settings: &Settings,
        annotations: &'a BTreeMap<String, String>,
    ) -> Result<Option<Self>, String> {
        let key = |name: &str| format!("{}/{name}", settings.annotation_prefix);
        let text = |name: &str| annotations.get(&key(name)).map(String::as_str);
        let number = |name: &str| {
            let number = text(name).map(|text| parse_int(text, 64));
            number
                .transpose()
                .map_err(|why| not_a_number(&key(name), &why))
        };
        let seconds = number("token-expiration")?;
        let user = number("gcloud-run-as-user")?;
        let mode = match text("injection-mode").map(str::to_lowercase).as_deref() {
            None | Some("gcloud") => Mode::Gcloud,
            Some("direct") => Mode::Direct,
            Some(_) => {
                let key = key("injection-mode");
                return Err(format!("{key} mode must be 'direct', 'gcloud' or unset"));
            }
        };
        let (provider_key, email_key) = (
            key("workload-identity-provider"),
            key("service-account-email"),
        );
        let (provider, email) = match (annotations.get(&provider_key), annotations.get(&email_key))
        {
            (None, None) => return Ok(None),
            (Some(provider), Some(email)) => (provider, email),
            _ => return Err(format!("{provider_key}, {email_key} must set at a time")),
        };
        if !is_provider(provider) {
            return Err(format!(
                "{provider_key} must be form of projects/{{ProjectNumber}}/locations/{{Location}}/workloadIdentityPools/{{PoolId}}/providers/{{ProviderId}}"
            ));
        }
        Ok(Some(Self {
            provider,
            email,
            audience: text("audience"),
            seconds,
            user,
            mode,
        }))
    }

    /// The project that the e-mail address names; empty if none is to be read.
    pub fn project(&self) -> &'a str {
        let project = self.email.split_once('@').map(|(_, host)| host);
        project
            .and_then(|host| host.split_once(".iam.gserviceaccount.com"))
            .map_or("", |(project, _)| project)
    }
}

/// The text that refuses a pod for the annotation `key`.
pub(super) fn not_a_number(key: &str, why: &str) -> String {
    format!("{key} must be positive integer string: {why}")
}

/// Whether `name` is of the form `projects/…/locations/…/workloadIdentityPools/…/providers/…`,
/// each with something, whatever it is.
fn is_provider(name: &str) -> bool {
    let mut rest = name;
    for (index, part) in [
        "projects/",
        "/locations/",
        "/workloadIdentityPools/",
        "/providers/",
    ]
    .into_iter()
    .enumerate()
    {
        let after = if index == 0 {
            rest.strip_prefix(part)
        } else {
            // At least one character between two parts.
            rest.char_indices().nth(1).and_then(|(second, _)| {
                let tail = rest.get(second..)?;
                tail.split_once(part).map(|(_, after)| after)
            })
        };
        match after {
            Some(after) => rest = after,
            None => return false,
        }
    }
    !rest.is_empty() && !name.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_four_parts() {
        for (name, good) in [
            (
                "projects/1/locations/global/workloadIdentityPools/a/providers/b",
                true,
            ),
            (
                "projects/1/locations/global/workloadIdentityPools/a/b/providers/b/c",
                true,
            ),
            (
                "projects//locations/global/workloadIdentityPools/a/providers/b",
                false,
            ),
            (
                "projects/1/locations/global/workloadIdentityPools/a/providers/",
                false,
            ),
            (
                "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(is_provider(name), good, "{name}");
        }
    }
}
