//! `target.template`: fetched values become the content of the target Secret.
//!
//! Owns: sources, scopes, precedence, decoding of rendered values, the restrictions on what a
//! template may say, and which objects must be read for it. Refuses: reading those objects, and
//! building targets other than Secrets, for which it only collects what goes where.

mod error;

use std::collections::{BTreeMap, BTreeSet};

use keyless_api::{
    ExternalSecretSpec, ExternalSecretTemplate, TemplateAs, TemplateEngine, TemplateFrom,
    TemplateMergePolicy, TemplateScope, TemplateSource,
};

use crate::SecretBytes;
use crate::decode::Decoding;
use crate::manifest::Placement;
use crate::render::Render;
use crate::yaml::string_map;

pub use error::TemplateError;

type Map = BTreeMap<String, SecretBytes>;

/// The kind of an object that holds templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl SourceKind {
    /// The kind as Kubernetes writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// The objects that hold templates, by kind and name: their data, or nothing where the object
/// does not exist. A ConfigMap's texts count, its binary data does not.
pub type Sources = BTreeMap<(SourceKind, String), Option<Map>>;

/// The objects in the ExternalSecret's namespace that must be read to render `template`.
#[must_use]
pub fn needed(template: &ExternalSecretTemplate) -> BTreeSet<(SourceKind, String)> {
    let mut out = BTreeSet::new();
    for from in &template.template_from {
        for (kind, source) in objects(from) {
            out.insert((kind, source.name.clone()));
        }
    }
    out
}

fn objects(from: &TemplateFrom) -> impl Iterator<Item = (SourceKind, &TemplateSource)> {
    let config_map = from.config_map.iter().map(|it| (SourceKind::ConfigMap, it));
    let secret = from.secret.iter().map(|it| (SourceKind::Secret, it));
    config_map.chain(secret)
}

/// What is to be written into the target, apart from what the operator adds itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The data.
    pub data: Map,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// The type, if the template sets one.
    pub kind: Option<String>,
    /// The finalizers that the template adds.
    pub finalizers: Vec<String>,
    /// What is legal and probably not meant, worth showing to the user once.
    pub warnings: Vec<String>,
}

/// Checks the rules that hold for templates even without an admission webhook.
///
/// # Errors
/// The first rule that is broken.
pub fn check(spec: &ExternalSecretSpec) -> Result<(), TemplateError> {
    match keyless_api::validate_template(spec).into_iter().next() {
        None => Ok(()),
        Some(violation) => Err(TemplateError::Forbidden {
            field: violation.path,
            message: violation.message,
        }),
    }
}

/// The content of the target of an ExternalSecret with this spec, labels and annotations.
///
/// Without a template: the fetched values, and the object's own labels and annotations. With
/// one: of the data, `template.data` wins over `templateFrom`, and both over the fetched values,
/// which are taken only under mergePolicy Merge or if the template has neither.
///
/// # Errors
/// The template is not allowed, a source is missing, or a text does not render to what is needed.
pub fn content(
    spec: &ExternalSecretSpec,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    fetched: Map,
    sources: &Sources,
    render: &mut dyn Render,
) -> Result<Content, TemplateError> {
    let Some(template) = spec.template() else {
        return Ok(Content {
            data: fetched,
            labels: labels.clone(),
            annotations: annotations.clone(),
            ..Content::default()
        });
    };
    check(spec)?;
    render_template(template, fetched, sources, render)
}

/// Renders `template` over `fetched`; for a PushSecret, whose template has no rules of its own.
///
/// # Errors
/// A source is missing, or a text does not render to what is needed.
pub fn render_template(
    template: &ExternalSecretTemplate,
    fetched: Map,
    sources: &Sources,
    render: &mut dyn Render,
) -> Result<Content, TemplateError> {
    rendered(template, fetched, sources, render, None).map(|(content, _)| content)
}

