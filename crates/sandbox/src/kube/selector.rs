//! Label and field selectors: the full grammar, and matching.
//!
//! Refuses: knowing which fields a resource supports beyond what it is told. Tests beside the code.

use serde_json::Value;

use super::object::{meta, text};
use super::resource::Resource;

/// A set of requirements that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Labels {
    /// Reads a selector such as `a=b,c!=d,e in (f,g),h,!i`.
    ///
    /// # Errors
    /// The message that the API answers with.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens { rest: text };
        let mut all = Vec::new();
        if tokens.peek() == Token::End {
            return Ok(Self(all));
        }
        loop {
            if let other @ Token::Symbol(_) = tokens.peek()
                && other != Token::Symbol("!")
            {
                return Err(match all.is_empty() {
                    true => format!(
                        "found '{}', expected: !, identifier, or 'end of string'",
                        other.text()
                    ),
                    false => format!("found '{}', expected: identifier after ','", other.text()),
                });
            }
            all.push(
                requirement(&mut tokens)
                    .map_err(|found| format!("unable to parse requirement: {found}"))?,
            );
            match tokens.next() {
                Token::End => return Ok(Self(all)),
                Token::Symbol(",") => {}
                other => {
                    return Err(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        other.text()
                    ));
                }
            }
        }
    }

    /// A `LabelSelector` object; `None` when it is malformed. An empty one selects everything.
    #[must_use]
    pub fn from_object(selector: &Value) -> Option<Self> {
        let mut all = Vec::new();
        for (key, value) in selector
            .get("matchLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            all.push(Requirement {
                key: key.clone(),
                rule: Rule::In(vec![value.as_str()?.to_owned()]),
            });
        }
        for expression in super::object::items(selector, "matchExpressions") {
            let values = super::object::strings(expression.get("values"))
                .map(str::to_owned)
                .collect();
            let rule = match text(expression, "operator") {
                "In" => Rule::In(values),
                "NotIn" => Rule::NotIn(values),
                "Exists" => Rule::Exists,
                "DoesNotExist" => Rule::Missing,
                _ => return None,
            };
            all.push(Requirement {
                key: text(expression, "key").to_owned(),
                rule,
            });
        }
        Some(Self(all))
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `object`'s labels match.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        let labels = object.get("metadata").and_then(|m| m.get("labels"));
        self.0.iter().all(|r| {
            let value = labels.and_then(|l| l.get(&r.key)).and_then(Value::as_str);
            match &r.rule {
                Rule::Exists => value.is_some(),
                Rule::Missing => value.is_none(),
                Rule::In(set) => value.is_some_and(|v| set.iter().any(|s| s == v)),
                Rule::NotIn(set) => value.is_none_or(|v| set.iter().all(|s| s != v)),
                Rule::Above(limit) => value
                    .and_then(|v| v.parse::<i64>().ok())
                    .is_some_and(|v| v > *limit),
                Rule::Below(limit) => value
                    .and_then(|v| v.parse::<i64>().ok())
                    .is_some_and(|v| v < *limit),
            }
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Word(t) | Self::Symbol(t) => t,
            Self::End => "",
        }
    }
}

struct Tokens<'a> {
    rest: &'a str,
}

const SYMBOLS: &[&str] = &["==", "!=", "=", "!", "(", ")", ",", "<", ">"];

impl<'a> Tokens<'a> {
    fn split(&self) -> (Token<'a>, &'a str) {
        let rest = self.rest.trim_start();
        if rest.is_empty() {
            return (Token::End, rest);
        }
        for symbol in SYMBOLS {
            if let Some(after) = rest.strip_prefix(symbol) {
                return (Token::Symbol(symbol), after);
            }
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || "=!(),<>".contains(c))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        (Token::Word(word), after)
    }

    fn peek(&self) -> Token<'a> {
        self.split().0
    }

    fn next(&mut self) -> Token<'a> {
        let (token, rest) = self.split();
        self.rest = rest;
        token
    }
}

