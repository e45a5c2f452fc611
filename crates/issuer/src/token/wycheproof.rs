//! Wycheproof's vectors (C2SP/wycheproof): nothing marked invalid verifies, everything valid does
//! that is within our policy: RS* and ES*, by a key that the token names.
//!
//! The JOSE files are in no package: set `KEYLESS_WYCHEPROOF` to the folder that holds
//! `json_web_signature_test.json` and `json_web_key_test.json`. The raw signatures come with the
//! crate `wycheproof`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn vectors(file: &str) -> Option<Value> {
    let Some(folder) = std::env::var_os("KEYLESS_WYCHEPROOF") else {
        eprintln!(
            "!!! NOT RUN: {file}: KEYLESS_WYCHEPROOF does not name a folder with Wycheproof's JOSE vectors"
        );
        return None;
    };
    let bytes = std::fs::read(PathBuf::from(folder).join(file)).unwrap();
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn accepts(keys: &Value, jws: &str) -> bool {
    let bytes = keys.to_string();
    let keys = KeySet::parse(bytes.as_bytes()).unwrap_or_default();
    // The payloads are no claims, so only the signature is judged: what stands for the payload is
    // signed as it is.
    signature_only(jws, &keys).is_ok()
}

/// As [`signed_by`], for payloads that are no JSON.
fn signature_only(jws: &str, keys: &KeySet) -> Result<(), Refusal> {
    if jws.split('.').count() != 3 {
        return Err(Refusal::Shape(TokenError::Parts(jws.split('.').count())));
    }
    let header = header(jws)?;
    let payload = jws.split('.').nth(1).unwrap_or_default();
    URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| TokenError::Encoding("payload"))?;
    let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
    let alg =
        Algorithm::parse(text("alg")).ok_or_else(|| Refusal::Algorithm(text("alg").into()))?;
    let key = keys
        .find(text("kid"))
        .ok_or_else(|| Refusal::UnknownKid(text("kid").into()))?;
    check(jws, alg, key)
}

fn is_ours(keys: &Value, jws: &str) -> bool {
    let header = header(jws).unwrap_or_default();
    let key = &keys["keys"][0];
    let alg = header
        .get("alg")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Algorithm::parse(alg).is_some() && header.contains_key("kid") && key["kid"] == header["kid"]
}

/// `ES521` is the file's name for RFC 7520's ES512.
fn renamed(mut jwk: Value) -> Value {
    if jwk["alg"] == "ES521" {
        jwk["alg"] = json!("ES512");
    }
    jwk
}

#[test]
fn json_web_signatures() {
    let Some(file) = vectors("json_web_signature_test.json") else {
        return;
    };
    let (mut accepted, mut refused) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let key = group.get("public").unwrap_or(&group["private"]).clone();
        let keys = json!({"keys": [renamed(key)]});
        for test in group["tests"].as_array().unwrap() {
            let jws = test["jws"].as_str().unwrap_or_default();
            let wanted = test["result"] == "valid" && is_ours(&keys, jws);
            assert_eq!(
                accepts(&keys, jws),
                wanted,
                "{} {}",
                test["tcId"],
                test["comment"]
            );
            *(if wanted { &mut accepted } else { &mut refused }) += 1;
        }
    }
    assert!(
        accepted >= 16 && refused >= 350,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn json_web_keys() {
    let Some(file) = vectors("json_web_key_test.json") else {
        return;
    };
    let (mut accepted, mut refused) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let keys = group.get("public").unwrap_or(&group["private"]);
        for test in group["tests"].as_array().unwrap() {
            let jws = test["jws"].as_str().unwrap_or_default();
            let wanted = test["result"] == "valid" && is_ours(keys, jws);
            assert_eq!(
                accepts(keys, jws),
                wanted,
                "{} {}",
                test["tcId"],
                test["comment"]
            );
            *(if wanted { &mut accepted } else { &mut refused }) += 1;
        }
    }
    assert!(
        accepted >= 1 && refused >= 20,
        "{accepted} accepted, {refused} refused"
    );
}

/// The signatures behind RS256, RS384 and RS512.
#[test]
fn raw_rsa_signatures() {
    use ::wycheproof::TestResult;
    use ::wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let sets = [
        (TestName::Rsa2048Sha256, Algorithm::Rs256),
        (TestName::Rsa3072Sha256, Algorithm::Rs256),
        (TestName::Rsa4096Sha256, Algorithm::Rs256),
        (TestName::Rsa2048Sha384, Algorithm::Rs384),
        (TestName::Rsa2048Sha512, Algorithm::Rs512),
    ];
    let (mut accepted, mut refused) = (0, 0);
    for (name, alg) in sets {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = Jwk::from_spki(&group.der).map(|key| Jwk { alg, ..key });
            for test in &group.tests {
                let taken = key
                    .as_ref()
                    .is_ok_and(|k| verifies(k, &test.msg, &test.sig));
                match test.result {
                    TestResult::Valid => {
                        assert!(taken, "{name:?} {} {}", test.tc_id, test.comment);
                        accepted += 1;
                    }
                    TestResult::Invalid => {
                        assert!(!taken, "{name:?} {} {}", test.tc_id, test.comment);
                        refused += 1;
                    }
                    // What some take and some do not: we may do either.
                    TestResult::Acceptable => {}
                }
            }
        }
    }
    assert!(
        accepted >= 20 && refused >= 1000,
        "{accepted} accepted, {refused} refused"
    );
}

/// The signatures behind ES256, ES384 and ES512: two numbers side by side, as JWS has them.
#[test]
fn raw_ecdsa_signatures() {
    use ::wycheproof::TestResult;
    use ::wycheproof::ecdsa::{TestName, TestSet};
    let sets = [
        TestName::EcdsaSecp256r1Sha256P1363,
        TestName::EcdsaSecp384r1Sha384P1363,
        TestName::EcdsaSecp521r1Sha512P1363,
    ];
    let (mut accepted, mut refused) = (0, 0);
    for name in sets {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = Jwk::from_spki(&group.der);
            for test in &group.tests {
                let taken = key
                    .as_ref()
                    .is_ok_and(|k| verifies(k, &test.msg, &test.sig));
                let valid = test.result == TestResult::Valid;
                assert_eq!(taken, valid, "{name:?} {} {}", test.tc_id, test.comment);
                *(if valid { &mut accepted } else { &mut refused }) += 1;
            }
        }
    }
    assert!(
        accepted >= 200 && refused >= 200,
        "{accepted} accepted, {refused} refused"
    );
}
