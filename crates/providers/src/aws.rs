//! AWS backends.
//!
//! Owns: opening the service that a store names. Each service is one file (and a folder of
//! its parts) beside [`ParameterStore`]. Refuses: logging in (that is `keyless-identity`'s).

mod calls;
mod fault;
mod pace;
mod parameter_store;
mod push;
mod secrets_manager;
mod settings;
mod tags;

use keyless_api::AwsService;

use crate::Error;

pub use pace::{Pace, Rates};
pub use parameter_store::{Backend as Parameters, ParameterStore};
pub use secrets_manager::{Backend as Secrets, Deletion, SecretsManager};
pub use settings::Settings;

/// A service that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Secrets Manager.
    SecretsManager,
    /// Systems Manager Parameter Store.
    ParameterStore,
}

impl Service {
    /// What a store's `service` names.
    ///
    /// # Errors
    /// When it is not supported.
    pub fn of(service: &AwsService) -> Result<Self, Error> {
        match service {
            AwsService::SecretsManager => Ok(Self::SecretsManager),
            AwsService::ParameterStore => Ok(Self::ParameterStore),
            other => Err(Error::Config {
                reason: format!("aws.service {} is not supported yet", other.as_str()),
                hint: Some("Supported: SecretsManager, ParameterStore".into()),
            }),
        }
    }
}
