//! Flags that say where the certificate of the admission server comes from.

use std::path::PathBuf;
use std::time::Duration;

use keyless_admission::certificate::files::Files;
use keyless_admission::certificate::keeper::{Maker, Place};
use keyless_admission::certificate::plan::Lives;
use keyless_admission::{CertificateSource, TlsVersion};

/// Flags of the certificate.
#[derive(clap::Args)]
#[group(skip)]
pub struct Flags {
    /// Name of the Service in front of this server
    #[arg(
        long,
        default_value = "keyless-webhook",
        value_name = "NAME",
        help_heading = "Certificate"
    )]
    service_name: String,
    /// Secret with certificate and authorities, made and rotated by the server itself
    #[arg(
        long,
        default_value = "keyless-webhook",
        alias = "tls-secret",
        value_name = "NAME",
        help_heading = "Certificate"
    )]
    secret_name: String,
    /// Do not make the certificate: somebody else, such as cert-manager, keeps the Secret and the caBundle of the webhook configurations
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_name = "BOOL", help_heading = "Certificate")]
    disable_cert_rotation: bool,
    /// Folder with tls.crt and tls.key, kept by somebody else and read again when they change
    #[arg(
        long,
        alias = "webhook-cert-dir",
        value_name = "FOLDER",
        help_heading = "Certificate"
    )]
    cert_dir: Option<PathBuf>,
    /// Certificate file, kept by somebody else and read again when it changes
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        help_heading = "Certificate"
    )]
    tls_cert: Option<PathBuf>,
    /// Its private key
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        help_heading = "Certificate"
    )]
    tls_key: Option<PathBuf>,
    /// Further names or addresses that the certificate is made for
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        help_heading = "Certificate"
    )]
    dns_name: Vec<String>,
    /// Life of a certificate; it is replaced when a third of it is left
    #[arg(long, default_value = "2160h", value_parser = crate::controller::duration, value_name = "PERIOD", help_heading = "Certificate")]
    cert_duration: Duration,
    /// Life of the authority that signs it; it is replaced when a third of it is left, and both are trusted meanwhile
    #[arg(long, default_value = "43800h", value_parser = crate::controller::duration, value_name = "PERIOD", help_heading = "Certificate")]
    ca_duration: Duration,
    /// How long a new authority is trusted before it signs
    #[arg(long, default_value = "1m", value_parser = crate::controller::duration, value_name = "PERIOD", help_heading = "Certificate")]
    ca_settle: Duration,
    /// How long an old authority stays trusted after the last of its certificates was replaced
    #[arg(long, default_value = "10m", value_parser = crate::controller::duration, value_name = "PERIOD", help_heading = "Certificate")]
    ca_overlap: Duration,
    /// Oldest TLS version: 1.2 or 1.3
    #[arg(
        long,
        default_value = "1.2",
        value_name = "VERSION",
        help_heading = "Certificate"
    )]
    tls_min_version: MinVersion,
}

/// A TLS version.
#[derive(Clone, Copy, clap::ValueEnum)]
enum MinVersion {
    /// TLS 1.2. Older ones, which the webhooks of old can be told to speak, are not spoken.
    #[value(name = "1.2", aliases = ["1.0", "1.1"])]
    V12,
    /// TLS 1.3
    #[value(name = "1.3")]
    V13,
}

impl Flags {
    /// Where the certificate comes from.
    pub fn source(&self, namespace: &str) -> CertificateSource {
        if let Some(folder) = &self.cert_dir {
            return CertificateSource::Files(Files {
                certificate: folder.join("tls.crt"),
                key: folder.join("tls.key"),
            });
        }
        if let (Some(certificate), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) {
            return CertificateSource::Files(Files { certificate, key });
        }
        let service = &self.service_name;
        let mut names = vec![
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
            format!("{service}.{namespace}"),
            service.clone(),
        ];
        names.extend(self.dns_name.iter().cloned());
        CertificateSource::Secret(Place {
            namespace: namespace.to_owned(),
            secret: self.secret_name.clone(),
            names,
            maker: if self.disable_cert_rotation {
                Maker::Other
            } else {
                Maker::Own
            },
            lives: Lives {
                authority: self.ca_duration,
                certificate: self.cert_duration,
                settle: self.ca_settle,
                overlap: self.ca_overlap,
            },
        })
    }

    /// The oldest TLS version that is spoken.
    pub fn oldest(&self) -> TlsVersion {
        match self.tls_min_version {
            MinVersion::V12 => TlsVersion::V12,
            MinVersion::V13 => TlsVersion::V13,
        }
    }
}
