//! Expressions in CEL: attribute mappings and conditions of providers, conditions of bindings.
//!
//! Owns: the environment with `extract`, which Google adds, and the bounds on a foreign
//! expression. Refuses: expressions that do not parse; the parser and the interpreter may panic,
//! which ends as an error here.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value as CelValue};
use serde_json::{Number, Value};

/// Deeper expressions are refused: the parser recurses.
const DEPTH: usize = 100;

/// A compiled expression.
#[derive(Clone)]
pub(super) struct Expression {
    text: String,
    program: Arc<Program>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    /// Reads an expression of at most `longest` characters.
    pub fn parse(text: &str, longest: usize) -> Result<Self, String> {
        let depth = text
            .chars()
            .filter(|c| matches!(c, '(' | '[' | '{' | '!' | '-' | '?'))
            .count();
        if text.chars().count() > longest || depth > DEPTH {
            return Err(format!(
                "the expression exceeds {longest} characters or is nested too deeply"
            ));
        }
        let program = guarded(|| Program::compile(text).map_err(|error| error.to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            program: Arc::new(program),
        })
    }

    /// Google compiles expressions against the variables and functions of their place and refuses
    /// others. Functions are found by an evaluation on nothing, so that one behind a short cut
    /// stays unseen.
    pub fn refers_to(self, variables: &[&str]) -> Result<Self, String> {
        let undeclared = |name: &str| format!("Undeclared reference to '{name}'");
        let references = self.program.references();
        for name in references.variables() {
            let inner = name.starts_with('@') || is_bound(&self.text, name);
            if !inner && !variables.contains(&name) {
                return Err(undeclared(name));
            }
        }
        let nothing = Value::Object(serde_json::Map::new());
        let scope: Vec<(&str, &Value)> = variables.iter().map(|v| (*v, &nothing)).collect();
        match self.evaluate(&scope) {
            Err(error) if error.starts_with("Undeclared reference") => Err(error),
            _ => Ok(self),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value with these variables; an error for what it cannot be computed from.
    pub fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<Value, String> {
        ENVIRONMENT.with(|environment| {
            let mut scope = environment.new_inner_scope();
            for (name, value) in variables {
                scope.add_variable_from_value(*name, to_cel(value));
            }
            let value = guarded(|| {
                self.program
                    .execute(&scope)
                    .map_err(|error| error.to_string())
            })?;
            Ok(from_cel(&value))
        })
    }

    /// Whether it is true with these variables and `request.time`; what cannot be computed is not.
    pub fn holds(&self, variables: &[(&str, &Value)], now: i64) -> bool {
        let time = super::answer::timestamp(now);
        ENVIRONMENT.with(|environment| {
            let mut scope = environment.new_inner_scope();
            for (name, value) in variables {
                scope.add_variable_from_value(*name, to_cel(value));
            }
            scope.add_variable_from_value("now", CelValue::String(Arc::new(time)));
            let time = TIMESTAMP.with(|program| {
                let program = program.as_ref()?;
                guarded(|| program.execute(&scope).map_err(|error| error.to_string())).ok()
            });
            if let Some(time) = time {
                let key = Key::String(Arc::new("time".to_owned()));
                let map = Map {
                    map: Arc::new(HashMap::from([(key, time)])),
                };
                scope.add_variable_from_value("request", CelValue::Map(map));
            }
            let value = guarded(|| {
                self.program
                    .execute(&scope)
                    .map_err(|error| error.to_string())
            });
            matches!(value, Ok(CelValue::Bool(true)))
        })
    }
}

/// Whether a macro gives `name` its values, such as `list.all(name, …)`.
fn is_bound(text: &str, name: &str) -> bool {
    let macros = [".all(", ".exists(", ".exists_one(", ".map(", ".filter("];
    macros.iter().any(|begin| {
        text.match_indices(begin).any(|(at, _)| {
            let rest = text.get(at + begin.len()..).unwrap_or_default();
            let rest = rest.trim_start().strip_prefix(name);
            rest.is_some_and(|rest| rest.trim_start().starts_with(','))
        })
    })
}

fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err("the expression cannot be evaluated".to_owned()))
}

thread_local! {
    /// Building it costs more than most expressions.
    static ENVIRONMENT: Context<'static> = environment();
    static TIMESTAMP: Option<Program> = Program::compile("timestamp(now)").ok();
}

fn environment() -> Context<'static> {
    let mut environment = Context::default().with_all();
    environment.add_function("extract", extract);
    environment
}

