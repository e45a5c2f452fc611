//! The schemas of the providers for Azure, Google and Vault as judges of what is rendered: every
//! argument and block is one that the provider has, and none that it requires is missing.
//!
//! The schemas are those that the providers' bindings for TypeScript were generated from: each
//! package is made from one version of a provider and has an interface for each block. `npm pack`
//! fetches them once into the cache; nothing of them is run.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use super::terraform::{Case, azure, google, rendered, vault};
use super::*;
use crate::hcl::Block;

/// A package, its version, and the version of the provider that it was generated from.
const PACKAGES: [(Target, &str, &str, &str); 3] = [
    (Target::Azure, "@cdktn/provider-azurerm", "16.1.0", "4.73.0"),
    (
        Target::Google,
        "@cdktf/provider-google",
        "16.12.1",
        "6.50.0",
    ),
    (Target::Vault, "@cdktf/provider-vault", "15.6.1", "5.6.0"),
];

/// What every resource may have, whatever its provider.
const META: [&str; 6] = [
    "count",
    "depends_on",
    "for_each",
    "lifecycle",
    "provider",
    "provisioner",
];

/// The package's archive in the cache.
fn archive(package: &str, version: &str) -> Result<PathBuf, String> {
    let cache = std::env::var_os("KEYLESS_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyless")))
        .ok_or("neither KEYLESS_CACHE nor HOME is set")?;
    let folder = cache.join("provider-types");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    // Several test processes may come here at once; the lock ends with the file.
    let lock = File::create(cache.join("provider-types.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let name = package.trim_start_matches('@').replace('/', "-");
    let file = folder.join(format!("{name}-{version}.tgz"));
    if !file.exists() {
        let output = Command::new("npm")
            .args(["pack", "--silent", "--pack-destination"])
            .arg(&folder)
            .arg(format!("{package}@{version}"))
            .output()
            .map_err(|e| format!("npm: {e}"))?;
        if !output.status.success() || !file.exists() {
            let err = String::from_utf8_lossy(&output.stderr);
            return Err(format!("npm pack {package}@{version}: {err}"));
        }
    }
    Ok(file)
}

/// An argument or block that a provider knows.
struct Field {
    required: bool,
    /// The interface of a block's content.
    content: String,
}

/// The interfaces of one file, by name; the fields by their names in HCL.
#[derive(Default)]
struct Interfaces(BTreeMap<String, BTreeMap<String, Field>>);

impl Interfaces {
    /// Reads declarations as the generator writes them: above each field a link whose fragment is
    /// its name in HCL.
    fn read(text: &str) -> Self {
        let mut out = Self::default();
        let (mut interface, mut name) = (None, None);
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("export interface ") {
                let own = rest.split(' ').next().unwrap().to_owned();
                out.0.entry(own.clone()).or_default();
                interface = Some(own);
            } else if line == "}" {
                interface = None;
            } else if let Some((_, link)) = line.split_once("{@link ") {
                let fragment = link.split_once('#').map(|(_, rest)| rest);
                name = fragment.and_then(|rest| rest.split(' ').next().map(str::to_owned));
            } else if let (Some(interface), Some(field)) =
                (&interface, line.trim_start().strip_prefix("readonly "))
            {
                let (declared, kind) = field.split_once(':').unwrap();
                let content = kind
                    .trim()
                    .split(|c: char| !c.is_ascii_alphanumeric())
                    .next();
                let field = Field {
                    required: !declared.ends_with('?'),
                    content: content.unwrap_or_default().to_owned(),
                };
                let name = name
                    .take()
                    .unwrap_or_else(|| panic!("no name above {line}"));
                out.0.get_mut(interface).unwrap().insert(name, field);
            }
        }
        out
    }

    /// What is wrong with `block` by `interface`.
    fn judge(&self, block: &Block, interface: &str, outermost: bool) -> Vec<String> {
        let Some(fields) = self.0.get(interface) else {
            return vec![format!("there is no {interface}")];
        };
        let mut wrong = Vec::new();
        let meta = |name: &str| outermost && META.contains(&name);
        let arguments = block.attributes.iter().map(|a| a.name.as_str());
        let present: Vec<&str> = arguments
            .chain(block.blocks.iter().map(|b| b.kind.as_str()))
            .collect();
        for name in &present {
            if !fields.contains_key(*name) && !meta(name) {
                wrong.push(format!("{interface} has no {name}"));
            }
        }
        for (name, field) in fields {
            if field.required && !present.contains(&name.as_str()) {
                wrong.push(format!("{interface} needs {name}"));
            }
        }
        for inner in block.blocks.iter().filter(|b| !meta(&b.kind)) {
            if let Some(field) = fields.get(&inner.kind) {
                wrong.extend(self.judge(inner, &field.content, false));
            }
        }
        wrong
    }
}

