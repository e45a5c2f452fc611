//! Client assertions that a foreign issuer signed: a cluster's token for a federated credential.
//!
//! Owns: the order shape, credentials, issuer, subject, audience, header, keys and signature,
//! times. Entra does not publish its order; this one lets each refusal name one part.

use std::sync::atomic::Ordering;

use keyless_trust::Issuer;
use keyless_trust::azure::{Mismatch, judge};
use keyless_trust::token::{Claims, Token, TokenError};

use super::super::Azure;
use super::super::dispatch::Call;
use super::super::state::Client;
use super::certificate;
use super::refusal::Refusal;
use crate::federation::issuers::IdpError;
use crate::federation::jws::JwsError;

/// Seconds by which clocks may differ.
const SKEW: i64 = 300;
const READ_MORE: &str =
    "https://learn.microsoft.com/entra/workload-id/workload-identity-federation";

/// Checks the assertion `text` of `client`: its own, signed with a certificate, or a foreign one.
pub(super) async fn check(
    azure: &Azure,
    client: &Client,
    text: &str,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let (token, claims) = read(text)?;
    if claims.iss.eq_ignore_ascii_case(&client.id) {
        return certificate::check(azure, client, &claims, text, call);
    }
    judge(&client.credentials, &claims).map_err(|miss| mismatch(miss, client, &claims))?;
    if azure.state().federation_forbidden {
        // Entra publishes the number; the text is ours.
        return Err(Refusal::client(
            700_223,
            "Workload identity federation is disabled by a policy of the tenant.",
        ));
    }
    header(&token)?;
    verify(azure, &token, &claims, text).await?;
    times(azure, &claims)
}

fn read(text: &str) -> Result<(Token, Claims), Refusal> {
    let malformed = |reason: String| {
        Refusal::client(
            50_027,
            format!("JWT token is invalid or malformed. {reason}"),
        )
    };
    let token = Token::parse(text).map_err(|error| malformed(error.to_string()))?;
    let claims = token.claims().map_err(|error| match error {
        TokenError::Missing(name) => malformed(format!("Missing claim '{name}'.")),
        other => malformed(other.to_string()),
    })?;
    Ok((token, claims))
}

fn mismatch(miss: Mismatch, client: &Client, claims: &Claims) -> Refusal {
    let check = format!(
        "Check your federated identity credential Subject, Audience and Issuer against the \
         presented assertion. {READ_MORE}"
    );
    let none = |what: &str, value: &str| {
        format!(
            "No matching federated identity record found for presented assertion {what} \
             '{value}'. {check}"
        )
    };
    match miss {
        Mismatch::None => Refusal::client(
            70_025,
            format!(
                "The client '{}'({}) has no configured federated identity credentials.",
                client.id, client.name
            ),
        ),
        Mismatch::Issuer => Refusal::client(700_211, none("issuer", &claims.iss)),
        Mismatch::Audience => Refusal::client(700_212, none("audience", &claims.aud.join(","))),
        Mismatch::Subject => Refusal::client(700_213, none("subject", &claims.sub)),
        Mismatch::Case => Refusal::client(
            7_002_138,
            format!(
                "No matching federated identity record found for presented assertion subject \
                 '{}'. The subject matches with case-insensitive comparison, but not with \
                 case-sensitive comparison. {check}",
                claims.sub
            ),
        ),
    }
}

fn header(token: &Token) -> Result<(), Refusal> {
    let header = &token.header;
    if header.alg != "RS256" {
        return Err(Refusal::client(
            5_002_738,
            format!(
                "Invalid JWT token. '{}' is not a supported signature algorithm. Supported \
                 signing algorithms are: 'RS256, HS256'",
                header.alg
            ),
        ));
    }
    if header.kid.as_deref().unwrap_or_default().is_empty() {
        return Err(Refusal::client(
            5_002_723,
            "Invalid JWT token. No certificate thumbprint or key id ('kid') found in the header.",
        ));
    }
    match header.typ.as_deref() {
        None | Some("JWT" | "http://openid.net/specs/jwt/1.0") => Ok(()),
        Some(other) => Err(Refusal::client(
            5_002_727,
            format!("Invalid JWT token. Header 'typ' has the unsupported value '{other}'."),
        )),
    }
}

async fn verify(azure: &Azure, token: &Token, claims: &Claims, text: &str) -> Result<(), Refusal> {
    let unreachable = |number, reason: String| {
        Refusal::new(
            number,
            400,
            "invalid_request",
            format!("Request to External OIDC endpoint failed. {reason}"),
        )
    };
    let issuer =
        Issuer::parse(&claims.iss).map_err(|error| unreachable(50_166, error.to_string()))?;
    let kid = token.header.kid.as_deref();
    let keys = azure.0.issuers.keys(&issuer, kid, azure.now()).await;
    let keys = keys.map_err(|error| {
        tracing::info!(%issuer, %error, "the issuer's keys cannot be had");
        match error {
            IdpError::KeySet { .. } => Refusal::new(
                900_612,
                400,
                "invalid_request",
                format!("Failed to parse provider signing keys. {error}"),
            ),
            IdpError::Discovery(..) | IdpError::OtherIssuer { .. } => {
                unreachable(501_661, error.to_string())
            }
            IdpError::Unreachable { .. } => unreachable(90_061, error.to_string()),
            _ => unreachable(50_166, error.to_string()),
        }
    })?;
    keys.verify(text, &token.header.alg, kid).map_err(|error| {
        tracing::info!(%issuer, %error, "an assertion was refused");
        match error {
            JwsError::UnknownKid(kid) => Refusal::client(
                7_000_272,
                format!(
                    "Unable to validate the assertion: the key '{kid}' was not found in the \
                     metadata of the issuer '{issuer}'."
                ),
            ),
            other => Refusal::client(
                7_000_274,
                format!("The signature of the assertion is invalid: {other}."),
            ),
        }
    })
}

pub(super) fn times(azure: &Azure, claims: &Claims) -> Result<(), Refusal> {
    let now = azure.now() + azure.0.skew.load(Ordering::Relaxed);
    let start = claims.nbf.unwrap_or(claims.iat);
    if start - SKEW <= now && now < claims.exp + SKEW {
        return Ok(());
    }
    let text = |seconds: i64| jiff::Timestamp::from_second(seconds).unwrap_or_default();
    Err(Refusal::client(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion \
             valid from {}, expiry time of assertion {}. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            text(now),
            text(start),
            text(claims.exp)
        ),
    ))
}
