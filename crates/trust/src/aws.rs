//! AWS's half of the model: ARNs, policy documents, conditions, and the verdict on a request.
//!
//! Owns: what IAM does with a policy. Refuses: I/O, a clock (times come in the context) and
//! the set of AWS's actions: an action is a pattern here, not a list to check against.

pub mod arn;
pub mod condition;
pub mod context;
pub mod evaluate;
pub mod federation;
pub mod partition;
pub mod pattern;
pub mod policy;

pub use arn::{Arn, ArnError};
pub use condition::{Condition, Operator, Quantifier};
pub use context::Context;
pub use evaluate::{Caller, Decision, Failure, Miss, Request, StatementRef, evaluate};
pub use partition::Partition;
pub use policy::{Effect, Policy, PolicyError, PolicyKind, Principal, Statement};