/// `a_b` as the package names its folders and interfaces.
fn folder_and_interface(block: &Block, provider: &str) -> Option<String> {
    let kind = block.labels.first()?;
    let rest = kind.strip_prefix(provider)?.replace('_', "-");
    match block.kind.as_str() {
        "resource" => Some(rest.trim_start_matches('-').to_owned()),
        "data" => Some(format!("data-{provider}{rest}")),
        "provider" => Some("provider".to_owned()),
        _ => None,
    }
}

fn judged(target: Target, package: &str, version: &str, provider_version: &str, case: Case) {
    let file = match archive(package, version) {
        Ok(file) => file,
        Err(reason) => {
            eprintln!("SKIPPED: no schema judges what is rendered for {target:?}: {reason}");
            return;
        }
    };
    let provider = package.rsplit_once('-').unwrap().1;
    let mut known: BTreeMap<String, (Interfaces, String)> = BTreeMap::new();
    let mut judged = 0;
    for text in rendered(target, case, false) {
        for block in &module(&text).blocks {
            let Some(folder) = folder_and_interface(block, provider) else {
                continue;
            };
            let (interfaces, outermost) = known.entry(folder.clone()).or_insert_with(|| {
                let output = Command::new("tar")
                    .arg("xzOf")
                    .arg(&file)
                    .arg(format!("package/lib/{folder}/index.d.ts"))
                    .output()
                    .unwrap();
                assert!(
                    output.status.success(),
                    "the provider has no {:?} ({folder})",
                    block.labels
                );
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(
                    text.contains(&format!("/{provider_version}/docs")),
                    "{package} is of another version of the provider"
                );
                // The first one that is a whole resource.
                let first = text
                    .lines()
                    .find(|l| l.starts_with("export interface ") && l.contains("Config"));
                let first = first.unwrap().split(' ').nth(2).unwrap().to_owned();
                (Interfaces::read(&text), first)
            });
            let wrong = interfaces.judge(block, outermost, true);
            assert!(wrong.is_empty(), "{wrong:#?}\n{text}");
            judged += 1;
        }
    }
    assert!(judged > 0);
    // The judge can see at all.
    let (interfaces, outermost) = known.values().next().unwrap();
    let mut wrong = Module::new();
    wrong
        .add(0, "resource \"a\" \"b\" {\n  no_such_argument = 1\n}\n")
        .unwrap();
    assert!(
        !interfaces
            .judge(&wrong.blocks[0], outermost, true)
            .is_empty()
    );
    eprintln!(
        "{judged} blocks for {target:?} are as {provider} {provider_version} has them, of {} kinds",
        known.len()
    );
}

#[test]
fn the_schemas_know_every_argument() {
    for (target, package, version, provider_version) in PACKAGES {
        let case = match target {
            Target::Azure => azure().boxed(),
            Target::Google => google().boxed(),
            _ => vault().boxed(),
        };
        judged(target, package, version, provider_version, case);
    }
}
