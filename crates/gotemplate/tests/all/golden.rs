//! Recorded answers of External Secrets Operator's own engine, kept outside of this repository.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_gotemplate::{Engine, Error, yaml};
use serde_json::Value as Json;
use std::collections::BTreeMap;

use crate::oracle::context;

fn data(json: &Json) -> BTreeMap<String, Vec<u8>> {
    let mut data = BTreeMap::new();
    for (key, value) in json["data"].as_object().unwrap() {
        data.insert(key.clone(), value.as_str().unwrap().as_bytes().to_vec());
    }
    for (key, value) in json["data_b64"].as_object().unwrap() {
        data.insert(
            key.clone(),
            STANDARD.decode(value.as_str().unwrap()).unwrap(),
        );
    }
    data
}

/// Compares with the folder named by `ESO_ANSWERS`: `cases.json` and `expected.json`.
#[test]
#[ignore = "needs a folder of recorded answers, named by ESO_ANSWERS"]
fn answers_are_those_of_the_operator() {
    let folder = std::env::var("ESO_ANSWERS").expect("ESO_ANSWERS names a folder");
    let load = |name: &str| -> Json {
        let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let (cases, expected) = (load("cases.json"), load("expected.json"));
    let data = data(&cases);
    let engine = Engine::eso();
    let mut failures = Vec::new();
    let mut compared = 0;
    for (case, want) in cases["cases"]
        .as_array()
        .unwrap()
        .iter()
        .zip(expected.as_array().unwrap())
    {
        if case["decoding"].is_string() || case["target"].is_string() {
            continue;
        }
        compared += 1;
        let text = case["tpl"].as_str().unwrap();
        let whole = case["scope"] == "KeysAndValues";
        let name = if whole { text } else { "k" };
        let got = match engine.render(name, text, &data, &mut context()) {
            Ok(out) if whole => match yaml::read_texts(&out) {
                Ok(map) => format!(
                    "{:?}",
                    map.iter()
                        .map(|(k, v)| (k, String::from_utf8_lossy(v).into_owned()))
                        .collect::<BTreeMap<_, _>>()
                ),
                Err(_) => "error other".to_owned(),
            },
            Ok(out) => format!("{:?}", String::from_utf8_lossy(&out)),
            Err(Error::Parse(_)) => "error parse".to_owned(),
            Err(Error::Execute(_)) => "error execute".to_owned(),
        };
        let wanted = match want["err_kind"].as_str() {
            Some(kind) => format!("error {kind}"),
            None if whole => {
                let empty = serde_json::Map::new();
                let map = want["out_map"].as_object().unwrap_or(&empty);
                format!(
                    "{:?}",
                    map.iter()
                        .map(|(k, v)| (k, v.as_str().unwrap().to_owned()))
                        .collect::<BTreeMap<_, _>>()
                )
            }
            None => {
                let bytes = match want["out_b64"].as_str() {
                    Some(b64) => STANDARD.decode(b64).unwrap(),
                    None => want["out"].as_str().unwrap_or_default().as_bytes().to_vec(),
                };
                format!("{:?}", String::from_utf8_lossy(&bytes))
            }
        };
        if got != wanted {
            failures.push(format!(
                "{} {text:?}\n  eso:  {wanted}\n  ours: {got}",
                case["name"]
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {compared} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
