//! Client assertions that a client signed itself, with a certificate that is registered on it.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_trust::token::Claims;
use serde::Deserialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::super::Azure;
use super::super::dispatch::Call;
use super::super::state::Client;
use super::assertion;
use super::refusal::Refusal;

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

pub(super) fn check(
    azure: &Azure,
    client: &Client,
    claims: &Claims,
    text: &str,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let malformed =
        |text: &str| Refusal::client(50_027, format!("JWT token is invalid or malformed. {text}"));
    let header: Header = text
        .split('.')
        .next()
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| malformed("The header cannot be read."))?;
    if !claims.sub.eq_ignore_ascii_case(&client.id) {
        return Err(Refusal::client(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    let certificate = registered(client, &header).ok_or_else(|| {
        Refusal::client(
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is not \
                 registered on application. [Reason - The key was not found., Please visit the \
                 Azure Portal and check the certificates of application '{}'.]",
                client.id
            ),
        )
    })?;
    let bad = || {
        Refusal::client(
            700_027,
            "Client assertion failed signature validation. [Reason - The key used is expired or \
             the signature is wrong.]",
        )
    };
    let algorithm: &'static dyn VerificationAlgorithm = match header.alg.as_str() {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        other => {
            return Err(Refusal::client(
                5_002_738,
                format!("Invalid JWT token. '{other}' is not a supported signature algorithm."),
            ));
        }
    };
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| bad())?;
    let key = parsed.public_key().subject_public_key.data.as_ref();
    let (message, signature) = text.rsplit_once('.').ok_or_else(bad)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| bad())?;
    UnparsedPublicKey::new(algorithm, key)
        .verify(message.as_bytes(), &signature)
        .map_err(|_| bad())?;
    // The endpoint that it was signed for: this one, of either version, or the authority.
    let host = call.host;
    let meant = |audience: &String| {
        let rest = audience
            .strip_prefix("https://")
            .and_then(|rest| rest.strip_prefix(host));
        rest.is_some_and(|path| {
            path.to_ascii_lowercase()
                .starts_with(&format!("/{}", azure.tenant()))
        })
    };
    if !claims.aud.iter().any(meant) {
        return Err(Refusal::client(
            700_023,
            "Client assertion audience claim does not match Realm issuer.",
        ));
    }
    assertion::times(azure, claims)
}

/// The client's certificate that the header names by thumbprint.
fn registered<'a>(client: &'a Client, header: &Header) -> Option<&'a [u8]> {
    let is = |certificate: &[u8], algorithm: &'static Algorithm, thumbprint: &Option<String>| {
        thumbprint.as_deref().is_none_or(|text| {
            let text = text.trim_end_matches('=');
            text == URL_SAFE_NO_PAD.encode(digest(algorithm, certificate).as_ref())
        })
    };
    if header.x5t.is_none() && header.x5t_s256.is_none() {
        return None;
    }
    client
        .certificates
        .iter()
        .find(|certificate| {
            is(certificate, &SHA1_FOR_LEGACY_USE_ONLY, &header.x5t)
                && is(certificate, &SHA256, &header.x5t_s256)
        })
        .map(Vec::as_slice)
}
