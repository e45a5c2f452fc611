//! Regular expressions as manifests write them.
//!
//! Owns: compiling within a bound of memory, and errors in the words that users of Go's engine
//! know. Refuses: matching anything by itself.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::ErrorKind;

/// Largest compiled program, in bytes; what a pattern of a few thousand letters needs.
const SIZE_LIMIT: usize = 1 << 20;

/// A pattern that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {0}")]
pub struct Error(String);

/// Compiles a pattern of the RE2 kind, unanchored.
///
/// # Errors
/// When the pattern is malformed, or larger than any real one.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| Error(reason(pattern, &error)))
}

/// The cause in Go's words where there are such, else in those of this engine.
fn reason(pattern: &str, error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = error {
        return format!("expression too large: `{pattern}`");
    }
    match regex_syntax::ast::parse::Parser::new().parse(pattern) {
        Err(error) => {
            let at = error.span();
            let rest = pattern.get(at.start.offset..).unwrap_or_default();
            let part = pattern
                .get(at.start.offset..at.end.offset)
                .unwrap_or_default();
            match error.kind() {
                ErrorKind::ClassUnclosed => format!("missing closing ]: `{rest}`"),
                ErrorKind::GroupUnclosed => format!("missing closing ): `{pattern}`"),
                ErrorKind::GroupUnopened => format!("unexpected ): `{pattern}`"),
                ErrorKind::RepetitionMissing => {
                    let operator = pattern
                        .get(at.start.offset..)
                        .and_then(|t| t.chars().next());
                    let operator = operator.map(String::from).unwrap_or_default();
                    format!("missing argument to repetition operator: `{operator}`")
                }
                ErrorKind::EscapeUnexpectedEof => {
                    "trailing backslash at end of expression: ``".to_owned()
                }
                ErrorKind::EscapeUnrecognized => format!("invalid escape sequence: `{part}`"),
                ErrorKind::ClassRangeInvalid => format!("invalid character class range: `{part}`"),
                other => format!("{other}: `{pattern}`"),
            }
        }
        Ok(_) => format!("unsupported expression: `{pattern}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn complains_in_the_words_of_go() {
        let cases = [
            ("[", "missing closing ]: `[`"),
            ("a[b", "missing closing ]: `[b`"),
            ("(", "missing closing ): `(`"),
            ("a)", "unexpected ): `a)`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("[z-a]", "invalid character class range: `z-a`"),
        ];
        for (pattern, reason) in cases {
            let error = compile(pattern).unwrap_err();
            assert_eq!(error.to_string(), format!("error parsing regexp: {reason}"));
        }
    }

    #[test]
    fn is_unanchored_and_bounded() {
        assert!(compile("a").unwrap().is_match("bab"));
        assert!(!compile("^a$").unwrap().is_match("bab"));
        let error = compile("(a{500}){500}").unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }
}
