//! Policies: their text, and what they allow.
//!
//! Owns: HCL and JSON of `path` rules with `capabilities`, `+` and `*`, and the order in which
//! rules apply. Refuses: parameters, templates and control groups, which are not emulated; a
//! policy that uses them is refused and not half understood.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a rule may allow.
pub(super) const CAPABILITIES: [&str; 8] = [
    "create", "read", "update", "patch", "delete", "list", "sudo", "deny",
];

/// A policy's rules by path, and its text.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    pub text: String,
    rules: BTreeMap<String, BTreeSet<String>>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Vault's words for what is wrong, or what is not emulated.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules = if text.trim_start().starts_with('{') {
            json(text)?
        } else {
            Parser::new(text).policy()?
        };
        for capability in rules.values().flatten() {
            if !CAPABILITIES.contains(&capability.as_str()) {
                return Err(format!(
                    "failed to parse policy: path: invalid capability {capability:?}"
                ));
            }
        }
        Ok(Self {
            text: text.to_owned(),
            rules,
        })
    }
}

impl Policy {
    /// The paths of its rules that allow anything.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let allowing = |(_, allowed): &(&String, &BTreeSet<String>)| !allowed.contains("deny");
        self.rules
            .iter()
            .filter(allowing)
            .map(|(path, _)| path.as_str())
    }
}

/// What `policies` together allow at `path`. The rule with the highest priority decides; equal
/// rules of several policies add up, and `deny` wins.
pub(super) fn capabilities<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    path: &str,
    list: bool,
) -> BTreeSet<String> {
    let mut rules: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (pattern, allowed) in policies.into_iter().flat_map(|policy| &policy.rules) {
        rules
            .entry(pattern)
            .or_default()
            .extend(allowed.iter().cloned());
    }
    let wild = |pattern: &str| pattern.ends_with('*') || pattern.split('/').any(|part| part == "+");
    let exact = |path: &str| rules.get(path).filter(|_| !wild(path));
    // A folder is listed by its path with a slash, whoever asks without one, and allowed by the
    // path without as well.
    let folder = format!("{}/", path.trim_end_matches('/'));
    let path = if list { folder.as_str() } else { path };
    let found = exact(path).or_else(|| list.then(|| exact(path.trim_end_matches('/'))).flatten());
    let found = found.or_else(|| {
        rules
            .iter()
            .filter(|(pattern, _)| wild(pattern) && matches(pattern, path))
            .max_by(|(one, _), (other, _)| priority(one, other))
            .map(|(_, allowed)| allowed)
    });
    let mut found = found.cloned().unwrap_or_default();
    if found.contains("deny") {
        found = BTreeSet::from(["deny".to_owned()]);
    }
    found
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, open) = match pattern.strip_suffix('*') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut wanted = pattern.split('/').peekable();
    let mut parts = path.split('/');
    while let Some(want) = wanted.next() {
        let Some(part) = parts.next() else {
            return false;
        };
        let last = wanted.peek().is_none();
        let fits = if last && open {
            return want == "+" || part.starts_with(want);
        } else {
            want == "+" || want == part
        };
        if !fits {
            return false;
        }
    }
    parts.next().is_none()
}

/// Which of two patterns that both fit has the higher priority, as Vault documents it.
fn priority(one: &str, other: &str) -> Ordering {
    let first_wild = |pattern: &str| {
        pattern
            .char_indices()
            .find(|(at, c)| *c == '+' || *c == '*' && at + 1 == pattern.len())
            .map_or(usize::MAX, |(at, _)| at)
    };
    let plus = |pattern: &str| pattern.split('/').filter(|part| *part == "+").count();
    first_wild(one)
        .cmp(&first_wild(other))
        .then_with(|| other.ends_with('*').cmp(&one.ends_with('*')))
        .then_with(|| plus(other).cmp(&plus(one)))
        .then_with(|| one.len().cmp(&other.len()))
        .then_with(|| one.cmp(other))
}

type Rules = BTreeMap<String, BTreeSet<String>>;

fn json(text: &str) -> Result<Rules, String> {
    let failed = |what: &str| format!("failed to parse policy: {what}");
    let document: Value = serde_json::from_str(text).map_err(|e| failed(&e.to_string()))?;
    let paths = document
        .get("path")
        .and_then(Value::as_object)
        .ok_or_else(|| failed("no path"))?;
    let mut rules = Rules::new();
    for (path, rule) in paths {
        let rule = rule
            .as_object()
            .ok_or_else(|| failed("a path is no object"))?;
        if let Some(other) = rule.keys().find(|key| *key != "capabilities") {
            return Err(failed(&format!("{other} is not emulated")));
        }
        let allowed = super::protocol::texts(rule.get("capabilities"));
        rules
            .entry(path.trim_start_matches('/').to_owned())
            .or_default()
            .extend(allowed);
    }
    Ok(rules)
}

