//! Rules in CEL (`x-kubernetes-validations`): compiled with the schema, evaluated per value.
//!
//! Owns: the conversion of JSON to CEL values along a schema, the environment with the
//! Kubernetes function libraries, and the wording of failed rules.
//! Refuses: expressions that do not parse; more than [`MAX_EVALUATIONS`] evaluations per object.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::{Key, Map as CelMap, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, Program, Value as CelValue};
use serde_json::Value;

use super::schema::{FieldError, JsonType, NO_FIELD, Node, reason};

/// The most rule evaluations one object may cause.
pub const MAX_EVALUATIONS: usize = 10_000;

/// One compiled rule.
#[derive(Debug)]
pub struct Rule {
    text: String,
    program: Program,
    message: Option<String>,
    message_program: Option<Program>,
    reason: &'static str,
    field_path: String,
    optional_old_self: bool,
    transition: bool,
}

/// Compiles the value of `x-kubernetes-validations`.
///
/// # Errors
///
/// One error per rule that cannot be used, worded as the real server words it.
pub fn compile(raw: Option<&Value>, path: &str) -> Result<Vec<Rule>, Vec<FieldError>> {
    let mut rules = Vec::new();
    let mut errors = Vec::new();
    let list = raw.and_then(Value::as_array).map(Vec::as_slice);
    for (index, raw) in list.unwrap_or_default().iter().enumerate() {
        match rule(raw, &format!("{path}[{index}]")) {
            Ok(rule) => rules.push(rule),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

fn rule(raw: &Value, path: &str) -> Result<Rule, FieldError> {
    let text = |name: &str| {
        raw.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let expression = text("rule").ok_or_else(|| FieldError {
        field: format!("{path}.rule"),
        reason: reason::REQUIRED,
        message: "Required value: rule is not specified".to_owned(),
    })?;
    let message = text("message").map(|message| message.trim().to_owned());
    if message.is_none() && text("messageExpression").is_none() && expression.trim().contains('\n')
    {
        return Err(FieldError {
            field: format!("{path}.message"),
            reason: reason::REQUIRED,
            message: "Required value: message must be specified if rule contains line breaks"
                .to_owned(),
        });
    }
    let program = parse(expression, &format!("{path}.rule"), raw)?;
    let message_program = text("messageExpression")
        .map(|source| parse(source, &format!("{path}.messageExpression"), raw))
        .transpose()?;
    let field_path = text("fieldPath").unwrap_or_default();
    Ok(Rule {
        transition: program.references().has_variable("oldSelf"),
        text: expression.trim().to_owned(),
        program,
        message,
        message_program,
        reason: match text("reason") {
            None | Some("FieldValueInvalid") => reason::INVALID,
            Some("FieldValueForbidden") => reason::FORBIDDEN,
            Some("FieldValueRequired") => reason::REQUIRED,
            Some("FieldValueDuplicate") => reason::DUPLICATE,
            Some(other) => {
                return Err(FieldError {
                    field: format!("{path}.reason"),
                    reason: reason::NOT_SUPPORTED,
                    message: format!(
                        "Unsupported value: {other:?}: supported values: \"FieldValueRequired\", \"FieldValueInvalid\", \"FieldValueForbidden\", \"FieldValueDuplicate\""
                    ),
                });
            }
        },
        field_path: field_path.to_owned(),
        optional_old_self: raw.get("optionalOldSelf").and_then(Value::as_bool) == Some(true),
    })
}

fn parse(source: &str, field: &str, raw: &Value) -> Result<Program, FieldError> {
    // The parser recurses: a hostile expression must not decide how deep.
    let depth = source
        .chars()
        .filter(|c| matches!(c, '(' | '[' | '{' | '!' | '-' | '?'))
        .count();
    let parsed = if depth > 200 || source.len() > 16 * 1024 {
        Err("the expression is too long or nested too deeply".to_owned())
    } else {
        guarded(|| Program::compile(source).map_err(|error| error.to_string()))
            .unwrap_or_else(|| Err("the expression cannot be compiled".to_owned()))
    };
    parsed.map_err(|why| {
        let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
        let shown = format!(
            "{{\"Rule\":{:?},\"Message\":{:?},\"MessageExpression\":{:?},\"Reason\":{},\"FieldPath\":{:?},\"OptionalOldSelf\":{}}}",
            text("rule"),
            text("message"),
            text("messageExpression"),
            raw.get("reason").unwrap_or(&Value::Null),
            text("fieldPath"),
            raw.get("optionalOldSelf").unwrap_or(&Value::Null),
        );
        FieldError {
            field: field.to_owned(),
            reason: reason::INVALID,
            message: format!("Invalid value: {shown}: compilation failed: {why}"),
        }
    })
}

thread_local! {
    /// The environment with every function; building it costs more than most rules.
    static ENVIRONMENT: Context<'static> = environment();
    static TIMESTAMP: Option<Program> = Program::compile("timestamp(x)").ok();
    static DURATION: Option<Program> = Program::compile("duration(x)").ok();
}

/// The function libraries, and `type()` with the names of types, which the interpreter lacks.
fn environment() -> Context<'static> {
    let mut environment = Context::default().with_all();
    environment.add_function(
        "type",
        |value: CelValue| -> Result<CelValue, ExecutionError> { Ok(type_value(type_name(&value))) },
    );
    for name in [
        "bool",
        "bytes",
        "double",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "uint",
    ] {
        environment.add_variable_from_value(name, type_value(name));
    }
    environment
}

/// A type as a value: only good for comparison with other types.
fn type_value(name: &str) -> CelValue {
    CelValue::Bytes(Arc::new(format!("type {name}").into_bytes()))
}

fn type_name(value: &CelValue) -> &'static str {
    match value {
        CelValue::Bool(_) => "bool",
        CelValue::Bytes(_) => "bytes",
        CelValue::Float(_) => "double",
        CelValue::Int(_) => "int",
        CelValue::List(_) => "list",
        CelValue::Map(_) => "map",
        CelValue::Null => "null_type",
        CelValue::String(_) => "string",
        CelValue::UInt(_) => "uint",
        _ => "unknown",
    }
}

/// The evaluation of all rules of one object.
pub struct Evaluation {
    errors: Vec<FieldError>,
    evaluations: usize,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self::new()
    }
}

impl Evaluation {
    /// An evaluation without findings.
    #[must_use]
    pub fn new() -> Self {
        Self {
            errors: Vec::new(),
            evaluations: 0,
        }
    }

    /// What was found.
    #[must_use]
    pub fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// Whether the object's budget is spent.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.evaluations > MAX_EVALUATIONS
    }

    /// Runs the rules of one node; `resource` tells that the value has `metadata` of its own.
    pub fn run(
        &mut self,
        rules: &[Rule],
        node: &Node,
        value: &Value,
        old: Option<&Value>,
        path: &str,
        resource: bool,
    ) {
        if rules.is_empty() {
            return;
        }
        let current = convert(node, value, resource);
        let before = old
            .filter(|_| rules.iter().any(|rule| rule.transition))
            .map(|old| convert(node, old, resource));
        for rule in rules {
            if rule.transition && before.is_none() && !rule.optional_old_self {
                continue;
            }
            self.evaluations += 1;
            if self.is_exhausted() {
                self.errors.push(FieldError {
                    field: NO_FIELD.to_owned(),
                    reason: reason::INVALID,
                    message: "Invalid value: validation failed due to running out of cost budget, no further validation rules will be run".to_owned(),
                });
                return;
            }
            self.errors
                .extend(evaluate(rule, &current, before.as_ref(), value, path));
        }
    }
}

