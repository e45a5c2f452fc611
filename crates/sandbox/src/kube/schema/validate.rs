//! Validation of a value along its schema, with the real server's wording and order.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Checks, FieldError, JsonType, ListType, NO_FIELD, Node, Schema, format, join, reason};
use crate::kube::cel;

/// A hostile object could be wrong a million times; the answer stays readable and small.
const MAX_ERRORS: usize = 100;

pub(super) fn object(schema: &Schema, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut findings = Findings::default();
    findings.node(&schema.root, value, "", true);
    findings.list_types(&schema.root, value, "");
    if schema.has_rules {
        let blocking = findings.errors.iter().any(|error| {
            matches!(
                error.reason,
                reason::NOT_SUPPORTED
                    | reason::REQUIRED
                    | reason::TOO_LONG
                    | reason::TOO_MANY
                    | reason::TYPE_INVALID
            )
        });
        if blocking {
            findings.push(
                NO_FIELD,
                reason::INVALID,
                "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation".to_owned(),
            );
        } else {
            let mut rules = cel::Evaluation::new();
            evaluate(&schema.root, value, old, "", true, &mut rules);
            for error in rules.into_errors() {
                findings.push(&error.field, error.reason, error.message);
            }
        }
    }
    findings.errors
}

/// Checks a value that has no place in an object: a schema's own default.
pub(super) fn detached(node: &Node, value: &Value) -> Vec<FieldError> {
    let mut findings = Findings::default();
    findings.node(node, value, "", false);
    findings.errors
}

#[derive(Default)]
struct Findings {
    errors: Vec<FieldError>,
}

impl Findings {
    fn push(&mut self, field: &str, reason: &'static str, message: String) {
        if self.errors.len() < MAX_ERRORS {
            let field = field.to_owned();
            self.errors.push(FieldError {
                field,
                reason,
                message,
            });
        }
    }

    fn invalid(&mut self, path: &str, value: &Value, rule: &str) {
        self.push(
            path,
            reason::INVALID,
            format!("Invalid value: {value}: {path} in body {rule}"),
        );
    }

    fn wrong_type(&mut self, path: &str, wanted: &str, shown: &str) {
        self.push(
            path,
            reason::TYPE_INVALID,
            format!("Invalid value: {shown:?}: {path} in body must be of type {wanted}: {shown:?}"),
        );
    }

    fn no_field(&mut self, text: &str) {
        self.push(
            NO_FIELD,
            reason::INVALID,
            format!("Invalid value: \"\": {text}"),
        );
    }

    fn node(&mut self, node: &Node, value: &Value, path: &str, resource: bool) {
        if value.is_null() && node.nullable {
            return;
        }
        self.json_type(node, value, path);
        self.junctors(&node.checks, value, path);
        match value {
            Value::String(text) => self.string(node, text, path),
            Value::Number(number) => self.number(node, number, value, path),
            Value::Array(items) => self.array(node, items, path),
            _ => {}
        }
        let fraction = node.kind == Some(JsonType::Integer)
            && matches!(value, Value::Number(number) if !is_integer(number));
        if fraction && node.format().is_none() {
            self.no_field(&format!(
                "Checked value must be of type integer (default format) in {path}"
            ));
        } else if let Some(allowed) = &node.checks.enumeration
            && !value.is_null()
            && !allowed.iter().any(|one| same(one, value))
        {
            let list: Vec<String> = allowed
                .iter()
                .map(|one| match one {
                    Value::String(_) => one.to_string(),
                    other => format!("{:?}", other.to_string()),
                })
                .collect();
            self.push(
                path,
                reason::NOT_SUPPORTED,
                format!(
                    "Unsupported value: {value}: supported values: {}",
                    list.join(", ")
                ),
            );
        }
        if let Value::Object(map) = value {
            self.map(node, map, path, resource);
        }
    }

