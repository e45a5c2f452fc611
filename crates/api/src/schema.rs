//! How a Rust type says its OpenAPI schema.
//!
//! Owns: the schema node and its builder, the schemas of plain types, and the two macros
//! (`object!`, `string_enum!`) by which one definition yields the type, its lenient decoding
//! and its schema, so that the three cannot drift apart. Refuses: knowledge of any kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// A structural OpenAPI v3 schema under construction.
#[derive(Clone, Debug)]
pub struct Node {
    fields: Map<String, Value>,
    required: bool,
}

impl Node {
    fn empty() -> Self {
        Self {
            fields: Map::new(),
            required: false,
        }
    }

    /// A schema with only a type.
    pub(crate) fn of(type_name: &str) -> Self {
        Self::empty().with("type", type_name)
    }

    /// Any object, kept as it is.
    pub(crate) fn free_form() -> Self {
        Self::of("object").with("x-kubernetes-preserve-unknown-fields", true)
    }

    /// An integer or a string.
    pub(crate) fn int_or_string() -> Self {
        Self::empty()
            .with("anyOf", json!([{"type": "integer"}, {"type": "string"}]))
            .with("x-kubernetes-int-or-string", true)
    }

    /// Sets one keyword.
    pub(crate) fn with(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(keyword.to_owned(), value.into());
        self
    }

    /// Sets the description from the lines of a doc comment.
    pub(crate) fn described(self, lines: &[&str]) -> Self {
        let text: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        self.with("description", text.join(" "))
    }

    /// Sets the default that the API server fills in.
    pub(crate) fn default(self, value: impl Into<Value>) -> Self {
        self.with("default", value)
    }

    /// Makes the property required in the object that holds it.
    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) fn pattern(self, pattern: &str) -> Self {
        self.with("pattern", pattern)
    }

    pub(crate) fn length(self, min: u32, max: u32) -> Self {
        self.with("minLength", min).with("maxLength", max)
    }

    pub(crate) fn max_length(self, max: u32) -> Self {
        self.with("maxLength", max)
    }

    pub(crate) fn min_items(self, min: u32) -> Self {
        self.with("minItems", min)
    }

    pub(crate) fn max_items(self, max: u32) -> Self {
        self.with("maxItems", max)
    }

    /// Exactly one of the object's properties must be set.
    pub(crate) fn exactly_one_property(self) -> Self {
        self.with("minProperties", 1).with("maxProperties", 1)
    }

    /// Applies `change` to the schema of a list's items.
    pub(crate) fn items(mut self, change: impl FnOnce(Self) -> Self) -> Self {
        if let Some(Value::Object(fields)) = self.fields.remove("items") {
            let items = change(Self {
                fields,
                required: false,
            });
            self.fields.insert("items".to_owned(), items.into_value());
        }
        self
    }

    /// An RFC 1123 subdomain: the name of most Kubernetes objects.
    pub(crate) fn dns_subdomain(self) -> Self {
        self.length(1, 253)
            .pattern(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    }

    /// An RFC 1123 label: the name of a namespace.
    pub(crate) fn dns_label(self) -> Self {
        self.length(1, 63)
            .pattern(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    }

    /// A key of a ConfigMap or Secret.
    pub(crate) fn data_key(self) -> Self {
        self.length(1, 253).pattern(r"^[-._a-zA-Z0-9]+$")
    }

    /// Drops the list of admitted values: the API names some and takes any text.
    pub(crate) fn any_text(mut self) -> Self {
        self.fields.remove("enum");
        self
    }

    /// A validation rule in the Common Expression Language with a fixed message.
    pub(crate) fn rule(self, rule: &str, message: &str) -> Self {
        self.validation(json!({"rule": rule, "message": message}))
    }

    /// A validation rule whose message is computed; `message` is used where that fails.
    pub(crate) fn rule_saying(self, rule: &str, expression: &str, message: &str) -> Self {
        self.validation(json!({"rule": rule, "messageExpression": expression, "message": message}))
    }

    fn validation(mut self, rule: Value) -> Self {
        let rules = self
            .fields
            .entry("x-kubernetes-validations")
            .or_insert_with(|| json!([]));
        if let Value::Array(rules) = rules {
            rules.push(rule);
        }
        self
    }

    /// Adds a property, and its name to the required ones where the property says so.
    pub(crate) fn property(mut self, name: &str, node: Self) -> Self {
        if node.required
            && let Value::Array(names) = self.fields.entry("required").or_insert_with(|| json!([]))
        {
            names.push(name.into());
        }
        if let Value::Object(properties) =
            self.fields.entry("properties").or_insert_with(|| json!({}))
        {
            properties.insert(name.to_owned(), node.into_value());
        }
        self
    }

    /// The finished schema.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.fields)
    }
}

