//! The parts that the statuses of several kinds share.

use crate::schema::object;

object! {
    /// One aspect of an object's state.
    pub struct Condition {
        /// What the condition is about, such as Ready.
        kind req "type": String,
        /// True, False or Unknown.
        status req "status": String,
        /// One word for the cause, made for programs.
        reason opt "reason": Option<String>,
        /// The cause in plain words.
        message opt "message": Option<String>,
        /// When the status last changed from one value to another.
        last_transition_time opt "lastTransitionTime": Option<String> {
            .with("format", "date-time")
        },
    }

    /// A reference to an object in the same namespace.
    pub struct LocalReference {
        /// Name of the object.
        name opt "name": Option<String> { .default("") },
    }
}

impl Condition {
    /// Whether the condition's status is True.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}
