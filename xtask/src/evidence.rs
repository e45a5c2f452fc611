//! Evidence for the catalogue of failures: which tests produce each row, or why none can.
//!
//! Owns: the register (`crates/trust/src/catalogue/evidence.yaml`), what makes it wrong, and which
//! of its tests a run left out. Refuses: running anything; it reads sources and names of tests.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Where the register is, from the root of the repository.
pub const REGISTER: &str = "crates/trust/src/catalogue/evidence.yaml";

/// Parts of a printed test's name that say where it ran, and are in no file's path.
const RINGS: [&str; 4] = ["sandbox", "sandbox_alone", "real", "real_alone"];

/// A test, as the register writes it: `FILE::FUNCTION`, or `FILE::FUNCTION with FILE` where the
/// row's code stands in a file that the test reads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    file: String,
    function: String,
    with: Option<String>,
}

/// What there is for one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    produced: Vec<Test>,
    cannot: Option<String>,
    table: Vec<Test>,
}

/// All rows by their code.
#[derive(Clone, Debug, Default)]
pub struct Register(BTreeMap<String, Row>);

impl Register {
    /// Reads the register of `workspace`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(workspace: &Path) -> Result<Self> {
        let path = workspace.join(REGISTER);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_saphyr::from_str(text).context("the register is no YAML")?;
        let entries = value.as_object().context("the register is no map")?;
        let row = |(code, value): (&String, &Value)| Ok((code.clone(), Row::parse(code, value)?));
        entries.iter().map(row).collect::<Result<_>>().map(Self)
    }

    /// The rows that it speaks of.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is wrong with the register: rows without evidence, entries without a row, and tests
    /// that are not in the sources or do not speak of the row.
    #[must_use]
    pub fn faults<'a>(
        &self,
        workspace: &Path,
        codes: impl Iterator<Item = &'a str>,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let mut known = Vec::new();
        for code in codes {
            known.push(code);
            if !self.0.contains_key(code) {
                faults.push(format!("{code} has no entry"));
            }
        }
        for (code, row) in &self.0 {
            if !known.contains(&code.as_str()) {
                faults.push(format!("{code} is no row of the catalogue"));
            }
            match (&row.cannot, row.produced.is_empty(), row.table.is_empty()) {
                (None, false, _) | (Some(_), true, false) => {}
                (Some(_), false, _) => {
                    faults.push(format!("{code} is produced and cannot be produced"));
                }
                (Some(_), true, true) => {
                    faults.push(format!("{code} cannot be produced and names no table"));
                }
                (None, true, _) => faults.push(format!("{code} names no test that produces it")),
            }
            for test in row.produced.iter().chain(&row.table) {
                if let Some(why) = test.fault(workspace, code) {
                    faults.push(format!("{code}: {test} {why}"));
                }
            }
        }
        faults
    }

    /// The tests named here that are not among `passed`, names as cargo prints them.
    #[must_use]
    pub fn left_out(&self, passed: &[String]) -> Vec<String> {
        let mut out = Vec::new();
        for (code, row) in &self.0 {
            for test in row.produced.iter().chain(&row.table) {
                if !passed.iter().any(|name| test.is(name)) {
                    out.push(format!("{code}: {test}"));
                }
            }
        }
        out
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let tabled = self.0.values().filter(|row| row.cannot.is_some()).count();
        format!(
            "catalogue of failures: {} of {} rows are produced and found by tests, {tabled} cannot be \
             produced on one machine and are held against published texts",
            self.0.len() - tabled,
            self.0.len()
        )
    }
}

impl Row {
    fn parse(code: &str, value: &Value) -> Result<Self> {
        let members = value
            .as_object()
            .with_context(|| format!("{code} is no map"))?;
        let mut row = Self::default();
        for (name, value) in members {
            match name.as_str() {
                "cannot" => row.cannot = value.as_str().map(str::to_owned),
                "produced" => row.produced = tests(code, value)?,
                "table" => row.table = tests(code, value)?,
                other => bail!("{code} has {other}, which is not known"),
            }
        }
        Ok(row)
    }
}

fn tests(code: &str, value: &Value) -> Result<Vec<Test>> {
    let list = value
        .as_array()
        .with_context(|| format!("{code}: no list"))?;
    list.iter()
        .map(|item| {
            let text = item.as_str().unwrap_or_default();
            Test::parse(text).with_context(|| format!("{code}: {item} is no FILE::FUNCTION"))
        })
        .collect()
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.file, self.function)
    }
}

impl Test {
    fn parse(text: &str) -> Option<Self> {
        let (test, with) = match text.split_once(" with ") {
            Some((test, with)) => (test, Some(with.to_owned())),
            None => (text, None),
        };
        let (file, function) = test.rsplit_once("::")?;
        Some(Self {
            file: file.to_owned(),
            function: function.to_owned(),
            with,
        })
    }

    fn fault(&self, workspace: &Path, code: &str) -> Option<String> {
        let Ok(source) = std::fs::read_to_string(workspace.join(&self.file)) else {
            return Some("is in no file".to_owned());
        };
        let Some(body) = body(&source, &self.function) else {
            return Some("is not in that file".to_owned());
        };
        let Some(with) = &self.with else {
            return (!has_word(body, code)).then(|| format!("does not speak of {code}"));
        };
        match std::fs::read_to_string(workspace.join(with)) {
            Ok(text) if has_word(&text, code) => None,
            Ok(_) => Some(format!("reads {with}, which does not speak of {code}")),
            Err(_) => Some(format!("reads {with}, which does not exist")),
        }
    }

