//! One Secrets Manager client under one identity.

use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Builder, IdentityCache, Region, StalledStreamProtectionConfig,
};
use keyless_identity::sdk::{LeaveThrottled, SdkHttp};

use crate::aws::calls::{self, Names};
use crate::aws::settings::Settings;
use crate::planner::Counters;

/// As the API's metrics name it.
pub(super) const PROVIDER: &str = "AWS/SecretsManager";

pub(super) type Calls = calls::Calls<Client>;

/// Opens a client; nothing is called.
pub(super) fn open(settings: &Settings, counters: Arc<Counters>) -> Calls {
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.as_str().to_owned()))
        .use_fips(settings.fips)
        .http_client(SdkHttp::new(Arc::clone(&settings.http)))
        .credentials_provider(settings.credentials.clone())
        // Credentials are cached by identity, for all clients at once.
        .identity_cache(IdentityCache::no_cache())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(settings.retries.clone())
        .retry_classifier(LeaveThrottled);
    if let Some(url) = &settings.endpoint {
        config = config.endpoint_url(url.as_str().trim_end_matches('/'));
    }
    let names = Names {
        provider: PROVIDER,
        service: format!("AWS Secrets Manager ({})", settings.region),
        throttled: "Lengthen refresh intervals",
    };
    let client = Client::from_conf(config.build());
    Calls::new(client, settings.credentials.clone(), counters, names)
}
