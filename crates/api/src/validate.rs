//! The rules of admission as a pure function, for the operator and for a webhook.
//!
//! Owns: every rule that spans fields, in the words that users of the API know, and unknown
//! values of enumerations. The rules that an API server can check itself are in the resource
//! definitions as well. Refuses: shape, lengths and patterns, which the schema checks; anything
//! that needs a look at the cluster.

mod external_secret;
mod store;

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;

pub use external_secret::{validate, validate_cluster_external_secret, validate_template};
pub use store::{foreign_references, validate_store};

use crate::schema::Schema;

/// A rule that an object breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Violation {
    /// The field at fault, such as `spec.dataFrom[0]`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// The violations found so far.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Violation {
            path: path.into(),
            message: message.into(),
        });
    }

    fn check(&mut self, broken: bool, path: &str, message: &str) {
        if broken {
            self.add(path, message);
        }
    }

    /// Reports every value of an enumeration that the schema does not admit.
    fn unknown_values<T: Serialize>(&mut self, spec: &T, schema: &Value, path: &str) {
        // A spec that was decoded can be written again; if not, there is nothing to compare.
        if let Ok(value) = serde_json::to_value(spec) {
            self.walk(&value, schema, path);
        }
    }

    fn walk(&mut self, value: &Value, schema: &Value, path: &str) {
        match value {
            Value::String(text) => {
                let Some(known) = schema.get("enum").and_then(Value::as_array) else {
                    return;
                };
                if !known.iter().any(|it| it == text) {
                    let known: Vec<String> = known.iter().map(Value::to_string).collect();
                    let known = known.join(", ");
                    self.add(
                        path,
                        format!("Unsupported value: {text:?}: supported values: {known}"),
                    );
                }
            }
            Value::Array(items) => {
                if let Some(schema) = schema.get("items") {
                    for (position, item) in items.iter().enumerate() {
                        self.walk(item, schema, &format!("{path}[{position}]"));
                    }
                }
            }
            Value::Object(members) => {
                let Some(properties) = schema.get("properties") else {
                    return;
                };
                for (name, member) in members {
                    if let Some(schema) = properties.get(name) {
                        self.walk(member, schema, &format!("{path}.{name}"));
                    }
                }
            }
            _ => {}
        }
    }
}

/// The schema of a type, built once.
type Shared = LazyLock<Value>;

fn schema_of<T: Schema>() -> Value {
    T::schema().into_value()
}
