//! `jwt`: tokens of an issuer whose keys are known or fetched.
//!
//! Owns: the order of the checks and their texts, which come from the library that Vault and
//! OpenBao share. Refuses: the browser's flow (`oidc` roles), and `jwks_url`.

use std::collections::BTreeMap;

use jsonwebtoken::{DecodingKey, Validation};
use keyless_trust::Issuer;
use keyless_trust::token::Token;
use serde_json::{Map, Value};

use super::super::Vault;
use super::super::protocol::{Refusal, Request, seconds, texts};
use super::super::token::Params;
use super::{Known, Method};

/// How far a clock may be off, seconds.
const LEEWAY: i64 = 60;
/// Life of a token that says only when it was issued, seconds.
const DERIVED: i64 = 150;
const ALGORITHMS: [&str; 10] = [
    "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA",
];

fn text<'a>(document: &'a Map<String, Value>, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or("")
}

/// What `auth/jwt/config` refuses.
pub(in super::super) async fn check_config(
    vault: &Vault,
    config: &Map<String, Value>,
    now: i64,
) -> Result<(), Refusal> {
    let url = text(config, "oidc_discovery_url");
    let keys = texts(config.get("jwt_validation_pubkeys"));
    if !text(config, "jwks_url").is_empty() {
        return Err(Refusal::bad("jwks_url is not emulated"));
    }
    if url.is_empty() == keys.is_empty() {
        return Err(Refusal::bad(
            "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set",
        ));
    }
    for key in &keys {
        public_key(key).ok_or_else(|| {
            Refusal::bad("error parsing public key: data does not contain any valid public keys")
        })?;
    }
    if url.is_empty() {
        return Ok(());
    }
    discover(vault, config, None, now).await.map(|_| ())
}

/// The issuer's keys; whatever is wrong with its documents, the client learns only that.
async fn discover(
    vault: &Vault,
    config: &Map<String, Value>,
    kid: Option<&str>,
    now: i64,
) -> Result<std::sync::Arc<crate::federation::jws::KeySet>, Refusal> {
    let failed = || Refusal::bad("error checking oidc discovery URL");
    let url = text(config, "oidc_discovery_url");
    let issuer = Issuer::parse(url).map_err(|_| failed())?;
    let issuers = vault.issuers(text(config, "oidc_discovery_ca_pem"));
    issuers.keys(&issuer, kid, now).await.map_err(|error| {
        tracing::info!(%issuer, %error, "error checking oidc discovery URL");
        failed()
    })
}

/// What `auth/jwt/role/…` refuses.
pub(in super::super) fn check_role(role: &Map<String, Value>) -> Result<(), Refusal> {
    if text(role, "user_claim").is_empty() {
        return Err(Refusal::bad("a user claim must be defined on the role"));
    }
    let kind = text(role, "role_type");
    if !matches!(kind, "" | "oidc" | "jwt") {
        return Err(Refusal::bad(format!("invalid 'role_type': {kind}")));
    }
    let bound = !texts(role.get("bound_audiences")).is_empty()
        || !text(role, "bound_subject").is_empty()
        || role
            .get("bound_claims")
            .and_then(Value::as_object)
            .is_some_and(|claims| !claims.is_empty());
    if kind == "jwt" && !bound {
        return Err(Refusal::bad(
            "must have at least one bound constraint when creating/updating a role",
        ));
    }
    Ok(())
}

