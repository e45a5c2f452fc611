//! Authorities, a certificate and their keys, as a Secret keeps them.
//!
//! Owns: making them, reading them back, and what a client would say of them.
//! Refuses: deciding when, and any I/O. A key appears in no error and no `Debug`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::CertificateError;
use super::plan::{Facts, LeafFacts, Validity};

/// The keys of the Secret, those of ESO's own.
pub const AUTHORITIES: &str = "ca.crt";
/// The newest authority's private key.
pub const AUTHORITY_KEY: &str = "ca.key";
/// The certificate.
pub const CERTIFICATE: &str = "tls.crt";
/// Its private key.
pub const KEY: &str = "tls.key";

/// Certificates begin a little before they are made: clocks differ.
pub const SKEW: i64 = 300;

/// Authorities (newest first), the newest one's key, a certificate and its key; all PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Material {
    authorities: Vec<String>,
    authority_key: String,
    certificate: String,
    key: String,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Material")
    }
}

impl Material {
    /// What the decoded data of a Secret holds; what cannot be read is as if it were not there.
    #[must_use]
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Self {
        let text = |key: &str| {
            let text = data.get(key).map(|bytes| String::from_utf8_lossy(bytes));
            text.unwrap_or_default().into_owned()
        };
        let authorities = text(AUTHORITIES);
        let authorities = CertificateDer::pem_slice_iter(authorities.as_bytes());
        Self {
            authorities: authorities.flatten().map(|der| pem(&der)).collect(),
            authority_key: text(AUTHORITY_KEY),
            certificate: text(CERTIFICATE),
            key: text(KEY),
        }
    }

