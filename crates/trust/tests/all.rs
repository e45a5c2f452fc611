//! What needs files or programs of its own: the doctor's corpus, and its page in a browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "all/corpus.rs"]
mod corpus;
#[path = "all/page.rs"]
mod page;
