//! The harnesses.

use std::collections::BTreeMap;

use keyless_api::{ExternalSecretTemplate, GoDuration};
use keyless_gotemplate::{Context, Engine, Functions, Limits, MissingKey, Value};
use keyless_secret::SecretBytes;
use keyless_secret::go_regexp::GoRegexp;
use keyless_secret::property::PropertyLookup;
use keyless_secret::render::{Render, RenderError};
use keyless_secret::template::{Sources, render_template};
use keyless_trust::gcp::{Member, Pool, PoolProvider, SecretName};

use crate::issuer;

/// A harness and its name.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name, for `cargo xtask fuzz NAME`.
    pub name: &'static str,
    /// Takes any input; panics where a promise is broken.
    pub run: fn(&[u8]),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target {
        name: "template_parse",
        run: template_parse,
    },
    Target {
        name: "template_execute",
        run: template_execute,
    },
    Target {
        name: "gjson",
        run: gjson,
    },
    Target {
        name: "regexp",
        run: regexp,
    },
    Target {
        name: "duration",
        run: duration,
    },
    Target {
        name: "literal",
        run: literal,
    },
    Target {
        name: "property",
        run: property,
    },
    Target {
        name: "issuer_discovery",
        run: issuer::discovery,
    },
    Target {
        name: "issuer_jwks",
        run: issuer::jwks,
    },
    Target {
        name: "issuer_jwt",
        run: issuer::jwt,
    },
    Target {
        name: "review",
        run: crate::review::run,
    },
    Target {
        name: "google_names",
        run: google_names,
    },
    Target {
        name: "trust",
        run: crate::trust::run,
    },
];

/// Stands for a secret: no error may ever say it.
const CANARY: &str = "canary-4711";

/// A context that is the same each time.
#[must_use]
pub fn context() -> Context {
    Context::new(1_790_000_000, 0, |bytes: &mut [u8]| bytes.fill(7))
}

/// A part of the input up to the first zero byte, and the rest.
fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let first = parts.next().unwrap_or_default();
    (first, parts.next().unwrap_or_default())
}

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn engine() -> Engine {
    let limits = Limits {
        steps: 20_000,
        output_bytes: 64 << 10,
        value_bytes: 64 << 10,
        total_bytes: 1 << 20,
        slow_calls: 0,
        ..Limits::default()
    };
    Engine::builder()
        .functions(Functions::eso())
        .missing_key(MissingKey::Error)
        .limits(limits)
        .build()
}

/// A template parses the same way twice, and an error points into the text.
fn template_parse(input: &[u8]) {
    let text = text(input);
    let engine = engine();
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    match (engine.parse("t", &text), engine.parse("t", &text)) {
        (Ok(_), Ok(_)) => {}
        (Err(one), Err(two)) => {
            assert_eq!(one, two, "parsing depends on something else than the text");
            assert!(
                one.line >= 1 && one.line <= lines,
                "line {} of {lines}",
                one.line
            );
        }
        (one, two) => panic!("once {:?}, then {:?}", one.err(), two.err()),
    }
}

/// An execution stays within its limits, and its error quotes no data.
fn template_execute(input: &[u8]) {
    let text = text(input);
    let Ok(template) = engine().parse("t", &text) else {
        return;
    };
    let data = [
        ("user", "ada"),
        ("secret", CANARY),
        ("list", "a,b,canary-4711"),
        ("json", r#"{"a":["canary-4711",1.5,null]}"#),
        ("num", "42"),
    ];
    match template.execute(&Value::text_map(data), &mut context()) {
        Ok(out) => assert!(out.len() <= 64 << 10, "{} bytes of output", out.len()),
        Err(error) => {
            let said = error.to_string();
            assert!(text.contains(CANARY) || !said.contains(CANARY), "{said}");
        }
    }
}

/// A path leads somewhere or nowhere, and what serde accepts as JSON counts as valid.
fn gjson(input: &[u8]) {
    let (path, json) = split(input);
    let path = text(path);
    let value = keyless_gjson::get(json, &path);
    let exists = value.exists();
    assert!(
        exists || value.text().is_empty(),
        "what does not exist has a text"
    );
    if serde_json::from_slice::<serde_json::Value>(json).is_ok() {
        assert!(keyless_gjson::is_valid(json), "valid JSON is refused");
    }
}

/// A pattern that matches nowhere replaces nothing.
fn regexp(input: &[u8]) {
    let (pattern, rest) = split(input);
    let (replacement, subject) = split(rest);
    let Ok(pattern) = GoRegexp::compile(&text(pattern)) else {
        return;
    };
    let subject = text(subject);
    let replaced = pattern.replace_all(&subject, &text(replacement));
    if !pattern.is_match(&subject) {
        assert_eq!(replaced, subject, "replaced without a match");
    }
}

/// What is printed is read as the same duration.
fn duration(input: &[u8]) {
    if let Ok(duration) = GoDuration::parse(&text(input)) {
        let printed = duration.to_string();
        assert_eq!(GoDuration::parse(&printed), Ok(duration), "{printed}");
    }
}

/// Gives a text as its own rendering.
struct Echo;

impl Render for Echo {
    fn render(
        &mut self,
        _: &str,
        text: &str,
        _: &BTreeMap<String, SecretBytes>,
    ) -> Result<Vec<u8>, RenderError> {
        Ok(text.as_bytes().to_vec())
    }

    fn transform(&mut self, _: &str, _: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        Ok(Vec::new())
    }
}

/// A rendered literal is a map of texts or an error that does not quote it, and it is read the
/// same way twice.
fn literal(input: &[u8]) {
    let text = text(input);
    let template = serde_json::json!({"templateFrom": [{"literal": text}]});
    let template: ExternalSecretTemplate =
        keyless_api::decode(&template).expect("a literal is a text");
    let read = || render_template(&template, BTreeMap::new(), &Sources::new(), &mut Echo);
    let once = read();
    if let Err(error) = &once {
        let said = keyless_secret_error(error);
        assert!(!said.contains(CANARY), "{said}");
    }
    assert_eq!(
        once,
        read(),
        "reading depends on something else than the text"
    );
}

fn keyless_secret_error(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

/// Without dots a property is a key and a path at once, so all lookups agree.
fn property(input: &[u8]) {
    let (property, document) = split(input);
    let (property, document) = (text(property), SecretBytes::from(document.to_vec()));
    let found = [
        PropertyLookup::KeyFirst,
        PropertyLookup::PathFirst,
        PropertyLookup::PathOnly,
    ]
    .map(|lookup| lookup.find(&document, &property));
    if !property.contains('.') {
        let [one, two, three] = &found;
        assert!(one == two && two == three, "lookups differ without a dot");
    }
}

/// A name or member of Google that is read is written alike, and what is written is read alike.
fn google_names(input: &[u8]) {
    let text = text(input);
    if let Ok(provider) = PoolProvider::parse(&text) {
        assert_eq!(provider.to_string(), text);
        assert_eq!(Pool::parse(&provider.pool.to_string()), Ok(provider.pool));
    }
    if let Ok(secret) = SecretName::parse(&text) {
        assert_eq!(secret.to_string(), text);
        assert!(text.starts_with(&secret.parent()));
    }
    if let Ok(member) = Member::parse(&text) {
        assert_eq!(Member::parse(&member.to_string()), Ok(member));
    }
}
