//! JSON as Go's `encoding/json` reads and writes it.

use super::args::{Answer, any, text};
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::{Any, Text as Str};
use crate::functions::{Declared, fixed};
use crate::value::Value;

pub(crate) mod read;
pub(crate) mod write;

pub(crate) use super::encoding::base64::encode as base64_encode;
pub(crate) use write::number;
use write::{Style, write};

/// The bytes of standard Base64, if it is that.
pub(crate) fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    super::encoding::base64::decode(text).ok()
}

pub(crate) static TABLE: &[Declared] = &[
    fixed("fromJson", &[Str], |call, args| {
        match from_json(call, text(args, 0)) {
            Err(error) if error.limit.is_none() => Ok(Value::Nil),
            result => result,
        }
    }),
    fixed("mustFromJson", &[Str], |call, args| {
        from_json(call, text(args, 0))
    }),
    fixed("toJson", &[Any], |call, args| {
        forgiving(call, args, Style::Compact)
    }),
    fixed("mustToJson", &[Any], |call, args| {
        strict(call, args, Style::Compact)
    }),
    fixed("toPrettyJson", &[Any], |call, args| {
        forgiving(call, args, Style::Pretty)
    }),
    fixed("mustToPrettyJson", &[Any], |call, args| {
        strict(call, args, Style::Pretty)
    }),
    fixed("toRawJson", &[Any], |call, args| {
        strict(call, args, Style::Raw)
    }),
    fixed("mustToRawJson", &[Any], |call, args| {
        strict(call, args, Style::Raw)
    }),
];

/// What JSON there is in `text`.
pub(crate) fn from_json(call: &mut Call<'_>, text: &[u8]) -> Answer {
    // A value takes more room than its text.
    call.reserve(text.len().saturating_mul(2))?;
    call.step(text.len() / 8)?;
    read::read(text).map_err(|problem| CallError::new(problem.to_string()))
}

fn strict(call: &mut Call<'_>, args: &[Value], style: Style) -> Answer {
    let out = write(call, any(args, 0), style)?;
    Ok(call.text(out)?)
}

/// What cannot be written gives an empty text.
fn forgiving(call: &mut Call<'_>, args: &[Value], style: Style) -> Answer {
    match strict(call, args, style) {
        Err(error) if error.limit.is_none() => Ok(Value::text("")),
        result => result,
    }
}
