//! Federated identity credentials: how an Entra application or managed identity names the tokens
//! that may become it.
//!
//! Owns: the rules of the object, and which part of a token does not fit. Refuses: flexible
//! credentials, which match by expression and exist for applications only.

use crate::token::Claims;

/// The most federated credentials of one application or managed identity.
pub const MAX_CREDENTIALS: usize = 20;
/// Longest issuer, subject and audience, in characters.
pub const MAX_LENGTH: usize = 600;

/// Why a credential is refused when it is made. Whether the issuer exists is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// 3 to 120 characters, letters, digits, hyphens and underscores, a letter or digit first.
    #[error("name {0:?} must have 3 to 120 letters, digits, hyphens and underscores")]
    Name(String),
    /// Empty, too long, or with white space at an end.
    #[error("{what} must have 1 to {MAX_LENGTH} characters, none of them white space at an end")]
    Text {
        /// Which field.
        what: &'static str,
    },
    /// Not an https URL.
    #[error("issuer {0:?} is not an https URL")]
    Issuer(String),
    /// More than [`MAX_CREDENTIALS`].
    #[error("at most {MAX_CREDENTIALS} federated credentials are allowed")]
    TooMany,
    /// Another one of the same name, or with the same issuer and subject.
    #[error("a federated credential with this {0} exists")]
    Exists(&'static str),
}

/// A federated identity credential. Each part is compared with a token's byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FederatedCredential {
    name: String,
    issuer: String,
    subject: String,
    audience: String,
}

/// The part of a token that no credential has, in the order in which Entra looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// No credential at all.
    None,
    /// No credential with this issuer.
    Issuer,
    /// None of those with this subject.
    Subject,
    /// As [`Mismatch::Subject`], but one differs in upper and lower case only.
    Case,
    /// None of those for this audience.
    Audience,
}

