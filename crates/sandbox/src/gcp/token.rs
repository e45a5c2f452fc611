//! Access tokens: opaque texts that this cloud looks up, and JWTs that a service account signed.
//!
//! Owns: making them, and who a call's token stands for. Refuses: identity tokens; no service here
//! takes one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_trust::gcp::Caller;
use serde::Deserialize;
use serde_json::json;

use super::Gcp;
use super::answer::Answer;
use super::dispatch::Call;
use super::state::State;

/// What every service here takes.
pub(super) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// What IAM and IAM Credentials take as well; clients ask for it before they impersonate.
const IAM: &str = "https://www.googleapis.com/auth/iam";
/// Life of most tokens, in seconds.
pub(super) const LIFE: i64 = 3600;
/// Beyond so many, those that ended are forgotten.
const MANY: usize = 4096;
const SIGN_IN: &str = "Expected OAuth 2 access token, login cookie or other valid authentication \
                       credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.";

/// What a token is good for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub principal: Caller,
    pub scopes: Vec<String>,
    pub expires: i64,
}

/// Makes a token.
pub(super) fn issue(state: &mut State, grant: Grant, now: i64) -> String {
    if state.tokens.len() > MANY {
        state.tokens.retain(|_, grant| grant.expires > now);
    }
    let kind = match grant.principal {
        Caller::ServiceAccount(_) => 'c',
        Caller::Federated { .. } => 'd',
    };
    let random: [u8; 48] = rand::random();
    let token = format!("ya29.{kind}.{}", URL_SAFE_NO_PAD.encode(random));
    state.tokens.insert(token.clone(), grant);
    token
}

/// Who calls `service`, with a token that is good for it.
pub(super) fn identify(gcp: &Gcp, call: &Call<'_>, service: &str) -> Result<Caller, Answer> {
    let metadata = json!({"service": service, "method": call.api});
    let refuse = |text: String, reason: &str, challenge: &str| {
        Answer::error("UNAUTHENTICATED", text)
            .because(reason, "googleapis.com", metadata.clone())
            .with(
                "www-authenticate",
                format!("Bearer realm=\"https://accounts.google.com/\"{challenge}"),
            )
    };
    let bearer = call.authorization.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let Some(bearer) = bearer else {
        return Err(refuse(
            format!("Request is missing required authentication credential. {SIGN_IN}"),
            "CREDENTIALS_MISSING",
            "",
        ));
    };
    let invalid = |reason: &str| {
        refuse(
            format!("Request had invalid authentication credentials. {SIGN_IN}"),
            reason,
            ", error=\"invalid_token\"",
        )
    };
    let now = gcp.now();
    let state = gcp.state();
    let grant = match state.tokens.get(bearer) {
        Some(grant) => grant.clone(),
        None => self_signed(&state, bearer, service)
            .ok_or_else(|| invalid("ACCESS_TOKEN_TYPE_UNSUPPORTED"))?,
    };
    if grant.expires <= now {
        return Err(invalid("ACCESS_TOKEN_EXPIRED"));
    }
    let enough =
        |scope: &String| scope == CLOUD_PLATFORM || (scope == IAM && service.starts_with("iam"));
    if !grant.scopes.iter().any(enough) {
        return Err(Answer::error(
            "PERMISSION_DENIED",
            "Request had insufficient authentication scopes.",
        )
        .because(
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "googleapis.com",
            metadata.clone(),
        ));
    }
    Ok(grant.principal)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

/// Claims of a JWT that an account signed itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SelfSigned {
    pub iss: String,
    #[serde(default)]
    pub sub: String,
    #[serde(default)]
    pub aud: String,
    #[serde(default)]
    pub scope: String,
    pub iat: i64,
    pub exp: i64,
}

/// Reads a JWT that an account signed with one of its keys. The times are left to the caller.
pub(super) fn read_self_signed(state: &State, text: &str) -> Result<SelfSigned, &'static str> {
    let (message, signature) = text.rsplit_once('.').ok_or("Invalid JWT.")?;
    let (header, claims) = message.split_once('.').ok_or("Invalid JWT.")?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "Invalid JWT.");
    let header: Header = serde_json::from_slice(&part(header)?).map_err(|_| "Invalid JWT.")?;
    let claims: SelfSigned = serde_json::from_slice(&part(claims)?).map_err(|_| "Invalid JWT.")?;
    let account = state
        .account(&claims.iss)
        .filter(|account| !account.disabled)
        .ok_or("Invalid grant: account not found")?;
    let signature = part(signature)?;
    let good = header.alg == "RS256"
        && account.keys.iter().any(|(id, key)| {
            header.kid.as_ref().is_none_or(|kid| kid == id)
                && key.verify(message.as_bytes(), &signature)
        });
    good.then_some(claims).ok_or("Invalid JWT Signature.")
}

/// See <https://developers.google.com/identity/protocols/oauth2/service-account#jwt-auth>.
fn self_signed(state: &State, text: &str, service: &str) -> Option<Grant> {
    let claims = read_self_signed(state, text).ok()?;
    let mine = claims.aud.trim_end_matches('/') == format!("https://{service}");
    let scopes: Vec<String> = match (&*claims.scope, mine) {
        ("", true) => vec![CLOUD_PLATFORM.to_owned()],
        ("", false) => return None,
        (scopes, _) => scopes.split_whitespace().map(str::to_owned).collect(),
    };
    let short = claims.exp - claims.iat <= LIFE;
    (short && claims.sub == claims.iss).then_some(Grant {
        principal: Caller::ServiceAccount(claims.iss),
        scopes,
        expires: claims.exp,
    })
}
