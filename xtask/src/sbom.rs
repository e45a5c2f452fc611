//! The bill of materials: every crate that is linked into a program, in CycloneDX 1.6.
//!
//! Owns: reading cargo's own resolution for one target, and writing it. Refuses: time stamps and
//! random serial numbers, so that the same lock file gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cache;

/// The bill of `program` for `target`, as JSON text.
pub fn of(program: &str, target: &str) -> Result<String> {
    let root = cache::workspace();
    let output = Command::new("cargo")
        .current_dir(&root)
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            target,
        ])
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata is no JSON")?;
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    let bill = bill(program, &metadata, &checksums(&lock))?;
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

/// Checksums of packages by name and version, as `Cargo.lock` has them.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let prefix = format!("{name} = \"");
            let line = package.lines().find_map(|line| line.strip_prefix(&prefix));
            line.map(|rest| rest.trim_end_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name"), field("version"), field("checksum"))
        {
            found.insert((name, version), sum);
        }
    }
    found
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn bill(
    program: &str,
    metadata: &Value,
    checksums: &BTreeMap<(String, String), String>,
) -> Result<Value> {
    let packages: BTreeMap<&str, &Value> = list(metadata, "/packages")
        .map(|package| (text(package, "id"), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(metadata, "/resolve/nodes")
        .map(|node| (text(node, "id"), node))
        .collect();
    let root = packages
        .values()
        .find(|package| text(package, "name") == program);
    let root = root.with_context(|| format!("there is no package {program}"))?;
    // What is only needed by tests or by build scripts is not in the program.
    let linked = |id: &str| -> Vec<&str> {
        let node = nodes.get(id).copied().unwrap_or(&Value::Null);
        let normal = list(node, "/deps").filter(|dep| {
            list(dep, "/dep_kinds").any(|kind| kind.get("kind") == Some(&Value::Null))
        });
        let mut ids: Vec<&str> = normal.map(|dep| text(dep, "pkg")).collect();
        ids.sort_unstable();
        ids
    };
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![text(root, "id")];
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(linked(id));
        }
    }
    let reference = |id: &str| packages.get(id).map(|package| purl(package));
    let listed = |id: &&str| {
        let package = packages.get(*id)?;
        let key = (
            text(package, "name").to_owned(),
            text(package, "version").to_owned(),
        );
        Some(component(package, checksums.get(&key)))
    };
    let components: Vec<Value> = seen
        .iter()
        .filter(|id| **id != text(root, "id"))
        .filter_map(listed)
        .collect();
    let dependencies: Vec<Value> = seen
        .iter()
        .filter_map(|id| {
            let on: Vec<String> = linked(id).into_iter().filter_map(reference).collect();
            Some(json!({"ref": reference(id)?, "dependsOn": on}))
        })
        .collect();
    let mut own = component(root, None);
    if let Some(fields) = own.as_object_mut() {
        fields.insert("type".into(), "application".into());
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(package: &Value, checksum: Option<&String>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": text(package, "name"),
        "version": text(package, "version"),
        "purl": purl(package),
    });
    let Some(fields) = component.as_object_mut() else {
        return component;
    };
    let licence = text(package, "license");
    if !licence.is_empty() {
        // Older manifests write a slash for OR.
        let expression = licence.replace(" / ", " OR ").replace('/', " OR ");
        fields.insert("licenses".into(), json!([{"expression": expression}]));
    }
    if let Some(sum) = checksum {
        fields.insert("hashes".into(), json!([{"alg": "SHA-256", "content": sum}]));
    }
    component
}

/// The package URL of a crate.
fn purl(package: &Value) -> String {
    // A plus sign begins build metadata, and has a meaning of its own in URLs.
    let version = text(package, "version").replace('+', "%2B");
    format!("pkg:cargo/{}@{version}", text(package, "name"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_linked_is_listed() {
        let package = |name: &str| json!({"id": name, "name": name, "version": "1.0.0+x", "license": "MIT/Apache-2.0"});
        let dep = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [package("app"), package("linked"), package("deep"), package("tests"), package("script")],
            "resolve": {"nodes": [
                {"id": "app", "deps": [dep("linked", Value::Null), dep("tests", json!("dev")), dep("script", json!("build"))]},
                {"id": "linked", "deps": [dep("deep", Value::Null)]},
                {"id": "deep", "deps": []}, {"id": "tests", "deps": []}, {"id": "script", "deps": []},
            ]},
        });
        let lock = "[[package]]\nname = \"deep\"\nversion = \"1.0.0+x\"\nchecksum = \"abc\"\n";
        let bill = bill("app", &metadata, &checksums(lock)).unwrap();
        let names: Vec<&str> = list(&bill, "/components")
            .map(|c| text(c, "name"))
            .collect();
        assert_eq!(names, ["deep", "linked"]);
        assert_eq!(bill["components"][0]["hashes"][0]["content"], "abc");
        assert_eq!(bill["components"][0]["purl"], "pkg:cargo/deep@1.0.0%2Bx");
        assert_eq!(
            bill["components"][1]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(bill["metadata"]["component"]["type"], "application");
        let of_app = &bill["dependencies"][0];
        assert_eq!(of_app["dependsOn"], json!(["pkg:cargo/linked@1.0.0%2Bx"]));
    }
}
