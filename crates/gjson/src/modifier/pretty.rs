//! `@pretty` and `@ugly`: layout of a document, lenient about broken ones.

use std::cmp::Ordering;

use crate::budget::{Budget, Limit};
use crate::bytes::{at, span, tail, trim_space};
use crate::number;
use crate::scan::string;
use crate::value::{Kind, Value};

/// Removes spaces and control characters outside strings.
pub fn ugly(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut i = 0;
    while let Some(byte) = at(json, i) {
        let mut next = i + 1;
        if byte > b' ' {
            if byte == b'"' {
                next = string(json, next).next;
            }
            out.extend_from_slice(span(json, i, next));
        }
        i = next;
    }
    out
}

/// How a document is laid out.
struct Style {
    /// The widest line on which an array is put whole; not above 0: never.
    width: i64,
    prefix: Vec<u8>,
    indent: Vec<u8>,
    sort: bool,
}

impl Style {
    /// Reads the options of the modifier's argument.
    fn of(argument: &[u8]) -> Self {
        let mut style = Self {
            width: 80,
            prefix: Vec::new(),
            indent: b"  ".to_vec(),
            sort: false,
        };
        for (key, value) in super::members(argument) {
            match key.as_ref().map(Value::str) {
                Some(b"sortKeys") => style.sort = value.is_true(),
                Some(b"indent") => style.indent = white(&value),
                Some(b"prefix") => style.prefix = white(&value),
                Some(b"width") => style.width = integer(&value),
                _ => {}
            }
        }
        style
    }
}

