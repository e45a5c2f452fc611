//! The readers of an issuer's documents and tokens, and of the record beside them.

use keyless_issuer::documents::{Discovery, KeySet};
use keyless_issuer::marker::Marker;
use keyless_issuer::token::{Expected, Refusal, signed_by, verify};

/// What is written again is read as the same, and no rule stumbles over it.
pub fn discovery(input: &[u8]) {
    let Ok(document) = Discovery::parse(input) else {
        return;
    };
    let _ = keyless_issuer::rules::discovery::judge("u", "https://i.example.com", &document);
    let again = Discovery::parse(&document.to_bytes()).expect("written by ourselves");
    assert_eq!(again.to_bytes(), document.to_bytes());
    assert_eq!(
        (&again.issuer, &again.jwks_uri),
        (&document.issuer, &document.jwks_uri)
    );
}

/// Only good keys are written, without anything private, and read as the same.
pub fn jwks(input: &[u8]) {
    let Ok(set) = KeySet::parse(input) else {
        return;
    };
    let _ = keyless_issuer::rules::keys::judge("u", &set);
    let bytes = set.to_bytes();
    let again = KeySet::parse(&bytes).expect("written by ourselves");
    assert_eq!(again.names(), set.names());
    assert_eq!(again.to_bytes(), bytes);
    for entry in &again.entries {
        assert!(!entry.private && entry.other.is_empty());
        let key = entry.key.as_ref().expect("only good keys are written");
        assert!(key.bits() >= 256);
    }
    if let Ok(marker) = Marker::parse(input) {
        assert_eq!(Marker::parse(&marker.to_bytes()), Ok(marker));
    }
}

/// No token is taken that no published key has signed, and no refusal quotes it.
pub fn jwt(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let expected = Expected {
        issuer: "https://i.example.com",
        audience: None,
        now: 0,
    };
    let empty = verify(&text, &KeySet::default(), expected);
    let Err(refusal) = empty else {
        panic!("a token was taken without a key");
    };
    let signature = text.rsplit('.').next().unwrap_or_default();
    if signature.len() > 16 && !matches!(refusal, Refusal::UnknownKid(_) | Refusal::Algorithm(_)) {
        assert!(!refusal.to_string().contains(signature), "{refusal}");
    }
    let keys = include_bytes!("../seeds/rfc7515.json");
    let keys = KeySet::parse(keys).expect("the key of RFC 7515");
    if signed_by(&text, &keys).is_ok() {
        let known = include_str!("../seeds/jwt.txt");
        assert!(known.contains(text.as_ref()), "a forged token was taken");
    }
}
