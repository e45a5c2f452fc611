//! The API server, as every part of keyless that talks to one sees it.
//!
//! Owns: connections, single requests, endless watches, the leader lease, and the error type of
//! all of them. Refuses: stores of objects and knowledge of any kind.

mod client;
mod election;
mod error;
pub mod lease;
pub mod request;
pub mod watch;

pub use client::{Clients, Own, Server, connect, error_chain, pem};
pub use election::LeaderElection;
pub use error::Error;