fn evaluate(
    rule: &Rule,
    current: &CelValue,
    before: Option<&CelValue>,
    value: &Value,
    path: &str,
) -> Option<FieldError> {
    ENVIRONMENT.with(|environment| {
        let mut scope = environment.new_inner_scope();
        scope.add_variable_from_value("self", current.clone());
        if rule.optional_old_self {
            let old = before.map_or_else(OptionalValue::none, |old| OptionalValue::of(old.clone()));
            scope.add_variable_from_value("oldSelf", CelValue::Opaque(Arc::new(old)));
        } else if let Some(old) = before {
            scope.add_variable_from_value("oldSelf", old.clone());
        }
        match execute(&rule.program, &scope) {
            Ok(CelValue::Bool(true)) => None,
            Ok(_) => Some(failed(rule, &scope, value, path)),
            Err(error) => Some(FieldError {
                field: field(path),
                reason: reason::INVALID,
                message: format!(
                    "Invalid value: {}: {} evaluating rule: {}",
                    quoted_type(value),
                    explain(&error),
                    rule.message.as_deref().unwrap_or(&rule.text),
                ),
            }),
        }
    })
}

/// Runs a program. The interpreter's own panics, which odd calls can cause, become errors.
fn execute(program: &Program, scope: &Context<'_>) -> Result<CelValue, ExecutionError> {
    guarded(|| program.execute(scope)).unwrap_or_else(|| {
        Err(ExecutionError::function_error(
            "rule",
            "the interpreter failed",
        ))
    })
}

fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

/// Evaluation errors in the real server's words, where they are common.
fn explain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => {
            format!("index out of bounds: {index}")
        }
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        other => other.to_string(),
    }
}

