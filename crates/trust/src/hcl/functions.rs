//! The functions that trust is written with. Others are not known, as their results are.

use serde_json::Value;

use super::eval::text_of;
use super::is_unknown;

/// The result; `None` when the function is not known here, or its arguments are not.
pub(super) fn call(name: &str, arguments: &[Value]) -> Option<Value> {
    let text = |n: usize| arguments.get(n).and_then(Value::as_str);
    let known = |n: usize| text(n).filter(|t| !is_unknown(t));
    let out = |text: String| Some(Value::String(text));
    match (name, arguments) {
        // Left as a document: what it is for can then be seen without reading JSON again.
        ("jsonencode", [value]) => out(value.to_string()),
        ("jsondecode", [Value::String(text)]) => serde_json::from_str(text).ok(),
        ("replace", [_, _, _]) => {
            let (text, from, to) = (known(0)?, known(1)?, known(2)?);
            let pattern = from.len() > 1 && from.starts_with('/') && from.ends_with('/');
            (!pattern).then(|| Value::String(text.replace(from, to)))
        }
        ("trimprefix", [_, _]) => {
            let (text, prefix) = (known(0)?, known(1)?);
            out(text.strip_prefix(prefix).unwrap_or(text).to_owned())
        }
        ("trimsuffix", [_, _]) => {
            let (text, suffix) = (known(0)?, known(1)?);
            out(text.strip_suffix(suffix).unwrap_or(text).to_owned())
        }
        ("lower", [_]) => out(known(0)?.to_lowercase()),
        ("format", [Value::String(pattern), rest @ ..]) => out(format(pattern, rest)?),
        ("join", [Value::String(between), Value::Array(items)]) => {
            let items: Vec<String> = items.iter().map(text_of).collect();
            out(items.join(between))
        }
        ("concat", lists) => {
            let mut all = Vec::new();
            for list in lists {
                all.extend(list.as_array()?.iter().cloned());
            }
            Some(Value::Array(all))
        }
        ("toset" | "tolist" | "compact" | "distinct" | "sensitive" | "nonsensitive", [value]) => {
            Some(value.clone())
        }
        ("tostring", [value]) => out(text_of(value)),
        ("one", [Value::Array(items)]) => match items.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// `%s`, `%v`, `%d` and `%q` in order; anything finer is not known.
fn format(pattern: &str, arguments: &[Value]) -> Option<String> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            '%' => out.push('%'),
            's' | 'v' | 'd' => out.push_str(&text_of(arguments.next()?)),
            'q' => out.push_str(&Value::String(text_of(arguments.next()?)).to_string()),
            _ => return None,
        }
    }
    Some(out)
}
