//! Scenario tests of the whole operator, each written once and run on two rings: the sandbox in
//! this process, and a real kube-apiserver.
//!
//! Owns: the rings, the thin client, and the fixtures. The scenarios are in `tests/`.

pub mod api;
