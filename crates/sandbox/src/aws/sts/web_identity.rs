//! `AssumeRoleWithWebIdentity`: a token for a session.
//!
//! Owns: the order of the checks, which decides what a refusal tells: shape, provider, audience,
//! keys and signature, times, trust. The code of the answer says how far a token came.
//!
//! AWS does not publish its text for a bad signature or a token from the future; those two texts
//! are ours, their code (`InvalidIdentityToken`) is AWS's. AWS documents a provider that cannot
//! be reached as "Couldn't retrieve verification key", so `IDPCommunicationError` is left for a
//! provider that answers with a failure of its server.

use keyless_trust::aws::federation::{self, Refusal};
use keyless_trust::aws::{Arn, Context, Decision, Partition};
use keyless_trust::token::{Claims, Token, TokenError};
use keyless_trust::{Issuer, provider};

use super::super::Aws;
use super::super::dispatch::Call;
use super::super::protocol::{ApiError, Form, Outcome, Reply, Xml, invalid};
use super::{Origin, Wish, issue, too_long};
use crate::federation::issuers::IdpError;
use crate::federation::jws::{JwsError, is_supported};

const NO_JWT: &str = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
const NO_KEY: &str = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";

pub(super) async fn call(aws: &Aws, call: &Call, form: &Form) -> Outcome {
    let wish = Wish::read(&aws.state(), form)?;
    let text = form.required("WebIdentityToken")?;
    check_length(text)?;
    if form.get("ProviderId").is_some() {
        // Only for the OAuth 2.0 access tokens of two providers that AWS knows by name.
        return Err(ApiError::bad(
            "InvalidIdentityToken",
            "ProviderId is not supported for OpenID Connect ID tokens",
        ));
    }
    let (token, claims) = read(text)?;
    let issuer = known_provider(aws, &wish, &claims)?;
    verify(aws, &issuer, &token, text, call.now).await?;
    check_times(&claims, call.now)?;
    let mut state = aws.state();
    let partition = Partition::parse(&wish.role.partition).unwrap_or(Partition::Aws);
    let denied = || {
        ApiError::new(
            403,
            "AccessDenied",
            format!("Not authorized to perform {}", federation::ACTION),
        )
    };
    let role = wish.role(&state).ok_or_else(denied)?;
    let mut facts = call.context.clone();
    facts.set("sts:RoleSessionName", wish.session_name.clone());
    facts.set(
        "aws:FederatedProvider",
        provider::arn(&issuer, partition, &wish.role.account).to_string(),
    );
    let decision = federation::judge(&role.trust.policy, &wish.role, &issuer, &claims, &facts);
    if !decision.is_allowed() {
        explain(&decision, &wish.role, &claims);
        return Err(denied());
    }
    if wish.duration > role.max_session {
        return Err(too_long());
    }
    let id = role.id.clone();
    let federation = session_keys(&issuer, &claims, &facts);
    let mut x = Xml::new();
    x.text("SubjectFromWebIdentityToken", &claims.sub);
    x.text(
        "Audience",
        federation::audiences(&claims)
            .first()
            .map_or("", String::as_str),
    );
    x.text(
        "Provider",
        provider::arn(&issuer, partition, &wish.role.account).to_string(),
    );
    x.append(issue(
        &mut state,
        &wish,
        &id,
        Origin {
            federation,
            ..Origin::default()
        },
        call.now,
    ));
    Ok(Reply::Xml(Some(x)))
}

fn check_length(text: &str) -> Result<(), ApiError> {
    let limit = match text.chars().count() {
        0..4 => "Member must have length greater than or equal to 4",
        4..=20_000 => return Ok(()),
        _ => "Member must have length less than or equal to 20000",
    };
    // The value itself stays out of the text: it may be someone's token.
    Err(invalid(
        "ValidationError",
        Some(""),
        "WebIdentityToken",
        limit,
    ))
}