/// The same for a target of another kind: labels, annotations and finalizers as the content, and
/// everything else as placements in the order in which they are made.
pub(crate) fn render_placements(
    template: &ExternalSecretTemplate,
    fetched: Map,
    sources: &Sources,
    render: &mut dyn Render,
) -> Result<(Content, Vec<Placement>), TemplateError> {
    rendered(template, fetched, sources, render, Some(Vec::new()))
        .map(|(content, places)| (content, places.unwrap_or_default()))
}

fn rendered(
    template: &ExternalSecretTemplate,
    fetched: Map,
    sources: &Sources,
    render: &mut dyn Render,
    places: Option<Vec<Placement>>,
) -> Result<(Content, Option<Vec<Placement>>), TemplateError> {
    if let Some(TemplateEngine::Other(version)) = &template.engine_version {
        return Err(TemplateError::unsupported("engineVersion", version));
    }
    let merge = match template.merge_policy() {
        TemplateMergePolicy::Merge => true,
        TemplateMergePolicy::Replace => false,
        TemplateMergePolicy::Other(policy) => {
            return Err(TemplateError::unsupported("mergePolicy", &policy));
        }
    };
    let mut target = Target {
        fetched: &fetched,
        render,
        places,
        content: Content {
            kind: template.kind.clone().filter(|kind| !kind.is_empty()),
            ..Content::default()
        },
    };
    for (index, from) in template.template_from.iter().enumerate() {
        target.source(&format!("templateFrom[{index}]"), from, sources)?;
    }
    let data = TemplateScope::Data;
    target.values("data", &template.data, &data)?;
    if let Some(metadata) = &template.metadata {
        target.values("metadata.labels", &metadata.labels, &TemplateScope::Labels)?;
        let annotations = &metadata.annotations;
        target.values(
            "metadata.annotations",
            annotations,
            &TemplateScope::Annotations,
        )?;
        target.content.finalizers.clone_from(&metadata.finalizers);
    }
    let Target {
        mut content,
        places,
        ..
    } = target;
    if merge || (template.data.is_empty() && template.template_from.is_empty()) {
        let mut all = fetched;
        all.append(&mut content.data);
        content.data = all;
    }
    Ok((content, places))
}

/// The content under construction.
struct Target<'a> {
    fetched: &'a Map,
    render: &'a mut dyn Render,
    content: Content,
    /// Where values go that are neither labels nor annotations, if the target is no Secret.
    places: Option<Vec<Placement>>,
}

