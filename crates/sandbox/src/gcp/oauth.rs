//! The token endpoint for service account keys: a JWT that the account signed, for an access
//! token. See <https://developers.google.com/identity/protocols/oauth2/service-account>.
//!
//! Refuses: refresh tokens and everything that a browser would ask.

use keyless_trust::gcp::Caller;
use serde_json::json;

use super::Gcp;
use super::answer::Answer;
use super::dispatch::Call;
use super::token::{self, Grant, LIFE};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AUDIENCES: [&str; 3] = [
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
];
/// Seconds by which clocks may differ.
const SKEW: i64 = 60;

pub(super) fn call(gcp: &Gcp, call: &Call<'_>) -> Answer {
    match answer(gcp, call) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn answer(gcp: &Gcp, call: &Call<'_>) -> Result<Answer, Answer> {
    let field = |name: &str| {
        url::form_urlencoded::parse(call.body)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let grant_type = field("grant_type");
    if grant_type != JWT_BEARER {
        return Err(Answer::oauth(
            400,
            "unsupported_grant_type",
            format!("Invalid grant_type: {grant_type}"),
        ));
    }
    let invalid = |text: &str| Answer::oauth(400, "invalid_grant", text);
    let mut state = gcp.state();
    let claims = token::read_self_signed(&state, &field("assertion")).map_err(invalid)?;
    let now = gcp.now();
    let short = claims.exp.saturating_sub(claims.iat) <= LIFE;
    if !short || claims.iat - SKEW > now || claims.exp + SKEW <= now {
        return Err(invalid(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
             timeframe. Check your iat and exp values in the JWT claim.",
        ));
    }
    // Whoever reaches the endpoint under another name signs for that name.
    let meant = !call.named || AUDIENCES.contains(&&*claims.aud);
    if !meant {
        return Err(invalid(
            "Invalid JWT: Failed audience check. The right audience is \
             https://oauth2.googleapis.com/token",
        ));
    }
    let scopes: Vec<String> = claims.scope.split_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() {
        return Err(Answer::oauth(
            400,
            "invalid_scope",
            "Invalid OAuth scope or ID token audience provided.",
        ));
    }
    let email = state
        .account(&claims.iss)
        .map(|account| account.email.clone())
        .unwrap_or_default();
    let grant = Grant {
        principal: Caller::ServiceAccount(email),
        scopes,
        expires: now + LIFE,
    };
    let token = token::issue(&mut state, grant, now);
    Ok(Answer::ok(json!({
        "access_token": token,
        "expires_in": LIFE - 1,
        "token_type": "Bearer",
    })))
}
