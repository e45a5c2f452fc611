use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::keygen::{KeyKind, SigningKey};

const ISSUER: &str = "https://issuer.example";

fn key(kind: KeyKind) -> SigningKey {
    SigningKey::generate(kind).unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "system:serviceaccount:a:b", "aud": ["cloud"], "iat": 1000, "nbf": 1000, "exp": 2000})
}

fn expected(now: i64) -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        audience: Some("cloud"),
        now,
    }
}

fn set(keys: &[&SigningKey]) -> KeySet {
    KeySet::of(keys.iter().map(|k| k.jwk().clone()))
}

#[test]
fn both_kinds_of_keys_verify() {
    for kind in [KeyKind::Rsa2048, KeyKind::Es256] {
        let key = key(kind);
        let token = key.sign(&claims()).unwrap();
        let read = verify(&token, &set(&[&key]), expected(1500)).unwrap();
        assert_eq!(read.sub, "system:serviceaccount:a:b");
    }
}

#[test]
fn refusals_name_the_reason() {
    let (ours, other) = (key(KeyKind::Es256), key(KeyKind::Es256));
    let keys = set(&[&ours]);
    let token = ours.sign(&claims()).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        ours.sign(&claims).unwrap()
    };
    let forged = {
        let mut parts: Vec<&str> = token.split('.').collect();
        let body = URL_SAFE_NO_PAD.encode(json!({"iss": ISSUER, "sub": "root"}).to_string());
        parts[1] = &body;
        parts.join(".")
    };
    let header = |header: Value| {
        let rest = token.split_once('.').unwrap().1;
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    let kid = &ours.jwk().kid;
    for (text, refusal) in [
        (
            other.sign(&claims()).unwrap(),
            Refusal::UnknownKid(other.jwk().kid.clone()),
        ),
        (forged, Refusal::Signature(kid.clone())),
        (
            header(json!({"alg": "none", "kid": kid})),
            Refusal::Algorithm("none".into()),
        ),
        (
            header(json!({"alg": "HS256", "kid": kid})),
            Refusal::Algorithm("HS256".into()),
        ),
        (
            header(json!({"alg": "es256", "kid": kid})),
            Refusal::Algorithm("es256".into()),
        ),
        (
            header(json!({"alg": "RS256", "kid": kid})),
            Refusal::WrongKey(kid.clone()),
        ),
        (header(json!({"alg": "ES256"})), Refusal::NoKid),
        (header(json!({"alg": "ES256", "kid": ""})), Refusal::NoKid),
        (
            header(json!({"alg": "ES256", "kid": kid, "crit": ["x"]})),
            Refusal::Header("critical extensions (crit)".into()),
        ),
        (
            with("iss", json!("https://issuer.example/")),
            Refusal::Issuer {
                observed: "https://issuer.example/".into(),
                required: ISSUER.into(),
            },
        ),
        (
            with("aud", json!(["other"])),
            Refusal::Audience {
                observed: vec!["other".into()],
                required: "cloud".into(),
            },
        ),
        (with("exp", json!(1439)), Refusal::Expired(61)),
        (with("nbf", json!(1561)), Refusal::NotYet(61)),
        (with("iat", json!(1561)), Refusal::NotYet(61)),
    ] {
        assert_eq!(verify(&text, &keys, expected(1500)), Err(refusal));
    }
    assert!(verify(&with("exp", json!(1440)), &keys, expected(1500)).is_ok());
    assert!(verify(&with("nbf", json!(1560)), &keys, expected(1500)).is_ok());
}

#[test]
fn a_header_member_twice_is_refused() {
    let key = key(KeyKind::Es256);
    let token = key.sign(&claims()).unwrap();
    let header = format!(
        r#"{{"alg":"ES256","kid":"{0}","kid":"{0}"}}"#,
        key.jwk().kid
    );
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        token.split_once('.').unwrap().1
    );
    assert!(matches!(
        verify(&text, &set(&[&key]), expected(1500)),
        Err(Refusal::Header(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No change of any character of a token is taken.
    #[test]
    fn every_character_counts(at in any::<proptest::sample::Index>(), with in "[A-Za-z0-9_.=-]") {
        static KEY: std::sync::LazyLock<(SigningKey, String)> = std::sync::LazyLock::new(|| {
            let key = SigningKey::generate(KeyKind::Es256).unwrap();
            let token = key.sign(&claims()).unwrap();
            (key, token)
        });
        let (key, token) = &*KEY;
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != *token);
        prop_assert!(verify(&changed, &set(&[key]), expected(1500)).is_err());
    }

    #[test]
    fn never_panics(text in ".{0,300}", parts in proptest::collection::vec(any::<Vec<u8>>(), 3)) {
        let keys = KeySet::default();
        let _ = verify(&text, &keys, expected(0));
        let parts: Vec<String> = parts.into_iter().map(|p| URL_SAFE_NO_PAD.encode(p)).collect();
        let _ = verify(&parts.join("."), &keys, expected(0));
    }
}