/// The white space of a value's text.
fn white(value: &Value<'_>) -> Vec<u8> {
    value
        .text()
        .iter()
        .copied()
        .filter(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .collect()
}

fn integer(value: &Value<'_>) -> i64 {
    let digits = |text: &[u8]| {
        let unsigned = text.strip_prefix(b"-").unwrap_or(text);
        let number = i64::from_le_bytes(number::parse_digits(unsigned)?.to_le_bytes());
        Some(if unsigned.len() == text.len() {
            number
        } else {
            number.wrapping_neg()
        })
    };
    match value.kind() {
        Kind::True => 1,
        Kind::String => digits(value.str()).unwrap_or(0),
        Kind::Number => {
            let number = value.number();
            if number.abs() <= 9_007_199_254_740_991.0 {
                // Truncation is what is wanted.
                number as i64
            } else {
                digits(value.raw()).unwrap_or(number as i64)
            }
        }
        _ => 0,
    }
}

/// Lays out `json` by the options in `argument`.
pub fn pretty(json: &[u8], argument: &[u8], budget: &mut Budget) -> Result<Vec<u8>, Limit> {
    let style = Style::of(argument);
    let mut layout = Layout {
        json,
        out: style.prefix.clone(),
        line: 0,
        style,
        budget,
    };
    layout.value(0, Mode::Lines { level: 0 })?;
    let mut out = layout.out;
    if !out.is_empty() {
        out.push(b'\n');
    }
    Ok(out)
}

/// Whether a nested value is spread over lines or, so far, put on one.
#[derive(Clone, Copy)]
enum Mode {
    /// Each member on its own line, indented by the level of its parent and one more.
    Lines { level: usize },
    /// All on one line, which must not make the output longer than `end`.
    Line { end: usize },
}

struct Layout<'a, 'b> {
    json: &'a [u8],
    out: Vec<u8>,
    /// Where the present line began.
    line: usize,
    style: Style,
    budget: &'b mut Budget,
}

/// Where the places of an object's member begin and end, in the document and in the output.
struct Field {
    key: (usize, usize),
    text: (usize, usize),
}

impl Layout<'_, '_> {
    /// Lays out the next value at or after `i`; returns the position after it, or nothing if it
    /// does not fit on one line.
    fn value(&mut self, mut i: usize, mode: Mode) -> Result<Option<usize>, Limit> {
        while let Some(byte) = at(self.json, i) {
            let end = match byte {
                0..=b' ' => {
                    i += 1;
                    continue;
                }
                b'"' => self.copy(i, string(self.json, i + 1).next),
                b'{' | b'[' => return self.nested(i, byte, mode),
                b'0'..=b'9' | b'-' | b'+' | b'i' | b'I' | b'N' => self.copy(i, self.number_end(i)),
                b'n' if at(self.json, i + 1).is_some_and(|next| next != b'u') => {
                    self.copy(i, self.number_end(i))
                }
                b't' => self.word(b"true", i),
                b'f' => self.word(b"false", i),
                b'n' => self.word(b"null", i),
                _ => {
                    i += 1;
                    continue;
                }
            };
            return Ok(Some(end));
        }
        Ok(Some(i))
    }

    fn copy(&mut self, start: usize, end: usize) -> usize {
        self.out.extend_from_slice(span(self.json, start, end));
        end
    }

    fn word(&mut self, word: &[u8], i: usize) -> usize {
        self.out.extend_from_slice(word);
        i + word.len()
    }

    fn number_end(&self, i: usize) -> usize {
        tail(self.json, i + 1)
            .iter()
            .position(|byte| *byte <= b' ' || matches!(byte, b',' | b':' | b']' | b'}'))
            .map_or(self.json.len(), |offset| i + 1 + offset)
    }

    /// Lays out the object or array at `i`; an array first tries to stay on one line.
    fn nested(&mut self, i: usize, open: u8, mode: Mode) -> Result<Option<usize>, Limit> {
        if self.style.width > 0 {
            match mode {
                Mode::Lines { .. } if open == b'[' => {
                    let start = self.out.len();
                    let used = i64::try_from(start - self.line.min(start)).unwrap_or(i64::MAX);
                    let room = self.style.width.saturating_sub(used);
                    if room > 3 {
                        let line = self.line;
                        let end = start.saturating_add(usize::try_from(room).unwrap_or(0));
                        let done = self.members(i, open, Mode::Line { end })?;
                        self.line = line;
                        if done.is_some() && self.out.len() <= end {
                            return Ok(done);
                        }
                        self.out.truncate(start);
                    }
                }
                Mode::Line { .. } if open == b'{' => return Ok(None),
                _ => {}
            }
        }
        self.members(i, open, mode)
    }

    fn members(&mut self, i: usize, open: u8, mode: Mode) -> Result<Option<usize>, Limit> {
        self.out.push(open);
        let mut fields = Vec::new();
        let mut count = 0_usize;
        let mut i = i + 1;
        while let Some(byte) = at(self.json, i) {
            if byte == open + 2 {
                self.close(open, mode, count, &fields)?;
                return Ok(Some(i + 1));
            }
            if byte <= b' ' || (open == b'{' && byte != b'"') {
                i += 1;
                continue;
            }
            if count > 0 {
                self.out.push(b',');
                if self.style.width != -1 && open == b'[' {
                    self.out.push(b' ');
                }
            }
            let mut text_start = 0;
            if let Mode::Lines { level } = mode {
                self.new_line();
                text_start = self.out.len();
                self.indent(level + 1)?;
            }
            let key_start = i;
            if open == b'{' {
                i = self.copy(i, string(self.json, i + 1).next);
                self.out.push(b':');
                if matches!(mode, Mode::Lines { .. }) {
                    self.out.push(b' ');
                }
            }
            let key = (key_start, i);
            let below = match mode {
                Mode::Lines { level } => Mode::Lines { level: level + 1 },
                line => line,
            };
            let Some(next) = self.descend(i, below)? else {
                return Ok(None);
            };
            if let Mode::Line { end } = mode
                && self.out.len() > end
            {
                return Ok(None);
            }
            if open == b'{' && self.style.sort {
                fields.push(Field {
                    key,
                    text: (text_start, self.out.len()),
                });
            }
            i = next;
            count += 1;
        }
        Ok(Some(i))
    }

    fn descend(&mut self, i: usize, mode: Mode) -> Result<Option<usize>, Limit> {
        let before = self.out.len();
        // The depth is the budget's; the layout is entered through it.
        self.budget.enter()?;
        let result = self.value(i, mode);
        self.budget.leave();
        self.budget
            .charge(self.out.len().saturating_sub(before) + 1)?;
        result
    }

    fn close(&mut self, open: u8, mode: Mode, count: usize, fields: &[Field]) -> Result<(), Limit> {
        if let Mode::Lines { level } = mode {
            if open == b'{' && self.style.sort {
                self.sort(fields);
            }
            if count > 0 {
                self.new_line();
            }
            if self.out.last() != Some(&open) {
                self.indent(level)?;
            }
        }
        self.out.push(open + 2);
        Ok(())
    }

    fn new_line(&mut self) {
        self.line = self.out.len();
        match self.out.last_mut() {
            Some(space @ b' ') => *space = b'\n',
            _ => self.out.push(b'\n'),
        }
    }

    fn indent(&mut self, level: usize) -> Result<(), Limit> {
        self.budget
            .charge(self.style.prefix.len() + self.style.indent.len().saturating_mul(level))?;
        self.out.extend_from_slice(&self.style.prefix);
        for _ in 0..level {
            self.out.extend_from_slice(&self.style.indent);
        }
        Ok(())
    }

    /// Sorts the members of the object just laid out by key, equal keys by value.
    fn sort(&mut self, fields: &[Field]) {
        let Some(first) = fields.first() else { return };
        let mut order: Vec<_> = fields
            .iter()
            .map(|field| {
                let key = span(self.json, field.key.0, field.key.1);
                let mut value = trim_space(span(&self.out, field.text.0, field.text.1));
                if value.len() > key.len() {
                    value = trim_space(tail(value, key.len() + 1));
                }
                (Rank::of(key), Rank::of(value), field.text)
            })
            .collect();
        order.sort_by(|a, b| a.0.compare(&b.0).then_with(|| a.1.compare(&b.1)));
        let mut sorted = Vec::new();
        for (n, (_, _, (start, end))) in order.iter().enumerate() {
            if n > 0 {
                sorted.extend_from_slice(b",\n");
            }
            sorted.extend_from_slice(span(&self.out, *start, *end));
        }
        self.out.truncate(first.text.0);
        self.out.append(&mut sorted);
    }
}

/// The place of a value in the sorting order: by kind, then by content.
struct Rank {
    kind: Kind,
    number: f64,
    text: Vec<u8>,
}

impl Rank {
    fn of(json: &[u8]) -> Self {
        let kind = match json.first() {
            None | Some(b'n') => Kind::Null,
            Some(b'"') => Kind::String,
            Some(b'f') => Kind::False,
            Some(b't') => Kind::True,
            Some(b'[' | b'{') => Kind::Json,
            Some(_) => Kind::Number,
        };
        Self {
            kind,
            number: if kind == Kind::Number {
                number::parse(json)
            } else {
                0.0
            },
            text: if kind == Kind::String {
                Value::parse(json).into_text()
            } else {
                json.to_vec()
            },
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| {
            if self.kind == Kind::Number {
                self.number.total_cmp(&other.number)
            } else {
                self.text.cmp(&other.text)
            }
        })
    }
}
