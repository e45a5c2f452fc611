//! The doctor over a corpus of broken chains: the right link and code, and never a link that was
//! fine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keyless_trust::doctor::{CHAIN, Diagnosis, Facts, State, diagnose};
use serde_json::{Map, Value, json};

pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// RFC 7396.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// The files write objects and documents by name, so that a patch can reach them.
pub fn facts(mut value: Value) -> Facts {
    let map = value.as_object_mut().unwrap();
    let named = |map: &mut Map<String, Value>, key: &str| match map.remove(key) {
        Some(Value::Object(named)) => named,
        _ => Map::new(),
    };
    let objects: Vec<Value> = named(map, "objects").into_iter().map(|(_, v)| v).collect();
    let described = named(map, "described").into_iter();
    let described: Vec<Value> = described
        .map(|(name, document)| json!({"name": name, "document": document}))
        .collect();
    let tokens: Vec<Value> = map.remove("token").into_iter().collect();
    map.insert("objects".into(), json!(objects));
    map.insert("described".into(), json!(described));
    map.insert("tokens".into(), json!(tokens));
    serde_json::from_value(value).unwrap()
}

/// The sound chain of this name.
pub fn base(name: &str) -> Value {
    read(&corpus().join("base").join(format!("{name}.yaml")))
}

pub fn case(file: &Path) -> (Value, Facts) {
    let case = read(file);
    let base = case["base"].as_str().unwrap();
    let mut value = self::base(base);
    if let Some(said) = case.get("said") {
        let status = json!({"conditions": [{"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": said}]});
        merge(
            &mut value,
            &json!({"objects": {"external": {"status": status}}}),
        );
    }
    if let Some(change) = case.get("change") {
        merge(&mut value, change);
    }
    (case, facts(value))
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn sound_chains_are_sound() {
    // A pod without a cloud to ask is sound as far as it goes.
    for base in ["pod-aws", "pod-azure", "pod-google", "pod-gke", "pod-agent"] {
        let path = corpus().join("base").join(format!("{base}.yaml"));
        let diagnosis = diagnose(&facts(read(&path)));
        assert_eq!(diagnosis.broken, None, "{base}");
        assert_eq!(diagnosis.further, [], "{base}");
        assert!(diagnosis.chain.len() == 9, "{base}");
    }
    for base in ["aws", "azure", "google", "vault"] {
        let path = corpus().join("base").join(format!("{base}.yaml"));
        let diagnosis = diagnose(&facts(read(&path)));
        assert_eq!(diagnosis.broken, None, "{base}");
        assert!(diagnosis.identity.is_some(), "{base}");
        let mut value = read(&path);
        let ready = json!({"conditions": [{"type": "Ready", "status": "True", "message": "secret synced"}]});
        merge(
            &mut value,
            &json!({"objects": {"external": {"status": ready}}}),
        );
        assert!(diagnose(&facts(value)).is_sound(), "{base}");
    }
}

#[test]
fn every_broken_chain_is_named() {
    let files = files();
    assert!(files.len() >= 180, "{} files", files.len());
    let (mut right, mut wrong_link) = (0, Vec::new());
    let mut misses = Vec::new();
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_facts = 0;
    for file in &files {
        let (case, facts) = case(file);
        let diagnosis: Diagnosis = diagnose(&facts);
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let wanted = (
            case["link"].as_str().unwrap(),
            case["code"].as_str().unwrap(),
        );
        assert!(CHAIN.iter().any(|l| l.as_str() == wanted.0), "{name}");
        let link = diagnosis
            .chain
            .iter()
            .position(|s| s.link.as_str() == wanted.0);
        let found = diagnosis.broken.as_ref().map(|b| (b.link.as_str(), b.code));
        *codes.entry(wanted.1.to_owned()).or_default() += 1;
        by_facts += usize::from(case.get("said").is_none());
        if let (true, Some(link)) = (found == Some(wanted), link) {
            right += 1;
            // What is before it is not broken, what is behind it was not reached.
            for (at, step) in diagnosis.chain.iter().enumerate() {
                match at.cmp(&link) {
                    std::cmp::Ordering::Less => assert!(
                        matches!(step.state, State::Holds | State::Unknown),
                        "{name}"
                    ),
                    std::cmp::Ordering::Equal => assert_eq!(step.state, State::Broken, "{name}"),
                    std::cmp::Ordering::Greater => {
                        assert_eq!(step.state, State::NotReached, "{name}")
                    }
                }
            }
            continue;
        }
        misses.push(format!("{name}: wanted {wanted:?}, found {found:?}"));
        if found.is_some_and(|f| f.0 != wanted.0) {
            wrong_link.push(name);
        }
    }
    eprintln!(
        "{right} of {} broken chains named by link and code ({} codes, {by_facts} without any error text)",
        files.len(),
        codes.len()
    );
    for miss in &misses {
        eprintln!("  {miss}");
    }
    assert!(
        wrong_link.is_empty(),
        "links that were fine were named: {wrong_link:?}\n{}",
        misses.join("\n")
    );
    assert!(right * 100 >= files.len() * 95, "{}", misses.join("\n"));
}

/// A bundle can be written and read, and gives the same diagnosis.
#[test]
fn bundles_survive() {
    for file in files() {
        let (_, facts) = case(&file);
        let text = serde_json::to_string(&facts).unwrap();
        let again: Facts = serde_json::from_str(&text).unwrap();
        assert_eq!(diagnose(&again), diagnose(&facts), "{}", file.display());
    }
}