impl FederatedCredential {
    /// Checks the rules and builds the object.
    ///
    /// # Errors
    /// See [`CredentialError`].
    pub fn new(
        name: &str,
        issuer: &str,
        subject: &str,
        audience: &str,
    ) -> Result<Self, CredentialError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let first = name
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric());
        if !(3..=120).contains(&name.len()) || !first || !name.chars().all(plain) {
            return Err(CredentialError::Name(name.to_owned()));
        }
        for (what, text) in [
            ("issuer", issuer),
            ("subject", subject),
            ("audience", audience),
        ] {
            if text.is_empty() || text.trim() != text || text.chars().count() > MAX_LENGTH {
                return Err(CredentialError::Text { what });
            }
        }
        if !issuer.starts_with("https://") {
            return Err(CredentialError::Issuer(issuer.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// Its name, unique within its owner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who signs the tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whom they are about.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whom they are for: exactly one.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Adds `self` to an owner's credentials.
    ///
    /// # Errors
    /// When there are too many, or one that it cannot stand beside.
    pub fn join(self, others: &mut Vec<Self>) -> Result<(), CredentialError> {
        if others.iter().any(|other| other.name == self.name) {
            return Err(CredentialError::Exists("name"));
        }
        self.put(others).map(|_| ())
    }

    /// Adds `self`, or puts it in place of the one of its name, as the Resource Manager's PUT
    /// does. Says whether it was added.
    ///
    /// # Errors
    /// When there are too many, or another one with its issuer and subject.
    pub fn put(self, others: &mut Vec<Self>) -> Result<bool, CredentialError> {
        let same = |other: &Self| other.issuer == self.issuer && other.subject == self.subject;
        if others.iter().any(|o| o.name != self.name && same(o)) {
            return Err(CredentialError::Exists("issuer and subject"));
        }
        if let Some(old) = others.iter_mut().find(|other| other.name == self.name) {
            *old = self;
            return Ok(false);
        }
        if others.len() >= MAX_CREDENTIALS {
            return Err(CredentialError::TooMany);
        }
        others.push(self);
        Ok(true)
    }
}

/// Finds the credential that a token with `claims` fits.
///
/// # Errors
/// The part that fits none.
pub fn judge<'a>(
    credentials: &'a [FederatedCredential],
    claims: &Claims,
) -> Result<&'a FederatedCredential, Mismatch> {
    if credentials.is_empty() {
        return Err(Mismatch::None);
    }
    let mut miss = Mismatch::Issuer;
    for credential in credentials {
        if credential.issuer != claims.iss {
            continue;
        }
        if credential.subject != claims.sub {
            let case = credential.subject.to_lowercase() == claims.sub.to_lowercase();
            miss = match (miss, case) {
                (Mismatch::Audience, _) => miss,
                (_, true) => Mismatch::Case,
                (Mismatch::Issuer, false) => Mismatch::Subject,
                (_, false) => miss,
            };
            continue;
        }
        // A token for several audiences fits none: a credential has exactly one.
        if claims.aud.as_slice() == [credential.audience.as_str()] {
            return Ok(credential);
        }
        miss = Mismatch::Audience;
    }
    Err(miss)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIENCE: &str = "api://AzureADTokenExchange";

    fn claims(iss: &str, sub: &str, aud: &[&str]) -> Claims {
        Claims {
            iss: iss.into(),
            sub: sub.into(),
            aud: aud.iter().map(|a| (*a).to_owned()).collect(),
            azp: None,
            amr: Vec::new(),
            exp: 1,
            iat: 0,
            nbf: None,
            jti: None,
        }
    }

    #[test]
    fn each_part_is_compared_to_the_letter() {
        let mut all = Vec::new();
        let subject = "system:serviceaccount:a:b";
        for (name, issuer, subject) in [
            ("one", "https://i", subject),
            ("two", "https://j/", "system:serviceaccount:a:c"),
        ] {
            let made = FederatedCredential::new(name, issuer, subject, AUDIENCE).unwrap();
            made.join(&mut all).unwrap();
        }
        let fits = judge(&all, &claims("https://i", subject, &[AUDIENCE])).unwrap();
        assert_eq!(fits.name(), "one");
        for (iss, sub, aud, miss) in [
            ("https://i/", subject, &[AUDIENCE][..], Mismatch::Issuer),
            ("https://j", subject, &[AUDIENCE], Mismatch::Issuer),
            ("https://j/", subject, &[AUDIENCE], Mismatch::Subject),
            (
                "https://i",
                "system:serviceaccount:A:b",
                &[AUDIENCE],
                Mismatch::Case,
            ),
            (
                "https://i",
                subject,
                &["sts.amazonaws.com"],
                Mismatch::Audience,
            ),
            (
                "https://i",
                subject,
                &[AUDIENCE, "other"],
                Mismatch::Audience,
            ),
        ] {
            assert_eq!(
                judge(&all, &claims(iss, sub, aud)),
                Err(miss),
                "{iss} {sub}"
            );
        }
        assert_eq!(
            judge(&[], &claims("https://i", subject, &[AUDIENCE])),
            Err(Mismatch::None)
        );
    }

    #[test]
    fn rules_of_the_object() {
        let new = FederatedCredential::new;
        let long = format!("https://{}", "i".repeat(600));
        for (name, issuer, subject, audience) in [
            ("ab", "https://i", "s", "a"),
            ("-ab", "https://i", "s", "a"),
            ("a b", "https://i", "s", "a"),
            ("abc", "http://i", "s", "a"),
            ("abc", " https://i", "s", "a"),
            ("abc", "https://i", "s ", "a"),
            ("abc", "https://i", "", "a"),
            ("abc", "https://i", "s", ""),
            ("abc", &long, "s", "a"),
        ] {
            assert!(
                new(name, issuer, subject, audience).is_err(),
                "{name} {issuer} {subject}"
            );
        }
        let mut all = Vec::new();
        for i in 0..MAX_CREDENTIALS {
            let made = new(&format!("name{i}"), "https://i", &format!("s{i}"), "a").unwrap();
            made.join(&mut all).unwrap();
        }
        let join = |name, subject, all: &mut Vec<_>| {
            new(name, "https://i", subject, "a").unwrap().join(all)
        };
        assert_eq!(
            join("name0", "x", &mut all),
            Err(CredentialError::Exists("name"))
        );
        assert_eq!(
            join("other", "s0", &mut all),
            Err(CredentialError::Exists("issuer and subject"))
        );
        assert_eq!(join("other", "x", &mut all), Err(CredentialError::TooMany));
        let put = |name, subject, all: &mut Vec<_>| {
            new(name, "https://i", subject, "a").unwrap().put(all)
        };
        // Another subject under the same name takes its place, also when there are twenty.
        assert_eq!(put("name0", "x", &mut all), Ok(false));
        assert_eq!(put("name1", "s1", &mut all), Ok(false));
        assert_eq!(
            put("name1", "x", &mut all),
            Err(CredentialError::Exists("issuer and subject"))
        );
        assert_eq!(put("other", "y", &mut all), Err(CredentialError::TooMany));
        all.pop();
        assert_eq!(put("other", "y", &mut all), Ok(true));
    }
}
