//! Go's `fmt`: what `print`, `println`, `printf` and an action's output look like.
//!
//! Owns verbs, flags and the texts of every kind of value. Output is bounded while it grows:
//! a width of a million in a list of a million never allocates what it would need.

pub(crate) mod float;
mod integer;
mod printf;
pub(crate) mod quote;
mod text;
mod value;

use crate::call::Call;
use crate::error::CallError;
use crate::limits::Limit;
use crate::unicode::count;
use crate::value::Value;

/// The flags, width and precision of one verb.
#[derive(Clone, Copy, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`.
    plus_v: bool,
    /// `%#v`.
    sharp_v: bool,
}

/// Collects formatted output up to a limit.
pub(crate) struct Printer {
    out: Vec<u8>,
    max: usize,
    failed: Option<Limit>,
    flags: Flags,
    /// Printing inside of a `%!verb(…)` message: `String` methods are not called.
    erroring: bool,
    depth: usize,
}

impl Printer {
    /// A printer that fails beyond `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self::onto(Vec::new(), max)
    }

    /// Continues `out`, up to `max` bytes in all.
    pub(crate) fn onto(out: Vec<u8>, max: usize) -> Self {
        Self {
            out,
            max,
            failed: None,
            flags: Flags::default(),
            erroring: false,
            depth: 0,
        }
    }

    /// What was printed, or the limit that was hit.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Limit> {
        match self.failed {
            Some(limit) => Err(limit),
            None => Ok(self.out),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.room(bytes.len()) {
            self.out.extend_from_slice(bytes);
        }
    }

    fn push_str(&mut self, text: &str) {
        self.push(text.as_bytes());
    }

    fn room(&mut self, n: usize) -> bool {
        if self.failed.is_none() && self.out.len().saturating_add(n) > self.max {
            self.failed = Some(Limit::ValueBytes(self.max));
        }
        self.failed.is_none()
    }

    fn fill(&mut self, n: usize, byte: u8) {
        if self.room(n) {
            self.out.resize(self.out.len() + n, byte);
        }
    }

    /// Writes `bytes` padded to the width, counted in characters.
    fn pad(&mut self, bytes: &[u8]) {
        let width = self.flags.width.unwrap_or(0);
        let missing = width.saturating_sub(if width == 0 { 0 } else { count(bytes) });
        if missing == 0 {
            self.push(bytes);
        } else if self.flags.minus {
            self.push(bytes);
            self.fill(missing, b' ');
        } else {
            self.fill(missing, if self.flags.zero { b'0' } else { b' ' });
            self.push(bytes);
        }
    }

    /// `fmt.Sprint`: a space between operands when neither is a string.
    pub(crate) fn sprint(&mut self, args: &[Value]) {
        let mut after_text = true;
        for (i, arg) in args.iter().enumerate() {
            let is_text = matches!(arg, Value::Text(_));
            if i > 0 && !is_text && !after_text {
                self.push(b" ");
            }
            self.arg(arg, 'v');
            after_text = is_text;
        }
    }

    /// `fmt.Sprintln`: a space between operands and a newline.
    pub(crate) fn sprintln(&mut self, args: &[Value]) {
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.push(b" ");
            }
            self.arg(arg, 'v');
        }
        self.push(b"\n");
    }

    /// An action's output.
    pub(crate) fn action(&mut self, value: &Value) {
        match value {
            Value::NoValue | Value::Nil => self.push(b"<no value>"),
            Value::Text(text) => self.push(text),
            _ => self.arg(value, 'v'),
        }
    }
}

/// Runs a printer within the limits of a call and gives its output as a string.
pub(crate) fn printed(
    call: &mut Call<'_>,
    print: impl FnOnce(&mut Printer),
) -> Result<Value, CallError> {
    let mut printer = Printer::new(call.max_value());
    print(&mut printer);
    let out = printer.finish()?;
    Ok(call.text(out)?)
}

/// `fmt.Sprint` of one value, as many functions turn anything into text (`%v`).
pub(crate) fn shown(value: &Value, max: usize) -> Result<Vec<u8>, Limit> {
    let mut printer = Printer::new(max);
    printer.arg(value, 'v');
    printer.finish()
}
