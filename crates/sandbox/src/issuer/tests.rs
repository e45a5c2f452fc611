use std::time::Duration;

use super::{Bound, Invalid, Issuer, Mint, SigningKey};
use crate::clock::Clock;

fn issuer() -> Issuer {
    Issuer::new(
        "https://localhost:1",
        Clock::default(),
        vec![SigningKey::generate().unwrap()],
    )
}

fn mint(issuer: &Issuer, audience: &str) -> String {
    let audiences = [audience.to_owned()];
    let pod = Some(Bound {
        name: "p".into(),
        uid: "u2".into(),
    });
    let what = Mint {
        namespace: "n",
        service_account: "s",
        uid: "u1",
        audiences: &audiences,
        ttl: Duration::from_secs(600),
        pod,
        secret: None,
    };
    issuer.mint(what).unwrap().0
}

#[test]
fn a_token_has_the_real_shape_and_verifies() {
    let issuer = issuer();
    let token = mint(&issuer, "a");
    let decoded = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(decoded.typ, None);
    assert_eq!(decoded.kid.as_deref(), Some(issuer.keys()[0].kid()));
    let claims = issuer.verify(&token, &["a".to_owned()]).unwrap();
    assert_eq!(claims.sub, "system:serviceaccount:n:s");
    assert_eq!(claims.exp - claims.iat, 600);
    assert_eq!(claims.kubernetes.pod.unwrap().uid, "u2");
    assert_eq!(
        issuer.verify(&token, &["b".to_owned()]).unwrap_err(),
        Invalid::Audience {
            have: vec!["a".into()],
            want: vec!["b".into()]
        }
    );
}

#[test]
fn an_independent_verifier_accepts_it_by_the_published_key() {
    let issuer = issuer();
    let token = mint(&issuer, "a");
    let jwk: jsonwebtoken::jwk::Jwk =
        serde_json::from_value(issuer.keys()[0].jwk().clone()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&["a"]);
    rules.set_issuer(&[issuer.url()]);
    let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &rules)
        .unwrap()
        .claims;
    assert_eq!(claims["kubernetes.io"]["serviceaccount"]["uid"], "u1");
    assert!(claims["aud"].is_array());
}

#[test]
fn time_and_tampering_are_judged() {
    let issuer = issuer();
    let token = mint(&issuer, "a");
    let wanted = ["a".to_owned()];
    issuer.clock().skew(601_000 + 1000);
    assert_eq!(issuer.verify(&token, &wanted), Err(Invalid::Expired));
    issuer.clock().skew(-120_000);
    assert_eq!(issuer.verify(&token, &wanted), Err(Invalid::NotYet));
    issuer.clock().skew(0);
    let (head, rest) = token.split_once('.').unwrap();
    let (body, _) = rest.split_once('.').unwrap();
    assert_eq!(
        issuer.verify(&format!("{head}.{body}.AAAA"), &wanted),
        Err(Invalid::Signature)
    );
    assert_eq!(issuer.verify("a.b", &wanted), Err(Invalid::Malformed));
    let other = Issuer::new(
        "https://localhost:1",
        Clock::default(),
        vec![SigningKey::generate().unwrap()],
    );
    assert_eq!(other.verify(&token, &wanted), Err(Invalid::Key));
}

#[test]
fn rotation_keeps_old_tokens_until_the_old_key_is_retired() {
    let issuer = issuer();
    let wanted = ["a".to_owned()];
    let (old, old_kid) = (mint(&issuer, "a"), issuer.keys()[0].kid().to_owned());
    let kid = issuer.rotate().unwrap();
    assert_eq!(issuer.jwks()["keys"].as_array().unwrap().len(), 2);
    assert!(issuer.verify(&old, &wanted).is_ok());
    assert!(!issuer.retire(&kid), "the signing key must stay");
    assert!(issuer.retire(&old_kid));
    assert_eq!(issuer.verify(&old, &wanted), Err(Invalid::Key));
    assert!(issuer.verify(&mint(&issuer, "a"), &wanted).is_ok());
}

#[test]
fn a_kept_key_survives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("k/issuer.key");
    let first = SigningKey::kept_in(&file).unwrap();
    assert_eq!(SigningKey::kept_in(&file).unwrap().kid(), first.kid());
}
