//! The `Condition` element: operators, quantifiers, `IfExists`, and what they make of a context.
//!
//! Owns: the semantics of absent keys, which decide whether a typo locks out or lets in.
//! Refuses: knowledge of which keys exist.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::policy::{PolicyError, syntax};
use super::{Arn, Context};
use crate::aws::pattern::{Pattern, substitute};

/// How a key's values are compared with the policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are IAM's own")]
pub enum Operator {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnLike,
    ArnNotEquals,
    ArnNotLike,
    Null,
}

use Operator as O;

const NAMES: [(&str, Operator); 27] = [
    ("StringEquals", O::StringEquals),
    ("StringNotEquals", O::StringNotEquals),
    ("StringEqualsIgnoreCase", O::StringEqualsIgnoreCase),
    ("StringNotEqualsIgnoreCase", O::StringNotEqualsIgnoreCase),
    ("StringLike", O::StringLike),
    ("StringNotLike", O::StringNotLike),
    ("NumericEquals", O::NumericEquals),
    ("NumericNotEquals", O::NumericNotEquals),
    ("NumericLessThan", O::NumericLessThan),
    ("NumericLessThanEquals", O::NumericLessThanEquals),
    ("NumericGreaterThan", O::NumericGreaterThan),
    ("NumericGreaterThanEquals", O::NumericGreaterThanEquals),
    ("DateEquals", O::DateEquals),
    ("DateNotEquals", O::DateNotEquals),
    ("DateLessThan", O::DateLessThan),
    ("DateLessThanEquals", O::DateLessThanEquals),
    ("DateGreaterThan", O::DateGreaterThan),
    ("DateGreaterThanEquals", O::DateGreaterThanEquals),
    ("Bool", O::Bool),
    ("BinaryEquals", O::BinaryEquals),
    ("IpAddress", O::IpAddress),
    ("NotIpAddress", O::NotIpAddress),
    ("ArnEquals", O::ArnEquals),
    ("ArnLike", O::ArnLike),
    ("ArnNotEquals", O::ArnNotEquals),
    ("ArnNotLike", O::ArnNotLike),
    ("Null", O::Null),
];

impl Operator {
    /// IAM's name of the operator.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, o)| *o == self)
            .map_or("", |(n, _)| n)
    }

    /// Whether it holds when *no* value matches: such an operator is satisfied by an absent key.
    #[must_use]
    pub const fn is_negated(self) -> bool {
        matches!(
            self,
            O::StringNotEquals
                | O::StringNotEqualsIgnoreCase
                | O::StringNotLike
                | O::NumericNotEquals
                | O::DateNotEquals
                | O::NotIpAddress
                | O::ArnNotEquals
                | O::ArnNotLike
        )
    }

    fn parse(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, o)| *o)
    }
}

/// How many of a multi-valued key's values must satisfy the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// `ForAllValues:`; true for an absent key.
    All,
    /// `ForAnyValue:`; false for an absent key.
    Any,
}

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Set operator, if any.
    pub quantifier: Option<Quantifier>,
    /// The comparison.
    pub operator: Operator,
    /// Whether an absent key satisfies it (`…IfExists`).
    pub if_exists: bool,
    /// The key, as the policy spells it.
    pub key: String,
    /// The policy's values: one must match (or none, for a negated operator).
    pub values: Vec<String>,
}

/// Parses a statement's `Condition` element.
pub(super) fn parse(json: &Value) -> Result<Vec<Condition>, PolicyError> {
    let mut out = Vec::new();
    for (name, block) in json.as_object().ok_or_else(syntax)? {
        let (quantifier, operator, if_exists) = parse_operator(name)?;
        for (key, values) in block.as_object().ok_or_else(syntax)? {
            check_key(key)?;
            let values = values_of(values).ok_or_else(syntax)?;
            check_values(operator, &values)?;
            out.push(Condition {
                quantifier,
                operator,
                if_exists,
                key: key.clone(),
                values,
            });
        }
    }
    Ok(out)
}

