use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Schedule {
    Schedule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Midnight of a date, by counting years and months: no formula shared with the code.
fn date(year: i64, month: u32, day: i64) -> i64 {
    let mut days = 0;
    for year in 1970..year {
        days += if is_leap(year) { 366 } else { 365 };
    }
    for month in 1..month {
        days += length(year, month);
    }
    (days + day - 1) * DAY
}

fn is_leap(year: i64) -> bool {
    year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
}

fn length(year: i64, month: u32) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[test]
fn firings() {
    let day = date(2026, 3, 15);
    for (text, from, next, last) in [
        ("0 2 * * *", day, day + 2 * HOUR, day - 22 * HOUR),
        ("0 2 * * *", day + 2 * HOUR, day + 26 * HOUR, day + 2 * HOUR),
        (
            "0 2 * * *",
            day + 2 * HOUR - 1,
            day + 2 * HOUR,
            day - 22 * HOUR,
        ),
        (
            "0 2 * * *",
            day + 2 * HOUR + 1,
            day + 26 * HOUR,
            day + 2 * HOUR,
        ),
        ("*/15 * * * *", day + 1, day + 15 * MINUTE, day),
        ("5/20 * * * *", day, day + 5 * MINUTE, day - 15 * MINUTE),
        (
            "10-20/5 0 * * *",
            day,
            day + 10 * MINUTE,
            day - DAY + 20 * MINUTE,
        ),
        // 15 March 2026 is a Sunday.
        ("0 0 * * MON", day, day + DAY, day - 6 * DAY),
        ("0 0 ? * sun", day, day + 7 * DAY, day),
        ("0 0 * JAN,jul *", day, date(2026, 7, 1), date(2026, 1, 31)),
        ("0 0 31 * *", day, date(2026, 3, 31), date(2026, 1, 31)),
        // Both days restricted: one is enough.
        ("0 0 20 * 1", day, day + DAY, day - 6 * DAY),
        ("0 0 15 * 1", day, day + DAY, day),
        // A step restricts, also one of a star.
        ("0 0 */10 * 1", day, day + DAY, date(2026, 3, 11)),
        // A star beside another day does not.
        ("0 0 15 * */1", day, date(2026, 4, 15), day),
        ("@yearly", day, date(2027, 1, 1), date(2026, 1, 1)),
        ("@annually", day, date(2027, 1, 1), date(2026, 1, 1)),
        ("@monthly", day, date(2026, 4, 1), date(2026, 3, 1)),
        ("@weekly", day, day + 7 * DAY, day),
        ("@daily", day, day + DAY, day),
        ("@midnight", day + 1, day + DAY, day),
        ("@hourly", day - 1, day, day - HOUR),
        ("@every 6h", day + 1, day + 6 * HOUR, day),
        (
            "@every 90m",
            day + 2 * HOUR,
            day + 3 * HOUR,
            day + 90 * MINUTE,
        ),
        // Cut to seconds, and at least one.
        ("@every 1500ms", day, day + 1000, day),
        ("@every 1ms", day + 1, day + 1000, day),
        ("@every -1h", day, day + 1000, day),
    ] {
        let schedule = parse(text);
        assert_eq!(schedule.next(from), Some(next), "{text} after {from}");
        assert_eq!(schedule.last(from), Some(last), "{text} until {from}");
        assert!(schedule.ever_fires());
    }
}

#[test]
fn leap_days() {
    let leap = parse("30 12 29 FEB *");
    let noon = 12 * HOUR + 30 * MINUTE;
    assert_eq!(leap.next(date(2026, 1, 1)), Some(date(2028, 2, 29) + noon));
    assert_eq!(leap.last(date(2026, 1, 1)), Some(date(2024, 2, 29) + noon));
    // 2100 has none.
    assert_eq!(leap.next(date(2096, 3, 1)), Some(date(2104, 2, 29) + noon));
    assert_eq!(leap.last(date(2104, 2, 1)), Some(date(2096, 2, 29) + noon));
    assert_eq!(leap.next(date(2000, 2, 29)), Some(date(2000, 2, 29) + noon));
}

#[test]
fn before_the_epoch_and_at_the_ends_of_time() {
    assert_eq!(parse("0 0 * * *").last(-1), Some(-DAY));
    // 31 December 1969 was a Wednesday.
    assert_eq!(parse("0 0 * * 3").last(-1), Some(-DAY));
    for text in ["* * * * *", "0 0 29 2 *", "@every 1h", "@every 2562047h"] {
        for at in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            let schedule = parse(text);
            assert!(schedule.next(at).is_none_or(|next| next > at), "{text}");
            assert!(schedule.last(at).is_none_or(|last| last <= at), "{text}");
        }
    }
}

