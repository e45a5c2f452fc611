//! Validation of the custom resources, at the paths of External Secrets Operator's webhook.
//!
//! Owns: which object a path is for, and violations as an answer. Refuses: the rules, which are
//! `keyless-api`'s and hold in the operator too.

use keyless_api::{ExternalSecretSpec, SecretStoreSpec, Violation};
use serde_json::Value;

use crate::review::{Answer, Request};

const PREFIX: &str = "/validate-external-secrets-io-v1-";

/// Validates ExternalSecrets and stores.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validator;

impl Validator {
    /// Whether it answers at this path.
    #[must_use]
    pub fn serves(&self, path: &str) -> bool {
        let kind = path.strip_prefix(PREFIX);
        kind.is_some_and(|k| matches!(k, "externalsecret" | "secretstore" | "clustersecretstore"))
    }

    /// The answer to `request` at `path`. What is being deleted may go, whatever it says.
    #[must_use]
    pub fn answer(&self, path: &str, request: &Request) -> Answer {
        if request.operation == "DELETE" || request.object.is_null() {
            return Answer::default();
        }
        let none = Value::Null;
        let spec = request.object.get("spec").unwrap_or(&none);
        let found = match path.strip_prefix(PREFIX) {
            Some("externalsecret") => external_secret(spec),
            Some("secretstore") => store(spec, Some(&request.namespace)),
            Some("clustersecretstore") => store(spec, None),
            _ => return Answer::default(),
        };
        match found {
            Err(undecodable) => Answer::refused(undecodable),
            Ok(found) if found.is_empty() => Answer::default(),
            Ok(found) => {
                let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
                Answer::refused(lines.join("\n"))
            }
        }
    }
}

fn external_secret(spec: &Value) -> Result<Vec<Violation>, String> {
    let spec: ExternalSecretSpec = keyless_api::decode(spec).map_err(|e| e.to_string())?;
    Ok(keyless_api::validate(&spec))
}

fn store(spec: &Value, namespace: Option<&str>) -> Result<Vec<Violation>, String> {
    let spec: SecretStoreSpec = keyless_api::decode(spec).map_err(|e| e.to_string())?;
    Ok(keyless_api::validate_store(&spec, namespace))
}