    fn json_type(&mut self, node: &Node, value: &Value, path: &str) {
        let shown = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Number(number) if is_integer(number) => "integer",
            Value::Number(_) => "number",
        };
        let wanted: &[&str] = match node.kind {
            _ if node.int_or_string => &["integer", "string"],
            Some(kind) => &[kind.as_str()],
            None => return,
        };
        let fits = wanted.contains(&shown) || (shown == "integer" && wanted.contains(&"number"));
        if fits {
            return;
        }
        // A declared format takes the type's place in the message, and Go's own type names
        // the value's; only strings, lists and objects keep JSON's words.
        match (node.format(), value) {
            // The real server lets a list pass for a string with a format.
            (Some(_), Value::Array(_)) if node.kind == Some(JsonType::String) => {}
            (Some(format), Value::Bool(_) | Value::Object(_)) => self.wrong_type(path, format, ""),
            (Some(format), Value::Number(_)) => {
                let shown = if shown == "integer" {
                    "int64"
                } else {
                    "float64"
                };
                self.wrong_type(path, format, shown);
            }
            _ => self.wrong_type(path, &wanted.join(","), shown),
        }
    }

    fn junctors(&mut self, checks: &Checks, value: &Value, path: &str) {
        if !checks.any_of.is_empty() {
            let attempts = attempts(&checks.any_of, value, path);
            if !attempts.iter().any(Vec::is_empty) {
                self.no_field(&format!(
                    "{path:?} must validate at least one schema (anyOf)"
                ));
                self.best_failure(attempts);
            }
        }
        if !checks.one_of.is_empty() {
            let attempts = attempts(&checks.one_of, value, path);
            match attempts.iter().filter(|errors| errors.is_empty()).count() {
                1 => {}
                0 => {
                    self.no_field(&format!(
                        "{path:?} must validate one and only one schema (oneOf). Found none valid"
                    ));
                    self.best_failure(attempts);
                }
                valid => self.no_field(&format!(
                    "{path:?} must validate one and only one schema (oneOf). Found {valid} valid alternatives"
                )),
            }
        }
        if !checks.all_of.is_empty() {
            let attempts = attempts(&checks.all_of, value, path);
            let valid = attempts.iter().filter(|errors| errors.is_empty()).count();
            let total = attempts.len();
            for error in attempts.into_iter().flatten() {
                self.push(&error.field, error.reason, error.message);
            }
            if valid < total {
                let none = if valid == 0 { ". None validated" } else { "" };
                self.no_field(&format!(
                    "{path:?} must validate all the schemas (allOf){none}"
                ));
            }
        }
        if let Some(not) = &checks.not
            && attempt(not, value, path).is_empty()
        {
            self.no_field(&format!("{path:?} must not validate the schema (not)"));
        }
    }

    fn best_failure(&mut self, attempts: Vec<Vec<FieldError>>) {
        for error in attempts.into_iter().next().unwrap_or_default() {
            self.push(&error.field, error.reason, error.message);
        }
    }

    fn string(&mut self, node: &Node, text: &str, path: &str) {
        let checks = &node.checks;
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let value = || Value::String(text.to_owned());
        if let Some(max) = checks.max_length.filter(|max| length > *max) {
            self.push(
                path,
                reason::TOO_LONG,
                format!("Too long: may not be more than {max} bytes"),
            );
        } else if let Some(min) = checks.min_length.filter(|min| length < *min) {
            self.invalid(
                path,
                &value(),
                &format!("should be at least {min} chars long"),
            );
        } else if let Some(pattern) = &checks.pattern
            && !pattern.regex.is_match(text)
        {
            self.invalid(
                path,
                &value(),
                &format!("should match '{}'", pattern.source),
            );
        }
        if node.kind == Some(JsonType::String)
            && let Some(format) = &checks.format
            && !format::matches(format, text)
        {
            self.wrong_type(path, format, text);
        }
    }

    fn number(&mut self, node: &Node, number: &serde_json::Number, value: &Value, path: &str) {
        let checks = &node.checks;
        let float = number.as_f64().unwrap_or(f64::NAN);
        if let Some(format @ ("int32" | "int64")) = node.format() {
            let fits = match format {
                "int32" => (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&float),
                _ => number.is_i64() || (is_integer(number) && !number.is_u64()),
            };
            if !fits || !is_integer(number) {
                self.no_field(&format!(
                    "Checked value must be of type integer with format {format} in {path}"
                ));
            }
        }
        if let Some(divisor) = checks.multiple_of
            && (float / divisor).fract() != 0.0
        {
            self.invalid(path, value, &format!("should be a multiple of {divisor}"));
        }
        // Against an integer, the real server compares with the bound's whole part.
        let bound = |bound: f64| {
            if is_whole(number) {
                bound.trunc()
            } else {
                bound
            }
        };
        if let Some(max) = checks.maximum.map(bound) {
            if checks.exclusive_maximum && float >= max {
                self.invalid(path, value, &format!("should be less than {max}"));
            } else if float > max {
                self.invalid(
                    path,
                    value,
                    &format!("should be less than or equal to {max}"),
                );
            }
        }
        if let Some(min) = checks.minimum.map(bound) {
            if checks.exclusive_minimum && float <= min {
                self.invalid(path, value, &format!("should be greater than {min}"));
            } else if float < min {
                self.invalid(
                    path,
                    value,
                    &format!("should be greater than or equal to {min}"),
                );
            }
        }
    }

    fn array(&mut self, node: &Node, items: &[Value], path: &str) {
        if let Some(item) = node.items() {
            for (index, child) in items.iter().enumerate() {
                if self.errors.len() >= MAX_ERRORS {
                    return;
                }
                self.node(item, child, &format!("{path}[{index}]"), item.embedded);
            }
        }
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if let Some(min) = node.checks.min_items.filter(|min| count < *min) {
            self.invalid(
                path,
                &count.into(),
                &format!("should have at least {min} items"),
            );
        }
        if let Some(max) = node.checks.max_items.filter(|max| count > *max) {
            self.push(path, reason::TOO_MANY, too_many(count, max));
        }
    }

    fn map(&mut self, node: &Node, map: &Map<String, Value>, path: &str, resource: bool) {
        let count = u64::try_from(map.len()).unwrap_or(u64::MAX);
        if let Some(min) = node.checks.min_properties.filter(|min| count < *min) {
            self.invalid(
                path,
                &count.into(),
                &format!("should have at least {min} properties"),
            );
        }
        if let Some(max) = node.checks.max_properties.filter(|max| count > *max) {
            self.push(path, reason::TOO_MANY, too_many(count, max));
        }
        for name in &node.checks.required {
            if !map.contains_key(name) {
                self.push(
                    &join(path, name),
                    reason::REQUIRED,
                    "Required value".to_owned(),
                );
            }
        }
        if node.embedded {
            for name in ["apiVersion", "kind"] {
                if map
                    .get(name)
                    .and_then(Value::as_str)
                    .is_none_or(str::is_empty)
                {
                    self.push(
                        &join(path, name),
                        reason::REQUIRED,
                        "Required value".to_owned(),
                    );
                }
            }
        }
        for (key, child) in map {
            if self.errors.len() >= MAX_ERRORS {
                return;
            }
            if resource && key == "metadata" {
                self.metadata_rules(node, child);
                continue;
            }
            if let Some(inner) = node.property(key).or_else(|| node.additional()) {
                self.node(inner, child, &join(path, key), inner.embedded);
            }
        }
    }

    /// A schema may restrict the object's name and nothing else of its metadata.
    fn metadata_rules(&mut self, node: &Node, metadata: &Value) {
        let Some(rules) = node.property("metadata") else {
            return;
        };
        for name in ["name", "generateName"] {
            if let (Some(rule), Some(value)) = (rules.property(name), metadata.get(name)) {
                self.node(rule, value, &format!("metadata.{name}"), false);
            }
        }
    }

    fn list_types(&mut self, node: &Node, value: &Value, path: &str) {
        match value {
            Value::Object(map) => {
                for (key, child) in map {
                    if let Some(inner) = node.property(key).or_else(|| node.additional()) {
                        self.list_types(inner, child, &join(path, key));
                    }
                }
            }
            Value::Array(items) => {
                self.duplicates(&node.list, items, path);
                if let Some(item) = node.items() {
                    for (index, child) in items.iter().enumerate() {
                        self.list_types(item, child, &format!("{path}[{index}]"));
                    }
                }
            }
            _ => {}
        }
    }

    fn duplicates(&mut self, list: &ListType, items: &[Value], path: &str) {
        let mut seen = BTreeSet::new();
        // A value found twice is told once, however often it occurs.
        let mut told = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if matches!(list, ListType::Map(_)) && item.is_null() {
                continue;
            }
            if matches!(list, ListType::Map(_)) && !item.is_object() {
                self.push(
                    &format!("{path}[{index}]"),
                    reason::INVALID,
                    format!(
                        "Invalid value: {item}: must be an object for an array of list-type map"
                    ),
                );
                continue;
            }
            let identity = match list {
                ListType::Atomic => return,
                ListType::Set => item.to_string(),
                ListType::Map(keys) => list_key(keys, item).to_string(),
            };
            if !seen.insert(identity.clone()) && told.insert(identity.clone()) {
                self.push(
                    &format!("{path}[{index}]"),
                    reason::DUPLICATE,
                    format!("Duplicate value: {identity}"),
                );
            }
        }
    }
}

