//! What the admission server decides about pods.
//!
//! Owns: the rules of token injection, drop-in for the webhooks of AWS, Azure and Google: what
//! an annotated service account and a pod lead to, as a minimal JSON Patch.
//! Refuses: I/O. Service accounts are looked up, and reviews are served, by whoever calls.

pub mod inject;
mod patch;

pub use patch::{Operation, PodError};
