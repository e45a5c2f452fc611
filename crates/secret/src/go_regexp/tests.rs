use proptest::prelude::*;

use super::*;

#[test]
fn patterns_mean_what_they_mean_in_go() {
    for (pattern, text, expected) in [
        ("a", "xay", true),
        (r"\Qa.b\E$", "a.b", true),
        (r"\Qa.b\E$", "axb", false),
        (r"\Qa.b", "a.b", true),
        (r"^\141\x62\x{63}$", "abc", true),
        (r"^\d$", "٣", false),
        (r"^\w$", "é", false),
        (r"^\W$", "é", true),
        (r"^\s$", "\u{b}", false),
        (r"\bcafé", "un café", true),
        ("a{,5}", "a{,5}", true),
        ("^a{x}$", "a{x}", true),
        ("^a{2}$", "aa", true),
        ("^a{2,}$", "aaa", true),
        ("^a{01}$", "a{01}", true),
        ("{", "{", true),
        ("^[a&&b]+$", "&ab", true),
        ("^[a~~b+--c]$", "~", true),
        ("^[[a]+$", "[a", true),
        ("^[]a]+$", "]a", true),
        ("^[^]a]+$", "bc", true),
        ("^[a-]+$", "-a", true),
        (r"^[\d\-.]+$", "1-.", true),
        ("^[[:alpha:][:^ascii:]]+$", "aé", true),
        (r"^\<a\>$", "<a>", true),
        (r"^\p{^Greek}$", "a", true),
        (r"^\pL\P{L}$", "é1", true),
        ("(?i)^ABC$", "abc", true),
        ("(?s)a.b", "a\nb", true),
        ("a.b", "a\nb", false),
        ("(?P<x>a)(?<y>b)", "ab", true),
        ("(?U)a+", "a", true),
        ("^#x y$", "#x y", true),
        ("a||b", "", true),
        ("^*", "", true),
        ("", "anything", true),
    ] {
        let compiled = GoRegexp::compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        assert_eq!(compiled.is_match(text), expected, "{pattern} on {text}");
    }
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (pattern, text) in [
        ("(", "missing closing ): `(`"),
        (")", "unexpected ): `)`"),
        ("a[b", "missing closing ]: `[b`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("(|*)", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\xg0", r"invalid escape sequence: `\xg`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`"),
        (
            "(((a{100}){100}){100}){10}",
            "expression too large: `(((a{100}){100}){100}){10}`",
        ),
    ] {
        let error = GoRegexp::compile(pattern).unwrap_err();
        assert_eq!(error.to_string(), format!("error parsing regexp: {text}"));
    }
}

#[test]
fn replacements_follow_go() {
    for (pattern, text, template, expected) in [
        ("^app/(.*)$", "app/db", "$1", "db"),
        ("(a)(b)", "ab", "${2}_$1", "b_a"),
        // The longest name is taken.
        ("(a)", "a", "$1x", ""),
        ("(a)", "a", "${1}x", "ax"),
        ("(?P<n>a)", "a", "$n!", "a!"),
        ("a", "a", "$$1", "$1"),
        ("a", "a", "$", "$"),
        ("a", "a", "${x", "${x"),
        ("(a)", "a", "$01", ""),
        ("a", "a", "$9", ""),
        ("a", "a", "$0$0", "aa"),
        ("x*", "ab", "-", "-a-b-"),
        ("a|(b)", "ab", "[$1]", "[][b]"),
        ("/", "a/b/c", "-", "a-b-c"),
        ("(?P<1a>a)", "a", "$1a!", "a!"),
        // ASCII, and never inside a character.
        (r"\B", "é", "-", "-é-"),
        (r"c\B", "acé", "-", "acé"),
    ] {
        let compiled = GoRegexp::compile(pattern).unwrap();
        assert_eq!(
            compiled.replace_all(text, template),
            expected,
            "{pattern} {template}"
        );
    }
}

proptest! {
    #[test]
    fn no_pattern_panics(pattern in r"[-a-z0-9\\\[\]{}()|*+?.^$:,&~<>PQE#= é]{0,24}", text: String) {
        if let Ok(compiled) = GoRegexp::compile(&pattern) {
            let _ = compiled.replace_all(&text, &pattern);
        }
    }

    #[test]
    fn quoted_text_matches_itself(text in "[^\\\\]{0,20}") {
        let pattern = format!(r"^\Q{text}\E$");
        let compiled = GoRegexp::compile(&pattern).unwrap();
        prop_assert!(compiled.is_match(&text));
    }
}
