//! Calling webhooks over HTTPS with the authority that their configuration names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

use super::hook::Hook;

/// Largest answer that is read.
const LIMIT: usize = 3 * 1024 * 1024;

/// One client for each authority.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<HashMap<String, reqwest::Client>>);

impl Clients {
    /// The `response` of a hook's answer, or why there is none.
    pub(super) async fn call(&self, hook: &Hook, review: &Value) -> Result<Value, String> {
        if hook.url.is_empty() {
            return Err(format!(
                "failed to call webhook: the sandbox routes to no Service, {} included; use a url",
                hook.service
            ));
        }
        let client = self.client(&hook.ca)?;
        let (mark, seconds) = (
            if hook.url.contains('?') { '&' } else { '?' },
            hook.timeout.as_secs(),
        );
        let url = format!("{}{mark}timeout={seconds}s", hook.url);
        let failed =
            |e: &reqwest::Error| format!("failed to call webhook: Post {url:?}: {}", innermost(e));
        let request = client
            .post(&url)
            .timeout(hook.timeout)
            .header("content-type", "application/json")
            .header("accept", "application/json, */*");
        let mut response = request
            .body(review.to_string())
            .send()
            .await
            .map_err(|e| failed(&e))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| failed(&e))? {
            body.extend_from_slice(&piece);
            if body.len() > LIMIT {
                return Err("failed to call webhook: the response is too large".to_owned());
            }
        }
        if !status.is_success() {
            return Err(format!(
                "failed to call webhook: the server responded with the status code {} but did not return more information",
                status.as_u16()
            ));
        }
        let mut answer: Value =
            serde_json::from_slice(&body).map_err(|e| format!("failed to call webhook: {e}"))?;
        let text = |name: &str| {
            let value = answer.get(name).and_then(Value::as_str);
            value.unwrap_or_default()
        };
        let (version, kind) = (text("apiVersion"), text("kind"));
        if (version, kind) != ("admission.k8s.io/v1", "AdmissionReview") {
            let version = if version.is_empty() { "/" } else { version };
            return Err(format!(
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {version}, Kind={kind}"
            ));
        }
        let wanted = review.pointer("/request/uid");
        let given = answer.pointer("/response/uid");
        if wanted != given {
            let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
            return Err(format!(
                "expected response.uid={:?}, got {:?}",
                text(wanted),
                text(given)
            ));
        }
        crate::kube::object::unset(&mut answer, "response")
            .ok_or_else(|| "webhook response was absent".to_owned())
    }

    fn client(&self, ca: &str) -> Result<reqwest::Client, String> {
        if let Some(client) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(ca)
        {
            return Ok(client.clone());
        }
        let client = connect(ca).map_err(|why| format!("failed to call webhook: {why}"))?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(ca.to_owned(), client.clone());
        Ok(client)
    }
}

/// A client that trusts one authority alone; no bundle means nothing is trusted.
fn connect(ca: &str) -> Result<reqwest::Client, String> {
    let pem = STANDARD
        .decode(ca)
        .map_err(|_| "caBundle is not base64".to_owned())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| {
            "unable to load root certificates: unable to parse bytes as PEM block".to_owned()
        })?;
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(|e| innermost(&e))
}

/// The cause at the bottom: what went wrong, without the layers above it, and a refused certificate
/// in the words of the API server.
fn innermost(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    let refused = |why: &str| format!("tls: failed to verify certificate: x509: certificate {why}");
    match at.to_string() {
        text if text.contains("UnknownIssuer") || text.contains("BadSignature") => {
            refused("signed by unknown authority")
        }
        text if text.contains("Expired") => refused("has expired or is not yet valid"),
        text => text,
    }
}
