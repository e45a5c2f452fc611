//! The filters of `ListSecrets` and `BatchGetSecretValue`.

use serde::Deserialize;

use super::super::protocol::ApiError;
use super::invalid_parameter;
use super::record::Secret;

const KEYS: [&str; 7] = [
    "description",
    "name",
    "tag-key",
    "tag-value",
    "primary-region",
    "owning-service",
    "all",
];

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Filter {
    pub fn check(&self) -> Result<(), ApiError> {
        if !KEYS.contains(&self.key.as_str()) {
            return Err(super::super::protocol::invalid(
                "ValidationException",
                Some(&self.key),
                "Key",
                &format!("Member must satisfy enum value set: [{}]", KEYS.join(", ")),
            ));
        }
        if self.values.is_empty() || self.values.len() > 10 {
            return Err(invalid_parameter(
                "Invalid filter values: between 1 and 10 are needed.",
            ));
        }
        Ok(())
    }

    /// Whether one of the values fits. A value is a prefix; after `!` it must not be one.
    fn matches(&self, secret: &Secret) -> bool {
        self.values
            .iter()
            .any(|value| match value.strip_prefix('!') {
                Some(value) => !self.fits(secret, value),
                None => self.fits(secret, value),
            })
    }

    fn fits(&self, secret: &Secret, value: &str) -> bool {
        let ignoring_case = |text: &str| {
            text.to_lowercase()
                .starts_with(value.to_lowercase().as_str())
        };
        match self.key.as_str() {
            "name" => secret.name.starts_with(value),
            "description" => secret.description.as_deref().is_some_and(ignoring_case),
            "tag-key" => secret.tags.keys().any(|key| key.starts_with(value)),
            "tag-value" => secret.tags.values().any(|tag| tag.starts_with(value)),
            "primary-region" => secret.region.starts_with(value),
            "all" => {
                let words = |text: &str| {
                    text.split(|c: char| !c.is_alphanumeric())
                        .any(ignoring_case)
                        || ignoring_case(text)
                };
                words(&secret.name)
                    || secret.description.as_deref().is_some_and(words)
                    || secret.tags.iter().any(|(k, v)| words(k) || words(v))
            }
            // No service owns a secret here.
            _ => false,
        }
    }
}

/// Whether every filter lets the secret through.
pub(super) fn matches_all(filters: &[Filter], secret: &Secret) -> bool {
    filters.iter().all(|filter| filter.matches(secret))
}
