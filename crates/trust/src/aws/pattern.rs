//! IAM's patterns: `*`, `?` and policy variables.
//!
//! Owns: parsing and matching within pattern length × text length steps: no backtracking beyond the
//! last `*`. Refuses: wildcards that come out of a variable: a substituted value is literal,
//! otherwise a caller could name itself `*`.

use super::Context;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
}

/// A pattern ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

impl Pattern {
    /// A pattern in which only `*` and `?` are special.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self(text.chars().map(wildcard).collect())
    }

    /// A pattern in which `${key}`, `${key, 'default'}`, `${*}`, `${?}` and `${$}` are resolved
    /// from `context` first. `None` when a variable has no single value and no default: the
    /// pattern then matches nothing.
    #[must_use]
    pub fn with_variables(text: &str, context: &Context) -> Option<Self> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            tokens.extend(before.chars().map(wildcard));
            let Some((name, tail)) = after.split_once('}') else {
                // Not closed: IAM takes it literally.
                tokens.extend("${".chars().map(Token::Literal));
                rest = after;
                continue;
            };
            tokens.extend(resolve(name, context)?.chars().map(Token::Literal));
            rest = tail;
        }
        tokens.extend(rest.chars().map(wildcard));
        Some(Self(tokens))
    }

    /// Whether the whole of `text` matches, with regard to case.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = text.get(t) {
            match self.0.get(p) {
                Some(Token::Any) => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(Token::One) => (p, t) = (p + 1, t + 1),
                Some(Token::Literal(l)) if l == c => (p, t) = (p + 1, t + 1),
                _ => match star {
                    // Let the last star swallow one more character.
                    Some((sp, st)) => {
                        star = Some((sp, st + 1));
                        (p, t) = (sp + 1, st + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0
            .get(p..)
            .is_some_and(|rest| rest.iter().all(|t| *t == Token::Any))
    }
}

/// Whether `text` matches the plain pattern `pattern` without regard to ASCII case.
#[must_use]
pub fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    Pattern::plain(&pattern.to_ascii_lowercase()).matches(&text.to_ascii_lowercase())
}

fn wildcard(c: char) -> Token {
    match c {
        '*' => Token::Any,
        '?' => Token::One,
        c => Token::Literal(c),
    }
}

fn resolve(name: &str, context: &Context) -> Option<String> {
    if matches!(name, "*" | "?" | "$") {
        return Some(name.to_owned());
    }
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => (key.trim(), Some(default.trim())),
        None => (name.trim(), None),
    };
    match context.single(key) {
        Some(value) => Some(value.to_owned()),
        None => default
            .and_then(|d| d.strip_prefix('\'')?.strip_suffix('\''))
            .map(str::to_owned),
    }
}

/// The text with variables replaced and no wildcards considered, for exact operators.
#[must_use]
pub fn substitute(text: &str, context: &Context) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, tail)) => {
                out.push_str(&resolve(name, context)?);
                rest = tail;
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The obvious recursive definition.
    fn oracle(p: &[char], t: &[char]) -> bool {
        match (p.first(), t.first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some('*'), _) => oracle(&p[1..], t) || (!t.is_empty() && oracle(p, &t[1..])),
            (Some('?'), Some(_)) => oracle(&p[1..], &t[1..]),
            (Some(a), Some(b)) if a == b => oracle(&p[1..], &t[1..]),
            _ => false,
        }
    }

    #[test]
    fn variables_are_literal() {
        let mut context = Context::new();
        context
            .set("aws:username", "*")
            .set("aws:PrincipalTag/team", "red");
        let m = |p: &str, t: &str| Pattern::with_variables(p, &context).map(|p| p.matches(t));
        assert_eq!(m("home/${aws:username}/x", "home/*/x"), Some(true));
        assert_eq!(m("home/${aws:username}/x", "home/bob/x"), Some(false));
        assert_eq!(m("${aws:principaltag/TEAM}-?", "red-1"), Some(true));
        assert_eq!(m("${aws:missing}", ""), None);
        assert_eq!(m("${aws:missing, 'blue'}*", "blue9"), Some(true));
        assert_eq!(m("a${*}b", "axb"), Some(false));
        assert_eq!(m("a${*}b${$}${?}", "a*b$?"), Some(true));
        assert_eq!(m("a${open", "a${open"), Some(true));
        assert_eq!(
            substitute("x${aws:username}${$}", &context).as_deref(),
            Some("x*$")
        );
    }

    #[test]
    fn many_stars_end_in_good_time() {
        assert!(!Pattern::plain(&"*a".repeat(200)).matches(&"a".repeat(199)));
        assert!(!Pattern::plain(&format!("{}b", "*a".repeat(100))).matches(&"a".repeat(5000)));
    }

    proptest! {
        #[test]
        fn equals_the_naive_oracle(p in "[ab*?]{0,10}", t in "[abc]{0,12}") {
            let naive = oracle(&p.chars().collect::<Vec<_>>(), &t.chars().collect::<Vec<_>>());
            prop_assert_eq!(Pattern::plain(&p).matches(&t), naive);
        }

        #[test]
        fn never_panics(p in ".{0,60}", t in ".{0,60}") {
            let _ = Pattern::plain(&p).matches(&t);
            let _ = Pattern::with_variables(&p, &Context::new()).map(|p| p.matches(&t));
        }
    }
}
