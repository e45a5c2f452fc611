//! Exact decimal arithmetic, in which Sprig's `addf`, `subf`, `mulf` and `divf` are done.

use num_bigint::{BigInt, Sign};

use crate::call::Call;
use crate::error::CallError;

/// `digits × 10^exponent`.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    digits: BigInt,
    exponent: i64,
}

/// Division keeps this many places.
const PLACES: i64 = 16;

fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent.clamp(0, 100_000)).unwrap_or(0))
}

impl Decimal {
    /// The shortest decimal that reads back as `value`; Go panics on infinities.
    pub(super) fn new(value: f64) -> Result<Self, CallError> {
        if !value.is_finite() {
            return Err("Cannot create a Decimal from an infinite or undefined number".into());
        }
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        Ok(Self {
            digits: digits.parse().unwrap_or_default(),
            exponent: exponent - super::args::go_int(fraction.len()),
        })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e{}", self.digits, self.exponent)
            .parse()
            .unwrap_or(0.0)
    }

    /// Charges the work of computing with another number.
    pub(super) fn charge(&self, other: &Self, call: &mut Call<'_>) -> Result<(), CallError> {
        let words = usize::try_from(self.digits.bits() / 64).unwrap_or(usize::MAX);
        let apart = self.exponent.abs_diff(other.exponent).min(100_000) as usize;
        let squared = words.saturating_mul(words) / 8;
        Ok(call.step(1 + words.saturating_add(squared).saturating_add(apart))?)
    }

    /// Both numbers' digits at the smaller exponent.
    fn aligned(&self, other: &Self) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        (
            &self.digits * power(self.exponent - exponent),
            &other.digits * power(other.exponent - exponent),
            exponent,
        )
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let (a, b, exponent) = self.aligned(other);
        Self {
            digits: a + b,
            exponent,
        }
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let (a, b, exponent) = self.aligned(other);
        Self {
            digits: a - b,
            exponent,
        }
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        Self {
            digits: &self.digits * &other.digits,
            exponent: self.exponent + other.exponent,
        }
    }

    /// Rounded half away from zero.
    pub(super) fn over(&self, other: &Self) -> Result<Self, CallError> {
        if other.digits.sign() == Sign::NoSign {
            return Err("decimal division by 0".into());
        }
        let shift = self.exponent - other.exponent + PLACES;
        let above = &self.digits * power(shift);
        let below = &other.digits * power(-shift);
        let mut quotient = &above / &below;
        let rest = &above % &below;
        if (rest * BigInt::from(2)).magnitude() >= below.magnitude() {
            let negative = (above.sign() == Sign::Minus) != (below.sign() == Sign::Minus);
            quotient += if negative { -1 } else { 1 };
        }
        Ok(Self {
            digits: quotient,
            exponent: -PLACES,
        })
    }
}
