//! The format string: verbs, flags, widths, argument indexes, and Go's marks of mistakes.

use super::{Flags, Printer};
use crate::unicode::decode;
use crate::value::Value;

/// Go refuses larger widths and precisions.
const MAX_NUMBER: i64 = 1_000_000;

/// Where the scan of a format string stands.
struct Scan<'f> {
    format: &'f [u8],
    at: usize,
    args: &'f [Value],
    next_arg: usize,
    reordered: bool,
    good_index: bool,
    after_index: bool,
}

impl Scan<'_> {
    fn byte(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// Decimal digits; `None` when there are none or the number is too large.
    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        let mut value: usize = 0;
        while let Some(digit) = self.byte().filter(u8::is_ascii_digit) {
            value = value
                .saturating_mul(10)
                .saturating_add(usize::from(digit - b'0'));
            self.at += 1;
            if value > MAX_NUMBER as usize {
                // Go gives up on the whole format here.
                self.at = self.format.len();
                return None;
            }
        }
        (self.at > start).then_some(value)
    }

    /// An argument index `[n]`, if there is one here.
    fn index(&mut self) {
        if self.byte() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = self.format.get(self.at..).unwrap_or_default();
        let Some(end) = rest.iter().position(|b| *b == b']') else {
            self.good_index = false;
            self.at += 1;
            return;
        };
        let digits = rest.get(1..end).unwrap_or_default();
        let number = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|n| *n >= 1 && *n <= self.args.len());
        self.at += end + 1;
        match number {
            Some(n) => {
                self.next_arg = n - 1;
                self.after_index = true;
            }
            None => self.good_index = false,
        }
    }

    /// The integer argument that a `*` takes.
    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next_arg)?;
        self.next_arg += 1;
        let value = match arg {
            Value::Int(value, _) => *value,
            Value::Uint(value, _) => i64::try_from(*value).ok()?,
            _ => return None,
        };
        (-MAX_NUMBER..=MAX_NUMBER).contains(&value).then_some(value)
    }
}

impl Printer {
    /// `fmt.Sprintf`.
    pub(crate) fn sprintf(&mut self, format: &[u8], args: &[Value]) {
        let mut scan = Scan {
            format,
            at: 0,
            args,
            next_arg: 0,
            reordered: false,
            good_index: true,
            after_index: false,
        };
        while scan.at < format.len() && self.failed.is_none() {
            let rest = format.get(scan.at..).unwrap_or_default();
            let text = rest.iter().position(|b| *b == b'%').unwrap_or(rest.len());
            self.push(rest.get(..text).unwrap_or_default());
            scan.at += text;
            if scan.at < format.len() {
                scan.at += 1;
                self.directive(&mut scan);
            }
        }
        self.flags = Flags::default();
        if !scan.reordered && scan.next_arg < args.len() {
            self.extra(args.get(scan.next_arg..).unwrap_or_default());
        }
    }

    fn extra(&mut self, args: &[Value]) {
        self.push(b"%!(EXTRA ");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.push(b", ");
            }
            if arg.is_nil() {
                self.push(b"<nil>");
            } else {
                self.push_str(&arg.type_name());
                self.push(b"=");
                self.arg(arg, 'v');
            }
        }
        self.push(b")");
    }

    /// One verb, from after its `%`.
    fn directive(&mut self, scan: &mut Scan<'_>) {
        self.flags = Flags::default();
        scan.good_index = true;
        scan.after_index = false;
        self.read_flags(scan);
        scan.index();
        self.read_width(scan);
        self.read_precision(scan);
        if !scan.after_index {
            scan.index();
        }
        let rest = scan.format.get(scan.at..).unwrap_or_default();
        if rest.is_empty() {
            self.push(b"%!(NOVERB)");
            return;
        }
        let (verb, width) = decode(rest);
        scan.at += width;
        self.verb(scan, verb);
    }

    fn read_flags(&mut self, scan: &mut Scan<'_>) {
        while let Some(byte) = scan.byte() {
            match byte {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => return,
            }
            scan.at += 1;
        }
    }

    fn read_width(&mut self, scan: &mut Scan<'_>) {
        if scan.byte() != Some(b'*') {
            self.flags.width = scan.number();
            if scan.after_index && self.flags.width.is_some() {
                scan.good_index = false;
            }
            return;
        }
        scan.at += 1;
        match scan.star() {
            None => self.push(b"%!(BADWIDTH)"),
            Some(width) => {
                if width < 0 {
                    self.flags.minus = true;
                    self.flags.zero = false;
                }
                self.flags.width = usize::try_from(width.unsigned_abs()).ok();
            }
        }
        scan.after_index = false;
    }

    fn read_precision(&mut self, scan: &mut Scan<'_>) {
        if scan.byte() != Some(b'.') || scan.at + 1 >= scan.format.len() {
            return;
        }
        scan.at += 1;
        if scan.after_index {
            scan.good_index = false;
        }
        scan.index();
        if scan.byte() != Some(b'*') {
            self.flags.precision = Some(scan.number().unwrap_or(0));
            return;
        }
        scan.at += 1;
        match scan.star().map(usize::try_from) {
            Some(Ok(precision)) => self.flags.precision = Some(precision),
            // A negative precision is as bad as none.
            Some(Err(_)) | None => self.push(b"%!(BADPREC)"),
        }
        scan.after_index = false;
    }

    fn verb(&mut self, scan: &mut Scan<'_>, verb: char) {
        if verb == '%' {
            self.push(b"%");
            return;
        }
        if !scan.good_index {
            self.push_str(&format!("%!{verb}(BADINDEX)"));
            return;
        }
        let Some(arg) = scan.args.get(scan.next_arg) else {
            self.push_str(&format!("%!{verb}(MISSING)"));
            return;
        };
        scan.next_arg += 1;
        if matches!(verb, 'v' | 'w') {
            self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
            self.flags.plus_v = std::mem::take(&mut self.flags.plus);
        }
        self.arg(arg, verb);
    }
}
