//! Keeps the certificates that a server sent, so that a refusal can be explained.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use crate::facts::{Reach, TlsFault, TlsKind};

/// A verifier that remembers.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    chain: Vec<Vec<u8>>,
    refusal: Option<Error>,
}

impl Recorder {
    /// Judges as `inner` does.
    pub fn new(inner: Arc<WebPkiServerVerifier>) -> Self {
        Self {
            inner,
            seen: Mutex::default(),
        }
    }

    /// When the first certificate of the chain ends, seconds since 1970.
    pub fn ends(&self) -> Option<i64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = seen.chain.iter();
        let certificates = chain.filter_map(|der| X509Certificate::from_der(der).ok());
        certificates
            .map(|(_, c)| c.validity().not_after.timestamp())
            .min()
    }

    /// Why the session failed.
    pub fn explain(&self, error: &std::io::Error) -> Reach {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let said = error.to_string();
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
        let cause = seen.refusal.as_ref().or(inner);
        let Some(cause) = cause else {
            return Reach::Broken(format!(
                "the connection ended during the TLS handshake: {said}"
            ));
        };
        Reach::Tls(TlsFault {
            kind: kind(cause, &seen.chain),
            said,
        })
    }
}

fn kind(error: &Error, chain: &[Vec<u8>]) -> TlsKind {
    let leaf = chain
        .first()
        .and_then(|der| X509Certificate::from_der(der).ok());
    let leaf = leaf.map(|(_, certificate)| certificate);
    let time =
        |pick: fn(&X509Certificate<'_>) -> String| leaf.as_ref().map(pick).unwrap_or_default();
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => TlsKind::Expired(time(|c| c.validity().not_after.to_string())),
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => TlsKind::NotYetValid(time(|c| c.validity().not_before.to_string())),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => TlsKind::Name(leaf.as_ref().map(names).unwrap_or_default()),
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => match leaf {
            Some(leaf) => authority(&leaf, chain),
            None => TlsKind::Other,
        },
        Error::InvalidCertificate(_)
            if leaf.as_ref().is_some_and(|l| l.issuer() == l.subject()) =>
        {
            // webpki says "CA used as end entity" of most certificates that signed themselves.
            TlsKind::SelfSigned
        }
        Error::InvalidMessage(_) => TlsKind::NotTls,
        Error::PeerIncompatible(_) => TlsKind::Old,
        Error::AlertReceived(rustls::AlertDescription::ProtocolVersion) => TlsKind::Old,
        _ => TlsKind::Other,
    }
}

fn authority(leaf: &X509Certificate<'_>, chain: &[Vec<u8>]) -> TlsKind {
    let by = leaf.issuer().to_string();
    if leaf.issuer() == leaf.subject() {
        return TlsKind::SelfSigned;
    }
    // Authority information access names where the issuer's certificate can be had: authorities
    // that have intermediates write it, and browsers fetch from there what a server forgets.
    let fetchable = leaf.extensions().iter().any(|e| {
        matches!(
            e.parsed_extension(),
            ParsedExtension::AuthorityInfoAccess(_)
        )
    });
    if chain.len() == 1 && fetchable {
        return TlsKind::MissingIntermediate(by);
    }
    let last = chain
        .last()
        .and_then(|der| X509Certificate::from_der(der).ok());
    TlsKind::Authority(last.map_or(by, |(_, c)| c.issuer().to_string()))
}

fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|b| std::net::Ipv4Addr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|b| std::net::Ipv6Addr::from(b).to_string()),
        },
        _ => None,
    };
    alternatives
        .value
        .general_names
        .iter()
        .filter_map(name)
        .collect()
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.chain = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|c| c.as_ref().to_vec())
            .collect();
        seen.refusal = verdict.as_ref().err().cloned();
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
