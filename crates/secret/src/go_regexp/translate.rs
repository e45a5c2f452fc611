//! Rewriting a Go pattern into one that Rust's engine reads the same way.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;

use super::RegexpError;

/// The most repetitions that Go allows.
const MAX_REPEAT: u32 = 1000;
/// Groups nested deeper than this are refused, as in Go.
const MAX_NESTING: usize = 1000;

/// Translates `pattern`.
pub fn translate(pattern: &str) -> Result<String, RegexpError> {
    Translator {
        pattern,
        chars: pattern.char_indices().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        depth: 0,
        last: Last::Start,
    }
    .run()
}

/// What the pattern's last element was, which decides whether it can be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing that can be repeated.
    Start,
    /// Something that can.
    Item,
    /// A repetition that began at this offset.
    Repeat(usize),
}

struct Translator<'p> {
    pattern: &'p str,
    chars: Peekable<CharIndices<'p>>,
    out: String,
    depth: usize,
    last: Last,
}

impl Translator<'_> {
    fn run(mut self) -> Result<String, RegexpError> {
        while let Some((at, c)) = self.chars.next() {
            match c {
                '\\' => self.escape(at)?,
                '[' => {
                    self.class(at)?;
                    self.last = Last::Item;
                }
                '(' => self.open(at)?,
                ')' => {
                    self.depth = self
                        .depth
                        .checked_sub(1)
                        .ok_or_else(|| RegexpError::new("unexpected )", self.pattern))?;
                    self.out.push(')');
                    self.last = Last::Item;
                }
                '|' => {
                    self.out.push('|');
                    self.last = Last::Start;
                }
                '*' | '+' | '?' => {
                    self.out.push(c);
                    self.repeat(at)?;
                }
                '{' => self.brace(at)?,
                '}' | ']' => self.literal(c),
                '.' | '^' | '$' => {
                    self.out.push(c);
                    self.last = Last::Item;
                }
                c => self.literal(c),
            }
        }
        if self.depth > 0 {
            return Err(RegexpError::new("missing closing )", self.pattern));
        }
        Ok(self.out)
    }

    fn rest(&mut self) -> &str {
        let at = self.position();
        self.pattern.get(at..).unwrap_or_default()
    }

    fn position(&mut self) -> usize {
        self.chars.peek().map_or(self.pattern.len(), |(at, _)| *at)
    }

    fn from(&self, at: usize) -> &str {
        self.pattern.get(at..).unwrap_or_default()
    }

    fn upto(&mut self, at: usize) -> String {
        let end = self.position();
        self.pattern.get(at..end).unwrap_or_default().to_owned()
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.chars.next();
        }
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
        self.last = Last::Item;
    }

    /// A repetition whose operator, at `at`, was just written.
    fn repeat(&mut self, at: usize) -> Result<(), RegexpError> {
        if self.chars.next_if(|(_, c)| *c == '?').is_some() {
            self.out.push('?');
        }
        match self.last {
            Last::Item => self.last = Last::Repeat(at),
            Last::Start => {
                let part = self.upto(at);
                return Err(RegexpError::new(
                    "missing argument to repetition operator",
                    part,
                ));
            }
            Last::Repeat(first) => {
                let part = self.upto(first);
                return Err(RegexpError::new("invalid nested repetition operator", part));
            }
        }
        Ok(())
    }

    /// A brace is a repetition only if it reads as one.
    fn brace(&mut self, at: usize) -> Result<(), RegexpError> {
        let Some((length, least, most)) = repetition(self.rest()) else {
            self.literal('{');
            return Ok(());
        };
        self.skip(length);
        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
            let part = self.upto(at);
            return Err(RegexpError::new("invalid repeat count", part));
        }
        let text = self.upto(at);
        self.out.push_str(&text);
        self.repeat(at)
    }

    fn open(&mut self, at: usize) -> Result<(), RegexpError> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(RegexpError::new(
                "expression nests too deeply",
                self.pattern,
            ));
        }
        self.last = Last::Start;
        if self.chars.next_if(|(_, c)| *c == '?').is_none() {
            self.out.push('(');
            return Ok(());
        }
        if self.rest().starts_with("P<") || self.rest().starts_with('<') {
            return self.named_group(at);
        }
        // Flags, up to a colon or the closing parenthesis.
        let bad = |translator: &mut Self| {
            let part = translator.upto(at);
            Err(RegexpError::new("invalid or unsupported Perl syntax", part))
        };
        self.out.push_str("(?");
        let mut negated = false;
        let mut any = false;
        while let Some((_, c)) = self.chars.next() {
            match c {
                'i' | 'm' | 's' | 'U' => any = true,
                '-' if !negated => {
                    negated = true;
                    any = false;
                }
                ':' | ')' if any || !negated => {
                    if c == ')' {
                        self.depth -= 1;
                        if !any {
                            // `(?)` sets nothing; Rust has no such form.
                            self.out.push(':');
                        }
                    }
                    self.out.push(c);
                    return Ok(());
                }
                _ => return bad(self),
            }
            self.out.push(c);
        }
        bad(self)
    }

    fn named_group(&mut self, at: usize) -> Result<(), RegexpError> {
        let Some((head, _)) = self.rest().split_once('>') else {
            let part = self.from(at).to_owned();
            return Err(RegexpError::new("invalid named capture", part));
        };
        let length = head.chars().count() + 1;
        let name = head
            .trim_start_matches('P')
            .trim_start_matches('<')
            .to_owned();
        self.skip(length);
        let valid = !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if !valid {
            let part = self.upto(at);
            return Err(RegexpError::new("invalid named capture", part));
        }
        let _ = write!(self.out, "(?P<n{name}>");
        Ok(())
    }

    fn escape(&mut self, at: usize) -> Result<(), RegexpError> {
        let Some((_, c)) = self.chars.next() else {
            return Err(RegexpError::new(
                "trailing backslash at end of expression",
                "",
            ));
        };
        match c {
            'A' => self.out.push_str(r"\A"),
            'z' => self.out.push_str(r"\z"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' => self.out.push_str(r"(?-u:\B)"),
            'Q' => {
                let (text, length) = match self.rest().split_once(r"\E") {
                    Some((text, _)) => (text.to_owned(), text.chars().count() + 2),
                    None => (self.rest().to_owned(), usize::MAX),
                };
                self.skip(length.min(self.pattern.len()));
                for c in text.chars() {
                    self.literal(c);
                }
                return Ok(());
            }
            c => {
                if let Some(class) = perl_class(c) {
                    let _ = write!(self.out, "[{class}]");
                } else if matches!(c, 'p' | 'P') {
                    self.unicode_class(at, c)?;
                } else {
                    let c = self.escaped_char(at, c)?;
                    push_literal(&mut self.out, c);
                }
            }
        }
        self.last = Last::Item;
        Ok(())
    }

    /// The character that an escape stands for; `c` follows the backslash at `at`.
    fn escaped_char(&mut self, at: usize, c: char) -> Result<char, RegexpError> {
        let code = match c {
            'a' => 7,
            'f' => 12,
            't' => 9,
            'n' => 10,
            'r' => 13,
            'v' => 11,
            '0'..='7' => {
                let next = self.chars.peek().map(|(_, c)| *c);
                if c != '0' && !matches!(next, Some('0'..='7')) {
                    return Err(self.bad_escape(at));
                }
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some((_, digit)) = self.chars.next_if(|(_, c)| matches!(c, '0'..='7'))
                    else {
                        break;
                    };
                    code = code * 8 + digit.to_digit(8).unwrap_or(0);
                }
                code
            }
            'x' => match self.hexadecimal() {
                Some(code) => code,
                None => return Err(self.bad_escape(at)),
            },
            c if c.is_ascii_punctuation() || c == ' ' || c.is_ascii_control() => u32::from(c),
            _ => return Err(self.bad_escape(at)),
        };
        char::from_u32(code).ok_or_else(|| self.bad_escape(at))
    }

    fn bad_escape(&mut self, at: usize) -> RegexpError {
        let part = self.upto(at);
        RegexpError::new("invalid escape sequence", part)
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let mut code = 0_u32;
        if self.chars.next_if(|(_, c)| *c == '{').is_some() {
            let mut digits = 0;
            loop {
                let (_, c) = self.chars.next()?;
                if c == '}' {
                    return (digits > 0).then_some(code);
                }
                code = code * 16 + c.to_digit(16)?;
                digits += 1;
                if code > u32::from(char::MAX) {
                    return None;
                }
            }
        }
        for _ in 0..2 {
            let (_, c) = self.chars.next()?;
            code = code * 16 + c.to_digit(16)?;
        }
        Some(code)
    }

    fn unicode_class(&mut self, at: usize, letter: char) -> Result<(), RegexpError> {
        let invalid = "invalid character class range";
        let Some((_, c)) = self.chars.next() else {
            let part = self.upto(at);
            return Err(RegexpError::new(invalid, part));
        };
        let mut name = String::new();
        if c == '{' {
            loop {
                match self.chars.next() {
                    Some((_, '}')) => break,
                    Some((_, c)) => name.push(c),
                    None => {
                        let part = self.from(at).to_owned();
                        return Err(RegexpError::new(invalid, part));
                    }
                }
            }
        } else {
            name.push(c);
        }
        let mut negated = letter == 'P';
        if let Some(inner) = name.strip_prefix('^') {
            negated = !negated;
            name = inner.to_owned();
        }
        let valid = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' '));
        let class = format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' });
        if !valid || name.is_empty() || regex::Regex::new(&class).is_err() {
            let part = self.upto(at);
            return Err(RegexpError::new(invalid, part));
        }
        self.out.push_str(&class);
        Ok(())
    }

    /// A class in brackets. Every member is written so that none can be an operator of Rust's
    /// richer classes.
    fn class(&mut self, at: usize) -> Result<(), RegexpError> {
        self.out.push('[');
        if self.chars.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let start = self.position();
            let Some((_, c)) = self.chars.next() else {
                let part = self.from(at).to_owned();
                return Err(RegexpError::new("missing closing ]", part));
            };
            if c == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if c == '[' && self.rest().starts_with(':') && self.posix_class(start)? {
                continue;
            }
            let low = match c {
                '\\' => {
                    let Some((_, c)) = self.chars.next() else {
                        return Err(RegexpError::new(
                            "trailing backslash at end of expression",
                            "",
                        ));
                    };
                    if let Some(class) = perl_class(c) {
                        let _ = write!(self.out, "[{class}]");
                        continue;
                    }
                    if matches!(c, 'p' | 'P') {
                        self.unicode_class(start, c)?;
                        continue;
                    }
                    self.escaped_char(start, c)?
                }
                c => c,
            };
            push_literal(&mut self.out, low);
            let Some(high) = self.range_end(start)? else {
                continue;
            };
            if high < low {
                let part = self.upto(start);
                return Err(RegexpError::new("invalid character class range", part));
            }
            self.out.push('-');
            push_literal(&mut self.out, high);
        }
    }

    /// The upper end of a range whose lower end, at `start`, was just read; nothing if it is a
    /// single character.
    fn range_end(&mut self, start: usize) -> Result<Option<char>, RegexpError> {
        let rest = self.rest();
        if !rest.starts_with('-') || rest.starts_with("-]") || rest.len() == 1 {
            return Ok(None);
        }
        self.chars.next();
        match self.chars.next() {
            Some((_, '\\')) => match self.chars.next() {
                Some((_, c)) => self.escaped_char(start, c).map(Some),
                None => Err(RegexpError::new(
                    "trailing backslash at end of expression",
                    "",
                )),
            },
            Some((_, c)) => Ok(Some(c)),
            None => Ok(None),
        }
    }

    /// `[:name:]` inside a class; false if there is no closing `:]`.
    fn posix_class(&mut self, start: usize) -> Result<bool, RegexpError> {
        let Some((name, _)) = self.rest().get(1..).and_then(|rest| rest.split_once(":]")) else {
            return Ok(false);
        };
        let name = name.to_owned();
        let known = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
            "punct", "space", "upper", "word", "xdigit",
        ];
        let length = name.chars().count() + 3;
        self.skip(length);
        if !known.contains(&name.strip_prefix('^').unwrap_or(&name)) {
            let part = self.upto(start);
            return Err(RegexpError::new("invalid character class range", part));
        }
        let _ = write!(self.out, "[:{name}:]");
        Ok(true)
    }
}

/// The members of `\d`, `\s` and `\w`, which are ASCII in Go.
fn perl_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "0-9",
        'D' => "^0-9",
        's' => r"\t\n\x0c\r ",
        'S' => r"^\t\n\x0c\r ",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        _ => return None,
    })
}

fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(out, r"\x{:02x}", u32::from(c));
    }
}

/// Reads `n}`, `n,}` or `n,m}`: its length in characters, and its bounds.
fn repetition(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let (inside, _) = text.split_once('}')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        plain.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inside.split_once(',') {
        None => {
            let count = number(inside)?;
            (count, Some(count))
        }
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((inside.len() + 1, least, most))
}