    /// The module that cargo prints before the function: the file's path in its crate.
    fn module(&self) -> Vec<&str> {
        let path = self.file.trim_end_matches(".rs");
        let inside = path
            .split('/')
            .skip_while(|part| *part != "src" && *part != "tests");
        let mut parts: Vec<&str> = inside.skip(1).collect();
        // Integration tests are modules of tests/all.rs.
        if parts.first() == Some(&"all") {
            parts.remove(0);
        }
        if matches!(parts.as_slice(), ["lib" | "main"]) {
            parts.clear();
        }
        parts
    }

    /// Whether cargo prints this test so.
    fn is(&self, printed: &str) -> bool {
        let mut parts: Vec<&str> = printed.split("::").collect();
        if parts.pop() != Some(self.function.as_str()) {
            return false;
        }
        let module = self.module();
        let is = |parts: &[&str]| {
            let inner = parts.split_last();
            parts == module || inner.is_some_and(|(last, rest)| *last == "tests" && rest == module)
        };
        // A file may have the name of a ring.
        if is(&parts) {
            return true;
        }
        parts.retain(|part| !RINGS.contains(part));
        is(&parts)
    }
}

/// A function's text, from its name to the brace at its beginning's depth.
fn body<'a>(source: &'a str, function: &str) -> Option<&'a str> {
    let start = source
        .match_indices(&format!("fn {function}"))
        .find(|(at, name)| {
            let after = source
                .get(at + name.len()..)
                .and_then(|rest| rest.chars().next());
            matches!(after, Some('(' | '<'))
        });
    let (at, _) = start?;
    let line = source.get(..at)?.rfind('\n').map_or(0, |n| n + 1);
    let indent: String = source
        .get(line..)?
        .chars()
        .take_while(|c| *c == ' ')
        .collect();
    let rest = source.get(at..)?;
    let end = rest.find(&format!("\n{indent}}}\n")).unwrap_or(rest.len());
    rest.get(..end)
}

/// Whether `word` stands in `text` with no letter, digit or underscore at its ends.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !inside(before) && !inside(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row has its evidence, and all of it is in the sources.
    #[test]
    fn every_row_of_the_catalogue_has_its_evidence() {
        let workspace = crate::cache::workspace();
        let register = Register::read(&workspace).unwrap();
        let codes = keyless_trust::catalogue::rows().map(|row| row.code);
        let faults = register.faults(&workspace, codes);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        eprintln!("{}", register.summary());
    }

    #[test]
    fn tests_are_known_by_the_names_that_cargo_prints() {
        for (written, printed, same) in [
            (
                "crates/cli/src/doctor/tests.rs::a",
                "doctor::tests::a",
                true,
            ),
            (
                "crates/x/src/azure/refusal.rs::a",
                "azure::refusal::tests::a",
                true,
            ),
            ("crates/x/src/lib.rs::a", "tests::a", true),
            ("crates/x/tests/all.rs::a", "a", true),
            (
                "crates/x/tests/all/catalogue/aws.rs::a",
                "catalogue::aws::sandbox::a",
                true,
            ),
            (
                "crates/x/tests/all/azure.rs::a",
                "azure::real_alone::a",
                true,
            ),
            ("crates/x/tests/all/real.rs::a", "real::a", true),
            ("crates/x/tests/all/azure.rs::a", "gcp::sandbox::a", false),
            (
                "crates/x/tests/all/azure.rs::a",
                "azure::sandbox::ab",
                false,
            ),
        ] {
            assert_eq!(Test::parse(written).unwrap().is(printed), same, "{written}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let source =
            "#[test]\nfn good() {\n    \"A1\";\n}\n\n#[test]\nfn other() {\n    \"A2\";\n}\n";
        std::fs::write(folder.path().join("t.rs"), source).unwrap();
        let register = Register::parse(
            "A1: {produced: ['t.rs::good']}\n\
             A2: {produced: ['t.rs::good']}\n\
             A3: {produced: ['t.rs::gone']}\n\
             A4: {cannot: why}\n\
             A5: {cannot: why, table: ['u.rs::x']}\n\
             A6: {produced: []}\n\
             A7: {produced: ['t.rs::good with t.rs']}\n",
        )
        .unwrap();
        let codes = ["A1", "A2", "A3", "A4", "A5", "A6", "A8"];
        assert_eq!(
            register.faults(folder.path(), codes.into_iter()),
            [
                "A8 has no entry",
                "A2: t.rs::good does not speak of A2",
                "A3: t.rs::gone is not in that file",
                "A4 cannot be produced and names no table",
                "A5: u.rs::x is in no file",
                "A6 names no test that produces it",
                "A7 is no row of the catalogue",
                "A7: t.rs::good reads t.rs, which does not speak of A7",
            ]
        );
        assert!(Register::parse("A1: {produces: []}").is_err());
        let one = Register::parse("A1: {produced: ['crates/x/src/t.rs::good']}").unwrap();
        assert_eq!(
            one.left_out(&["t::tests::good".to_owned()]),
            Vec::<String>::new()
        );
        assert_eq!(one.left_out(&["t::tests::bad".to_owned()]).len(), 1);
    }
}