pub(in super::super) async fn log_in(
    vault: &Vault,
    method: &Method,
    request: &Request,
) -> Result<Known, Refusal> {
    let config = method
        .document("config")
        .ok_or_else(|| Refusal::bad("could not load configuration"))?;
    let name = match request.text("role") {
        "" => text(config, "default_role"),
        name => name,
    };
    if name.is_empty() {
        return Err(Refusal::bad("missing role"));
    }
    let role = method
        .document(&format!("role/{name}"))
        .ok_or_else(|| Refusal::bad(format!("role {name:?} could not be found")))?;
    // A role that does not say is for the browser.
    if text(role, "role_type") != "jwt" {
        return Err(Refusal::bad("role with oidc role_type is not allowed"));
    }
    let jwt = request.text("jwt");
    if jwt.is_empty() {
        return Err(Refusal::bad("missing token"));
    }
    let claims = verified(vault, config, role, jwt, request.now).await?;
    bound(role, &claims)?;
    let user_claim = text(role, "user_claim");
    let user = find(&claims, user_claim)
        .ok_or_else(|| Refusal::bad(format!("claim {user_claim:?} not found in token")))?
        .as_str()
        .ok_or_else(|| {
            Refusal::bad(format!(
                "claim {user_claim:?} could not be converted to string"
            ))
        })?;
    let mut meta = BTreeMap::from([("role".to_owned(), name.to_owned())]);
    let mappings = role.get("claim_mappings").and_then(Value::as_object);
    for (claim, key) in mappings.into_iter().flatten() {
        if let (Some(value), Some(key)) =
            (find(&claims, claim).and_then(Value::as_str), key.as_str())
        {
            meta.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(Known {
        params: Params::read(role)?,
        display_name: user.to_owned(),
        meta,
        policies: Vec::new(),
    })
}

fn invalid(reason: &str) -> Refusal {
    Refusal::bad(format!("error validating token: {reason}"))
}

async fn verified(
    vault: &Vault,
    config: &Map<String, Value>,
    role: &Map<String, Value>,
    jwt: &str,
    now: i64,
) -> Result<Map<String, Value>, Refusal> {
    let token = Token::parse(jwt).map_err(|_| {
        // Go reads a signature whose last character has bits left over, and finds it wrong.
        let reason = if jwt.split('.').count() == 3 && raw_claims(jwt).is_some() {
            "failed to verify id token signature"
        } else {
            "oidc: malformed jwt: go-jose/go-jose: compact JWS format must have three parts"
        };
        invalid(&format!("error verifying token signature: {reason}"))
    })?;
    let algorithm = token.header.alg.as_str();
    if !ALGORITHMS.contains(&algorithm) {
        return Err(invalid(&format!(
            "error verifying token signature: oidc: malformed jwt: unexpected signature algorithm {algorithm:?}"
        )));
    }
    let own = texts(config.get("jwt_supported_algs"));
    if text(config, "oidc_discovery_url").is_empty() {
        let keys = texts(config.get("jwt_validation_pubkeys"));
        if !keys.iter().any(|key| signed_by(jwt, key)) {
            return Err(invalid(
                "error verifying token signature: no known key successfully validated the token signature",
            ));
        }
    } else {
        let kid = token.header.kid.as_deref();
        let keys = discover(vault, config, kid, now).await?;
        keys.verify(jwt, algorithm, kid).map_err(|error| {
            tracing::info!(%error, "a token's signature is refused");
            invalid("error verifying token signature: failed to verify id token signature")
        })?;
    }
    if !own.is_empty() && !own.iter().any(|known| known == algorithm) {
        return Err(invalid("token signed with unexpected algorithm"));
    }
    let claims = raw_claims(jwt).ok_or_else(|| invalid("malformed claims"))?;
    check(config, role, &claims, now)?;
    Ok(claims)
}

/// A public key or certificate in PEM, as a checker of signatures.
fn public_key(pem: &str) -> Option<DecodingKey> {
    let pem = pem.as_bytes();
    DecodingKey::from_rsa_pem(pem)
        .or_else(|_| DecodingKey::from_ec_pem(pem))
        .ok()
}

fn signed_by(jwt: &str, pem: &str) -> bool {
    let (Some(key), Ok(header)) = (public_key(pem), jsonwebtoken::decode_header(jwt)) else {
        return false;
    };
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Map<String, Value>>(jwt, &key, &validation).is_ok()
}

fn raw_claims(jwt: &str) -> Option<Map<String, Value>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = jwt.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Issuer, subject, audience, times: in the library's order.
fn check(
    config: &Map<String, Value>,
    role: &Map<String, Value>,
    claims: &Map<String, Value>,
    now: i64,
) -> Result<(), Refusal> {
    let issuer = text(config, "bound_issuer");
    if !issuer.is_empty() && issuer != text(claims, "iss") {
        return Err(invalid("invalid issuer (iss) claim"));
    }
    let subject = text(role, "bound_subject");
    if !subject.is_empty() && subject != text(claims, "sub") {
        return Err(invalid("invalid subject (sub) claim"));
    }
    let presented = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(_)) => texts(claims.get("aud")),
        _ => Vec::new(),
    };
    let bound = texts(role.get("bound_audiences"));
    if !bound.is_empty() && !bound.iter().any(|one| presented.contains(one)) {
        return Err(invalid(
            "invalid audience (aud) claim: audience claim does not match any expected audience",
        ));
    }
    let at = |name: &str| claims.get(name).and_then(Value::as_f64).map(|t| t as i64);
    let (iat, nbf, exp) = (at("iat"), at("nbf"), at("exp"));
    let Some(begin) = nbf.or(iat).or(exp) else {
        return Err(invalid(
            "no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
        ));
    };
    let leeway = match seconds(role.get("clock_skew_leeway"))? {
        0 => LEEWAY,
        own => own.max(0),
    };
    if nbf.is_some_and(|nbf| nbf > now + leeway) {
        return Err(invalid(
            "invalid not before (nbf) claim: token not yet valid",
        ));
    }
    if exp.unwrap_or(begin + DERIVED) + leeway < now {
        return Err(invalid(
            "invalid expiration time (exp) claim: token is expired",
        ));
    }
    if iat.is_some_and(|iat| iat > now + leeway) {
        return Err(invalid(
            "invalid issued at (iat) claim: token issued in the future",
        ));
    }
    if bound.is_empty() && !presented.is_empty() {
        return Err(Refusal::bad(
            "audience claim found in JWT but no audiences bound to the role",
        ));
    }
    Ok(())
}

