//! A token of an OpenID Connect issuer.
//!
//! Owns: the order shape, issuer, audience, algorithm, keys and signature, times. Google does not
//! publish its order; this one lets each refusal name one part.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_trust::Issuer;
use keyless_trust::gcp::OidcProvider;
use keyless_trust::gcp::provider::Mismatch;
use keyless_trust::token::{Claims, Token};
use serde_json::Value;

use super::super::Gcp;
use super::{Refusal, grant_error};
use crate::federation::issuers::IdpError;
use crate::federation::jws::KeySet;

const CONNECTING: &str = "Error connecting to the given credential's issuer.";

/// The claims of a token that `rules` take, signed with one of `keys`; without those the issuer's
/// documents are fetched.
pub(super) async fn verify(
    gcp: &Gcp,
    text: &str,
    rules: &OidcProvider,
    keys: Option<&Arc<KeySet>>,
) -> Result<Value, Refusal> {
    // Ours: no report of Google's text for these two was found.
    let malformed = |reason: String| grant_error(format!("The ID Token is malformed: {reason}."));
    let token = Token::parse(text).map_err(|error| malformed(error.to_string()))?;
    let claims = token
        .claims()
        .map_err(|error| malformed(error.to_string()))?;
    let now = gcp.now() + gcp.0.skew.load(Ordering::Relaxed);
    let judged = rules.judge(&claims, now);
    // A text about times is no help to someone without a good signature.
    match &judged {
        Err(mismatch) if *mismatch != Mismatch::Stale => {
            return Err(refusal(mismatch, &claims, rules));
        }
        _ => signature(gcp, &token, text, rules.issuer.as_str(), keys).await?,
    }
    judged.map_err(|mismatch| refusal(&mismatch, &claims, rules))?;
    raw(text).ok_or_else(|| malformed("no claims".to_owned()))
}

fn refusal(mismatch: &Mismatch, claims: &Claims, rules: &OidcProvider) -> Refusal {
    grant_error(match mismatch {
        Mismatch::Issuer => format!(
            "The issuer in ID Token {} does not match the expected ones: {}",
            claims.iss, rules.issuer
        ),
        Mismatch::Audience => format!(
            "The audience in ID Token [{}] does not match the expected audience {}.",
            claims.aud.join(", "),
            rules.audiences().join(", ")
        ),
        Mismatch::Stale => format!("ID Token issued at {} is stale to sign-in.", claims.iat),
    })
}

async fn signature(
    gcp: &Gcp,
    token: &Token,
    text: &str,
    issuer: &str,
    keys: Option<&Arc<KeySet>>,
) -> Result<(), Refusal> {
    let alg = token.header.alg.as_str();
    if !matches!(alg, "RS256" | "ES256") {
        // Ours: no report of Google's text was found.
        return Err(grant_error(format!(
            "The algorithm {alg} of the ID Token is not supported."
        )));
    }
    let kid = token.header.kid.as_deref();
    let keys = match keys {
        Some(keys) => Arc::clone(keys),
        None => fetch(gcp, issuer, kid).await?,
    };
    keys.verify(text, alg, kid).map_err(|error| {
        tracing::info!(issuer, %error, "a token was refused");
        // Google says the same for a key that is not there and a signature that is wrong.
        grant_error(CONNECTING)
    })
}

async fn fetch(gcp: &Gcp, issuer: &str, kid: Option<&str>) -> Result<Arc<KeySet>, Refusal> {
    let issuer = Issuer::parse(issuer).map_err(|_| grant_error(CONNECTING))?;
    let keys = gcp.0.issuers.keys(&issuer, kid, gcp.now()).await;
    keys.map_err(|error| {
        tracing::info!(%issuer, %error, "the issuer's keys cannot be had");
        match error {
            IdpError::OtherIssuer { .. } => grant_error(
                "`issuer` claim in OIDC discovery document does not match the issuer specified \
                 in the request.",
            ),
            _ => grant_error(CONNECTING),
        }
    })
}

/// Every claim, for the mapping.
fn raw(text: &str) -> Option<Value> {
    let payload = text.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
