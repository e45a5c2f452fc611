//! Decoding of fetched values: `decodingStrategy` and `valuesDecodingStrategy`.
//!
//! Owns: the four strategies, with exactly the padded alphabets of Go's standard library, which
//! skips line breaks anywhere. Refuses: guessing beyond those.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::SecretBytes;

/// How a fetched value is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decoding {
    /// As it is.
    #[default]
    None,
    /// Standard base64, padded.
    Base64,
    /// URL-safe base64, padded.
    Base64Url,
    /// Standard, else URL-safe, else as it is: anything that happens to be valid is decoded.
    Auto,
}

/// A value that its strategy cannot decode. Holds no part of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is not valid {alphabet} at byte {position}")]
pub struct DecodeError {
    /// `base64` or `base64url`.
    pub alphabet: &'static str,
    /// Offset of the first wrong byte, line breaks not counted.
    pub position: usize,
}

/// Go decodes without looking at the unused bits of the last character.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

impl Decoding {
    /// Reads the strategy as written in a manifest; empty means `None`, anything else unknown
    /// is nothing.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" | "None" => Some(Self::None),
            "Base64" => Some(Self::Base64),
            "Base64URL" => Some(Self::Base64Url),
            "Auto" => Some(Self::Auto),
            _ => None,
        }
    }

    /// The strategy as written in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Base64 => "Base64",
            Self::Base64Url => "Base64URL",
            Self::Auto => "Auto",
        }
    }

    /// Decodes one value.
    ///
    /// # Errors
    /// The value is not in the alphabet that the strategy demands.
    pub fn decode(self, value: &SecretBytes) -> Result<SecretBytes, DecodeError> {
        match self {
            Self::None => Ok(value.clone()),
            Self::Base64 => base64(&STANDARD, "base64", value.expose()),
            Self::Base64Url => base64(&URL_SAFE, "base64url", value.expose()),
            Self::Auto => Ok(base64(&STANDARD, "base64", value.expose())
                .or_else(|_| base64(&URL_SAFE, "base64url", value.expose()))
                .unwrap_or_else(|_| value.clone())),
        }
    }

    /// Decodes every value of a map; on failure names the first key, in order, that failed.
    ///
    /// # Errors
    /// See [`Self::decode`].
    pub fn decode_map(
        self,
        map: BTreeMap<String, SecretBytes>,
    ) -> Result<BTreeMap<String, SecretBytes>, (String, DecodeError)> {
        if self == Self::None {
            return Ok(map);
        }
        map.into_iter()
            .map(|(key, value)| match self.decode(&value) {
                Ok(decoded) => Ok((key, decoded)),
                Err(error) => Err((key, error)),
            })
            .collect()
    }
}

fn base64(
    engine: &GeneralPurpose,
    alphabet: &'static str,
    input: &[u8],
) -> Result<SecretBytes, DecodeError> {
    let decoded = if input.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        let text: zeroize::Zeroizing<Vec<u8>> = zeroize::Zeroizing::new(
            input
                .iter()
                .copied()
                .filter(|b| !matches!(b, b'\r' | b'\n'))
                .collect(),
        );
        engine.decode(&*text)
    } else {
        engine.decode(input)
    };
    decoded.map(SecretBytes::new).map_err(|error| DecodeError {
        alphabet,
        position: match error {
            base64::DecodeError::InvalidByte(at, _)
            | base64::DecodeError::InvalidLastSymbol(at, _)
            | base64::DecodeError::InvalidLength(at) => at,
            base64::DecodeError::InvalidPadding => input.len(),
        },
    })
}

#[cfg(test)]
mod tests;