/// The part of HCL that policies use.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    fn failed(what: impl std::fmt::Display) -> String {
        format!("failed to parse policy: {what}")
    }

    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let comment = if self.rest.starts_with('#') || self.rest.starts_with("//") {
                "\n"
            } else if self.rest.starts_with("/*") {
                "*/"
            } else {
                return;
            };
            self.rest = self.rest.split_once(comment).map_or("", |(_, after)| after);
        }
    }

    fn takes(&mut self, text: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.takes(text) {
            return Ok(());
        }
        let near: String = self.rest.chars().take(20).collect();
        Err(Self::failed(format!("expected {text:?} before {near:?}")))
    }

    fn word(&mut self) -> String {
        self.skip();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let mut out = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(out);
                }
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                c => out.push(c),
            }
        }
        Err(Self::failed("a text does not end"))
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        self.expect("[")?;
        let mut items = Vec::new();
        while !self.takes("]") {
            items.push(self.string()?);
            if !self.takes(",") {
                self.expect("]")?;
                break;
            }
        }
        Ok(items)
    }

    fn policy(mut self) -> Result<Rules, String> {
        let mut rules = Rules::new();
        loop {
            self.skip();
            if self.rest.is_empty() {
                return Ok(rules);
            }
            match self.word().as_str() {
                "path" => {
                    let path = self.string()?;
                    let allowed = self.rule()?;
                    rules
                        .entry(path.trim_start_matches('/').to_owned())
                        .or_default()
                        .extend(allowed);
                }
                "name" => {
                    self.expect("=")?;
                    self.string()?;
                }
                other => return Err(Self::failed(format!("invalid key {other:?}"))),
            }
        }
    }

    fn rule(&mut self) -> Result<Vec<String>, String> {
        self.takes("=");
        self.expect("{")?;
        let mut allowed = Vec::new();
        while !self.takes("}") {
            match self.word().as_str() {
                "capabilities" => {
                    self.expect("=")?;
                    allowed.extend(self.list()?);
                }
                "" => self.expect("}")?,
                other => return Err(Self::failed(format!("{other} is not emulated"))),
            }
            self.takes(",");
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &str, path: &str) -> String {
        let policy = Policy::parse(policy).unwrap();
        let found = capabilities([&policy], path, false);
        found.into_iter().collect::<Vec<_>>().join(",")
    }

    #[test]
    fn the_most_specific_rule_decides() {
        let policy = r#"
            # everything below app
            path "secret/data/app/*" { capabilities = ["read", "list"] }
            path "secret/data/app/+/public" { capabilities = ["create", "update"], }
            path "secret/data/app/locked" { capabilities = ["deny"] }
            path "secret/data/*" { capabilities = ["list"] }
            path "+/metadata/*" { capabilities = ["read"] } // any mount
        "#;
        for (path, expected) in [
            ("secret/data/app/one", "list,read"),
            ("secret/data/app/one/public", "create,update"),
            ("secret/data/app/locked", "deny"),
            ("secret/data/other", "list"),
            ("kv/metadata/a/b", "read"),
            ("kv/data/a", ""),
            ("secret/data", ""),
        ] {
            assert_eq!(allowed(policy, path), expected, "{path}");
        }
    }

    #[test]
    fn plus_is_one_segment_and_star_any_end() {
        let policy =
            r#"path "a/+/c" { capabilities = ["read"] } path "b/x*" { capabilities = ["list"] }"#;
        for (path, expected) in [
            ("a/b/c", "read"),
            ("a/b/b/c", ""),
            ("a/c", ""),
            ("b/xyz/deep", "list"),
            ("b/y", ""),
        ] {
            assert_eq!(allowed(policy, path), expected, "{path}");
        }
    }

    #[test]
    fn equal_rules_add_up_and_deny_wins() {
        let read = Policy::parse(r#"path "a" { capabilities = ["read"] }"#).unwrap();
        let list = Policy::parse(r#"{"path": {"a": {"capabilities": ["list"]}}}"#).unwrap();
        let deny = Policy::parse(r#"path "a" { capabilities = ["deny"] }"#).unwrap();
        assert_eq!(capabilities([&read, &list], "a", false).len(), 2);
        assert_eq!(
            capabilities([&read, &deny], "a", false),
            BTreeSet::from(["deny".to_owned()])
        );
        assert_eq!(capabilities([&list], "a/", true).len(), 1);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for policy in [
            r#"path "a" { capabilities = ["fly"] }"#,
            r#"path "a" { allowed_parameters = { } }"#,
            r#"path "a" { capabilities = ["read""#,
            r#"paths "a" { }"#,
            r#"{"path": {"a": {"required_parameters": []}}}"#,
            "{",
        ] {
            assert!(Policy::parse(policy).is_err(), "{policy}");
        }
    }
}
