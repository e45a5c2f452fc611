//! One field of a cron schedule as a set of small numbers.

use super::ScheduleError;

/// The numbers and names that a field may hold.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) name: &'static str,
    pub(super) least: u32,
    pub(super) most: u32,
    /// Names, the first of which stands for the least number.
    pub(super) names: &'static [&'static str],
}

pub(super) const MINUTE: Bounds = Bounds {
    name: "minute",
    least: 0,
    most: 59,
    names: &[],
};
pub(super) const HOUR: Bounds = Bounds {
    name: "hour",
    least: 0,
    most: 23,
    names: &[],
};
pub(super) const DAY: Bounds = Bounds {
    name: "day of month",
    least: 1,
    most: 31,
    names: &[],
};
pub(super) const MONTH: Bounds = Bounds {
    name: "month",
    least: 1,
    most: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
pub(super) const WEEKDAY: Bounds = Bounds {
    name: "day of week",
    least: 0,
    most: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// What a field holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Bit n stands for the number n.
    pub(super) bits: u64,
    /// Whether a `*` or `?` without a step stands in it: the field restricts nothing.
    pub(super) any: bool,
}

/// Reads a field: parts between commas, of which empty ones count for nothing.
pub(super) fn parse(text: &str, bounds: &Bounds) -> Result<Set, ScheduleError> {
    let mut set = Set::default();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let one = range(part, bounds)?;
        set.bits |= one.bits;
        set.any |= one.any;
    }
    Ok(set)
}

fn range(text: &str, bounds: &Bounds) -> Result<Set, ScheduleError> {
    let field = bounds.name;
    let shape = || ScheduleError::Shape {
        field,
        text: text.to_owned(),
    };
    let (span, step) = match text.split_once('/') {
        None => (text, None),
        Some((span, step)) => (span, Some(number(step).ok_or_else(shape)?)),
    };
    let (low, high) = match span.split_once('-') {
        None => (span, None),
        Some((low, high)) => (low, Some(high)),
    };
    let star = matches!(low, "*" | "?");
    let start = if star {
        bounds.least
    } else {
        value(low, bounds)?
    };
    let end = match high {
        // Whatever a star runs to, it runs to the end.
        _ if star => bounds.most,
        Some(high) if high.contains('-') => return Err(shape()),
        Some(high) => value(high, bounds)?,
        None if step.is_some() => bounds.most,
        None => start,
    };
    for value in [start, end] {
        if value < bounds.least || value > bounds.most {
            return Err(ScheduleError::Range {
                field,
                value,
                least: bounds.least,
                most: bounds.most,
            });
        }
    }
    if start > end {
        return Err(ScheduleError::Backwards { field, start, end });
    }
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(shape());
    }
    let numbers = (start..=end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    Ok(Set {
        bits: numbers.fold(0, |bits, number| bits | 1 << number),
        any: star && step == 1,
    })
}

fn value(text: &str, bounds: &Bounds) -> Result<u32, ScheduleError> {
    let named = bounds
        .names
        .iter()
        .zip(bounds.least..)
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    named
        .map(|(_, value)| value)
        .or_else(|| number(text))
        .ok_or_else(|| ScheduleError::Value {
            field: bounds.name,
            text: text.to_owned(),
        })
}

/// A number as Go reads it: a plus sign is fine.
fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}
