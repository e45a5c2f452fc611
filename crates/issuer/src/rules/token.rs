//! A token against what is published: K2, K6, K7, K9, K11, K12, K15, K16, K18, P12.

use keyless_trust::token::{Claims, Token};

use super::issuer::differs;
use crate::documents::{Algorithm, KeySet};
use crate::finding::{Code, Finding, Parties, Party, Severity};
use crate::token::{LEEWAY, Refusal, signed_by};

/// What a token is held against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// Where the token is from, for messages.
    pub subject: &'a str,
    /// The issuer that is published.
    pub issuer: &'a str,
    /// The published keys; absent if they could not be read.
    pub keys: Option<&'a KeySet>,
    /// Names of keys that were published once, from the publication's own record.
    pub withdrawn: &'a [String],
    /// The audience that was asked for or is registered.
    pub audience: Option<&'a str>,
    /// The subject that is registered.
    pub expected_subject: Option<&'a str>,
    /// The life that was asked for, in seconds.
    pub seconds: Option<i64>,
    /// Now, seconds since 1970.
    pub now: i64,
}

/// What is wrong with a token.
#[must_use]
pub fn judge(text: &str, against: &Against<'_>) -> Vec<Finding> {
    let subject = against.subject;
    let token = match Token::parse(text.trim()) {
        Ok(token) => token,
        Err(error) => {
            return vec![
                Finding::new(Code::K16, subject)
                    .observed(error.to_string())
                    .required("a service account token: a signed JWT")
                    .fix("Take the token of a projected volume or of `kubectl create token`"),
            ];
        }
    };
    // A legacy token from a Secret has no audience and no end, and an issuer of its own.
    let claims = match token.claims() {
        Ok(claims) => claims,
        Err(error) => return vec![legacy(subject, &token, &error.to_string())],
    };
    let mut found = signature(text.trim(), &token, against);
    found.extend(differs(subject, &claims.iss, against.issuer));
    found.extend(about(&claims, against));
    found.extend(times(&claims, against));
    found
}

fn legacy(subject: &str, token: &Token, what: &str) -> Finding {
    let issuer = token.issuer().unwrap_or("none");
    Finding::new(Code::K16, subject)
        .observed(format!("{what}; its issuer is {issuer:?}"))
        .required("a bound token with issuer, audience and end")
        .fix("Use a projected token (serviceAccountToken with an audience) or TokenRequest, not a token from a Secret")
}

fn signature(text: &str, token: &Token, against: &Against<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let subject = against.subject;
    if token.header.alg != Algorithm::Rs256.as_str() {
        found.push(
            Finding::new(Code::K6, subject)
                .observed(format!("a token signed with {}", token.header.alg))
                .required("RS256: Entra takes no other")
                .fix("Sign with an RSA key of 2048 to 4096 bits: `keyless issuer keygen`, then `keyless issuer rotate`")
                .hurts(match Algorithm::parse(&token.header.alg) {
                    Some(Algorithm::Es256) => Parties::only(Party::Entra),
                    Some(_) => Parties::only(Party::Entra).and(Party::Google),
                    None => Parties::ALL,
                }),
        );
    }
    let Some(keys) = against.keys else {
        return found;
    };
    let published = keys.names().join(", ");
    match signed_by(text, keys) {
        Ok(_) | Err(Refusal::Algorithm(_)) => {}
        Err(Refusal::UnknownKid(kid)) if against.withdrawn.contains(&kid) => found.push(
            Finding::new(Code::K9, subject)
                .observed(format!("a token signed with {kid:?}, which was published and is not any more"))
                .required("every key published until its last token has ended")
                .fix("Publish the old public key again, and drain before retiring: `keyless issuer rotate`"),
        ),
        Err(Refusal::UnknownKid(kid)) => found.push(
            Finding::new(Code::K7, subject)
                .observed(format!("a token signed with {kid:?}; published are {published}"))
                .required("the signing key published before it signs")
                .fix("Publish now: `keyless issuer publish`. Service providers may need up to 30 minutes to see it"),
        ),
        Err(Refusal::Signature(kid) | Refusal::WrongKey(kid)) => found.push(
            Finding::new(Code::P12, subject)
                .observed(format!("a signature that is not that of the published key {kid:?}"))
                .required("the public key that belongs to the signing key, under its name")
                .fix("Publish what the API servers serve, not a file: `keyless issuer publish`"),
        ),
        Err(other) => found.push(
            Finding::new(Code::K16, subject)
                .observed(other.to_string())
                .required("a token as the API server signs it: alg and kid in its header")
                .fix("Take a token of this cluster's API server"),
        ),
    }
    found
}

fn about(claims: &Claims, against: &Against<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(audience) = against.audience
        && !claims.aud.iter().any(|a| a == audience)
    {
        found.push(
            Finding::new(Code::K16, against.subject)
                .observed(format!("the audiences {}", claims.aud.join(", ")))
                .required(audience)
                .fix("Name the audience in the projected volume; a source without one gets a token for the API server"),
        );
    }
    if let Some(subject) = against.expected_subject
        && claims.sub != subject
    {
        found.push(
            Finding::new(Code::K18, against.subject)
                .observed(format!("the subject {}", claims.sub))
                .required(subject)
                .fix("Set serviceAccountName in the pod, or register the subject that it has"),
        );
    }
    found
}

fn times(claims: &Claims, against: &Against<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let ago = against.now - claims.exp;
    if ago > 0 {
        found.push(
            Finding::new(Code::K11, against.subject)
                .observed(format!("a token that expired {ago} s ago"))
                .required("a token that is valid now")
                .fix("Read the token's file again before each exchange; if the file itself is old, look at the kubelet"),
        );
    }
    let ahead = claims.iat.max(claims.nbf.unwrap_or(claims.iat)) - against.now;
    if ahead > 30 {
        found.push(skew(against.subject, ahead));
    }
    if let Some(asked) = against.seconds {
        let life = claims.exp - claims.iat;
        // An API server may give a few seconds more or less.
        if life < asked - 60 {
            found.push(
                Finding::new(Code::K15, against.subject)
                    .observed(format!("a life of {life} s"))
                    .required(format!("the {asked} s that were asked for"))
                    .fix("Nothing, if clients renew by the token's own exp; else raise --service-account-max-token-expiration")
                    .severity(Severity::Warning)
                    .hurts(Parties::NONE),
            );
        }
    }
    found
}

/// A clock that is `ahead` seconds before ours.
#[must_use]
pub fn skew(subject: &str, ahead: i64) -> Finding {
    let severity = if ahead.abs() > LEEWAY {
        Severity::Error
    } else {
        Severity::Warning
    };
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    Finding::new(Code::K12, subject)
        .observed(format!("a clock {} s {way} this one", ahead.abs()))
        .required(format!(
            "less than 30 s: relying parties allow {LEEWAY} s at most"
        ))
        .fix("Synchronise the clocks (NTP) of the control plane and of this machine")
        .severity(severity)
}
