//! `cert`: a client certificate of a registered authority.
//!
//! Owns: the chain from the shown certificate to the registered one, and the names a role is
//! bound to. Refuses: revocation lists.

use std::collections::BTreeMap;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::protocol::{Refusal, Request, texts};
use super::super::token::Params;
use super::jwt::glob;
use super::{Known, Method};

fn registered(role: &Map<String, Value>) -> Option<Vec<u8>> {
    let pem = role.get("certificate").and_then(Value::as_str)?;
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Some(der.to_vec())
}

/// What `auth/cert/certs/…` refuses.
pub(super) fn check_role(role: &Map<String, Value>) -> Result<(), Refusal> {
    match registered(role) {
        Some(_) => Ok(()),
        None => Err(Refusal::bad("failed to parse certificate")),
    }
}

/// Whether `shown` is the registered certificate, or signed by it.
fn trusts(authority: &[u8], shown: &[u8], now: i64) -> bool {
    let (Ok((_, authority)), Ok((_, certificate))) = (
        X509Certificate::from_der(authority),
        X509Certificate::from_der(shown),
    ) else {
        return false;
    };
    let validity = certificate.validity();
    let in_time = validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp();
    let same = authority.as_raw() == certificate.as_raw();
    let signed = certificate.issuer() == authority.subject()
        && certificate
            .verify_signature(Some(authority.public_key()))
            .is_ok();
    in_time && (same || signed)
}

pub(super) fn log_in(method: &Method, request: &Request) -> Result<Known, Refusal> {
    let refused = || Refusal::bad("invalid certificate or no client certificate supplied");
    let shown = request.certificate.first().ok_or_else(refused)?;
    let name = request.text("name");
    let (_, certificate) = X509Certificate::from_der(shown).map_err(|_| refused())?;
    let common = certificate
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
        .unwrap_or_default()
        .to_owned();
    let fits = |role: &Map<String, Value>| {
        let names = texts(role.get("allowed_common_names"));
        let named = names.is_empty() || names.iter().any(|wanted| glob(wanted, &common));
        let trusted =
            registered(role).is_some_and(|authority| trusts(&authority, shown, request.now));
        named && trusted
    };
    let found = method
        .documents
        .iter()
        .filter_map(|(path, role)| Some((path.strip_prefix("certs/")?, role)))
        .filter(|(role, _)| name.is_empty() || *role == name)
        .find(|(_, role)| fits(role));
    let (role_name, role) = found.ok_or_else(refused)?;
    Ok(Known {
        params: Params::read(role)?,
        display_name: role_name.to_owned(),
        meta: BTreeMap::from([
            ("cert_name".to_owned(), role_name.to_owned()),
            ("common_name".to_owned(), common),
        ]),
        policies: Vec::new(),
    })
}
