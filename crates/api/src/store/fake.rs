//! Fixed values, for tests and for trying things out.

use crate::schema::object;

object! {
    /// Fixed values, for tests and for trying things out.
    pub struct FakeProvider {
        /// The values.
        data req "data": Vec<FakeData> {
            .rule_saying(
                "self.all(entry, entry.key != '')",
                "'key must be set in data ' + string(self.map(entry, entry.key).indexOf(''))",
                "key must be set in data",
            )
            .rule_saying(
                "self.all(entry, entry.value != '')",
                "'at least one value must be set in data ' + string(self.map(entry, entry.value).indexOf(''))",
                "at least one value must be set in data",
            )
        },
        /// Outcome that a check of the store reports: 0 ready, 1 unknown, 2 error.
        validation_result opt "validationResult": Option<i64>,
    }

    /// One fixed value.
    pub struct FakeData {
        /// Name of the secret.
        key req "key": String,
        /// The value, in the clear.
        value req "value": String,
        /// Version under which the value is found.
        version opt "version": Option<String>,
    }
}
