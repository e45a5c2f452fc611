//! Go's regular expressions (RE2) in the syntax of the `regex` crate.

use regex::{Regex, RegexBuilder};

/// Compiles a pattern with RE2's meaning: Perl classes are ASCII, and brackets inside a class
/// are literal.
pub(super) fn compile(source: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(source))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            text.lines()
                .last()
                .unwrap_or("not a regular expression")
                .to_owned()
        })
}

fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut chars = source.chars().peekable();
    let mut in_class = false;
    let mut class_start = false;
    while let Some(c) = chars.next() {
        let first_of_class = std::mem::take(&mut class_start);
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str("[\\t\\n\\x0C\\r ]"),
                Some('S') => out.push_str("[^\\t\\n\\x0C\\r ]"),
                Some('b') if !in_class => out.push_str("(?-u:\\b)"),
                Some('Q') if !in_class => quote(&mut chars, &mut out),
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                class_start = true;
                out.push('[');
            }
            '^' if first_of_class => {
                class_start = true;
                out.push('^');
            }
            ']' if in_class && first_of_class => out.push_str("\\]"),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '[' if chars.peek() == Some(&':') => {
                // A POSIX class: copied up to its closing `:]`.
                out.push('[');
                let mut last = ' ';
                for next in chars.by_ref() {
                    out.push(next);
                    if last == ':' && next == ']' {
                        break;
                    }
                    last = next;
                }
            }
            '[' | '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

fn quote(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut literal = String::new();
    for next in chars.by_ref() {
        literal.push(next);
        if literal.ends_with("\\E") {
            literal.truncate(literal.len() - 2);
            break;
        }
    }
    out.push_str(&regex::escape(&literal));
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn re2_meaning() {
        for (pattern, text, matches) in [
            (r"^\d+$", "٣", false),
            (r"^\d+$", "3", true),
            (r"^[\w.-]+$", "a-b.c_9", true),
            (r"^[[a]+$", "[a", true),
            (r"^[]a]+$", "]", true),
            (r"^[^]a]+$", "b", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^[a&&b]+$", "&", true),
        ] {
            assert_eq!(
                compile(pattern).unwrap().is_match(text),
                matches,
                "{pattern} on {text}"
            );
        }
        assert!(compile("(").is_err());
    }
}
