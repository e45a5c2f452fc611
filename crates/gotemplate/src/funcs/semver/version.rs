//! A version: what it is made of, how two compare, what templates can ask it.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type;
use crate::value::{Opaque, Shown, UintType, Value};

/// A semantic version, read with or without `v`, minor and patch.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(super) major: u64,
    pub(super) minor: u64,
    pub(super) patch: u64,
    pub(super) pre: String,
    metadata: String,
    original: String,
}

const INVALID: &str = "invalid semantic version";

/// Takes the longest run of `fits` from the front.
fn run(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

/// A dotted run of identifiers after `mark`; none of them may be empty.
fn suffix(text: &str, mark: char) -> Result<(&str, &str), &'static str> {
    let Some(tail) = text.strip_prefix(mark) else {
        return Ok(("", text));
    };
    let (found, rest) = run(tail, |c| is_identifier(c) || c == '.');
    if found.split('.').any(str::is_empty) {
        return Err(INVALID);
    }
    Ok((found, rest))
}

impl Version {
    /// Reads a version.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let original = std::str::from_utf8(bytes).map_err(|_| INVALID)?;
        let mut rest = original.strip_prefix('v').unwrap_or(original);
        let mut numbers = [0u64; 3];
        for (i, number) in numbers.iter_mut().enumerate() {
            if i > 0 {
                match rest.strip_prefix('.') {
                    Some(tail) => rest = tail,
                    None => break,
                }
            }
            let (digits, tail) = run(rest, |c| c.is_ascii_digit());
            if digits.is_empty() {
                return Err(INVALID);
            }
            *number = digits
                .parse()
                .map_err(|_| "error parsing version segment")?;
            rest = tail;
        }
        let (pre, rest) = suffix(rest, '-')?;
        let (metadata, rest) = suffix(rest, '+')?;
        if !rest.is_empty() {
            return Err(INVALID);
        }
        let padded = |part: &str| {
            part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !pre.is_empty() && pre.split('.').any(padded) {
            return Err("version segment starts with 0");
        }
        let [major, minor, patch] = numbers;
        Ok(Self {
            major,
            minor,
            patch,
            pre: pre.to_owned(),
            metadata: metadata.to_owned(),
            original: original.to_owned(),
        })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let numbers = |v: &Self| (v.major, v.minor, v.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_pre(&self.pre, &other.pre),
            }
        })
    }

    fn text(&self) -> String {
        let mut out = format!("{}.{}.{}", self.major, self.minor, self.patch);
        for (mark, part) in [('-', &self.pre), ('+', &self.metadata)] {
            if !part.is_empty() {
                out.push(mark);
                out.push_str(part);
            }
        }
        out
    }

    /// The next version of a kind, without anything after the numbers.
    fn next(&self, name: &str) -> Self {
        let mut next = self.clone();
        match name {
            "IncMajor" => (next.major, next.minor, next.patch) = (self.major.wrapping_add(1), 0, 0),
            "IncMinor" => (next.minor, next.patch) = (self.minor.wrapping_add(1), 0),
            // A version before its release is followed by the release.
            _ if self.pre.is_empty() => next.patch = self.patch.wrapping_add(1),
            _ => {}
        }
        next.pre.clear();
        next.metadata.clear();
        let v = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        next.original = format!("{v}{}", next.text());
        next
    }
}

/// Part by part: numbers before words, a shorter list before a longer one.
pub(super) fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            _ if x == y => Ordering::Equal,
            (Ok(x), Ok(y)) => x.cmp(&y),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

const POINTER: Type = Type::Opaque("*semver.Version");

impl Opaque for Version {
    fn type_name(&self) -> &'static str {
        "*semver.Version"
    }

    fn shown(&self) -> Shown {
        Shown::Text(self.text().into_bytes())
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn parameters(&self, name: &str) -> Option<&'static [Type]> {
        match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "Original" | "String"
            | "IncMajor" | "IncMinor" | "IncPatch" => Some(&[]),
            "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual" | "Equal"
            | "Compare" => Some(&[POINTER]),
            _ => None,
        }
    }

    fn method(&self, name: &str, args: &[Value], call: &mut Call<'_>) -> Result<Value, CallError> {
        let number = |value: u64| Value::Uint(value, UintType::Uint64);
        Ok(match name {
            "Major" => number(self.major),
            "Minor" => number(self.minor),
            "Patch" => number(self.patch),
            "Prerelease" => call.text(self.pre.as_str())?,
            "Metadata" => call.text(self.metadata.as_str())?,
            "Original" => call.text(self.original.as_str())?,
            "String" => call.text(self.text())?,
            "IncMajor" | "IncMinor" | "IncPatch" => Value::Opaque(Arc::new(self.next(name))),
            _ => {
                let Some(Value::Opaque(other)) = args.first() else {
                    return Err("wrong type for value".into());
                };
                let Some(other) = other.as_any().downcast_ref::<Self>() else {
                    return Err("wrong type for value".into());
                };
                let order = self.compare(other);
                match name {
                    "LessThan" => Value::Bool(order.is_lt()),
                    "LessThanEqual" => Value::Bool(order.is_le()),
                    "GreaterThan" => Value::Bool(order.is_gt()),
                    "GreaterThanEqual" => Value::Bool(order.is_ge()),
                    "Equal" => Value::Bool(order.is_eq()),
                    _ => Value::int(order as i64),
                }
            }
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
