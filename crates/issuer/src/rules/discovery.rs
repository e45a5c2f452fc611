//! The discovery document: P8, K2, K4, K5, K6.

use super::issuer::{differs, host};
use crate::documents::discovery::{Discovery, NO_AUTHORIZATION};
use crate::documents::json::Unreadable;
use crate::facts::is_private_host;
use crate::finding::{Code, Finding, Parties, Party, Severity};

const REWRITE: &str = "Publish the document that `keyless issuer publish` makes";

/// A body that is no discovery document.
#[must_use]
pub fn unreadable(url: &str, what: &Unreadable) -> Finding {
    match what {
        Unreadable::Html => Finding::new(Code::P6, url)
            .observed("an HTML page")
            .required("the JSON document, for any client and without a challenge")
            .fix("Take bot protection, login pages and error pages off this path"),
        Unreadable::PrivatePem => super::keys::leaked(url, "a private key in PEM"),
        what => Finding::new(Code::P8, url)
            .observed(what.to_string())
            .required("one JSON object in UTF-8")
            .fix(REWRITE),
    }
}

/// What is wrong with the document of `issuer` that was read at `url`.
#[must_use]
pub fn judge(url: &str, issuer: &str, document: &Discovery) -> Vec<Finding> {
    let mut found = Vec::new();
    match document.issuer.as_deref() {
        Some(named) if !named.is_empty() => found.extend(differs(url, named, issuer)),
        _ => found.push(missing(url, "issuer", Parties::ALL, Severity::Error)),
    }
    match document.jwks_uri.as_deref() {
        Some(uri) if !uri.is_empty() => found.extend(jwks_uri(url, issuer, uri)),
        _ => found.push(missing(url, "jwks_uri", Parties::ALL, Severity::Error)),
    }
    // AWS documents that it refuses a document without these three.
    let aws = Parties::only(Party::Aws);
    for (name, present) in [
        (
            "response_types_supported",
            document.response_types.is_some(),
        ),
        ("subject_types_supported", document.subject_types.is_some()),
        (
            "id_token_signing_alg_values_supported",
            document.algorithms.is_some(),
        ),
    ] {
        if !present && !document.empty.iter().any(|e| e == name) {
            found.push(missing(url, name, aws, Severity::Error));
        }
    }
    for name in &document.empty {
        if matches!(name.as_str(), "issuer" | "jwks_uri") {
            continue;
        }
        // Entra reads every URL that is there, and fails on an empty one (AADSTS501661).
        let hurts = if name.ends_with("_supported") {
            aws
        } else {
            Parties::only(Party::Entra)
        };
        found.push(
            Finding::new(Code::P8, url)
                .observed(format!("the member {name:?} with nothing in it"))
                .required("a value, or no such member")
                .fix(REWRITE)
                .hurts(hurts),
        );
    }
    match document.authorization_endpoint.as_deref() {
        None | Some("") => {}
        Some(NO_AUTHORIZATION) => {}
        Some(uri) if uri.starts_with("https://") => {}
        Some(uri) => found.push(
            Finding::new(Code::P8, url)
                .observed(format!("authorization_endpoint {uri:?}"))
                .required(format!("{NO_AUTHORIZATION:?}, or no such member"))
                .fix(REWRITE)
                .severity(Severity::Warning),
        ),
    }
    if let Some(algorithms) = &document.algorithms
        && !algorithms.is_empty()
        && !algorithms.iter().any(|a| a == "RS256")
    {
        found.push(
            Finding::new(Code::K6, url)
                .observed(format!("the algorithms {}", algorithms.join(", ")))
                .required("RS256: the one algorithm that every cloud takes")
                .fix("Sign with an RSA key of 2048 to 4096 bits: `keyless issuer keygen`, then `keyless issuer rotate`")
                .hurts(Parties::only(Party::Entra)),
        );
    }
    found
}

fn missing(url: &str, name: &str, hurts: Parties, severity: Severity) -> Finding {
    Finding::new(Code::P8, url)
        .observed(format!("no member {name:?}"))
        .required("issuer, jwks_uri, response_types_supported, subject_types_supported and id_token_signing_alg_values_supported")
        .fix(REWRITE)
        .hurts(hurts)
        .severity(severity)
}

fn jwks_uri(url: &str, issuer: &str, uri: &str) -> Option<Finding> {
    let fix = "Set --service-account-jwks-uri to ISSUER/openid/v1/jwks, or publish with `keyless issuer publish`, which writes it so";
    let rest = uri.strip_prefix("https://");
    let odd = |c: char| matches!(c, '"' | '\'' | '\\' | ' ' | '<' | '>' | '#') || c.is_control();
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) || uri.contains(odd) {
        return Some(
            Finding::new(Code::K5, url)
                .observed(format!("jwks_uri {uri:?}"))
                .required("an absolute https URL")
                .fix(fix),
        );
    }
    let target = host(uri);
    (target != host(issuer) && is_private_host(target)).then(|| {
        Finding::new(Code::K4, url)
            .observed(format!("jwks_uri {uri:?}, at the API server's own address"))
            .required("a URL that everyone can reach who reads this document")
            .fix(fix)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://i.example.com";

    fn codes(change: impl FnOnce(&mut Value)) -> Vec<(Code, Severity, bool)> {
        let mut document = json!({"issuer": ISSUER, "jwks_uri": "https://i.example.com/openid/v1/jwks",
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"]});
        change(&mut document);
        let read = Discovery::parse(document.to_string().as_bytes()).unwrap();
        let found = judge("u", ISSUER, &read);
        found
            .into_iter()
            .map(|f| (f.code, f.severity, f.hurts.has(Party::Entra)))
            .collect()
    }

    #[test]
    fn documents() {
        use Severity::{Error, Warning};
        let remove = |name: &'static str| {
            move |d: &mut Value| {
                d.as_object_mut().unwrap().remove(name);
            }
        };
        assert_eq!(codes(|_| {}), []);
        assert_eq!(
            codes(|d| d["authorization_endpoint"] = json!(NO_AUTHORIZATION)),
            []
        );
        assert_eq!(codes(remove("issuer")), [(Code::P8, Error, true)]);
        assert_eq!(codes(remove("jwks_uri")), [(Code::P8, Error, true)]);
        assert_eq!(
            codes(remove("subject_types_supported")),
            [(Code::P8, Error, false)]
        );
        assert_eq!(
            codes(|d| d["authorization_endpoint"] = json!("")),
            [(Code::P8, Error, true)]
        );
        assert_eq!(
            codes(|d| d["authorization_endpoint"] = json!("x")),
            [(Code::P8, Warning, true)]
        );
        assert_eq!(
            codes(|d| d["response_types_supported"] = json!([])),
            [(Code::P8, Error, false)]
        );
        assert_eq!(
            codes(|d| d["issuer"] = json!("https://i.example.com/")),
            [(Code::K2, Error, true)]
        );
        assert_eq!(
            codes(|d| d["jwks_uri"] = json!("https://10.0.0.1:6443/openid/v1/jwks")),
            [(Code::K4, Error, true)]
        );
        assert_eq!(
            codes(|d| d["id_token_signing_alg_values_supported"] = json!(["ES256"])),
            [(Code::K6, Error, true)]
        );
        for uri in [
            "http://i.example.com/k",
            "/openid/v1/jwks",
            "https://\"i\":443/k",
            "https://",
            "https:///k",
        ] {
            assert_eq!(
                codes(|d| d["jwks_uri"] = json!(uri)),
                [(Code::K5, Error, true)],
                "{uri}"
            );
        }
    }
}
