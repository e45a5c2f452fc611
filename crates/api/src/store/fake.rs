//! Fixed values, for tests and for trying things out.

use crate::rules;
use crate::schema::object;

object! {
    /// Fixed values, for tests and for trying things out.
    pub struct FakeProvider {
        /// The values.
        data req "data": Vec<FakeData>,
        /// Outcome that a check of the store reports: 0 ready, 1 unknown, 2 error.
        validation_result opt "validationResult": Option<i64>,
    }

    /// One fixed value.
    pub struct FakeData {
        /// Name of the secret.
        key req "key": String { .rule("self != ''", rules::FAKE_KEY) },
        /// The value, in the clear.
        value req "value": String { .rule("self != ''", rules::FAKE_VALUE) },
        /// Version under which the value is found.
        version opt "version": Option<String>,
    }
}
