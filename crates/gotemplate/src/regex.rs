//! Go's regular expressions: RE2 syntax translated for the `regex` crate, compiled once per
//! template and pattern.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::CallError;
use crate::limits::{Fuel, Limit};

mod syntax;
mod template;

use ::regex::bytes::Match;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Regex {
    pub(crate) regex: ::regex::bytes::Regex,
    /// The names of groups, which may repeat.
    names: Vec<(Box<str>, usize)>,
    /// About how many states the automaton has.
    states: usize,
    /// Whether the expression as written is empty.
    pub(crate) is_empty: bool,
}

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
    let regex = ::regex::bytes::RegexBuilder::new(&translated.pattern)
        .size_limit(max << 10)
        .dfa_size_limit(max << 10)
        .build()
        .map_err(|error| match error {
            ::regex::Error::CompiledTooBig(_) => Limit::RegexBytes(max).into(),
            _ => CallError::new("error parsing regexp: unsupported expression"),
        })?;
    Ok(Regex {
        regex,
        names: translated.names,
        states: translated.states,
        is_empty: text.is_empty(),
    })
}

impl Regex {
    /// What one search through `bytes` costs at worst, in steps: each byte may meet each state.
    pub(crate) fn cost(&self, bytes: usize) -> usize {
        bytes.saturating_mul(16 + self.states) / 256
    }
}

/// All matches. Empty ones never touch the match before and never part a character.
pub(crate) fn matches<'s>(regex: &'s Regex, subject: &'s [u8]) -> impl Iterator<Item = Match<'s>> {
    regex
        .regex
        .find_iter(subject)
        .filter(|found| !found.is_empty() || is_boundary(subject, found.start()))
}

/// What going on after a match costs: the next search may look at all that is left.
pub(crate) fn again(subject: &[u8], at: usize) -> usize {
    1 + subject.len().saturating_sub(at) / 1024
}

/// Whether no character reaches over `at`.
fn is_boundary(subject: &[u8], at: usize) -> bool {
    if subject.get(at).is_none_or(|byte| byte & 0xc0 != 0x80) {
        return true;
    }
    (1..=3).take_while(|back| *back <= at).all(|back| {
        let rest = subject.get(at - back..).unwrap_or_default();
        crate::unicode::decode(rest).1 <= back
    })
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
    for captures in regex.regex.captures_iter(subject) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        call.step(again(subject, whole.end()))?;
        if whole.is_empty() && !is_boundary(subject, whole.start()) {
            continue;
        }
        out.extend_from_slice(subject.get(end..whole.start()).unwrap_or_default());
        if expand {
            template::expand(&captures, &regex.names, replacement, &mut out);
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
