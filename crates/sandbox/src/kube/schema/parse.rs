//! From `openAPIV3Schema` to the compiled tree, refusing what is not structural.

use serde_json::{Map, Value};

use super::{Additional, Checks, JsonType, ListType, MAX_DEPTH, Node, Pattern, pattern, validate};
use crate::kube::cel;

/// Where the real server says a schema's errors are.
const ROOT: &str = "spec.validation.openAPIV3Schema";

pub(super) fn root(raw: &Value) -> Result<Node, String> {
    let mut parser = Parser { errors: Vec::new() };
    let node = parser.structural(raw, ROOT, 0);
    match raw.get("type").and_then(Value::as_str) {
        Some("object") => {}
        None | Some("") => {
            parser
                .errors
                .retain(|error| !error.starts_with(&format!("{ROOT}.type:")));
            parser.error(
                &format!("{ROOT}.type"),
                "Required value: must not be empty at the root",
            );
        }
        Some(other) => parser.error(
            &format!("{ROOT}.type"),
            &format!("Invalid value: {other:?}: must be object at the root"),
        ),
    }
    if let Some(metadata) = node.properties.get("metadata")
        && metadata
            .properties
            .keys()
            .any(|key| key != "name" && key != "generateName")
    {
        parser.error(
            &format!("{ROOT}.properties[metadata]"),
            "Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        );
    }
    match parser.errors.as_slice() {
        [] => Ok(node),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

struct Parser {
    errors: Vec<String>,
}

impl Parser {
    fn error(&mut self, path: &str, message: &str) {
        // A hostile schema may be wrong in every node; a few findings are enough.
        if self.errors.len() < 20 {
            self.errors.push(format!("{path}: {message}"));
        }
    }

    /// A node of the structural tree, with types, defaults and extensions.
    fn structural(&mut self, raw: &Value, path: &str, depth: usize) -> Node {
        let Some(map) = self.node_map(raw, path, depth) else {
            return Node::default();
        };
        let mut node = Node {
            kind: self.json_type(map, path),
            nullable: flag(map, "nullable"),
            int_or_string: flag(map, "x-kubernetes-int-or-string"),
            preserve_unknown: flag(map, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(map, "x-kubernetes-embedded-resource"),
            default: map.get("default").filter(|value| !value.is_null()).cloned(),
            atomic_map: map.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            ..Node::default()
        };
        if node.kind.is_none() && !node.int_or_string && !node.preserve_unknown && depth > 0 {
            self.error(
                &format!("{path}.type"),
                "Required value: must not be empty for specified object fields",
            );
        }
        if flag(map, "uniqueItems") {
            self.error(
                &format!("{path}.uniqueItems"),
                "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            );
        }
        self.children(&mut node, map, path, depth);
        node.list = self.list_type(map, &node, path);
        node.checks = self.checks(map, path, depth);
        match cel::compile(
            map.get("x-kubernetes-validations"),
            &format!("{path}.x-kubernetes-validations"),
        ) {
            Ok(rules) => node.rules = rules,
            Err(errors) => {
                for error in errors {
                    self.error(&error.field, &error.message);
                }
            }
        }
        self.check_default(&mut node, path);
        node
    }

    fn node_map<'a>(
        &mut self,
        raw: &'a Value,
        path: &str,
        depth: usize,
    ) -> Option<&'a Map<String, Value>> {
        if depth > MAX_DEPTH {
            self.error(path, "Forbidden: the schema is nested too deeply");
            return None;
        }
        let Some(map) = raw.as_object() else {
            self.error(path, "Invalid value: must be a schema object");
            return None;
        };
        for refused in [
            "$ref",
            "definitions",
            "dependencies",
            "patternProperties",
            "deprecated",
            "discriminator",
            "readOnly",
            "writeOnly",
            "xml",
        ] {
            if map.contains_key(refused) {
                self.error(
                    &format!("{path}.{refused}"),
                    &format!("Forbidden: {refused} is not supported"),
                );
            }
        }
        Some(map)
    }

    fn json_type(&mut self, map: &Map<String, Value>, path: &str) -> Option<JsonType> {
        let name = map.get("type").and_then(Value::as_str).unwrap_or_default();
        match name {
            "" => None,
            "object" => Some(JsonType::Object),
            "array" => Some(JsonType::Array),
            "string" => Some(JsonType::String),
            "integer" => Some(JsonType::Integer),
            "number" => Some(JsonType::Number),
            "boolean" => Some(JsonType::Boolean),
            other => {
                self.error(
                    &format!("{path}.type"),
                    &format!(
                        "Unsupported value: {other:?}: supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""
                    ),
                );
                Some(JsonType::Object)
            }
        }
    }

    fn children(&mut self, node: &mut Node, map: &Map<String, Value>, path: &str, depth: usize) {
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            for (name, raw) in properties {
                let child = self.structural(raw, &format!("{path}.properties[{name}]"), depth + 1);
                node.properties.insert(name.clone(), child);
            }
        }
        match map.get("additionalProperties") {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(_) if !node.properties.is_empty() => self.error(
                &format!("{path}.additionalProperties"),
                "Forbidden: additionalProperties and properties are mutual exclusive",
            ),
            Some(Value::Bool(true)) => node.additional = Additional::Any,
            Some(raw) => {
                let values =
                    self.structural(raw, &format!("{path}.additionalProperties"), depth + 1);
                node.additional = Additional::Schema(Box::new(values));
            }
        }
        match map.get("items") {
            Some(Value::Array(_)) => self.error(
                &format!("{path}.items"),
                "Forbidden: items must be a schema object and not an array",
            ),
            Some(raw @ Value::Object(_)) => {
                node.items = Some(Box::new(self.structural(
                    raw,
                    &format!("{path}.items"),
                    depth + 1,
                )));
            }
            _ if node.kind == Some(JsonType::Array) => {
                self.error(
                    &format!("{path}.items"),
                    "Required value: must be specified",
                );
            }
            _ => {}
        }
    }

    fn list_type(&mut self, map: &Map<String, Value>, node: &Node, path: &str) -> ListType {
        match map.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => {
                if node
                    .items()
                    .is_some_and(|item| item.kind == Some(JsonType::Object) && !item.atomic_map)
                {
                    self.error(
                        &format!("{path}.items.x-kubernetes-map-type"),
                        "Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
                    );
                }
                ListType::Set
            }
            Some("map") => {
                let keys: Vec<String> = strings(map.get("x-kubernetes-list-map-keys"));
                if keys.is_empty() {
                    self.error(
                        &format!("{path}.x-kubernetes-list-map-keys"),
                        "Required value: must not be empty if x-kubernetes-list-type is map",
                    );
                }
                if let Some(item) = node.items() {
                    for key in &keys {
                        let required = item.checks.required.contains(key);
                        let default = item.property(key).is_some_and(|key| key.default.is_some());
                        if !required && !default {
                            self.error(
                                &format!("{path}.items.properties[{key}].default"),
                                "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
                            );
                        }
                    }
                }
                ListType::Map(keys)
            }
            None | Some("atomic") => ListType::Atomic,
            Some(other) => {
                self.error(
                    &format!("{path}.x-kubernetes-list-type"),
                    &format!("Unsupported value: {other:?}: supported values: \"atomic\", \"map\", \"set\""),
                );
                ListType::Atomic
            }
        }
    }

    fn checks(&mut self, map: &Map<String, Value>, path: &str, depth: usize) -> Checks {
        Checks {
            required: strings(map.get("required")),
            enumeration: map.get("enum").and_then(Value::as_array).cloned(),
            min_length: map.get("minLength").and_then(Value::as_u64),
            max_length: map.get("maxLength").and_then(Value::as_u64),
            pattern: self.pattern(map, path),
            format: map
                .get("format")
                .and_then(Value::as_str)
                .filter(|format| !format.is_empty())
                .map(str::to_owned),
            minimum: map.get("minimum").and_then(Value::as_f64),
            exclusive_minimum: flag(map, "exclusiveMinimum"),
            maximum: map.get("maximum").and_then(Value::as_f64),
            exclusive_maximum: flag(map, "exclusiveMaximum"),
            multiple_of: map
                .get("multipleOf")
                .and_then(Value::as_f64)
                .filter(|divisor| *divisor > 0.0),
            min_items: map.get("minItems").and_then(Value::as_u64),
            max_items: map.get("maxItems").and_then(Value::as_u64),
            min_properties: map.get("minProperties").and_then(Value::as_u64),
            max_properties: map.get("maxProperties").and_then(Value::as_u64),
            all_of: self.junctor(map, "allOf", path, depth),
            any_of: self.junctor(map, "anyOf", path, depth),
            one_of: self.junctor(map, "oneOf", path, depth),
            not: map.get("not").filter(|raw| raw.is_object()).map(|raw| {
                Box::new(self.value_only(
                    raw,
                    &format!("{path}.not"),
                    flag(map, "x-kubernetes-int-or-string"),
                    depth + 1,
                ))
            }),
        }
    }

    fn pattern(&mut self, map: &Map<String, Value>, path: &str) -> Option<Pattern> {
        let source = map
            .get("pattern")
            .and_then(Value::as_str)
            .filter(|source| !source.is_empty())?;
        match pattern::compile(source) {
            Ok(regex) => Some(Pattern {
                source: source.to_owned(),
                regex,
            }),
            Err(why) => {
                self.error(
                    &format!("{path}.pattern"),
                    &format!("Invalid value: {source:?}: must be a valid regular expression, but isn't: error parsing regexp: {why}"),
                );
                None
            }
        }
    }

    fn junctor(
        &mut self,
        map: &Map<String, Value>,
        name: &str,
        path: &str,
        depth: usize,
    ) -> Vec<Node> {
        let int_or_string = flag(map, "x-kubernetes-int-or-string");
        map.get(name)
            .and_then(Value::as_array)
            .map(|branches| {
                branches
                    .iter()
                    .enumerate()
                    .map(|(index, raw)| {
                        self.value_only(
                            raw,
                            &format!("{path}.{name}[{index}]"),
                            int_or_string,
                            depth + 1,
                        )
                    })
                    .collect()
            })
            .unwrap_or_default()
    }

    /// A node inside allOf, anyOf, oneOf or not: it may validate, but not specify.
    fn value_only(&mut self, raw: &Value, path: &str, int_or_string: bool, depth: usize) -> Node {
        let Some(map) = self.node_map(raw, path, depth) else {
            return Node::default();
        };
        for refused in [
            "type",
            "description",
            "title",
            "default",
            "nullable",
            "additionalProperties",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-embedded-resource",
            "x-kubernetes-int-or-string",
            "x-kubernetes-list-type",
            "x-kubernetes-map-type",
        ] {
            let set = match map.get(refused) {
                None | Some(Value::Null | Value::Bool(false)) => false,
                Some(Value::String(text)) => !text.is_empty(),
                Some(_) => true,
            };
            if set && !(refused == "type" && int_or_string) {
                self.error(
                    &format!("{path}.{refused}"),
                    "Forbidden: must be empty to be structural",
                );
            }
        }
        let mut node = Node {
            kind: self.json_type(map, path),
            checks: self.checks(map, path, depth),
            ..Node::default()
        };
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            for (name, raw) in properties {
                let child =
                    self.value_only(raw, &format!("{path}.properties[{name}]"), false, depth + 1);
                node.properties.insert(name.clone(), child);
            }
        }
        if let Some(raw) = map.get("items").filter(|raw| raw.is_object()) {
            node.items = Some(Box::new(self.value_only(
                raw,
                &format!("{path}.items"),
                false,
                depth + 1,
            )));
        }
        node
    }

    fn check_default(&mut self, node: &mut Node, path: &str) {
        let Some(mut default) = node.default.take() else {
            return;
        };
        for finding in validate::detached(node, &default) {
            self.error(
                &format!("{path}.default{}", finding.field),
                &finding.message,
            );
        }
        super::default::apply(node, &mut default);
        node.default = Some(default);
    }
}

fn flag(map: &Map<String, Value>, name: &str) -> bool {
    map.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .map(|items| {
            items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}
