//! Reading key sets; signatures themselves are tested end to end at the STS.

use serde_json::{Value, json};

use super::*;

fn rsa(kid: &str) -> Value {
    json!({"kty": "RSA", "use": "sig", "kid": kid, "alg": "RS256", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQAB"})
}

fn parse(keys: &Value) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

#[test]
fn unusable_keys_are_passed_over() {
    let mut enc = rsa("enc");
    enc["use"] = json!("enc");
    let mut nameless = rsa("x");
    nameless.as_object_mut().unwrap().remove("kid");
    let symmetric = json!({"kty": "oct", "kid": "oct", "k": "AAAA"});
    let pq = json!({"kty": "AKP", "kid": "pq", "alg": "ML-DSA-65", "pub": "AAAA"});
    let short = json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": "AAAA", "y": "AAAA"});
    let keys = parse(&json!([enc, nameless, symmetric, pq, short, rsa("good")])).unwrap();
    assert!(keys.has("good"));
    for kid in ["enc", "oct", "pq", "ec", ""] {
        assert!(!keys.has(kid), "{kid}");
    }
}

#[test]
fn what_is_no_key_set() {
    for text in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
        assert_eq!(
            KeySet::parse(text.as_bytes()).unwrap_err(),
            KeySetError::Shape,
            "{text}"
        );
    }
    assert_eq!(parse(&json!([])).unwrap_err(), KeySetError::Empty);
    let many = |n: usize| Value::Array((0..n).map(|i| rsa(&i.to_string())).collect());
    assert!(parse(&many(100)).is_ok());
    assert_eq!(parse(&many(101)).unwrap_err(), KeySetError::TooMany);
}

#[test]
fn refusals_name_the_reason() {
    let keys = parse(&json!([rsa("k")])).unwrap();
    for (alg, kid, error) in [
        ("none", Some("k"), JwsError::Algorithm("none".into())),
        ("HS256", Some("k"), JwsError::Algorithm("HS256".into())),
        ("EdDSA", Some("k"), JwsError::Algorithm("EdDSA".into())),
        ("rs256", Some("k"), JwsError::Algorithm("rs256".into())),
        ("RS256", None, JwsError::NoKid),
        ("RS256", Some(""), JwsError::NoKid),
        ("RS256", Some("other"), JwsError::UnknownKid("other".into())),
        ("RS384", Some("k"), JwsError::WrongKey("k".into())),
        ("ES256", Some("k"), JwsError::WrongKey("k".into())),
        ("RS256", Some("k"), JwsError::Signature),
    ] {
        assert_eq!(keys.verify("a.b.AAAA", alg, kid), Err(error));
    }
}
