//! The kind of a target.

use std::fmt;

use keyless_api::Manifest;

/// Group, version and kind of a target, fit to be part of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetKind {
    group: String,
    version: String,
    kind: String,
}

/// A manifest that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// The API version is neither a version nor a group and a version.
    #[error("target.manifest.apiVersion {0:?} is neither a version nor group/version")]
    ApiVersion(String),
    /// The kind is no name.
    #[error("target.manifest.kind {0:?} is no name of a kind")]
    Kind(String),
}

impl TargetKind {
    /// The kind that `manifest` names; none for a Secret, which is an ordinary target.
    ///
    /// # Errors
    /// It names none.
    pub fn of(manifest: &Manifest) -> Result<Option<Self>, KindError> {
        if manifest.is_secret() {
            return Ok(None);
        }
        let (group, version) = match manifest.api_version.split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", manifest.api_version.as_str()),
        };
        let grouped = manifest.api_version.contains('/');
        let group_fits = !grouped || (group.len() <= 253 && group.split('.').all(is_label));
        if !group_fits || !is_label(version) {
            return Err(KindError::ApiVersion(manifest.api_version.clone()));
        }
        let kind = manifest.kind.as_str();
        let starts = kind.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts || kind.len() > 63 || !kind.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(KindError::Kind(kind.to_owned()));
        }
        Ok(Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        }))
    }

    /// The group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The kind's own name.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Group and version as manifests write them.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The URL path under which the API server serves the group's version.
    #[must_use]
    pub fn base(&self) -> String {
        match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }

    /// Whether it is the ConfigMap of the core group.
    #[must_use]
    pub fn is_config_map(&self) -> bool {
        self.group.is_empty() && self.kind == "ConfigMap"
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

/// A DNS label: lower-case letters, digits and hyphens that are not at an end.
fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
