use std::path::Path;

use serde_json::Value;

use super::{crds, crds_yaml};

/// The committed definitions are the generated ones. `KEYLESS_BLESS=1` writes them.
#[test]
fn committed_definitions_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for (plural, text) in crds_yaml() {
        let file = folder.join(format!("{plural}.yaml"));
        if std::env::var_os("KEYLESS_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{} differs from the types: run `cargo xtask generate`",
            file.display()
        );
    }
}

/// What fits into the annotation that `kubectl apply` keeps, with room to spare.
#[test]
fn definitions_are_small() {
    for crd in crds() {
        let size = crd.to_string().len();
        assert!(
            size <= 131_072,
            "{} has {size} bytes",
            crd["metadata"]["name"]
        );
    }
}

#[test]
fn yaml_reads_back_as_the_same_value() {
    for (crd, (plural, text)) in crds().into_iter().zip(crds_yaml()) {
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert!(read == crd, "{plural}");
        assert!(text.is_ascii() || !text.contains('\t'));
    }
}

#[test]
fn yaml_quotes_what_would_be_something_else() {
    let value = serde_json::json!({
        "y": "no", "empty": "", "number": "1", "real": 1.5, "list": [[], {}, [["x"]], {"b": 1, "a": null}],
        "colon": "a: b", "dash": "- a", "hash": "a #b", "lines": "a\nb", "space": " a ", "bell": "\u{7}",
        "star": "*a", "true": true, "word": "TRUE", "tilde": "~", "quote": "it's", "wide": "µs",
    });
    let text = super::to_yaml(&value);
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(read, value, "{text}");
    assert!(
        text.contains("\"word\": ") || text.contains("word: \"TRUE\""),
        "{text}"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_survives_yaml(name in "\\PC{0,12}", text in "[ -~\\n\\t]{0,16}|\\PC{0,16}") {
        let value = serde_json::json!({name: [text.clone(), {"a": text}]});
        let read: Value = serde_saphyr::from_str(&super::to_yaml(&value)).unwrap();
        proptest::prop_assert_eq!(read, value);
    }
}

fn versions() -> Vec<(String, Value)> {
    let mut versions = Vec::new();
    for crd in crds() {
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let name = format!("{}/{}", crd["spec"]["names"]["kind"], version["name"]);
            versions.push((name, version.clone()));
        }
    }
    assert_eq!(versions.len(), 8);
    versions
}

#[test]
fn both_versions_are_served_and_one_is_stored() {
    for (name, version) in versions() {
        let v1 = version["name"] == "v1";
        assert_eq!(version["served"], true, "{name}");
        assert_eq!(version["storage"], v1, "{name}");
        assert_eq!(version.get("deprecated").is_some(), !v1, "{name}");
        assert_eq!(
            version["subresources"],
            serde_json::json!({"status": {}}),
            "{name}"
        );
    }
}

/// What an API server demands of a structural schema, and what we demand of ourselves.
fn lint(path: &str, schema: &Value, documented: bool, complaints: &mut Vec<String>) {
    const KEYWORDS: &[&str] = &[
        "additionalProperties",
        "anyOf",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minItems",
        "minLength",
        "minProperties",
        "nullable",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ];
    let fields = schema.as_object().unwrap();
    let mut complain = |what: String| complaints.push(format!("{path}: {what}"));
    for keyword in fields
        .keys()
        .filter(|keyword| !KEYWORDS.contains(&keyword.as_str()))
    {
        complain(format!("keyword {keyword}"));
    }
    let either = fields.get("x-kubernetes-int-or-string").is_some();
    match fields.get("type").and_then(Value::as_str) {
        None if either => {}
        Some("array") if fields.contains_key("items") => {}
        Some("object" | "string" | "integer" | "boolean") => {}
        other => complain(format!("type {other:?}")),
    }
    if fields.contains_key("anyOf") && !either {
        complain("anyOf".to_owned());
    }
    if fields.contains_key("nullable") && !path.ends_with("status.refreshTime") {
        complain("nullable".to_owned());
    }
    if let Some(format) = fields.get("format").and_then(Value::as_str)
        && !["int32", "int64", "byte", "date-time"].contains(&format)
    {
        complain(format!("format {format}"));
    }
    if fields.contains_key("properties") && fields.contains_key("additionalProperties") {
        complain("properties and additionalProperties".to_owned());
    }
    let described = fields
        .get("description")
        .and_then(Value::as_str)
        .is_some_and(|it| it.len() > 4);
    let exempt = path.ends_with("additionalProperties")
        || path.ends_with(".metadata")
        || (path.ends_with("[]") && fields["type"] != "object");
    if described != documented && !(documented && exempt) {
        complain("description".to_owned());
    }
    if let Some(default) = fields.get("default")
        && let Err(why) = fits(default, schema)
    {
        complain(format!("default: {why}"));
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    for name in fields
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if properties.is_none_or(|it| !it.contains_key(name.as_str().unwrap())) {
            complain(format!("requires unknown {name}"));
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        lint(&format!("{path}.{name}"), property, documented, complaints);
    }
    for (key, suffix) in [
        ("items", "[]"),
        ("additionalProperties", ".additionalProperties"),
    ] {
        if let Some(inner) = fields.get(key) {
            lint(&format!("{path}{suffix}"), inner, documented, complaints);
        }
    }
}

/// Whether a value fits a schema, as far as defaults need it.
fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    let right = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("object") => value.is_object(),
        Some("integer") => value.is_i64(),
        _ => false,
    };
    if !right {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Err(format!("{value} is none of {known:?}"));
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let property = schema["properties"]
            .get(name)
            .ok_or(format!("unknown {name}"))?;
        fits(member, property)?;
    }
    Ok(())
}

