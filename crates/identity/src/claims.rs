//! What a token says about itself, for messages only.
//!
//! Owns: reading issuer, subject, audience and key id without checking the signature. Refuses:
//! any decision: nothing here is proof of anything.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_secret::SecretBytes;
use serde::Deserialize;

/// Tokens longer than STS accepts are not looked at.
const LONGEST: usize = 20_000;
/// Longest claim that is repeated in a message, in bytes.
const LONGEST_CLAIM: usize = 300;

/// The unverified claims that decide a trust rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`, one or many.
    pub audiences: Vec<String>,
    /// `kid` of the header.
    pub key_id: Option<String>,
    /// `alg` of the header.
    pub algorithm: String,
    /// `exp` - `iat` in seconds: how long it was to live. The times themselves differ from token to
    /// token, and with them would every message.
    pub life: Option<i64>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audience,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

#[derive(Deserialize)]
struct Header {
    kid: Option<String>,
    #[serde(default)]
    alg: String,
}

impl TokenFacts {
    /// Reads a JWT; `None` when it is none.
    #[must_use]
    pub fn read(token: &SecretBytes) -> Option<Self> {
        let token = token.expose_str()?.trim();
        if token.len() > LONGEST {
            return None;
        }
        let mut parts = token.split('.');
        let (header, payload) = (parts.next()?, parts.next()?);
        let header: Header = decode(header)?;
        let claims: Claims = decode(payload)?;
        let audiences = match claims.aud {
            Audience::One(one) => vec![one],
            Audience::Many(many) => many,
        };
        Some(Self {
            issuer: printable(&claims.iss),
            subject: printable(&claims.sub),
            audiences: audiences.iter().take(8).map(|aud| printable(aud)).collect(),
            key_id: header.kid.as_deref().map(printable),
            algorithm: printable(&header.alg),
            // A token without `iat` that ends some time is no legacy one.
            life: claims
                .exp
                .map(|exp| claims.iat.map_or(i64::MAX, |iat| (exp - iat) as i64)),
        })
    }

    /// The issuer without its scheme: the prefix of AWS condition keys.
    #[must_use]
    pub fn issuer_host(&self) -> &str {
        self.issuer.strip_prefix("https://").unwrap_or(&self.issuer)
    }
}

impl fmt::Display for TokenFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "issuer {:?}, subject {:?}, audience {:?}",
            self.issuer,
            self.subject,
            self.audiences.join(", ")
        )
    }
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn printable(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.truncate(text.floor_char_boundary(LONGEST_CLAIM));
    text
}

/// `text` of a peer, fit for a message: no control characters, nothing that looks like a JWT,
/// no full stop (more text follows), at most 500 bytes.
#[must_use]
pub fn scrub(text: &str) -> String {
    let mut out = String::new();
    let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let (before, token) = rest.split_at(start);
        out.push_str(before);
        let end = token.find(|c| !in_token(c)).unwrap_or(token.len());
        let (token, after) = token.split_at(end);
        out.push_str(if token.len() > 16 { "<token>" } else { token });
        rest = after;
    }
    out.push_str(rest);
    let mut out: String = out
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    out.truncate(out.floor_char_boundary(500));
    out.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
pub(crate) fn token(payload: &str) -> SecretBytes {
    format!(
        "{}.{}.c2ln",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k1"}"#),
        URL_SAFE_NO_PAD.encode(payload)
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_one_or_many_audiences() {
        let one = TokenFacts::read(&token(r#"{"iss":"https://i","sub":"s","aud":"a"}"#)).unwrap();
        assert_eq!(
            (one.issuer_host(), one.audiences.as_slice()),
            ("i", &["a".to_owned()][..])
        );
        let many = TokenFacts::read(&token(r#"{"aud":["a","b"]}"#)).unwrap();
        assert_eq!(many.audiences.len(), 2);
        assert_eq!(many.key_id.as_deref(), Some("k1"));
        assert_eq!((many.algorithm.as_str(), many.life), ("RS256", None));
        let times = TokenFacts::read(&token(r#"{"iat":1000.5,"exp":4600.5}"#)).unwrap();
        assert_eq!(times.life, Some(3600));
    }

    #[test]
    fn tokens_in_a_peers_text_are_cut_out() {
        let canary = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl";
        let text = scrub(&format!("bad token '{canary}', and\n{canary}"));
        assert_eq!(text, "bad token '<token>', and <token>");
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes: Vec<u8>, text in ".{0,80}") {
            let _ = TokenFacts::read(&SecretBytes::new(bytes));
            let _ = TokenFacts::read(&text.clone().into());
            prop_assert!(scrub(&text).len() <= 500);
        }
    }
}
