//! Every case that Go answered (`oracle/*.cases`, `oracle/expected.jsonl`; see
//! `testbed/oracle/template`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_gotemplate::{Context, Engine, Functions, MissingKey, Text, Value};
use serde_json::Value as Json;

/// What Go made of a template.
#[derive(Debug, Default)]
struct Case {
    family: String,
    text: String,
    root: String,
    missing: String,
    left: String,
    right: String,
    plain: bool,
    out: Vec<u8>,
    kind: String,
    error: String,
}

fn string(json: &Json, key: &str) -> String {
    json[key].as_str().unwrap_or_default().to_owned()
}

fn cases() -> Vec<Case> {
    include_str!("../oracle/expected.jsonl")
        .lines()
        .map(|line| {
            let json: Json = serde_json::from_str(line).unwrap();
            let b64 = string(&json, "out_b64");
            Case {
                family: string(&json, "family"),
                text: string(&json, "tpl"),
                root: string(&json, "root"),
                missing: string(&json, "missing"),
                left: string(&json, "left"),
                right: string(&json, "right"),
                plain: json["plain"].as_bool().unwrap_or_default(),
                out: if b64.is_empty() {
                    string(&json, "out").into_bytes()
                } else {
                    STANDARD.decode(b64).unwrap()
                },
                kind: string(&json, "kind"),
                error: string(&json, "err"),
            }
        })
        .collect()
}

/// JSON as Go decodes it: numbers are floats.
fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Float(number.as_f64().unwrap()),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(entries) => Value::map(
            entries
                .iter()
                .map(|(key, value)| (Text::from(key.as_str()), from_json(value))),
        ),
    }
}

fn root(json: &Json) -> Value {
    let Some(text) = json["text"].as_object() else {
        return match from_json(&json["json"]) {
            Value::Nil => Value::NoValue,
            value => value,
        };
    };
    let mut all = BTreeMap::new();
    for (key, value) in text {
        all.insert(key.clone(), value.as_str().unwrap().as_bytes().to_vec());
    }
    for (key, value) in json["b64"].as_object().into_iter().flatten() {
        all.insert(
            key.clone(),
            STANDARD.decode(value.as_str().unwrap()).unwrap(),
        );
    }
    Value::text_map(all)
}

pub fn context() -> Context {
    let mut state: u64 = 7;
    Context::new(1_790_000_000, 0, move |bytes: &mut [u8]| {
        for byte in bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (state >> 33) as u8;
        }
    })
}

/// What our engine makes of a case: output, or kind and text of the error.
fn answer(case: &Case, engine: &Engine, root: &Value) -> Result<Vec<u8>, (String, String)> {
    let template = engine
        .parse("t", &case.text)
        .map_err(|error| ("parse".to_owned(), error.to_string()))?;
    template
        .execute(root, &mut context())
        .map_err(|error| ("execute".to_owned(), error.to_string()))
}

fn engine(case: &Case) -> Engine {
    Engine::builder()
        .delims(&case.left, &case.right)
        .functions(if case.plain {
            Functions::go()
        } else {
            Functions::eso()
        })
        .missing_key(match case.missing.as_str() {
            "default" => MissingKey::Default,
            "zero" => MissingKey::Zero,
            _ => MissingKey::Error,
        })
        .build()
}

/// The part of an error before its reason: place and context.
fn place(error: &str) -> &str {
    error.find(">: ").map_or(error, |at| &error[..at])
}

/// Reasons of ours in which Go quotes a value of the template's data.
const WITHHOLDING: [&str; 7] = [
    "can't use an integer to iterate",
    "range can't iterate over a value of type",
    "index out of range",
    "len of untyped nil",
    "non-function of type",
    "non-comparable type",
    "invalid slice index",
];

/// Whether an error says what Go's says: all of it for the language itself, place and context
/// for the functions, whose reasons come from many libraries and often quote data.
fn says_the_same(case: &Case, error: &str) -> bool {
    if case.kind == "parse" || case.family != "core" {
        return match case.kind.as_str() {
            "parse" => error == case.error,
            _ => place(error) == place(&case.error),
        };
    }
    error == case.error
        || place(error) == place(&case.error)
            && WITHHOLDING.iter().any(|reason| error.contains(reason))
}

#[test]
fn all_answers_are_gos() {
    let data: Json = serde_json::from_str(include_str!("../oracle/data.json")).unwrap();
    let mut failures = Vec::new();
    let mut total = 0;
    let only = std::env::var("ORACLE_FAMILY").ok();
    let mut engines: BTreeMap<(String, String, String, bool), Engine> = BTreeMap::new();
    for case in cases() {
        if only.as_ref().is_some_and(|only| *only != case.family) {
            continue;
        }
        total += 1;
        let name = if case.root.is_empty() {
            "main"
        } else {
            &case.root
        };
        let key = (
            case.left.clone(),
            case.right.clone(),
            case.missing.clone(),
            case.plain,
        );
        let engine = engines.entry(key).or_insert_with(|| engine(&case));
        let root = root(&data[name]);
        let problem = match (answer(&case, engine, &root), case.kind.as_str()) {
            (Ok(out), "") if out == case.out => continue,
            (Ok(out), "") => format!(
                "  go:   {:?}\n  ours: {:?}",
                String::from_utf8_lossy(&case.out),
                String::from_utf8_lossy(&out)
            ),
            (Ok(out), _) => format!(
                "  go:   {}\n  ours: {:?}",
                case.error,
                String::from_utf8_lossy(&out)
            ),
            (Err((_, error)), "") => format!(
                "  go:   {:?}\n  ours: {error}",
                String::from_utf8_lossy(&case.out)
            ),
            (Err((kind, error)), wanted) => {
                let same = kind == wanted && says_the_same(&case, &error);
                if same {
                    continue;
                }
                format!("  go:   {}\n  ours: {error}", case.error)
            }
        };
        failures.push(format!("{} {:?}\n{problem}", case.family, case.text));
    }
    assert!(
        failures.is_empty(),
        "{} of {total} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
