//! What AWS' part reads about service accounts from elsewhere than their annotations.
//!
//! Owns: following the ConfigMap `pod-identity-webhook` and the file of pod identities, so that
//! a change counts at once; one that cannot be read leaves the last good one in place.
//! Refuses: their meaning ([`crate::inject::aws`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use keyless_metrics::Text;
use tokio::sync::Notify;

use crate::cloud::Injectors;
use crate::inject::aws::{self, SettingsError};
use crate::watched::{Seen, Watched};

/// The ConfigMap's name, that of the webhook of old.
const NAME: &str = "pod-identity-webhook";
/// How often the file is read: a kubelet takes up to a minute to bring a new one anyway.
const EVERY: Duration = Duration::from_secs(10);

const UNUSED: u8 = 0;
const EXPECTED: u8 = 1;
const VALID: u8 = 2;
const INVALID: u8 = 3;

/// The injectors, and how their sources are doing.
#[derive(Debug)]
pub struct Sources {
    injectors: Arc<ArcSwap<Injectors>>,
    map: AtomicU8,
    file: AtomicU8,
}

impl Sources {
    /// Nothing is read yet.
    #[must_use]
    pub const fn new(injectors: Arc<ArcSwap<Injectors>>) -> Self {
        Self {
            injectors,
            map: AtomicU8::new(UNUSED),
            file: AtomicU8::new(UNUSED),
        }
    }

    /// The injectors as they are at any moment.
    #[must_use]
    pub fn injectors(&self) -> Arc<ArcSwap<Injectors>> {
        Arc::clone(&self.injectors)
    }

    /// Whether everything that is to be read has been read once, whatever it said.
    #[must_use]
    pub fn known(&self) -> bool {
        [&self.map, &self.file]
            .iter()
            .all(|state| state.load(Ordering::Relaxed) != EXPECTED)
    }

    /// The ConfigMap is going to be read.
    pub fn expect_map(&self) {
        self.map.store(EXPECTED, Ordering::Relaxed);
    }

    /// The file is going to be read.
    pub fn expect_file(&self) {
        self.file.store(EXPECTED, Ordering::Relaxed);
    }

    /// Writes `keyless_injection_config_valid`.
    pub fn write(&self, text: &mut Text) {
        text.begin("keyless_injection_config_valid");
        for (source, state) in [("configmap", &self.map), ("file", &self.file)] {
            match state.load(Ordering::Relaxed) {
                VALID => text.sample(&[("source", source)], 1.0),
                INVALID => text.sample(&[("source", source)], 0.0),
                _ => {}
            }
        }
    }

    fn change(&self, change: impl Fn(&mut aws::Settings)) {
        self.injectors.rcu(|injectors| {
            let mut next = Injectors::clone(injectors);
            if let Some(settings) = &mut next.aws {
                change(settings);
            }
            next
        });
    }
}

/// The ConfigMap in `namespace`; `news` is told of its changes.
#[must_use]
pub fn config_map(namespace: &str, news: Arc<Notify>) -> Watched {
    Watched::namespaced("ConfigMap", "configmaps", namespace, NAME, news)
}

/// Reads the ConfigMap as it changes, until dropped.
pub async fn follow_map(sources: Arc<Sources>, map: Arc<Watched>, news: Arc<Notify>) {
    loop {
        let config = match map.seen() {
            Seen::Unknown => None,
            Seen::Absent => Some(String::new()),
            Seen::Present(object) => {
                let config = object.pointer("/data/config");
                Some(
                    config
                        .and_then(|c| c.as_str())
                        .unwrap_or_default()
                        .to_owned(),
                )
            }
        };
        if let Some(config) = config {
            let read = if config.trim().is_empty() {
                Ok(aws::Associations::default())
            } else {
                aws::associations(&config)
            };
            let read = noted(&sources.map, &map.what, read);
            if let Some(associations) = read {
                sources.change(|settings| settings.associations = associations.clone());
            }
        }
        news.notified().await;
    }
}