#[test]
fn what_never_fires_is_known_at_once() {
    for text in [
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        ", * * * *",
        "* , * * *",
        "* * * , *",
        "* * * * ,",
        "* * , * *",
    ] {
        let schedule = parse(text);
        assert!(!schedule.ever_fires(), "{text}");
        assert_eq!((schedule.next(0), schedule.last(0)), (None, None), "{text}");
    }
    for text in ["0 0 30 2 1", "0 0 29 2 *", "1,,2 * * * *", "* * 31 4 0"] {
        assert!(parse(text).ever_fires(), "{text}");
    }
}

#[test]
fn what_is_refused() {
    for text in [
        "",
        " ",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 7",
        "* * * * 5-7",
        "99 99 * * *",
        "5-3 * * * *",
        "1-2-3 * * * *",
        "1/2/3 * * * *",
        "*/0 * * * *",
        "*/x * * * *",
        "*/-2 * * * *",
        "-1 * * * *",
        "1- * * * *",
        "mon * * * *",
        "* * * * mond",
        "* * * sunday *",
        "4294967296 * * * *",
        "é * * * *",
        "@Daily",
        "@reboot",
        "@every",
        "@every ",
        "@every 1d",
        "@every 1h and more",
        "TZ=UTC 0 0 * *",
        "CRON_TZ=Europe/Berlin 0 0 * * *",
    ] {
        let error = Schedule::parse(text).expect_err(text);
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn what_is_read_as_go_programs_read_it() {
    for (odd, plain) in [
        ("+5 * * * *", "5 * * * *"),
        ("05 007 * * *", "5 7 * * *"),
        ("*-7 * * * *", "* * * * *"),
        ("*-7/20 * * * *", "0,20,40 * * * *"),
        ("? ? ? ? ?", "* * * * *"),
        ("0 0 * * Mon-FRI", "0 0 * * 1-5"),
        ("0 0 1 mar-may *", "0 0 1 3,4,5 *"),
        ("  0  0 1 1   * ", "0 0 1 1 *"),
    ] {
        assert_eq!(parse(odd), parse(plain), "{odd}");
    }
}

/// A field as chosen numbers, with a text for it.
fn field(least: u32, most: u32) -> impl Strategy<Value = (Vec<u32>, String, bool)> {
    let all = move || (least..=most).collect::<Vec<_>>();
    let one = move || (least..=most).prop_map(|n| (vec![n], n.to_string(), false));
    let range = (least..=most, least..=most, 1u32..40).prop_map(|(a, b, step)| {
        let (low, high) = (a.min(b), a.max(b));
        let numbers = (low..=high)
            .filter(|n| (n - low).is_multiple_of(step))
            .collect();
        (numbers, format!("{low}-{high}/{step}"), false)
    });
    let step = (2u32..40).prop_map(move |step| {
        let numbers = (least..=most)
            .filter(|n| (n - least).is_multiple_of(step))
            .collect();
        (numbers, format!("*/{step}"), false)
    });
    let list = prop::collection::vec(one(), 1..4).prop_map(|parts| {
        let texts: Vec<String> = parts.iter().map(|p| p.1.clone()).collect();
        (
            parts.into_iter().flat_map(|p| p.0).collect(),
            texts.join(","),
            false,
        )
    });
    prop_oneof![
        3 => Just((all(), "*".to_owned(), true)),
        2 => one(),
        1 => range,
        1 => step,
        1 => list,
    ]
}

/// Whether a minute is selected, by counting up from the epoch.
fn selected([minute, hour, day, month, weekday]: &[(Vec<u32>, String, bool); 5], at: i64) -> bool {
    let minutes = at / MINUTE;
    let days = minutes / 1440;
    let (mut year, mut left) = (1970, days);
    while left >= 365 + i64::from(is_leap(year)) {
        left -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let mut of_year = 1;
    while left >= length(year, of_year) {
        left -= length(year, of_year);
        of_year += 1;
    }
    let has = |set: &Vec<u32>, value: i64| set.contains(&u32::try_from(value).unwrap());
    let by_date = has(&day.0, left + 1);
    let by_weekday = has(&weekday.0, (days + 4) % 7);
    let days_fit = if day.2 || weekday.2 {
        by_date && by_weekday
    } else {
        by_date || by_weekday
    };
    has(&minute.0, minutes % 60)
        && has(&hour.0, minutes / 60 % 24)
        && has(&month.0, i64::from(of_year))
        && days_fit
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a scan of every minute of three days; what lies outside lies outside.
    #[test]
    fn equals_a_scan_of_minutes(
        fields in (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)),
        start in 0i64..4_000_000_000_000,
        offset in 0i64..MINUTE,
    ) {
        let fields: [_; 5] = fields.into();
        let text = fields.clone().map(|f| f.1).join(" ");
        let schedule = parse(&text);
        let at = start / MINUTE * MINUTE;
        let scan = 3 * 1440;
        let next = (1..scan).map(|n| at + n * MINUTE).find(|t| selected(&fields, *t));
        let last = (0..scan).map(|n| at - n * MINUTE).filter(|t| *t >= 0).find(|t| selected(&fields, *t));
        let found = schedule.next(at + offset);
        match next {
            Some(_) => prop_assert_eq!(found, next, "{}", text),
            None => prop_assert!(found.is_none_or(|t| t >= at + scan * MINUTE && selected(&fields, t)), "{}", text),
        }
        let found = schedule.last(at + offset);
        match last {
            Some(_) => prop_assert_eq!(found, last, "{}", text),
            None => prop_assert!(found.is_none_or(|t| t <= at - scan * MINUTE && (t < 0 || selected(&fields, t))), "{}", text),
        }
    }

    /// Nothing lies between a firing and the next one.
    #[test]
    fn next_and_last_are_inverse(at in 0i64..4_000_000_000_000, minute in 0u32..60, day in 1u32..=31, month in 1u32..=12) {
        let schedule = parse(&format!("{minute} 3 {day} {month} *"));
        if let Some(next) = schedule.next(at) {
            prop_assert_eq!(schedule.last(next), Some(next));
            let last = schedule.last(at).unwrap();
            prop_assert_eq!(schedule.next(last), Some(next));
            prop_assert_eq!(schedule.last(next - 1), Some(last));
        } else {
            prop_assert!(!schedule.ever_fires());
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", at: i64) {
        if let Ok(schedule) = Schedule::parse(&text) {
            let _ = (schedule.next(at), schedule.last(at), schedule.ever_fires());
        }
    }

    #[test]
    fn no_text_of_its_letters_makes_it_panic(text in "(@every )?[-0-9*?/,a-z@+ ]{0,40}", at: i64) {
        if let Ok(schedule) = Schedule::parse(&text) {
            prop_assert!(schedule.next(at).is_none_or(|next| next > at));
            prop_assert!(schedule.last(at).is_none_or(|last| last <= at));
        }
    }
}
