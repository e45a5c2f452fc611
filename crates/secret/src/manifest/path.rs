//! Paths such as `spec.rules[0].from`: where in an object a value goes.

use std::fmt;

use serde_json::{Map, Value};

use super::PlaceError;

/// The greatest index that a path may have.
pub const MAX_INDEX: usize = 10_000;
/// How many steps a path may have.
const MAX_STEPS: usize = 64;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Where in an object a value goes. The first step is a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// What happens at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// The value takes the place of what is there.
    Set,
    /// The members of a map are laid over those of a map that is there; else as `Set`.
    Merge,
}

impl Path {
    /// The member `key` of the object's `field`.
    pub(super) fn member(field: &str, key: &str) -> Self {
        Self(vec![Step::Key(field.to_owned()), Step::Key(key.to_owned())])
    }

    /// One step further: the member `key`.
    pub(super) fn with(mut self, key: &str) -> Self {
        self.0.push(Step::Key(key.to_owned()));
        self
    }

    /// Reads a dotted path; `[n]` is an index. The names `data` and `spec` are known in any case
    /// when they stand alone.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let malformed = |reason: &'static str| PlaceError::Malformed {
            path: text.to_owned(),
            reason,
        };
        for known in ["data", "spec"] {
            if text.eq_ignore_ascii_case(known) {
                return Ok(Self(vec![Step::Key(known.to_owned())]));
            }
        }
        let mut steps = Vec::new();
        for segment in text.split('.') {
            let (name, mut rest) = match segment.find('[') {
                Some(at) => segment.split_at(at),
                None => (segment, ""),
            };
            if !name.is_empty() {
                steps.push(Step::Key(name.to_owned()));
            } else if rest.is_empty() {
                return Err(malformed("a segment is empty"));
            }
            while !rest.is_empty() {
                let inside = rest
                    .strip_prefix('[')
                    .ok_or_else(|| malformed("an index must be followed by a dot or an index"))?;
                let (index, after) = inside
                    .split_once(']')
                    .ok_or_else(|| malformed("a bracket is not closed"))?;
                let index: usize = index
                    .parse()
                    .map_err(|_| malformed("an index must be a number from 0 on"))?;
                if index > MAX_INDEX {
                    return Err(malformed("an index is greater than 10000"));
                }
                steps.push(Step::Index(index));
                rest = after;
            }
        }
        if steps.len() > MAX_STEPS {
            return Err(malformed("it has more than 64 steps"));
        }
        match steps.first() {
            Some(Step::Key(_)) => Ok(Self(steps)),
            _ => Err(malformed("it must start with a name")),
        }
    }

    /// The names at its start, before any index.
    pub(super) fn names(&self) -> Vec<&str> {
        self.0
            .iter()
            .map_while(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Index(_) => None,
            })
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts `value` there, making maps and lists on the way; a list is filled up with null.
    /// `budget` is how many elements lists may yet grow by.
    pub(super) fn put(
        &self,
        object: &mut Value,
        value: Value,
        leaf: Leaf,
        budget: &mut usize,
    ) -> Result<(), PlaceError> {
        let mut at = object;
        for (position, step) in self.0.iter().enumerate() {
            let blocked = |wanted| PlaceError::Blocked {
                path: self.to_string(),
                at: Self(self.0.iter().take(position).cloned().collect()).to_string(),
                wanted,
            };
            at = match step {
                Step::Key(key) => {
                    if at.is_null() {
                        *at = Value::Object(Map::new());
                    }
                    let map = at.as_object_mut().ok_or_else(|| blocked("map"))?;
                    map.entry(key.clone()).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    if at.is_null() {
                        *at = Value::Array(Vec::new());
                    }
                    let list = at.as_array_mut().ok_or_else(|| blocked("list"))?;
                    let missing = (index + 1).saturating_sub(list.len());
                    *budget = budget.checked_sub(missing).ok_or(PlaceError::TooLarge)?;
                    list.extend(std::iter::repeat_n(Value::Null, missing));
                    list.get_mut(*index).ok_or(PlaceError::TooLarge)?
                }
            };
        }
        match (at, value) {
            (Value::Object(map), Value::Object(new)) if leaf == Leaf::Merge => map.extend(new),
            (at, value) => *at = value,
        }
        Ok(())
    }
}
