//! How a text is written: plain, quoted, or as a block of lines.

use super::resolve::{Kind, is_timestamp, resolve};

/// The way to write a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What can be written as it is; characters beyond the basic plane cannot.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

/// What stands in the way of the simpler styles.
#[derive(Default)]
struct Analysis {
    plain: bool,
    single: bool,
    block: bool,
    multiline: bool,
}

fn analyse(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis {
            plain: true,
            single: true,
            ..Analysis::default()
        };
    }
    let chars: Vec<char> = text.chars().collect();
    let mut indicator = text.starts_with("---") || text.starts_with("...");
    let (mut special, mut line_break, mut break_space, mut space_break) =
        (false, false, false, false);
    let mut before: Option<char> = None;
    for (i, c) in chars.iter().copied().enumerate() {
        let next = chars.get(i + 1);
        let blank_follows = next.is_none_or(|c| matches!(c, ' ' | '\t'));
        let blank_before = before.is_none_or(|c| matches!(c, ' ' | '\t') || is_break(c));
        indicator |= match (i, c) {
            (
                0,
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`',
            ) => true,
            (0, '?' | ':' | '-') | (_, ':') => blank_follows,
            (_, '#') => blank_before,
            _ => false,
        };
        special |= !is_printable(c);
        line_break |= is_break(c);
        break_space |= c == ' ' && before.is_some_and(is_break);
        space_break |= is_break(c) && before == Some(' ');
        before = Some(c);
    }
    let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
    let edged = edge(chars.first()) || edge(chars.last());
    let trailing_space = chars.last() == Some(&' ');
    Analysis {
        plain: !(edged || break_space || space_break || special || line_break || indicator),
        single: !(break_space || space_break || special),
        block: !(trailing_space || space_break || special),
        multiline: line_break,
    }
}

/// Whether a text can be a key on one line.
pub(super) fn is_simple_key(text: &str) -> bool {
    !analyse(text).multiline && text.len() <= 128
}

/// Chooses the style of a text; keys on one line are never blocks.
pub(super) fn style(text: &str, simple_key: bool) -> Style {
    let analysis = analyse(text);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if resolve(text).0 == Kind::Text && !is_timestamp(text) && !is_sexagesimal(text) {
        Style::Plain
    } else {
        Style::Double
    };
    match wanted {
        _ if simple_key && analysis.multiline => Style::Double,
        Style::Plain if analysis.plain && !(text.is_empty() && simple_key) => Style::Plain,
        Style::Plain if analysis.single => Style::Single,
        Style::Literal if analysis.block && !simple_key => Style::Literal,
        _ => Style::Double,
    }
}

/// `1:30`, which YAML 1.1 took for a number in base 60.
fn is_sexagesimal(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = body.split(':');
    let first = parts.next().unwrap_or_default();
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !numeric(first) {
        return false;
    }
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else {
        return false;
    };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let minute = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [ten, digit] => (b'0'..=b'5').contains(ten) && digit.is_ascii_digit(),
        _ => false,
    };
    rest.iter().all(|part| minute(part)) && minute(last) && numeric(fraction)
}

/// A character of a double-quoted text.
pub(super) fn push_escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '"' | '\\' => {
            out.push('\\');
            out.push(c);
        }
        _ if is_printable(c) && !is_break(c) => out.push(c),
        '\0' => out.push_str("\\0"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\u{1b}' => out.push_str("\\e"),
        '\u{85}' => out.push_str("\\N"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        _ if code <= 0xff => out.push_str(&format!("\\x{code:02X}")),
        _ if code <= 0xffff => out.push_str(&format!("\\u{code:04X}")),
        _ => out.push_str(&format!("\\U{code:08X}")),
    }
}