/// `text.extract("before{name}after")`: what stands between; empty when nothing does. See
/// <https://docs.cloud.google.com/iam/docs/conditions-attribute-reference#extract>.
fn extract(This(text): This<Arc<String>>, template: Arc<String>) -> String {
    let found = || {
        let (before, rest) = template.split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        let start = text.find(before)?.checked_add(before.len())?;
        let rest = text.get(start..)?;
        if after.is_empty() {
            return Some(rest);
        }
        rest.get(..rest.find(after)?)
    };
    found().unwrap_or_default().to_owned()
}

fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(b) => CelValue::Bool(*b),
        Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(int), _) => CelValue::Int(int),
            (None, Some(float)) => CelValue::Float(float),
            (None, None) => CelValue::Null,
        },
        Value::String(s) => CelValue::String(Arc::new(s.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let map = fields
                .iter()
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value)))
                .collect();
            CelValue::Map(Map { map: Arc::new(map) })
        }
    }
}

fn from_cel(value: &CelValue) -> Value {
    match value {
        CelValue::Bool(b) => Value::Bool(*b),
        CelValue::Int(n) => Value::Number((*n).into()),
        CelValue::UInt(n) => Value::Number((*n).into()),
        CelValue::Float(f) => Number::from_f64(*f).map_or(Value::Null, Value::Number),
        CelValue::String(s) => Value::String(s.to_string()),
        CelValue::List(items) => Value::Array(items.iter().map(from_cel).collect()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value(text: &str, assertion: &Value) -> Result<Value, String> {
        Expression::parse(text, 2048)?.evaluate(&[("assertion", assertion)])
    }

    #[test]
    fn expressions_of_the_documentation() {
        let assertion = json!({
            "sub": "system:serviceaccount:shop:web", "email_verified": true, "exp": 5,
            "groups": ["a", "b"], "kubernetes.io": {"namespace": "shop"},
            "arn": "arn:aws:sts::111122223333:assumed-role/app/session",
        });
        for (text, wanted) in [
            ("assertion.sub", json!("system:serviceaccount:shop:web")),
            ("assertion['kubernetes.io']['namespace']", json!("shop")),
            ("assertion.sub.split(':')[3]", json!("web")),
            (
                "'ns/' + assertion['kubernetes.io'].namespace",
                json!("ns/shop"),
            ),
            ("assertion.groups", json!(["a", "b"])),
            ("'a' in assertion.groups", json!(true)),
            ("assertion.sub.startsWith('system:')", json!(true)),
            (
                "assertion.arn.contains('assumed-role') ? assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role_name}/') : assertion.arn",
                json!("arn:aws:sts::111122223333:assumed-role/app"),
            ),
            ("assertion.sub.extract('none/{x}/')", json!("")),
            ("assertion.exp + 1", json!(6)),
        ] {
            assert_eq!(value(text, &assertion), Ok(wanted), "{text}");
        }
        for text in ["assertion.none", "none.sub", "assertion.exp + 'a'"] {
            assert!(value(text, &assertion).is_err(), "{text}");
        }
        assert!(Expression::parse("assertion.", 100).is_err());
        for (text, good) in [
            ("assertion.sub in ['a', 'b']", true),
            ("assertion.sub.extract('a{b}')", true),
            ("attribute.a == 'b'", false),
            ("subject", false),
            ("nothing(assertion.sub)", false),
            ("assertion.sub == nobody", false),
            ("assertion.groups.exists(g, g == 'a')", true),
            ("assertion.groups.exists(g, g == h)", false),
        ] {
            let parsed = Expression::parse(text, 100).unwrap();
            assert_eq!(parsed.refers_to(&["assertion"]).is_ok(), good, "{text}");
        }
        assert!(Expression::parse(&"a".repeat(101), 100).is_err());
        assert!(Expression::parse(&"(".repeat(101), 4096).is_err());
    }

    #[test]
    fn conditions_know_the_time() {
        let resource = json!({"name": "projects/1/secrets/team-a"});
        let holds = |text: &str| {
            let parsed = Expression::parse(text, 4096).unwrap();
            parsed.holds(&[("resource", &resource)], 1_700_000_000)
        };
        assert!(holds(
            "resource.name.startsWith('projects/1/secrets/team-')"
        ));
        assert!(holds("request.time < timestamp('2024-01-01T00:00:00Z')"));
        assert!(!holds("request.time > timestamp('2024-01-01T00:00:00Z')"));
        assert!(!holds("resource.none == 'a'"));
        assert!(!holds("'true'"));
    }

    proptest! {
        #[test]
        fn no_expression_ends_in_a_panic(text in r#"[a-z.()'"+\[\]?:!{}0-9 ]{0,40}"#) {
            let _ = value(&text, &json!({"sub": "a"}));
        }
    }
}
