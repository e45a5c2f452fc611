//! The settings of the admission server.

use std::path::PathBuf;
use std::time::Duration;

use keyless_kubernetes::LeaderElection;

use crate::certificate::files::Files;
use crate::certificate::keeper::Place;
use crate::cloud::Injectors;
use crate::server::TlsVersion;

/// Every setting.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address of the HTTPS listener.
    pub address: String,
    /// Where its certificate comes from.
    pub certificate: CertificateSource,
    /// The oldest TLS version that is spoken.
    pub tls: TlsVersion,
    /// What injects, before anything is read from the cluster.
    pub injectors: Injectors,
    /// Whether the custom resources are validated.
    pub validate: bool,
    /// The namespace of this process: its ConfigMap, Secret and Lease are there.
    pub namespace: String,
    /// Whether AWS' ConfigMap `pod-identity-webhook` is read.
    pub aws_config_map: bool,
    /// AWS' file of those who get a pod identity.
    pub aws_identities: Option<PathBuf>,
    /// The MutatingWebhookConfigurations by which API servers call.
    pub mutating: Vec<String>,
    /// The ValidatingWebhookConfigurations by which API servers call.
    pub validating: Vec<String>,
    /// How often pods are looked for that were created while nobody was there to inject;
    /// `None` does not look.
    pub sweep: Option<Duration>,
    /// Which replica looks for them; all if `None`.
    pub election: Option<LeaderElection>,
    /// How long requests are still taken after the end was asked for: API servers learn late
    /// that this replica goes.
    pub drain: Duration,
}

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// A Secret, made and rotated by this program or by another.
    Secret(Place),
    /// Files that somebody else keeps.
    Files(Files),
}