fn failed(rule: &Rule, scope: &Context<'_>, value: &Value, path: &str) -> FieldError {
    let dynamic = rule
        .message_program
        .as_ref()
        .and_then(|program| match execute(program, scope) {
            Ok(CelValue::String(text))
                if !text.trim().is_empty() && !text.contains('\n') && text.len() <= 5 * 1024 =>
            {
                Some(text.trim().to_owned())
            }
            _ => None,
        });
    let detail = dynamic
        .or_else(|| rule.message.clone())
        .unwrap_or_else(|| format!("failed rule: {}", rule.text));
    // Objects and lists are not repeated in the message.
    let shown = match value {
        Value::Object(_) | Value::Array(_) => None,
        _ if !rule.field_path.is_empty() => None,
        scalar => Some(scalar.to_string()),
    };
    let message = match (rule.reason, shown) {
        (reason::REQUIRED, _) => format!("Required value: {detail}"),
        (reason::FORBIDDEN, _) => format!("Forbidden: {detail}"),
        (reason::DUPLICATE, Some(shown)) => format!("Duplicate value: {shown}"),
        (reason::DUPLICATE, None) => "Duplicate value".to_owned(),
        (_, Some(shown)) => format!("Invalid value: {shown}: {detail}"),
        (_, None) => format!("Invalid value: {detail}"),
    };
    let path = format!("{path}{}", rule.field_path);
    let path = if path.starts_with('.') {
        path.trim_start_matches('.')
    } else {
        &path
    };
    FieldError {
        field: field(path),
        reason: rule.reason,
        message,
    }
}

fn field(path: &str) -> String {
    if path.is_empty() {
        NO_FIELD.to_owned()
    } else {
        path.to_owned()
    }
}

fn quoted_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "\"null\"",
        Value::Bool(_) => "\"boolean\"",
        Value::Number(number) if number.is_f64() => "\"number\"",
        Value::Number(_) => "\"integer\"",
        Value::String(_) => "\"string\"",
        Value::Array(_) => "\"array\"",
        Value::Object(_) => "\"object\"",
    }
}

/// A JSON value as CEL sees it through the schema: formats become timestamps and durations,
/// declared names are escaped, undeclared fields of typed objects are invisible.
fn convert(node: &Node, value: &Value, resource: bool) -> CelValue {
    match value {
        Value::String(text) => string(node, text),
        Value::Array(items) => CelValue::List(Arc::new(
            items
                .iter()
                .map(|item| match node.items() {
                    Some(inner) => convert(inner, item, false),
                    None => plain(item),
                })
                .collect(),
        )),
        Value::Object(map) => {
            let mut out = HashMap::with_capacity(map.len());
            for (name, child) in map {
                let converted = if resource && name == "metadata" {
                    metadata(child)
                } else if let Some(inner) = node.property(name) {
                    convert(inner, child, false)
                } else if let Some(inner) = node.additional() {
                    // Keys of a map are data and are not escaped.
                    out.insert(key(name), convert(inner, child, false));
                    continue;
                } else {
                    plain(child)
                };
                out.insert(key(&escape(name)), converted);
            }
            CelValue::Map(CelMap { map: Arc::new(out) })
        }
        Value::Number(number) if node.json_type() == Some(JsonType::Number) => {
            CelValue::Float(number.as_f64().unwrap_or_default())
        }
        // `5.0` is an integer for the schema, and so it is for the rules.
        Value::Number(number) if node.json_type() == Some(JsonType::Integer) && number.is_f64() => {
            let whole = number.as_f64().unwrap_or_default() as i64;
            CelValue::Int(whole)
        }
        other => plain(other),
    }
}

fn string(node: &Node, text: &str) -> CelValue {
    let typed = match node.format() {
        Some("date-time") => TIMESTAMP.with(|program| parsed(program.as_ref(), text)),
        Some("duration") => DURATION.with(|program| parsed(program.as_ref(), text)),
        _ => None,
    };
    typed.unwrap_or_else(|| CelValue::String(Arc::new(text.to_owned())))
}

fn parsed(program: Option<&Program>, text: &str) -> Option<CelValue> {
    ENVIRONMENT.with(|environment| {
        let mut scope = environment.new_inner_scope();
        scope.add_variable_from_value("x", text);
        program?.execute(&scope).ok()
    })
}

/// Rules see an object's name and nothing else of its metadata.
fn metadata(value: &Value) -> CelValue {
    let map = ["name", "generateName"]
        .into_iter()
        .filter_map(|name| Some((key(name), plain(value.get(name)?))))
        .collect();
    CelValue::Map(CelMap { map: Arc::new(map) })
}

fn plain(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(bool) => CelValue::Bool(*bool),
        Value::Number(number) => number
            .as_i64()
            .map(CelValue::Int)
            .or_else(|| number.as_u64().map(CelValue::UInt))
            .unwrap_or_else(|| CelValue::Float(number.as_f64().unwrap_or_default())),
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(plain).collect())),
        Value::Object(map) => CelValue::Map(CelMap {
            map: Arc::new(
                map.iter()
                    .map(|(name, child)| (key(name), plain(child)))
                    .collect(),
            ),
        }),
    }
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

/// The CEL identifier of a field name.
fn escape(name: &str) -> String {
    const RESERVED: [&str; 21] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ];
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    if !name.contains(['.', '-', '/']) && !name.contains("__") {
        return name.to_owned();
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
