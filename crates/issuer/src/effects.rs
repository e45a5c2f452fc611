//! Every change that a publication or a rotation makes passes here first.
//!
//! Owns: the names of the steps, and the hook with which a test kills the process between any two
//! of them. Refuses: doing anything.

use futures::future::BoxFuture;

use crate::plan::Object;

/// A step about to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A document is about to be written.
    Begin(Object),
    /// Half of it is written, where nobody sees it.
    Half(Object),
    /// All of it is written, and is about to take the old one's place.
    Replace(Object),
    /// It is in its place.
    Done(Object),
    /// The rotation's state is about to be written.
    State,
    /// The rotation's state is written.
    StateDone,
}

/// Is asked before each step; one that never answers stops the process there.
pub trait Steps: Send + Sync + std::fmt::Debug {
    /// `step` happens when the answer is there.
    fn before<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, ()>;
}

/// Lets everything pass.
#[derive(Debug, Default)]
pub struct Pass;

impl Steps for Pass {
    fn before<'a>(&'a self, _: &'a Step) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
