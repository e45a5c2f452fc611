use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::documents::Algorithm;

/// A modulus of 2,048 bits that no rule objects to: its factors do not matter here.
fn modulus(seed: u8) -> Vec<u8> {
    let mut n: Vec<u8> = (0..=255u8)
        .map(|i| i.wrapping_mul(7).wrapping_add(seed))
        .collect();
    n[0] |= 0x80;
    n[255] |= 1;
    n
}

fn rsa(kid: &str, seed: u8) -> Value {
    json!({"kty": "RSA", "use": "sig", "kid": kid, "alg": "RS256", "n": URL_SAFE_NO_PAD.encode(modulus(seed)), "e": "AQAB"})
}

/// The public key of RFC 7515, appendix A.3.1.
fn ec(kid: &str) -> Value {
    json!({"kty": "EC", "use": "sig", "kid": kid, "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

fn parse(keys: &Value) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn fault(change: impl FnOnce(&mut Value)) -> Option<KeyFault> {
    let mut key = rsa("k", 3);
    change(&mut key);
    parse(&json!([key])).entries.remove(0).key.err()
}

#[test]
fn good_keys() {
    let set = parse(&json!([rsa("b", 1), ec("a")]));
    assert_eq!(set.names(), ["a", "b"]);
    assert_eq!(set.find("a").unwrap().alg, Algorithm::Es256);
    assert_eq!(set.find("b").unwrap().bits(), 2048);
    assert!(set.entries.iter().all(|e| !e.private && e.other.is_empty()));
    let text = String::from_utf8(set.to_bytes()).unwrap();
    assert_eq!(text.lines().count(), 4);
    assert!(text.find("\"a\"") < text.find("\"b\""));
}

#[test]
fn each_fault_is_named() {
    let encoded = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
    for (found, expected) in [
        (
            fault(|k| k["kty"] = json!("oct")),
            KeyFault::Kty("oct".into()),
        ),
        (
            fault(|k| k["kty"] = json!("AKP")),
            KeyFault::Kty("AKP".into()),
        ),
        (
            fault(|k| {
                k.as_object_mut().unwrap().remove("kty");
            }),
            KeyFault::Missing("kty"),
        ),
        (
            fault(|k| {
                k.as_object_mut().unwrap().remove("n");
            }),
            KeyFault::Missing("n"),
        ),
        (
            fault(|k| k["use"] = json!("enc")),
            KeyFault::Use("enc".into()),
        ),
        (
            fault(|k| k["key_ops"] = json!(["sign"])),
            KeyFault::Operations,
        ),
        (
            fault(|k| k["alg"] = json!("ES256")),
            KeyFault::Algorithm("ES256".into()),
        ),
        (
            fault(|k| k["alg"] = json!("PS256")),
            KeyFault::Algorithm("PS256".into()),
        ),
        (fault(|k| k["alg"] = json!(1)), KeyFault::Type("alg")),
        (
            fault(|k| k["n"] = json!(URL_SAFE.encode(modulus(3)))),
            KeyFault::Padded("n"),
        ),
        (
            fault(|k| k["n"] = json!(STANDARD.encode(modulus(3)).trim_end_matches('='))),
            KeyFault::Alphabet("n"),
        ),
        (
            fault(|k| k["n"] = json!("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----")),
            KeyFault::Pem("n"),
        ),
        (fault(|k| k["n"] = json!("a b")), KeyFault::Encoding("n")),
        (
            fault(|k| k["n"] = encoded(&[&[0], modulus(3).as_slice()].concat())),
            KeyFault::LeadingZero("n"),
        ),
        (
            fault(|k| k["n"] = encoded(&modulus(3)[..128])),
            KeyFault::TooSmall(1024),
        ),
        (
            fault(|k| k["n"] = encoded(&[vec![0x80; 1024], vec![1]].concat())),
            KeyFault::TooLarge(8200),
        ),
        (
            fault(|k| k["n"] = encoded(&[modulus(3), vec![2]].concat())),
            KeyFault::Even,
        ),
        (fault(|k| k["e"] = json!("AQ")), KeyFault::Exponent),
        (fault(|k| k["e"] = json!("Ag")), KeyFault::Exponent),
        (
            fault(|k| {
                *k = ec("k");
                k["x"] = json!("AAAA");
            }),
            KeyFault::Length("x", 3, 32),
        ),
        (
            fault(|k| {
                *k = ec("k");
                k["y"] = k["x"].clone();
            }),
            KeyFault::OffCurve,
        ),
        (
            fault(|k| {
                *k = ec("k");
                k["crv"] = json!("secp256k1");
            }),
            KeyFault::Curve("secp256k1".into()),
        ),
        (fault(|k| *k = json!("x")), KeyFault::NoObject),
    ] {
        assert_eq!(found, Some(expected));
    }
}

#[test]
fn private_and_strange_members_are_noticed() {
    let mut private = rsa("k", 1);
    private["d"] = json!("AQAB");
    let mut strange = rsa("s", 2);
    strange["x5c"] = json!([]);
    let set = parse(&json!([private, strange]));
    assert!(set.entries[0].private && !set.entries[1].private);
    assert_eq!(set.entries[1].other, ["x5c"]);
    let text = String::from_utf8(set.to_bytes()).unwrap();
    assert!(!text.contains("\"d\"") && !text.contains("x5c"), "{text}");
}

#[test]
fn a_name_of_two_keys_finds_none() {
    let set = parse(&json!([rsa("k", 1), rsa("k", 2), rsa("o", 3)]));
    assert_eq!(set.find("k"), None);
    assert!(set.find("o").is_some());
}

#[test]
fn what_is_no_key_set() {
    for body in [
        "[]",
        "{}",
        "{\"keys\":{}}",
        "<html>",
        "",
        "{\"keys\":[],\"keys\":[]}",
    ] {
        assert!(KeySet::parse(body.as_bytes()).is_err(), "{body}");
    }
}

/// The same public key as `openssl` writes it, under the name that kube-apiserver gives it.
#[test]
fn a_key_and_its_spki() {
    for value in [rsa("x", 9), ec("x")] {
        let key = Jwk::read(value.as_object().unwrap()).unwrap();
        let again = Jwk::from_spki(&key.spki()).unwrap();
        assert_eq!(again.material, key.material);
        assert_eq!(again.kid, key.kubernetes_name());
        assert_eq!(again.kid.len(), 43);
    }
    assert!(Jwk::from_spki(b"hello").is_err());
}

proptest! {
    #[test]
    fn never_panics(body in any::<Vec<u8>>(), members in proptest::collection::vec(("[a-z0-9_]{1,4}|kty|n|e|crv|x|y|alg|use|kid", "[A-Za-z0-9_=+/-]{0,12}|RSA|EC|P-256|sig"), 0..8)) {
        let _ = KeySet::parse(&body);
        let key: Map<String, Value> = members.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
        let _ = parse(&json!([key]));
    }

    /// What is written is read as the same good keys, and written again as the same bytes, in
    /// whatever order they came.
    #[test]
    fn round_trip(names in proptest::collection::btree_set("[A-Za-z0-9_\"\\\\-]{1,8}", 0..6), turn in any::<proptest::sample::Index>()) {
        let mut keys: Vec<Jwk> = names.iter().enumerate().map(|(i, name)| {
            let value = if i % 2 == 0 { rsa(name, i as u8) } else { ec(name) };
            Jwk::read(value.as_object().unwrap()).unwrap()
        }).collect();
        let bytes = KeySet::of(keys.clone()).to_bytes();
        if !keys.is_empty() {
            let n = turn.index(keys.len());
            keys.rotate_left(n);
        }
        let read = KeySet::parse(&bytes).unwrap();
        prop_assert_eq!(read.names(), names.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(&KeySet::of(keys).to_bytes(), &bytes);
        prop_assert_eq!(read.to_bytes(), bytes);
    }
}
