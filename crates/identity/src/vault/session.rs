//! A session: one token, for as long as somebody uses it.
//!
//! Owns: whether a token may be renewed or revoked, how many uses it has left, and its
//! revocation when the last user lets go. Refuses: deciding when to log in.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use keyless_secret::SecretBytes;
use tokio::time::Instant;

use super::logins::Observer;
use super::wire::{Answer, Call, Unanswered, Wire};

/// Longest time that a revocation may take.
const REVOCATION: Duration = Duration::from_secs(5);

/// What a login gave.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) token: SecretBytes,
    /// `None` for one that never ends.
    pub(super) ttl: Option<Duration>,
    pub(super) renewable: bool,
    /// Of our making: revoked at the end of its use.
    pub(super) revocable: bool,
    /// How often it may be used; `None` without a limit.
    pub(super) uses: Option<u32>,
}

/// One token of one identity. Dropping the last reference revokes it.
pub struct Session {
    wire: Wire,
    namespace: Option<String>,
    granted: Granted,
    made: Instant,
    uses: AtomicU32,
    ended: AtomicBool,
    suspect: AtomicBool,
    observer: Observer,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("server", &self.wire.server.url())
            .field("ttl", &self.granted.ttl)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        wire: Wire,
        namespace: Option<String>,
        granted: Granted,
        observer: Observer,
    ) -> Arc<Self> {
        Arc::new(Self {
            uses: AtomicU32::new(granted.uses.unwrap_or_default()),
            wire,
            namespace,
            granted,
            made: Instant::now(),
            ended: AtomicBool::new(false),
            suspect: AtomicBool::new(false),
            observer,
        })
    }

    /// Makes `call` with this session's token.
    ///
    /// # Errors
    /// When nothing of Vault's came back.
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, Unanswered> {
        self.wire.send(&call.token(&self.granted.token)).await
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Its life as granted at the login.
    pub(super) const fn ttl(&self) -> Option<Duration> {
        self.granted.ttl
    }

    /// Whether it may be renewed. One of few uses is not: each renewal would take one.
    pub(super) fn renewable(&self) -> bool {
        self.granted.renewable && self.granted.uses.is_none() && !self.is_ended()
    }

    /// Whether it was handed to us: nothing replaces it.
    pub(super) const fn stored(&self) -> bool {
        !self.granted.revocable && self.granted.ttl.is_none()
    }

    /// Takes one use; false when none is left.
    pub(super) fn take(&self) -> bool {
        if self.granted.uses.is_none() {
            return true;
        }
        self.uses
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }

    /// What it was granted for may have changed: the next refusal is reason for a new login.
    pub(super) fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    pub(super) async fn renew(&self) -> Result<Answer, Unanswered> {
        let call = Call::new(
            http::Method::POST,
            "auth/token/renew-self",
            self.namespace.as_deref(),
        );
        self.send(call.json(&serde_json::json!({}))).await
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The revocation, unless there is nothing to revoke or it was begun before.
    fn ending(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let spent = self.granted.uses.is_some() && self.uses.load(Ordering::Acquire) == 0;
        if !self.granted.revocable || spent || self.ended.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (wire, namespace) = (self.wire.clone(), self.namespace.clone());
        let (token, observer) = (self.granted.token.clone(), self.observer.clone());
        Some(async move {
            let mut call = Call::new(
                http::Method::POST,
                "auth/token/revoke-self",
                namespace.as_deref(),
            )
            .json(&serde_json::json!({}));
            call.total = Some(REVOCATION);
            let outcome = match wire.send(&call.token(&token)).await {
                Ok(answer) if answer.is_success() => "success",
                // It has ended by itself.
                Ok(answer) if answer.status == 403 => "denied",
                Ok(answer) => {
                    tracing::warn!(
                        status = answer.status,
                        "a token could not be revoked; it ends with its life"
                    );
                    "unavailable"
                }
                Err(error) => {
                    tracing::warn!(%error, "a token could not be revoked; it ends with its life");
                    "unavailable"
                }
            };
            observer.called(wire.server.product, "RevokeSelf", outcome);
        })
    }

    /// Revokes the token and waits for it.
    pub(super) async fn end(&self) {
        if let Some(ending) = self.ending() {
            ending.await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Outside a runtime nothing can be sent; the token ends with its life.
        if let (Some(ending), Ok(runtime)) = (self.ending(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(ending);
        }
    }
}
