//! Compares keyless's template engine with Go's on random templates.
//!
//! `differential seeds FOLDER` writes the seeds of each target into a folder of its name and prints
//! the names: libFuzzer's own flags keep this program out of `fuzz/`.
//! `differential write FOLDER N SEED` writes N templates for `testbed/oracle/template`;
//! `differential compare FOLDER` reads its answers and prints what differs.

#![allow(clippy::print_stdout, reason = "the differences are the result")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_gotemplate::{Engine, Value};
use serde_json::Value as Json;

/// The values that the templates read, those of the recorded cases.
const DATA: &str = include_str!("../../../gotemplate/tests/oracle/data.json");
/// How many differences are shown.
const SHOWN: usize = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["seeds", folder] => write_seeds(Path::new(folder)).map(|()| true),
        ["write", folder, count, seed] => write(Path::new(folder), count, seed).map(|()| true),
        ["compare", folder] => compare(Path::new(folder)),
        _ => Err("usage: differential seeds FOLDER | write FOLDER N SEED | compare FOLDER".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::from(2)
        }
    }
}

fn write_seeds(folder: &Path) -> Result<(), Box<dyn Error>> {
    for target in keyless_fuzz::TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in keyless_fuzz::seeds(target.name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}

fn write(folder: &Path, count: &str, seed: &str) -> Result<(), Box<dyn Error>> {
    let (count, seed): (u64, u64) = (count.parse()?, seed.parse()?);
    let mut cases = String::new();
    for number in 0..count {
        let text = keyless_fuzz::template(seed.wrapping_add(number));
        cases.push_str(&serde_json::to_string(&text)?);
        cases.push('\n');
    }
    std::fs::write(folder.join("random.cases"), cases)?;
    std::fs::write(folder.join("data.json"), DATA)?;
    Ok(())
}

fn compare(folder: &Path) -> Result<bool, Box<dyn Error>> {
    let answers = std::fs::read_to_string(folder.join("answers.jsonl"))?;
    let root = root()?;
    let engine = Engine::eso();
    let (mut total, mut rendered, mut differences) = (0, 0, 0);
    for line in answers.lines() {
        let answer: Json = serde_json::from_str(line)?;
        let text = |field: &str| answer.get(field).and_then(Json::as_str).unwrap_or_default();
        let wanted = match text("kind") {
            "" => match text("out_b64") {
                "" => Ok(text("out").as_bytes().to_vec()),
                encoded => Ok(STANDARD.decode(encoded)?),
            },
            // Reasons come from many libraries and quote data; texts of the parser are Go's own.
            "parse" => Err(format!("parse: {}", text("err"))),
            _ => Err("execute".to_owned()),
        };
        let ours = ours(&engine, text("tpl"), &root);
        total += 1;
        rendered += usize::from(wanted.is_ok());
        if ours != wanted {
            differences += 1;
            if differences <= SHOWN {
                println!(
                    "{:?}\n  go:   {}\n  ours: {}",
                    text("tpl"),
                    show(&wanted),
                    show(&ours)
                );
            }
        }
    }
    println!("{differences} differences in {total} random templates, of which {rendered} render");
    Ok(differences == 0)
}

fn root() -> Result<BTreeMap<String, Vec<u8>>, Box<dyn Error>> {
    let data: Json = serde_json::from_str(DATA)?;
    let entries = |pointer: &str| data.pointer(pointer).and_then(Json::as_object);
    let mut root = BTreeMap::new();
    for (key, value) in entries("/main/text").into_iter().flatten() {
        root.insert(
            key.clone(),
            value.as_str().unwrap_or_default().as_bytes().to_vec(),
        );
    }
    for (key, value) in entries("/main/b64").into_iter().flatten() {
        root.insert(
            key.clone(),
            STANDARD.decode(value.as_str().unwrap_or_default())?,
        );
    }
    Ok(root)
}

type Answer = Result<Vec<u8>, String>;

fn ours(engine: &Engine, text: &str, root: &BTreeMap<String, Vec<u8>>) -> Answer {
    let template = engine
        .parse("t", text)
        .map_err(|error| format!("parse: {error}"))?;
    let root = Value::text_map(root);
    let done = template.execute(&root, &mut keyless_fuzz::context());
    done.map_err(|_| "execute".to_owned())
}

fn show(answer: &Answer) -> String {
    match answer {
        Ok(out) => format!("{:?}", String::from_utf8_lossy(out)),
        Err(kind) => kind.clone(),
    }
}
