//! The field tables, read once from `messages.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::DecodeError;

/// What a field holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Bytes,
    Integer,
    Bool,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    Raw,
    Strings,
    Message(&'static str),
}

/// How often a field occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    Repeated,
    Map,
}

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    number: u32,
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) kind: Kind,
    pub(super) inline: bool,
    pub(super) keep_zero: bool,
}

/// The fields of a message.
#[derive(Debug)]
pub(super) struct Message {
    fields: Vec<Field>,
}

impl Message {
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

#[derive(Default)]
struct Tables {
    kinds: HashMap<(&'static str, &'static str), &'static str>,
    messages: HashMap<&'static str, Message>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables::default();
    for line in include_str!("messages.txt").lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            None | Some("#") => {}
            Some("@") => {
                if let (Some(version), Some(kind), Some(message)) =
                    (words.next(), words.next(), words.next())
                {
                    tables.kinds.insert((version, kind), message);
                }
            }
            Some(name) => {
                let fields = words.filter_map(field).collect();
                tables.messages.insert(name, Message { fields });
            }
        }
    }
    tables
});

fn field(text: &'static str) -> Option<Field> {
    let mut parts = text.splitn(3, ':');
    let number = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let kind = parts.next()?;
    let (kind, keep_zero) = strip(kind, '?');
    let (kind, inline) = strip(kind, '^');
    let (shape, kind) = match (kind.strip_prefix("[]"), kind.strip_prefix("{}")) {
        (Some(item), _) => (Shape::Repeated, item),
        (None, Some(value)) => (Shape::Map, value),
        (None, None) => (Shape::Single, kind),
    };
    let kind = match kind {
        "s" => Kind::String,
        "b" => Kind::Bytes,
        "i" => Kind::Integer,
        "B" => Kind::Bool,
        "T" => Kind::Time,
        "U" => Kind::MicroTime,
        "Q" => Kind::Quantity,
        "I" => Kind::IntOrString,
        "R" => Kind::Raw,
        "L" => Kind::Strings,
        message => Kind::Message(message),
    };
    Some(Field {
        number,
        name,
        shape,
        kind,
        inline,
        keep_zero,
    })
}

fn strip(text: &'static str, suffix: char) -> (&'static str, bool) {
    text.strip_suffix(suffix)
        .map_or((text, false), |text| (text, true))
}

/// The message of a kind.
pub(super) fn message_of(api_version: &str, kind: &str) -> Option<&'static Message> {
    let tables = &*TABLES;
    let name = tables
        .kinds
        .iter()
        .find(|((version, name), _)| *version == api_version && *name == kind)
        .map(|(_, message)| *message)
        // Options of a delete come under the version of what they delete.
        .or_else(|| (kind == "DeleteOptions").then_some("meta.DeleteOptions"))?;
    tables.messages.get(name)
}

/// A message by its name in the tables.
pub(super) fn message(name: &str) -> Result<&'static Message, DecodeError> {
    TABLES
        .messages
        .get(name)
        .ok_or(DecodeError::Malformed("a message has no field table"))
}

#[cfg(test)]
mod tests {
    use super::{Kind, TABLES};

    #[test]
    fn every_named_message_has_a_table() {
        assert!(TABLES.messages.len() > 100);
        for (kind, message) in &TABLES.kinds {
            assert!(TABLES.messages.contains_key(message), "{kind:?}");
        }
        for (name, message) in &TABLES.messages {
            for field in &message.fields {
                if let Kind::Message(inner) = &field.kind {
                    assert!(
                        TABLES.messages.contains_key(inner),
                        "{name}.{}: {inner}",
                        field.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_line_is_read() {
        for line in include_str!("messages.txt")
            .lines()
            .filter(|line| !line.starts_with(['#', '@']))
        {
            let (name, fields) = line.split_once(' ').unwrap_or((line, ""));
            assert_eq!(
                TABLES.messages[name].fields.len(),
                fields.split_whitespace().count(),
                "{name}"
            );
        }
    }
}
