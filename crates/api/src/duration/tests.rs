use proptest::prelude::*;

use super::GoDuration;

const S: i64 = 1_000_000_000;

#[test]
fn reads_what_go_reads() {
    let cases = [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("0s", 0),
        ("5s", 5 * S),
        ("-5s", -5 * S),
        ("+5s", 5 * S),
        ("1h0m0s", 3600 * S),
        ("1h30m", 5400 * S),
        ("1.5h", 5400 * S),
        (".5m", 30 * S),
        ("5.s", 5 * S),
        ("100ms", S / 10),
        ("1us", 1_000),
        ("1\u{b5}s", 1_000),
        ("1\u{3bc}s", 1_000),
        ("1ns", 1),
        ("1h1h", 7200 * S),
        ("0.3333333333333333333h", 1_200 * S),
        ("0.100000000000000000000h", 360 * S),
        ("9223372036854775807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
        ("9223372036.854775807s", i64::MAX),
    ];
    for (text, nanos) in cases {
        assert_eq!(
            GoDuration::parse(text),
            Ok(GoDuration::from_nanos(nanos)),
            "{text}"
        );
    }
}

#[test]
fn refuses_in_the_words_of_go() {
    let cases = [
        ("", r#"time: invalid duration """#),
        ("soon", r#"time: invalid duration "soon""#),
        ("3", r#"time: missing unit in duration "3""#),
        ("30", r#"time: missing unit in duration "30""#),
        ("1d", r#"time: unknown unit "d" in duration "1d""#),
        ("1h2d3s", r#"time: unknown unit "d" in duration "1h2d3s""#),
        ("1H", r#"time: unknown unit "H" in duration "1H""#),
        ("1 h", r#"time: unknown unit " h" in duration "1 h""#),
        ("-", r#"time: invalid duration "-""#),
        ("s", r#"time: invalid duration "s""#),
        (".", r#"time: invalid duration ".""#),
        (".s", r#"time: invalid duration ".s""#),
        ("-.s", r#"time: invalid duration "-.s""#),
        ("+-5s", r#"time: invalid duration "+-5s""#),
        (
            "1\u{e9}",
            r#"time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9""#,
        ),
        ("1\"", r#"time: unknown unit "\"" in duration "1\"""#),
        (
            "9223372036854775808ns",
            r#"time: invalid duration "9223372036854775808ns""#,
        ),
        (
            "-9223372036854775809ns",
            r#"time: invalid duration "-9223372036854775809ns""#,
        ),
        (
            "9223372036854775810ns",
            r#"time: invalid duration "9223372036854775810ns""#,
        ),
        (
            "99999999999999999999s",
            r#"time: invalid duration "99999999999999999999s""#,
        ),
        ("9223372037s", r#"time: invalid duration "9223372037s""#),
        ("3000000h", r#"time: invalid duration "3000000h""#),
    ];
    for (text, message) in cases {
        let error = GoDuration::parse(text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn writes_what_go_writes() {
    let cases = [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1\u{b5}s"),
        (2_200_000, "2.2ms"),
        (S / 10, "100ms"),
        (3_300_000_000, "3.3s"),
        (60 * S, "1m0s"),
        (3600 * S, "1h0m0s"),
        (5400 * S, "1h30m0s"),
        (245_000 * S / 1_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (-90 * S, "-1m30s"),
        (480_000_000_001, "8m0.000000001s"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(GoDuration::from_nanos(nanos).to_string(), text);
    }
}

#[test]
fn only_more_than_nothing_is_an_interval() {
    assert_eq!(GoDuration::from_secs(0).positive(), None);
    assert_eq!(GoDuration::from_secs(-1).positive(), None);
    assert_eq!(
        GoDuration::from_secs(90).positive(),
        Some(std::time::Duration::from_secs(90))
    );
    assert_eq!(GoDuration::from_secs(i64::MAX).nanos(), i64::MAX);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(nanos in any::<i64>()) {
        let duration = GoDuration::from_nanos(nanos);
        prop_assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
    }

    #[test]
    fn any_text_gives_a_duration_or_an_error(text in "[-+.0-9a-zµ ]{0,24}|\\PC{0,16}") {
        if let Err(error) = GoDuration::parse(&text) {
            prop_assert!(error.to_string().starts_with("time: "));
        }
    }
}
