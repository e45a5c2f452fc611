//! AWS backends.
//!
//! Owns: opening the service that a store names. Each service is one file (and a folder of
//! its parts) beside [`ParameterStore`]. Refuses: logging in (that is `keyless-identity`'s).

mod fault;
mod parameter_store;

use keyless_api::AwsService;

use crate::Error;

pub use parameter_store::{Backend, ParameterStore, Settings};

/// Whether `service` can be opened.
///
/// # Errors
/// When it is not supported.
pub fn supported(service: &AwsService) -> Result<(), Error> {
    match service {
        AwsService::ParameterStore => Ok(()),
        other => Err(Error::Config {
            reason: format!("aws.service {} is not supported yet", other.as_str()),
            hint: Some("Supported: ParameterStore".into()),
        }),
    }
}
