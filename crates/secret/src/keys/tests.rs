use proptest::prelude::*;

use super::*;

fn map(keys: &[&str]) -> BTreeMap<String, SecretBytes> {
    keys.iter()
        .map(|key| ((*key).to_owned(), SecretBytes::from(*key)))
        .collect()
}

#[test]
fn characters_are_replaced() {
    for (input, default, unicode) in [
        ("a-b.c_d", "a-b.c_d", "a-b.c_d"),
        ("/a/b", "_a_b", "_U002f_a_U002f_b"),
        ("é", "é", "é"),
        ("x\u{301}", "x_", "x_U0301_"),
        ("½", "½", "½"),
        ("😀", "_", "_U1f600_"),
        ("", "", ""),
        // Alphabetic to Rust, a mark and not a letter to Go.
        ("\u{345}", "_", "_U0345_"),
    ] {
        assert_eq!(Conversion::Default.convert(input), default);
        assert_eq!(Conversion::Unicode.convert(input), unicode);
        assert_eq!(reverse_unicode(unicode), input);
    }
}

#[test]
fn two_names_for_one_key_are_an_error() {
    assert_eq!(
        Conversion::Default
            .convert_map(map(&["a/b", "a:b"]))
            .unwrap_err()
            .to_string(),
        "secret name collision during conversion: a_b"
    );
    assert!(
        Conversion::Unicode
            .convert_map(map(&["a/b", "a:b"]))
            .is_ok()
    );
}

#[test]
fn validation_drops_the_empty_key_and_refuses_bad_ones() {
    let kept = validate(map(&["", "a", "é"])).unwrap();
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["a", "é"]);
    assert_eq!(
        validate(map(&["ok", "a b"])).unwrap_err().to_string(),
        "invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): \
         \"a b\" has the invalid character ' '"
    );
    assert!(validate(map(&[&"k".repeat(253)])).is_ok());
    assert!(matches!(
        validate(map(&[&"k".repeat(254)])),
        Err(KeyError::Invalid {
            problem: KeyProblem::TooLong(254),
            ..
        })
    ));
}

proptest! {
    #[test]
    fn converted_keys_hold_only_valid_characters(key: String) {
        for conversion in [Conversion::Default, Conversion::Unicode] {
            prop_assert!(conversion.convert(&key).chars().all(is_key_character));
        }
    }

    #[test]
    fn unicode_conversion_comes_back(key in "[a-z0-9/ :é😀.-]*") {
        prop_assert_eq!(reverse_unicode(&Conversion::Unicode.convert(&key)), key);
    }
}
