//! Rendering one object offline: the Secret that a sync would create.

use keyless_api::{CreationPolicy, ExternalSecretTemplate};
use keyless_secret::SecretBytes;
use keyless_secret::template::{self, Content};
use serde_json::{Map, Value, json};

use super::Finding;
use super::given::{self, Given, Values};
use super::subject::{Subject, What};
use crate::external_secret::target::{self, Sync};
use crate::object::json_map;
use crate::render::SharedEngine;

/// The Secret, and what a reader of it should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The Secret as JSON.
    pub secret: Value,
    /// Sentences.
    pub notes: Vec<String>,
}

/// Renders `subject` over `values`, at `unix_millis`.
///
/// # Errors
/// A template is not allowed, does not parse, or fails on the values; a source is missing.
pub fn render(
    subject: &Subject,
    values: &Values,
    given: &Given,
    unix_millis: i64,
) -> Result<Rendered, Finding> {
    match &subject.what {
        What::ExternalSecret(spec) => external_secret(subject, spec, values, given, unix_millis),
        What::PushSecret(template, source) => {
            let mut out = push(subject, template.as_deref(), values, given, unix_millis)?;
            let name = source.as_deref().unwrap_or(&subject.object.key.name);
            place(&mut out.secret, name, subject);
            Ok(out)
        }
    }
}

fn external_secret(
    subject: &Subject,
    spec: &keyless_api::ExternalSecretSpec,
    values: &Values,
    given: &Given,
    unix_millis: i64,
) -> Result<Rendered, Finding> {
    let object = &subject.object;
    let about = subject.reference();
    if spec.target.as_ref().is_some_and(|t| t.manifest.is_some()) {
        let message = "only targets of kind Secret are rendered";
        return Err(Finding::manifest("spec.target.manifest", message));
    }
    let (gathered, others) = given::gathered(spec, values);
    let mut notes: Vec<String> = given::unasked(subject, &others).into_iter().collect();
    for missing in &gathered.missing {
        notes.push(format!("{about}: no value is given for {}", missing.path));
    }
    let needed = spec.template().map(template::needed).unwrap_or_default();
    let sources = given.sources(&object.key.namespace, &needed);
    let engine = SharedEngine::default();
    let content = template::content(
        spec,
        &json_map(&object.labels),
        &json_map(&object.annotations),
        gathered.data,
        &sources,
        &mut engine.at(unix_millis),
    )
    .map_err(|error| Finding::template(&error))?;
    notes.extend(content.warnings.iter().cloned());
    let target_key = subject.target(spec);
    let sync = Sync {
        target: &target_key,
        object,
        spec,
    };
    let mut wanted = target::wanted(&sync, &content, None)?.1;
    if object.uid.is_empty() && !wanted.owner_references.is_empty() {
        wanted.owner_references.clear();
        notes.push(format!(
            "{about}: metadata.ownerReferences is left out, for the manifest has no uid"
        ));
    }
    match spec.creation_policy() {
        CreationPolicy::None => notes.push(format!(
            "{about}: under creationPolicy None a sync writes no Secret"
        )),
        CreationPolicy::Merge => notes.push(format!(
            "{about}: under creationPolicy Merge a sync adds this to a Secret that exists"
        )),
        _ => {}
    }
    let mut secret = target::create(&target_key, &wanted);
    if !subject.placed {
        unplace(&mut secret);
    }
    Ok(Rendered { secret, notes })
}

/// What a PushSecret pushes: its template over the Secret that it selects.
fn push(
    subject: &Subject,
    template: Option<&ExternalSecretTemplate>,
    values: &Values,
    given: &Given,
    unix_millis: i64,
) -> Result<Rendered, Finding> {
    let content = match template {
        None => Content {
            data: values.clone(),
            ..Content::default()
        },
        Some(template) => {
            let namespace = &subject.object.key.namespace;
            let sources = given.sources(namespace, &template::needed(template));
            let engine = SharedEngine::default();
            let mut render = engine.at(unix_millis);
            template::render_template(template, values.clone(), &sources, &mut render).map_err(
                |error| {
                    let mut finding = Finding::template(&error);
                    // The template of a PushSecret is one level higher.
                    let path = finding.path.take();
                    finding.path =
                        path.map(|p| p.replacen("spec.target.template", "spec.template", 1));
                    finding
                },
            )?
        }
    };
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"labels": content.labels, "annotations": content.annotations},
        "type": content.kind.as_deref().unwrap_or("Opaque"),
        "data": encoded(&content.data),
    });
    Ok(Rendered {
        secret,
        notes: content.warnings,
    })
}

fn encoded(data: &Values) -> Map<String, Value> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let encode = |(key, value): (&String, &SecretBytes)| {
        (key.clone(), Value::String(STANDARD.encode(value.expose())))
    };
    data.iter().map(encode).collect()
}

fn place(secret: &mut Value, name: &str, subject: &Subject) {
    let Some(meta) = secret.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    meta.retain(|_, map| map.as_object().is_none_or(|map| !map.is_empty()));
    meta.insert("name".into(), json!(name));
    if subject.placed {
        meta.insert("namespace".into(), json!(&*subject.object.key.namespace));
    }
}

fn unplace(secret: &mut Value) {
    if let Some(meta) = secret.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("namespace");
    }
}

#[cfg(test)]
mod tests;
