//! What the API server was asked, by its own count.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use http::Request;
use kube::Client;

/// Requests so far, by `VERB resource`.
pub struct Count(BTreeMap<String, f64>);

impl Count {
    /// What came after `earlier`, without what did not.
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, f64> {
        let difference = |(key, n): (&String, &f64)| {
            (
                key.clone(),
                n - earlier.0.get(key).copied().unwrap_or_default(),
            )
        };
        self.0
            .iter()
            .map(difference)
            .filter(|(_, n)| *n > 0.0)
            .collect()
    }
}

/// Reads `apiserver_request_total` of the resources that an operator touches. A server that
/// serves no metrics, as the sandbox's, has counted nothing.
///
/// # Errors
/// When the server cannot be asked.
pub async fn count(client: &Client) -> Result<Count> {
    let request = Request::get("/metrics").body(Vec::new())?;
    let text = match client.request_text(request).await {
        Ok(text) => text,
        Err(kube::Error::Api(status)) if status.code == 404 => String::new(),
        Err(error) => return Err(error).context("cannot read the API server's metrics"),
    };
    let mut count = BTreeMap::new();
    for line in text
        .lines()
        .filter(|l| l.starts_with("apiserver_request_total{"))
    {
        let (Some(resource), Some(verb)) = (label(line, "resource"), label(line, "verb")) else {
            continue;
        };
        let subresource = label(line, "subresource").filter(|s| !s.is_empty());
        if ![
            "secrets",
            "externalsecrets",
            "events",
            "serviceaccounts",
            "clustersecretstores",
        ]
        .contains(&resource)
            || verb == "WATCH"
        {
            continue;
        }
        let key = subresource.map_or_else(
            || format!("{verb} {resource}"),
            |s| format!("{verb} {resource}/{s}"),
        );
        let value = line
            .rsplit(' ')
            .next()
            .and_then(|v| v.parse::<f64>().ok())
            .unwrap_or_default();
        *count.entry(key).or_insert(0.0) += value;
    }
    Ok(Count(count))
}

fn label<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let at = line
        .find(&format!("{{{name}=\""))
        .or_else(|| line.find(&format!(",{name}=\"")))?;
    line.get(at + name.len() + 3..)?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_are_found_wherever_they_stand() {
        let line = r#"apiserver_request_total{code="201",resource="secrets",subresource="",verb="POST"} 12"#;
        assert_eq!(label(line, "code"), Some("201"));
        assert_eq!(label(line, "resource"), Some("secrets"));
        assert_eq!(label(line, "verb"), Some("POST"));
        assert_eq!(label(line, "source"), None);
    }
}
