//! Text into tokens: delimiters, trim markers, comments, literals.
//!
//! Owns the grammar of tokens and their positions. Refuses meaning: numbers and quoted strings
//! stay as written.

use std::borrow::Cow;

use crate::unicode::is_alphanumeric;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Eof,
    Text,
    LeftDelim,
    RightDelim,
    Space,
    LeftParen,
    RightParen,
    Assign,
    Declare,
    Pipe,
    Char,
    CharConstant,
    Complex,
    Number,
    Quoted,
    RawQuoted,
    Bool,
    Field,
    Variable,
    Identifier,
    // Keywords, shown as `<word>` in errors.
    Block,
    Break,
    Continue,
    Define,
    Dot,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    pub(crate) const fn is_keyword(self) -> bool {
        self as u8 >= Self::Block as u8
    }
}

/// A token with its place.
#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) pos: usize,
    pub(crate) line: usize,
    pub(crate) text: Cow<'a, str>,
}

/// The scanner, asked for one token at a time.
pub(crate) struct Lexer<'a> {
    input: &'a str,
    left: &'a str,
    right: &'a str,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    parens: usize,
    inside: bool,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(c: char) -> bool {
    SPACES.contains(&c)
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a str, left: &'a str, right: &'a str) -> Self {
        Self {
            input,
            left,
            right,
            pos: 0,
            start: 0,
            line: 1,
            start_line: 1,
            parens: 0,
            inside: false,
        }
    }

    fn rest(&self) -> &'a str {
        self.input.get(self.pos..).unwrap_or_default()
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.input.get(from..to).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn newlines(text: &str) -> usize {
        text.bytes().filter(|b| *b == b'\n').count()
    }

    /// Moves over `n` bytes, counting lines.
    fn advance(&mut self, n: usize) {
        self.line += Self::newlines(self.slice(self.pos, self.pos + n));
        self.pos += n;
    }

    fn token(&mut self, kind: Kind) -> Token<'a> {
        let token = Token {
            kind,
            pos: self.start,
            line: self.start_line,
            text: Cow::Borrowed(self.slice(self.start, self.pos)),
        };
        self.ignore();
        token
    }

    fn ignore(&mut self) {
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn error(&mut self, text: impl Into<Cow<'a, str>>) -> Token<'a> {
        let token = Token {
            kind: Kind::Error,
            pos: self.start,
            line: self.start_line,
            text: text.into(),
        };
        self.input = "";
        self.pos = 0;
        self.start = 0;
        token
    }

    /// The next token; `Eof` for ever at the end.
    pub(crate) fn next(&mut self) -> Token<'a> {
        loop {
            let token = if self.inside {
                Some(self.inside_action())
            } else {
                self.text()
            };
            if let Some(token) = token {
                return token;
            }
        }
    }

    /// Outside of actions; `None` after a comment.
    fn text(&mut self) -> Option<Token<'a>> {
        let Some(offset) = self.rest().find(self.left) else {
            let rest = self.rest().len();
            if rest == 0 {
                let mut eof = self.token(Kind::Eof);
                eof.text = Cow::Borrowed("EOF");
                return Some(eof);
            }
            self.advance(rest);
            return Some(self.token(Kind::Text));
        };
        if offset > 0 {
            let text = self.slice(self.pos, self.pos + offset);
            let after = self.slice(self.pos + offset + self.left.len(), self.input.len());
            let kept = if has_left_trim(after) {
                text.trim_end_matches(SPACES).len()
            } else {
                offset
            };
            self.advance(kept);
            let token = self.token(Kind::Text);
            self.advance(offset - kept);
            self.ignore();
            if !token.text.is_empty() {
                return Some(token);
            }
        }
        self.left_delim()
    }

    fn left_delim(&mut self) -> Option<Token<'a>> {
        self.pos += self.left.len();
        let trim = if has_left_trim(self.rest()) { 2 } else { 0 };
        let after = self.slice(self.pos + trim, self.input.len());
        if after.starts_with("/*") {
            self.advance(trim);
            self.ignore();
            return self.comment();
        }
        let token = self.token(Kind::LeftDelim);
        self.inside = true;
        self.advance(trim);
        self.ignore();
        self.parens = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token<'a>> {
        let Some(end) = self.rest().get(2..).and_then(|rest| rest.find("*/")) else {
            return Some(self.error("unclosed comment"));
        };
        self.advance(2 + end + 2);
        let (delim, trim) = self.at_right_delim();
        if !delim {
            return Some(self.error("comment ends before closing delimiter"));
        }
        if trim {
            self.advance(2);
        }
        self.pos += self.right.len();
        if trim {
            self.skip_spaces();
        }
        self.ignore();
        None
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.advance(rest.len() - rest.trim_start_matches(SPACES).len());
    }

    /// Whether the closing delimiter is here, and whether a trim marker precedes it.
    fn at_right_delim(&self) -> (bool, bool) {
        let rest = self.rest();
        if has_right_trim(rest) && rest.get(2..).is_some_and(|r| r.starts_with(self.right)) {
            return (true, true);
        }
        (rest.starts_with(self.right), false)
    }

    fn right_delim(&mut self) -> Token<'a> {
        let (_, trim) = self.at_right_delim();
        if trim {
            self.advance(2);
            self.ignore();
        }
        self.pos += self.right.len();
        let token = self.token(Kind::RightDelim);
        if trim {
            self.skip_spaces();
            self.ignore();
        }
        self.inside = false;
        token
    }

    fn inside_action(&mut self) -> Token<'a> {
        if self.at_right_delim().0 {
            if self.parens == 0 {
                return self.right_delim();
            }
            return self.error("unclosed left paren");
        }
        let Some(c) = self.next_char() else {
            return self.error("unclosed action");
        };
        match c {
            _ if is_space(c) => self.space(),
            '=' => self.token(Kind::Assign),
            ':' => {
                if self.next_char() == Some('=') {
                    self.token(Kind::Declare)
                } else {
                    self.error("expected :=")
                }
            }
            '|' => self.token(Kind::Pipe),
            '"' => self.quoted('"', Kind::Quoted, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => self.raw_quoted(),
            '$' => self.field_or_variable(Kind::Variable),
            '.' if !self.rest().is_empty()
                && !self.rest().starts_with(|c: char| c.is_ascii_digit()) =>
            {
                self.field_or_variable(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()
            }
            _ if is_alphanumeric(c) => self.identifier(),
            '(' => {
                self.parens += 1;
                self.token(Kind::LeftParen)
            }
            ')' => {
                if self.parens == 0 {
                    return self.error("unexpected right paren");
                }
                self.parens -= 1;
                self.token(Kind::RightParen)
            }
            ' '..='~' => self.token(Kind::Char),
            _ => self.error(format!("unrecognized character in action: {}", named(c))),
        }
    }

    fn space(&mut self) -> Token<'a> {
        let mut count = 1;
        while self.peek().is_some_and(is_space) {
            self.next_char();
            count += 1;
        }
        // The last space may belong to a trim marker.
        let last = self.slice(self.pos - 1, self.input.len());
        if has_right_trim(last) && last.get(2..).is_some_and(|r| r.starts_with(self.right)) {
            self.pos -= 1;
            if self.rest().starts_with('\n') {
                self.line -= 1;
            }
            if count == 1 {
                return self.right_delim();
            }
        }
        self.token(Kind::Space)
    }

    fn identifier(&mut self) -> Token<'a> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next_char();
        }
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = match self.slice(self.start, self.pos) {
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "nil" => Kind::Nil,
            "range" => Kind::Range,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.token(kind)
    }

    fn bad_character(&mut self) -> Token<'a> {
        match self.peek() {
            Some(c) => self.error(format!("bad character {}", named(c))),
            None => self.error("bad character at the end"),
        }
    }

    /// After `.` or `$`.
    fn field_or_variable(&mut self, kind: Kind) -> Token<'a> {
        if self.at_terminator() {
            return self.token(if kind == Kind::Variable {
                kind
            } else {
                Kind::Dot
            });
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.next_char();
        }
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.token(kind)
    }

    /// Whether a word may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(c) if is_space(c) => true,
            Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(self.right),
        }
    }

    fn quoted(&mut self, end: char, kind: Kind, unterminated: &'static str) -> Token<'a> {
        loop {
            match self.next_char() {
                Some('\\') => match self.next_char() {
                    Some(c) if c != '\n' => {}
                    _ => return self.error(unterminated),
                },
                None | Some('\n') => return self.error(unterminated),
                Some(c) if c == end => return self.token(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_quoted(&mut self) -> Token<'a> {
        loop {
            match self.next_char() {
                None => return self.error("unterminated raw quoted string"),
                Some('`') => return self.token(Kind::RawQuoted),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Token<'a> {
        let whole = self.scan_number();
        let signed = matches!(self.peek(), Some('+' | '-'));
        if whole && !signed {
            return self.token(Kind::Number);
        }
        if whole && self.scan_number() && self.slice(self.start, self.pos).ends_with('i') {
            return self.token(Kind::Complex);
        }
        let text = crate::fmt::quote::quoted(self.slice(self.start, self.pos).as_bytes());
        self.error(format!("bad number syntax: {text}"))
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.pos += 1;
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        let (mut decimal, mut hex) = (true, false);
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
                (decimal, hex) = (false, true);
            } else if self.accept("oO") {
                digits = "01234567_";
                decimal = false;
            } else if self.accept("bB") {
                digits = "01_";
                decimal = false;
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if decimal && self.accept("eE") || hex && self.accept("pP") {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next_char();
            return false;
        }
        true
    }
}

fn has_left_trim(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

fn has_right_trim(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_space) && chars.next() == Some('-')
}

/// `%#U`: the code point and, if printable, the character.
fn named(c: char) -> String {
    let code = c as u32;
    if crate::unicode::is_print(c) {
        format!("U+{code:04X} '{c}'")
    } else {
        format!("U+{code:04X}")
    }
}
