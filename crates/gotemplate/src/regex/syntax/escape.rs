//! What follows a backslash.

/// The meaning of an escape outside of a class.
pub(super) enum Escape {
    Char(char),
    /// The inside of a class.
    Class(String),
    Anchor(&'static str),
}

const INVALID: &str = "invalid escape sequence";

impl Escape {
    /// Reads the escape at the start of `text` and gives what follows.
    pub(super) fn read(text: &str) -> Result<(Self, &str), &'static str> {
        if let Some(found) = class(text)? {
            return Ok((Self::Class(found.0), found.1));
        }
        let mut chars = text.chars();
        chars.next();
        let escape = match chars.next() {
            Some('A') => Self::Anchor("\\A"),
            Some('z') => Self::Anchor("\\z"),
            Some('b') => Self::Anchor("(?-u:\\b)"),
            Some('B') => Self::Anchor("(?-u:\\B)"),
            _ => {
                let (c, rest) = character(text)?;
                return Ok((Self::Char(c), rest));
            }
        };
        Ok((escape, chars.as_str()))
    }
}

/// `\d \s \w \p…` and their negations, as the inside of a class.
pub(super) fn class(text: &str) -> Result<Option<(String, &str)>, &'static str> {
    let mut chars = text.chars();
    chars.next();
    let name = chars.next();
    let found = match name {
        Some('d') => "0-9",
        Some('D') => "[^0-9]",
        Some('s') => "\\t\\n\\x0C\\r\\x20",
        Some('S') => "[^\\t\\n\\x0C\\r\\x20]",
        Some('w') => "0-9A-Za-z_",
        Some('W') => "[^0-9A-Za-z_]",
        Some(c @ ('p' | 'P')) => return property(c == 'P', chars.as_str()).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((found.to_owned(), chars.as_str())))
}

fn property(negated: bool, text: &str) -> Result<(String, &str), &'static str> {
    const RANGE: &str = "invalid character class range";
    let (name, rest) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}').ok_or(RANGE)?,
        None => {
            let first = text.chars().next().ok_or(RANGE)?;
            text.split_at_checked(first.len_utf8()).ok_or(RANGE)?
        }
    };
    let (caret, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let valid = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    if name.is_empty() || !valid {
        return Err(RANGE);
    }
    let letter = if negated == caret { 'p' } else { 'P' };
    Ok((format!("\\{letter}{{{name}}}"), rest))
}

/// An escape that stands for one character, inside of a class or not.
pub(super) fn character(text: &str) -> Result<(char, &str), &'static str> {
    let mut chars = text.chars();
    chars.next();
    let Some(c) = chars.next() else {
        return Err("trailing backslash at end of expression");
    };
    let rest = chars.as_str();
    let plain = match c {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => return hexadecimal(rest),
        '0'..='7' => {
            let octal = |c: char| c.is_digit(8);
            // One digit alone would be a back reference, except for 0.
            if c != '0' && !rest.starts_with(octal) {
                return Err(INVALID);
            }
            let more = rest.chars().take(2).take_while(|c| octal(*c)).count();
            let digits = text.get(1..2 + more).ok_or(INVALID)?;
            let code = u32::from_str_radix(digits, 8).map_err(|_| INVALID)?;
            let rest = rest.get(more..).unwrap_or_default();
            return Ok((char::from_u32(code).ok_or(INVALID)?, rest));
        }
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
        _ => return Err(INVALID),
    };
    Ok((plain, rest))
}

fn hexadecimal(text: &str) -> Result<(char, &str), &'static str> {
    let (digits, rest) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}').ok_or(INVALID)?,
        None => text.split_at_checked(2).ok_or(INVALID)?,
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(INVALID);
    }
    let code = u32::from_str_radix(digits, 16).map_err(|_| INVALID)?;
    Ok((char::from_u32(code).ok_or(INVALID)?, rest))
}
