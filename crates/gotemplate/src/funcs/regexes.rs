//! Regular expressions.

use super::args::{Answer, int, text};
use crate::call::Call;
use crate::functions::Type::{Int, Text as Str};
use crate::functions::{Declared, fixed};
use crate::regex::{Regex, again, matches, replace};
use crate::value::{Elem, List, Text, Value};

pub(crate) static TABLE: &[Declared] = &[
    fixed("regexMatch", &[Str, Str], |call, args| {
        match is_match(call, args) {
            // A bad expression matches nothing.
            Err(error) if error.limit.is_none() => Ok(Value::Bool(false)),
            result => result,
        }
    }),
    fixed("mustRegexMatch", &[Str, Str], is_match),
    fixed("regexFind", &[Str, Str], find),
    fixed("mustRegexFind", &[Str, Str], find),
    fixed("regexFindAll", &[Str, Str, Int], find_all),
    fixed("mustRegexFindAll", &[Str, Str, Int], find_all),
    fixed("regexSplit", &[Str, Str, Int], split),
    fixed("mustRegexSplit", &[Str, Str, Int], split),
    fixed("regexReplaceAll", &[Str, Str, Str], |call, args| {
        replace_all(call, args, true)
    }),
    fixed("mustRegexReplaceAll", &[Str, Str, Str], |call, args| {
        replace_all(call, args, true)
    }),
    fixed("regexReplaceAllLiteral", &[Str, Str, Str], |call, args| {
        replace_all(call, args, false)
    }),
    fixed(
        "mustRegexReplaceAllLiteral",
        &[Str, Str, Str],
        |call, args| replace_all(call, args, false),
    ),
    fixed("regexQuoteMeta", &[Str], |call, args| {
        let mut out = Vec::new();
        for byte in text(args, 0) {
            if b"\\.+*?()|[]{}^$".contains(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        Ok(call.text(out)?)
    }),
];

fn charge(call: &mut Call<'_>, regex: &Regex, subject: &[u8]) -> Result<(), crate::limits::Limit> {
    call.step(regex.cost(subject.len()))
}

fn is_match(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = call.regex(text(args, 0))?;
    charge(call, &regex, text(args, 1))?;
    Ok(Value::Bool(regex.regex.is_match(text(args, 1))))
}

fn find(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = call.regex(text(args, 0))?;
    charge(call, &regex, text(args, 1))?;
    let found = regex.regex.find(text(args, 1));
    Ok(call.text(found.map_or(&b""[..], |found| found.as_bytes()))?)
}

/// The places of at most `count` matches, all for a negative count.
fn places(
    call: &mut Call<'_>,
    regex: &Regex,
    subject: &[u8],
    count: i64,
) -> Result<Vec<(usize, usize)>, crate::limits::Limit> {
    charge(call, regex, subject)?;
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let mut places = Vec::new();
    for found in matches(regex, subject).take(most) {
        call.step(again(subject, found.end()))?;
        places.push((found.start(), found.end()));
    }
    Ok(places)
}

fn find_all(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = call.regex(text(args, 0))?;
    let subject = text(args, 1);
    let places = places(call, &regex, subject, int(args, 2))?;
    if places.is_empty() {
        return Ok(Value::List(List::nil(Elem::Text)));
    }
    let texts = places
        .into_iter()
        .map(|(start, end)| Text::from(subject.get(start..end).unwrap_or_default()))
        .collect();
    super::strings::texts_value(call, texts)
}

/// `regexp.Split`: at most `count` parts, all for a negative count.
fn split(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = call.regex(text(args, 0))?;
    let (subject, count) = (text(args, 1), int(args, 2));
    if count == 0 {
        return Ok(Value::List(List::nil(Elem::Text)));
    }
    if !regex.is_empty && subject.is_empty() {
        return super::strings::texts_value(call, vec![Text::from("")]);
    }
    let places = places(call, &regex, subject, count)?;
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for (start, stop) in places {
        if parts.len() + 1 == most {
            break;
        }
        end = start;
        if stop != 0 {
            parts.push(Text::from(subject.get(begin..end).unwrap_or_default()));
        }
        begin = stop;
    }
    if end != subject.len() {
        parts.push(Text::from(subject.get(begin..).unwrap_or_default()));
    }
    super::strings::texts_value(call, parts)
}

fn replace_all(call: &mut Call<'_>, args: &[Value], expand: bool) -> Answer {
    let regex = call.regex(text(args, 0))?;
    let subject = text(args, 1);
    charge(call, &regex, subject)?;
    let out = replace(&regex, subject, text(args, 2), expand, call)?;
    Ok(call.text(out)?)
}
