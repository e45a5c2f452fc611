use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Vec<(String, String)> {
    string_map(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .entries
        .into_iter()
        .collect()
}

#[test]
fn scalars_are_read_as_yaml_1_1() {
    for (text, key, value) in [
        ("n: 5", "false", "5"),
        ("y: n", "true", "false"),
        ("a: 0123", "a", "83"),
        ("a: 1.50", "a", "1.5"),
        ("a: 1e3", "a", "1000"),
        ("a: 1e6", "a", "1e+06"),
        ("a: 0x1F", "a", "31"),
        ("a: 0b11", "a", "3"),
        ("a: 1_000", "a", "1000"),
        ("a: 08", "a", "8"),
        ("a: +5", "a", "5"),
        ("a: .5", "a", "0.5"),
        ("a: -.inf", "a", "-Inf"),
        ("a: 18446744073709551615", "a", "18446744073709551615"),
        ("a: 18446744073709551616", "a", "1.8446744e+19"),
        ("a: 123456789.5", "a", "1.2345679e+08"),
        ("a: 1:30", "a", "1:30"),
        ("a: 2020-01-02", "a", "2020-01-02"),
        ("a: true", "a", "true"),
        ("a: 'n'", "a", "n"),
        ("\"n\": \"0123\"", "n", "0123"),
        ("a:", "a", ""),
        ("a: ~", "a", ""),
        ("1.10: x", "1.1", "x"),
        ("a: !!str 0123", "a", "0123"),
        ("a: !!binary YWJj", "a", "abc"),
        ("a: |\n  line\n  two\n", "a", "line\ntwo\n"),
        ("{a: b}", "a", "b"),
        ("---\na: b\n---\nc: d\n", "a", "b"),
        ("# c\na: b # d\n", "a", "b"),
        ("a: b\na: c", "a", "c"),
    ] {
        assert_eq!(read(text), [(key.to_owned(), value.to_owned())], "{text}");
    }
    assert_eq!(
        read("a: &x 1\nb: *x"),
        [
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "1".to_owned())
        ]
    );
    for empty in ["", "  \n", "# nothing", "~", "{}", "---"] {
        assert!(read(empty).is_empty(), "{empty:?}");
    }
}

#[test]
fn changed_keys_are_reported() {
    let map = string_map("n: 1\nok: 2\n'y': 3").unwrap();
    assert_eq!(map.changed_keys, [("n".to_owned(), "false".to_owned())]);
}

#[test]
fn anything_else_is_refused_without_showing_it() {
    for (text, error) in [
        (
            "hunter2",
            "the rendered text is a single text, not a YAML map of strings",
        ),
        (
            "- hunter2",
            "the rendered text is a list, not a YAML map of strings",
        ),
        (
            "ok: 1\nm: {a: hunter2}",
            "the value at line 2 of the rendered text is a map, not a string",
        ),
        (
            "l: [hunter2]",
            "the value at line 1 of the rendered text is a list, not a string",
        ),
        (
            "~: hunter2",
            "the key at line 1 of the rendered text is null",
        ),
        (
            "[hunter2]: a",
            "the key at line 1 of the rendered text is a list",
        ),
        (
            "a: 'hunter2",
            "the rendered text is not valid YAML at line 1",
        ),
    ] {
        assert_eq!(string_map(text).unwrap_err().to_string(), error, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,30}") {
        let _ = string_map(&text);
    }

    #[test]
    fn no_yaml_like_text_panics(text in "[-a-z0-9:{}\\[\\]&*!|>'\"%~#,. \n]{0,40}") {
        let _ = string_map(&text);
    }

    #[test]
    fn quoted_texts_come_back(map in prop::collection::btree_map(".{0,6}", ".{0,6}", 0..5)) {
        let json = serde_json::to_string(&map).unwrap();
        if let Ok(read) = string_map(&json) {
            prop_assert_eq!(read.entries, map);
        }
    }
}
