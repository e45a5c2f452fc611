//! Values as YAML in block style.

use std::cmp::Ordering;

use super::scalar::{Style, is_break, is_simple_key, push_escaped, style};
use crate::error::CallError;
use crate::fmt::float;
use crate::funcs::json::number;
use crate::limits::{Limit, MAX_NESTING};
use crate::value::{Shown, Value};

/// The YAML of `value` with a final newline, at most `max` bytes.
pub(crate) fn write(value: &Value, max: usize) -> Result<String, CallError> {
    let mut writer = Writer {
        out: String::new(),
        max,
        depth: 0,
    };
    writer.node(value, 0, Place::Root)?;
    if !writer.out.ends_with('\n') {
        writer.out.push('\n');
    }
    Ok(writer.out)
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// After `- `.
    Item,
    /// After `key:`.
    Entry,
}

struct Writer {
    out: String,
    max: usize,
    depth: usize,
}

type Step = Result<(), CallError>;

/// The text that comes back from the JSON which Go writes first and reads as YAML.
fn text_of(bytes: &[u8]) -> Result<String, CallError> {
    let mut out = String::with_capacity(bytes.len());
    for (_, c, _) in crate::unicode::runes(bytes) {
        match c {
            // Such a line break, alone in JSON's quotes, is folded.
            '\u{85}' => out.push(' '),
            '\u{7f}'..='\u{9f}' => {
                return Err("yaml: control characters are not allowed".into());
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// Lines are broken at the first space beyond this column.
const WIDTH: usize = 80;

impl Writer {
    /// Writes a value whose lines begin at `indent`.
    fn node(&mut self, value: &Value, indent: usize, place: Place) -> Step {
        if self.out.len() > self.max {
            return Err(Limit::ValueBytes(self.max).into());
        }
        if self.depth > MAX_NESTING {
            return Err(Limit::Nesting(MAX_NESTING).into());
        }
        match value {
            Value::List(list) if list.is_nil() => self.word("null", place),
            Value::List(list) if list.is_empty() => self.word("[]", place),
            Value::List(list) => self.list(list.items(), indent, place)?,
            Value::Map(map) if map.is_empty() => self.word("{}", place),
            Value::Map(map) => self.map(map.snapshot(), indent, place)?,
            Value::Opaque(value) => match value.shown() {
                Shown::Text(text) => self.text(&text_of(&text)?, indent, place)?,
                Shown::Fields(fields) => {
                    let entries = fields
                        .into_iter()
                        .map(|(name, value)| (crate::value::Text::from(name), value))
                        .collect();
                    self.map(entries, indent, place)?;
                }
            },
            Value::NoValue | Value::Nil => self.word("null", place),
            Value::Bool(value) => self.word(if *value { "true" } else { "false" }, place),
            Value::Int(value, _) => self.word(&value.to_string(), place),
            Value::Uint(value, _) => self.word(&value.to_string(), place),
            Value::Float(value) => self.word(&float_text(*value)?, place),
            Value::Complex(..) => return Err("json: unsupported type: complex128".into()),
            Value::Text(text) => self.text(&text_of(text)?, indent, place)?,
            Value::Bytes(bytes) => {
                let text = crate::funcs::json::base64_encode(bytes);
                self.text(&text, indent, place)?;
            }
            Value::Time(time) => {
                let layout = "2006-01-02T15:04:05.999999999Z07:00";
                let text = crate::time::layout::format(time, layout);
                self.text(&text, indent, place)?;
            }
        }
        Ok(())
    }

    /// Something short on the present line.
    fn word(&mut self, word: &str, place: Place) {
        if place == Place::Entry {
            self.out.push(' ');
        }
        self.out.push_str(word);
    }

    fn line(&mut self, indent: usize) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn list(&mut self, items: &[Value], indent: usize, place: Place) -> Step {
        self.depth += 1;
        for (i, item) in items.iter().enumerate() {
            // The first item of a list within a list stays on the line.
            if i > 0 || place == Place::Entry {
                self.line(indent);
            }
            self.out.push_str("- ");
            self.node(item, indent + 2, Place::Item)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn map(
        &mut self,
        entries: Vec<(crate::value::Text, Value)>,
        indent: usize,
        place: Place,
    ) -> Step {
        self.depth += 1;
        let entries: Result<Vec<(String, Value)>, CallError> = entries
            .into_iter()
            .map(|(key, value)| Ok((text_of(&key)?, value)))
            .collect();
        let mut entries = entries?;
        entries.sort_by(|(a, _), (b, _)| natural(a, b));
        for (i, (key, value)) in entries.iter().enumerate() {
            if i > 0 || place == Place::Entry {
                self.line(indent);
            }
            if is_simple_key(key) {
                self.one_line(key, style(key, true), None);
            } else {
                self.out.push_str("? ");
                self.text(key, indent + 2, Place::Item)?;
                self.line(indent);
            }
            self.out.push(':');
            // Lists in a map are not indented, maps in a map are.
            let inner = match value {
                Value::List(_) => indent,
                _ => indent + 2,
            };
            if !is_simple_key(key) {
                self.out.push(' ');
                self.node(value, indent + 2, Place::Item)?;
                continue;
            }
            self.node(value, inner, Place::Entry)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn text(&mut self, text: &str, indent: usize, place: Place) -> Step {
        if place == Place::Entry {
            self.out.push(' ');
        }
        let indent = if place == Place::Root { 2 } else { indent };
        match style(text, false) {
            Style::Literal => self.literal(text, indent),
            style => self.one_line(text, style, Some(indent)),
        }
        Ok(())
    }

    fn column(&self) -> usize {
        let line = self.out.rsplit('\n').next().unwrap_or_default();
        line.chars().count()
    }

    /// A text in one of the styles that may be folded to lines at `indent`.
    fn one_line(&mut self, text: &str, style: Style, indent: Option<usize>) {
        let quote = match style {
            Style::Plain | Style::Literal => "",
            Style::Single => "'",
            Style::Double => "\"",
        };
        self.out.push_str(quote);
        let mut column = self.column();
        let (mut spaces, mut broken) = (false, false);
        let last = text.len().saturating_sub(1);
        for (at, c) in text.char_indices() {
            let before = self.out.len();
            if c == ' ' {
                let double_space = text.get(at + 1..).is_some_and(|rest| rest.starts_with(' '));
                let inside = style == Style::Plain || at > 0 && at < last;
                let foldable = style == Style::Double || !double_space;
                if let Some(indent) =
                    indent.filter(|_| !spaces && column > WIDTH && inside && foldable)
                {
                    self.line(indent);
                    column = indent;
                    if double_space {
                        self.out.push('\\');
                        column += 1;
                    }
                    spaces = true;
                    continue;
                }
                self.out.push(' ');
                spaces = true;
            } else {
                if broken && !is_break(c) {
                    self.out
                        .extend(std::iter::repeat_n(' ', indent.unwrap_or(0)));
                }
                match (style, c) {
                    (Style::Single, '\'') => self.out.push_str("''"),
                    (Style::Double, _) => push_escaped(&mut self.out, c),
                    _ => self.out.push(c),
                }
                spaces = false;
                broken = style == Style::Single && is_break(c);
            }
            column += self.out.get(before..).unwrap_or_default().chars().count();
        }
        self.out.push_str(quote);
    }

    /// `|` with marks for leading space and the newlines at the end.
    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.out.push('2');
        }
        let mut back = text.chars().rev();
        match (back.next().is_some_and(is_break), back.next()) {
            (false, _) => self.out.push('-'),
            (true, None) => self.out.push('+'),
            (true, Some(c)) if is_break(c) => self.out.push('+'),
            (true, Some(_)) => {}
        }
        self.out.push('\n');
        let mut start = true;
        for c in text.chars() {
            if is_break(c) {
                self.out.push(c);
                start = true;
            } else {
                if start {
                    self.out.extend(std::iter::repeat_n(' ', indent));
                }
                self.out.push(c);
                start = false;
            }
        }
    }
}

/// A float as it comes back from JSON: whole numbers as integers.
fn float_text(value: f64) -> Result<String, CallError> {
    let json = number(value)?;
    if let Ok(int) = json.parse::<i64>() {
        return Ok(int.to_string());
    }
    if json.parse::<u64>().is_ok() {
        return Ok(json);
    }
    Ok(float::format(value, b'g', None))
}

/// The order of keys: letters after anything else, numbers by their value.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = (0..a.len().min(b.len())).find(|i| a.get(*i) != b.get(*i)) else {
        return a.len().cmp(&b.len());
    };
    let (Some(x), Some(y)) = (a.get(i).copied(), b.get(i).copied()) else {
        return Ordering::Equal;
    };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero after another digit continues a number.
    let continued = (x == '0' || y == '0')
        && a.get(..i)
            .unwrap_or_default()
            .iter()
            .rev()
            .take_while(|c| c.is_ascii_digit())
            .any(|c| *c != '0');
    let base = u64::from(continued);
    let run = |chars: &[char]| {
        let digits = chars
            .get(i..)
            .unwrap_or_default()
            .iter()
            .take_while(|c| c.is_ascii_digit());
        digits.fold((base, i), |(value, end), c| {
            let digit = u64::from(c.to_digit(10).unwrap_or(0));
            (value.wrapping_mul(10).wrapping_add(digit), end + 1)
        })
    };
    let ((an, ai), (bn, bi)) = (run(&a), run(&b));
    an.cmp(&bn).then(ai.cmp(&bi)).then(x.cmp(&y))
}
