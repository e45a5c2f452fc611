//! Recorded answers of tidwall/gjson 1.18.0; `testbed/oracle/gjson` makes them anew.

use base64::Engine as _;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    json: String,
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    panics: bool,
    exists: bool,
    text: String,
    raw: String,
    text64: Option<String>,
    raw64: Option<String>,
}

fn bytes(text: String, encoded: Option<String>) -> Vec<u8> {
    match encoded {
        Some(encoded) => base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .unwrap(),
        None => text.into_bytes(),
    }
}

#[test]
fn every_answer_is_that_of_the_go_library() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../cases.json")).unwrap();
    let answers: Vec<Answer> = serde_json::from_str(include_str!("../expected.json")).unwrap();
    assert_eq!(cases.len(), answers.len());
    assert!(cases.len() >= 600);
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(answers) {
        let value = keyless_gjson::get(case.json.as_bytes(), &case.path);
        if answer.panics {
            continue;
        }
        let text = bytes(answer.text, answer.text64);
        let raw = bytes(answer.raw, answer.raw64);
        if (value.exists(), value.text().as_ref(), value.raw()) != (answer.exists, &text, &raw) {
            wrong.push(format!(
                "{} at {}: {} instead of {}",
                case.json,
                case.path,
                String::from_utf8_lossy(value.raw()),
                String::from_utf8_lossy(&raw)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
