//! Semantic versions and constraints, after Masterminds/semver 3.

use std::sync::Arc;

use super::args::{Answer, text};
use crate::call::Call;
use crate::functions::Type::Text as Str;
use crate::functions::{Declared, fixed};
use crate::value::Value;

mod constraint;
mod version;

pub(crate) use version::Version;

pub(crate) static TABLE: &[Declared] = &[
    fixed("semver", &[Str], |_, args| {
        Ok(Value::Opaque(Arc::new(Version::parse(text(args, 0))?)))
    }),
    fixed("semverCompare", &[Str, Str], compare),
];

fn compare(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let constraints = constraint::parse(text(args, 0))?;
    let version = Version::parse(text(args, 1))?;
    call.step(constraints.iter().map(Vec::len).sum())?;
    let holds = constraints
        .iter()
        .any(|all| all.iter().all(|one| one.holds(&version)));
    Ok(Value::Bool(holds))
}
