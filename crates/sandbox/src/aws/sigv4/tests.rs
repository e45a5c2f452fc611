//! Signature version 4 against AWS's published test suite (aws-c-auth v0.9.0,
//! `tests/aws-signing-test-suite/v4`), the cases whose path is `/`.

use http::{HeaderName, HeaderValue};

use super::*;

type Vector = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
    &'static str,
);

/// Name, method, query, headers, body, signed headers, signature.
#[rustfmt::skip]
const VECTORS: &[Vector] = &[
    ("get-vanilla", "GET", "", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-vanilla-query", "GET", "", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("get-vanilla-query-order-key-case", "GET", "Param2=value2&Param1=value1", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("get-vanilla-query-order-encoded", "GET", "Param-3=Value3&Param=Value2&%E1%88%B4=Value1", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
    ("get-vanilla-query-unreserved", "GET", "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ("get-vanilla-utf8-query", "GET", "ሴ=bar", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("get-vanilla-empty-query-key", "GET", "Param1=value1", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    ("get-header-value-trim", "GET", "", &[("host", "example.amazonaws.com"), ("my-header1", " value1"), ("my-header2", " \"a   b   c\""), ("x-amz-date", "20150830T123600Z")], "", "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ("get-vanilla-with-session-token", "GET", "", &[("host", "example.amazonaws.com"), ("x-amz-security-token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date;x-amz-security-token", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    ("post-vanilla", "POST", "", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("post-header-key-case", "POST", "", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("post-header-key-sort", "POST", "", &[("host", "example.amazonaws.com"), ("my-header1", "value1"), ("x-amz-date", "20150830T123600Z")], "", "host;my-header1;x-amz-date", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ("post-header-value-case", "POST", "", &[("host", "example.amazonaws.com"), ("my-header1", "VALUE1"), ("x-amz-date", "20150830T123600Z")], "", "host;my-header1;x-amz-date", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    ("post-vanilla-query", "POST", "Param1=value1", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ("post-vanilla-empty-query-value", "POST", "Param1=value1", &[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")], "", "host;x-amz-date", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ("post-x-www-form-urlencoded", "POST", "", &[("content-type", "application/x-www-form-urlencoded"), ("host", "example.amazonaws.com"), ("content-length", "13"), ("x-amz-date", "20150830T123600Z"), ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e")], "Param1=value1", "content-length;content-type;host;x-amz-content-sha256;x-amz-date", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
    ("post-x-www-form-urlencoded-parameters", "POST", "", &[("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("host", "example.amazonaws.com"), ("content-length", "13"), ("x-amz-date", "20150830T123600Z"), ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e")], "Param1=value1", "content-length;content-type;host;x-amz-content-sha256;x-amz-date", "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"),
    ("get-header-key-duplicate", "GET", "", &[("host", "example.amazonaws.com"), ("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1"), ("x-amz-date", "20150830T123600Z")], "", "host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ("get-header-value-order", "GET", "", &[("host", "example.amazonaws.com"), ("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2"), ("x-amz-date", "20150830T123600Z")], "", "host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
];

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z.
const NOW: i64 = 1_440_938_160;

fn headers(vector: &Vector) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in vector.3 {
        out.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let auth = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, Signature={}",
        vector.5, vector.6
    );
    out.insert("authorization", HeaderValue::from_str(&auth).unwrap());
    out
}

fn check(
    vector: &Vector,
    headers: &HeaderMap,
    body: &str,
    query: &str,
    now: i64,
) -> Result<(), ApiError> {
    let auth = Authorization::parse(headers, Protocol::Json)?;
    let signed = Signed {
        method: vector.1,
        query,
        headers,
        body: body.as_bytes(),
    };
    verify(signed, &auth, SECRET, "service", now, Protocol::Json)
}

#[test]
fn published_vectors_verify() {
    assert_eq!(VECTORS.len(), 19);
    for v in VECTORS {
        assert_eq!(check(v, &headers(v), v.4, v.2, NOW), Ok(()), "{}", v.0);
    }
}

#[test]
fn one_changed_part_is_enough() {
    for v in VECTORS {
        let good = headers(v);
        let code = |r: Result<(), ApiError>| r.unwrap_err().code;
        assert_eq!(
            code(check(v, &good, "other body", v.2, NOW)),
            "InvalidSignatureException",
            "{}",
            v.0
        );
        assert_eq!(
            code(check(v, &good, v.4, "Other=1", NOW)),
            "InvalidSignatureException",
            "{}",
            v.0
        );
        let mut host = good.clone();
        host.insert("host", HeaderValue::from_static("evil.example"));
        assert_eq!(
            code(check(v, &host, v.4, v.2, NOW)),
            "InvalidSignatureException",
            "{}",
            v.0
        );
        for offset in [301, -301] {
            assert!(check(v, &good, v.4, v.2, NOW + offset).is_err());
        }
        for offset in [299, -299] {
            assert_eq!(check(v, &good, v.4, v.2, NOW + offset), Ok(()));
        }
    }
}

#[test]
fn what_is_signed_verifies() {
    let key = AccessKey {
        id: "AKIDEXAMPLE".into(),
        secret: SECRET.into(),
        token: Some("token".into()),
    };
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost:1"));
    sign(
        &SigningKey {
            key: &key,
            region: "us-east-1",
            service: "service",
            time: NOW,
        },
        "POST",
        "a=b&A=%20",
        &mut headers,
        b"x",
    );
    let auth = Authorization::parse(&headers, Protocol::Json).unwrap();
    let signed = Signed {
        method: "POST",
        query: "a=b&A=%20",
        headers: &headers,
        body: b"x",
    };
    assert_eq!(
        verify(signed, &auth, SECRET, "service", NOW, Protocol::Json),
        Ok(())
    );
    headers.insert("x-amz-security-token", HeaderValue::from_static("other"));
    let signed = Signed {
        method: "POST",
        query: "a=b&A=%20",
        headers: &headers,
        body: b"x",
    };
    assert!(verify(signed, &auth, SECRET, "service", NOW, Protocol::Json).is_err());
}

#[test]
fn odd_headers_never_panic() {
    for text in [
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=, Signature=zz",
        "Basic eA==",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(text).unwrap());
        for stamp in ["", "2015", "20150830T123600Z", "99999999T999999Z"] {
            headers.insert("x-amz-date", HeaderValue::from_str(stamp).unwrap());
            if let Ok(auth) = Authorization::parse(&headers, Protocol::Json) {
                let signed = Signed {
                    method: "GET",
                    query: "%&%2&=",
                    headers: &headers,
                    body: b"",
                };
                assert!(verify(signed, &auth, SECRET, "d", NOW, Protocol::Json).is_err());
            }
        }
    }
}