/// A claim by its name or by a JSON pointer.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let Some(pointer) = name.strip_prefix('/') else {
        return claims.get(name);
    };
    let (first, rest) = match pointer.split_once('/') {
        Some((first, rest)) => (first, format!("/{rest}")),
        None => (pointer, String::new()),
    };
    let unescaped = first.replace("~1", "/").replace("~0", "~");
    claims.get(&unescaped)?.pointer(&rest)
}

/// `bound_claims`: each must have one of the values.
fn bound(role: &Map<String, Value>, claims: &Map<String, Value>) -> Result<(), Refusal> {
    let globs = text(role, "bound_claims_type") == "glob";
    let wanted = role.get("bound_claims").and_then(Value::as_object);
    for (name, values) in wanted.into_iter().flatten() {
        let refuse =
            |what: &str| Refusal::bad(format!("error validating claims: claim {name:?} {what}"));
        let found = find(claims, name).ok_or_else(|| refuse("is missing"))?;
        let list = |value: &Value| match value {
            Value::Array(items) => items.clone(),
            one => vec![one.clone()],
        };
        let (values, found) = (list(values), list(found));
        let fits = |want: &Value, is: &Value| match (want.as_str(), is.as_str()) {
            (Some(want), Some(is)) if globs => glob(want, is),
            _ => want == is,
        };
        if !values
            .iter()
            .any(|want| found.iter().any(|is| fits(want, is)))
        {
            return Err(refuse("does not match any associated bound claim values"));
        }
    }
    Ok(())
}

/// `*` stands for any text.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, middle)) = parts.split_last() else {
        return true;
    };
    for part in middle {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_by_pointer_and_glob() {
        let claims = json!({"kubernetes.io": {"namespace": "ns", "a/b": 1}, "list": ["x", "y"]});
        let claims = claims.as_object().unwrap();
        assert_eq!(find(claims, "/kubernetes.io/namespace"), Some(&json!("ns")));
        assert_eq!(find(claims, "/kubernetes.io/a~1b"), Some(&json!(1)));
        let role = |bound: Value, kind: &str| {
            json!({"bound_claims": bound, "bound_claims_type": kind})
                .as_object()
                .cloned()
                .unwrap()
        };
        assert!(bound(&role(json!({"list": ["y", "z"]}), ""), claims).is_ok());
        assert!(bound(&role(json!({"list": "z"}), ""), claims).is_err());
        assert!(
            bound(
                &role(json!({"/kubernetes.io/namespace": "n*"}), "glob"),
                claims
            )
            .is_ok()
        );
        assert!(
            bound(
                &role(json!({"/kubernetes.io/namespace": "n*"}), "string"),
                claims
            )
            .is_err()
        );
        assert!(bound(&role(json!({"missing": "x"}), ""), claims).is_err());
    }

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*b*d", "abcd", true),
            ("a*d*", "abc", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
