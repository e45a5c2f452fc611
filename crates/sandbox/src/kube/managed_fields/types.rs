//! What ownership needs to know of a value's type: which maps and lists are one value, and by
//! what the items of the others are told apart.

use serde_json::{Map, Value};

use super::super::schema::{ListType, Node, Schema};
use super::path_set::{PathSet, Step};

/// A place in an object.
#[derive(Clone, Copy)]
pub(super) enum Type<'a> {
    /// A whole custom resource.
    Resource(&'a Schema),
    /// Inside a custom resource.
    Schema(&'a Node),
    /// In a built-in kind or in metadata: known by its own and its parent's field name.
    Builtin {
        parent: &'a str,
        name: &'a str,
        /// Whether it is an item of the list of that name.
        item: bool,
    },
    /// Without schema: maps are granular, lists are one value.
    Deduced,
}

/// How the items of a list are told apart, with defaults of absent keys.
pub(super) enum List<'a> {
    Atomic,
    Set,
    Map(Vec<(&'a str, Option<&'static str>)>),
}

/// Fields that nobody owns.
const ROOT_UNOWNED: [&str; 2] = ["apiVersion", "kind"];
const METADATA_UNOWNED: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

impl<'a> Type<'a> {
    pub(super) fn root(schema: Option<&'a Schema>) -> Self {
        match schema {
            Some(schema) => Self::Resource(schema),
            None => Self::Builtin {
                parent: "",
                name: "",
                item: false,
            },
        }
    }

    /// The type of a field, and whether the type declares it (rather than being a map key).
    pub(super) fn field(self, field: &'a str) -> (Self, bool) {
        match self {
            Self::Resource(_) if field == "metadata" => (
                Self::Builtin {
                    parent: "",
                    name: "metadata",
                    item: false,
                },
                true,
            ),
            Self::Resource(_) if ROOT_UNOWNED.contains(&field) => (Self::Deduced, true),
            Self::Resource(schema) => Self::Schema(schema.root()).field(field),
            Self::Schema(node) => match (node.property(field), node.additional()) {
                (Some(property), _) => (Self::of_node(property), true),
                (None, Some(values)) => (Self::of_node(values), false),
                (None, None) => (Self::Deduced, false),
            },
            Self::Builtin { name, .. } => (
                Self::Builtin {
                    parent: name,
                    name: field,
                    item: false,
                },
                true,
            ),
            Self::Deduced => (Self::Deduced, false),
        }
    }

    fn of_node(node: &'a Node) -> Self {
        Self::Schema(node)
    }