/// Shape, algorithm, and the claims AWS needs.
fn read(text: &str) -> Result<(Token, Claims), ApiError> {
    let bad = |message: &str| ApiError::bad("InvalidIdentityToken", message);
    let token = Token::parse(text).map_err(|_| bad(NO_JWT))?;
    let claims = token.claims().map_err(|e| match e {
        TokenError::Missing(name) => bad(&format!("Missing a required claim: {name}")),
        _ => bad(NO_JWT),
    })?;
    if !is_supported(&token.header.alg) {
        return Err(bad(NO_JWT));
    }
    Ok((token, claims))
}

/// The provider with exactly this issuer in the role's account, and one of its audiences.
fn known_provider(aws: &Aws, wish: &Wish, claims: &Claims) -> Result<Issuer, ApiError> {
    let unknown = || {
        ApiError::bad(
            "InvalidIdentityToken",
            format!(
                "No OpenIDConnect provider found in your account for {}",
                claims.iss
            ),
        )
    };
    let issuer = Issuer::parse(&claims.iss).map_err(|_| unknown())?;
    let partition = Partition::parse(&wish.role.partition).unwrap_or(Partition::Aws);
    let arn = provider::arn(&issuer, partition, &wish.role.account).to_string();
    let state = aws.state();
    let record = state.providers.get(&arn).ok_or_else(unknown)?;
    let audiences = federation::audiences(claims);
    if !record
        .provider
        .accepts(audiences.iter().map(String::as_str))
    {
        return Err(ApiError::bad(
            "InvalidIdentityToken",
            "Incorrect token audience",
        ));
    }
    Ok(issuer)
}

async fn verify(
    aws: &Aws,
    issuer: &Issuer,
    token: &Token,
    text: &str,
    now: i64,
) -> Result<(), ApiError> {
    let kid = token.header.kid.as_deref();
    let keys = aws.0.issuers.keys(issuer, kid, now).await.map_err(|e| {
        tracing::info!(%issuer, error = %e, "the issuer's keys cannot be had");
        no_keys(&e)
    })?;
    keys.verify(text, &token.header.alg, kid).map_err(|e| {
        tracing::info!(%issuer, error = %e, "a token was refused");
        ApiError::bad(
            "InvalidIdentityToken",
            match e {
                JwsError::NoKid | JwsError::UnknownKid(_) => NO_KEY,
                JwsError::Algorithm(_) => NO_JWT,
                JwsError::WrongKey(_) | JwsError::Signature => "The token's signature is invalid",
            },
        )
    })
}

fn no_keys(error: &IdpError) -> ApiError {
    if error.is_transient() {
        return ApiError::bad(
            "IDPCommunicationError",
            "Error communicating with the identity provider",
        );
    }
    ApiError::bad("InvalidIdentityToken", NO_KEY)
}

fn check_times(claims: &Claims, now: i64) -> Result<(), ApiError> {
    if claims.exp <= now {
        let exp = claims.exp;
        return Err(ApiError::bad(
            "ExpiredTokenException",
            format!(
                "Token expired: current date/time {now} must be before the expiration date/time {exp}"
            ),
        ));
    }
    let start = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
    if start > now {
        return Err(ApiError::bad(
            "InvalidIdentityToken",
            format!(
                "Token not yet valid: current date/time {now} must be on or after the date/time {start}"
            ),
        ));
    }
    Ok(())
}

/// AWS keeps the reason to itself; the sandbox tells it in its own log.
fn explain(decision: &Decision, role: &Arn, claims: &Claims) {
    if let Some(refusal) = Refusal::of(decision, role, claims) {
        tracing::info!("{}", keyless_fault::explain(&refusal));
    }
}

/// The keys of the federation stay with the session.
fn session_keys(issuer: &Issuer, claims: &Claims, facts: &Context) -> Context {
    let mut out = federation::context(issuer, claims);
    if let Some(provider) = facts.single("aws:FederatedProvider") {
        out.set("aws:FederatedProvider", provider);
    }
    out
}
