//! What a function may use while it runs: the account of work, the caller's context, and the
//! template's compiled regular expressions. There is nothing else within its reach.

use std::sync::Arc;

use crate::context::Context;
use crate::error::CallError;
use crate::limits::{Fuel, Limit};
use crate::regex::{Cache, Regex};
use crate::value::{Elem, List, Map, Text, Value};

/// The surroundings of one function call.
pub struct Call<'a> {
    pub(crate) fuel: &'a mut Fuel,
    pub(crate) context: &'a mut Context,
    pub(crate) regexes: &'a Cache,
    pub(crate) literals: &'a [Value],
}

impl Call<'_> {
    /// The most bytes that a value may have.
    #[must_use]
    pub fn max_value(&self) -> usize {
        self.fuel.limits().value_bytes
    }

    /// Charges `n` steps of work.
    ///
    /// # Errors
    /// The limit of steps.
    pub fn step(&mut self, n: usize) -> Result<(), Limit> {
        self.fuel.step(n)
    }

    /// Announces a value of `n` bytes before it is made.
    ///
    /// # Errors
    /// The limits of bytes per value and in all.
    pub fn reserve(&mut self, n: usize) -> Result<(), Limit> {
        self.fuel.make(n)
    }

    /// Charges as much as `n` calls that are slow on purpose.
    ///
    /// # Errors
    /// The limit of such calls.
    pub fn slow(&mut self, n: u32) -> Result<(), Limit> {
        self.fuel.slow(n)
    }

    /// A string, charged.
    ///
    /// # Errors
    /// The limits of bytes.
    pub fn text(&mut self, bytes: impl Into<Vec<u8>>) -> Result<Value, Limit> {
        let bytes = bytes.into();
        self.fuel.make(bytes.len())?;
        Ok(Value::Text(Text::from(bytes)))
    }

    /// A list, charged.
    ///
    /// # Errors
    /// The limits of bytes.
    pub fn list(&mut self, elem: Elem, items: Vec<Value>) -> Result<Value, Limit> {
        self.fuel.make_elements(items.len())?;
        Ok(Value::List(List::new(elem, items)))
    }

    /// A `map[string]interface {}`, charged.
    ///
    /// # Errors
    /// The limits of bytes.
    pub fn map(&mut self, entries: Vec<(Text, Value)>) -> Result<Value, Limit> {
        self.fuel.make_elements(entries.len())?;
        Ok(Value::Map(Map::new(Elem::Any, entries)))
    }

    /// The compiled form of a Go regular expression.
    pub(crate) fn regex(&mut self, pattern: &[u8]) -> Result<Arc<Regex>, CallError> {
        self.regexes
            .get(pattern, self.fuel.limits().regex_bytes, self.fuel)
    }

    /// Fills `bytes` from the caller's source of randomness.
    pub fn random(&mut self, bytes: &mut [u8]) {
        self.context.random(bytes);
    }

    /// A number below `bound`, each equally likely; 0 when `bound` is 0.
    pub fn random_below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Values beyond the last whole multiple of the bound would favour small numbers.
        let zone = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let mut bytes = [0; 8];
            self.random(&mut bytes);
            let value = u64::from_le_bytes(bytes);
            if value <= zone {
                return value % bound;
            }
        }
    }

    /// The surroundings of this run.
    pub fn context(&mut self) -> &mut Context {
        self.context
    }

    /// `text` if it stands in the template as a literal, so that it is not data.
    pub(crate) fn written(&self, text: &[u8]) -> Option<String> {
        self.literals
            .iter()
            .filter_map(Value::as_text)
            .find(|literal| *literal == text)
            .map(|literal| String::from_utf8_lossy(literal).into_owned())
    }
}