/// Reads the file as it changes, until dropped.
pub async fn follow_file(sources: Arc<Sources>, file: PathBuf) {
    let mut last: Option<Vec<u8>> = None;
    loop {
        match tokio::fs::read(&file).await {
            Ok(bytes) if last.as_ref() != Some(&bytes) => {
                let read = aws::pod_identities(&String::from_utf8_lossy(&bytes));
                let what = file.display().to_string();
                if let Some(identities) = noted(&sources.file, &what, read) {
                    sources.change(|settings| settings.pod_identities = identities.clone());
                }
                last = Some(bytes);
            }
            Ok(_) => {}
            Err(error) => {
                if sources.file.swap(INVALID, Ordering::Relaxed) != INVALID {
                    tracing::warn!(file = %file.display(), %error, "the list of pod identities cannot be read; the last good one stays in use");
                }
                last = None;
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn noted<T>(state: &AtomicU8, what: &str, read: Result<T, SettingsError>) -> Option<T> {
    match read {
        Ok(read) => {
            state.store(VALID, Ordering::Relaxed);
            Some(read)
        }
        Err(error) => {
            state.store(INVALID, Ordering::Relaxed);
            tracing::warn!(source = what, %error, "the last good one stays in use");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use keyless_kubernetes::watch::Sink as _;
    use serde_json::json;

    use super::*;

    fn sources() -> Arc<Sources> {
        let injectors = Injectors {
            aws: Some(aws::Settings::default()),
            ..Injectors::default()
        };
        Arc::new(Sources::new(Arc::new(ArcSwap::from_pointee(injectors))))
    }

    fn role(sources: &Sources) -> Option<String> {
        let injectors = sources.injectors.load();
        let settings = injectors.aws.as_ref()?;
        let mapped = settings.associations.get("shop", "buyer")?;
        Some(mapped.role_arn.clone())
    }

    async fn until(what: &str, check: impl Fn() -> bool) {
        let begin = std::time::Instant::now();
        while !check() {
            assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_bad_map_leaves_the_last_good_one() {
        let (sources, news) = (sources(), Arc::new(Notify::new()));
        let map = Arc::new(config_map("ns", Arc::clone(&news)));
        sources.expect_map();
        assert!(!sources.known());
        let following = tokio::spawn(follow_map(Arc::clone(&sources), Arc::clone(&map), news));
        let say = |config: &str| {
            let object = json!({"metadata": {"name": NAME}, "data": {"config": config}});
            map.upsert(&object.to_string(), false);
        };
        map.begin();
        map.synced();
        until("an absent map counts as read", || sources.known()).await;
        assert_eq!(role(&sources), None);
        say(r#"{"shop/buyer": {"RoleARN": "one"}}"#);
        until("the map is read", || {
            role(&sources).as_deref() == Some("one")
        })
        .await;
        say("{nonsense");
        until("the bad map is noticed", || {
            sources.map.load(Ordering::Relaxed) == INVALID
        })
        .await;
        assert_eq!(role(&sources).as_deref(), Some("one"));
        map.delete("{}");
        until("no map, no roles", || role(&sources).is_none()).await;
        following.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_file_is_read_again() {
        let sources = sources();
        let file = tempfile::NamedTempFile::new().unwrap();
        sources.expect_file();
        let following = tokio::spawn(follow_file(Arc::clone(&sources), file.path().to_owned()));
        let has = || {
            let injectors = sources.injectors.load();
            let settings = injectors.aws.as_ref().unwrap();
            settings.pod_identities.contains("shop", "buyer")
        };
        until("an empty file names nobody", || sources.known()).await;
        assert!(!has());
        std::fs::write(
            file.path(),
            r#"{"identities": [{"namespace": "shop", "serviceAccount": "buyer"}]}"#,
        )
        .unwrap();
        until("the new file is read", has).await;
        std::fs::write(file.path(), "nonsense").unwrap();
        until("the bad file is noticed", || {
            sources.file.load(Ordering::Relaxed) == INVALID
        })
        .await;
        assert!(has(), "the last good one stays");
        following.abort();
    }
}
