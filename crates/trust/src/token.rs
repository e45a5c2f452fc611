//! The claims of a token, read without judging the signature.
//!
//! Owns: the shape of a compact JWS and the claims federation looks at. Refuses: verifying
//! anything, and keeping the token: neither the signature nor the raw text survives parsing,
//! so nothing here can be replayed from a log.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::trust::ServiceAccount;

/// The longest token AWS STS takes, in characters.
pub const MAX_LENGTH: usize = 20_000;

/// Why a text is not a readable token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More than [`MAX_LENGTH`] characters.
    #[error("the token has {0} characters, at most {MAX_LENGTH} are accepted")]
    TooLong(usize),
    /// Not three parts divided by dots.
    #[error("the token has {0} parts divided by dots, a signed JWT has 3")]
    Parts(usize),
    /// A part is not unpadded base64url.
    #[error("the token's {0} is not base64url")]
    Encoding(&'static str),
    /// A part is not a JSON object.
    #[error("the token's {0} is not a JSON object")]
    Json(&'static str),
    /// A claim is there with a type that the standard does not allow.
    #[error("the token's claim {0:?} has the wrong type")]
    Type(&'static str),
    /// A claim that federation needs is missing.
    #[error("the token has no claim {0:?}")]
    Missing(&'static str),
}

/// The protected header of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Signature algorithm, empty when absent.
    pub alg: String,
    /// The key's name.
    pub kid: Option<String>,
    /// The token's type; AWS ignores it.
    pub typ: Option<String>,
}

/// The claims of a token that trust is decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Subject.
    pub sub: String,
    /// Audiences, in the token's order.
    pub aud: Vec<String>,
    /// Authorized party; where present AWS takes it for the audience.
    pub azp: Option<String>,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// Expiry, seconds since 1970.
    pub exp: i64,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Not before, seconds since 1970.
    pub nbf: Option<i64>,
    /// The token's id.
    pub jti: Option<String>,
}

/// A token's header and claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Protected header.
    pub header: Header,
    claims: Map<String, Value>,
}