    /// The type of every item of this list.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Schema(node) => node.items().map_or(Self::Deduced, Self::of_node),
            Self::Builtin { parent, name, .. } => Self::Builtin {
                parent,
                name,
                item: true,
            },
            Self::Resource(_) | Self::Deduced => Self::Deduced,
        }
    }

    /// Whether an object of this type is one value.
    pub(super) fn is_atomic_map(self) -> bool {
        match self {
            Self::Schema(node) => node.is_atomic_map(),
            Self::Builtin { parent, name, .. } => matches!(
                (parent, name),
                (
                    _,
                    "roleRef"
                        | "involvedObject"
                        | "regarding"
                        | "related"
                        | "selector"
                        | "nodeSelector"
                        | "namespaceSelector"
                        | "objectSelector"
                        | "labelSelector"
                        | "podSelector"
                        | "secretKeyRef"
                        | "configMapKeyRef"
                        | "fieldRef"
                        | "resourceFieldRef"
                        | "fileKeyRef"
                ) | ("", "secrets")
                    | ("metadata", "ownerReferences")
                    | (
                        "nodeAffinity",
                        "requiredDuringSchedulingIgnoredDuringExecution"
                    )
            ),
            Self::Resource(_) | Self::Deduced => false,
        }
    }

    pub(super) fn list(self) -> List<'a> {
        match self {
            Self::Schema(node) => match node.list_type() {
                ListType::Atomic => List::Atomic,
                ListType::Set => List::Set,
                ListType::Map(keys) => {
                    List::Map(keys.iter().map(|key| (key.as_str(), None)).collect())
                }
            },
            Self::Builtin { parent, name, item } if !item => builtin_list(parent, name),
            Self::Resource(_) | Self::Builtin { .. } | Self::Deduced => List::Atomic,
        }
    }

    /// The default of a list key that an item leaves out.
    fn key_default(self, key: &str) -> Option<Value> {
        match self {
            Self::Schema(node) => node.items()?.property(key)?.default_value().cloned(),
            _ => None,
        }
    }

    /// Objects that are always there in the server's own types, so that nobody adds them.
    pub(super) fn is_implicit(self) -> bool {
        let Self::Builtin {
            parent,
            name,
            item: false,
        } = self
        else {
            return false;
        };
        matches!(
            (parent, name),
            (
                "",
                "metadata" | "spec" | "status" | "source" | "involvedObject"
            ) | ("spec", "template" | "strategy" | "names" | "containers")
                | ("template", "metadata" | "spec")
                | ("status", "acceptedNames" | "conditions")
        )
    }

    pub(super) fn is_unowned(self, field: &str) -> bool {
        match self {
            Self::Resource(_) | Self::Builtin { name: "", .. } => ROOT_UNOWNED.contains(&field),
            Self::Builtin {
                parent: "",
                name: "metadata",
                ..
            } => METADATA_UNOWNED.contains(&field),
            _ => false,
        }
    }

    /// The steps of a list's items; `None` when the list counts as one value: by its type, or
    /// because its items cannot be told apart.
    pub(super) fn steps(self, items: &[Value]) -> Option<Vec<Step>> {
        let list = self.list();
        let mut steps = Vec::with_capacity(items.len());
        for item in items {
            steps.push(match &list {
                List::Atomic => return None,
                List::Set if item.is_object() || item.is_array() => return None,
                List::Set => Step::Item(item.to_string()),
                List::Map(keys) => self.key_step(keys, item.as_object()?)?,
            });
        }
        let mut sorted: Vec<&Step> = steps.iter().collect();
        sorted.sort_unstable();
        let unique = sorted.windows(2).all(|pair| pair.first() != pair.last());
        unique.then_some(steps)
    }

    fn key_step(
        self,
        keys: &[(&str, Option<&'static str>)],
        item: &Map<String, Value>,
    ) -> Option<Step> {
        let pairs: Vec<(&str, Value)> = keys
            .iter()
            .filter_map(|(key, default)| {
                let value = item
                    .get(*key)
                    .cloned()
                    .or_else(|| default.map(Value::from))
                    .or_else(|| self.key_default(key))?;
                Some((*key, value))
            })
            .collect();
        (!pairs.is_empty()).then(|| Step::key(pairs.iter().map(|(key, value)| (*key, value))))
    }
}

fn builtin_list(parent: &str, name: &str) -> List<'static> {
    let by = |key: &'static str| List::Map(vec![(key, None)]);
    match (parent, name) {
        ("metadata", "finalizers") => List::Set,
        ("metadata", "ownerReferences") => by("uid"),
        ("status", "conditions") => by("type"),
        ("", "secrets" | "webhooks") => by("name"),
        (
            "spec",
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "volumes"
            | "imagePullSecrets",
        ) => by("name"),
        ("containers" | "initContainers" | "ephemeralContainers", "env") => by("name"),
        ("containers" | "initContainers" | "ephemeralContainers", "volumeMounts") => {
            by("mountPath")
        }
        ("containers" | "initContainers" | "ephemeralContainers", "volumeDevices") => {
            by("devicePath")
        }
        ("containers" | "initContainers" | "ephemeralContainers", "ports") => {
            List::Map(vec![("containerPort", None), ("protocol", Some("TCP"))])
        }
        ("spec", "ports") => List::Map(vec![("port", None), ("protocol", Some("TCP"))]),
        ("spec", "hostAliases") => by("ip"),
        ("spec", "topologySpreadConstraints") => {
            List::Map(vec![("topologyKey", None), ("whenUnsatisfiable", None)])
        }
        _ => List::Atomic,
    }
}

/// The fields that an applied configuration claims.
pub(super) fn set_of(root: Type<'_>, applied: &Value) -> PathSet {
    match below(root, applied) {
        Below::Leaf => PathSet::default(),
        Below::Inner(set) => set,
    }
}

enum Below {
    Leaf,
    Inner(PathSet),
}

fn below(ty: Type<'_>, value: &Value) -> Below {
    let mut out = PathSet::default();
    match value {
        Value::Object(_) if ty.is_atomic_map() => Below::Leaf,
        Value::Object(map) => {
            for (name, child) in map {
                if ty.is_unowned(name) {
                    continue;
                }
                let (inner, declared) = ty.field(name);
                let step = Step::Field(name.clone());
                let empty = child.is_null() || child.as_object().is_some_and(Map::is_empty);
                let leaf = claim(inner, child, &step, &mut out);
                if leaf || empty || !declared {
                    out.members.insert(step);
                }
            }
            Below::Inner(out)
        }
        Value::Array(items) => {
            let Some(steps) = ty.steps(items) else {
                return Below::Leaf;
            };
            if matches!(ty.list(), List::Atomic) {
                return Below::Leaf;
            }
            for (item, step) in items.iter().zip(steps) {
                claim(ty.item(), item, &step, &mut out);
                out.members.insert(step);
            }
            Below::Inner(out)
        }
        _ => Below::Leaf,
    }
}

/// Claims a child; returns whether it is one value.
fn claim(ty: Type<'_>, value: &Value, step: &Step, out: &mut PathSet) -> bool {
    match below(ty, value) {
        Below::Leaf => true,
        Below::Inner(set) => {
            out.attach(step, set);
            false
        }
    }
}
