//! The part of kubectl's JSONPath that printer columns use.

use serde_json::Value;

/// The most values that one step may yield; a hostile object cannot blow a cell up.
const MAX_RESULTS: usize = 10_000;
/// The longest expression.
const MAX_LENGTH: usize = 4096;

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSONPath {expression:?}: {problem}")]
pub struct PathError {
    expression: String,
    problem: &'static str,
}

/// A compiled expression, e.g. `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    All,
    /// Everything below, the value itself included.
    Below,
    Filter(Filter),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Vec<Step>,
    comparison: Option<(Operator, Operand)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Value),
    Path(Vec<Step>),
}

impl JsonPath {
    /// Compiles an expression, with or without braces.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(expression: &str) -> Result<Self, PathError> {
        let error = |problem| PathError {
            expression: expression.chars().take(100).collect(),
            problem,
        };
        if expression.len() > MAX_LENGTH {
            return Err(error("it is too long"));
        }
        let text = expression.trim();
        let inner = match (text.strip_prefix('{'), text.strip_suffix('}')) {
            (Some(_), Some(_)) => text.trim_start_matches('{').trim_end_matches('}'),
            (None, None) => text,
            _ => return Err(error("a brace is missing")),
        };
        let inner = inner.strip_prefix('$').unwrap_or(inner);
        let steps = steps(inner, 0).map_err(error)?;
        Ok(Self { steps })
    }

    /// Every value the expression names in `root`.
    #[must_use]
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        walk(&self.steps, root)
    }
}

fn steps(text: &str, depth: usize) -> Result<Vec<Step>, &'static str> {
    if depth > 8 {
        return Err("filters are nested too deeply");
    }
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            steps.push(Step::Below);
            rest = after;
            if !after.starts_with('[') {
                rest = field(after, &mut steps)?;
            }
        } else if let Some(after) = rest.strip_prefix('.') {
            // A dot before a bracket, or alone, names nothing of its own.
            rest = if after.is_empty() || after.starts_with('[') {
                after
            } else {
                field(after, &mut steps)?
            };
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = closing(after).ok_or("a bracket is missing")?;
            let (inside, tail) = after.split_at_checked(end).ok_or("a bracket is missing")?;
            steps.push(subscript(inside.trim(), depth)?);
            rest = tail.strip_prefix(']').unwrap_or(tail);
        } else if steps.is_empty() {
            rest = field(rest, &mut steps)?;
        } else {
            return Err("a dot is missing");
        }
    }
    Ok(steps)
}

/// Takes a field name off the front; a backslash keeps the next character.
fn field<'a>(text: &'a str, steps: &mut Vec<Step>) -> Result<&'a str, &'static str> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, next)| next)),
            '.' | '[' => {
                end = at;
                break;
            }
            _ if c.is_whitespace()
                || matches!(c, '(' | ')' | '{' | '}' | '=' | '!' | '<' | '>') =>
            {
                return Err("a name holds a character that must be quoted");
            }
            _ => name.push(c),
        }
    }
    match name.as_str() {
        "" => return Err("a name is empty"),
        "*" => steps.push(Step::All),
        _ => steps.push(Step::Field(name)),
    }
    Ok(text.get(end..).unwrap_or_default())
}

/// Where the bracket that is already open closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn subscript(text: &str, depth: usize) -> Result<Step, &'static str> {
    if text == "*" {
        return Ok(Step::All);
    }
    if let Some(filter) = text
        .strip_prefix("?(")
        .and_then(|text| text.strip_suffix(')'))
    {
        return parse_filter(filter.trim(), depth).map(Step::Filter);
    }
    if let Some(name) = quoted(text) {
        return Ok(Step::Field(name));
    }
    let number = |text: &str| -> Result<Option<i64>, &'static str> {
        match text.trim() {
            "" => Ok(None),
            digits => digits
                .parse()
                .map(Some)
                .map_err(|_| "an index is not a number"),
        }
    };
    let mut parts = text.split(':');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    match (second, third, parts.next()) {
        (None, ..) => number(first)?.map(Step::Index).ok_or("an index is empty"),
        (Some(second), third, None) => {
            let step = number(third.unwrap_or_default())?.unwrap_or(1);
            if step < 1 {
                return Err("a slice must go forward");
            }
            Ok(Step::Slice(number(first)?, number(second)?, step))
        }
        _ => Err("a slice has too many parts"),
    }
}

fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c if c == quote => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn parse_filter(text: &str, depth: usize) -> Result<Filter, &'static str> {
    let (left, comparison) = match operator(text) {
        None => (text, None),
        Some((at, length, operator)) => {
            let right = text.get(at + length..).unwrap_or_default().trim();
            (
                text.get(..at).unwrap_or_default().trim(),
                Some((operator, operand(right, depth)?)),
            )
        }
    };
    let path = left.strip_prefix('@').ok_or("a filter must start with @")?;
    Ok(Filter {
        left: steps(path, depth + 1)?,
        comparison,
    })
}

/// The first operator outside quotes: where, how long, which.
fn operator(text: &str) -> Option<(usize, usize, Operator)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '=' | '!' | '<' | '>') => {
                let equals = text.get(at + 1..)?.starts_with('=');
                return Some(match (c, equals) {
                    ('=', true) => (at, 2, Operator::Equal),
                    ('!', true) => (at, 2, Operator::NotEqual),
                    ('<', true) => (at, 2, Operator::LessEqual),
                    ('>', true) => (at, 2, Operator::GreaterEqual),
                    ('<', false) => (at, 1, Operator::Less),
                    ('>', false) => (at, 1, Operator::Greater),
                    _ => return None,
                });
            }
            _ => {}
        }
    }
    None
}

fn operand(text: &str, depth: usize) -> Result<Operand, &'static str> {
    if let Some(path) = text.strip_prefix('@') {
        return Ok(Operand::Path(steps(path, depth + 1)?));
    }
    if let Some(text) = quoted(text) {
        return Ok(Operand::Literal(Value::from(text)));
    }
    match text {
        "true" => Ok(Operand::Literal(Value::Bool(true))),
        "false" => Ok(Operand::Literal(Value::Bool(false))),
        number => serde_json::from_str::<serde_json::Number>(number)
            .map(|number| Operand::Literal(Value::Number(number)))
            .map_err(|_| "a filter compares with something unknown"),
    }
}

fn walk<'a>(steps: &[Step], root: &'a Value) -> Vec<&'a Value> {
    let mut current = vec![root];
    for step in steps {
        let mut next = Vec::new();
        for value in current {
            if next.len() >= MAX_RESULTS {
                break;
            }
            advance(step, value, &mut next);
        }
        next.truncate(MAX_RESULTS);
        current = next;
    }
    current
}

fn advance<'a>(step: &Step, value: &'a Value, out: &mut Vec<&'a Value>) {
    match step {
        Step::Field(name) => out.extend(value.get(name)),
        Step::Index(index) => {
            if let Value::Array(items) = value {
                out.extend(position(*index, items.len()).and_then(|index| items.get(index)));
            }
        }
        Step::Slice(from, to, step) => {
            if let Value::Array(items) = value {
                let bound = |index: i64| {
                    position(index, items.len()).unwrap_or(if index < 0 { 0 } else { items.len() })
                };
                let (from, to) = (from.map_or(0, bound), to.map_or(items.len(), bound));
                let step = usize::try_from(*step).unwrap_or(1);
                out.extend(items.iter().take(to).skip(from).step_by(step));
            }
        }
        Step::All => out.extend(children(value)),
        Step::Below => below(value, out),
        Step::Filter(filter) => out.extend(children(value).filter(|child| matches(filter, child))),
    }
}

fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 {
        index.checked_add(length)?
    } else {
        index
    };
    usize::try_from(index).ok().filter(|_| index < length)
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(map) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn below<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    if out.len() >= MAX_RESULTS {
        return;
    }
    out.push(value);
    for child in children(value) {
        below(child, out);
    }
}

fn matches(filter: &Filter, value: &Value) -> bool {
    let left = walk(&filter.left, value);
    let Some((operator, operand)) = &filter.comparison else {
        return !left.is_empty();
    };
    let Some(left) = left.first() else {
        return false;
    };
    let right = match operand {
        Operand::Literal(literal) => Some(literal),
        Operand::Path(path) => walk(path, value).first().copied(),
    };
    let ordering = right.and_then(|right| compare(left, right));
    match operator {
        Operator::Equal => ordering.is_some_and(std::cmp::Ordering::is_eq),
        Operator::NotEqual => ordering.is_none_or(std::cmp::Ordering::is_ne),
        Operator::Less => ordering.is_some_and(std::cmp::Ordering::is_lt),
        Operator::LessEqual => ordering.is_some_and(std::cmp::Ordering::is_le),
        Operator::Greater => ordering.is_some_and(std::cmp::Ordering::is_gt),
        Operator::GreaterEqual => ordering.is_some_and(std::cmp::Ordering::is_ge),
    }
}

fn compare(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        _ => None,
    }
}
