use proptest::prelude::*;
use serde_json::{Value, json};

use super::{DecodeError, decode};

fn vectors() -> Vec<(String, Vec<u8>, Value)> {
    let file: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    };
    file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| {
            let hex = vector["hex"].as_str().unwrap();
            (
                vector["command"].to_string(),
                bytes(hex),
                vector["object"].clone(),
            )
        })
        .collect()
}

/// A field with a length.
fn field(number: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = varint(u64::from(number) << 3 | 2);
    out.extend(varint(payload.len() as u64));
    out.extend(payload);
    out
}

fn number(number: u32, value: i64) -> Vec<u8> {
    let mut out = varint(u64::from(number) << 3);
    out.extend(varint(value.cast_unsigned()));
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [
        b"k8s\0".to_vec(),
        field(1, &meta),
        field(2, raw),
        field(3, b""),
        field(4, b""),
    ]
    .concat()
}

/// Bodies of a real kubectl; see `origin` in the file.
#[test]
fn bodies_of_kubectl() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 19);
    for (command, bytes, object) in vectors {
        assert_eq!(decode(&bytes).unwrap(), object, "{command}");
    }
}

#[test]
fn special_types() {
    let time = [number(1, 1_764_000_000), number(2, 123_456_789)].concat();
    let spec = [
        field(1, b"me"),
        number(2, 15),
        field(3, &time),
        number(5, 0),
        vec![0xf9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8], // an unknown fixed64 field
    ]
    .concat();
    assert_eq!(
        decode(&body("coordination.k8s.io/v1", "Lease", &field(2, &spec))).unwrap()["spec"],
        json!({"holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "2025-11-24T16:00:00.123456Z", "leaseTransitions": 0})
    );
    let event = [field(6, &time), number(8, 3), field(9, b"Normal")].concat();
    assert_eq!(
        decode(&body("v1", "Event", &event)).unwrap(),
        json!({"apiVersion": "v1", "kind": "Event", "firstTimestamp": "2025-11-24T16:00:00Z", "count": 3, "type": "Normal"})
    );
    // An environment variable from a Secret: the reference's name is inlined.
    let reference = [field(1, &field(1, b"s")), field(2, b"k")].concat();
    let container = field(
        7,
        &[field(1, b"E"), field(3, &field(4, &reference))].concat(),
    );
    let limits = field(
        8,
        &field(
            1,
            &[field(1, b"cpu"), field(2, &field(1, b"100m"))].concat(),
        ),
    );
    let pod = field(2, &field(2, &[container, limits].concat()));
    assert_eq!(
        decode(&body("v1", "Pod", &pod)).unwrap()["spec"]["containers"][0],
        json!({
            "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "resources": {"limits": {"cpu": "100m"}},
        })
    );
    let options = [number(1, 0), field(4, b"Background"), field(5, b"All")].concat();
    assert_eq!(
        decode(&body("apps/v1", "DeleteOptions", &options)).unwrap(),
        json!({"apiVersion": "apps/v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Background", "dryRun": ["All"]})
    );
    let managed = field(
        17,
        &[field(1, b"m"), field(7, &field(1, br#"{"f:a":{}}"#))].concat(),
    );
    assert_eq!(
        decode(&body("v1", "ConfigMap", &field(1, &managed))).unwrap()["metadata"]["managedFields"],
        json!([{"manager": "m", "fieldsV1": {"f:a": {}}}])
    );
}

#[test]
fn refusals() {
    assert_eq!(decode(b"{}"), Err(DecodeError::NotKubernetes));
    assert_eq!(
        decode(&body("v1", "Node", b"")),
        Err(DecodeError::UnknownKind {
            api_version: "v1".into(),
            kind: "Node".into()
        })
    );
    for (what, raw) in [
        ("a length beyond the end", vec![0x0a, 0x7f]),
        (
            "a huge length",
            vec![
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
        ),
        ("an endless number", vec![0x80; 30]),
        ("field zero", vec![0x00, 0x00]),
        ("a group", vec![0x0b]),
        ("a number where a message belongs", vec![0x08, 0x01]),
        ("no UTF-8", field(1, &field(1, &[0xff]))),
        (
            "a time out of range",
            field(1, &field(8, &number(1, i64::MAX))),
        ),
    ] {
        assert!(
            matches!(
                decode(&body("v1", "Secret", &raw)),
                Err(DecodeError::Malformed(_))
            ),
            "{what}"
        );
    }
}

#[test]
fn deep_and_wide_bodies_are_refused() {
    // Managed fields hold raw JSON, whose own parser limits its depth.
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let managed = field(17, &field(7, &field(1, deep.as_bytes())));
    assert!(decode(&body("v1", "Secret", &field(1, &managed))).is_err());
    let wide = field(14, b"").repeat(300_000);
    assert_eq!(
        decode(&body("v1", "Secret", &field(1, &wide))),
        Err(DecodeError::Malformed("the body has too many values"))
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        for (version, kind) in [("v1", "Secret"), ("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "Event")] {
            let _ = decode(&body(version, kind, &bytes));
        }
    }

    #[test]
    fn damaged_bodies_never_panic(which in 0_usize..19, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let (_, mut bytes, _) = vectors().swap_remove(which);
        let position = at.index(bytes.len());
        bytes[position] = byte;
        let _ = decode(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = decode(&bytes);
    }
}
