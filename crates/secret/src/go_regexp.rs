//! Go's regular expressions (RE2) on Rust's engine, which reads several constructs differently.
//!
//! Owns: translating a pattern, refusing what Go refuses in Go's words, bounds on size, and Go's
//! replacement syntax. Known difference: a repetition right behind flags, `a(?i)*`, is refused.
//! Refuses: matching without a compiled pattern.

mod translate;

use regex::bytes::{Captures, Regex, RegexBuilder};

/// The longest pattern that is read, in bytes.
const MAX_PATTERN: usize = 16 << 10;
/// The largest compiled program, in bytes.
const MAX_PROGRAM: usize = 1 << 20;
/// The largest lazily built automaton, in bytes.
const MAX_AUTOMATON: usize = 1 << 20;

/// A pattern that Go refuses, or one that is too large.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {problem}: `{part}`")]
pub struct RegexpError {
    /// What is wrong, in Go's words.
    pub problem: &'static str,
    /// The part of the pattern that is wrong.
    pub part: String,
}

impl RegexpError {
    fn new(problem: &'static str, part: impl Into<String>) -> Self {
        let mut part = part.into();
        if part.len() > 200 {
            part = part.chars().take(200).collect();
            part.push('…');
        }
        Self { problem, part }
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct GoRegexp {
    regex: Regex,
}

impl GoRegexp {
    /// Compiles a pattern written for Go.
    ///
    /// # Errors
    /// Go refuses the pattern, or it is larger than any real one.
    pub fn compile(pattern: &str) -> Result<Self, RegexpError> {
        if pattern.len() > MAX_PATTERN {
            return Err(RegexpError::new("expression too large", pattern));
        }
        let translated = translate::translate(pattern)?;
        let regex = RegexBuilder::new(&translated)
            .size_limit(MAX_PROGRAM)
            .dfa_size_limit(MAX_AUTOMATON)
            .build()
            .map_err(|error| {
                let problem = match error {
                    regex::Error::CompiledTooBig(_) => "expression too large",
                    _ => "unsupported expression",
                };
                RegexpError::new(problem, pattern)
            })?;
        Ok(Self { regex })
    }

    /// Whether the pattern matches anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex
            .find_iter(text.as_bytes())
            .any(|found| text.is_char_boundary(found.start()))
    }

    /// Replaces every match in `text` by `template`, in which `$1`, `$name` and `${name}` stand
    /// for what a group matched and `$$` for a dollar, as in Go.
    #[must_use]
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        let replaced = self
            .regex
            .replace_all(text.as_bytes(), |groups: &Captures<'_>| {
                // The engine works on bytes, so that `\B` can mean ASCII; inside a character it
                // can only match nothing.
                let start = groups.get(0).map_or(0, |found| found.start());
                if text.is_char_boundary(start) {
                    expand(template, groups)
                } else {
                    String::new()
                }
            });
        String::from_utf8_lossy(&replaced).into_owned()
    }
}

/// What a replacement template yields for one match.
fn expand(template: &str, groups: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('$') {
        out.push_str(text);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            out.push_str(group(name, groups));
            rest = after;
        } else {
            // Malformed: an ordinary dollar.
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The name after a dollar and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (body, braced) = match text.strip_prefix('{') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let end = body
        .find(|c: char| !(c == '_' || c.is_alphabetic() || c.is_numeric()))
        .unwrap_or(body.len());
    let (name, after) = body.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    if braced {
        return after.strip_prefix('}').map(|after| (name, after));
    }
    Some((name, after))
}

/// What the group of that name or number matched; nothing if there is none.
fn group<'t>(name: &str, groups: &Captures<'t>) -> &'t str {
    let numeric =
        name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let found = if numeric {
        name.parse().ok().and_then(|index: usize| groups.get(index))
    } else {
        // Every name got a letter in front, since Go's may begin with a digit.
        groups.name(&format!("n{name}"))
    };
    found
        .and_then(|found| std::str::from_utf8(found.as_bytes()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