    /// The data of a Secret.
    #[must_use]
    pub fn data(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            (AUTHORITIES, self.bundle()),
            (AUTHORITY_KEY, self.authority_key.clone()),
            (CERTIFICATE, self.certificate.clone()),
            (KEY, self.key.clone()),
        ])
    }

    /// All authorities, as a webhook configuration's `caBundle` has them.
    #[must_use]
    pub fn bundle(&self) -> String {
        self.authorities.concat()
    }

    /// A new authority in front of those that are there.
    ///
    /// # Errors
    /// The crypto library failed.
    pub fn with_authority(&self, now: i64, life: Duration) -> Result<Self, CertificateError> {
        let make = |error: rcgen::Error| CertificateError::make(&error);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let mut params = dated(CertificateParams::default(), now, now + seconds(life));
        params
            .distinguished_name
            .push(DnType::CommonName, "keyless webhook");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(make)?;
        let mut next = self.clone();
        next.authorities.insert(0, pem(certificate.der()));
        next.authority_key = key.serialize_pem();
        Ok(next)
    }

    /// A new certificate for `names`, signed by the newest authority. It ends with it at the
    /// latest.
    ///
    /// # Errors
    /// There is no authority with its key, or the crypto library failed.
    pub fn with_certificate(
        &self,
        now: i64,
        life: Duration,
        names: &[String],
    ) -> Result<Self, CertificateError> {
        let make = |error: rcgen::Error| CertificateError::make(&error);
        let authority = self.authorities.first().map(String::as_str);
        let end = authority.and_then(validity).map_or(0, |v| v.not_after);
        let issuer_key = KeyPair::from_pem(&self.authority_key).map_err(make)?;
        let issuer = Issuer::from_ca_cert_pem(authority.unwrap_or_default(), issuer_key);
        let issuer = issuer.map_err(make)?;
        let params = CertificateParams::new(names.to_vec()).map_err(make)?;
        let mut params = dated(params, now, end.min(now + seconds(life)));
        if let Some(name) = names.first() {
            // A common name has at most 64 characters.
            let name: String = name.chars().take(64).collect();
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let certificate = params.signed_by(&key, &issuer).map_err(make)?;
        let mut next = self.clone();
        next.certificate = pem(certificate.der());
        next.key = key.serialize_pem();
        Ok(next)
    }

    /// Without the authorities at these places.
    #[must_use]
    pub fn without(&self, places: &[usize]) -> Self {
        let mut next = self.clone();
        let mut place = 0;
        next.authorities.retain(|_| {
            place += 1;
            !places.contains(&(place - 1))
        });
        next
    }

    /// What the server presents, and when it ends.
    ///
    /// # Errors
    /// Certificate and key are unreadable or do not belong together.
    pub fn serve(&self, place: &str) -> Result<(CertifiedKey, i64), CertificateError> {
        serve(self.certificate.as_bytes(), self.key.as_bytes(), place)
    }

    /// What there is to decide on; `names` are those that clients ask for.
    #[must_use]
    pub fn facts(&self, names: &[String]) -> Facts {
        let authorities: Vec<Validity> = self
            .authorities
            .iter()
            .map(|pem| validity(pem).unwrap_or_default())
            .collect();
        let served = self.serve("").ok();
        let leaf = served.and_then(|(certified, _)| {
            let leaf = certified.cert.first()?;
            let validity = validity(&self.certificate)?;
            let issuer = (0..self.authorities.len())
                .find(|place| self.verifies(*place, leaf, validity.not_before + 1, &[]));
            let serves = issuer.is_some_and(|place| {
                self.verifies(place, leaf, validity.not_before + SKEW + 1, names)
            });
            Some(LeafFacts {
                validity,
                issuer,
                serves,
            })
        });
        Facts {
            newest_key: self.newest_key_matches(),
            authorities,
            leaf,
        }
    }

    /// Whether a client that trusts the authority at `place` takes `leaf` for all `names`, at a
    /// moment when both are valid.
    fn verifies(
        &self,
        place: usize,
        leaf: &CertificateDer<'_>,
        moment: i64,
        names: &[String],
    ) -> bool {
        let Some(authority) = self.authorities.get(place) else {
            return false;
        };
        let begins = validity(authority).unwrap_or_default().not_before;
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(authority.as_bytes());
        if der.map_or(true, |der| roots.add(der).is_err()) {
            return false;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let Ok(verifier) = verifier.build() else {
            return false;
        };
        let moment = u64::try_from(moment.max(begins + 1)).unwrap_or_default();
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(moment));
        let takes = |name: &str| {
            let Ok(name) = ServerName::try_from(name.to_owned()) else {
                return Some(false);
            };
            match verifier.verify_server_cert(leaf, &[], &name, &[], moment) {
                Ok(_) => Some(true),
                // Of its names it is asked only where there are any.
                Err(rustls::Error::InvalidCertificate(
                    rustls::CertificateError::NotValidForName
                    | rustls::CertificateError::NotValidForNameContext { .. },
                )) => None,
                Err(_) => Some(false),
            }
        };
        if names.is_empty() {
            return takes("any.invalid") != Some(false);
        }
        names.iter().all(|name| takes(name) == Some(true))
    }

    fn newest_key_matches(&self) -> bool {
        let Ok(key) = KeyPair::from_pem(&self.authority_key) else {
            return false;
        };
        let newest = self.authorities.first().map(|pem| pem.as_bytes());
        let Some(Ok(der)) = newest.map(CertificateDer::from_pem_slice) else {
            return false;
        };
        X509Certificate::from_der(&der).is_ok_and(|(_, certificate)| {
            *certificate.public_key().subject_public_key.data == *key.public_key_raw()
        })
    }
}

/// What a server presents of PEM texts, and when it ends.
///
/// # Errors
/// They are unreadable or do not belong together.
pub fn serve(
    certificate: &[u8],
    key: &[u8],
    place: &str,
) -> Result<(CertifiedKey, i64), CertificateError> {
    let unusable = |reason: String| CertificateError::Unusable {
        place: place.to_owned(),
        reason,
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(|_| unusable("the certificate is no PEM".into()))?;
    let Some(leaf) = chain.first() else {
        return Err(unusable("there is no certificate".into()));
    };
    let expires = validity_of(leaf)
        .ok_or_else(|| unusable("the certificate is no X.509".into()))?
        .not_after;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| unusable("there is no private key in PEM".into()))?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|error| unusable(error.to_string()))?;
    Ok((certified, expires))
}

fn validity(pem: &str) -> Option<Validity> {
    validity_of(&CertificateDer::from_pem_slice(pem.as_bytes()).ok()?)
}

fn validity_of(der: &CertificateDer<'_>) -> Option<Validity> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some(Validity {
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
    })
}

fn dated(mut params: CertificateParams, now: i64, end: i64) -> CertificateParams {
    let moment = |seconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or_default();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    params.not_before = moment(now - SKEW);
    params.not_after = moment(end);
    params
}

fn seconds(life: Duration) -> i64 {
    i64::try_from(life.as_secs()).unwrap_or(i64::MAX / 4)
}

fn pem(der: &CertificateDer<'_>) -> String {
    keyless_kubernetes::pem("CERTIFICATE", der)
}

#[cfg(test)]
mod tests;
