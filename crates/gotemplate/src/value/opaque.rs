//! Structures that templates can look into but not make: certificates, versions.

use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type;
use crate::value::Value;

/// How a structure is printed.
pub enum Shown {
    /// Its `String` method's text.
    Text(Vec<u8>),
    /// Its fields in order, as Go prints a struct: `{a b}`, `{A:a B:b}` with `%+v`.
    Fields(Vec<(&'static str, Value)>),
}

/// A structure with fields and methods.
pub trait Opaque: Send + Sync {
    /// Go's name of the type, with a leading `*` for a pointer.
    fn type_name(&self) -> &'static str;
    /// How it is printed.
    fn shown(&self) -> Shown;
    /// The field of that name.
    fn field(&self, name: &str) -> Option<Value>;
    /// The parameters of the method of that name; `None` when there is none.
    fn parameters(&self, name: &str) -> Option<&'static [Type]> {
        let _ = name;
        None
    }
    /// Calls the method of that name; the arguments fit its parameters.
    ///
    /// # Errors
    /// Whatever the method refuses.
    fn method(&self, name: &str, args: &[Value], call: &mut Call<'_>) -> Result<Value, CallError> {
        let _ = (name, args, call);
        Err(CallError::new("no such method"))
    }
    /// For the functions that need the structure itself.
    fn as_any(&self) -> &dyn std::any::Any;
}
