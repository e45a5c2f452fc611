//! Bearer tokens of clouds, and one login as their source.
//!
//! Owns: the token's form, and that nothing of it is shown. Refuses: how it is got; that is each
//! cloud's `logins`.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use keyless_secret::SecretBytes;

use crate::Error;

/// Longest token, in bytes. Google's federated ones have up to 12 KiB.
const LONGEST: usize = 32 << 10;

/// A bearer token. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct AccessToken(SecretBytes);

impl AccessToken {
    /// The token.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_str().unwrap_or_default()
    }

    /// A token that was read or signed; nothing if it cannot stand in a header.
    pub(crate) fn read(token: impl Into<SecretBytes>) -> Option<Self> {
        let token = token.into();
        let plain = token.expose().iter().all(u8::is_ascii_graphic);
        (!token.is_empty() && token.len() <= LONGEST && plain).then_some(Self(token))
    }

    /// The token as a secret, for what is signed and not presented.
    pub(crate) fn into_secret(self) -> SecretBytes {
        self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// A cloud's logins, as its services' clients see them.
pub trait Tokens: fmt::Debug + Send + Sync + 'static {
    /// What makes an identity different.
    type Login: fmt::Debug + Send + Sync;

    /// The token of `login`, kept or new.
    ///
    /// # Errors
    /// When a login fails, or failed a short time ago.
    fn token(
        &self,
        login: &Self::Login,
    ) -> impl Future<Output = Result<Arc<AccessToken>, Error>> + Send;

    /// Forgets the token of `login`, if it is still `used`: a service refused it.
    fn refused(&self, login: &Self::Login, used: &Arc<AccessToken>);
}

/// One login as the source of tokens for a client.
pub struct CachedToken<T: Tokens> {
    logins: Arc<T>,
    login: Arc<T::Login>,
}

impl<T: Tokens> CachedToken<T> {
    /// The token of `login` from `logins`.
    #[must_use]
    pub fn new(logins: Arc<T>, login: Arc<T::Login>) -> Self {
        Self { logins, login }
    }

    /// The token at hand.
    ///
    /// # Errors
    /// As [`Tokens::token`].
    pub async fn get(&self) -> Result<Arc<AccessToken>, Error> {
        self.logins.token(&self.login).await
    }

    /// A service refused the token `used`.
    pub fn refused(&self, used: &Arc<AccessToken>) {
        self.logins.refused(&self.login, used);
    }

    /// Whose token it is.
    #[must_use]
    pub fn login(&self) -> &T::Login {
        &self.login
    }
}

impl<T: Tokens> Clone for CachedToken<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.logins), Arc::clone(&self.login))
    }
}

impl<T: Tokens> fmt::Debug for CachedToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedToken")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_can_stand_in_a_header_and_is_not_shown() {
        let token = AccessToken::read("ya29.abc".to_owned()).unwrap();
        assert_eq!(token.expose(), "ya29.abc");
        assert!(!format!("{token:?}").contains("abc"));
        let long = "a".repeat(LONGEST + 1);
        for wrong in ["", "a b", "a\r\nx: y", "é", &long] {
            assert!(AccessToken::read(wrong.to_owned()).is_none(), "{wrong:.9}");
        }
    }
}