impl Token {
    /// Reads a compact JWS. Nothing in it is verified.
    ///
    /// # Errors
    /// When the text is too long or not a JWT in shape. Missing claims are found by
    /// [`Token::claims`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() > MAX_LENGTH {
            return Err(TokenError::TooLong(text.len()));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Parts(text.split('.').count()));
        };
        URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Encoding("signature"))?;
        let header = object(header, "header")?;
        let claims = object(claims, "payload")?;
        let text = |name: &'static str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.clone())),
            Some(_) => Err(TokenError::Type(name)),
        };
        Ok(Self {
            header: Header {
                alg: text("alg")?.unwrap_or_default(),
                kid: text("kid")?,
                typ: text("typ")?,
            },
            claims,
        })
    }

    /// The issuer as the token has it, for messages and look-ups before verification.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// The claims federation needs.
    ///
    /// # Errors
    /// [`TokenError::Missing`] for an absent `iss`, `sub`, `aud`, `exp` or `iat`,
    /// [`TokenError::Type`] for a claim of the wrong type.
    pub fn claims(&self) -> Result<Claims, TokenError> {
        Ok(Claims {
            iss: self.required_text("iss")?,
            sub: self.required_text("sub")?,
            aud: self.list("aud")?.ok_or(TokenError::Missing("aud"))?,
            azp: self.text("azp")?,
            amr: self.list("amr")?.unwrap_or_default(),
            exp: self.time("exp")?.ok_or(TokenError::Missing("exp"))?,
            iat: self.time("iat")?.ok_or(TokenError::Missing("iat"))?,
            nbf: self.time("nbf")?,
            jti: self.text("jti")?,
        })
    }

    /// The service account of the `kubernetes.io` claim, where the token has one.
    #[must_use]
    pub fn service_account(&self) -> Option<ServiceAccount> {
        let claim = self.claims.get("kubernetes.io")?;
        Some(ServiceAccount::new(
            claim.get("namespace")?.as_str()?,
            claim.get("serviceaccount")?.get("name")?.as_str()?,
        ))
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, TokenError> {
        match self.claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.clone())),
            Some(_) => Err(TokenError::Type(name)),
        }
    }

    fn required_text(&self, name: &'static str) -> Result<String, TokenError> {
        self.text(name)?
            .filter(|s| !s.is_empty())
            .ok_or(TokenError::Missing(name))
    }

    fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, TokenError> {
        let list: Vec<String> = match self.claims.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(s)) => vec![s.clone()],
            Some(Value::Array(items)) => items
                .iter()
                .map(|v| v.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or(TokenError::Type(name))?,
            Some(_) => return Err(TokenError::Type(name)),
        };
        Ok((!list.is_empty()).then_some(list))
    }

    fn time(&self, name: &'static str) -> Result<Option<i64>, TokenError> {
        match self.claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            // NumericDate may have a fraction (RFC 7519, section 2); seconds are enough, and
            // `as` saturates at the ends of the range.
            Some(Value::Number(n)) => Ok(n.as_i64().or_else(|| n.as_f64().map(|f| f as i64))),
            Some(_) => Err(TokenError::Type(name)),
        }
    }
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Encoding(name))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(TokenError::Json(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn jwt(header: &Value, claims: &Value) -> String {
        let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    fn full() -> Value {
        json!({"iss": "https://i.example", "sub": "system:serviceaccount:shop:web",
            "aud": ["sts.amazonaws.com"], "exp": 2000, "iat": 1000, "nbf": 1000, "jti": "x",
            "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web", "uid": "1"}}})
    }

    #[test]
    fn reads_a_service_account_token() {
        let token = Token::parse(&jwt(&json!({"alg": "RS256", "kid": "k"}), &full())).unwrap();
        assert_eq!(
            (token.header.alg.as_str(), token.header.kid.as_deref()),
            ("RS256", Some("k"))
        );
        let claims = token.claims().unwrap();
        assert_eq!(claims.aud, ["sts.amazonaws.com"]);
        assert_eq!((claims.exp, claims.nbf), (2000, Some(1000)));
        assert_eq!(
            token.service_account(),
            ServiceAccount::from_subject(&claims.sub)
        );
    }

    #[test]
    fn an_audience_may_be_one_string_and_a_time_a_fraction() {
        let mut claims = full();
        claims["aud"] = json!("a");
        claims["exp"] = json!(2000.7);
        let claims = Token::parse(&jwt(&json!({}), &claims))
            .unwrap()
            .claims()
            .unwrap();
        assert_eq!((claims.aud, claims.exp), (vec!["a".to_owned()], 2000));
    }

    #[test]
    fn names_each_missing_claim() {
        for name in ["iss", "sub", "aud", "exp", "iat"] {
            let mut claims = full();
            claims.as_object_mut().unwrap().remove(name);
            let token = Token::parse(&jwt(&json!({"alg": "RS256"}), &claims)).unwrap();
            assert_eq!(token.claims(), Err(TokenError::Missing(name)));
        }
    }

    #[test]
    fn refuses_what_is_no_jwt() {
        for (text, error) in [
            ("", TokenError::Parts(1)),
            ("a.b", TokenError::Parts(2)),
            ("a.b.c.d", TokenError::Parts(4)),
            ("e30.e30.*", TokenError::Encoding("signature")),
            ("*.e30.", TokenError::Encoding("header")),
            ("e30.bnVsbA.", TokenError::Json("payload")),
        ] {
            assert_eq!(Token::parse(text), Err(error), "{text}");
        }
        assert_eq!(
            Token::parse(&"a".repeat(20_001)),
            Err(TokenError::TooLong(20_001))
        );
        let wrong = Token::parse(&jwt(&json!({}), &json!({"iss": 1}))).unwrap();
        assert_eq!(wrong.claims(), Err(TokenError::Type("iss")));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}", a in any::<Vec<u8>>(), b in any::<Vec<u8>>()) {
            let _ = Token::parse(&text);
            let raw = format!("{}.{}.", URL_SAFE_NO_PAD.encode(a), URL_SAFE_NO_PAD.encode(b));
            if let Ok(token) = Token::parse(&raw) {
                let _ = token.claims();
            }
        }
    }
}
