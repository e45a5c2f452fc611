//! The hashes that ESO writes into a cluster, byte for byte.
//!
//! Owns: the data hash, the created-by label, the synced resource version and the field
//! manager's name. All are SHA3-224 over the text that Go prints for `%+v`.
//! Refuses: building that text in memory; it is streamed into the hasher.

use std::collections::BTreeMap;

use sha3::{Digest, Sha3_224};

use crate::{SecretBytes, go_float};

/// Prefix of the field manager on a target Secret.
const FIELD_MANAGER_PREFIX: &str = "externalsecrets.external-secrets.io/";
/// The longest field manager that is written in clear.
const FIELD_MANAGER_MAX: usize = 63;
/// Bytes gathered before the hasher is fed.
const CHUNK: usize = 4096;

/// A SHA3-224 fed with Go's textual form of values.
struct GoHasher {
    state: Sha3_224,
    buffer: Vec<u8>,
}

impl GoHasher {
    fn new() -> Self {
        Self {
            state: Sha3_224::new(),
            buffer: Vec::with_capacity(CHUNK + 8),
        }
    }

    fn flush(&mut self) {
        self.state.update(&self.buffer);
        // What was hashed may be a secret: no copy outlives the call.
        zeroize::Zeroize::zeroize(&mut self.buffer);
    }

    fn text(&mut self, text: &str) {
        if self.buffer.len() + text.len() > CHUNK {
            self.flush();
        }
        if text.len() > CHUNK {
            self.state.update(text.as_bytes());
        } else {
            self.buffer.extend_from_slice(text.as_bytes());
        }
    }

    /// Go prints a byte slice as its decimal numbers: `[98 97 114]`.
    fn bytes(&mut self, bytes: &[u8]) {
        self.text("[");
        let mut first = true;
        for &byte in bytes {
            if self.buffer.len() + 4 > CHUNK {
                self.flush();
            }
            if !first {
                self.buffer.push(b' ');
            }
            first = false;
            if byte >= 100 {
                self.buffer.push(b'0' + byte / 100);
            }
            if byte >= 10 {
                self.buffer.push(b'0' + byte / 10 % 10);
            }
            self.buffer.push(b'0' + byte % 10);
        }
        self.text("]");
    }

    fn strings(&mut self, map: &BTreeMap<String, String>) {
        self.text("map[");
        let mut separator = "";
        for (key, value) in map {
            self.text(separator);
            separator = " ";
            self.text(key);
            self.text(":");
            self.text(value);
        }
        self.text("]");
    }

    fn value(&mut self, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Null => self.text("<nil>"),
            Value::Bool(true) => self.text("true"),
            Value::Bool(false) => self.text("false"),
            Value::String(text) => self.text(text),
            Value::Number(number) => self.text(&go_number(number)),
            Value::Array(items) => {
                self.text("[");
                let mut separator = "";
                for item in items {
                    self.text(separator);
                    separator = " ";
                    self.value(item);
                }
                self.text("]");
            }
            Value::Object(fields) => {
                // serde_json may keep insertion order; Go sorts.
                let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
                self.text("map[");
                let mut separator = "";
                for (key, item) in sorted {
                    self.text(separator);
                    separator = " ";
                    self.text(key);
                    self.text(":");
                    self.value(item);
                }
                self.text("]");
            }
        }
    }

    fn finish(mut self) -> String {
        self.flush();
        hex(&self.state.finalize())
    }
}

/// A number decoded from JSON by Kubernetes: integers as they are, others as Go's floats.
fn go_number(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if !number.is_i64() && !number.is_u64() => go_float::general(float),
        _ => number.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| DIGITS.get(usize::from(nibble)).map(|d| char::from(*d)))
        .collect()
}

/// The value of annotation `reconcile.external-secrets.io/data-hash` for a Secret's data.
#[must_use]
pub fn data_hash(data: &BTreeMap<String, SecretBytes>) -> String {
    let mut hasher = GoHasher::new();
    hasher.text("map[");
    let mut separator = "";
    for (key, value) in data {
        hasher.text(separator);
        separator = " ";
        hasher.text(key);
        hasher.text(":");
        hasher.bytes(value.expose());
    }
    hasher.text("]");
    hasher.finish()
}

/// The same hash over any JSON value: for generic targets, their `.spec` or `.data`.
#[must_use]
pub fn value_hash(value: &serde_json::Value) -> String {
    let mut hasher = GoHasher::new();
    hasher.value(value);
    hasher.finish()
}

/// SHA3-224 of a text, in lower-case hexadecimal.
#[must_use]
pub fn text_hash(text: &str) -> String {
    hex(&Sha3_224::digest(text.as_bytes()))
}

/// SHA3-224 of bytes, in lower-case hexadecimal; tells two values apart without showing either.
#[must_use]
pub fn bytes_hash(bytes: &[u8]) -> String {
    hex(&Sha3_224::digest(bytes))
}

/// SHA3-224 of `bytes` under a secret `key`: tells two values apart, and is of no use for
/// guessing them without the key. SHA3 needs no HMAC around it; the length keeps two pairs apart.
#[must_use]
pub fn keyed_hash(key: &SecretBytes, bytes: &[u8]) -> String {
    let mut state = Sha3_224::new();
    state.update(u64::try_from(key.len()).unwrap_or(u64::MAX).to_le_bytes());
    state.update(key.expose());
    state.update(bytes);
    hex(&state.finalize())
}

