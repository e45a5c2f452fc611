//! Reading a body that anyone may have sent.
//!
//! Owns: limits on one body, on all of them together, and on time. A slow sender takes nobody
//! else's turn: only what has arrived counts. Refuses: knowing what it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// The largest body: an object has at most 1.5 MiB in etcd, and a review may hold it twice.
const LARGEST: usize = 7 << 20;
/// What all bodies under way may hold together.
const ALL: usize = 64 << 20;
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is too large.
    Large,
    /// Too much is under way already.
    Busy,
    /// It took too long.
    Late,
    /// The sender went away.
    Broken,
}

impl BodyError {
    /// For the sender.
    pub fn text(self) -> String {
        match self {
            Self::Large => format!("the body has more than {LARGEST} bytes"),
            Self::Busy => "too many requests are under way, try again".to_owned(),
            Self::Late => format!("the body did not arrive within {ARRIVAL:?}"),
            Self::Broken => "the body did not arrive in full".to_owned(),
        }
    }
}

/// What bodies under way hold together.
#[derive(Debug, Default)]
pub struct Budget(AtomicUsize);

/// A part of the budget, given back in the end.
struct Share<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Share<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.bytes += bytes;
        let before = self.budget.0.fetch_add(bytes, Ordering::Relaxed);
        if self.bytes > LARGEST {
            Err(BodyError::Large)
        } else if before + bytes > ALL {
            Err(BodyError::Busy)
        } else {
            Ok(())
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Budget {
    /// Reads `body` and gives it to `take`; its bytes count until that is done.
    ///
    /// # Errors
    /// It was not read to its end.
    pub async fn read<T>(
        &self,
        body: Incoming,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, BodyError> {
        let mut share = Share {
            budget: self,
            bytes: 0,
        };
        let whole = tokio::time::timeout(ARRIVAL, collect(body, &mut share));
        let whole = whole.await.map_err(|_| BodyError::Late)??;
        Ok(take(&whole))
    }
}

async fn collect(mut body: Incoming, share: &mut Share<'_>) -> Result<Vec<u8>, BodyError> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        share.grow(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}
