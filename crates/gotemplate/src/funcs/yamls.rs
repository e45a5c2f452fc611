//! `toYaml` and `fromYaml`, which never fail: what cannot be written is an empty text, and what
//! cannot be read is a map with the one key `Error`.

use super::args::{Answer, any, text};
use crate::call::Call;
use crate::functions::Type::{Any, Text as Str};
use crate::functions::{Declared, fixed};
use crate::value::{Text, Value};
use crate::yaml;

pub(crate) static TABLE: &[Declared] = &[
    fixed("toYaml", &[Any], to_yaml),
    fixed("fromYaml", &[Str], from_yaml),
];

fn to_yaml(call: &mut Call<'_>, args: &[Value]) -> Answer {
    match yaml::write::write(any(args, 0), call.max_value()) {
        Ok(out) => Ok(call.text(out.strip_suffix('\n').unwrap_or(&out))?),
        Err(error) if error.limit.is_none() => Ok(Value::text("")),
        Err(error) => Err(error),
    }
}

fn from_yaml(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let text = text(args, 0);
    call.reserve(text.len().saturating_mul(2))?;
    call.step(text.len() / 4)?;
    Ok(match yaml::read_map(text) {
        Ok(map) => Value::Map(map),
        Err(error) => Value::map([(Text::from("Error"), Value::text(error.to_string()))]),
    })
}
