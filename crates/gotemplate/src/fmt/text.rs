//! Strings and byte slices under `%v %s %q %x %X`.

use super::Printer;
use super::quote::{can_backquote, quoted, quoted_ascii};
use crate::unicode::runes;
use crate::value::Value;

impl Printer {
    pub(super) fn text(&mut self, bytes: &[u8], verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v => self.quote(bytes),
            'v' | 's' => {
                let cut = self.cut(bytes);
                self.pad(cut);
            }
            'x' => self.hex(bytes, false),
            'X' => self.hex(bytes, true),
            'q' => self.quote(bytes),
            _ => return false,
        }
        true
    }

    /// Cut to the precision, counted in characters.
    fn cut<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(precision) = self.flags.precision else {
            return bytes;
        };
        match runes(bytes).nth(precision) {
            Some((at, ..)) => bytes.get(..at).unwrap_or(bytes),
            None => bytes,
        }
    }

    fn quote(&mut self, bytes: &[u8]) {
        if !self.room(bytes.len()) {
            return;
        }
        let bytes = self.cut(bytes);
        if self.flags.sharp && can_backquote(bytes) {
            let text = [b"`", bytes, b"`"].concat();
            self.pad(&text);
        } else if self.flags.plus {
            self.pad(quoted_ascii(bytes).as_bytes());
        } else {
            self.pad(quoted(bytes).as_bytes());
        }
    }

    fn hex(&mut self, bytes: &[u8], upper: bool) {
        let shown = self.flags.precision.unwrap_or(bytes.len()).min(bytes.len());
        let bytes = bytes.get(..shown).unwrap_or(bytes);
        if !self.room(bytes.len().saturating_mul(2)) {
            return;
        }
        let digits: &[u8; 16] = if upper {
            b"0123456789ABCDEF"
        } else {
            b"0123456789abcdef"
        };
        let prefix: &[u8] = match (self.flags.sharp, upper) {
            (false, _) => b"",
            (true, false) => b"0x",
            (true, true) => b"0X",
        };
        let mut out = Vec::with_capacity(bytes.len() * 2);
        for (i, byte) in bytes.iter().enumerate() {
            if self.flags.space && i > 0 {
                out.push(b' ');
            }
            if i == 0 || self.flags.space {
                out.extend_from_slice(prefix);
            }
            for digit in [byte >> 4, byte & 15] {
                out.extend(digits.get(usize::from(digit)));
            }
        }
        self.pad(&out);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8], verb: char) -> bool {
        if !matches!(verb, 'v' | 'd') {
            return self.text(bytes, verb);
        }
        if self.flags.sharp_v {
            self.push(b"[]byte{");
            for (i, byte) in bytes.iter().enumerate() {
                self.push(if i > 0 { b", " } else { b"" });
                self.push_str(&format!("{byte:#x}"));
            }
            self.push(b"}");
            return true;
        }
        self.push(b"[");
        for (i, byte) in bytes.iter().enumerate() {
            if self.failed.is_some() {
                break;
            }
            self.push(if i > 0 { b" " } else { b"" });
            self.unsigned(u64::from(*byte), 'd');
        }
        self.push(b"]");
        true
    }

    /// A value's `String` text under a verb that takes strings; `false` for other verbs.
    pub(super) fn stringer(&mut self, text: &[u8], verb: char) -> bool {
        !self.flags.sharp_v
            && !self.erroring
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && self.text(text, verb)
    }

    pub(super) fn bad_verb(&mut self, value: &Value, verb: char) {
        self.erroring = true;
        self.push_str(&format!("%!{verb}("));
        if value.is_nil() {
            self.push(b"<nil>");
        } else {
            self.push_str(&value.type_name());
            self.push(b"=");
            self.arg(value, 'v');
        }
        self.push(b")");
        self.erroring = false;
    }
}
