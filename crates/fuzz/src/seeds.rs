//! The seeds: inputs from which both fuzzers start.
//!
//! Templates and paths are those of the recorded answers of Go; the others are in `seeds/`, one a
//! line, in JSON strings, so that a zero byte can be written.

const CASES: [&str; 7] = [
    include_str!("../../gotemplate/tests/oracle/core.cases"),
    include_str!("../../gotemplate/tests/oracle/data.cases"),
    include_str!("../../gotemplate/tests/oracle/numbers.cases"),
    include_str!("../../gotemplate/tests/oracle/other.cases"),
    include_str!("../../gotemplate/tests/oracle/printf.cases"),
    include_str!("../../gotemplate/tests/oracle/strings.cases"),
    include_str!("../seeds/templates.txt"),
];
const PATHS: &str = include_str!("../../gjson/tests/hand.json");

/// Documents of every form that the linter reads.
const MISTAKES: [&str; 12] = [
    include_str!("../../../examples/with-mistakes/aws-trust-policy.json"),
    include_str!("../../../examples/with-mistakes/aws-trust-unfilled.json"),
    include_str!("../../../examples/with-mistakes/aws-trust-wrong.json"),
    include_str!("../../../examples/with-mistakes/federated-credential.json"),
    include_str!("../../../examples/with-mistakes/aws-trust-wide.json"),
    include_str!("../../../examples/with-mistakes/aws-permission-policy.json"),
    include_str!("../../../examples/with-mistakes/aws.tf"),
    include_str!("../../../examples/with-mistakes/azure.tf"),
    include_str!("../../../examples/with-mistakes/google.tf"),
    include_str!("../../../examples/with-mistakes/stores.yaml"),
    include_str!("../../../examples/with-mistakes/vault-policy.hcl"),
    include_str!("../../../examples/with-mistakes/vault-role.json"),
];

/// The seeds of the target `name`; none if there is no such target.
#[must_use]
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "template_parse" | "template_execute" => CASES
            .into_iter()
            .flat_map(str::lines)
            .filter_map(template)
            .collect(),
        "gjson" | "property" => paths(),
        "regexp" => lines(include_str!("../seeds/regexp.txt")),
        "duration" => lines(include_str!("../seeds/duration.txt")),
        "literal" => lines(include_str!("../seeds/literal.txt")),
        "issuer_discovery" => lines(include_str!("../seeds/discovery.txt")),
        "issuer_jwks" => lines(include_str!("../seeds/jwks.txt")),
        "google_names" => lines(include_str!("../seeds/google_names.txt")),
        "issuer_jwt" => lines(include_str!("../seeds/jwt.txt")),
        "review" => lines(include_str!("../seeds/review.txt")),
        "trust" => {
            let facts = lines(include_str!("../seeds/trust.txt"));
            let files = MISTAKES.map(|file| file.as_bytes().to_vec());
            files.into_iter().chain(facts).collect()
        }
        _ => Vec::new(),
    }
}

/// A line of a file of cases, if it holds a template.
fn template(line: &str) -> Option<Vec<u8>> {
    if line.is_empty() || line.starts_with(['@', '#', '*']) {
        return None;
    }
    Some(string(line).unwrap_or_else(|| line.as_bytes().to_vec()))
}

fn string(line: &str) -> Option<Vec<u8>> {
    serde_json::from_str::<String>(line)
        .ok()
        .map(String::into_bytes)
}

fn lines(file: &str) -> Vec<Vec<u8>> {
    file.lines().filter_map(string).collect()
}

fn paths() -> Vec<Vec<u8>> {
    let cases: Vec<serde_json::Value> = serde_json::from_str(PATHS).unwrap_or_default();
    let text = |case: &serde_json::Value, field: &str| {
        case.get(field)
            .and_then(|v| v.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    cases
        .iter()
        .map(|case| format!("{}\0{}", text(case, "path"), text(case, "json")).into_bytes())
        .collect()
}
