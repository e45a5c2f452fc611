//! The filters of `DescribeParameters` and `GetParametersByPath`.

use serde::Deserialize;

use super::super::protocol::ApiError;
use super::record::{Parameter, Version};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    key: String,
    option: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl Filter {
    /// Whether the key is one of `keys` and the option one the key knows.
    pub fn check(&self, keys: &[&str]) -> Result<(), ApiError> {
        let known = keys.contains(&self.key.as_str())
            || (keys.contains(&"tag:") && self.key.starts_with("tag:") && self.key.len() > 4);
        if !known {
            return Err(ApiError::bad(
                "InvalidFilterKey",
                format!(
                    "The following filter key is not valid: {}. Valid filter keys include: [{}].",
                    self.key,
                    keys.join(", ")
                ),
            ));
        }
        let options: &[&str] = match self.key.as_str() {
            "Path" => &["Recursive", "OneLevel"],
            "Name" => &["Equals", "BeginsWith", "Contains"],
            "Label" => &["Equals", "Contains"],
            _ => &["Equals", "BeginsWith"],
        };
        match &self.option {
            Some(option) if !options.contains(&option.as_str()) => Err(ApiError::bad(
                "InvalidFilterOption",
                format!(
                    "The following filter option is not valid: {option}. Valid options include: [{}].",
                    options.join(", ")
                ),
            )),
            _ if self.values.is_empty() && !self.key.starts_with("tag:") => Err(ApiError::bad(
                "InvalidFilterValue",
                "The following filter values are missing : null for filter key ".to_owned()
                    + &self.key,
            )),
            _ if self.values.len() > 50 => Err(ApiError::bad(
                "InvalidFilterValue",
                "The filter has more than 50 values.",
            )),
            _ => Ok(()),
        }
    }

    pub fn is_label(&self) -> bool {
        self.key == "Label"
    }

    /// Whether one of the filter's values fits `text`.
    pub fn has(&self, text: &str) -> bool {
        let option = self.option.as_deref().unwrap_or("Equals");
        self.values.iter().any(|v| match option {
            "BeginsWith" => text.starts_with(v.as_str()),
            "Contains" => text.contains(v.as_str()),
            _ => text == v,
        })
    }

    fn matches(&self, parameter: &Parameter, version: &Version) -> bool {
        match self.key.as_str() {
            "Name" => self.has_name(&parameter.name),
            "Type" => self.has(version.kind.as_str()),
            "KeyId" => version.key_id.as_ref().is_some_and(|k| self.has(k)),
            "Tier" => self.has(if version.advanced {
                "Advanced"
            } else {
                "Standard"
            }),
            "DataType" => self.has(&version.data_type),
            "Label" => version.labels.iter().any(|l| self.has(l)),
            "Path" => self
                .values
                .iter()
                .any(|path| self.under(path, &parameter.name)),
            key => match key.strip_prefix("tag:") {
                Some(tag) => parameter
                    .tags
                    .get(tag)
                    .is_some_and(|v| self.values.is_empty() || self.has(v)),
                None => false,
            },
        }
    }

    /// A leading slash of the name is optional in the filter, as at AWS.
    fn has_name(&self, name: &str) -> bool {
        self.has(name) || name.strip_prefix('/').is_some_and(|bare| self.has(bare))
    }

    fn under(&self, path: &str, name: &str) -> bool {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        name.strip_prefix(&prefix).is_some_and(|below| {
            self.option.as_deref() == Some("Recursive") || !below.contains('/')
        })
    }
}

/// Whether every filter lets the parameter through.
pub(super) fn matches_all(filters: &[Filter], parameter: &Parameter, version: &Version) -> bool {
    filters.iter().all(|f| f.matches(parameter, version))
}