fn parse_operator(name: &str) -> Result<(Option<Quantifier>, Operator, bool), PolicyError> {
    let invalid = || PolicyError::new(format!("Invalid Condition type : {name}"));
    let (quantifier, rest) = match name.split_once(':') {
        Some(("ForAllValues", rest)) => (Some(Quantifier::All), rest),
        Some(("ForAnyValue", rest)) => (Some(Quantifier::Any), rest),
        Some(_) => return Err(invalid()),
        None => (None, name),
    };
    let (base, if_exists) = match rest.strip_suffix("IfExists") {
        Some(base) => (base, true),
        None => (rest, false),
    };
    let operator = Operator::parse(base).ok_or_else(invalid)?;
    if operator == O::Null && (if_exists || quantifier.is_some()) {
        return Err(invalid());
    }
    Ok((quantifier, operator, if_exists))
}

fn check_key(key: &str) -> Result<(), PolicyError> {
    match key.rsplit_once(':') {
        Some((vendor, name)) if !vendor.is_empty() && !name.is_empty() => Ok(()),
        _ => Err(PolicyError::new(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        )),
    }
}

/// Strings, numbers and booleans, alone or in a list: IAM takes `true` for `"true"`.
fn values_of(json: &Value) -> Option<Vec<String>> {
    let scalar = |v: &Value| match v {
        Value::String(s) => Some(s.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    match json {
        Value::Array(items) => items.iter().map(scalar).collect(),
        one => Some(vec![scalar(one)?]),
    }
}

fn check_values(operator: Operator, values: &[String]) -> Result<(), PolicyError> {
    let valid = |v: &String| match operator {
        O::Bool | O::Null => boolean(v).is_some() || v.contains("${"),
        O::IpAddress | O::NotIpAddress => cidr(v).is_some(),
        O::DateEquals
        | O::DateNotEquals
        | O::DateLessThan
        | O::DateLessThanEquals
        | O::DateGreaterThan
        | O::DateGreaterThanEquals => date(v).is_some(),
        O::NumericEquals
        | O::NumericNotEquals
        | O::NumericLessThan
        | O::NumericLessThanEquals
        | O::NumericGreaterThan
        | O::NumericGreaterThanEquals => number(v).is_some(),
        _ => true,
    };
    if values.iter().all(valid) {
        Ok(())
    } else {
        Err(syntax())
    }
}

impl Condition {
    /// The operator as a policy writes it, with quantifier and `IfExists`.
    #[must_use]
    pub fn operator_name(&self) -> String {
        let quantifier = match self.quantifier {
            Some(Quantifier::All) => "ForAllValues:",
            Some(Quantifier::Any) => "ForAnyValue:",
            None => "",
        };
        let suffix = if self.if_exists { "IfExists" } else { "" };
        format!("{quantifier}{}{suffix}", self.operator.as_str())
    }

    /// Whether `context` satisfies this condition. `variables` says whether the policy's version
    /// resolves `${…}`.
    #[must_use]
    pub fn holds(&self, context: &Context, variables: bool) -> bool {
        let observed = context.get(&self.key);
        if self.operator == O::Null {
            let absent = observed.is_none();
            return self.values.iter().any(|v| boolean(v) == Some(absent));
        }
        let Some(observed) = observed else {
            return self.if_exists
                || match self.quantifier {
                    Some(Quantifier::All) => true,
                    Some(Quantifier::Any) => false,
                    None => self.operator.is_negated(),
                };
        };
        let negated = self.operator.is_negated();
        let one = |value: &String| {
            let matched = self
                .values
                .iter()
                .any(|w| matches(self.operator, w, value, context, variables));
            matched != negated
        };
        match self.quantifier {
            Some(Quantifier::All) => observed.iter().all(one),
            Some(Quantifier::Any) => observed.iter().any(one),
            // A key with several values and no quantifier: one match is enough, and for a
            // negated operator one match is enough to fail.
            None if negated => observed.iter().all(one),
            None => observed.iter().any(one),
        }
    }
}

/// The positive comparison behind `operator` of one wanted with one observed value.
fn matches(
    operator: Operator,
    wanted: &str,
    observed: &str,
    context: &Context,
    variables: bool,
) -> bool {
    let pattern = || {
        if variables {
            Pattern::with_variables(wanted, context)
        } else {
            Some(Pattern::plain(wanted))
        }
    };
    let exact = || {
        if variables {
            substitute(wanted, context)
        } else {
            Some(wanted.to_owned())
        }
    };
    match operator {
        O::StringEquals | O::StringNotEquals => exact().is_some_and(|w| w == observed),
        O::StringEqualsIgnoreCase | O::StringNotEqualsIgnoreCase => {
            exact().is_some_and(|w| w.to_lowercase() == observed.to_lowercase())
        }
        O::StringLike | O::StringNotLike => pattern().is_some_and(|p| p.matches(observed)),
        O::NumericEquals | O::NumericNotEquals => compare(number, wanted, observed, f64::eq),
        O::NumericLessThan => compare(number, wanted, observed, |o, w| o < w),
        O::NumericLessThanEquals => compare(number, wanted, observed, |o, w| o <= w),
        O::NumericGreaterThan => compare(number, wanted, observed, |o, w| o > w),
        O::NumericGreaterThanEquals => compare(number, wanted, observed, |o, w| o >= w),
        O::DateEquals | O::DateNotEquals => compare(date, wanted, observed, i64::eq),
        O::DateLessThan => compare(date, wanted, observed, |o, w| o < w),
        O::DateLessThanEquals => compare(date, wanted, observed, |o, w| o <= w),
        O::DateGreaterThan => compare(date, wanted, observed, |o, w| o > w),
        O::DateGreaterThanEquals => compare(date, wanted, observed, |o, w| o >= w),
        O::Bool => {
            exact().is_some_and(|w| boolean(&w).is_some() && boolean(&w) == boolean(observed))
        }
        O::BinaryEquals => {
            let bytes = |s: &str| STANDARD.decode(s).ok();
            bytes(wanted).is_some() && bytes(wanted) == bytes(observed)
        }
        O::IpAddress | O::NotIpAddress => in_network(wanted, observed),
        O::ArnEquals | O::ArnLike | O::ArnNotEquals | O::ArnNotLike => {
            arn_matches(wanted, observed, context, variables)
        }
        O::Null => false,
    }
}

fn compare<T>(
    read: fn(&str) -> Option<T>,
    wanted: &str,
    observed: &str,
    holds: fn(&T, &T) -> bool,
) -> bool {
    match (read(observed), read(wanted)) {
        (Some(o), Some(w)) => holds(&o, &w),
        _ => false,
    }
}

/// Field by field, so that a `*` does not reach over a colon of the first five.
fn arn_matches(wanted: &str, observed: &str, context: &Context, variables: bool) -> bool {
    let (Ok(w), Ok(o)) = (Arn::parse(wanted), Arn::parse(observed)) else {
        return false;
    };
    let field = |w: &str, o: &str| {
        let pattern = if variables {
            Pattern::with_variables(w, context)
        } else {
            Some(Pattern::plain(w))
        };
        pattern.is_some_and(|p| p.matches(o))
    };
    field(&w.partition, &o.partition)
        && field(&w.service, &o.service)
        && field(&w.region, &o.region)
        && field(&w.account, &o.account)
        && field(&w.resource, &o.resource)
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// Seconds since 1970 of an epoch number, a date, or a date and time with its offset.
fn date(text: &str) -> Option<i64> {
    if let Ok(epoch) = text.parse::<i64>() {
        return Some(epoch);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_second());
    }
    let day = text.parse::<jiff::civil::Date>().ok()?;
    let midnight = day.to_datetime(jiff::civil::Time::midnight());
    jiff::tz::Offset::UTC
        .to_timestamp(midnight)
        .ok()
        .map(jiff::Timestamp::as_second)
}

/// Address, number of host bits, and whether it is IPv6.
fn cidr(text: &str) -> Option<(u128, u32, bool)> {
    let (address, bits) = match text.split_once('/') {
        Some((a, b)) => (a.parse::<IpAddr>().ok()?, Some(b.parse::<u32>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let (value, width, v6) = match address {
        IpAddr::V4(a) => (u128::from(u32::from(a)), 32_u32, false),
        IpAddr::V6(a) => (u128::from(a), 128, true),
    };
    let host_bits = width.checked_sub(bits.unwrap_or(width))?;
    Some((value, host_bits, v6))
}

fn in_network(wanted: &str, observed: &str) -> bool {
    let (Some((network, host_bits, v6)), Some((address, 0, o6))) = (cidr(wanted), cidr(observed))
    else {
        return false;
    };
    let prefix = |value: u128| value.checked_shr(host_bits).unwrap_or(0);
    v6 == o6 && prefix(network) == prefix(address)
}

#[cfg(test)]
mod tests;
