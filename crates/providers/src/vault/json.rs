//! A JSON document as Go's encoder writes a map.
//!
//! Owns: sorted keys, no white space, characters that HTML knows escaped, numbers as they were
//! written. Refuses: documents nested deeper than [`DEPTH`], and quoting a value in an error.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// How deep a document may be nested.
const DEPTH: usize = 100;

/// `raw` as Go writes it; `None` when it is nested too deep or no JSON.
pub(super) fn canonical(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    append(&mut out, raw, DEPTH)?;
    Some(out)
}

fn append(out: &mut String, raw: &str, depth: usize) -> Option<()> {
    let raw = raw.trim();
    let depth = depth.checked_sub(1)?;
    match raw.as_bytes().first()? {
        b'{' => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw).ok()?;
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                text(out, &name)?;
                out.push(':');
                append(out, value.get(), depth)?;
            }
            out.push('}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            out.push('[');
            for (place, value) in items.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                append(out, value.get(), depth)?;
            }
            out.push(']');
        }
        b'"' => text(out, &serde_json::from_str::<String>(raw).ok()?)?,
        _ => out.push_str(raw),
    }
    Some(())
}

fn text(out: &mut String, text: &str) -> Option<()> {
    for c in serde_json::to_string(text).ok()?.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_go_writes_it() {
        let raw = r#" { "b" : [1, 2.50, 12345678901234567890, 1e3], "a":{"z":null,"y":true}, "h":"<&>\u2028\n\u00e9" } "#;
        assert_eq!(
            canonical(raw).unwrap(),
            "{\"a\":{\"y\":true,\"z\":null},\"b\":[1,2.50,12345678901234567890,1e3],\
             \"h\":\"\\u003c\\u0026\\u003e\\u2028\\né\"}"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(canonical(&nested(DEPTH - 1)).is_some());
        assert!(canonical(&nested(DEPTH + 1)).is_none());
        assert!(canonical(&nested(100_000)).is_none());
        for raw in ["", "{", "{\"a\":}", "[1"] {
            assert!(canonical(raw).is_none(), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn it_means_the_same(map in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..6)) {
            let raw = serde_json::to_string(&map).unwrap();
            let back: std::collections::BTreeMap<String, String> =
                serde_json::from_str(&canonical(&raw).unwrap()).unwrap();
            prop_assert_eq!(map, back);
        }
    }
}
