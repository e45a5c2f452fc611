//! Integers, characters, floats and booleans under their verbs.

use super::Printer;
use super::float;
use super::quote::quoted_char;
use crate::unicode::is_print;

impl Printer {
    pub(super) fn boolean(&mut self, value: bool, verb: char) -> bool {
        let fits = matches!(verb, 't' | 'v');
        if fits {
            self.pad(if value { b"true" } else { b"false" });
        }
        fits
    }

    pub(super) fn signed(&mut self, value: i64, verb: char) -> bool {
        self.integer(value.unsigned_abs(), value < 0, verb)
    }

    pub(super) fn unsigned(&mut self, value: u64, verb: char) -> bool {
        if verb == 'v' && self.flags.sharp_v {
            let sharp = std::mem::replace(&mut self.flags.sharp, true);
            self.digits(value, false, 16, 'v');
            self.flags.sharp = sharp;
            return true;
        }
        self.integer(value, false, verb)
    }

    fn integer(&mut self, value: u64, negative: bool, verb: char) -> bool {
        match verb {
            'v' | 'd' => self.digits(value, negative, 10, verb),
            'b' => self.digits(value, negative, 2, verb),
            'o' | 'O' => self.digits(value, negative, 8, verb),
            'x' | 'X' => self.digits(value, negative, 16, verb),
            'c' => {
                let mut buffer = [0; 4];
                let text = character(value, negative).encode_utf8(&mut buffer);
                self.pad(text.as_bytes());
            }
            'q' => {
                let text = quoted_char(character(value, negative), self.flags.plus);
                self.pad(text.as_bytes());
            }
            'U' => self.code_point(if negative {
                value.wrapping_neg()
            } else {
                value
            }),
            _ => return false,
        }
        true
    }

    fn digits(&mut self, value: u64, negative: bool, radix: u32, verb: char) {
        let signed = negative || self.flags.plus || self.flags.space;
        let mut least = 0;
        if let Some(precision) = self.flags.precision {
            if precision == 0 && value == 0 {
                self.fill(self.flags.width.unwrap_or(0), b' ');
                return;
            }
            least = precision;
        } else if self.flags.zero && !self.flags.minus {
            least = self
                .flags
                .width
                .unwrap_or(0)
                .saturating_sub(usize::from(signed));
        }
        if !self.room(least) {
            return;
        }
        let mut digits = match radix {
            2 => format!("{value:b}"),
            8 => format!("{value:o}"),
            16 if verb == 'X' => format!("{value:X}"),
            16 => format!("{value:x}"),
            _ => value.to_string(),
        };
        if digits.len() < least {
            digits.insert_str(0, &"0".repeat(least - digits.len()));
        }
        let prefix = match (radix, verb) {
            (8, 'O') => "0o",
            (2, _) if self.flags.sharp => "0b",
            (8, _) if self.flags.sharp && !digits.starts_with('0') => "0",
            (16, 'X') if self.flags.sharp => "0X",
            (16, _) if self.flags.sharp => "0x",
            _ => "",
        };
        let sign = match (negative, self.flags.plus, self.flags.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        };
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(format!("{sign}{prefix}{digits}").as_bytes());
        self.flags.zero = zero;
    }

    /// `%U`: `U+0041`, with `#` also the character.
    fn code_point(&mut self, value: u64) {
        let least = self.flags.precision.unwrap_or(4).max(4);
        if !self.room(least) {
            return;
        }
        let mut text = format!("U+{value:0>least$X}");
        if self.flags.sharp
            && let Some(c) = u32::try_from(value).ok().and_then(char::from_u32)
            && is_print(c)
        {
            text.push_str(&format!(" '{c}'"));
        }
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text.as_bytes());
        self.flags.zero = zero;
    }

    pub(super) fn float(&mut self, value: f64, verb: char) -> bool {
        match verb {
            'v' => self.real(value, b'g', None),
            'e' | 'E' | 'f' | 'F' => self.real(value, verb as u8, Some(6)),
            'g' | 'G' | 'b' | 'x' | 'X' => self.real(value, verb as u8, None),
            _ => return false,
        }
        true
    }

    fn real(&mut self, value: f64, verb: u8, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        if !self.room(precision.unwrap_or(0)) {
            return;
        }
        let mut text = float::format(value, verb, precision);
        if self.flags.sharp && verb != b'b' {
            text = with_point(&text, verb, precision);
        }
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if self.flags.space && text.starts_with('+') && !self.flags.plus {
            text.replace_range(..1, " ");
        }
        if !value.is_finite() {
            // Not padded with zeros; only a NaN goes without its sign.
            let zero = std::mem::take(&mut self.flags.zero);
            let bare = value.is_nan() && !self.flags.space && !self.flags.plus;
            self.pad(text.get(usize::from(bare)..).unwrap_or_default().as_bytes());
            self.flags.zero = zero;
            return;
        }
        if self.flags.plus || !text.starts_with('+') {
            self.signed_float(&text);
        } else {
            self.pad(text.get(1..).unwrap_or_default().as_bytes());
        }
    }

    /// The sign goes before padding zeros.
    fn signed_float(&mut self, text: &str) {
        let width = self.flags.width.unwrap_or(0);
        if self.flags.zero && !self.flags.minus && width > text.len() {
            let (sign, rest) = text.split_at_checked(1).unwrap_or(("", text));
            self.push_str(sign);
            self.fill(width - text.len(), b'0');
            self.push_str(rest);
        } else {
            self.pad(text.as_bytes());
        }
    }

    pub(super) fn complex(&mut self, (re, im): (f64, f64), verb: char) -> bool {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return false;
        }
        let plus = self.flags.plus;
        self.push(b"(");
        self.float(re, verb);
        self.flags.plus = true;
        self.float(im, verb);
        self.push(b"i)");
        self.flags.plus = plus;
        true
    }
}

/// `#` keeps the decimal point and, for `%g`, the trailing zeros.
fn with_point(text: &str, verb: u8, precision: Option<usize>) -> String {
    if text.contains("Inf") || text.contains("NaN") {
        return text.to_owned();
    }
    let hex = verb | 0x20 == b'x';
    let exponent_at = text.find(if hex { ['p', 'P'] } else { ['e', 'E'] });
    let (mantissa, tail) = text
        .split_at_checked(exponent_at.unwrap_or(text.len()))
        .unwrap_or((text, ""));
    let mut wanted = match verb | 0x20 {
        b'g' => precision.unwrap_or(6).max(1),
        b'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let mut seen_nonzero = false;
    for c in mantissa.chars().filter(char::is_ascii_hexdigit) {
        seen_nonzero |= c != '0';
        if seen_nonzero {
            wanted = wanted.saturating_sub(1);
        }
    }
    if !seen_nonzero && !hex {
        wanted = wanted.saturating_sub(1);
    }
    let point = if mantissa.contains('.') { "" } else { "." };
    format!("{mantissa}{point}{}{tail}", "0".repeat(wanted))
}

/// The character of a code; U+FFFD where there is none.
fn character(value: u64, negative: bool) -> char {
    u32::try_from(value)
        .ok()
        .filter(|_| !negative)
        .and_then(char::from_u32)
        .unwrap_or('\u{fffd}')
}
