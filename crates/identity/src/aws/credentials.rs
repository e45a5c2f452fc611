//! AWS credentials.

use std::fmt;
use std::time::SystemTime;

use keyless_secret::SecretBytes;

/// An access key, temporary or not. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: SecretBytes,
    /// Session token of temporary credentials.
    pub session_token: Option<SecretBytes>,
    /// When temporary credentials end.
    pub expires: Option<SystemTime>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("temporary", &self.session_token.is_some())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The same for an AWS SDK. No expiry is given: the SDK asks anew for each call.
    #[must_use]
    pub fn for_sdk(&self) -> aws_credential_types::Credentials {
        let text = |bytes: &SecretBytes| bytes.expose_str().unwrap_or_default().to_owned();
        aws_credential_types::Credentials::new(
            self.access_key_id.clone(),
            text(&self.secret_access_key),
            self.session_token.as_ref().map(text),
            None,
            "keyless",
        )
    }
}