/// A type that has a schema.
pub trait Schema {
    /// The schema, without the description that the field holding it gives.
    fn schema() -> Node;
}

impl Schema for String {
    fn schema() -> Node {
        Node::of("string")
    }
}

impl Schema for bool {
    fn schema() -> Node {
        Node::of("boolean")
    }
}

impl Schema for i32 {
    fn schema() -> Node {
        Node::of("integer").with("format", "int32")
    }
}

impl Schema for i64 {
    fn schema() -> Node {
        Node::of("integer").with("format", "int64")
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema() -> Node {
        T::schema()
    }
}

impl<T: Schema> Schema for Box<T> {
    fn schema() -> Node {
        T::schema()
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Node {
        Node::of("array").with("items", T::schema().into_value())
    }
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    fn schema() -> Node {
        Node::of("object").with("additionalProperties", T::schema().into_value())
    }
}

/// Whether a field is left out when an object is written.
pub(crate) trait Field {
    fn is_absent(&self) -> bool;
}

impl<T> Field for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Field for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T> Field for BTreeMap<String, T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Takes an explicit null for an absent field, as Go's decoder does.
pub(crate) fn null_as_absent<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Defines API objects. A field is written `name req "jsonName": Type { options }` or
/// `name opt "jsonName": Type { options }`; its doc comment is what `kubectl explain` says, and
/// the options are calls on the field's [`Node`]. Options in brackets behind the struct's name
/// are calls on the object's own node. `: named` behind the name marks a type that names another
/// object (see [`crate::references`]).
macro_rules! object {
    ($(
        $(#[doc = $doc:literal])+
        pub struct $name:ident $(: $names:ident)? $([ $($on:tt)* ])? {
            $(
                $(#[doc = $field_doc:literal])+
                $field:ident $(req $req:literal)? $(opt $opt:literal)? : $ty:ty $({ $($with:tt)* })?
            ),* $(,)?
        }
    )+) => {$(
        $(#[doc = $doc])+
        // The texts are plain, for `kubectl explain`; brackets and addresses in them are no links.
        #[allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links)]
        #[derive(Clone, Debug, Default, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])+
                $(#[serde(rename = $req)])?
                $(#[serde(
                    rename = $opt,
                    default,
                    deserialize_with = "crate::schema::null_as_absent",
                    skip_serializing_if = "crate::schema::Field::is_absent"
                )])?
                pub $field: $ty,
            )*
        }

        impl $crate::references::Refers for $name {
            fn refers(&self, found: &mut Vec<$crate::references::Reference>) {
                $( $crate::references::Refers::refers(&self.$field, found); )*
                $( found.extend(<Self as $crate::references::Names>::$names(self)); )?
            }
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> $crate::schema::Node {
                $crate::schema::Node::of("object")
                    .described(&[$($doc),+])
                    $(
                        .property(
                            concat!($($req)? $($opt)?),
                            <$ty as $crate::schema::Schema>::schema()
                                .described(&[$($field_doc),+])
                                $(.required_as($req))?
                                $($($with)*)?
                        )
                    )*
                    $($($on)*)?
            }
        }
    )+};
}
pub(crate) use object;

impl Node {
    /// What the macro calls for a `req` field.
    pub(crate) fn required_as(self, _name: &str) -> Self {
        self.required()
    }
}

/// Defines an enumeration that is a string in JSON. A value of another or an older schema
/// decodes into `Other`, so that the operator can name it instead of choking on the object.
macro_rules! string_enum {
    ($(
        $(#[doc = $doc:literal])+
        pub enum $name:ident = $default:ident {
            $( $(#[doc = $variant_doc:literal])+ $variant:ident = $text:literal ),+ $(,)?
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[doc = $variant_doc])+ $variant, )+
            /// A value that this version does not know, as it was written.
            Other(String),
        }

        impl $name {
            /// Every value that the schema admits, in its order.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// The value as written in a manifest.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }

            /// The unknown value, if it is one.
            #[must_use]
            pub fn unknown(&self) -> Option<&str> {
                match self {
                    Self::Other(text) => Some(text),
                    _ => None,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    // Go's zero value; the API treats it as not set.
                    "" => Self::default(),
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::from(text.as_str()))
            }
        }

        impl $crate::references::Refers for $name {
            fn refers(&self, _: &mut Vec<$crate::references::Reference>) {}
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> $crate::schema::Node {
                $crate::schema::Node::of("string")
                    .with("enum", Self::KNOWN)
            }
        }
    )+};
}
pub(crate) use string_enum;
