//! String formats that validation enforces; unknown ones are accepted.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;

/// Whether `text` has the format; formats that the server does not know always match.
pub(super) fn matches(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => date_time(text),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "byte" => {
            let alphabet = base64::engine::general_purpose::STANDARD;
            !text.is_empty() && alphabet.decode(text).is_ok()
        }
        "duration" => duration(text),
        "uuid" => uuid(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => mac(text),
        "uri" => !text.contains(' ') && (url::Url::parse(text).is_ok() || text.starts_with('/')),
        "email" => email(text),
        "hostname" => hostname(text),
        _ => true,
    }
}

fn date_time(text: &str) -> bool {
    // RFC 3339 with its mandatory offset; jiff alone would also take a bracketed zone.
    text.len() >= 20
        && !text.contains(['[', ' '])
        && text.contains(['T', 't'])
        && text.parse::<jiff::Timestamp>().is_ok()
}

/// Go's durations (`1h30m`, `-0.5s`), or a number with a spelled-out unit (`3 days`).
fn duration(text: &str) -> bool {
    go_duration(text) || spelled_duration(text)
}

fn go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let Some(number) = rest.get(..rest.len() - digits.len()) else {
            return false;
        };
        if number.parse::<f64>().is_err() {
            return false;
        }
        let Some(after) = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"]
            .iter()
            .find_map(|unit| digits.strip_prefix(unit))
        else {
            return false;
        };
        rest = after;
    }
    true
}

fn spelled_duration(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    digits.len() < text.len()
        && matches!(
            digits.trim(),
            "nanosecond"
                | "nanoseconds"
                | "nano"
                | "nanos"
                | "micro"
                | "micros"
                | "milli"
                | "millis"
                | "sec"
                | "secs"
                | "second"
                | "seconds"
                | "min"
                | "mins"
                | "minute"
                | "minutes"
                | "hr"
                | "hrs"
                | "hour"
                | "hours"
                | "d"
                | "day"
                | "days"
                | "w"
                | "wk"
                | "week"
                | "weeks"
        )
}

fn uuid(text: &str) -> bool {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    hex.len() == 32 && hex.chars().all(|c| c.is_ascii_hexdigit()) && matches!(text.len(), 32 | 36)
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let limit = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return false;
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= limit)
}

fn mac(text: &str) -> bool {
    text.split([':', '-']).count() == 6
        && text
            .split([':', '-'])
            .all(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit()))
}

fn email(text: &str) -> bool {
    text.rsplit_once('@')
        .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !text.contains(' '))
}

fn hostname(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn formats() {
        for (format, good, bad) in [
            ("date-time", "2026-11-24T22:00:00Z", "2026-11-24"),
            ("date-time", "2026-11-24T22:00:00.123+01:00", "x"),
            ("date", "2026-11-24", "24.11.2026"),
            ("byte", "aGk=", "!!"),
            ("byte", "aGk=", ""),
            ("duration", "1h30m", "1x"),
            ("duration", "-1.5s", "soon"),
            ("duration", "3 days", ""),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "00:11:22:33:44:55", "00:11"),
            ("uri", "https://example.com/x", "x y"),
            ("email", "a@example.com", "x"),
            ("hostname", "a.example.com", "-a"),
        ] {
            assert!(matches(format, good), "{format} {good}");
            assert!(!matches(format, bad), "{format} {bad}");
        }
        assert!(matches("no-such-format", "anything"));
    }
}
