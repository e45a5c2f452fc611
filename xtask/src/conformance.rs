//! The tests that `docs/conformance.md` names exist.
//!
//! Owns: finding a test by the name that the page gives it. Refuses: running it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The page.
const PAGE: &str = "docs/conformance.md";
/// Fewer would mean that the page is read wrongly.
const AT_LEAST: usize = 80;

/// Fails if the page below `root` names a test that does not exist.
pub fn check(root: &Path) -> Result<()> {
    let path = root.join(PAGE);
    let page =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let names = names(&page);
    ensure!(
        names.len() >= AT_LEAST,
        "{PAGE} names {} tests, which is not all of them",
        names.len()
    );
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !exists(root, name))
        .collect();
    ensure!(
        missing.is_empty(),
        "{PAGE} names tests that do not exist: {}",
        missing.join(", ")
    );
    Ok(())
}

/// Everything between backticks, in the last column of a table, that looks like a path.
fn names(page: &str) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end().trim_end_matches('|').rsplit_once(" | "));
    cells
        .flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2))
        .filter(|name| name.contains("::"))
        .collect()
}

/// Whether `crate::module::function` is a test: in the module's file, in its `tests` module, or in
/// the crate's integration tests.
fn exists(root: &Path, name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let [krate, modules @ .., function] = parts.as_slice() else {
        return false;
    };
    let folder = root.join("crates").join(krate);
    let module = modules.join("/");
    let files = [
        format!("src/{module}.rs"),
        format!("src/{module}/tests.rs"),
        format!("tests/all/{module}.rs"),
    ];
    let head = format!("fn {function}(");
    files.iter().any(|file| {
        fs::read_to_string(folder.join(file)).is_ok_and(|text| is_test(&text, &head, function))
    })
}

/// A function under an attribute that makes it a test, or one of a list of scenarios.
fn is_test(text: &str, head: &str, function: &str) -> bool {
    let Some(at) = text.find(head) else {
        return false;
    };
    let before = text.get(..at).unwrap_or_default();
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    let attributes = attributes.rsplit("}\n").next().unwrap_or_default();
    let listed = before.split("scenarios!(").skip(1).any(|list| {
        let list = list.split(')').next().unwrap_or_default();
        list.split([',', ':', ' ', '\n'])
            .any(|name| name == function)
    });
    listed || attributes.contains("#[test]") || attributes.contains("::test") || {
        // Within proptest! the attribute is the macro's affair.
        attributes.contains("proptest!") || before.contains("proptest! {")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_honest() {
        check(&crate::cache::workspace()).expect("every test that the page names");
    }

    #[test]
    fn a_test_that_is_gone_is_missed() {
        let root = crate::cache::workspace();
        assert!(exists(&root, "scenarios::policies::two_owners"));
        assert!(
            !exists(&root, "scenarios::policies::with_target"),
            "a helper"
        );
        assert!(!exists(&root, "scenarios::policies::three_owners"));
        assert!(!exists(&root, "nowhere::policies::two_owners"));
        let page = "| W1 | a rule of `x` | `a::b::c`, `d::e` |\n";
        assert_eq!(names(page), ["a::b::c", "d::e"]);
    }
}