#[test]
fn schemas_are_structural_and_v1_is_documented() {
    let mut complaints = Vec::new();
    for (name, version) in versions() {
        let schema = &version["schema"]["openAPIV3Schema"];
        lint(&name, schema, version["name"] == "v1", &mut complaints);
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn the_lint_sees_what_it_should() {
    let broken = serde_json::json!({"type": "object", "description": "Broken.", "required": ["z"], "properties": {
        "a": {"description": "Typeless."},
        "b": {"anyOf": [{}], "type": "string", "description": "Any of."},
        "c": {"type": "string", "enum": ["x"], "default": "y", "description": "Default."},
        "d": {"type": "string", "nullable": true, "description": "Nullable."},
        "e": {"type": "integer", "format": "uint32", "description": "Unsigned."},
        "f": {"type": "array", "description": "No items."},
        "g": {"type": "string"},
    }});
    let mut complaints = Vec::new();
    lint("x", &broken, true, &mut complaints);
    assert_eq!(complaints.len(), 8, "{complaints:#?}");
}

/// The older version is the newer one without documentation and with three more defaults.
#[test]
fn versions_differ_only_where_they_should() {
    fn compare(path: &str, new: &Value, old: &Value, defaults: &mut Vec<String>) {
        let (new_fields, old_fields) = (new.as_object().unwrap(), old.as_object().unwrap());
        let mut added = old_fields.clone();
        added.retain(|key, _| !new_fields.contains_key(key));
        if let Some(default) = added.remove("default") {
            defaults.push(format!("{path}={default}"));
        }
        assert!(added.is_empty(), "{path}: {added:?}");
        for (key, value) in new_fields {
            match (key.as_str(), old_fields.get(key)) {
                ("description", None) => {}
                ("properties", Some(older)) => {
                    for (name, property) in value.as_object().unwrap() {
                        compare(&format!("{path}.{name}"), property, &older[name], defaults);
                    }
                }
                ("items" | "additionalProperties", Some(older)) => {
                    compare(&format!("{path}[]"), value, older, defaults);
                }
                (_, Some(older)) => assert_eq!(value, older, "{path}.{key}"),
                (_, None) => panic!("{path}: v1beta1 lacks {key}"),
            }
        }
    }
    let mut defaults = Vec::new();
    for pair in versions().chunks(2) {
        let schema = |position: usize| &pair[position].1["schema"]["openAPIV3Schema"];
        compare("", schema(0), schema(1), &mut defaults);
    }
    let of = |prefix: &str| {
        let path = format!("{prefix}.dataFrom[].find");
        [
            format!("{path}.conversionStrategy=\"Default\""),
            format!("{path}.decodingStrategy=\"None\""),
        ]
    };
    for expected in [of(".spec"), of(".spec.externalSecretSpec")].concat() {
        assert!(
            defaults.contains(&expected),
            "{expected} not in {defaults:#?}"
        );
    }
    assert_eq!(defaults.len(), 16, "{defaults:#?}");
}

/// A value in which every property of the schema is set, and none to what means "absent".
fn sample(schema: &Value) -> Value {
    if let Some(known) = schema["enum"].as_array() {
        return known.iter().find(|value| *value != "None").unwrap().clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let mut object = serde_json::Map::new();
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                object.insert(name.clone(), sample(property));
            }
            if let Some(inner) = schema.get("additionalProperties") {
                object.insert("name".to_owned(), sample(inner));
            }
            object.into()
        }
        Some("array") => serde_json::json!([sample(&schema["items"])]),
        Some("boolean") => true.into(),
        Some("integer") => 7.into(),
        _ => "text".into(),
    }
}

/// Every property of the schema is a field of the type, and every field a property.
#[test]
fn types_and_schemas_agree() {
    fn agree<T>(kind: &str, part: &str)
    where
        T: serde::de::DeserializeOwned + serde::Serialize + std::fmt::Debug,
    {
        let crd = crds()
            .into_iter()
            .find(|crd| crd["spec"]["names"]["kind"] == kind)
            .unwrap();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let sample = sample(&root["properties"][part]);
        let typed: T = crate::decode(&sample).unwrap();
        assert_eq!(
            serde_json::to_value(&typed).unwrap(),
            sample,
            "{kind} {part}"
        );
        // A field that the schema does not know could only be absent.
        let shown = format!("{typed:?}");
        for absent in [": None", ": []", ": {}"] {
            assert!(!shown.contains(absent), "{kind} {part}{absent}: {shown}");
        }
    }
    agree::<crate::ExternalSecretSpec>("ExternalSecret", "spec");
    agree::<crate::ExternalSecretStatus>("ExternalSecret", "status");
    agree::<crate::ClusterExternalSecretSpec>("ClusterExternalSecret", "spec");
    agree::<crate::ClusterExternalSecretStatus>("ClusterExternalSecret", "status");
    agree::<crate::SecretStoreSpec>("SecretStore", "spec");
    agree::<crate::SecretStoreStatus>("ClusterSecretStore", "status");
}
