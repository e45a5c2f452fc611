//! A token that a pod holds, after a change of the issuer: K10.

use keyless_trust::token::Token;

use super::servers::Said;
use crate::finding::{Code, Finding, Parties};

/// The audiences at which an API server is asked about a token: a token for the API server itself
/// must hold at the server's own.
#[must_use]
pub fn audiences(text: &str) -> Vec<String> {
    let token = Token::parse(text.trim()).ok();
    match token.and_then(|t| t.claims().ok()) {
        Some(claims) if !claims.aud.contains(&claims.iss) => claims.aud,
        _ => Vec::new(),
    }
}

/// Why an API server refuses the token, if that is because of its issuer. An ended token, and one of
/// a key that the server does not have, are refused for other reasons.
#[must_use]
pub fn refused(text: &str, said: &Said, now: i64) -> Option<Finding> {
    let token = Token::parse(text.trim()).ok()?;
    let claims = token.claims().ok()?;
    let issuer = said.issuer.as_deref()?;
    let known = match (&said.keys, &token.header.kid) {
        (Some(keys), Some(kid)) => keys.has(kid),
        _ => true,
    };
    (claims.iss != issuer && claims.exp > now && known).then(|| {
        Finding::new(Code::K10, &said.name)
            .observed(format!(
                "a token of {:?} is refused; the issuer is {issuer:?} now",
                claims.iss
            ))
            .required("the old issuer as the second --service-account-issuer, and among --api-audiences")
            .fix("Give every API server the old --service-account-issuer again, after the new one, until its tokens have ended")
            .hurts(Parties::NONE)
    })
}
