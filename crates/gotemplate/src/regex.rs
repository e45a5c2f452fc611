//! Go's regular expressions: RE2 syntax translated for the `regex` crate, compiled once per
//! template and pattern.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::CallError;
use crate::limits::{Fuel, Limit};

mod syntax;
mod template;

pub(crate) use ::regex::bytes::{Match, Regex};

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

/// All matches, of which empty ones never touch the match before: Go's rule and this crate's.
pub(crate) fn matches<'s>(regex: &Regex, subject: &'s [u8]) -> impl Iterator<Item = Match<'s>> {
    regex.find_iter(subject).collect::<Vec<_>>().into_iter()
}

/// Replaces all matches; with `expand`, `$1`, `${name}` and `$$` stand for groups and a dollar.
pub(crate) fn replace(
    regex: &Regex,
    subject: &[u8],
    replacement: &[u8],
    expand: bool,
    call: &mut crate::call::Call<'_>,
) -> Result<Vec<u8>, CallError> {
    let max = call.max_value();
    let mut out = Vec::with_capacity(subject.len());
    let mut end = 0;
    for captures in regex.captures_iter(subject) {
        call.step(1)?;
        let Some(whole) = captures.get(0) else {
            continue;
        };
        out.extend_from_slice(subject.get(end..whole.start()).unwrap_or_default());
        if expand {
            template::expand(&captures, replacement, &mut out);
        } else {
            out.extend_from_slice(replacement);
        }
        end = whole.end();
        if out.len() > max {
            return Err(Limit::ValueBytes(max).into());
        }
    }
    out.extend_from_slice(subject.get(end..).unwrap_or_default());
    Ok(out)
}
