//! What was counted: by the clouds, and by the operator.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// Numbers by name.
pub type Counts = BTreeMap<String, u64>;

/// What a cloud counted so far.
pub struct Seen {
    /// Exchanges of a token for a credential.
    pub logins: u64,
    /// Calls that read, by API.
    pub calls: Counts,
}

impl Seen {
    /// What came after `earlier`, without what did not.
    pub fn since(&self, earlier: &Self) -> (u64, Counts) {
        let calls = self.calls.iter().filter_map(|(api, n)| {
            let more = n - earlier.calls.get(api).copied().unwrap_or_default();
            (more > 0).then(|| (api.clone(), more))
        });
        (self.logins - earlier.logins, calls.collect())
    }
}

/// The operator's own count.
pub struct Metrics {
    /// Where it is told to serve them.
    pub address: String,
}

impl Metrics {
    /// A loopback address that was free a moment ago.
    pub fn anywhere() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        let address = listener.local_addr()?.to_string();
        Ok(Self { address })
    }

    /// Reads that needed no call of their own, by reason, of one provider.
    pub async fn saved(&self, provider: &str) -> Result<Counts> {
        let url = format!("http://{}/metrics", self.address);
        let answer = reqwest::get(&url).await.context("cannot read metrics")?;
        let text = answer.error_for_status()?.text().await?;
        Ok(saved(&text, provider))
    }
}

fn saved(text: &str, provider: &str) -> Counts {
    let mut counts = Counts::new();
    for line in text.lines() {
        let Some(series) = line.strip_prefix("keyless_provider_calls_total{") else {
            continue;
        };
        let Some((labels, value)) = series.rsplit_once("} ") else {
            continue;
        };
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let reason = label("saved").unwrap_or_default();
        if label("provider") != Some(provider) || reason.is_empty() {
            continue;
        }
        let call = label("call").unwrap_or_default();
        // Counts are whole numbers, whichever way they are written.
        let value = value.split('.').next().and_then(|n| n.parse().ok());
        *counts.entry(format!("{reason} ({call})")).or_default() += value.unwrap_or(0_u64);
    }
    counts.retain(|_, count| *count > 0);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn savings_are_told_by_reason_and_call() {
        let text = "# TYPE keyless_provider_calls_total counter\n\
            keyless_provider_calls_total{provider=\"a\",call=\"Get\",outcome=\"success\",saved=\"\"} 5\n\
            keyless_provider_calls_total{provider=\"a\",call=\"Get\",outcome=\"saved\",saved=\"batched\"} 90\n\
            keyless_provider_calls_total{provider=\"a\",call=\"Get\",outcome=\"saved\",saved=\"cached\"} 0\n\
            keyless_provider_calls_total{provider=\"b\",call=\"Get\",outcome=\"saved\",saved=\"cached\"} 7\n";
        let found = saved(text, "a");
        assert_eq!(found, Counts::from([("batched (Get)".to_owned(), 90)]));
    }
}
