//! What differs for one object once keyless runs in place of External Secrets Operator.

use std::fmt;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It would not work any more, or would be lost.
    Stops,
    /// It works after something is done.
    Step,
    /// It works, and behaves otherwise.
    Differs,
}

impl Weight {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stops => "stops",
            Self::Step => "to do",
            Self::Differs => "differs",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// The object: kind, namespace and name.
    pub object: Named,
    /// The field that it is about, if it is about one.
    pub path: Option<String>,
    /// What is different, and what to do.
    pub message: String,
    /// The row of docs/compatibility.md that says more.
    pub row: Option<&'static str>,
}

/// An object by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it is in one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
