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

/// Wycheproof's JWS cases (C2SP/wycheproof, `testvectors_v1/json_web_signature_test.json`): no
/// case marked invalid verifies, and every valid one does whose algorithm AWS takes and whose
/// key has a name. Set `KEYLESS_WYCHEPROOF` to the folder that holds the file.
#[test]
fn wycheproof() {
    let Some(folder) = std::env::var_os("KEYLESS_WYCHEPROOF") else {
        eprintln!(
            "SKIPPED: KEYLESS_WYCHEPROOF does not name a folder with Wycheproof's JOSE vectors"
        );
        return;
    };
    let file = std::path::Path::new(&folder).join("json_web_signature_test.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let mut jwk = group.get("public").unwrap_or(&group["private"]).clone();
        if jwk["alg"] == "ES521" {
            // The file's name for RFC 7520's ES512.
            jwk["alg"] = json!("ES512");
        }
        for test in group["tests"].as_array().unwrap() {
            let jws = test["jws"].as_str().unwrap_or_default();
            let id = format!("{} {} {jws}", test["tcId"], test["comment"]);
            let verified = accepts(&jwk, jws);
            if test["result"] == "valid" && is_for_us(&jwk, jws) {
                assert_eq!(verified, Some(()), "{id}");
                accepted += 1;
            } else {
                assert_eq!(verified, None, "{id}");
                refused += 1;
            }
        }
    }
    assert!(
        accepted >= 16 && refused >= 350,
        "{accepted} accepted, {refused} refused"
    );
}

fn header(jws: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(jws.split('.').next()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn accepts(jwk: &Value, jws: &str) -> Option<()> {
    let header = header(jws)?;
    let kid = header["kid"].as_str();
    parse(&json!([jwk]))
        .ok()?
        .verify(jws, header["alg"].as_str()?, kid)
        .ok()
}

fn is_for_us(jwk: &Value, jws: &str) -> bool {
    let header = header(jws).unwrap_or_default();
    is_supported(header["alg"].as_str().unwrap_or_default())
        && header["kid"].is_string()
        && jwk["kid"] == header["kid"]
}
