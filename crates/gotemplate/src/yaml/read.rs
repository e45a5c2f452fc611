//! Events of a document into values.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, Tag};

use super::YamlError;
use super::resolve::{Kind, resolve};
use crate::fmt::float;
use crate::funcs::json::base64_decode;
use crate::limits::MAX_NESTING;
use crate::value::{Map, Text, Value};

/// How many values a document may have once its aliases are expanded.
const MAX_VALUES: usize = 100_000;

/// Reads the first document; nothing at all is [`Value::Nil`].
pub(crate) fn read(text: &[u8]) -> Result<Value, YamlError> {
    let text = std::str::from_utf8(text).map_err(|_| syntax(1, "invalid leading UTF-8 octet"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find(is_forbidden) {
        let line = 1 + text.get(..at).unwrap_or_default().matches('\n').count();
        return Err(syntax(line, "control characters are not allowed"));
    }
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) =
            next.map_err(|error| syntax(error.marker().line(), reason(error.kind())))?;
        if matches!(event, Event::DocumentEnd | Event::StreamEnd) {
            break;
        }
        builder.event(event, line_of(&span))?;
    }
    Ok(builder.root.unwrap_or(Value::Nil))
}

/// A mistake in the words of the parser that Go's tools use, which quote nothing.
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UnclosedFlowCollection { open: '[' }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::ExpectedFlowSequenceSeparator => "did not find expected ',' or ']'",
        ErrorKind::UnclosedFlowCollection { open: '{' }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator => "did not find expected ',' or '}'",
        ErrorKind::ExpectedBlockMappingKey => "did not find expected key",
        ErrorKind::ExpectedBlockSequenceEntry => "did not find expected '-' indicator",
        ErrorKind::ExpectedNodeContent => "did not find expected node content",
        ErrorKind::UnknownAnchor => "unknown anchor referenced",
        _ => "malformed document",
    }
}