fn requirement(tokens: &mut Tokens<'_>) -> Result<Requirement, String> {
    if tokens.peek() == Token::Symbol("!") {
        tokens.next();
        return Ok(Requirement {
            key: key(tokens)?,
            rule: Rule::Missing,
        });
    }
    let key = key(tokens)?;
    let rule = match tokens.peek() {
        Token::End | Token::Symbol(",") => Rule::Exists,
        Token::Symbol("=" | "==") => {
            tokens.next();
            Rule::In(vec![value(&key, tokens)?])
        }
        Token::Symbol("!=") => {
            tokens.next();
            Rule::NotIn(vec![value(&key, tokens)?])
        }
        Token::Symbol(sign @ ("<" | ">")) => {
            tokens.next();
            let text = value(&key, tokens)?;
            let limit = text.parse()
                .map_err(|_| format!("values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' operators, the value must be an integer"))?;
            if sign == ">" {
                Rule::Above(limit)
            } else {
                Rule::Below(limit)
            }
        }
        Token::Word("in") => {
            tokens.next();
            Rule::In(set(tokens)?)
        }
        Token::Word("notin") => {
            tokens.next();
            Rule::NotIn(set(tokens)?)
        }
        other => {
            return Err(format!(
                "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                other.text()
            ));
        }
    };
    Ok(Requirement { key, rule })
}

fn key(tokens: &mut Tokens<'_>) -> Result<String, String> {
    match tokens.next() {
        Token::Word(word) => match super::names::label_key(word) {
            None => Ok(word.to_owned()),
            Some(why) => Err(format!("<nil>: Invalid value: \"{word}\": {why}")),
        },
        other => Err(format!(
            "found '{}', expected: !, identifier, or 'end of string'",
            other.text()
        )),
    }
}

fn value(key: &str, tokens: &mut Tokens<'_>) -> Result<String, String> {
    match tokens.peek() {
        Token::Word(word) => {
            tokens.next();
            match super::names::label_value(word) {
                None => Ok(word.to_owned()),
                Some(why) => Err(format!(
                    "values[0][{key}]: Invalid value: \"{word}\": {why}"
                )),
            }
        }
        Token::End | Token::Symbol(",") => Ok(String::new()),
        other => Err(format!("found '{}', expected: identifier", other.text())),
    }
}

fn set(tokens: &mut Tokens<'_>) -> Result<Vec<String>, String> {
    let open = tokens.next();
    if open != Token::Symbol("(") {
        return Err(format!("found '{}' expected: '('", open.text()));
    }
    let mut values = Vec::new();
    loop {
        match tokens.next() {
            Token::Word(word) => values.push(word.to_owned()),
            Token::Symbol(",") => {
                values.push(String::new());
                continue;
            }
            Token::Symbol(")") if values.is_empty() => {
                values.push(String::new());
                return Ok(values);
            }
            Token::Symbol(")") => return Ok(values),
            other => {
                return Err(format!(
                    "found '{}', expected: ',', or identifier",
                    other.text()
                ));
            }
        }
        match tokens.next() {
            Token::Symbol(",") => {}
            Token::Symbol(")") => return Ok(values),
            other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
        }
    }
}

/// A field selector: exact matches and mismatches of known fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    path: String,
    value: String,
    equal: bool,
}

