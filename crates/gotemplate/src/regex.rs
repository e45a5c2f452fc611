//! Go's regular expressions: RE2 syntax translated for the `regex` crate, compiled once per
//! template and pattern.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::CallError;
use crate::limits::{Fuel, Limit};

mod syntax;

pub(crate) use ::regex::bytes::Regex;

/// How many patterns a template keeps; data-made ones beyond that are compiled each time.
const KEPT: usize = 64;

/// The compiled expressions of one template.
#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<Box<[u8]>, Arc<Regex>>>);

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache")
    }
}

impl Cache {
    /// The compiled form of `pattern`, of at most `max` bytes.
    pub(crate) fn get(
        &self,
        pattern: &[u8],
        max: usize,
        fuel: &mut Fuel,
    ) -> Result<Arc<Regex>, CallError> {
        if let Some(found) = self.lock().get(pattern) {
            return Ok(Arc::clone(found));
        }
        if pattern.len() > max {
            return Err(Limit::RegexBytes(max).into());
        }
        // Compiling costs about as much as this many steps.
        fuel.step(1_000 + 20 * pattern.len())?;
        let regex = Arc::new(compile(pattern, max)?);
        let mut cache = self.lock();
        if cache.len() < KEPT {
            cache.insert(pattern.into(), Arc::clone(&regex));
        }
        Ok(regex)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Box<[u8]>, Arc<Regex>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn compile(pattern: &[u8], max: usize) -> Result<Regex, CallError> {
    let text = std::str::from_utf8(pattern)
        .map_err(|_| CallError::new("error parsing regexp: invalid UTF-8"))?;
    let translated = syntax::translate(text)
        .map_err(|reason| CallError::new(format!("error parsing regexp: {reason}")))?;
    ::regex::bytes::RegexBuilder::new(&translated)
        .size_limit(max << 10)
        .dfa_size_limit(max << 10)
        .build()
        .map_err(|error| match error {
            ::regex::Error::CompiledTooBig(_) => Limit::RegexBytes(max).into(),
            _ => CallError::new("error parsing regexp: unsupported expression"),
        })
}
