//! One deadline for everything that may not answer.
//!
//! Owns: how long the whole command may take, and how that is divided. Everything that can run
//! side by side does, so that two stages are all there is: what the API server lists, and what is
//! asked because of it. Refuses: retries.

use std::time::Duration;

use tokio::time::Instant;

/// What the API server has to say comes within this time, or is unseen.
pub const LISTED: Duration = Duration::from_secs(4);
/// What is asked because of it (tokens, metadata, logins, the issuer from outside) comes within
/// this time from the start.
pub const ASKED: Duration = Duration::from_millis(7500);
/// The command gives up after this time, whatever holds it: a kubeconfig may start programs.
pub const END: Duration = Duration::from_millis(8500);

/// The time that is left.
#[derive(Clone, Copy, Debug)]
pub struct Patience(Instant);

impl Patience {
    /// From now on.
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// When lists are to be there.
    pub fn listed(self) -> Instant {
        self.0 + LISTED
    }

    /// When everything is to be there.
    pub fn asked(self) -> Instant {
        self.0 + ASKED
    }
}

/// What `work` gives before `until`, or that it did not.
///
/// # Errors
/// In words.
pub async fn within<T>(until: Instant, work: impl Future<Output = T>) -> Result<T, String> {
    let done = tokio::time::timeout_at(until, work).await;
    done.map_err(|_| "no answer in time".to_owned())
}
