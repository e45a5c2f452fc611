//! Random texts and numbers, all from the caller's source.

use super::args::{Answer, int, text};
use super::encoding::base64;
use crate::call::Call;
use crate::functions::Type::{Int, Text as Str};
use crate::functions::{Declared, fixed};
use crate::unicode::{push_char, runes};
use crate::value::Value;

pub(crate) static TABLE: &[Declared] = &[
    fixed("randAlphaNum", &[Int], |call, args| {
        chosen(call, args, |b| b.is_ascii_alphanumeric())
    }),
    fixed("randAlpha", &[Int], |call, args| {
        chosen(call, args, |b| b.is_ascii_alphabetic())
    }),
    fixed("randNumeric", &[Int], |call, args| {
        chosen(call, args, |b| b.is_ascii_digit())
    }),
    fixed("randAscii", &[Int], |call, args| {
        chosen(call, args, |b| (b' '..=b'~').contains(b))
    }),
    fixed("randBytes", &[Int], |call, args| {
        let count = usize::try_from(int(args, 0))
            .map_err(|_| "runtime error: makeslice: len out of range")?;
        call.reserve(count)?;
        let mut bytes = vec![0; count];
        call.random(&mut bytes);
        Ok(call.text(base64::encode(&bytes))?)
    }),
    fixed("randInt", &[Int, Int], |call, args| {
        let (min, max) = (int(args, 0), int(args, 1));
        // Go computes the difference with overflow.
        match u64::try_from(max.wrapping_sub(min)) {
            Ok(bound) if bound > 0 => {
                let value = call.random_below(bound) as i64;
                Ok(Value::int(min.wrapping_add(value)))
            }
            _ => Err("invalid argument to Intn".into()),
        }
    }),
    fixed("uuidv4", &[], |call, _| {
        let mut bytes = [0u8; 16];
        call.random(&mut bytes);
        Ok(call.text(uuid(u128::from_be_bytes(bytes)))?)
    }),
    fixed("shuffle", &[Str], shuffle),
];

/// `count` of the ASCII characters that `fits` accepts; none for a negative count.
fn chosen(call: &mut Call<'_>, args: &[Value], fits: fn(&u8) -> bool) -> Answer {
    let count = usize::try_from(int(args, 0)).unwrap_or(0);
    call.reserve(count)?;
    call.step(count)?;
    let alphabet: Vec<u8> = (0..128).filter(fits).collect();
    let bound = alphabet.len() as u64;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let at = call.random_below(bound) as usize;
        out.extend(alphabet.get(at));
    }
    Ok(call.text(out)?)
}

/// A UUID of version 4, variant 1.
fn uuid(random: u128) -> String {
    let versioned = random & !(0xf << 76) | 4 << 76;
    let marked = versioned & !(0b11 << 62) | 0b10 << 62;
    let digits = format!("{marked:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts = parts.map(|(from, to)| digits.get(from..to).unwrap_or_default());
    parts.join("-")
}

fn shuffle(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut all: Vec<char> = runes(text(args, 0)).map(|(_, c, _)| c).collect();
    call.step(all.len())?;
    for i in (1..all.len()).rev() {
        let other = call.random_below(i as u64 + 1) as usize;
        all.swap(i, other);
    }
    let mut out = Vec::new();
    for c in all {
        push_char(&mut out, c);
    }
    Ok(call.text(out)?)
}