fn too_many(count: u64, max: u64) -> String {
    let items = if max == 1 { "item" } else { "items" };
    format!("Too many: {count}: must have at most {max} {items}")
}

fn list_key(keys: &[String], item: &Value) -> Value {
    keys.iter()
        .filter_map(|key| Some((key.clone(), item.get(key)?.clone())))
        .collect::<Map<String, Value>>()
        .into()
}

fn attempt(node: &Node, value: &Value, path: &str) -> Vec<FieldError> {
    let mut findings = Findings::default();
    findings.node(node, value, path, false);
    findings.errors
}

fn attempts(nodes: &[Node], value: &Value, path: &str) -> Vec<Vec<FieldError>> {
    nodes
        .iter()
        .map(|node| attempt(node, value, path))
        .collect()
}

fn is_integer(number: &serde_json::Number) -> bool {
    number.is_i64()
        || number.is_u64()
        || number
            .as_f64()
            .is_some_and(|float| float.fract() == 0.0 && float.abs() < 9.2e18)
}

/// Written without a fraction.
fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64()
}

fn same(left: &Value, right: &Value) -> bool {
    left == right
        || matches!((left.as_f64(), right.as_f64()), (Some(left), Some(right)) if left.total_cmp(&right).is_eq())
}

/// Runs the rules of every node, outermost first.
fn evaluate(
    node: &Node,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    resource: bool,
    rules: &mut cel::Evaluation,
) {
    if value.is_null() || rules.is_exhausted() {
        return;
    }
    rules.run(&node.rules, node, value, old, path, resource);
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                if let Some(inner) = node.property(key).or_else(|| node.additional()) {
                    let before = old.and_then(|old| old.get(key));
                    evaluate(
                        inner,
                        child,
                        before,
                        &join(path, key),
                        inner.embedded,
                        rules,
                    );
                }
            }
        }
        Value::Array(items) => {
            let Some(item) = node.items().filter(|item| item.has_rules()) else {
                return;
            };
            for (index, child) in items.iter().enumerate() {
                let before = correlate(&node.list, child, old);
                evaluate(
                    item,
                    child,
                    before,
                    &format!("{path}[{index}]"),
                    item.embedded,
                    rules,
                );
            }
        }
        _ => {}
    }
}

/// The old item that a new item continues: only lists of type map have such identity.
fn correlate<'a>(list: &ListType, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    let ListType::Map(keys) = list else {
        return None;
    };
    old?.as_array()?
        .iter()
        .find(|before| keys.iter().all(|key| before.get(key) == item.get(key)))
}
