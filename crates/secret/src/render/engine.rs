//! Rendering with ESO's functions.

use std::collections::BTreeMap;

use keyless_gotemplate::{Context, Elem, Error, Functions, Map, MissingKey, Text, Value};

use super::{Place, Refusal, Render, RenderError};
use crate::SecretBytes;

/// ESO's template language, with the clock and randomness of its caller.
pub struct Engine {
    target: keyless_gotemplate::Engine,
    transform: keyless_gotemplate::Engine,
    context: Context,
}

impl Engine {
    /// An engine with the delimiters that the operator was started with; empty ones are `{{ }}`.
    #[must_use]
    pub fn new(left: &str, right: &str, context: Context) -> Self {
        let functions = Functions::eso();
        Self {
            target: keyless_gotemplate::Engine::builder()
                .delims(left, right)
                .functions(functions.clone())
                .missing_key(MissingKey::Error)
                .build(),
            // Neither delimiters nor the rule on missing keys follow the operator's settings.
            transform: keyless_gotemplate::Engine::builder()
                .functions(functions)
                .build(),
            context,
        }
    }

    /// Executes the template `text`, called `name` in errors, over named maps of texts, as ESO
    /// does for webhooks: delimiters are always `{{ }}`, and a missing key is `<no value>`.
    ///
    /// # Errors
    /// The text is no template, or fails on the data.
    pub fn nested(
        &mut self,
        name: &str,
        text: &str,
        data: &BTreeMap<&str, BTreeMap<&str, &[u8]>>,
    ) -> Result<Vec<u8>, RenderError> {
        let template = self.transform.parse(name, text);
        let template = template.map_err(|error| refused(error.into()))?;
        let maps = data
            .iter()
            .map(|(name, entries)| (Text::from(*name), Value::text_map(entries)));
        let root = Value::Map(Map::new(Elem::Any, maps));
        let rendered = template.execute(&root, &mut self.context);
        rendered.map_err(|error| refused(error.into()))
    }

    /// Replaces the clock and the randomness, which an engine that is kept needs for each use.
    pub fn set_context(&mut self, context: Context) {
        self.context = context;
    }
}

impl Render for Engine {
    fn render(
        &mut self,
        name: &str,
        text: &str,
        data: &BTreeMap<String, SecretBytes>,
    ) -> Result<Vec<u8>, RenderError> {
        let data = data.iter().map(|(key, value)| (key, value.expose()));
        self.target
            .render(name, text, data, &mut self.context)
            .map_err(refused)
    }

    fn transform(&mut self, text: &str, keys: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        let template = self
            .transform
            .parse("transform", text)
            .map_err(|error| refused(error.into()))?;
        keys.iter()
            .map(|key| {
                let root = Value::text_map([("value", key)]);
                template
                    .execute(&root, &mut self.context)
                    .map_err(|error| refused(error.into()))
            })
            .collect()
    }
}

fn refused(error: Error) -> RenderError {
    let text = error.to_string();
    match error {
        Error::Parse(error) => RenderError::Parse(Refusal {
            text,
            place: Some(Place {
                line: error.line,
                column: None,
            }),
        }),
        Error::Execute(error) => RenderError::Execute(Refusal {
            text,
            // Without a node there is no place.
            place: (error.line > 0).then_some(Place {
                line: error.line,
                column: Some(error.column + 1),
            }),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(left: &str, right: &str) -> Engine {
        Engine::new(
            left,
            right,
            Context::new(0, 0, |bytes: &mut [u8]| bytes.fill(7)),
        )
    }

    fn data() -> BTreeMap<String, SecretBytes> {
        [("k", "bar"), ("my-key", "x")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), SecretBytes::from(value)))
            .collect()
    }

    #[test]
    fn targets_see_the_fetched_keys() {
        for (text, expected) in [
            ("{{ .k | b64enc }}", "YmFy"),
            (r#"{{ index . "my-key" }}{{ len . }}"#, "x2"),
            (r#"{{ printf "%s-%05d-%q" .k 42 .k }}"#, "bar-00042-\"bar\""),
            ("{{ range $k, $v := . }}{{ $k }},{{ end }}", "k,my-key,"),
        ] {
            let rendered = engine("", "").render("x", text, &data()).unwrap();
            assert_eq!(String::from_utf8(rendered).unwrap(), expected);
        }
        let rendered = engine("<<", ">>")
            .render("x", "<< .k >>{{ .k }}", &data())
            .unwrap();
        assert_eq!(rendered, b"bar{{ .k }}");
        let error = engine("", "")
            .render("x", "{{ .nope }}", &data())
            .unwrap_err();
        // Recorded from ESO.
        assert_eq!(
            error.to_string(),
            "unable to execute template: template: x:1:3: executing \"x\" at <.nope>: map has no \
             entry for key \"nope\""
        );
        let place = Place {
            line: 1,
            column: Some(4),
        };
        assert_eq!(error.place(), Some(place));
    }

    #[test]
    fn webhooks_see_named_maps() {
        let data = BTreeMap::from([
            ("auth", BTreeMap::from([("tok", b"T0ken".as_slice())])),
            (
                "remoteRef",
                BTreeMap::from([("key", b"one".as_slice()), ("version", b"")]),
            ),
        ]);
        let text = "{{ .remoteRef.key }}?v={{ .remoteRef.version }}&t={{ .auth.tok | b64enc }}";
        let rendered = engine("<<", ">>").nested("url", text, &data).unwrap();
        assert_eq!(rendered, b"one?v=&t=VDBrZW4=");
        assert!(
            engine("", "")
                .nested("url", "{{ env \"HOME\" }}", &data)
                .is_err()
        );
    }

    #[test]
    fn transforms_see_the_key_as_value() {
        let renamed = engine("<<", ">>")
            .transform("{{ .value | upper }}-{{ .other }}", &["a", "b"])
            .unwrap();
        assert_eq!(
            renamed,
            [b"A-<no value>".to_vec(), b"B-<no value>".to_vec()]
        );
        let error = engine("", "")
            .transform("{{ .value | nope }}", &["a"])
            .unwrap_err();
        // Recorded from ESO.
        assert_eq!(
            error.to_string(),
            "unable to parse template: template: transform:1: function \"nope\" not defined"
        );
        assert_eq!(error.place().map(|place| place.line), Some(1));
    }
}