impl Target<'_> {
    /// Renders one entry of `templateFrom`.
    fn source(
        &mut self,
        field: &str,
        from: &TemplateFrom,
        sources: &Sources,
    ) -> Result<(), TemplateError> {
        let scope = from.scope();
        let strategy = from.values_decoding_strategy.as_ref();
        let name = strategy
            .map(|strategy| strategy.as_str())
            .unwrap_or_default();
        let decoding = Decoding::from_name(name)
            .ok_or_else(|| TemplateError::unsupported("valuesDecodingStrategy", name))?;
        for (kind, source) in objects(from) {
            let texts = sources
                .get(&(kind, source.name.clone()))
                .and_then(Option::as_ref)
                .ok_or_else(|| TemplateError::SourceMissing {
                    field: field.to_owned(),
                    kind,
                    name: source.name.clone(),
                })?;
            for item in &source.items {
                let text = texts
                    .get(&item.key)
                    .ok_or_else(|| TemplateError::KeyMissing {
                        field: field.to_owned(),
                        kind,
                        name: source.name.clone(),
                        key: item.key.clone(),
                    })?;
                let text = String::from_utf8_lossy(text.expose());
                match item.template_as() {
                    TemplateAs::Values => {
                        self.value(field, &item.key, &text, &scope, decoding)?;
                    }
                    TemplateAs::KeysAndValues => {
                        self.keys_and_values(field, &item.key, &text, &scope, decoding)?;
                    }
                    TemplateAs::Other(other) => {
                        return Err(TemplateError::unsupported("templateAs", &other));
                    }
                }
            }
        }
        if let Some(literal) = &from.literal {
            self.keys_and_values(field, "literal", literal, &scope, decoding)?;
        }
        Ok(())
    }

    /// Renders a map whose keys are fixed.
    fn values(
        &mut self,
        field: &str,
        templates: &BTreeMap<String, String>,
        scope: &TemplateScope,
    ) -> Result<(), TemplateError> {
        for (key, text) in templates {
            self.value(field, key, text, scope, Decoding::None)?;
        }
        Ok(())
    }

    fn value(
        &mut self,
        field: &str,
        key: &str,
        text: &str,
        scope: &TemplateScope,
        decoding: Decoding,
    ) -> Result<(), TemplateError> {
        let value = self.rendered(field, key, text)?;
        self.put(field, key, value, scope, decoding)
    }

    /// Renders a text that yields both keys and values.
    fn keys_and_values(
        &mut self,
        field: &str,
        key: &str,
        text: &str,
        scope: &TemplateScope,
        decoding: Decoding,
    ) -> Result<(), TemplateError> {
        let rendered = self.rendered(field, key, text)?;
        if let (TemplateScope::Path(path), Some(places)) = (scope, &mut self.places) {
            if decoding != Decoding::None {
                self.content.warnings.push(format!(
                    "spec.target.template.{field}: valuesDecodingStrategy has no effect on a \
                     document"
                ));
            }
            let placed = Placement::document(path, rendered.expose());
            return placed
                .map(|place| places.push(place))
                .map_err(|source| TemplateError::misplaced(field, key, source));
        }
        let text = String::from_utf8_lossy(rendered.expose());
        let map = string_map(&text).map_err(|source| TemplateError::Yaml {
            field: field.to_owned(),
            key: key.to_owned(),
            source,
        })?;
        for (written, read) in map.changed_keys {
            self.content.warnings.push(format!(
                "spec.target.template.{field}: the key {written} is read as {read:?}; quote it \
                 to keep it as written"
            ));
        }
        for (key, value) in map.entries {
            self.put(field, &key, SecretBytes::from(value), scope, decoding)?;
        }
        Ok(())
    }

    fn rendered(
        &mut self,
        field: &str,
        key: &str,
        text: &str,
    ) -> Result<SecretBytes, TemplateError> {
        self.render
            .render(key, text, self.fetched)
            .map(SecretBytes::new)
            .map_err(|source| TemplateError::Render {
                field: field.to_owned(),
                key: key.to_owned(),
                source,
            })
    }

    fn put(
        &mut self,
        field: &str,
        key: &str,
        value: SecretBytes,
        scope: &TemplateScope,
        decoding: Decoding,
    ) -> Result<(), TemplateError> {
        let value = decoding
            .decode(&value)
            .map_err(|source| TemplateError::Decode {
                field: field.to_owned(),
                key: key.to_owned(),
                source,
            })?;
        let text = || String::from_utf8_lossy(value.expose()).into_owned();
        if let (TemplateScope::Data | TemplateScope::Path(_), Some(places)) =
            (scope, &mut self.places)
        {
            let placed = match scope {
                TemplateScope::Path(path) => Placement::value(path, key, value.expose()),
                _ => Placement::member("data", key, value.expose()),
            };
            return placed
                .map(|place| places.push(place))
                .map_err(|source| TemplateError::misplaced(field, key, source));
        }
        match scope {
            TemplateScope::Labels => {
                self.content.labels.insert(key.to_owned(), text());
            }
            TemplateScope::Annotations => {
                self.content.annotations.insert(key.to_owned(), text());
            }
            TemplateScope::Data => {
                self.content.data.insert(key.to_owned(), value);
            }
            TemplateScope::Path(path) => {
                return Err(TemplateError::unsupported("target", path));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