impl Fields {
    /// Reads a selector such as `metadata.name=x,type!=Opaque` for `resource`.
    ///
    /// # Errors
    /// The message that the API answers with, for instance for a field it does not index.
    pub fn parse(text: &str, resource: &Resource) -> Result<Self, String> {
        let mut all = Vec::new();
        for term in text.split(',').filter(|t| !t.is_empty()) {
            let split = [("!=", false), ("==", true), ("=", true)]
                .into_iter()
                .filter_map(|(sign, equal)| {
                    term.split_once(sign)
                        .map(|(path, value)| (path, value, equal))
                })
                .min_by_key(|(path, ..)| path.len());
            let Some((path, value, equal)) = split else {
                return Err(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                ));
            };
            if !is_known(path, resource) {
                return Err(format!("field label not supported: {path}"));
            }
            all.push(Field {
                path: path.to_owned(),
                value: value.to_owned(),
                equal,
            });
        }
        Ok(Self(all))
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name it demands, when it demands one: lists need not look further.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0
            .iter()
            .find(|f| f.equal && f.path == "metadata.name")
            .map(|f| f.value.as_str())
    }

    /// Whether `object` matches.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|f| (field(object, &f.path) == f.value) == f.equal)
    }
}

fn is_known(path: &str, resource: &Resource) -> bool {
    if matches!(path, "metadata.name" | "metadata.namespace") {
        return resource.namespaced || path == "metadata.name";
    }
    if let Some(custom) = &resource.custom {
        return custom
            .selectable
            .iter()
            .any(|p| p.trim_start_matches('.') == path);
    }
    match &*resource.plural {
        "secrets" => path == "type",
        "events" => {
            const EVENT: &[&str] = &[
                "kind",
                "namespace",
                "name",
                "uid",
                "apiVersion",
                "resourceVersion",
                "fieldPath",
            ];
            path.strip_prefix("involvedObject.")
                .or_else(|| path.strip_prefix("regarding."))
                .is_some_and(|f| EVENT.contains(&f))
                || matches!(
                    path,
                    "reason" | "type" | "source" | "reportingComponent" | "reportingController"
                )
        }
        "namespaces" => path == "status.phase",
        "pods" => matches!(
            path,
            "spec.nodeName"
                | "spec.restartPolicy"
                | "spec.schedulerName"
                | "spec.serviceAccountName"
                | "status.phase"
                | "status.podIP"
        ),
        _ => false,
    }
}

fn field(object: &Value, path: &str) -> String {
    // Events are kept in their core form; the newer API names some fields otherwise.
    let path = path
        .replace("regarding.", "involvedObject.")
        .replace("reportingController", "reportingComponent");
    match path.as_str() {
        "metadata.name" => return meta(object, "name").to_owned(),
        "metadata.namespace" => return meta(object, "namespace").to_owned(),
        "source" => {
            return object
                .get("source")
                .map(|s| text(s, "component"))
                .unwrap_or_default()
                .to_owned();
        }
        _ => {}
    }
    let mut at = object;
    for part in path.trim_start_matches('.').split('.') {
        match at.get(part) {
            Some(next) => at = next,
            None => return String::new(),
        }
    }
    match at {
        Value::String(s) => s.clone(),
        Value::Bool(_) | Value::Number(_) => at.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Labels;

    #[test]
    fn the_grammar_of_labels() {
        let object = json!({"metadata": {"labels": {"a": "b", "n": "5", "e": ""}}});
        let cases = [
            ("", true),
            ("a=b", true),
            ("a==b", true),
            ("a = b , n=5", true),
            ("a!=b", false),
            ("x!=y", true),
            ("a", true),
            ("!a", false),
            ("!x", true),
            ("a in (b, c)", true),
            ("a notin (b,c)", false),
            ("x notin (b)", true),
            ("n>4", true),
            ("n<5", false),
            ("e=", true),
            ("e in ()", true),
            ("example.com/a=b", false),
        ];
        for (selector, wanted) in cases {
            assert_eq!(
                Labels::parse(selector).unwrap().matches(&object),
                wanted,
                "{selector}"
            );
        }
        for wrong in [
            "a=b=c",
            "a in b",
            "a in (b",
            ",",
            "a,,b",
            "=b",
            "a b",
            "/x",
            "a>b",
            "a in (b c)",
        ] {
            assert!(Labels::parse(wrong).is_err(), "{wrong}");
        }
    }
}
