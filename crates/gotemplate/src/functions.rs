//! Functions as templates see them: a name, Go parameter types, and the Rust that answers.
//!
//! Owns which functions an engine knows. The evaluator checks arguments against the declared
//! types in Go's way before the Rust is called.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::call::Call;
use crate::error::CallError;
use crate::value::{Elem, IntType, UintType, Value};

/// The Go type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: anything.
    Any,
    /// `reflect.Value`: anything; what Go's own functions take.
    Reflect,
    /// `string`.
    Text,
    /// A named type whose kind is `string`: takes literals only.
    NamedText(&'static str),
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `uint32`.
    Uint32,
    /// `float64`.
    Float,
    /// `[]interface {}`; nil becomes [`Value::Nil`].
    AnyList,
    /// `map[string]interface {}`; nil becomes [`Value::Nil`].
    AnyMap,
    /// `time.Time`.
    Time,
    /// `time.Duration`.
    Duration,
    /// An opaque structure of that Go type.
    Opaque(&'static str),
}

impl Type {
    /// Go's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Text => "string",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint32 => "uint32",
            Self::Float => "float64",
            Self::AnyList => "[]interface {}",
            Self::AnyMap => "map[string]interface {}",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Opaque(name) | Self::NamedText(name) => name,
        }
    }

    /// Whether nothing can be passed, as nil.
    pub(crate) const fn accepts_nil(self) -> bool {
        matches!(
            self,
            Self::Any | Self::Reflect | Self::AnyList | Self::AnyMap
        )
    }

    /// Whether `value` can be assigned to this type.
    pub(crate) fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any | Self::Reflect, _)
            | (Self::Text, Value::Text(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_, IntType::Int))
            | (Self::Uint32, Value::Uint(_, UintType::Uint32))
            | (Self::Float, Value::Float(_))
            | (Self::Duration, Value::Int(_, IntType::Duration))
            | (Self::Time, Value::Time(_)) => true,
            (Self::AnyList, Value::List(list)) => list.elem() == Elem::Any,
            (Self::AnyMap, Value::Map(map)) => map.elem() == Elem::Any,
            (Self::Opaque(name), Value::Opaque(value)) => value.type_name() == name,
            _ => false,
        }
    }
}

/// The Rust behind a function. The arguments fit the declared types.
pub type Native = fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError>;

/// A function written by the user of this crate.
pub type Custom = dyn Fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError> + Send + Sync;

/// The declaration of a function that is part of this crate.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Type],
    pub(crate) variadic: Option<Type>,
    pub(crate) special: Special,
    pub(crate) run: Native,
}

/// Functions that the evaluator treats in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    No,
    And,
    Or,
}

/// A function with a fixed number of parameters.
pub(crate) const fn fixed(name: &'static str, params: &'static [Type], run: Native) -> Declared {
    Declared {
        name,
        params,
        variadic: None,
        special: Special::No,
        run,
    }
}

/// A function that takes any number of `rest` after its parameters.
pub(crate) const fn variadic(
    name: &'static str,
    params: &'static [Type],
    rest: Type,
    run: Native,
) -> Declared {
    Declared {
        name,
        params,
        variadic: Some(rest),
        special: Special::No,
        run,
    }
}

struct Foreign {
    name: String,
    params: Vec<Type>,
    variadic: Option<Type>,
    run: Box<Custom>,
}

/// A function, cheap to clone.
#[derive(Clone)]
pub(crate) struct Function(Inner);

#[derive(Clone)]
enum Inner {
    Native(&'static Declared),
    Foreign(Arc<Foreign>),
}

impl Function {
    pub(crate) fn name(&self) -> &str {
        match &self.0 {
            Inner::Native(native) => native.name,
            Inner::Foreign(foreign) => &foreign.name,
        }
    }

    pub(crate) fn params(&self) -> &[Type] {
        match &self.0 {
            Inner::Native(native) => native.params,
            Inner::Foreign(foreign) => &foreign.params,
        }
    }

    pub(crate) fn variadic(&self) -> Option<Type> {
        match &self.0 {
            Inner::Native(native) => native.variadic,
            Inner::Foreign(foreign) => foreign.variadic,
        }
    }

    pub(crate) fn special(&self) -> Special {
        match &self.0 {
            Inner::Native(native) => native.special,
            Inner::Foreign(_) => Special::No,
        }
    }

    pub(crate) fn run(&self, call: &mut Call<'_>, args: &[Value]) -> Result<Value, CallError> {
        match &self.0 {
            Inner::Native(native) => (native.run)(call, args),
            Inner::Foreign(foreign) => (foreign.run)(call, args),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The functions that an engine knows.
#[derive(Clone, Debug)]
pub struct Functions(HashMap<String, Function>);

impl Functions {
    /// Go's own: `and or not len index slice print printf println html js urlquery call` and
    /// the comparisons.
    #[must_use]
    pub fn go() -> Self {
        Self(HashMap::with_capacity(256)).with(crate::builtins::TABLE)
    }

    /// Go's own and those of Sprig 3, without `env`, `expandenv` and `getHostByName`.
    #[must_use]
    pub fn sprig() -> Self {
        let mut functions = Self::go();
        for table in crate::funcs::SPRIG {
            functions = functions.with(table);
        }
        functions
    }

    /// Go's own, Sprig's, and those of External Secrets Operator.
    #[must_use]
    pub fn eso() -> Self {
        let mut functions = Self::sprig();
        for table in crate::funcs::ESO {
            functions = functions.with(table);
        }
        functions
    }

    fn with(mut self, table: &'static [Declared]) -> Self {
        for native in table {
            self.0
                .insert(native.name.to_owned(), Function(Inner::Native(native)));
        }
        self
    }

    /// Adds a function, or replaces the one of that name.
    #[must_use]
    pub fn and<F>(mut self, name: &str, params: &[Type], variadic: Option<Type>, run: F) -> Self
    where
        F: Fn(&mut Call<'_>, &[Value]) -> Result<Value, CallError> + Send + Sync + 'static,
    {
        let foreign = Foreign {
            name: name.to_owned(),
            params: params.to_vec(),
            variadic,
            run: Box::new(run),
        };
        self.0
            .insert(name.to_owned(), Function(Inner::Foreign(Arc::new(foreign))));
        self
    }

    /// The names, unsorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name)
    }
}
