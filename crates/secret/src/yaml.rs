//! A YAML text as a map of strings, by the rules of Kubernetes' YAML library.
//!
//! Owns: the YAML 1.1 reading of unquoted scalars, under which the key `n` is `false`, `0123` is
//! `83` and `1.50` is `1.5`. Refuses: nested values, merge keys, and quoting the text in an error,
//! since it was rendered from secrets.

mod scalar;

use std::collections::BTreeMap;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError};

/// The namespace of YAML's own tags.
const CORE: &str = "tag:yaml.org,2002:";

/// A text that is no map of strings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It is no YAML.
    #[error("the rendered text is not valid YAML at line {line}")]
    Syntax {
        /// Where, counted from 1.
        line: usize,
    },
    /// It is YAML, and something else than a map.
    #[error("the rendered text is {0}, not a YAML map of strings")]
    NotAMap(&'static str),
    /// A key that is no text or number.
    #[error("the key at line {line} of the rendered text is {observed}")]
    Key {
        /// Where, counted from 1.
        line: usize,
        /// What it is.
        observed: &'static str,
    },
    /// A value that is no text or number.
    #[error("the value at line {line} of the rendered text is {observed}, not a string")]
    Value {
        /// Where, counted from 1.
        line: usize,
        /// What it is.
        observed: &'static str,
    },
}

/// A map of strings and what is surprising about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StringMap {
    /// The keys and values; of equal keys the last one wins.
    pub(crate) entries: BTreeMap<String, String>,
    /// Keys that YAML 1.1 read as something else than was written, e.g. `n` as `false`.
    pub(crate) changed_keys: Vec<(String, String)>,
}

/// Reads the first document of `text`; an empty one is an empty map.
pub(crate) fn string_map(text: &str) -> Result<StringMap, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options()),
        anchors: HashMap::new(),
    };
    loop {
        let (event, _) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(StringMap::default()),
            Event::MappingStart(..) => {
                let map = reader.entries()?;
                reader.end()?;
                return Ok(map);
            }
            Event::SequenceStart(..) => return Err(YamlError::NotAMap("a list")),
            Event::Scalar(text, style, _, _) => {
                let null = style == ScalarStyle::Plain && scalar::resolve(&text).is_null();
                return if null {
                    Ok(StringMap::default())
                } else {
                    Err(YamlError::NotAMap("a single text"))
                };
            }
            _ => {}
        }
    }
}

/// As libyaml reads, of which Go's library is a port.
fn options() -> Options {
    granit_parser::options! {
        emit_comments: false,
        // A line that begins with a percent sign would vanish as an unknown directive.
        disallow_directives: true,
        block_scalar_eof_without_line_feed: true,
    }
}

struct Reader<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    /// The scalars that aliases can stand for.
    anchors: HashMap<usize, Node>,
}

/// A key or value.
#[derive(Clone)]
enum Node {
    Scalar {
        plain: Option<String>,
        text: scalar::Resolved,
    },
    Nested(&'static str),
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, usize), YamlError> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, 0)),
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(syntax(&error)),
        }
    }

    fn entries(&mut self) -> Result<StringMap, YamlError> {
        let mut map = StringMap::default();
        while let Some((key, line)) = self.node()? {
            let (written, key) = match key {
                Node::Scalar { plain, .. } if plain.as_deref() == Some("<<") => {
                    let observed = "a merge (<<), which is not supported";
                    return Err(YamlError::Key { line, observed });
                }
                Node::Scalar { plain, text } => match text.into_key() {
                    Ok(key) => (plain, key),
                    Err(observed) => return Err(YamlError::Key { line, observed }),
                },
                Node::Nested(observed) => return Err(YamlError::Key { line, observed }),
            };
            let Some((value, line)) = self.node()? else {
                return Err(YamlError::Syntax { line });
            };
            let value = match value {
                Node::Scalar { text, .. } => text.into_value(),
                Node::Nested(observed) => return Err(YamlError::Value { line, observed }),
            };
            if let Some(written) = written.filter(|written| *written != key) {
                map.changed_keys.push((written, key.clone()));
            }
            map.entries.insert(key, value);
        }
        Ok(map)
    }

    /// Makes sure that nothing follows the document but another one, which is not read.
    fn end(&mut self) -> Result<(), YamlError> {
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd | Event::DocumentStart(true, _), _) => return Ok(()),
                (_, line) => return Err(YamlError::Syntax { line }),
            }
        }
    }

    /// The next key or value and its line, or nothing at the end of the map.
    fn node(&mut self) -> Result<Option<(Node, usize)>, YamlError> {
        let (event, line) = loop {
            let (event, line) = self.next()?;
            if event.is_node() || matches!(event, Event::MappingEnd) {
                break (event, line);
            }
            if matches!(event, Event::StreamEnd | Event::DocumentEnd) {
                return Err(YamlError::Syntax { line });
            }
        };
        let (node, anchor) = match event {
            Event::MappingEnd => return Ok(None),
            Event::Alias(id) => {
                let known = self.anchors.get(&id).cloned();
                return Ok(Some((known.unwrap_or(Node::Nested("an alias")), line)));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let tag = tag.as_ref().and_then(|tag| tag.suffix_in_namespace(CORE));
                let resolved = match tag.as_deref() {
                    Some("str") => scalar::Resolved::Text(text.to_string()),
                    Some("binary") => scalar::binary(&text).ok_or(YamlError::Value {
                        line,
                        observed: "not base64",
                    })?,
                    Some(tag) => {
                        let resolved = scalar::resolve(&text);
                        if !resolved.fits(tag) {
                            let observed = "not what its tag says";
                            return Err(YamlError::Value { line, observed });
                        }
                        resolved
                    }
                    None if plain => scalar::resolve(&text),
                    None => scalar::Resolved::Text(text.to_string()),
                };
                let plain = (plain && tag.is_none()).then(|| text.to_string());
                (
                    Node::Scalar {
                        plain,
                        text: resolved,
                    },
                    anchor,
                )
            }
            Event::SequenceStart(..) => (Node::Nested("a list"), 0),
            _ => (Node::Nested("a map"), 0),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(Some((node, line)))
    }
}

fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax {
        line: error.marker().line(),
    }
}

#[cfg(test)]
mod tests;
