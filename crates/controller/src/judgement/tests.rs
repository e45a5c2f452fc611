use keyless_fault::{Class, MAX_MESSAGE, ObjectRef, explain_as};
use serde_json::json;

use super::*;

fn scene_of(provider: &serde_json::Value, error: &Error) -> String {
    let spec = keyless_api::decode(&json!({"provider": provider})).unwrap();
    let store = ObjectKey::new("shop", "s");
    let scene = Scene {
        store: &store,
        spec: &spec,
        namespace: "shop",
    };
    explain_as("", error, &scene.judge(error))
}

fn aws() -> serde_json::Value {
    json!({"aws": {"service": "ParameterStore", "region": "eu-central-1",
        "auth": {"jwt": {"serviceAccountRef": {"name": "web"}}}}})
}

fn denied(link: Link, code: &'static str) -> Error {
    Error::Provider {
        intent: "read parameter \"/a\"".into(),
        service: "AWS Parameter Store (eu-central-1)".into(),
        provider_code: "AccessDeniedException".into(),
        message: "no".into(),
        request_id: Some("changes each time".into()),
        link,
        class: Class::Denied,
        code,
        required: Some("permission ssm:GetParameter on /a".into()),
        hint: Some("Allow it".into()),
        retry_after: None,
    }
}

/// The fault knows its own case; only the link is added. Request ids are not.
#[test]
fn a_refused_read_keeps_its_words() {
    assert_eq!(
        scene_of(&aws(), &denied(Link::Permission, "A18")),
        "cannot read parameter \"/a\": AWS Parameter Store (eu-central-1) answered \
         AccessDeniedException: no; broken link permission; required permission ssm:GetParameter \
         on /a. Allow it [A18]"
    );
}

#[test]
fn a_missing_account_is_a_matter_of_the_token() {
    let missing = keyless_identity::Error::Cluster {
        intent: "read",
        object: ObjectRef::new("ServiceAccount", "shop", "web"),
        link: Link::Token,
        class: Class::NotFound,
        reason: "it does not exist".into(),
        hint: Some("Create it".into()),
    };
    let text = scene_of(&aws(), &missing.into());
    assert!(
        text.contains("; broken link token. Create it [K19]"),
        "{text}"
    );
}

/// What the spec lacks is where the catalogue says, not at the store.
#[test]
fn a_spec_that_says_too_little_is_placed_by_the_catalogue() {
    let config = keyless_identity::Error::Config {
        reason: "an audience with a project's id".into(),
        hint: None,
        code: "G1",
    };
    let text = scene_of(&aws(), &config.into());
    assert!(text.contains("; broken link trust-object"), "{text}");
    let unknown = keyless_identity::Error::Config {
        reason: "no such thing".into(),
        hint: None,
        code: "",
    };
    let text = scene_of(&aws(), &unknown.into());
    assert!(text.ends_with("; broken link store"), "{text}");
}

#[test]
fn a_code_is_taken_from_the_end_only() {
    assert_eq!(
        split_code("it broke. Mend it [A1]"),
        ("it broke. Mend it", "A1")
    );
    for other in [
        "it broke",
        "it broke [A1] again",
        "it broke [A999]",
        "[]",
        "",
    ] {
        assert_eq!(split_code(other), (other, ""));
    }
}

#[test]
fn what_is_told_is_bounded() {
    let long = Error::Provider {
        intent: "read".into(),
        service: "s".into(),
        provider_code: "c".into(),
        message: "m".repeat(5000),
        request_id: None,
        link: Link::Identity,
        class: Class::Denied,
        code: "A3",
        required: Some("r".repeat(5000)),
        hint: Some("h".repeat(5000)),
        retry_after: None,
    };
    let text = scene_of(&aws(), &long);
    assert!(
        text.len() <= MAX_MESSAGE && text.ends_with("[A3]"),
        "{text}"
    );
}
