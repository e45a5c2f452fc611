//! Structural schemas of custom resources: parsed once, then defaulting, pruning, validation.
//!
//! Owns: the compiled tree of an `openAPIV3Schema`, the checks that make a schema structural,
//! and the wording of every field error as a real API server (v1.37) words it.
//! Refuses: schemas that are not structural, I/O, and work without bound: schemas are limited
//! to [`MAX_DEPTH`] levels and values are only walked along the schema.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::cel;

mod default;
mod format;
mod parse;
mod pattern;
mod prune;
#[cfg(test)]
mod tests;
mod validate;

/// The deepest schema that is accepted; JSON values themselves nest at most 128 levels.
pub const MAX_DEPTH: usize = 100;

/// One finding of validation, ready for the `causes` of a `Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, e.g. `spec.data[0].secretKey`; `<nil>` where the real server has none.
    pub field: String,
    /// The cause's reason, e.g. `FieldValueInvalid`.
    pub reason: &'static str,
    /// The text after `field: `, e.g. `Required value`.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The field of an error that belongs to no single field.
pub const NO_FIELD: &str = "<nil>";

/// The reasons of field errors, as `metav1.CauseType` names them.
pub mod reason {
    /// The value is not allowed.
    pub const INVALID: &str = "FieldValueInvalid";
    /// A required field is absent.
    pub const REQUIRED: &str = "FieldValueRequired";
    /// The value is not one of an enumeration.
    pub const NOT_SUPPORTED: &str = "FieldValueNotSupported";
    /// The value has the wrong JSON type or format.
    pub const TYPE_INVALID: &str = "FieldValueTypeInvalid";
    /// A string is too long.
    pub const TOO_LONG: &str = "FieldValueTooLong";
    /// A list or map has too many entries.
    pub const TOO_MANY: &str = "FieldValueTooMany";
    /// A list of type set or map holds an entry twice.
    pub const DUPLICATE: &str = "FieldValueDuplicate";
    /// The field may not be set.
    pub const FORBIDDEN: &str = "FieldValueForbidden";
}

/// The JSON type a schema node declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// `object`
    Object,
    /// `array`
    Array,
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
}

impl JsonType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// How the items of a list are told apart (`x-kubernetes-list-type`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// The list is one value.
    #[default]
    Atomic,
    /// Items are scalars and unique.
    Set,
    /// Items are objects, told apart by these keys.
    Map(Vec<String>),
}

/// What a node says about keys that it does not declare.
#[derive(Debug, Default)]
enum Additional {
    /// Unknown keys are dropped.
    #[default]
    None,
    /// `additionalProperties: true`: keys are free, their values have no schema.
    Any,
    /// Every value follows this schema.
    Schema(Box<Node>),
}

/// A compiled pattern with the text that error messages quote.
#[derive(Debug)]
struct Pattern {
    source: String,
    regex: Regex,
}

/// The value validations of a node.
#[derive(Debug, Default)]
struct Checks {
    required: Vec<String>,
    enumeration: Option<Vec<Value>>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<Pattern>,
    format: Option<String>,
    minimum: Option<f64>,
    exclusive_minimum: bool,
    maximum: Option<f64>,
    exclusive_maximum: bool,
    multiple_of: Option<f64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    all_of: Vec<Node>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
    not: Option<Box<Node>>,
}

/// One node of a compiled schema.
#[derive(Debug, Default)]
pub struct Node {
    kind: Option<JsonType>,
    nullable: bool,
    int_or_string: bool,
    preserve_unknown: bool,
    embedded: bool,
    properties: BTreeMap<String, Node>,
    additional: Additional,
    items: Option<Box<Node>>,
    default: Option<Value>,
    list: ListType,
    atomic_map: bool,
    checks: Checks,
    rules: Vec<cel::Rule>,
}

impl Node {
    /// The declared type; absent for int-or-string and schemaless nodes.
    #[must_use]
    pub fn json_type(&self) -> Option<JsonType> {
        self.kind
    }

    /// The node of a declared property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.properties.get(name)
    }

    /// The node of every undeclared key, for nodes with an `additionalProperties` schema.
    #[must_use]
    pub fn additional(&self) -> Option<&Self> {
        match &self.additional {
            Additional::Schema(node) => Some(node),
            Additional::None | Additional::Any => None,
        }
    }

    /// The node of every item of an array.
    #[must_use]
    pub fn items(&self) -> Option<&Self> {
        self.items.as_deref()
    }

    /// How the items of this array are told apart.
    #[must_use]
    pub fn list_type(&self) -> &ListType {
        &self.list
    }

    /// Whether the object is one value for field ownership (`x-kubernetes-map-type: atomic`).
    #[must_use]
    pub fn is_atomic_map(&self) -> bool {
        self.atomic_map
    }

    /// Whether undeclared keys are kept.
    #[must_use]
    pub fn preserves_unknown(&self) -> bool {
        self.preserve_unknown
    }

    /// The default of this node.
    #[must_use]
    pub fn default_value(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// The declared string format, e.g. `date-time`.
    #[must_use]
    pub fn format(&self) -> Option<&str> {
        self.checks.format.as_deref()
    }

    fn has_rules(&self) -> bool {
        !self.rules.is_empty()
            || self.properties.values().any(Self::has_rules)
            || self.items.as_deref().is_some_and(Self::has_rules)
            || self.additional().is_some_and(Self::has_rules)
    }
}

/// A compiled structural schema of one version of a custom resource.
#[derive(Debug)]
pub struct Schema {
    root: Node,
    has_rules: bool,
}

impl Schema {
    /// Compiles an `openAPIV3Schema`.
    ///
    /// # Errors
    ///
    /// The schema is not structural or not valid; the text is what a real API server answers
    /// after `CustomResourceDefinition… is invalid: `, several findings joined as it joins them.
    pub fn parse(raw: &Value) -> Result<Self, String> {
        let root = parse::root(raw)?;
        let has_rules = root.has_rules();
        Ok(Self { root, has_rules })
    }

    /// The node of the whole object.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The node at a path of field names; an array is entered with `[]`, a map with any key.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, step| match *step {
            "[]" => node.items(),
            name => node.property(name).or_else(|| node.additional()),
        })
    }

    /// Fills in defaults and drops nulls of fields that may not be null, as the server does on
    /// every read of a request or of storage.
    pub fn default(&self, value: &mut Value) {
        default::apply(&self.root, value);
    }

    /// Drops every field that the schema does not declare and returns the dropped paths.
    pub fn prune(&self, value: &mut Value) -> Vec<String> {
        prune::apply(&self.root, value)
    }

    /// The paths that [`Schema::prune`] would drop, for strict field validation: each becomes
    /// `unknown field "<path>"`.
    #[must_use]
    pub fn unknown_fields(&self, value: &Value) -> Vec<String> {
        prune::apply(&self.root, &mut value.clone())
    }

    /// Checks a defaulted and pruned object; `old` is the stored one on an update, and only then
    /// are transition rules evaluated.
    #[must_use]
    pub fn validate(&self, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
        validate::object(self, value, old)
    }
}

/// Appends a field name to a path.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
