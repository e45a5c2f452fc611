//! Random bytes as documents and paths.

use proptest::prelude::*;

/// One run of a fuzzer: a path, a zero byte, a document.
fn fuzz_one(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0);
    let (path, json) = data.split_at(split.unwrap_or(data.len()));
    let path = String::from_utf8_lossy(path);
    let json = json.get(1..).unwrap_or_default();
    match keyless_gjson::try_get(json, &path) {
        Ok(value) => {
            assert_eq!(value.exists(), !value.raw().is_empty());
            assert_eq!(value.clone().into_owned(), value);
            assert_eq!(value.text().as_ref(), value.clone().into_text());
            assert!(!format!("{value:?}").contains("secret"));
        }
        Err(limit) => assert!(!keyless_gjson::get(json, &path).exists(), "{limit}"),
    }
    if let Some(members) = keyless_gjson::members(json) {
        assert!(keyless_gjson::is_valid(json));
        assert!(
            members
                .iter()
                .all(|(key, value)| key.exists() && value.exists())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes(data in prop::collection::vec(any::<u8>(), 0..60)) {
        fuzz_one(&data);
    }

    #[test]
    fn words_of_both_languages(
        path in prop::collection::vec(prop::sample::select(vec![
            "a", "b", "*", "?", "#", ".", "|", "#(", ")", "]", "[", "{", "}", "\"", "\\", ":", ",", "==", "!", "~true", ">",
            "%", "@this", "@pretty", "@flatten", "@dig", "@group", "@join", "@tostr", "@fromstr", "@reverse", "@keys", "..", "1",
        ]), 0..16),
        json in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", "\"", "\"a\"", "\"b\":", ":", ",", "1", "1.50", "-", "true", "null", "nan", "\\", " ", "é", "\u{1}",
        ]), 0..24),
    ) {
        fuzz_one(format!("{}\0{}", path.concat(), json.concat()).as_bytes());
    }

    #[test]
    fn an_escaped_key_finds_its_member(key in "[^\u{0}-\u{1f}\"\\\\]{1,12}") {
        let json = serde_json::to_vec(&serde_json::json!({"x": 0, &key: 1})).unwrap();
        // What begins a path with these is read as a modifier, literal or multipath first.
        prop_assume!(key != "x");
        let found = keyless_gjson::get(&json, &keyless_gjson::escape(&key));
        prop_assert_eq!(found.into_text(), b"1");
    }
}

#[test]
fn what_a_fuzzer_would_find_first() {
    for data in [
        "",
        "\0",
        "@\0{",
        "#(\0[",
        "@dig:\0[[",
        "{\0{}",
        "@pretty:{\0\"",
        "!\"\0",
        "..\0[",
        "a\\\0{\"a\\",
        "*\\\0{\"\\\\\":1}",
    ] {
        fuzz_one(data.as_bytes());
    }
}
