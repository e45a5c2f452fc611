//! Keys: imported, and shown by their public half.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::Vault;
use super::objects::{self, Kind, Version};

pub(in super::super) fn import(
    vault: &mut Vault,
    name: &str,
    request: &Value,
    now: i64,
) -> Result<Answer, Answer> {
    let bad = |text: &str| Answer::vault(400, "BadParameter", "", text);
    let key = request
        .get("key")
        .and_then(Value::as_object)
        .ok_or_else(|| bad("Property key is missing."))?;
    let text = |field: &str| key.get(field).and_then(Value::as_str);
    let (public, private): (&[&str], &[&str]) = match text("kty") {
        Some("RSA") => (&["n", "e"], &["d", "p", "q", "dp", "dq", "qi"]),
        Some("EC") => (&["crv", "x", "y"], &["d"]),
        // Symmetric keys live in managed HSMs only.
        other => return Err(bad(&format!("Key type {other:?} is not supported."))),
    };
    if public
        .iter()
        .chain(private)
        .any(|field| text(field).is_none())
    {
        return Err(bad("The key is incomplete: it needs its private half."));
    }
    let mut shown = Map::new();
    for field in ["kty"].iter().chain(public) {
        shown.insert((*field).to_owned(), json!(text(field)));
    }
    shown.insert(
        "key_ops".into(),
        json!([
            "sign",
            "verify",
            "encrypt",
            "decrypt",
            "wrapKey",
            "unwrapKey"
        ]),
    );
    let mut version = Version {
        enabled: true,
        ..Version::default()
    };
    version.body.insert("key".into(), Value::Object(shown));
    objects::attributes(request, &mut version)?;
    objects::add(vault, Kind::Key, name, version, now)
}
