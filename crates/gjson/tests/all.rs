//! The crate from outside: the answers of the Go library, hostile input, random bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/fuzz.rs"]
mod fuzz;
#[path = "all/hostile.rs"]
mod hostile;
#[path = "all/oracle.rs"]
mod oracle;
