use proptest::prelude::*;

use super::*;

fn decode(strategy: Decoding, text: &str) -> Option<Vec<u8>> {
    strategy
        .decode(&SecretBytes::from(text))
        .ok()
        .map(|value| value.expose().to_vec())
}

#[test]
fn strategies_decode_as_go_does() {
    use Decoding::{Auto, Base64, Base64Url, None};
    for (strategy, input, expected) in [
        (None, "YWJj", Some(&b"YWJj"[..])),
        (Base64, "YWJj", Some(b"abc")),
        (Base64, "", Some(b"")),
        (Base64, "YQ==", Some(b"a")),
        (Base64, "Y\nQ\r\n=\n=\n", Some(b"a")),
        // The last character's unused bits are not looked at.
        (Base64, "YR==", Some(b"a")),
        (Base64, "YQ", Option::None),
        (Base64, "YQ=", Option::None),
        (Base64, "YQ===", Option::None),
        (Base64, "YQ== ", Option::None),
        (Base64, "_-8=", Option::None),
        (Base64Url, "_-8=", Some(b"\xff\xef")),
        (Base64Url, "/+8=", Option::None),
        (Base64Url, "_-8", Option::None),
        (Auto, "abcd", Some(b"i\xb7\x1d")),
        (Auto, "_-8=", Some(b"\xff\xef")),
        (Auto, "plain text", Some(b"plain text")),
        (Auto, "", Some(b"")),
    ] {
        assert_eq!(
            decode(strategy, input).as_deref(),
            expected,
            "{strategy:?} {input:?}"
        );
    }
}

#[test]
fn the_error_holds_no_value() {
    let error = Decoding::Base64
        .decode(&SecretBytes::from("hunter2!"))
        .unwrap_err();
    assert_eq!(error.to_string(), "the value is not valid base64 at byte 7");
}

proptest! {
    #[test]
    fn encoded_values_come_back(bytes: Vec<u8>) {
        let standard = base64::engine::general_purpose::STANDARD.encode(&bytes);
        prop_assert_eq!(decode(Decoding::Base64, &standard), Some(bytes.clone()));
        prop_assert_eq!(decode(Decoding::Auto, &standard), Some(bytes.clone()));
        let url = base64::engine::general_purpose::URL_SAFE.encode(&bytes);
        prop_assert_eq!(decode(Decoding::Base64Url, &url), Some(bytes));
    }

    #[test]
    fn auto_never_fails(bytes: Vec<u8>) {
        prop_assert!(Decoding::Auto.decode(&SecretBytes::from(bytes)).is_ok());
    }
}
