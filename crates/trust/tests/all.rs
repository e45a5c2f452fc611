//! What needs files of its own: the doctor's corpus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/corpus.rs"]
mod corpus;
