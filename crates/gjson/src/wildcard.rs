//! Wildcard patterns: `*` any characters, `?` one, `\` takes the next literally.
//!
//! Takes at most (length of text × length of pattern) steps: a star's shortest match is always
//! enough, so nothing is tried twice. gjson searches exhaustively and gives up at a limit.

use crate::bytes::{first_char, tail};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    Char(char),
    /// A backslash at the end: matches only when it is compared from the end.
    Dangling,
}

fn tokens(pattern: &[u8]) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = pattern;
    while let Some((c, width)) = first_char(rest) {
        rest = tail(rest, width);
        out.push(match c {
            '*' => {
                if out.last() == Some(&Token::Star) {
                    continue;
                }
                Token::Star
            }
            '?' => Token::Any,
            '\\' => match first_char(rest) {
                Some((escaped, width)) => {
                    rest = tail(rest, width);
                    Token::Char(escaped)
                }
                None => Token::Dangling,
            },
            c => Token::Char(c),
        });
    }
    out
}

fn chars(mut text: &[u8]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((c, width)) = first_char(text) {
        out.push(c);
        text = tail(text, width);
    }
    out
}

fn fits(token: Token, c: char, from_end: bool) -> bool {
    match token {
        Token::Any => true,
        Token::Char(wanted) => wanted == c,
        Token::Dangling => from_end && c == '\\',
        Token::Star => false,
    }
}

fn fits_all(tokens: &[Token], text: &[char], from_end: bool) -> bool {
    tokens.len() == text.len() && tokens.iter().zip(text).all(|(t, c)| fits(*t, *c, from_end))
}

/// Whether the whole of `text` fits `pattern`.
pub fn matches(text: &[u8], pattern: &[u8]) -> bool {
    if pattern == b"*" {
        return true;
    }
    let tokens = tokens(pattern);
    let text = chars(text);
    let mut pieces: Vec<&[Token]> = tokens.split(|token| *token == Token::Star).collect();
    let Some(last) = pieces.pop() else {
        return text.is_empty();
    };
    let Some((first, middle)) = pieces.split_first() else {
        return fits_all(last, &text, false);
    };
    let Some((head, rest)) = text.split_at_checked(first.len()) else {
        return false;
    };
    let Some(split) = rest.len().checked_sub(last.len()) else {
        return false;
    };
    let Some((mut between, end)) = rest.split_at_checked(split) else {
        return false;
    };
    if !fits_all(first, head, false) || !fits_all(last, end, true) {
        return false;
    }
    for piece in middle {
        let found = (0..=between.len().saturating_sub(piece.len())).find_map(|start| {
            let (candidate, after) = between.get(start..)?.split_at_checked(piece.len())?;
            fits_all(piece, candidate, false).then_some(after)
        });
        match found {
            Some(after) => between = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_gjson() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "*", true),
            ("a", "", false),
            ("abc", "a?c", true),
            ("abc", "a*", true),
            ("abc", "*b*", true),
            ("abc", "*d*", false),
            ("aXbXc", "a*b*c", true),
            ("ab", "a*ab", false),
            ("a*c", r"a\*c", true),
            ("abc", r"a\*c", false),
            ("é", "?", true),
            (r"a\", r"*\", true),
            (r"a\", r"a\", false),
            ("aaab", "*aab", true),
            ("abcabc", "a**c*?", true),
        ] {
            assert_eq!(
                matches(text.as_bytes(), pattern.as_bytes()),
                expected,
                "{text} {pattern}"
            );
        }
    }

    /// The definition, tried exhaustively.
    fn slow(text: &[char], pattern: &[Token]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((Token::Star, rest)) => (0..=text.len()).any(|i| slow(&text[i..], rest)),
            Some((token, rest)) => text
                .split_first()
                .is_some_and(|(c, after)| fits(*token, *c, false) && slow(after, rest)),
        }
    }

    proptest! {
        #[test]
        fn shortest_matches_suffice(text in "[ab\\\\]{0,8}", pattern in "([ab*?]|\\\\[ab*?]){0,7}") {
            let expected = slow(&chars(text.as_bytes()), &tokens(pattern.as_bytes()));
            prop_assert_eq!(matches(text.as_bytes(), pattern.as_bytes()), expected);
        }
    }
}
