//! What a sync of an object would write, found out without writing anything.
//!
//! Owns: reading manifests, rendering one offline, and the plan of a sync, with facts from files
//! or from a cluster. The steps between fetched values and the Secret are those of a sync, in
//! [`crate::external_secret`] and `keyless-secret`. Refuses: writes, watches, and showing a value.

mod cluster;
mod finding;
mod given;
mod plan;
mod render;
mod subject;

use keyless_secret::SecretBytes;
use keyless_secret::diff::FingerprintKey;
use rand::RngCore;

pub use cluster::Cluster;
pub use finding::Finding;
pub use given::{Given, Values, secret_of};
pub use plan::{Action, Facts, Planned, plan};
pub use render::{Rendered, render};
pub use subject::{Subject, documents};

/// The fields of a spec that the operator does not act upon; an object with one is not Ready.
#[must_use]
pub fn unsupported(spec: &keyless_api::ExternalSecretSpec) -> Vec<String> {
    crate::external_secret::shape::unsupported(spec)
}

/// A key that nobody keeps: fingerprints under it can be compared within one plan only.
#[must_use]
pub fn one_time_key() -> FingerprintKey {
    loop {
        let mut bytes = vec![0; 2 * FingerprintKey::MIN];
        rand::rng().fill_bytes(&mut bytes);
        if let Some(key) = FingerprintKey::new(SecretBytes::new(bytes)) {
            return key;
        }
    }
}
