//! The engine against Go's own answers, and against hostile templates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/hostile.rs"]
mod hostile;
#[path = "all/oracle.rs"]
mod oracle;
