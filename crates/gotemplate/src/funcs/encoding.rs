//! Base64, Base32, hexadecimal, hashes without a key. What cannot be decoded becomes the text
//! of Go's error, as output.

use super::args::{Answer, text};
use crate::call::Call;
use crate::functions::Type::Text as Str;
use crate::functions::{Declared, fixed};

pub(crate) static TABLE: &[Declared] = &[
    fixed("b64enc", &[Str], |call, args| {
        let out = base64::encode(text(args, 0));
        Ok(call.text(out)?)
    }),
    fixed("b64dec", &[Str], |call, args| {
        let out = match base64::decode(text(args, 0)) {
            Ok(bytes) => bytes,
            Err(at) => format!("illegal base64 data at input byte {at}").into_bytes(),
        };
        Ok(call.text(out)?)
    }),
    fixed("b32enc", &[Str], |call, args| {
        let out = base32::encode(text(args, 0));
        Ok(call.text(out)?)
    }),
    fixed("b32dec", &[Str], |call, args| {
        let out = match base32::decode(text(args, 0)) {
            Ok(bytes) => bytes,
            Err(at) => format!("illegal base32 data at input byte {at}").into_bytes(),
        };
        Ok(call.text(out)?)
    }),
    fixed("sha1sum", &[Str], |call, args| {
        digest(
            call,
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            text(args, 0),
        )
    }),
    fixed("sha256sum", &[Str], |call, args| {
        digest(call, &aws_lc_rs::digest::SHA256, text(args, 0))
    }),
    fixed("sha512sum", &[Str], |call, args| {
        digest(call, &aws_lc_rs::digest::SHA512, text(args, 0))
    }),
    fixed("adler32sum", &[Str], |call, args| {
        Ok(call.text(adler32(text(args, 0)).to_string())?)
    }),
];

/// In the set of External Secrets Operator only.
pub(crate) static ESO: &[Declared] = &[fixed("hexdec", &[Str], |call, args| {
    let out = hex_decode(text(args, 0)).unwrap_or_else(String::into_bytes);
    Ok(call.text(out)?)
})];

pub(crate) mod base32;
pub(crate) mod base64;

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(
    call: &mut Call<'_>,
    algorithm: &'static aws_lc_rs::digest::Algorithm,
    bytes: &[u8],
) -> Answer {
    let sum = aws_lc_rs::digest::digest(algorithm, bytes);
    Ok(call.text(hex(sum.as_ref()))?)
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut a, mut b) = (1u32, 0u32);
    // The sums stay below 2^32 for this many bytes.
    for chunk in bytes.chunks(5_552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}

/// The bytes, or Go's error.
fn hex_decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |byte: u8| {
        char::from(byte).to_digit(16).ok_or_else(|| {
            let c = char::from(byte);
            let shown = if crate::unicode::is_print(c) {
                format!(" '{c}'")
            } else {
                String::new()
            };
            format!("encoding/hex: invalid byte: U+{:04X}{shown}", u32::from(c))
        })
    };
    let mut out = Vec::with_capacity(text.len() / 2);
    let (pairs, rest) = text.as_chunks::<2>();
    for [high, low] in pairs {
        out.push((digit(*high)? * 16 + digit(*low)?) as u8);
    }
    match rest {
        [] => Ok(out),
        [odd, ..] => {
            digit(*odd)?;
            Err("encoding/hex: odd length hex string".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adler_of_a_long_text() {
        assert_eq!(adler32(&[0xff; 20_000]), 2_672_940_644);
    }

    #[test]
    fn hexadecimal_errors_name_the_byte() {
        assert_eq!(
            hex_decode(b"zz").unwrap_err(),
            "encoding/hex: invalid byte: U+007A 'z'"
        );
        assert_eq!(
            hex_decode(b"616").unwrap_err(),
            "encoding/hex: odd length hex string"
        );
        assert_eq!(hex_decode(b"6162").unwrap(), b"ab");
    }
}
