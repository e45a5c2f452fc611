//! Private keys from DER to JWK (RFC 7518, section 6).
//!
//! Owns: the little of DER that RSA and EC keys need. Refuses: other kinds of keys, and checking
//! that the numbers belong together: the vault does.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;

/// OIDs of key kinds and curves, as their content bytes.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

struct Curve {
    oid: &'static [u8],
    name: &'static str,
    size: usize,
    algorithm: &'static EcdsaSigningAlgorithm,
}

static CURVES: [Curve; 3] = [
    Curve {
        oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        name: "P-256",
        size: 32,
        algorithm: &ECDSA_P256_SHA256_FIXED_SIGNING,
    },
    Curve {
        oid: &[0x2b, 0x81, 0x04, 0x00, 0x22],
        name: "P-384",
        size: 48,
        algorithm: &ECDSA_P384_SHA384_FIXED_SIGNING,
    },
    Curve {
        oid: &[0x2b, 0x81, 0x04, 0x00, 0x23],
        name: "P-521",
        size: 66,
        algorithm: &ECDSA_P521_SHA512_FIXED_SIGNING,
    },
];

/// One element of DER and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) || rest.len() < count {
            return None;
        }
        let (bytes, rest) = rest.split_at(count);
        let length = bytes
            .iter()
            .fold(0_usize, |sum, b| sum << 8 | usize::from(*b));
        (length, rest)
    };
    (*found == tag && rest.len() >= length).then(|| rest.split_at(length))
}

/// A positive number without its leading zeros.
fn number(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (bytes, rest) = element(der, INTEGER)?;
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    Some((bytes.get(zeros..)?, rest))
}

/// PrivateKeyInfo (RFC 5958).
pub(super) fn of_pkcs8(der: &[u8]) -> Option<Map<String, Value>> {
    let (body, _) = element(der, SEQUENCE)?;
    let (_, rest) = element(body, INTEGER)?;
    let (algorithm, rest) = element(rest, SEQUENCE)?;
    let (kind, parameters) = element(algorithm, OBJECT)?;
    let (key, _) = element(rest, OCTETS)?;
    match kind {
        RSA => of_pkcs1(key),
        EC => {
            let (oid, _) = element(parameters, OBJECT)?;
            let curve = CURVES.iter().find(|curve| curve.oid == oid)?;
            let pair = EcdsaKeyPair::from_pkcs8(curve.algorithm, der).ok()?;
            ec(curve, key, &pair)
        }
        _ => None,
    }
}

/// RSAPrivateKey (RFC 8017, appendix A.1.2).
pub(super) fn of_pkcs1(der: &[u8]) -> Option<Map<String, Value>> {
    let (body, _) = element(der, SEQUENCE)?;
    let (_, mut rest) = element(body, INTEGER)?;
    let mut out = Map::new();
    out.insert("kty".into(), json!("RSA"));
    for field in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let (bytes, after) = number(rest)?;
        out.insert(field.into(), json!(URL_SAFE_NO_PAD.encode(bytes)));
        rest = after;
    }
    Some(out)
}

/// ECPrivateKey (RFC 5915) with its curve in it.
pub(super) fn of_sec1(der: &[u8]) -> Option<Map<String, Value>> {
    let (body, _) = element(der, SEQUENCE)?;
    let (_, rest) = element(body, INTEGER)?;
    let (_, rest) = element(rest, OCTETS)?;
    let (parameters, _) = element(rest, 0xa0)?;
    let (oid, _) = element(parameters, OBJECT)?;
    let curve = CURVES.iter().find(|curve| curve.oid == oid)?;
    let pair = EcdsaKeyPair::from_private_key_der(curve.algorithm, der).ok()?;
    ec(curve, der, &pair)
}

fn ec(curve: &Curve, sec1: &[u8], pair: &EcdsaKeyPair) -> Option<Map<String, Value>> {
    let (body, _) = element(sec1, SEQUENCE)?;
    let (_, rest) = element(body, INTEGER)?;
    let (secret, _) = element(rest, OCTETS)?;
    let (form, point) = pair.public_key().as_ref().split_first()?;
    if *form != 4 || point.len() != 2 * curve.size || secret.len() > curve.size {
        return None;
    }
    let (x, y) = point.split_at(curve.size);
    let mut padded = vec![0; curve.size - secret.len()];
    padded.extend_from_slice(secret);
    let encoded = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
    let mut out = Map::new();
    out.insert("kty".into(), json!("EC"));
    out.insert("crv".into(), json!(curve.name));
    out.insert("x".into(), encoded(x));
    out.insert("y".into(), encoded(y));
    out.insert("d".into(), encoded(&padded));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_never_reach_beyond_their_end() {
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 0x05, 0x00],
            &[0x30, 0x80],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x02, 0x00],
        ] {
            assert!(element(der, SEQUENCE).is_none(), "{der:?}");
            assert!(of_pkcs8(der).is_none() && of_pkcs1(der).is_none() && of_sec1(der).is_none());
        }
        assert_eq!(
            element(&[0x30, 0x81, 0x01, 7, 9], SEQUENCE),
            Some((&[7][..], &[9][..]))
        );
    }
}