/// The value of label `reconcile.external-secrets.io/created-by`.
#[must_use]
pub fn created_by(namespace: &str, name: &str) -> String {
    text_hash(&format!("{namespace}/{name}"))
}

/// `status.syncedResourceVersion`: the generation and a hash of the object's own labels and
/// annotations, so that a change of any of them is seen.
#[must_use]
pub fn synced_resource_version(
    generation: i64,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> String {
    let mut hasher = GoHasher::new();
    hasher.text("{annotations:");
    hasher.strings(annotations);
    hasher.text(" labels:");
    hasher.strings(labels);
    hasher.text("}");
    format!("{generation}-{}", hasher.finish())
}

/// The field manager with which an ExternalSecret named `name` writes its target.
#[must_use]
pub fn field_manager(name: &str) -> String {
    let plain = format!("{FIELD_MANAGER_PREFIX}{name}");
    if plain.len() <= FIELD_MANAGER_MAX {
        return plain;
    }
    format!("{FIELD_MANAGER_PREFIX}sha3/{}", text_hash(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn data(pairs: &[(&str, &[u8])]) -> BTreeMap<String, SecretBytes> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(value.to_vec())))
            .collect()
    }

    #[test]
    fn data_hash_matches_the_known_vectors() {
        // The first is also in ESO's own unit test.
        for (pairs, expected) in [
            (
                &[("foo", b"value1".as_slice()), ("bar", b"value2")][..],
                "1bed8bcbcb4547ffe19a19cd47d9078e84aa6598266d86b99f992d64",
            ),
            (
                &[("password", b"s3cr3t".as_slice())][..],
                "32624ec2bbb01c19a38546e9e3c9996bce3ad67744c9550874b627b9",
            ),
            (
                &[],
                "74a974446e359fb3e6baff9bd0058950e6edd0f040888d9989b0a11b",
            ),
        ] {
            assert_eq!(data_hash(&data(pairs)), expected);
        }
    }

    /// Targets of External Secrets Operator 2.9 on a real cluster; `b64:` marks what is no text.
    #[test]
    fn hashes_match_what_was_recorded() {
        let recorded: serde_json::Value =
            serde_json::from_str(include_str!("hash/recorded.json")).unwrap();
        let list = |name: &str| recorded[name].as_array().unwrap().clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        for entry in list("data") {
            let data: BTreeMap<String, SecretBytes> = entry["data"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| {
                    let value = text(value);
                    let bytes = match value.strip_prefix("b64:") {
                        Some(encoded) => crate::decode::Decoding::Base64
                            .decode(&SecretBytes::from(encoded))
                            .unwrap(),
                        None => SecretBytes::from(value),
                    };
                    (key.clone(), bytes)
                })
                .collect();
            assert_eq!(data_hash(&data), text(&entry["hash"]), "{entry}");
        }
        for entry in list("created_by") {
            let hash = created_by(&text(&entry["namespace"]), &text(&entry["name"]));
            assert_eq!(hash, text(&entry["hash"]), "{entry}");
        }
    }

    #[test]
    fn streaming_equals_hashing_the_whole_text() {
        let long: Vec<u8> = (0..20_000_u32).map(|i| (i % 256) as u8).collect();
        let numbers: Vec<String> = long.iter().map(u8::to_string).collect();
        let key = "k".repeat(CHUNK * 2);
        let text = format!(
            "map[a:[] {key}:[{}] z:[0 9 10 99 100 255]]",
            numbers.join(" ")
        );
        let map = data(&[("a", b""), (&key, &long), ("z", &[0, 9, 10, 99, 100, 255])]);
        assert_eq!(data_hash(&map), text_hash(&text));
    }

    #[test]
    fn created_by_matches_the_known_vector() {
        assert_eq!(
            created_by("default", "example"),
            "5b1224068cc3cca5aa3071e518838346f821fe1761229559d4959980"
        );
    }

    #[test]
    fn version_covers_generation_labels_and_annotations() {
        let labels = BTreeMap::from([("l".to_owned(), "1".to_owned())]);
        let annotations = BTreeMap::from([
            ("b".to_owned(), "2".to_owned()),
            ("a".to_owned(), "x y".to_owned()),
        ]);
        assert_eq!(
            synced_resource_version(3, &labels, &annotations),
            format!(
                "3-{}",
                text_hash("{annotations:map[a:x y b:2] labels:map[l:1]}")
            )
        );
    }

    #[test]
    fn values_are_written_as_go_prints_them() {
        let value = json!({
            "z": null, "b": [1, "x", true], "f": 1.5, "e": 1e21, "s": 0.00001, "n": {"k": "v"},
            "big": 123_456_789_012.5, "m": 123_456.7
        });
        assert_eq!(
            value_hash(&value),
            text_hash(
                "map[b:[1 x true] big:1.234567890125e+11 e:1e+21 f:1.5 m:123456.7 n:map[k:v] s:1e-05 z:<nil>]"
            )
        );
    }

    #[test]
    fn field_manager_is_hashed_only_when_too_long() {
        let short = "a".repeat(27);
        assert_eq!(field_manager(&short).len(), 63);
        assert!(field_manager(&short).ends_with(&short));
        let long = "a".repeat(28);
        assert_eq!(
            field_manager(&long),
            format!(
                "externalsecrets.external-secrets.io/sha3/{}",
                text_hash(&long)
            )
        );
    }
}
