//! Which certificate authorities outgoing connections trust, and what they show of themselves.
//!
//! Owns: the choice between a named bundle and the built-in list of public authorities; reading
//! a client certificate.
//! Refuses: the operating system's store, which a small image does not have.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{ClientCertificate, HttpError};

/// The roots: those of `bundle` (PEM) if there is one, else the public ones; and those of
/// `extra` (PEM) in any case.
///
/// # Errors
/// When a PEM text holds no certificate that can be a root.
pub fn roots(bundle: Option<&[u8]>, extra: &[Vec<u8>]) -> Result<RootCertStore, HttpError> {
    let mut store = RootCertStore::empty();
    match bundle {
        Some(pem) => add(&mut store, pem)?,
        None => {
            store.add_parsable_certificates(
                webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned(),
            );
        }
    }
    for pem in extra {
        add(&mut store, pem)?;
    }
    Ok(store)
}

/// Chain and key of a client certificate.
///
/// # Errors
/// When one of them is not PEM. The key is in no error.
pub fn client(
    certificate: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), HttpError> {
    let failed = |reason: &str| HttpError::Request {
        host: "any host".into(),
        reason: reason.to_owned(),
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificate.chain)
        .collect::<Result<_, _>>()
        .map_err(|_| failed("the client certificate is not PEM"))?;
    if chain.is_empty() {
        return Err(failed("the client certificate holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(certificate.key.secret().expose())
        .map_err(|_| failed("the key of the client certificate is not a private key in PEM"))?;
    Ok((chain, key))
}

fn add(store: &mut RootCertStore, pem: &[u8]) -> Result<(), HttpError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect();
    // A bundle may hold an odd certificate that rustls cannot use; the others still count.
    let (usable, _) = store.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(HttpError::Request {
            host: "any host".into(),
            reason: "the CA bundle holds no usable certificate".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_roots_need_no_file() {
        assert!(roots(None, &[]).unwrap().len() > 50);
    }

    #[test]
    fn a_bundle_without_certificate_is_refused() {
        assert!(roots(Some(b"hello"), &[]).is_err());
        assert!(roots(None, &[b"-----BEGIN CERTIFICATE-----\nAAAA\n".to_vec()]).is_err());
    }
}