fn line_of(span: &Span) -> usize {
    span.start.line()
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

fn syntax(line: usize, reason: &str) -> YamlError {
    YamlError::Syntax {
        line,
        reason: reason.to_owned(),
    }
}

/// A key before it is known to be one.
enum Key {
    Text(Text),
    Merge,
}

/// A list or map under construction.
enum Open {
    List(Vec<Value>),
    Map { entries: Map, key: Option<Key> },
}

#[derive(Default)]
struct Builder {
    open: Vec<(Open, usize)>,
    anchors: HashMap<usize, Value>,
    root: Option<Value>,
    values: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_key = self.expects_key();
                let plain = style == ScalarStyle::Plain;
                let (kind, value) = scalar(&text, plain, tag.as_deref(), line)?;
                if anchor > 0 {
                    self.anchors.insert(anchor, value.clone());
                }
                if is_key && kind == Kind::Text && plain && text == "<<" {
                    return self.key(Key::Merge);
                }
                self.add(value, line)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Open::List(Vec::new()), anchor, line),
            Event::MappingStart(_, anchor, _) => {
                let entries = Map::new(crate::value::Elem::Any, []);
                self.begin(Open::Map { entries, key: None }, anchor, line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(line),
            Event::Alias(anchor) => {
                // An anchor that is still open would contain itself.
                let Some(value) = self.anchors.get(&anchor).cloned() else {
                    return Err(syntax(line, "anchor value contains itself"));
                };
                let copy = self.copy(&value, line, 0)?;
                self.add(copy, line)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, anchor: usize, line: usize) -> Result<(), YamlError> {
        if self.open.len() >= MAX_NESTING {
            return Err(syntax(line, "document nests too deeply"));
        }
        self.open.push((open, anchor));
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<(), YamlError> {
        let Some((open, anchor)) = self.open.pop() else {
            return Ok(());
        };
        let value = match open {
            Open::List(items) => Value::list(items),
            Open::Map { entries, .. } => Value::Map(entries),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        self.add(value, line)
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some((Open::Map { key: None, .. }, _)))
    }

    fn key(&mut self, new: Key) -> Result<(), YamlError> {
        if let Some((Open::Map { key, .. }, _)) = self.open.last_mut() {
            *key = Some(new);
        }
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn add(&mut self, value: Value, line: usize) -> Result<(), YamlError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(syntax(line, "document contains excessive aliasing"));
        }
        if self.expects_key() {
            let text =
                key_text(&value).ok_or_else(|| YamlError::Shape("unsupported map key".into()))?;
            return self.key(Key::Text(text));
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((Open::List(items), _)) => items.push(value),
            Some((Open::Map { entries, key }, _)) => match key.take() {
                Some(Key::Text(key)) => entries.insert(key, value),
                Some(Key::Merge) => {
                    let entries = entries.clone();
                    merge(&entries, &value, line)?;
                }
                None => {}
            },
        }
        Ok(())
    }

    /// A copy of what an alias stands for, so that changing one leaves the other.
    fn copy(&mut self, value: &Value, line: usize, depth: usize) -> Result<Value, YamlError> {
        self.values += 1;
        if self.values > MAX_VALUES || depth + self.open.len() > MAX_NESTING {
            return Err(syntax(line, "document contains excessive aliasing"));
        }
        match value {
            Value::List(list) => {
                let mut items = Vec::with_capacity(list.len());
                for item in list.items() {
                    items.push(self.copy(item, line, depth + 1)?);
                }
                Ok(Value::list(items))
            }
            Value::Map(map) => {
                let mut entries = Vec::with_capacity(map.len());
                for (key, item) in map.snapshot() {
                    entries.push((key, self.copy(&item, line, depth + 1)?));
                }
                Ok(Value::map(entries))
            }
            other => Ok(other.clone()),
        }
    }
}

/// `<<`: the entries of a map, or of several of which the first counts most.
fn merge(into: &Map, value: &Value, line: usize) -> Result<(), YamlError> {
    let all = match value {
        Value::Map(_) => std::slice::from_ref(value),
        Value::List(list) => list.items(),
        _ => &[Value::Nil],
    };
    for one in all.iter().rev() {
        let Value::Map(map) = one else {
            return Err(syntax(
                line,
                "map merge requires map or sequence of maps as the value",
            ));
        };
        for (key, value) in map.snapshot() {
            into.insert(key, value);
        }
    }
    Ok(())
}

/// A key's text; lists, maps, null and large integers cannot be keys.
fn key_text(value: &Value) -> Option<Text> {
    let text = match value {
        Value::Text(text) => return Some(text.clone()),
        Value::Int(value, _) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Float(value) => float_key(*value),
        _ => return None,
    };
    Some(Text::from(text.as_str()))
}

/// Go writes such keys with the precision of a `float32`.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let short = format!("{}", value as f32).parse().unwrap_or(value);
    float::format(short, b'g', None)
}

/// The kind and value of a scalar under its style and tag.
fn scalar(
    text: &str,
    plain: bool,
    tag: Option<&Tag>,
    line: usize,
) -> Result<(Kind, Value), YamlError> {
    let as_text = || (Kind::Text, Value::text(text));
    let core = tag
        .map(Tag::parts)
        .filter(|(handle, _)| *handle == "tag:yaml.org,2002:")
        .map(|(_, suffix)| suffix);
    let Some(core) = core else {
        // A tag of the user's own, and quotes, make a text.
        return Ok(if plain && tag.is_none() {
            resolve(text)
        } else {
            as_text()
        });
    };
    let cannot = || Err(syntax(line, "cannot decode a scalar as its tag says"));
    if core == "str" {
        return Ok(as_text());
    }
    if core == "binary" {
        return match base64_decode(text.as_bytes()) {
            Some(bytes) => Ok((Kind::Text, Value::from(bytes))),
            None => Err(syntax(line, "!!binary value contains invalid base64 data")),
        };
    }
    let (kind, value) = resolve(text);
    match (core, kind) {
        ("int", Kind::Int)
        | ("float", Kind::Float)
        | ("bool", Kind::Bool)
        | ("null", Kind::Null) => Ok((kind, value)),
        ("float", Kind::Int) => Ok((
            Kind::Float,
            match value {
                Value::Int(value, _) => Value::Float(value as f64),
                other => other,
            },
        )),
        ("timestamp", Kind::Text) if super::resolve::is_timestamp(text) => Ok(as_text()),
        ("int" | "float" | "bool" | "null" | "timestamp", _) => cannot(),
        _ => Ok(as_text()),
    }
}
